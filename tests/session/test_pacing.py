"""The edge policy, number by number."""

from __future__ import annotations

from streamer.session.events import Answered, Register
from streamer.session.pacing import (
    Edge,
    Policy,
    advanced,
    after_a_stop,
    due,
    next_change_ms,
    playhead,
    with_position,
    with_sign,
)
from streamer.session.timeline import start_timeline
from streamer.units import Ticks
from tests.builders import seconds, staged

FORK = "fork 12.52 -> left | right\nleft 7.36 .\nright 8 ."
SEEN = Policy(requests_seen=True)
UNSEEN = Policy(requests_seen=False)
START_MS = 1_000_000


def started(position: str = "0", requested: int = 0) -> Register:
    return Register(position=seconds(position), since_ms=START_MS, sign_ms=START_MS, requested=requested)


def test_the_first_answer_lists_exactly_three_segments() -> None:
    timeline = start_timeline(staged(FORK), {})

    for policy in (SEEN, UNSEEN):
        assert advanced(timeline, Edge(), Register(), Ticks(0), now_ms=START_MS, policy=policy).published == 3


def test_the_clock_starts_with_the_first_segment_request_where_requests_are_seen() -> None:
    polled = with_sign(Register(), START_MS, SEEN, starts=False)
    fetched = with_sign(polled, START_MS + 700, SEEN, requested=1, starts=True)

    assert playhead(polled, START_MS + 5000, SEEN) == 0
    assert playhead(fetched, START_MS + 1700, SEEN) == seconds(1)


def test_time_stands_still_three_target_durations_after_the_last_sign_of_life() -> None:
    register = started()

    assert playhead(register, START_MS + 6_000, SEEN) == seconds(6)
    assert playhead(register, START_MS + 600_000, SEEN) == seconds(6)


def test_time_goes_on_where_it_stood_when_the_viewer_comes_back() -> None:
    back = with_sign(started(), START_MS + 600_000, SEEN, starts=False)

    assert playhead(back, START_MS + 600_000, SEEN) == seconds(6)
    assert playhead(back, START_MS + 601_000, SEEN) == seconds(7)


def test_a_long_stop_of_the_service_counts_nothing() -> None:
    found = after_a_stop(started("3"), START_MS + 600_000, SEEN)

    assert playhead(found, START_MS + 600_000, SEEN) == seconds(3)


def test_a_stop_shorter_than_the_patience_counts_since_the_player_went_on_from_its_buffer() -> None:
    found = after_a_stop(started("3"), START_MS + 4_000, SEEN)

    assert playhead(found, START_MS + 4_000, SEEN) == seconds(7)
    assert after_a_stop(Register(), START_MS, SEEN) == Register()


def test_the_edge_keeps_six_seconds_ahead() -> None:
    timeline = start_timeline(staged(FORK), {})
    edge = Edge(published=3)

    assert advanced(timeline, edge, started(requested=3), seconds("1.9"), now_ms=START_MS, policy=SEEN).published == 3
    assert advanced(timeline, edge, started(requested=3), seconds("2"), now_ms=START_MS, policy=SEEN).published == 4


def test_the_edge_is_braked_three_segments_beyond_the_newest_request() -> None:
    timeline = start_timeline(staged("long 60 -> last\nlast 8 ."), {})

    seen = advanced(timeline, Edge(published=3), started(requested=1), seconds(30), now_ms=START_MS, policy=SEEN)
    unseen = advanced(timeline, Edge(published=3), started(), seconds(30), now_ms=START_MS, policy=UNSEEN)

    assert seen.published == 4
    assert unseen.published == 6


