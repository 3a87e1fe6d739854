"""The pages, and whether all is well."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from streamer.errors import LibraryError, NotFound
from streamer.web.keys import SHELF

STATIC = Path(__file__).parent / "static"
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob: data:; worker-src 'self' blob:;"
    " connect-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}


async def index(_request: web.Request) -> web.StreamResponse:
    """Gives the list of stories."""
    return web.FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)


async def watch(request: web.Request) -> web.StreamResponse:
    """Gives the page that plays a story; it asks for the story itself."""
    try:
        await request.app[SHELF].current(request.match_info["story"])
        status = 200
    except NotFound:
        status = 404
    return web.FileResponse(STATIC / "watch.html", headers=PAGE_HEADERS, status=status)


async def health(request: web.Request) -> web.Response:
    """Tells whether stories can be played."""
    try:
        count = len(await request.app[SHELF].stories())
    except LibraryError as error:
        return web.json_response({"status": "failing", "detail": str(error)}, status=503)
    status = 200 if count else 503
    words = "ok" if count else "no story is packaged yet"
    return web.json_response({"status": words, "stories": count}, status=status, headers={"Cache-Control": "no-store"})
