"""The edge policy, number by number."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from streamer.session.events import Answered, Committed, Event, Register, Source
from streamer.session.pacing import (
    Course,
    Edge,
    Policy,
    Word,
    advanced,
    after_a_stop,
    course_of,
    due,
    listed_from,
    lists,
    lock_of,
    may_be_cut,
    merged,
    needed_ms,
    next_change_ms,
    playhead,
    taken_over,
    too_far,
    with_lock,
    with_sign,
    with_word,
    within_seconds,
)
from streamer.session.timeline import Timeline, follow, start_timeline
from streamer.units import Ticks, ticks_of_milliseconds
from tests.builders import grown, lengths_of, seconds, staged, staged_text, story_text

FORK = "fork 12.52 -> left | right\nleft 7.36 .\nright 8 ."
SEEN = Policy(requests_seen=True)
UNSEEN = Policy(requests_seen=False)
START_MS = 1_000_000


FAR = seconds(10_000)


def on(
    timeline: Timeline, register: Register | None = None, play: Ticks = Ticks(0), published: int = 0, **options: bool
) -> Course:
    extended = options.get("extended", False)
    return course_of(timeline, (), register or Register(), play, published=published, extended=extended, policy=SEEN)


def due_at(  # noqa: PLR0917 - what due() takes, with the course made of it
    timeline: Timeline, events: tuple[Event, ...], register: Register, play: Ticks, policy: Policy, published: int = 0
) -> Committed | None:
    course = course_of(timeline, events, register, play, published=published, extended=False, policy=policy)
    return due(course, events, register, play, published=published, policy=policy)


def started(position: str = "0", requested: int = 0) -> Register:
    return Register(position=seconds(position), since_ms=START_MS, sign_ms=START_MS, requested=requested)


def test_the_first_answer_lists_exactly_three_segments() -> None:
    timeline = start_timeline(staged(FORK))

    for policy in (SEEN, UNSEEN):
        assert advanced(on(timeline), Edge(), Register(), Ticks(0), now_ms=START_MS, policy=policy).published == 3


def test_the_clock_starts_with_the_first_segment_request_where_requests_are_seen() -> None:
    polled = with_sign(Register(), START_MS, SEEN, Edge(), most=FAR, starts=False)
    fetched = with_sign(polled, START_MS + 700, SEEN, Edge(), most=FAR, requested=1, starts=True)

    assert playhead(polled, START_MS + 5000, SEEN) == 0
    assert playhead(fetched, START_MS + 1700, SEEN) == seconds(1)


def test_time_stands_still_three_target_durations_after_the_last_sign_of_life() -> None:
    register = started()

    assert playhead(register, START_MS + 6_000, SEEN) == seconds(6)
    assert playhead(register, START_MS + 600_000, SEEN) == seconds(6)


def test_time_goes_on_where_it_stood_when_the_viewer_comes_back() -> None:
    back = with_sign(started(), START_MS + 600_000, SEEN, Edge(), most=FAR, starts=False)

    assert playhead(back, START_MS + 600_000, SEEN) == seconds(6)
    assert playhead(back, START_MS + 601_000, SEEN) == seconds(7)


def test_a_long_stop_of_the_service_counts_nothing() -> None:
    found = after_a_stop(started("3"), START_MS + 600_000, SEEN)

    assert playhead(found, START_MS + 600_000, SEEN) == seconds(3)


def test_a_stop_shorter_than_the_patience_counts_since_the_player_went_on_from_its_buffer() -> None:
    found = after_a_stop(started("3"), START_MS + 4_000, SEEN)

    assert playhead(found, START_MS + 4_000, SEEN) == seconds(7)
    assert after_a_stop(Register(), START_MS, SEEN) == Register()


def test_before_a_decision_the_edge_keeps_six_seconds_ahead() -> None:
    timeline = start_timeline(staged(FORK))
    edge = Edge(published=6)
    last = Ticks(timeline.last.end - seconds(6))

    assert advanced(on(timeline), edge, started(requested=6), Ticks(last - 1), now_ms=START_MS, policy=SEEN) == Edge(
        published=6, base=6, since_ms=START_MS
    )
    assert advanced(on(timeline), edge, started(requested=6), last, now_ms=START_MS, policy=SEEN).published == 7


def test_the_edge_is_braked_three_segments_beyond_the_newest_request() -> None:
    timeline = grown("long 60 -> last\nlast 8 .")

    seen = advanced(on(timeline), Edge(published=3), started(requested=1), seconds(30), now_ms=START_MS, policy=SEEN)
    unseen = advanced(on(timeline), Edge(published=3), started(), seconds(30), now_ms=START_MS, policy=UNSEEN)

    assert seen.published == 4
    assert unseen.published == 6


def test_polls_side_by_side_share_one_step_of_three() -> None:
    timeline = grown("long 60 -> last\nlast 8 .")
    first = advanced(on(timeline), Edge(published=3), started(), seconds(30), now_ms=START_MS, policy=UNSEEN)

    second = advanced(on(timeline), first, started(), seconds(30), now_ms=START_MS + 200, policy=UNSEEN)
    third = advanced(on(timeline), second, started(), seconds(30), now_ms=START_MS + 1_200, policy=UNSEEN)

    assert (first.published, second.published, third.published) == (6, 6, 9)


def test_nothing_past_the_join_is_listed_before_the_lock() -> None:
    timeline = start_timeline(staged(FORK))

    edge = advanced(on(timeline), Edge(published=6), started(requested=7), seconds(100), now_ms=START_MS, policy=SEEN)

    assert edge.published == timeline.settled == 7


def test_an_unanswered_decision_takes_its_default_at_the_lock() -> None:
    timeline = start_timeline(staged(FORK))
    register = started(requested=7)

    assert due_at(timeline, (), register, Ticks(seconds("8.52") - 1), SEEN) is None
    commit = due_at(timeline, (), register, seconds(11), SEEN)

    assert commit is not None
    assert (commit.choice, commit.by, commit.at) == ("left", "default", seconds("8.52"))


def test_a_default_waits_until_the_viewer_has_come_near_the_join() -> None:
    timeline = start_timeline(staged(FORK))

    assert due_at(timeline, (), started(requested=3), seconds(11), SEEN) is None
    assert due_at(timeline, (), started(requested=0), seconds(11), SEEN) is None
    assert due_at(timeline, (), started(requested=0), seconds(11), UNSEEN) is not None


def test_the_last_answer_is_committed_at_the_lock_and_not_before() -> None:
    timeline = start_timeline(staged(FORK))
    answers = tuple(
        Answered(visit=1, decision="after-fork", choice=choice, answer_id=choice, at=seconds(5))
        for choice in ("left", "right")
    )

    assert due_at(timeline, answers, started(requested=7), seconds(8), SEEN) is None
    commit = due_at(timeline, answers, started(), seconds("8.52"), SEEN)

    assert commit is not None
    assert (commit.choice, commit.by) == ("right", "viewer")


def test_an_ending_has_nothing_due() -> None:
    assert due_at(start_timeline(staged("only 8 .")), (), started(), seconds(100), SEEN) is None


def test_it_is_known_when_the_clock_will_change_the_list() -> None:
    timeline = start_timeline(staged(FORK))

    assert next_change_ms(on(timeline), Edge(published=3), Register(), START_MS, SEEN) is None
    assert next_change_ms(on(timeline), Edge(published=3), started(requested=3), START_MS + 500, SEEN) == 1000
    assert next_change_ms(on(timeline), Edge(published=7), started("8"), START_MS, SEEN) == 520
    assert next_change_ms(on(timeline), Edge(published=7), started("9"), START_MS, SEEN) is None
    assert next_change_ms(on(start_timeline(staged("only 8 ."))), Edge(published=4), started(), START_MS, SEEN) is None


def test_the_page_s_word_is_believed_up_to_what_was_published() -> None:
    said = with_word(
        started("3", requested=4),
        START_MS + 500,
        SEEN,
        Edge(),
        word=Word(source=Source.BEACON, position=seconds("99"), paused=False),
        most=seconds(8),
    )

    assert playhead(said, START_MS + 500, SEEN) == seconds(8)
    assert said.requested == 4


def test_a_pause_that_was_said_stops_the_clock_whatever_the_player_asks_for() -> None:
    paused = with_word(
        started(),
        START_MS,
        SEEN,
        Edge(),
        word=Word(source=Source.BEACON, position=seconds(3), paused=True),
        most=seconds(8),
    )
    polled = with_sign(paused, START_MS + 60_000, SEEN, Edge(), most=FAR, requested=5, starts=True)
    goes_on = with_word(
        polled,
        START_MS + 61_000,
        SEEN,
        Edge(),
        word=Word(source=Source.BEACON, position=seconds(3), paused=False),
        most=seconds(8),
    )

    assert playhead(polled, START_MS + 60_000, SEEN) == seconds(3)
    assert after_a_stop(polled, START_MS + 600_000, SEEN) == polled
    assert next_change_ms(on(start_timeline(staged(FORK))), Edge(published=3), polled, START_MS, SEEN) is None
    assert playhead(goes_on, START_MS + 62_000, SEEN) == seconds(4)


# ── a longer lead, and back to the short one ─────────────────────────────────────────────────────────────────────


LONG = "long 60 -> left | right\nleft 7.36 .\nright 8 ."


def test_in_a_long_part_the_lead_grows_to_ten_seconds_and_is_six_again_before_the_decision() -> None:
    timeline = start_timeline(staged(LONG))
    course = on(timeline)

    leads = [float(timeline.end_of(n) - listed_from(course, n, SEEN)) / seconds(1) for n in range(3, 30)]

    assert leads[0] == pytest.approx(6.5)
    assert max(leads) == pytest.approx(10)
    assert leads[-1] == pytest.approx(6)


def test_no_list_stays_as_it_is_for_more_than_one_and_a_quarter_target_durations() -> None:
    timeline = start_timeline(staged(LONG))
    course = on(timeline)
    moments = [listed_from(course, n, SEEN) for n in range(3, 30)]

    assert max(b - a for a, b in pairwise(moments)) <= seconds("2.5")
    assert course.lock is not None
    assert course.lock - moments[-1] <= seconds(3)


def test_a_late_lock_shortens_the_lead_so_that_the_silence_before_it_is_no_longer() -> None:
    text = (
        story_text(FORK)
        .replace("closes_at: -4s", "closes_at: -0.5s")
        .replace("start: fork", "start: fork\ndefaults: {lead: 0.5s}")
    )
    timeline = start_timeline(staged_text(text, lengths_of(FORK)))
    quick = msgspec.structs.replace(started(), react_ms=10)
    course = on(timeline, quick)

    assert course.lock == timeline.last.end - seconds("0.5")
    assert listed_from(course, 6, SEEN) == timeline.last.end - seconds("3")


def test_parts_come_within_one_part_target_up_to_the_silence_before_the_lock() -> None:
    timeline = start_timeline(staged(LONG, in_parts=True))
    course = on(timeline)
    target = ticks_of_milliseconds(timeline.stage.part_target_ms)

    moments = [
        listed_from(course, segment, SEEN, part)
        for segment in range(3, timeline.settled)
        for part in range(len(timeline.part_ends(segment)))
    ]

    assert max(b - a for a, b in pairwise(moments)) <= target
    assert course.lock is not None
    assert 0 <= course.lock - moments[-1] <= target


def test_an_edge_moves_part_by_part_and_the_last_segment_comes_whole() -> None:
    timeline = grown("only 20 .", in_parts=True)
    course = on(timeline)
    edge, seen = Edge(), []
    for step in range(160):
        play = Ticks(seconds(1) * step // 8)
        now_ms = START_MS + 125 * step
        edge = advanced(course, edge, started(requested=edge.published), play, now_ms=now_ms, policy=SEEN)
        if (edge.published, edge.parts) not in seen:
            seen.append((edge.published, edge.parts))
            assert edge.parts == 0 or next_change_ms(course, edge, started(), START_MS, SEEN) is not None

    assert seen == [(3, 0), *((n, part) for n in range(4, 10) for part in (1, 2, 3, 0)), (10, 0)]


@pytest.mark.parametrize(
    ("edge", "wanted"),
    [
        (Edge(published=4), [(3, 0), (4, 0), (4, 4), (3, 9)]),
        (Edge(published=5, parts=2), [(4, 0), (4, 5), (5, 1), (5, 2)]),
    ],
)
def test_a_list_has_what_is_asked_for_or_the_part_that_follows_it(edge: Edge, wanted: list[tuple[int, int]]) -> None:
    timeline = start_timeline(staged(LONG, in_parts=True))
    asked = [(segments, parts) for segments in range(3, 7) for parts in (0, 1, 2, 3, 4, 5, 9)]

    listed = {each for each in asked if lists(timeline, edge, *each)}

    assert listed >= set(wanted)
    assert not listed & {(5, 0), (5, 3), (5, 5), (5, 9), (6, 0), (6, 1)}
    assert ((4, 5) in listed) == (edge.published > 4)  # the first part of the segment after it


def test_what_lies_too_far_ahead_is_told_apart() -> None:
    plain = start_timeline(staged(LONG))
    timeline = start_timeline(staged(LONG, in_parts=True))
    edge = Edge(published=5, parts=2)

    assert not too_far(plain, edge, 7, 99)
    assert too_far(plain, edge, 8, 0)
    assert not too_far(timeline, edge, 5, 9)  # four parts of a segment, and 3 s of others
    assert too_far(timeline, edge, 5, 10)
    assert too_far(timeline, edge, 6, 10)
    assert not too_far(timeline, edge, 4, 99)  # it is listed, with all that follows it


# ── when a choice is final ───────────────────────────────────────────────────────────────────────────────────────


def test_what_a_player_needs_is_seen_of_it() -> None:
    first = with_sign(
        Register(), START_MS, SEEN, Edge(published=3, listed_ms=START_MS - 50), most=FAR, requested=1, starts=True
    )
    second = with_sign(
        first, START_MS + 400, SEEN, Edge(published=3, listed_ms=START_MS - 50), most=FAR, requested=2, starts=True
    )
    newest = with_sign(
        second, START_MS + 3000, SEEN, Edge(published=4, listed_ms=START_MS + 2100), most=FAR, requested=4, starts=True
    )
    slow = with_sign(newest, START_MS + 4000, SEEN, Edge(published=4), most=FAR, starts=True, idle_ms=2000)
    quick = with_sign(slow, START_MS + 5000, SEEN, Edge(published=4), most=FAR, starts=True, idle_ms=0)

    assert needed_ms(Register(), SEEN) == 1300
    assert (second.fetch_ms, newest.react_ms, slow.poll_ms, quick.poll_ms) == (400, 900, 2000, 1500)
    assert needed_ms(newest, SEEN) == 900 + 600 + 300
    assert needed_ms(slow, SEEN) == 2000 + 600 + 300


def test_what_a_player_takes_to_start_up_is_not_what_it_needs_later() -> None:
    edge = Edge(published=3, listed_ms=START_MS - 50)
    first = with_sign(Register(), START_MS, SEEN, edge, most=FAR, requested=1, starts=True)

    slow = with_sign(first, START_MS + 4600, SEEN, edge, most=FAR, requested=2, starts=True)
    third = with_sign(slow, START_MS + 5000, SEEN, edge, most=FAR, requested=3, starts=True)

    assert (slow.fetch_ms, third.fetch_ms, third.react_ms) == (4600, 400, 0)


def test_the_lock_comes_earlier_for_a_player_that_needs_longer_and_then_stays() -> None:
    timeline = start_timeline(staged(FORK))
    placed = timeline.open
    assert placed is not None
    slow = msgspec.structs.replace(started(), poll_ms=4000, fetch_ms=1000)

    assert lock_of(placed, started(), SEEN) == placed.closes
    assert lock_of(placed, slow, SEEN) == placed.join - seconds("5.8")
    assert lock_of(placed, with_lock(slow, placed, placed.closes), SEEN) == placed.closes
    assert lock_of(placed, msgspec.structs.replace(slow, poll_ms=60_000), SEEN) == (placed.opens + placed.closes) // 2


# ── holding ──────────────────────────────────────────────────────────────────────────────────────────────────────


HELD = "fork? 12.52 -> left | right\nleft 7.36 .\nright 8 ."


def test_a_decision_without_an_answer_is_held_open_segment_by_segment() -> None:
    timeline = start_timeline(staged(HELD))
    register = started(requested=7)
    before, held = on(timeline, register, seconds("8.5")), on(timeline, register, seconds("8.52"))

    edge = advanced(held, Edge(published=7), register, seconds("8.52"), now_ms=START_MS, policy=SEEN)
    later = advanced(held, edge, register, seconds("10.6"), now_ms=START_MS + 2_100, policy=SEEN)

    assert before.held == 0
    assert held.held == 5  # 8 s of a loop of 2, 2 and 1.04 s
    assert (edge.published, later.published) == (8, 9)
    assert next_change_ms(held, edge, started("9", requested=8), START_MS, SEEN) == 1520
    assert timeline.stretch_at(7).scene is None
    assert timeline.stretch_at(10).loop == 2


def test_a_held_decision_is_left_at_the_first_segment_after_its_answer() -> None:
    timeline = start_timeline(staged(HELD))
    answer = (Answered(visit=1, decision="after-fork", choice="right", answer_id="a", at=seconds(11)),)

    commit = due_at(timeline, answer, started(requested=8), seconds(11), SEEN, published=9)

    assert commit is not None
    # Segment 8 is listed with a frame of sound more than the picture there asks for: one segment makes up for it.
    assert (commit.choice, commit.cut) == ("right", 10)
    grown = follow(timeline, commit)
    assert [stretch.scene for stretch in grown.stretches] == ["fork", None, "right"]
    assert grown.stretches[1].after == grown.visits[1].first == 10
    assert grown.stretches[1].end == grown.visits[1].start == seconds("17.56")


def test_an_answer_before_the_lock_needs_no_hold() -> None:
    timeline = start_timeline(staged(HELD))
    answer = (Answered(visit=1, decision="after-fork", choice="right", answer_id="a", at=seconds(5)),)

    commit = due_at(timeline, answer, started(requested=7), seconds(9), SEEN, published=7)

    assert commit is not None
    assert commit.cut is None


def test_a_hold_ends_with_the_default() -> None:
    timeline = start_timeline(staged(HELD))
    over = Ticks(timeline.end_of(timeline.settled + 4) - seconds(4))

    assert due_at(timeline, (), started(requested=10), Ticks(over - 1), SEEN, published=11) is None
    commit = due_at(timeline, (), started(requested=10), over, SEEN, published=11)

    assert commit is not None
    assert (commit.choice, commit.by, commit.cut) == ("left", "default", 11)


def test_who_asked_for_more_time_gets_it() -> None:
    text = story_text(HELD).replace("hold: true", "accessible: {extend: 4x}")
    timeline = start_timeline(staged_text(text, lengths_of(HELD)))

    assert on(timeline, started(), seconds(9)).held == 0
    assert on(timeline, started(), seconds(9), extended=True).hold == seconds(15)
    assert on(timeline, started(), seconds(9), extended=True).held == 9


def test_what_may_be_dropped_is_not_reserved() -> None:
    plain, held = start_timeline(staged(FORK)), start_timeline(staged(HELD))
    immediate = start_timeline(staged(FORK.replace("fork ", "fork! ", 1)))
    back = start_timeline(staged(FORK.replace("fork ", "fork* ", 1)))

    assert not may_be_cut(plain, 6)
    assert may_be_cut(held, 7)
    assert (may_be_cut(immediate, 0), may_be_cut(immediate, 1)) == (False, True)
    assert may_be_cut(back, 0)


# ── what is believed ─────────────────────────────────────────────────────────────────────────────────────────────


def test_where_listed_segments_are_left_alone_time_stands_still() -> None:
    edge = Edge(published=5, waiting_ms=START_MS + 1_000)
    register = msgspec.structs.replace(started(requested=4), asked_ms=START_MS + 2_000, sign_ms=START_MS + 20_000)

    assert playhead(register, START_MS + 20_000, SEEN, edge) == seconds(8)
    assert playhead(register, START_MS + 20_000, UNSEEN, edge) == seconds(20)
    assert playhead(register, START_MS + 20_000, SEEN, Edge(published=4)) == seconds(20)


def test_a_player_that_waits_for_media_is_not_taken_to_have_played_them() -> None:
    edge = Edge(published=4, waiting_ms=START_MS + 5_000)
    late = with_sign(started(requested=3), START_MS + 6_000, SEEN, edge, most=seconds(4), requested=4, starts=True)

    assert playhead(late, START_MS + 7_000, SEEN, edge) == seconds(5)


def test_a_page_is_believed_before_a_player_and_a_player_before_its_requests() -> None:
    page = with_word(started(), START_MS, SEEN, Edge(), word=Word(source=Source.BEACON, position=seconds(2)), most=FAR)
    player = Word(source=Source.PLAYER, position=seconds(7))

    both = with_word(page, START_MS + 1_000, SEEN, Edge(), word=player, most=FAR)
    after = with_word(page, START_MS + 20_000, SEEN, Edge(), word=player, most=FAR)

    assert (both.source, both.position, both.sign_ms) == (Source.BEACON, seconds(2), START_MS + 1_000)
    assert (after.source, after.position) == (Source.PLAYER, seconds(7))
    assert within_seconds(page) == 0.5
    assert within_seconds(Register()) is None
    assert with_sign(started(), START_MS, SEEN, Edge(), most=FAR, starts=True).source is Source.POLLS
    asked = with_sign(started(), START_MS, SEEN, Edge(), most=FAR, requested=1, starts=True)
    assert with_sign(asked, START_MS + 9_000, SEEN, Edge(), most=FAR, starts=True).source is Source.REQUESTS


def test_a_rate_counts() -> None:
    word = Word(source=Source.BEACON, position=seconds(0), rate=2.0)
    double = with_word(started(), START_MS, SEEN, Edge(), word=word, most=FAR)
    timeline = start_timeline(staged(FORK))

    assert playhead(double, START_MS + 1_000, SEEN) == seconds(2)
    assert next_change_ms(on(timeline), Edge(published=7), double, START_MS, SEEN) == 4260


def test_of_two_processes_the_newest_word_is_believed_and_the_most_that_was_asked_for() -> None:
    told = Register(position=seconds(9), since_ms=5000, sign_ms=5000, source=Source.BEACON, source_ms=5000, paused=True)
    saw = Register(position=seconds(7), since_ms=4000, sign_ms=6000, requested=5, asked_ms=6000, react_ms=90)

    joined = merged(saw, told)

    assert joined == merged(told, saw)
    assert (joined.position, joined.since_ms, joined.paused, joined.source) == (seconds(9), 5000, True, Source.BEACON)
    assert (joined.sign_ms, joined.requested, joined.asked_ms, joined.react_ms) == (6000, 5, 6000, 90)


def test_who_has_not_seen_play_begin_takes_the_word_of_who_has() -> None:
    began = Register(since_ms=4000, sign_ms=4000)

    assert merged(Register(sign_ms=9000), began).since_ms == 4000


def test_a_later_run_goes_before_an_earlier_one() -> None:
    first, second = Register(sign_ms=9000, requested=7), Register(run=2)

    assert merged(first, second) == merged(second, first) == second


def test_of_two_locks_that_were_told_of_one_decision_the_stored_one_is_kept() -> None:
    own, stored = Register(lock_serial=2, lock=seconds(8)), Register(lock_serial=2, lock=seconds(7))

    assert merged(own, stored).lock == seconds(7)
    assert merged(Register(lock_serial=3, lock=seconds(20)), stored).lock == seconds(20)


def test_what_another_process_listed_is_a_step_of_its_own_and_left_alone_from_then_on() -> None:
    had_all = Register(requested=6)
    left_some = Register(requested=4)
    before = Edge(published=6, base=3, since_ms=1000, listed_ms=1000, waiting_ms=1000)

    assert taken_over(before, had_all, 8, 9000) == Edge(
        published=8, base=6, since_ms=9000, listed_ms=9000, waiting_ms=9000
    )
    assert taken_over(before, left_some, 8, 9000).waiting_ms == 1000
