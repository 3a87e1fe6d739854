"""What an author is told while story files are watched."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from aiohttp import web
from aiohttp_sse import sse_response

from streamer.web.keys import WATCH

LISTEN_SECONDS = 15.0  # until it is looked whether the page is still there


async def events(request: web.Request) -> web.StreamResponse:
    """Tells how things stand with the watched files, now and as it changes. To pages of this server alone."""
    watch = request.app[WATCH]
    version = -1
    async with sse_response(request) as stream:
        while stream.is_connected() and not watch.is_over:
            newest = await watch.newer(version, LISTEN_SECONDS)
            if newest > version:
                version = newest
                with suppress(ConnectionResetError):  # the page has gone; the stream notices by itself
                    await stream.send(msgspec.json.encode({"stories": watch.reports}).decode(), event="watch")
    return stream
