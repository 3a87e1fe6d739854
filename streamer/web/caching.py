"""What caches are told: how long an answer holds, and whether the one they have still does (RFC 9110 and 9111)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from streamer.hls.delivery import Directives
from streamer.service import Given

FOR_EVER = "public, max-age=31536000, immutable"  # what is named by its content
ASK_AGAIN = "no-cache"  # may be kept, and is asked for again each time
ASK_AGAIN_ALONE = "private, no-cache"  # likewise, but not by a cache that several viewers share
NO_STORE = {"Cache-Control": "no-store"}
OVER_SECONDS = 3600  # a list with ENDLIST never changes; but nobody asks for it for long
ASKED_TARGET_DURATIONS = 6  # a blocking answer with what was asked for (RFC 8216bis, appendix B.1)
ANY = "*"


def lifetime(given: Given, asked: Directives) -> str:
    """Gives the Cache-Control of a Media Playlist. Its address is one session's own."""
    if given.version.over:
        return f"max-age={OVER_SECONDS}"
    if asked.segments is None:
        return ASK_AGAIN
    # The address holds the segment's number: whoever has the answer never asks for the same one again.
    return f"max-age={ASKED_TARGET_DURATIONS * given.target_duration}" if given.has_asked else "no-store"


def is_known(request: web.Request, tag: str) -> bool:
    """Tells whether who asks has what is tagged so (If-None-Match, by weak comparison)."""
    known = request.if_none_match
    return known is not None and any(each.value in {tag, ANY} for each in known)


def sent(request: web.Request, body: bytes, tag: str, headers: Mapping[str, str]) -> web.Response:
    """Gives an answer with its ETag, or 304 to who has it already."""
    headers = {**headers, "ETag": f'"{tag}"'}
    if is_known(request, tag):
        headers.pop("Content-Encoding", None)  # there is no content
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)
