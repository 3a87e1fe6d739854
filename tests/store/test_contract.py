"""What every store does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from streamer.errors import StoreError
from streamer.metrics import Metrics
from streamer.session.events import Committed, Register, SessionRecord
from streamer.store.base import Glance, Store
from streamer.store.measured import MeasuredStore
from streamer.store.memory import MemoryStore
from streamer.store.redis import RedisStore
from streamer.store.sqlite import SqliteStore
from streamer.units import Ticks
from tests.valkey import valkey

RECORD = SessionRecord(story="s", revision="r", created_ms=1, profile={"a": True, "b": 1, "c": 1.5, "d": "x"})


FAR = 4_000_000_000_000  # ms, when sessions expire that are not to


@pytest.fixture(params=["sqlite", "redis", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        found: Store
        match request.param:
            case "sqlite":
                found = await SqliteStore.open(tmp_path / "sessions.sqlite")
            case "memory":
                found = MemoryStore()
            case _:
                server = await stack.enter_async_context(valkey())
                found = await RedisStore.open(server.url, timeout_seconds=5)
        yield MeasuredStore(found, Metrics())  # as the server uses it
        await found.close()


def commit(choice: str) -> tuple[Committed, ...]:
    return (Committed(visit=1, decision="d", choice=choice, by="viewer", at=Ticks(5)),)


def with_commit(choice: str) -> SessionRecord:
    return msgspec.structs.replace(RECORD, events=commit(choice))


async def test_a_session_comes_back_as_it_was_stored(store: Store) -> None:
    assert await store.load("a") is None

    await store.create("a", RECORD, FAR)

    found = await store.load("a")
    assert found is not None
    assert (found.record, found.version, found.register, found.reserved) == (RECORD, 1, Register(), 0)


async def test_who_creates_second_gets_what_the_first_stored(store: Store) -> None:
    await store.create("a", RECORD, FAR)
    await store.append("a", commit("x"), 1, reserved=0)

    found = await store.create("a", RECORD, FAR)

    assert found.record == with_commit("x")


async def test_of_two_who_add_to_one_version_one_wins(store: Store) -> None:
    await store.create("a", RECORD, FAR)

    won = await asyncio.gather(*(store.append("a", commit(str(n)), 1, reserved=0) for n in range(8)))

    assert sorted(won) == [False] * 7 + [True]
    found = await store.load("a")
    assert found is not None
    assert found.version == 2
    assert found.record == with_commit(str(won.index(True)))
    assert not await store.append("missing", commit("x"), 1, reserved=0)


async def test_events_are_added_in_order_to_those_that_a_record_began_with(store: Store) -> None:
    await store.create("a", with_commit("0"), FAR)

    for number in range(1, 12):
        assert await store.append("a", commit(str(number)), number, reserved=0)

    found = await store.load("a")
    assert found is not None
    assert found.version == 12
    assert [event.choice for event in found.record.steps if isinstance(event, Committed)] == [
        str(number) for number in range(12)
    ]


async def test_reservation_and_register_only_rise(store: Store) -> None:
    await store.create("a", RECORD, FAR)
    newer, older = Register(position=Ticks(7), sign_ms=20, requested=4), Register(sign_ms=10)

    assert await store.advance("a", 6, newer, 1)
    assert await store.advance("a", 3, older, 1)

    found = await store.load("a")
    assert found is not None
    assert (found.reserved, found.register) == (6, newer)
    assert found.version == 1


async def test_nothing_is_added_over_more_than_is_known_to_be_reserved(store: Store) -> None:
    await store.create("a", RECORD, FAR)
    await store.advance("a", 5, Register(), 1)

    assert not await store.append("a", commit("x"), 1, reserved=4)
    assert await store.append("a", commit("x"), 1, reserved=5)


async def test_nothing_is_reserved_for_a_path_that_has_changed(store: Store) -> None:
    await store.create("a", RECORD, FAR)
    await store.advance("a", 5, Register(), 1)
    await store.append("a", commit("x"), 1, reserved=5)

    assert not await store.advance("a", 6, Register(sign_ms=9), 1)
    assert await store.advance("a", 5, Register(sign_ms=9), 1)
    assert await store.advance("a", 6, Register(sign_ms=9), 2)
    found = await store.load("a")
    assert found is not None
    assert (found.reserved, found.register.sign_ms) == (6, 9)


async def test_expired_sessions_are_forgotten(store: Store) -> None:
    now_ms = store.clock.now_ms()
    await store.create("old", RECORD, now_ms - 1)
    await store.create("new", RECORD, FAR)

    await store.forget(now_ms)

    assert await store.load("old") is None
    assert await store.glance("old") is None
    assert await store.load("new") is not None


@pytest.mark.parametrize("store", ["sqlite", "memory"], indirect=True)
async def test_a_store_that_has_to_be_swept_tells_what_it_dropped_with_its_events(store: Store) -> None:
    await store.create("old", RECORD, 100)
    await store.create("new", RECORD, 300)
    await store.append("old", commit("x"), 1, reserved=0)
    await store.append("new", commit("x"), 1, reserved=0)

    assert await store.forget(200) == 1
    assert (await store.create("old", RECORD, 500)).record == RECORD
    assert await store.forget(501) == 2


async def test_a_glance_tells_what_may_have_changed(store: Store) -> None:
    assert await store.glance("a") is None
    await store.create("a", RECORD, FAR)
    await store.advance("a", 5, Register(sign_ms=9), 1)
    await store.append("a", commit("x"), 1, reserved=5)

    found = await store.glance("a")

    assert found == Glance(version=2, register=Register(sign_ms=9), reserved=5, alone=True)


async def test_a_session_that_was_lost_is_stored_again_with_the_version_it_had(store: Store) -> None:
    await store.create("a", with_commit("x"), FAR, 7)

    assert await store.append("a", commit("y"), 7, reserved=0)

    found = await store.load("a")
    assert found is not None
    assert found.version == 8
    assert found.record.events == (*commit("x"), *commit("y"))


async def test_what_is_kept_of_a_viewer_is_theirs_and_the_story_s_is_everybody_s(store: Store) -> None:
    await store.keep("s", "v", {"a": 1, "b": True})
    await store.keep("s", "v", {"b": "x", "c": 1.5})
    await store.keep("s", "", {"a": 2})
    await store.keep("s", "w", {})

    assert await store.kept("s", "v") == {"a": 1, "b": "x", "c": 1.5}
    assert await store.kept("s", "") == {"a": 2}
    assert await store.kept("s", "w") == {}
    assert await store.kept("t", "v") == {}


async def test_what_was_saved_is_there_after_reopening(tmp_path: Path) -> None:
    first = await SqliteStore.open(tmp_path / "s.sqlite")
    await first.create("a", RECORD, FAR)
    await first.append("a", commit("x"), 1, reserved=0)
    second = await SqliteStore.open(tmp_path / "s.sqlite")

    found = await second.load("a")

    assert found is not None
    assert found.record == with_commit("x")
    await first.close()
    await second.close()


async def test_a_full_disk_is_an_error_and_what_was_stored_stays(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "s.sqlite")
    await store.create("a", RECORD, FAR)
    await store.append("a", commit("x"), 1, reserved=0)
    store._writing.execute("PRAGMA max_page_count = 1")  # as many as there are: no more

    async def fill() -> None:
        for number in range(1000):
            await store.append("a", commit("y" * 1000), 2 + number, reserved=0)

    with pytest.raises(StoreError, match="full"):
        await fill()
    with pytest.raises(StoreError, match="full"):
        await store.keep("s", "v", {"a": "z" * 100_000})

    found = await store.load("a")
    assert found is not None
    assert found.record.events[0] == commit("x")[0]
    assert found.version == len(found.record.events) + 1
    await store.close()


async def test_what_is_stored_while_the_disk_is_busy_is_stored_together_and_in_order(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "s.sqlite")
    for name in ("a", "b"):
        await store.create(name, RECORD, FAR)
    commits: list[str] = []
    store._writing.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)

    won = await asyncio.gather(
        *(store.append(name, commit(str(n)), n, reserved=0) for n in range(1, 21) for name in ("a", "b"))
    )

    assert won == [True] * 40
    assert len(commits) <= 2
    for name in ("a", "b"):
        found = await store.load(name)
        assert found is not None
        assert [step.choice for step in found.record.steps if isinstance(step, Committed)] == [
            str(n) for n in range(1, 21)
        ]
    await store.close()
