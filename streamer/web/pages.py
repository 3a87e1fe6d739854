"""The pages, and whether all is well."""

from __future__ import annotations

from aiohttp import web

from streamer.errors import LibraryError, NotFound
from streamer.web.caching import ASK_AGAIN, NO_STORE, sent
from streamer.web.keys import FILES, SHELF

PAGE_HEADERS = {
    "Cache-Control": ASK_AGAIN,
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob: data:; worker-src 'self' blob:;"
    " connect-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}


async def index(request: web.Request) -> web.Response:
    """Gives the list of stories."""
    return _page(request, "index.html")


async def watch(request: web.Request) -> web.Response:
    """Gives the page that plays a story; it asks for the story itself."""
    try:
        await request.app[SHELF].current(request.match_info["story"])
    except NotFound:
        file = request.app[FILES]["watch.html"]
        headers = {**PAGE_HEADERS, **NO_STORE, "Content-Type": file.media_type}
        return web.Response(status=404, body=file.body, headers=headers)
    return _page(request, "watch.html")


async def static(request: web.Request) -> web.Response:
    """Gives a file of the pages."""
    file = request.app[FILES].get(request.match_info["name"])
    if file is None:
        raise NotFound("there is no such file")
    headers = {
        "Cache-Control": ASK_AGAIN,
        "Content-Type": file.media_type,
        "X-Content-Type-Options": "nosniff",
    }
    return sent(request, file.body, file.tag, headers)


def _page(request: web.Request, name: str) -> web.Response:
    file = request.app[FILES][name]
    return sent(request, file.body, file.tag, {**PAGE_HEADERS, "Content-Type": file.media_type})


async def health(request: web.Request) -> web.Response:
    """Tells whether stories can be played."""
    try:
        count = len(await request.app[SHELF].stories())
    except LibraryError as error:
        return web.json_response({"status": "failing", "detail": str(error)}, status=503, headers=NO_STORE)
    status = 200 if count else 503
    words = "ok" if count else "no story is packaged yet"
    return web.json_response({"status": words, "stories": count}, status=status, headers=NO_STORE)
