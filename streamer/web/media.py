"""Media Segments over HTTP: immutable, cacheable for a year, with ranges."""

from __future__ import annotations

from aiohttp import web

from streamer.hls.cmcd import read_request
from streamer.media.names import SegmentName
from streamer.web.keys import METRICS, ORIGIN, SESSIONS
from streamer.web.middleware import problem

FOR_EVER = "public, max-age=31536000, immutable"


async def below_session(request: web.Request) -> web.Response:
    """Gives a segment below a session's path, and notes that the session's player fetches it."""
    name = request.app[ORIGIN].read_name(request.match_info["name"])
    if isinstance(name, SegmentName) and request.method == "GET":
        said = read_request(request.query, request.headers)
        await request.app[SESSIONS].segment_requested(request.match_info["session"], name.offset, name.number, said)
    return await shared(request)


async def shared(request: web.Request) -> web.Response:
    """Gives a segment whoever asks."""
    name = request.match_info["name"]
    media = await request.app[ORIGIN].media(name)
    etag = f'"{name.rpartition(".")[0]}"'  # the name holds all that the bytes depend on
    headers = {"Cache-Control": FOR_EVER, "ETag": etag, "Accept-Ranges": "bytes", "Content-Type": media.media_type}
    if _known(request, etag):
        return web.Response(status=304, headers=headers)
    size = len(media.body)
    span = _span(request, etag, size)
    if span is None:
        _count(request, size)
        return web.Response(body=media.body, headers=headers)
    start, stop = span
    if start >= stop:
        refused = problem(416, f"the segment has {size} bytes")
        refused.headers["Content-Range"] = f"bytes */{size}"
        return refused
    _count(request, stop - start)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return web.Response(status=206, body=media.body[start:stop], headers=headers)


def _count(request: web.Request, size: int) -> None:
    if request.method == "GET":
        metrics = request.app[METRICS]
        metrics.segments.inc()
        metrics.segment_bytes.inc(size)


def _known(request: web.Request, etag: str) -> bool:
    given = request.headers.get("If-None-Match", "")
    return given.strip() == "*" or etag in {part.strip().removeprefix("W/") for part in given.split(",")}


def _span(request: web.Request, etag: str, size: int) -> tuple[int, int] | None:
    """Gives the bytes asked for; None: all. An empty span cannot be satisfied."""
    if request.method != "GET" or "Range" not in request.headers:
        return None
    if request.headers.get("If-Range", etag) != etag:
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None  # malformed, or several ranges: the whole is a right answer (RFC 9110, section 14.2)
    start, stop = asked.start, asked.stop
    if start is None:
        return None
    if start < 0:
        return max(size + start, 0), size
    return start, size if stop is None else min(stop, size)
