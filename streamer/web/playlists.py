"""Playlists over HTTP."""

from __future__ import annotations

import gzip

from aiohttp import web

from streamer.errors import MalformedRequest
from streamer.hls.cmcd import read_events, read_request
from streamer.hls.delivery import DirectiveError, Skip, read_directives
from streamer.hls.media_playlist import MEDIA_TYPE
from streamer.playlists import DELTA_LEVEL, Form, tag_of
from streamer.service import Asks
from streamer.units import TICKS_PER_SECOND
from streamer.web import cmsd
from streamer.web.caching import ASK_AGAIN_ALONE, NO_STORE, lifetime, sent
from streamer.web.keys import SESSIONS
from streamer.web.languages import languages_of
from streamer.web.limiting import Limited, limited
from streamer.web.middleware import body_of

FIRST_RUN = 1
_LIST = {"Content-Type": MEDIA_TYPE, "Vary": "Accept-Encoding"}


async def play(request: web.Request) -> web.Response:
    """Opens a session and gives its Multivariant Playlist; stores nothing."""
    await limited(request, Limited.SESSIONS)
    profile = {name: value for name, value in request.query.items() if not name.startswith(("_HLS_", "CMCD"))}
    asks = Asks(languages=languages_of(request))
    story, is_meant = request.match_info["story"], request.method != "HEAD"
    opened = await request.app[SESSIONS].open(story, profile, trusted=False, asks=asks, stores=is_meant)
    body = opened.edition.multivariant_at(f"../s/{opened.id}/{FIRST_RUN}/")
    zipped = _takes_gzip(request)
    headers = {**_headers(zipped=zipped), **NO_STORE, "Vary": "Accept-Encoding, Accept-Language"}
    return web.Response(body=_zipped(body) if zipped else body, headers=headers)


async def multivariant(request: web.Request) -> web.Response:
    """Gives a session's Multivariant Playlist; who opens it again later goes on where the viewer is."""
    sessions, session, run = request.app[SESSIONS], request.match_info["session"], request.match_info["run"]
    resumes = await sessions.resumes_at(session, int(run))
    prefix = "" if resumes is None else f"../{run}.{resumes * 1000 // TICKS_PER_SECOND}/"
    body, zipped = await sessions.multivariant(session, prefix), _takes_gzip(request)
    headers = {**_headers(zipped=zipped), "Cache-Control": ASK_AGAIN_ALONE}
    return sent(request, _zipped(body) if zipped else body, tag_of(body, zipped=zipped), headers)


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
        given = await sessions.head(session, rendition, directives, run=run, form=form)
    else:
        if said := read_request(request.query, request.headers):
            await sessions.hear(session, said)
        given = await sessions.media_playlist(session, rendition, directives, run=run, form=form)
    kept = {"Cache-Control": lifetime(given, directives), **cmsd.of_playlist(given)}
    return sent(request, given.version.body, given.version.tag, {**_headers(zipped=form.zipped), **kept})


async def report(request: web.Request) -> web.Response:
    """Takes what a player reports of itself (CMCD, event mode)."""
    sessions, session = request.app[SESSIONS], request.match_info["session"]
    for said in read_events(await body_of(request)):
        await sessions.hear(session, said)
    return web.Response(status=204, headers=NO_STORE)


def _zipped(body: bytes) -> bytes:
    return gzip.compress(body, DELTA_LEVEL, mtime=0)


def _takes_gzip(request: web.Request) -> bool:
    """Tells whether a player takes gzip (RFC 9110, section 12.5.3)."""
    for given in request.headers.get("Accept-Encoding", "").split(","):
        coding, _, weight = given.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _headers(*, zipped: bool) -> dict[str, str]:
    return {**_LIST, "Content-Encoding": "gzip"} if zipped else _LIST
