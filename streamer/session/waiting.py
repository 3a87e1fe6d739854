"""What keeps the edge where it is, for people who ask why: the rules of pacing.py, told one by one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streamer.session.events import Register
from streamer.session.pacing import Course, Edge, Policy, listed_from, still_from_ms
from streamer.units import Ticks


class Cause(StrEnum):
    """Why no more is listed."""

    NOTHING = "the path is listed to its end"
    START = "no media were asked for yet"
    PAUSE = "the page or player says that the viewer has paused"
    SIGN = "there was no sign of life for a while, or what is listed is left alone: the viewer's time stands still"
    DECISION = "all is listed that does not depend on the open decision"
    REQUESTS = "the player has not asked for what is listed"
    PLAYHEAD = "the playhead is not there yet"
    POLL = "nothing: more is listed when the playlist is asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why the edge is where it is."""

    cause: Cause
    until: Ticks | None = None  # playhead from which more is listed; None: it is not the playhead alone


def waiting(course: Course, edge: Edge, register: Register, play: Ticks, *, now_ms: int, policy: Policy) -> Waiting:
    """Gives the first of the rules that keeps back what comes after the edge.

    Args:
        course: the path, and how far it may be listed.
        edge: what is published.
        register: where the viewer is.
        play: the playhead, estimated.
        now_ms: store time.
        policy: the numbers.
    """
    timeline, whole = course.timeline, not edge.parts
    if timeline.complete and whole and edge.published >= timeline.settled:
        return Waiting(cause=Cause.NOTHING)
    if (still := _still(register, edge, now_ms=now_ms, policy=policy)) is not None:
        return Waiting(cause=still)
    if whole and edge.published >= course.listable:
        return Waiting(cause=Cause.DECISION, until=course.over or course.lock)
    if whole and policy.requests_seen and edge.published >= register.requested + policy.ahead_segments:
        return Waiting(cause=Cause.REQUESTS)
    segment = edge.published if whole else edge.published - 1
    begins = listed_from(course, segment, policy, edge.parts)
    return Waiting(cause=Cause.PLAYHEAD if begins > play else Cause.POLL, until=begins)


def _still(register: Register, edge: Edge, *, now_ms: int, policy: Policy) -> Cause | None:
    """Gives why the viewer's time stands still; None: it passes."""
    if not register.since_ms:
        return Cause.START
    if register.paused:
        return Cause.PAUSE
    return Cause.SIGN if now_ms >= still_from_ms(register, policy, edge) else None
