"""Sessions over a real store: time, choices, crashes, restarts."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.errors import Conflict, MalformedRequest, NotAllowed, NotFound, SessionGone, StoreError, TooLate, TooMany
from streamer.hls.cmcd import Cmcd
from streamer.hls.delivery import Directives
from streamer.identity import Identity
from streamer.library.filesystem import Library
from streamer.live import Live, wake
from streamer.playlists import Form
from streamer.service import Asks, Sessions
from streamer.session.choosing import MAX_ANSWERS, Answer
from streamer.session.events import Event, Register
from streamer.shelf import Shelf
from streamer.store.measured import MeasuredStore
from streamer.store.sqlite import SqliteStore
from streamer.units import Ticks, decimal_seconds
from tests.builders import PARTS, seconds, story_text
from tests.manual import FORK, ManualClock, Player, publish, serving


def live_of(sessions: Sessions, session: str) -> Live:
    """Gives a session as the service has it in memory."""
    found = sessions._live.in_memory(session)
    assert found is not None
    return found


def answer(choice: str, answer_id: str = "1", visit: int = 1, decision: str = "after-fork") -> Answer:
    return Answer(visit=visit, decision=decision, choice=choice, answer_id=answer_id)


async def stored(root: Path) -> int:
    store = await SqliteStore.open(root / "state" / "sessions.sqlite")
    try:
        return int((await store._first("SELECT count(*) FROM sessions"))[0])
    finally:
        await store.close()


async def test_nothing_is_stored_until_a_media_playlist_is_asked_for(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await sessions.multivariant(opened.id, "")
        await sessions.head(opened.id, "v0")
        assert await stored(root) == 0

        await sessions.media_playlist(opened.id, "v0")

        assert await stored(root) == 1


async def test_head_moves_nothing_however_often_it_comes(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, (await sessions.open("test", {}, trusted=False)).id)
        first = await player.watch(1)
        for _ in range(100):
            clock.forward(1)
            await sessions.head(player.session, "v0")

        later = await player.poll()

        assert len(later.uris) - len(first.uris) <= 3
        assert len(later.uris) <= 7


async def test_an_unanswered_decision_takes_its_default_at_the_lock(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, (await sessions.open("test", {}, trusted=False)).id)

        before = await player.watch(8)
        after = await player.watch(3)

        assert before.ranges == ("test.after-fork.1",)
        assert len(before.uris) == 7
        assert after.ranges[:2] == ("test.after-fork.1", "test.after-fork.1.result")
        assert (await sessions.state(player.session))["scene"] == {
            "visit": 1, "scene": "fork", "start": "0.000", "end": None,
                "checkpoints": [], "menu": [],
        }  # fmt: skip


async def test_the_last_answer_before_the_lock_wins(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(4)
        await sessions.choose(opened.id, opened.token, answer("left", "1"))
        taken = await sessions.choose(opened.id, opened.token, answer("right", "2"))
        again = await sessions.choose(opened.id, opened.token, answer("left", "1"))

        read = await player.watch(18)

        assert taken["committed"] is False
        assert again["choice"] == "left"
        assert read.ended
        assert len(read.uris) == 7 + 4


class SlowStore(SqliteStore):
    """A store on a slow disk: each write takes its time."""

    manual: ManualClock
    takes = 0.0  # s

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        self.manual.forward(self.takes)
        return await super().advance(session_id, reserved, register, version)

    async def append(self, session_id: str, events: tuple[Event, ...], version: int, *, reserved: int) -> bool:
        self.manual.forward(self.takes)
        return await super().append(session_id, events, version, reserved=reserved)


@asynccontextmanager
async def serving_slowly(root: Path, clock: ManualClock) -> AsyncIterator[tuple[Sessions, SlowStore]]:
    store = await SlowStore.open(root / "state" / "sessions.sqlite")
    assert isinstance(store, SlowStore)
    store.manual = clock
    settings = Settings.model_validate({"sessions": {"register_seconds": 0.001}})
    identity = Identity(bytes(32))
    try:
        yield (
            Sessions(store=store, shelf=Shelf(Library(root), clock), identity=identity, clock=clock, settings=settings),
            store,
        )
    finally:
        await store.close()


async def test_an_answer_that_comes_before_the_lock_counts_however_slow_the_store_is(root: Path) -> None:
    clock = ManualClock()
    async with serving_slowly(root, clock) as (sessions, store):
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(5)
        clock.forward(until(sessions, opened.id, "closes") - 0.15)  # and there are new segments to list
        store.takes = 0.3

        answering = sessions.choose(opened.id, opened.token, answer("right"))
        await asyncio.gather(answering, sessions.media_playlist(opened.id, "v0"))

        commits = live_of(sessions, opened.id).timeline.commits
        assert [(commit.choice, commit.by) for commit in commits] == [("right", "viewer")]


async def test_the_lock_that_viewers_are_told_stays_even_if_the_window_opens_while_the_store_writes(
    tmp_path: Path,
) -> None:
    publish(tmp_path, "before 20 -> fork\nfork 13.2 -> left | right\nleft 8 .\nright 8 .")
    clock = ManualClock()
    async with serving_slowly(tmp_path, clock) as (sessions, store):
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(23)
        clock.forward(until(sessions, opened.id, "opens") - 0.05)
        store.takes = 0.1
        told = (await sessions.state(opened.id))["decision"]
        store.takes = 0

        clock.forward(3)  # the player does not look for so long that it is taken to need longer
        await player.poll()

        assert isinstance(told, dict)
        assert (await sessions.state(opened.id))["decision"]["locks"] == told["locks"]  # type: ignore[index]


def until(sessions: Sessions, session: str, moment: str) -> float:
    """Gives the seconds until a moment of the open decision."""
    live = live_of(sessions, session)
    assert live.timeline.open is not None
    at: Ticks = getattr(live.timeline.open, moment)
    return float(decimal_seconds(at - sessions._live.play(live), 3))


async def test_a_late_answer_is_told_what_was_committed(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(8)
        clock.forward(1)

        with pytest.raises(TooLate) as caught:
            await sessions.choose(opened.id, opened.token, answer("right"))

        assert caught.value.members["committed"] == {
            "visit": 1, "decision": "after-fork", "choice": "left", "by": "default",
        }  # fmt: skip


async def test_what_cannot_be_answered_is_refused(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(4)

        for wrong in (answer("up"), answer("left", visit=2), answer("left", visit=0), answer("left", decision="x")):
            with pytest.raises(NotFound):
                await sessions.choose(opened.id, opened.token, wrong)
        with pytest.raises(NotAllowed):
            await sessions.choose(opened.id, opened.token[:-1] + "!", answer("left"))
        with pytest.raises(NotFound):
            await sessions.choose(opened.id[:-2] + "AA", opened.token, answer("left"))
        await sessions.choose(opened.id, opened.token, answer("left", "same"))
        with pytest.raises(Conflict):
            await sessions.choose(opened.id, opened.token, answer("right", "same"))
        for number in range(MAX_ANSWERS - 1):
            await sessions.choose(opened.id, opened.token, answer("left", f"n{number}"))
        with pytest.raises(TooMany):
            await sessions.choose(opened.id, opened.token, answer("left", "one more"))


async def test_after_a_crash_the_same_address_plays_on_and_no_choice_is_lost(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        before = await Player(sessions, clock, opened.id).watch(6)
        await sessions.choose(opened.id, opened.token, answer("right"))

    clock.forward(3)
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, opened.id)
        found = await player.poll()
        ended = await player.watch(20)

    assert found.uris[: len(before.uris)] == before.uris
    assert ended.ended
    assert len(ended.uris) == 11


async def test_ten_minutes_of_downtime_take_no_default(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(8)

    clock.forward(600)
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, opened.id)
        found = await player.poll()
        taken = await sessions.choose(opened.id, opened.token, answer("right"))

    assert found.ranges == ("test.after-fork.1",)
    assert taken["committed"] is False


async def test_a_closed_tab_stops_the_story(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(1)
        clock.forward(3600)

        read = await player.poll()
        state = await sessions.state(opened.id)

        assert read.ranges == ("test.after-fork.1",)
        assert state["position"] == "7.000"


async def test_a_paused_viewer_keeps_the_choice_for_as_long_as_they_like(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(6)
        await sessions.place(opened.id, opened.token, seconds(5), paused=True)
        read = await player.watch(60)  # players poll on while they are paused

        taken = await sessions.choose(opened.id, opened.token, answer("right"))

        assert read.ranges == ("test.after-fork.1",)
        assert taken["closes_in_ms"] == 3520
        with pytest.raises(NotAllowed):
            await sessions.place(opened.id, "wrong", seconds(5), paused=False)


async def test_all_renditions_agree_on_one_edge(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, (await sessions.open("test", {}, trusted=False)).id)
        await player.watch(5)

        reads = [await player.poll(name) for name in ("v0", "v1", "a0")]

        assert len({len(read.uris) for read in reads}) == 1
        assert len({read.ranges for read in reads}) == 1


async def test_segments_of_another_path_say_nothing_of_this_one(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, (await sessions.open("test", {}, trusted=False)).id)
        await player.poll()

        from streamer.units import Ticks

        await sessions.segment_requested(player.session, Ticks(12345), 0)
        clock.forward(3)

        assert len((await player.poll()).uris) == 3


async def test_a_session_ends_with_its_age(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await sessions.media_playlist(opened.id, "v0")
        clock.forward(24 * 3600 + 1)

        with pytest.raises(SessionGone):
            await sessions.media_playlist(opened.id, "v0")
        assert await sessions.forget_expired() == 1
        assert sessions._live.count == 0


async def test_a_request_too_far_ahead_is_refused(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)

        with pytest.raises(MalformedRequest):
            await sessions.media_playlist(opened.id, "v0", Directives(segments=40))
        with pytest.raises(NotFound):
            await sessions.media_playlist(opened.id, "v9")


async def test_without_requests_seen_the_first_list_starts_the_clock(root: Path) -> None:
    clock = ManualClock()
    settings = Settings.model_validate({"media": {"base": "../../../m/"}})
    async with serving(root, clock, settings) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        first = await player.poll()
        clock.forward(2)
        second = await player.poll()

        assert first.uris[0].startswith("../../../m/")
        assert (len(first.uris), len(second.uris)) == (3, 4)


async def test_two_answers_at_once_are_both_kept_in_some_order(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(4)

        await asyncio.gather(
            *(sessions.choose(opened.id, opened.token, answer(("left", "right")[n % 2], f"a{n}")) for n in range(20))
        )

        store = await SqliteStore.open(root / "state" / "sessions.sqlite")
        found = await store.load(opened.id)
        await store.close()
        assert found is not None
        assert len(found.record.events) == 20


async def test_two_processes_over_one_store_write_one_truth(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as one, serving(root, clock) as other:
        opened = await one.open("test", {}, trusted=False)
        await Player(one, clock, opened.id).watch(4)
        await one.choose(opened.id, opened.token, answer("left", "1"))
        await other.choose(opened.id, opened.token, answer("right", "2"))
        await one.choose(opened.id, opened.token, answer("right", "3"))

        ended = await Player(one, clock, opened.id).watch(20)

        assert ended.ended
        found = await other.state(opened.id)
        assert "decision" not in found


async def test_an_answer_stored_while_the_lock_passes_is_not_lost(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(8)
        clock.forward(0.4)
        choosing = asyncio.create_task(sessions.choose(opened.id, opened.token, answer("right")))
        while not live_of(sessions, opened.id).changing:  # noqa: ASYNC110 - the lock has no event to wait for
            await asyncio.sleep(0)
        clock.forward(0.5)  # the lock comes while the answer is being stored

        await asyncio.gather(choosing, *(sessions.media_playlist(opened.id, "v0") for _ in range(5)))
        with pytest.raises(TooLate) as caught:
            await sessions.choose(opened.id, opened.token, answer("left", "2"))

        committed = caught.value.members["committed"]
        assert committed == {"visit": 1, "decision": "after-fork", "choice": "right", "by": "viewer"}


async def test_a_restart_lists_at_most_three_more_than_was_seen(root: Path) -> None:
    lines = "long 60 -> last\nlast 8 ."
    publish(root, lines)
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        seen = await Player(sessions, clock, opened.id).watch(10)
    clock.forward(5)
    async with serving(root, clock) as sessions:
        found = await Player(sessions, clock, opened.id).poll()

    assert len(seen.uris) <= len(found.uris) <= len(seen.uris) + 3
    assert found.uris[: len(seen.uris)] == seen.uris


async def test_an_event_stream_ends_with_its_session(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        cues = sessions.cues(opened.id)
        first = await anext(cues)
        rest = asyncio.create_task(anext(cues, None))
        while live_of(sessions, opened.id).wake is None:  # noqa: ASYNC110 - until it waits
            await asyncio.sleep(0)
        clock.forward(25 * 3600)
        await sessions.forget_expired()

        assert first is not None
        assert first.kind == "scene"
        assert await rest is None
        await cues.aclose()


# ── immediate answers, holds, going back ─────────────────────────────────────────────────────────────────────────


async def test_an_immediate_answer_cuts_the_scene_after_what_was_published(tmp_path: Path) -> None:
    publish(tmp_path, FORK.replace("fork 12", "fork! 12"))
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        before = await player.watch(1)
        taken = await sessions.choose(opened.id, opened.token, answer("right"))
        await player.fetch(await player.poll())
        with pytest.raises(TooLate):
            await sessions.choose(opened.id, opened.token, answer("left", "2"))
        after = await player.watch(20)

        assert taken["committed"] is True
        assert after.uris[: len(before.uris)] == before.uris
        assert after.ended
        assert len(after.uris) == len(before.uris) + 4
        assert after.ranges == ("test.after-fork.1", "test.after-fork.1.result")


async def test_an_immediate_decision_is_not_answered_before_it_opens(tmp_path: Path) -> None:
    publish(tmp_path, "fork! 30.52 -> left | right\nleft 8 .\nright 8 .")
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(1)

        with pytest.raises(Conflict):
            await sessions.choose(opened.id, opened.token, answer("right"))


async def test_a_viewer_without_an_answer_waits_in_the_loop_and_leaves_it_with_one(tmp_path: Path) -> None:
    publish(tmp_path, FORK.replace("fork 12", "fork? 12"))
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        held = await player.watch(13)
        state = await sessions.state(opened.id)
        await sessions.choose(opened.id, opened.token, answer("right"))
        read = await player.watch(20)

        assert len(held.uris) == 7 + 3
        assert held.ranges == ("test.after-fork.1", "test.after-fork.1.hold")
        assert isinstance(state["decision"], dict)
        assert state["decision"]["holding"] is True
        assert read.uris[:10] == held.uris
        assert read.ended
        assert len(read.uris) == 10 + 4
        assert read.ranges[2] == "test.after-fork.1.result"


async def test_a_hold_survives_a_crash(tmp_path: Path) -> None:
    publish(tmp_path, FORK.replace("fork 12", "fork? 12"))
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        held = await Player(sessions, clock, opened.id).watch(13)
    async with serving(tmp_path, clock) as sessions:
        found = await Player(sessions, clock, opened.id).poll()
        await sessions.choose(opened.id, opened.token, answer("right"))
        left = await Player(sessions, clock, opened.id).poll()

    assert found.uris == held.uris
    assert left.uris[: len(held.uris)] == held.uris


async def test_going_back_appends_and_after_the_end_begins_a_new_run(tmp_path: Path) -> None:
    publish(tmp_path, "start* 12 -> fork\nfork 12.52 -> left | right\nleft 8 .\nright 8 .")
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        before = await player.watch(14)
        run = await sessions.go_back(opened.id, opened.token, "start", "b1")
        again = await sessions.go_back(opened.id, opened.token, "start", "b1")
        ended = await player.watch(60)
        anew = await sessions.go_back(opened.id, opened.token, "start", "b2")
        second = Player(sessions, clock, opened.id)
        first_list = await second.poll()
        former = await sessions.media_playlist(opened.id, "v0", run=1)
        with pytest.raises(NotFound):
            await sessions.media_playlist(opened.id, "v0", run=3)
        with pytest.raises(NotFound):
            await sessions.go_back(opened.id, opened.token, "nowhere", "b3")
        second_end = await second.watch(60)

    assert (run, again, anew) == (1, 1, 2)
    assert ended.uris[: len(before.uris)] == before.uris
    assert ended.ended
    assert len(ended.uris) > len(before.uris) + 6 + 6
    assert len(first_list.uris) == 3
    assert former.version.body.decode().count("#EXTINF") == len(ended.uris)
    assert second_end.ended
    assert len(second_end.uris) == 6 + 7 + 4


async def test_a_new_run_is_there_after_a_crash(tmp_path: Path) -> None:
    publish(tmp_path, "start* 12 .")
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(20)
        await sessions.go_back(opened.id, opened.token, "start", "b")
    async with serving(tmp_path, clock) as sessions:
        found = await Player(sessions, clock, opened.id).poll()

    assert len(found.uris) == 6
    assert found.ended  # nothing is left to decide in it


async def test_more_time_is_kept_with_the_session(tmp_path: Path) -> None:
    lines = FORK.replace("fork 12", "fork? 12")
    publish(tmp_path, lines, story_text(lines).replace("hold: true", "accessible: {extend: 3x}"))
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        plain = await sessions.open("test", {}, trusted=True)
        asked = await sessions.open("test", {}, trusted=True, asks=Asks(extended=True))
        found = [Player(sessions, clock, opened.id) for opened in (plain, asked)]
        states = []
        for player in found:
            await player.watch(10)
            states.append(await sessions.state(player.session))

    assert "committed" in states[0]
    assert "committed" not in states[1]


# ── pauses ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_after_ten_minutes_of_pause_the_viewer_still_has_the_choice(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(5)
        await sessions.place(opened.id, opened.token, seconds(5), paused=True)
        for _ in range(600):
            clock.forward(1)
            paused = await player.poll()
            await player.fetch(paused)
        state = await sessions.state(opened.id)
        await sessions.place(opened.id, opened.token, seconds(5), paused=False)
        await sessions.choose(opened.id, opened.token, answer("right"))
        read = await player.watch(20)

    assert len(paused.uris) <= 7
    assert state["playhead"] == {"position": "5.000", "source": "beacon", "within": 0.5, "paused": True}
    assert "committed" not in state
    assert read.ended
    assert len(read.uris) == 7 + 4


async def test_a_player_that_polls_but_fetches_nothing_does_not_run_away(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        player = Player(sessions, clock, (await sessions.open("test", {}, trusted=False)).id)
        await player.watch(2)
        for _ in range(600):
            clock.forward(1)
            await player.poll()
        state = await sessions.state(player.session)

    assert "committed" not in state
    assert float(str(state["position"])) < 8.52


@pytest.mark.parametrize(
    ("said", "playhead"),
    [
        (Cmcd(position_ms=1000, state="p"), ("1.000", "player", False)),
        (Cmcd(position_ms=1000, state="a"), ("1.000", "player", True)),
        (Cmcd(state="a"), ("3.000", "buffer", True)),
        (Cmcd(rate=0.0), ("3.000", "buffer", True)),
        (Cmcd(buffer_ms=9000), ("3.000", "requests", False)),
        (Cmcd(object_type="v"), ("3.000", "requests", False)),
    ],
)
async def test_what_a_player_says_in_passing_is_heard(root: Path, said: Cmcd, playhead: tuple[object, ...]) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(3)
        await sessions.hear(opened.id, said)
        state = await sessions.state(opened.id)

    found = state["playhead"]
    assert isinstance(found, dict)
    assert (found["position"], found["source"], found["paused"]) == playhead


async def test_a_buffer_tells_the_playhead_from_the_segment_that_is_asked_for(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(3)
        await sessions.segment_requested(opened.id, Ticks(0), 4, Cmcd(buffer_ms=6500))
        state = await sessions.state(opened.id)

    assert state["playhead"] == {"position": "1.500", "source": "buffer", "within": 2.0, "paused": False}


async def test_steps_back_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "start* 12 .")
    monkeypatch.setattr("streamer.session.choosing.MAX_STEPS_BACK", 1)
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await Player(sessions, clock, opened.id).watch(2)
        await sessions.go_back(opened.id, opened.token, "start", "1")

        with pytest.raises(TooMany):
            await sessions.go_back(opened.id, opened.token, "start", "2")


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_part_is_waited_for_and_comes_at_its_time(tmp_path: Path) -> None:
    publish(tmp_path, FORK, story_text(FORK) + PARTS)
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        await player.watch(2)
        live = live_of(sessions, opened.id)
        assert (live.edge.published, live.edge.parts) == (4, 2)

        waits = asyncio.create_task(
            sessions.media_playlist(opened.id, "v0", Directives(segments=4, parts=3), form=Form(zipped=True))
        )
        while live.wake is None:  # noqa: ASYNC110 - until it waits
            await asyncio.sleep(0)
        clock.forward(0.6)
        await player.poll("a0")
        text = gzip.decompress((await waits).version.body).decode()

        assert text.count("-3p") == 3 + 1  # three are listed, the fourth is hinted
        assert text == (await sessions.head(opened.id, "v0")).version.body.decode()
        # A part after the fourth and last is the first of the next segment.
        late = asyncio.create_task(sessions.media_playlist(opened.id, "v0", Directives(segments=3, parts=5)))
        assert "-3p1" in (await late).version.body.decode()


async def test_a_part_that_does_not_come_is_not_waited_for_until_the_player_gives_up(tmp_path: Path) -> None:
    publish(tmp_path, FORK, story_text(FORK) + PARTS)
    clock = ManualClock()
    async with serving(tmp_path, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        await sessions.media_playlist(opened.id, "v0")
        began = clock.now_ms()

        waits = asyncio.create_task(sessions.media_playlist(opened.id, "v0", Directives(segments=4, parts=1)))
        live = live_of(sessions, opened.id)
        while not waits.done():
            await asyncio.sleep(0)
            if live.wake is not None:
                clock.forward(0.1)
                wake(live)

        assert "-3p0" in (await waits).version.body.decode()  # hinted and no more
        assert 1400 <= clock.now_ms() - began <= 3 * 586


async def test_what_chance_decided_is_the_same_in_every_process(tmp_path: Path) -> None:
    lines = "a 12 -> b\nb 8 .\nc 9 ."
    text = story_text(lines).replace("[{to: b}]", "[{to: b, weight: 1}, {to: c, weight: 1}]")
    publish(tmp_path, lines, text)
    clock = ManualClock()
    found = {}

    async with serving(tmp_path, clock) as sessions:
        for _ in range(32):
            session = (await sessions.open("test", {}, trusted=False)).id
            found[session] = (await Player(sessions, clock, session).watch(20)).uris
    async with serving(tmp_path, clock) as sessions:
        again = {session: (await Player(sessions, clock, session).poll()).uris for session in found}

    assert len({uris[-1] for uris in found.values()}) == 2
    assert all(again[session][: len(uris)] == uris for session, uris in found.items())


async def test_a_full_disk_loses_no_viewer_their_list_and_takes_no_choice_it_cannot_keep(root: Path) -> None:
    clock = ManualClock()
    async with serving(root, clock) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        player = Player(sessions, clock, opened.id)
        before = await player.watch(8)
        assert isinstance(sessions._store, MeasuredStore)
        store = sessions._store._store
        assert isinstance(store, SqliteStore)
        store._writing.execute("PRAGMA max_page_count = 1")

        async def fill() -> None:
            for number in range(1000):
                await sessions.choose(opened.id, opened.token, answer("right", "x" * 60 + str(number)))

        with pytest.raises(StoreError):
            await fill()
        during = await player.watch(6)

        store._writing.execute("PRAGMA max_page_count = 4294967294")
        after = await player.watch(10)
        assert during.uris[: len(before.uris)] == before.uris
        assert after.uris[: len(during.uris)] == during.uris
        assert after.ranges[:2] == ("test.after-fork.1", "test.after-fork.1.result")
