"""Playlists over HTTP."""

from __future__ import annotations

from aiohttp import web

from streamer.errors import MalformedRequest
from streamer.hls.delivery import DirectiveError, read_directives
from streamer.hls.media_playlist import MEDIA_TYPE
from streamer.web.keys import SESSIONS

FIRST_RUN = 1
NO_STORE = {"Cache-Control": "no-store"}


async def play(request: web.Request) -> web.Response:
    """Opens a session and gives its Multivariant Playlist; stores nothing."""
    profile = {name: value for name, value in request.query.items() if not name.startswith(("_HLS_", "CMCD"))}
    opened = await request.app[SESSIONS].open(request.match_info["story"], profile, trusted=False)
    return _playlist(opened.edition.multivariant_at(f"../s/{opened.id}/{FIRST_RUN}/"))


async def multivariant(request: web.Request) -> web.Response:
    """Gives a session's Multivariant Playlist."""
    return _playlist(await request.app[SESSIONS].multivariant(request.match_info["session"], ""))


async def media(request: web.Request) -> web.Response:
    """Gives a Media Playlist, held back if the player asked for that."""
    sessions, session, rendition = request.app[SESSIONS], request.match_info["session"], request.match_info["rendition"]
    if request.method == "HEAD":
        length = await sessions.head(session, rendition)
        return web.Response(headers={**NO_STORE, "Content-Type": MEDIA_TYPE, "Content-Length": str(length)})
    try:
        directives = read_directives(request.query)
    except DirectiveError as error:
        raise MalformedRequest(error.name, str(error)) from error
    return _playlist(
        await sessions.media_playlist(session, rendition, directives.segments, run=int(request.match_info["run"]))
    )


def _playlist(body: bytes) -> web.Response:
    return web.Response(body=body, headers={**NO_STORE, "Content-Type": MEDIA_TYPE})
