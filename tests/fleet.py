"""Servers over one Valkey that can be killed, restarted and paused, and viewers whose requests go to any of them."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.e2e.client import Opened, open_session
from tests.readers import Read, read_media
from tests.serving import Server, Starter
from tests.valkey import Valkey, valkey


def free_port() -> int:
    """Gives a port that a server can be started on twice."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Viewer:
    """Plays by asking now this replica and now that one, and notes every error and every line that changed."""

    http: ClientSession
    urls: Sequence[str]  # of the replicas
    session: Opened
    random: random.Random
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    failing_since: float = 0.0
    longest_error: float = 0.0  # seconds from the first of some errors in a row to the next answer
    ended: bool = False
    ranges: tuple[str, ...] = ()

    async def get(self, path: str) -> bytes | None:
        """Asks one replica, and another where nobody is there, as a balancer does; None: all failed."""
        trouble = "no replica"
        for url in self.random.sample(self.urls, len(self.urls)):
            try:
                async with self.http.get(f"{url}{path}", timeout=ClientTimeout(total=8)) as response:
                    if response.status == 200:
                        if self.failing_since:
                            self.longest_error = max(self.longest_error, time.monotonic() - self.failing_since)
                        self.failing_since = 0.0
                        return await response.read()
                    trouble = f"{response.status} {path.rpartition('/')[2]}"
            except (ClientError, TimeoutError) as error:
                trouble = type(error).__name__
        self.errors.append(trouble)
        self.failing_since = self.failing_since or time.monotonic()
        return None

    async def poll(self, rendition: str) -> Read | None:
        """Asks for a list and looks whether it only grew."""
        body = await self.get(f"{self.path}/{rendition}.m3u8")
        if body is None:
            return None
        found = read_media(body.decode())
        before = self.lists.get(rendition, ())
        assert found.uris[: len(before)] == before, "what was published has changed"
        self.lists[rendition] = found.uris
        return found

    async def watch(self, seconds: float) -> None:
        """Plays for so long, or to the end."""
        until = time.monotonic() + seconds
        fetched: set[str] = set()
        while time.monotonic() < until and not self.ended:
            await self.poll("a0")
            read = await self.poll("v0")
            if read is not None:
                self.ended, self.ranges = read.ended, read.ranges
                for uri in read.uris:
                    if uri not in fetched and await self.get(f"{self.path}/{uri}") is not None:
                        fetched.add(uri)
            await asyncio.sleep(0.5)

    @property
    def path(self) -> str:
        """Gives where the session's lists lie."""
        return f"/s/{self.session.id}/1"


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Replicas that can be started and killed one by one."""

    start: Starter
    library: Path
    state: Path
    store: Valkey
    ports: list[int]
    clocks: Sequence[Mapping[str, str]] = ({}, {})  # environment of each that sets its clock
    running: dict[int, tuple[AsyncExitStack, Server]] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        """Gives where the replicas are, whether they run or not."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def run(self, number: int, *options: str) -> Server:
        """Starts a replica."""
        stack = AsyncExitStack()
        environment = {"BRANCHLINE_SECRET": "5a" * 32, "BRANCHLINE_STORE_URL": self.store.url, **self.clocks[number]}
        started = self.start(
            self.library, *options, port=self.ports[number], state=self.state / str(number), environment=environment
        )
        server = await stack.enter_async_context(started)
        self.running[number] = stack, server
        return server

    async def kill(self, number: int) -> None:
        """Ends a replica as a crash does."""
        stack, server = self.running.pop(number)
        await server.kill()
        await stack.aclose()

    async def restart(self, number: int, *options: str) -> None:
        """Tells a replica to stop, waits until it has, and starts it again."""
        stack, server = self.running.pop(number)
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 0
        await stack.aclose()
        await self.run(number, *options)

    async def stop(self) -> None:
        """Ends all."""
        for stack, _ in self.running.values():
            await stack.aclose()


@asynccontextmanager
async def fleet(
    start: Starter, library: Path, folder: Path, *options: str, clocks: Sequence[Mapping[str, str]] = ({}, {})
) -> AsyncIterator[Fleet]:
    """Runs two replicas over one store."""
    async with valkey() as store:
        found = Fleet(
            start=start, library=library, state=folder, store=store, clocks=clocks, ports=[free_port(), free_port()]
        )
        try:
            await asyncio.gather(found.run(0, *options), found.run(1, *options))
            yield found
        finally:
            await found.stop()


@asynccontextmanager
async def viewing(fleet: Fleet, seed: int = 0) -> AsyncIterator[Viewer]:
    """Opens a session of the sample story at one of the replicas."""
    async with ClientSession(connector=TCPConnector(force_close=True)) as http:
        session = await open_session(http, fleet.urls[seed % 2])
        yield Viewer(http=http, urls=fleet.urls, session=session, random=random.Random(seed))
