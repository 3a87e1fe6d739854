"""Playlists over HTTP."""

from __future__ import annotations

import gzip

from aiohttp import web

from streamer.errors import MalformedRequest
from streamer.hls.cmcd import read_events, read_request
from streamer.hls.delivery import DirectiveError, Skip, read_directives
from streamer.hls.media_playlist import MEDIA_TYPE
from streamer.playlists import DELTA_LEVEL, Form
from streamer.service import Asks
from streamer.units import TICKS_PER_SECOND
from streamer.web.keys import SESSIONS
from streamer.web.languages import languages_of
from streamer.web.limiting import Limited, limited
from streamer.web.middleware import body_of

FIRST_RUN = 1
NO_STORE = {"Cache-Control": "no-store"}
_LIST = {**NO_STORE, "Content-Type": MEDIA_TYPE, "Vary": "Accept-Encoding"}


async def play(request: web.Request) -> web.Response:
    """Opens a session and gives its Multivariant Playlist; stores nothing."""
    await limited(request, Limited.SESSIONS)
    profile = {name: value for name, value in request.query.items() if not name.startswith(("_HLS_", "CMCD"))}
    asks = Asks(languages=languages_of(request))
    opened = await request.app[SESSIONS].open(request.match_info["story"], profile, trusted=False, asks=asks)
    return _multivariant(request, opened.edition.multivariant_at(f"../s/{opened.id}/{FIRST_RUN}/"))


async def multivariant(request: web.Request) -> web.Response:
    """Gives a session's Multivariant Playlist; who opens it again later goes on where the viewer is."""
    sessions, session, run = request.app[SESSIONS], request.match_info["session"], request.match_info["run"]
    resumes = await sessions.resumes_at(session, int(run))
    prefix = "" if resumes is None else f"../{run}.{resumes * 1000 // TICKS_PER_SECOND}/"
    return _multivariant(request, await sessions.multivariant(session, prefix))


async def media(request: web.Request) -> web.Response:
    """Gives a Media Playlist, held back if the player asked for that."""
    sessions, session, rendition = request.app[SESSIONS], request.match_info["session"], request.match_info["rendition"]
    try:
        directives = read_directives(request.query)
    except DirectiveError as error:
        raise MalformedRequest(error.name, str(error)) from error
    start = request.match_info.get("start")
    has = directives.segments - 1 if directives.skip is not Skip.NO and directives.segments is not None else None
    form = Form(
        skip=directives.skip,
        zipped=_takes_gzip(request),
        start_ms=None if start is None else int(start),
        has=has,
    )
    run = int(request.match_info["run"])
    if request.method == "HEAD":
        length = await sessions.head(session, rendition, run=run, form=form)
        return web.Response(headers={**_headers(zipped=form.zipped), "Content-Length": str(length)})
    if said := read_request(request.query, request.headers):
        await sessions.hear(session, said)
    body = await sessions.media_playlist(session, rendition, directives, run=run, form=form)
    return _sent(body, zipped=form.zipped)


async def report(request: web.Request) -> web.Response:
    """Takes what a player reports of itself (CMCD, event mode)."""
    sessions, session = request.app[SESSIONS], request.match_info["session"]
    for said in read_events(await body_of(request)):
        await sessions.hear(session, said)
    return web.Response(status=204, headers=NO_STORE)


def _multivariant(request: web.Request, body: bytes) -> web.Response:
    zipped = _takes_gzip(request)
    return _sent(gzip.compress(body, DELTA_LEVEL, mtime=0) if zipped else body, zipped=zipped)


def _takes_gzip(request: web.Request) -> bool:
    """Tells whether a player takes gzip (RFC 9110, section 12.5.3)."""
    for given in request.headers.get("Accept-Encoding", "").split(","):
        coding, _, weight = given.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _sent(body: bytes, *, zipped: bool) -> web.Response:
    return web.Response(body=body, headers=_headers(zipped=zipped))


def _headers(*, zipped: bool) -> dict[str, str]:
    return {**_LIST, "Content-Encoding": "gzip"} if zipped else _LIST
