"""Media Segments over HTTP: immutable, cacheable for a year, with ranges."""

from __future__ import annotations

from aiohttp import web

from streamer.hls.cmcd import read_request
from streamer.media.names import SegmentName
from streamer.web import cmsd
from streamer.web.caching import FOR_EVER, is_known, sent
from streamer.web.keys import METRICS, ORIGIN, SESSIONS
from streamer.web.middleware import problem


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
    tag = name.rpartition(".")[0]  # the name holds all that the bytes depend on
    headers = {
        "Cache-Control": FOR_EVER,
        "Accept-Ranges": "bytes",
        "Content-Type": media.media_type,
        **cmsd.of_media(media),
    }
    size, etag = len(media.body), f'"{tag}"'
    span = None if is_known(request, tag) else _span(request, etag, size)
    if span is None:
        answer = sent(request, media.body, tag, headers)
        _count(request, 0 if answer.status == web.HTTPNotModified.status_code else size)
        return answer
    start, stop = span
    if start >= stop:
        refused = problem(416, f"the segment has {size} bytes")
        refused.headers["Content-Range"] = f"bytes */{size}"
        return refused
    _count(request, stop - start)
    headers |= {"ETag": etag, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return web.Response(status=206, body=media.body[start:stop], headers=headers)


def _count(request: web.Request, size: int) -> None:
    if request.method == "GET" and size:
        metrics = request.app[METRICS]
        metrics.segments.inc()
        metrics.segment_bytes.inc(size)


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
