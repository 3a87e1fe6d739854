"""Why a session's list is as long as it is, told to operators."""

from __future__ import annotations

from streamer.live import Live
from streamer.session.pacing import (
    Course,
    Policy,
    answer_to,
    needed_ms,
    still_from_ms,
    within_seconds,
)
from streamer.session.waiting import waiting
from streamer.units import TICKS_PER_SECOND, Ticks


def explained(live: Live, course: Course, play: Ticks, *, now_ms: int, policy: Policy) -> dict[str, object]:
    """Tells why a session's edge is where it is.

    Nothing of it is personal. Durations are in milliseconds, places on the timeline in seconds.

    Args:
        live: the session.
        course: how far its path may be listed.
        play: the playhead, estimated.
        now_ms: store time.
        policy: the numbers.
    """
    register, edge, timeline = live.register, live.edge, live.timeline
    found = waiting(course, edge, register, play, now_ms=now_ms, policy=policy)
    end = timeline.end_of(edge.published - 1) if edge.published else Ticks(0)
    placed, inputs = timeline.open, timeline.stage.story.profile
    return {
        "story": live.record.story,
        "revision": live.record.revision,
        "run": timeline.run,
        "scene": timeline.visit_playing(play).scene.id,
        "expires_in_ms": live.expires_ms - now_ms,
        "inputs": {name: value for name, value in live.record.profile.items() if not inputs[name].personal},
        "waits_for": {
            "cause": found.cause.name.lower(),
            "words": found.cause,
            "until_seconds": _seconds(found.until),
        },
        "playhead": {
            "position_seconds": _seconds(play),
            "source": register.source.name.lower(),
            "within_seconds": within_seconds(register),
            "rate": register.rate,
            "paused": register.paused,
            "stands_still_in_ms": still_from_ms(register, policy, edge) - now_ms,
            "last_sign_ms_ago": _ago(register.sign_ms, now_ms),
        },
        "player": {
            "requested_segments": register.requested,
            "requested_ms_ago": _ago(register.asked_ms, now_ms),
            "looks_every_ms": register.poll_ms,
            "reacts_within_ms": register.react_ms,
            "fetches_within_ms": register.fetch_ms,
            "needs_ms": needed_ms(register, policy),
        },
        "edge": {
            "published_segments": edge.published,
            "parts_of_the_last": edge.parts,
            "published_seconds": _seconds(end),
            "lead_seconds": _seconds(Ticks(end - play)),
            "listed_ms_ago": _ago(edge.listed_ms, now_ms),
            "reserved_segments": live.reserved,
            "listable_segments": course.listable,
            "settled_segments": timeline.settled,
        },
        "decision": None
        if placed is None
        else {
            "decision": placed.decision.id,
            "visit": timeline.last.number,
            "opens_seconds": _seconds(placed.opens),
            "lock_seconds": _seconds(course.lock),
            "join_seconds": _seconds(placed.join),
            "answered": answer_to(live.record.events, timeline) is not None,
            "holding": course.held > 0,
        },
        "store": {
            "version": live.version,
            "alone": live.alone,
            "to_be_read_again": live.old,
            "written_ms_ago": _ago(live.written_ms, now_ms),
        },
        "listeners": {"held_polls_or_streams": live.wake is not None, "event_streams": live.streams},
    }


def _ago(then_ms: int, now_ms: int) -> int | None:
    """Gives how long ago a moment was; None: there was none."""
    return now_ms - then_ms if then_ms else None


def _seconds(place: Ticks | None) -> float | None:
    """Gives a place on the timeline in seconds."""
    return None if place is None else round(place / TICKS_PER_SECOND, 3)
