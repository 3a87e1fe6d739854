"""How far a list is kept ahead of the viewer, and when a decision is due: pure functions of evidence and time.

The policy is that of docs/players.md: the edge follows the estimated playhead at a fixed lead, braked by what the
player has asked for; nothing past a join before its lock. Times are the store's, in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.session.events import Answered, Committed, Event, Register
from streamer.session.timeline import Placed, Timeline
from streamer.units import TICKS_PER_SECOND, Ticks, ticks_of_milliseconds, whole_milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers of the edge policy; each is a setting with its reason in config/branchline.yaml."""

    lead: Ticks = Ticks(6 * TICKS_PER_SECOND)  # how far the edge is kept ahead of the playhead
    first_segments: int = 3  # more, and half of all players start in the middle
    step_segments: int = 3  # most new segments an answer; Chromium's own player skips the fourth
    ahead_segments: int = 3  # most segments beyond the newest one asked for, where requests are seen
    guard: Ticks = Ticks(6 * TICKS_PER_SECOND)  # a default needs a request within this much of the join
    patience_ms: int = 6000  # how long after the last sign of life the viewer is taken to be there
    step_ms: int = 1000  # answers within this count as one (picture and sound poll side by side)
    requests_seen: bool = True  # the media lie below the session's path, so that the origin sees who fetches what


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """How much was published, and when the present step began."""

    published: int = 0  # segments
    base: int = 0  # published when the step began
    since_ms: int = 0


def playhead(register: Register, now_ms: int, policy: Policy) -> Ticks:
    """Estimates where the viewer is; stands still once they have shown no sign of life for the policy's patience."""
    if not register.since_ms or register.paused:
        return register.position
    present_ms = min(now_ms, register.sign_ms + policy.patience_ms)
    return Ticks(register.position + ticks_of_milliseconds(max(present_ms - register.since_ms, 0)))


def with_sign(register: Register, now_ms: int, policy: Policy, *, requested: int = 0, starts: bool) -> Register:
    """Notes a sign of life; the first that `starts` play sets the clock going.

    Args:
        register: what was known.
        now_ms: store time of the sign.
        policy: the numbers.
        requested: segments up to the one asked for now; 0: it was no segment request.
        starts: the sign shows that media are being fetched.
    """
    running = register.since_ms > 0
    gone = running and not register.paused and now_ms > register.sign_ms + policy.patience_ms
    return Register(
        position=playhead(register, now_ms, policy) if gone else register.position,
        since_ms=now_ms if gone or (starts and not running) else register.since_ms,
        sign_ms=max(now_ms, register.sign_ms),
        requested=max(requested, register.requested),
        paused=register.paused,
    )


def with_position(register: Register, now_ms: int, position: Ticks, *, paused: bool, most: Ticks) -> Register:
    """Notes what the page says of the playhead: a hint, believed up to `most`, the end of what was published."""
    return Register(
        position=Ticks(max(min(position, most), 0)),
        since_ms=now_ms,
        sign_ms=max(now_ms, register.sign_ms),
        requested=register.requested,
        paused=paused,
    )


def after_a_stop(register: Register, now_ms: int, policy: Policy) -> Register:
    """Gives the register as a process finds it that was not there when it was written.

    Time does not count across a stop of the service, except the moments in which the player went on from its buffer
    and came back before the policy's patience was over (docs/decisions/0004-time-across-a-stop.md).
    """
    if not register.since_ms or register.paused or now_ms <= register.sign_ms + policy.patience_ms:
        return register
    position = register.position + ticks_of_milliseconds(max(register.sign_ms - register.since_ms, 0))
    return Register(position=Ticks(position), since_ms=now_ms, sign_ms=now_ms, requested=register.requested)


def advanced(timeline: Timeline, edge: Edge, register: Register, play: Ticks, *, now_ms: int, policy: Policy) -> Edge:
    """Gives the edge as it may be published now; never less than it was."""
    begins = now_ms - edge.since_ms >= policy.step_ms
    base, since_ms = (edge.published, now_ms) if begins else (edge.base, edge.since_ms)
    most = min(
        timeline.listable,
        base + (policy.step_segments if base else policy.first_segments),
        register.requested + policy.ahead_segments if policy.requests_seen else timeline.listable,
    )
    published = edge.published
    while published < most and (published < policy.first_segments or timeline.end_of(published) <= play + policy.lead):
        published += 1
    return Edge(published=published, base=base, since_ms=since_ms)


def due(
    timeline: Timeline, events: tuple[Event, ...], register: Register, play: Ticks, policy: Policy
) -> Committed | None:
    """Gives the commit that is due by now: the last answer, else the default, at the lock."""
    placed = timeline.open
    if placed is None or play < placed.closes:
        return None
    answer = last_answer(events, timeline.last.number)
    if answer is None and policy.requests_seen and not _near_the_join(timeline, placed, register, policy):
        return None  # the viewer has not come near the decision, whatever the clock says
    return Committed(
        visit=timeline.last.number,
        decision=placed.decision.id,
        choice=answer.choice if answer is not None else placed.decision.default,
        by="viewer" if answer is not None else "default",
        at=placed.closes,
    )


def last_answer(events: tuple[Event, ...], visit: int) -> Answered | None:
    """Gives the answer that counts for a visit's decision so far."""
    found = (event for event in reversed(events) if isinstance(event, Answered) and event.visit == visit)
    return next(found, None)


def next_change_ms(timeline: Timeline, edge: Edge, register: Register, now_ms: int, policy: Policy) -> int | None:
    """Gives the milliseconds until the clock alone may change the list; None: only a request or a choice can."""
    if not register.since_ms or register.paused:
        return None
    play = playhead(register, now_ms, policy)
    moments: list[int] = []
    if edge.published < timeline.listable:
        moments.append(timeline.end_of(edge.published) - policy.lead)
    if timeline.open is not None:
        moments.append(timeline.open.closes)
    coming = [whole_milliseconds(moment - play) for moment in moments if moment > play]
    return min(coming, default=None)


def _near_the_join(timeline: Timeline, placed: Placed, register: Register, policy: Policy) -> bool:
    newest = min(register.requested, timeline.settled) - 1
    return newest >= 0 and timeline.end_of(newest) > placed.join - policy.guard