def test_polls_side_by_side_share_one_step_of_three() -> None:
    timeline = start_timeline(staged("long 60 -> last\nlast 8 ."), {})
    first = advanced(timeline, Edge(published=3), started(), seconds(30), now_ms=START_MS, policy=UNSEEN)

    second = advanced(timeline, first, started(), seconds(30), now_ms=START_MS + 200, policy=UNSEEN)
    third = advanced(timeline, second, started(), seconds(30), now_ms=START_MS + 1_200, policy=UNSEEN)

    assert (first.published, second.published, third.published) == (6, 6, 9)


def test_nothing_past_the_join_is_listed_before_the_lock() -> None:
    timeline = start_timeline(staged(FORK), {})

    edge = advanced(timeline, Edge(published=6), started(requested=7), seconds(100), now_ms=START_MS, policy=SEEN)

    assert edge.published == timeline.settled == 7


def test_an_unanswered_decision_takes_its_default_at_the_lock() -> None:
    timeline = start_timeline(staged(FORK), {})
    register = started(requested=7)

    assert due(timeline, (), register, Ticks(seconds("8.52") - 1), SEEN) is None
    commit = due(timeline, (), register, seconds(11), SEEN)

    assert commit is not None
    assert (commit.choice, commit.by, commit.at) == ("left", "default", seconds("8.52"))


def test_a_default_waits_until_the_viewer_has_come_near_the_join() -> None:
    timeline = start_timeline(staged(FORK), {})

    assert due(timeline, (), started(requested=3), seconds(11), SEEN) is None
    assert due(timeline, (), started(requested=0), seconds(11), SEEN) is None
    assert due(timeline, (), started(requested=0), seconds(11), UNSEEN) is not None


def test_the_last_answer_is_committed_at_the_lock_and_not_before() -> None:
    timeline = start_timeline(staged(FORK), {})
    answers = tuple(
        Answered(visit=1, decision="after-fork", choice=choice, answer_id=choice, at=seconds(5))
        for choice in ("left", "right")
    )

    assert due(timeline, answers, started(requested=7), seconds(8), SEEN) is None
    commit = due(timeline, answers, started(), seconds("8.52"), SEEN)

    assert commit is not None
    assert (commit.choice, commit.by) == ("right", "viewer")


def test_an_ending_has_nothing_due() -> None:
    assert due(start_timeline(staged("only 8 ."), {}), (), started(), seconds(100), SEEN) is None


def test_it_is_known_when_the_clock_will_change_the_list() -> None:
    timeline = start_timeline(staged(FORK), {})

    assert next_change_ms(timeline, Edge(published=3), Register(), START_MS, SEEN) is None
    assert next_change_ms(timeline, Edge(published=3), started(requested=3), START_MS + 500, SEEN) == 1500
    assert next_change_ms(timeline, Edge(published=7), started("8"), START_MS, SEEN) == 520
    assert next_change_ms(timeline, Edge(published=7), started("9"), START_MS, SEEN) is None
    assert next_change_ms(start_timeline(staged("only 8 ."), {}), Edge(published=4), started(), START_MS, SEEN) is None


def test_the_page_s_word_is_believed_up_to_what_was_published() -> None:
    said = with_position(started("3", requested=4), START_MS + 500, seconds("99"), paused=False, most=seconds(8))

    assert playhead(said, START_MS + 500, SEEN) == seconds(8)
    assert said.requested == 4


def test_a_pause_that_was_said_stops_the_clock_whatever_the_player_asks_for() -> None:
    paused = with_position(started(), START_MS, seconds(3), paused=True, most=seconds(8))
    polled = with_sign(paused, START_MS + 60_000, SEEN, requested=5, starts=True)
    goes_on = with_position(polled, START_MS + 61_000, seconds(3), paused=False, most=seconds(8))

    assert playhead(polled, START_MS + 60_000, SEEN) == seconds(3)
    assert after_a_stop(polled, START_MS + 600_000, SEEN) == polled
    assert next_change_ms(start_timeline(staged(FORK), {}), Edge(published=3), polled, START_MS, SEEN) is None
    assert playhead(goes_on, START_MS + 62_000, SEEN) == seconds(4)
