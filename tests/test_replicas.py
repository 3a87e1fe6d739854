"""Several replicas over one store: whichever a request comes to, the viewer sees one story."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.errors import TooLate
from streamer.hls.delivery import Directives
from streamer.identity import Identity
from streamer.library.filesystem import Library
from streamer.media.names import SegmentName
from streamer.service import Sessions
from streamer.session.choosing import Answer
from streamer.session.cues import Cue
from streamer.shelf import Shelf
from streamer.store.redis import RedisStore
from tests.builders import seconds
from tests.manual import SECRET, ManualClock
from tests.readers import Read, read_media
from tests.valkey import Valkey


def present() -> ManualClock:
    """Gives a clock that stands at the time by which the server lets sessions expire."""
    return ManualClock(time.time_ns() // 1_000_000)


@asynccontextmanager
async def replica(root: Path, server: Valkey, clock: ManualClock, patience: float = 5) -> AsyncIterator[Sessions]:
    store = await RedisStore.open(server.url, timeout_seconds=patience)
    sessions = Sessions(
        store=store, shelf=Shelf(Library(root), clock), identity=Identity(SECRET), clock=clock, settings=Settings()
    )
    hearing = asyncio.create_task(sessions.hear_changes())
    try:
        yield sessions
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        await store.close()


@asynccontextmanager
async def replicas(root: Path, server: Valkey, clock: ManualClock, count: int = 2) -> AsyncIterator[list[Sessions]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(replica(root, server, clock)) for _ in range(count)]


class Roaming:
    """A player whose requests each go to some replica."""

    def __init__(self, replicas: list[Sessions], clock: ManualClock, session: str, seed: int = 0) -> None:
        self.replicas, self.clock, self.session = replicas, clock, session
        self.seen: dict[str, tuple[str, ...]] = {}
        self.fetched = 0
        self._random = random.Random(seed)

    def any(self) -> Sessions:
        """Gives a replica."""
        return self._random.choice(self.replicas)

    async def poll(self, rendition: str = "v0", at: Sessions | None = None) -> Read:
        """Asks for a list, and looks whether it only grew."""
        given = await (at or self.any()).media_playlist(self.session, rendition)
        found = read_media(given.version.body.decode())
        before = self.seen.get(rendition, ())
        assert found.uris[: len(before)] == before
        self.seen[rendition] = found.uris
        return found

    async def watch(self, duration: float) -> Read:
        """Plays on for so long, polling both renditions each second and fetching what is new."""
        read = await self.poll()
        for _ in range(round(duration)):
            for uri in read.uris[self.fetched :]:
                name = self.replicas[0].addresses.namer.read(uri.rpartition("/")[2])
                assert isinstance(name, SegmentName)
                await self.any().segment_requested(self.session, name.offset, name.number)
            self.fetched = len(read.uris)
            self.clock.forward(1)
            await self.poll("a0")
            read = await self.poll()
        return read


def answer(choice: str, visit: int = 1, answer_id: str = "1") -> Answer:
    return Answer(visit=visit, decision="after-fork", choice=choice, answer_id=answer_id)


@pytest.mark.parametrize("seed", range(4))
async def test_lists_only_grow_whichever_replica_gives_them(root: Path, server: Valkey, seed: int) -> None:
    clock = present()
    async with replicas(root, server, clock, 3) as several:
        opened = await several[0].open("test", {}, trusted=False)
        player = Roaming(several, clock, opened.id, seed)

        await player.watch(8)
        await player.any().choose(opened.id, opened.token, answer("left"))
        await player.watch(19)
        await player.any().choose(opened.id, opened.token, answer("right", visit=3, answer_id="2"))
        read = await player.watch(30)

        assert read.ended
        assert len(read.uris) == 7 + 4 + 7 + 4
        states = [await each.state(opened.id) for each in several]
        assert all(state["scene"] == states[0]["scene"] for state in states)


async def test_a_request_that_is_held_by_one_replica_is_answered_when_another_takes_the_choice(
    root: Path, server: Valkey
) -> None:
    clock = present()
    async with replicas(root, server, clock) as (one, other):
        opened = await one.open("test", {}, trusted=False)
        player = Roaming([one], clock, opened.id)
        await player.watch(8)
        await other.state(opened.id)
        read = await player.poll()
        held = asyncio.create_task(one.media_playlist(opened.id, "v0", Directives(segments=len(read.uris) + 1)))
        await asyncio.sleep(0.05)
        assert not held.done()

        await other.choose(opened.id, opened.token, answer("right"))
        clock.forward(1)
        await other.media_playlist(opened.id, "v0")  # the lock has come: the choice is committed

        async with asyncio.timeout(2):
            found = read_media((await held).version.body.decode())
        assert "test.after-fork.1.result" in found.ranges


async def test_a_stream_of_events_tells_what_another_replica_committed(root: Path, server: Valkey) -> None:
    clock = present()
    async with replicas(root, server, clock) as (one, other):
        opened = await one.open("test", {}, trusted=False)
        await Roaming([one], clock, opened.id).watch(8)
        cues = other.cues(opened.id)
        told = [cue.kind async for cue in until(cues, "decision")]
        clock.forward(2)
        await one.media_playlist(opened.id, "v0")

        told += [cue.kind async for cue in until(cues, "committed")]

        assert told.count("committed") == 1
        await cues.aclose()


async def until(cues: AsyncGenerator[Cue | None, None], kind: str) -> AsyncIterator[Cue]:
    """Gives what a stream tells, up to something."""
    async with asyncio.timeout(5):
        async for cue in cues:
            if cue is not None:
                yield cue
                if cue.kind == kind:
                    return


async def test_two_replicas_that_find_a_default_due_write_it_once(root: Path, server: Valkey) -> None:
    clock = present()
    async with replicas(root, server, clock) as (one, other):
        opened = await one.open("test", {}, trusted=False)
        await Roaming([one, other], clock, opened.id).watch(8)
        clock.forward(3)

        await asyncio.gather(*(each.media_playlist(opened.id, "v0") for each in (one, other) * 4))

        stored = await one._store.load(opened.id)
        assert stored is not None
        assert len(stored.record.events) == 1


async def test_a_choice_at_one_replica_overtakes_the_default_of_another_that_has_not_heard(
    root: Path, server: Valkey
) -> None:
    clock = present()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(replica(root, server, clock))
        deaf = await stack.enter_async_context(replica(root, server, clock))
        opened = await one.open("test", {}, trusted=False)
        await Roaming([one, deaf], clock, opened.id).watch(8)

        await one.choose(opened.id, opened.token, answer("right"))
        clock.forward(3)
        await deaf.media_playlist(opened.id, "v0")

        with pytest.raises(TooLate) as late:
            await deaf.choose(opened.id, opened.token, answer("left", answer_id="2"))
        assert late.value.members["committed"] == {
            "visit": 1,
            "decision": "after-fork",
            "choice": "right",
            "by": "viewer",
        }
        again = await deaf.choose(opened.id, opened.token, answer("right"))
        assert again["committed"]


async def test_a_pause_told_to_one_replica_is_kept_by_another(root: Path, server: Valkey) -> None:
    clock = present()
    async with replicas(root, server, clock) as (one, other):
        opened = await one.open("test", {}, trusted=False)
        player = Roaming([one, other], clock, opened.id)
        await player.watch(8)
        await one.place(opened.id, opened.token, seconds(8), paused=True)

        for _ in range(60):
            clock.forward(1)
            await player.poll(at=other)

        state = await other.state(opened.id)
        assert state["position"] == "8.000"
        assert "committed" not in state


async def test_another_replica_goes_on_where_one_was_killed(root: Path, server: Valkey) -> None:
    clock = present()
    async with replica(root, server, clock) as other:
        async with replica(root, server, clock) as one:
            opened = await one.open("test", {}, trusted=False)
            player = Roaming([one], clock, opened.id)
            await player.watch(8)
            await one.choose(opened.id, opened.token, answer("right"))
        player.replicas = [other]

        read = await player.watch(20)

        assert read.ended
        assert len(read.uris) == 7 + 4


async def test_while_the_store_stands_still_lists_stay_and_no_commit_is_made_up(root: Path, server: Valkey) -> None:
    clock = present()
    async with replica(root, server, clock, 0.1) as one, replica(root, server, clock, 0.1) as other:
        opened = await one.open("test", {}, trusted=False)
        player = Roaming([one, other], clock, opened.id)
        before = await player.watch(8)
        server.pause()

        for _ in range(6):
            clock.forward(1)
            during = await player.poll()

        server.resume()
        assert "test.after-fork.1.result" not in during.ranges
        assert len(during.uris) <= len(before.uris) + 3
        read = await player.watch(20)
        assert "test.after-fork.1.result" in read.ranges


async def test_what_a_store_has_lost_is_stored_again_by_who_remembers(root: Path, server: Valkey) -> None:
    clock = present()
    async with replicas(root, server, clock) as (one, other):
        opened = await one.open("test", {}, trusted=False)
        player = Roaming([one, other], clock, opened.id)
        await player.watch(8)
        await one.choose(opened.id, opened.token, answer("right"))
        await player.watch(3)

        store = one._store
        assert isinstance(store, RedisStore)
        await store._redis.flushall()
        read = await player.watch(20)

        assert read.ended
        assert len(read.uris) == 7 + 4
