"""A proxy on loopback between a player and the server: delays, throttles, fails, and keeps a log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import ClientConnectionResetError, ClientSession, ClientTimeout, web

CHUNK = 8192  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What lies between; the defaults are an open link."""

    name: str = "open"
    rtt_ms: int = 0
    bits_per_second: int = 0  # 0: as fast as it goes; shared by all connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as the proxy saw it."""

    at: float  # s since the proxy began
    took: float  # s
    path: str
    status: int
    size: int


@dataclass(slots=True, kw_only=True)
class Proxy:
    """A running proxy."""

    url: str
    network: Network
    fails: Callable[[str], int | None]  # path with query -> status to answer with, or None
    began: float = field(default_factory=time.monotonic)
    log: list[Seen] = field(default_factory=list)
    _free_at: float = 0.0  # when the link has sent what it was given

    async def send(self, size: int) -> None:
        """Waits as long as the link needs for so many bytes."""
        if self.network.bits_per_second:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size * 8 / self.network.bits_per_second
            await asyncio.sleep(self._free_at - now)


@asynccontextmanager
async def proxied(
    target: str, network: Network, fails: Callable[[str], int | None] = lambda path: None
) -> AsyncIterator[Proxy]:
    """Runs a proxy in front of a server."""
    async with ClientSession(timeout=ClientTimeout(total=None), auto_decompress=False) as http:

        async def handle(request: web.Request) -> web.StreamResponse:
            at = time.monotonic() - proxy.began
            await asyncio.sleep(proxy.network.rtt_ms / 1000)
            size, status = 0, proxy.fails(request.path_qs)
            if status is not None:
                proxy.log.append(Seen(at=at, took=0, path=request.path_qs, status=status, size=0))
                return web.Response(status=status, headers={"Access-Control-Allow-Origin": "*"})
            headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Connection")}
            async with http.request(
                request.method, target + request.path_qs, headers=headers, data=await request.read()
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                with suppress(ClientConnectionResetError):  # the player has gone
                    await response.prepare(request)
                    async for chunk in answer.content.iter_chunked(CHUNK):
                        await proxy.send(len(chunk))
                        await response.write(chunk)
                        size += len(chunk)
                    await response.write_eof()
            took = time.monotonic() - proxy.began - at
            proxy.log.append(Seen(at=at, took=took, path=request.path_qs, status=answer.status, size=size))
            return response

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        proxy = Proxy(url=f"http://127.0.0.1:{port}", network=network, fails=fails)
        try:
            yield proxy
        finally:
            await runner.cleanup()


HOP_BY_HOP = {"Connection", "Transfer-Encoding", "Keep-Alive"}
