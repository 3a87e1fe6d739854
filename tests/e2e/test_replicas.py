"""Several servers over one Valkey: killed, restarted, paused, and the viewer plays on."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from streamer.session.events import Committed
from streamer.store.redis import RedisStore
from tests.e2e.client import Opened, open_session
from tests.e2e.test_survival import free_port
from tests.readers import Read, read_media
from tests.serving import Server, Starter
from tests.valkey import Valkey, valkey

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TARGET_SECONDS = 2.0  # EXT-X-TARGETDURATION of the sample
PAUSE_SECONDS = 10.0


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
    running: dict[int, tuple[AsyncExitStack, Server]] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        """Gives where the replicas are, whether they run or not."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def run(self, number: int, *options: str) -> Server:
        """Starts a replica."""
        stack = AsyncExitStack()
        environment = {"BRANCHLINE_SECRET": "5a" * 32, "BRANCHLINE_STORE_URL": self.store.url}
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
async def fleet(start: Starter, library: Path, folder: Path, *options: str) -> AsyncIterator[Fleet]:
    async with valkey() as store:
        found = Fleet(start=start, library=library, state=folder, store=store, ports=[free_port(), free_port()])
        try:
            await asyncio.gather(found.run(0, *options), found.run(1, *options))
            yield found
        finally:
            await found.stop()


@asynccontextmanager
async def viewing(fleet: Fleet, seed: int = 0) -> AsyncIterator[Viewer]:
    async with ClientSession(connector=TCPConnector(force_close=True)) as http:
        session = await open_session(http, fleet.urls[seed % 2])
        yield Viewer(http=http, urls=fleet.urls, session=session, random=random.Random(seed))


async def choose(viewer: Viewer, url: str, choice: str, answer_id: str) -> tuple[int, dict[str, object]]:
    """Sends an answer to one replica."""
    headers = {"Authorization": f"Bearer {viewer.session.token}"}
    body = {"decision": "lantern", "visit": 1, "choice": choice, "answer_id": answer_id}
    control = f"{url}/api/v1/sessions/{viewer.session.id}/choices"
    async with viewer.http.post(control, json=body, headers=headers, timeout=ClientTimeout(total=8)) as response:
        return response.status, json.loads(await response.read())


async def asked_of(viewer: Viewer, url: str) -> bytes:
    """Asks one replica for the picture's list."""
    async with viewer.http.get(f"{url}{viewer.path}/v0.m3u8") as response:
        assert response.status == 200
        return await response.read()


async def committed(fleet: Fleet, viewer: Viewer) -> list[tuple[str | None, str]]:
    """Gives the commits of the first decision that lie in the store: choice, and by whom."""
    store = await RedisStore.open(fleet.store.url, timeout_seconds=5)
    try:
        stored = await store.load(viewer.session.id)
    finally:
        await store.close()
    assert stored is not None
    steps = [step for step in stored.record.steps if isinstance(step, Committed)]
    return [(step.choice, step.by) for step in steps if step.decision == "lantern"]


async def test_a_replica_killed_between_taking_a_choice_and_answering_loses_nothing(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        replicas.store.pause()
        unanswered = asyncio.create_task(choose(viewer, replicas.urls[0], "take", "a"))
        await asyncio.sleep(0.3)  # it has been sent to the store, which stands still
        await replicas.kill(0)
        with pytest.raises((ClientError, TimeoutError)):
            await unanswered
        replicas.store.resume()

        again = await choose(viewer, replicas.urls[1], "take", "a")
        await viewer.watch(8)

        assert again[0] == 200
        assert again[1]["choice"] == "take"
        assert "sample.lantern.1.result" in viewer.ranges
        assert await committed(replicas, viewer) == [("take", "viewer")]
        assert viewer.longest_error <= TARGET_SECONDS


async def test_all_replicas_are_killed_and_the_viewer_goes_on_where_they_were(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        assert (await choose(viewer, replicas.urls[0], "take", "a"))[0] == 200
        await replicas.kill(0)
        await replicas.kill(1)

        await replicas.run(1)
        await viewer.watch(8)

        assert "sample.lantern.1.result" in viewer.ranges
        assert await committed(replicas, viewer) == [("take", "viewer")]


async def test_a_store_that_stands_still_over_a_lock_costs_no_error_and_no_choice(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        assert (await choose(viewer, replicas.urls[0], "take", "a"))[0] == 200
        await viewer.watch(0.6)
        listed = len(viewer.lists["v0"])
        replicas.store.pause()

        await viewer.watch(PAUSE_SECONDS)

        assert viewer.errors == []
        assert "sample.lantern.1.result" not in viewer.ranges  # nothing is committed that is not stored
        assert len(viewer.lists["v0"]) <= listed + 3
        replicas.store.resume()
        await viewer.watch(10)
        assert "sample.lantern.1.result" in viewer.ranges
        assert await committed(replicas, viewer) == [("take", "viewer")]
        assert viewer.errors == []


async def test_a_store_that_is_killed_and_comes_back_has_forgotten_nothing(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        assert (await choose(viewer, replicas.urls[0], "take", "a"))[0] == 200
        await replicas.store.kill()
        await viewer.watch(3)
        await replicas.store.start()

        await viewer.watch(8)

        assert viewer.errors == []
        assert await committed(replicas, viewer) == [("take", "viewer")]


async def test_two_devices_that_answer_two_replicas_at_once_come_to_one_choice(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        asked = [
            (url, choice, f"{choice}{n}") for n in range(8) for choice in ("take", "leave") for url in replicas.urls
        ]
        viewer.random.shuffle(asked)

        told = await asyncio.gather(*(choose(viewer, *each) for each in asked))

        assert {status for status, _ in told} == {200}
        by_id = {answer_id: choice for _, choice, answer_id in asked}
        for (_, _, answer_id), (_, body) in zip(asked, told, strict=True):
            assert body["choice"] == by_id[answer_id]
        await viewer.watch(8)
        assert len(by := await committed(replicas, viewer)) == 1
        assert by[0][1] == "viewer"
        ranges = [read_media((await asked_of(viewer, url)).decode()).ranges for url in replicas.urls]
        assert ranges[0] == ranges[1]


async def test_a_rolling_restart_under_load_fails_no_request(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    settings = tmp_path / "branchline.yaml"
    settings.write_text("server: {drain_seconds: 1}\n", "utf-8")
    options = ("--config", str(settings))
    async with fleet(start, sample_library, tmp_path, *options) as replicas, AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(viewing(replicas, seed)) for seed in range(20)]
        watching = [asyncio.create_task(viewer.watch(30)) for viewer in viewers]
        await asyncio.sleep(2)

        for number in (0, 1):
            await replicas.restart(number, *options)
            await asyncio.sleep(1)

        await asyncio.sleep(2)
        for viewer in viewers:
            viewer.ended = True
        await asyncio.gather(*watching)
        assert [viewer.errors for viewer in viewers] == [[]] * len(viewers)
        assert all(len(viewer.lists["v0"]) > 3 for viewer in viewers)
