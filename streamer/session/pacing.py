"""How far a list is kept ahead of the viewer, and when a decision is due: pure functions of evidence and time.

The policy is that of docs/players.md: the edge follows the estimated playhead at a lead that is longer in linear
parts and short before a decision, braked by what the player has asked for; nothing past a join before its lock. Times
are the store's, in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as altered
from fractions import Fraction

import msgspec

from streamer.session.events import Answered, Committed, Event, Register, Source
from streamer.session.timeline import Placed, Timeline, leads_on
from streamer.story.model import Choice
from streamer.story.visit import VIEWER, unanswered
from streamer.units import TICKS_PER_SECOND, Ticks, ticks_of_milliseconds, whole_milliseconds

GROWTH = 3  # seconds of play in which a lead grows by one
# A list stands still for 1.25 Target Durations where it may for 1.5 (RFC 8216bis, 6.2.1): the rest is for a playhead
# that turns out to be further back than it was taken to be.
QUIET = Fraction(5, 4)
PART_QUIET = Fraction(9, 8)  # likewise for parts, which come within one PART-TARGET; that is at least as much longer
AHEAD_SEGMENTS = 2  # that may be asked for before they are listed,
AHEAD_PARTS_MS = 3000  # and parts of so much time, beyond a whole segment's
FRESH_MS = 15_000  # how long a source keeps lesser ones out after it has spoken: three words of a page
FORGET = 4  # of what was seen of a player: each new look counts for a quarter
UNSEEN_MS = 1000  # what a player is taken to need to react before it was seen to


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers of the edge policy; each is a setting with its reason in config/branchline.yaml."""

    lead: Ticks = Ticks(6 * TICKS_PER_SECOND)  # how far the edge is ahead of the playhead before a decision
    long_lead: Ticks = Ticks(10 * TICKS_PER_SECOND)  # and in a long part without one
    first_segments: int = 3  # more, and half of all players start in the middle
    step_segments: int = 3  # most new segments an answer; Chromium's own player skips the fourth
    ahead_segments: int = 3  # most segments beyond the newest one asked for, where requests are seen
    guard: Ticks = Ticks(6 * TICKS_PER_SECOND)  # a default needs a request within this much of the join
    patience_ms: int = 6000  # how long after the last sign of life the viewer is taken to be there
    step_ms: int = 1000  # answers within this count as one (picture and sound poll side by side)
    requests_seen: bool = True  # the media lie below the session's path, so that the origin sees who fetches what
    margin_ms: int = 300  # a branch is listed at least so long before the join, besides what the player needs
    most_needed_ms: int = 8000  # what a player can be taken to need, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """How much was published, and when the present step began."""

    published: int = 0  # segments
    parts: int = 0  # of the newest segment, that are listed; 0: all of it
    base: int = 0  # published when the step began
    since_ms: int = 0
    listed_ms: int = 0  # when the newest segments were published
    waiting_ms: int = 0  # since when there have been segments that nobody asked for


# ── where the viewer is ──────────────────────────────────────────────────────────────────────────────────────────


def playhead(register: Register, now_ms: int, policy: Policy, edge: Edge | None = None) -> Ticks:
    """Estimates where the viewer is.

    Time stands still while the page or player says so, once there has been no sign of life for the policy's
    patience, and, where requests are seen and nothing better is known, once the player has left what is listed alone
    for as long.
    """
    if not register.since_ms or register.paused:
        return register.position
    present_ms = min(now_ms, still_from_ms(register, policy, edge))
    passed = ticks_of_milliseconds(max(present_ms - register.since_ms, 0))
    return Ticks(register.position + (passed if register.rate == 1 else round(passed * register.rate)))


def still_from_ms(register: Register, policy: Policy, edge: Edge | None) -> int:
    """Gives the moment from which time stands still unless there is another sign."""
    until_ms = register.sign_ms + policy.patience_ms
    if edge is None or not policy.requests_seen or register.source > Source.REQUESTS:
        return until_ms
    if register.requested < edge.published:
        until_ms = min(until_ms, max(edge.waiting_ms, register.asked_ms) + policy.patience_ms)
    return until_ms


def with_sign(
    register: Register,
    now_ms: int,
    policy: Policy,
    edge: Edge,
    *,
    most: Ticks,
    requested: int = 0,
    starts: bool,
    idle_ms: int | None = None,
) -> Register:
    """Notes a sign of life; the first that `starts` play sets the clock going.

    Args:
        register: what was known.
        now_ms: store time of the sign.
        policy: the numbers.
        edge: what was published.
        most: where the viewer can be at most: the end of what was asked for, or published.
        requested: segments up to the one asked for now; 0: it was no segment request.
        starts: the sign shows that media are being fetched.
        idle_ms: how long the player has not been looking at its list, where that is what it comes back to.
    """
    position, since_ms = register.position, register.since_ms
    if since_ms and not register.paused:
        place = playhead(register, now_ms, policy, edge)
        if now_ms > still_from_ms(register, policy, edge):
            position, since_ms = place, now_ms
        elif place > most and register.source <= Source.REQUESTS:
            position, since_ms = most, now_ms  # it has been waiting for media
    elif starts and not since_ms:
        since_ms = now_ms
    asks = requested > register.requested
    asked_lately = register.asked_ms > 0 and now_ms - register.asked_ms <= FRESH_MS
    source = Source.REQUESTS if requested or asked_lately else Source.POLLS
    return msgspec.structs.replace(
        register,
        position=position,
        since_ms=since_ms,
        sign_ms=max(now_ms, register.sign_ms),
        requested=max(requested, register.requested),
        asked_ms=now_ms if asks else register.asked_ms,
        source=register.source if _is_fresh(register, now_ms) else source,
        poll_ms=register.poll_ms if idle_ms is None else _of_late(register.poll_ms, idle_ms),
        react_ms=_of_late(register.react_ms, now_ms - edge.listed_ms)
        if asks and edge.listed_ms and requested == edge.published and requested > policy.first_segments
        else register.react_ms,
        # The first segments are asked for as fast as they come; what the player needs to start up, a page to load, is
        # in one of the times between them, and in its reaction to the first list, and is not what it needs later.
        fetch_ms=min(register.fetch_ms or policy.most_needed_ms, now_ms - register.asked_ms)
        if asks and register.requested and requested <= policy.first_segments
        else register.fetch_ms,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a page or player says of itself; None: nothing."""

    source: Source
    position: Ticks | None = None
    paused: bool | None = None
    rate: float | None = None


def with_word(register: Register, now_ms: int, policy: Policy, edge: Edge, *, word: Word, most: Ticks) -> Register:
    """Notes what a page or player says of the playhead: a hint, believed up to `most`, the end of what was published.

    A source that is believed less than one that spoke lately is a sign of life and nothing else.
    """
    if word.source < register.source and _is_fresh(register, now_ms):
        return msgspec.structs.replace(register, sign_ms=max(now_ms, register.sign_ms))
    place = playhead(register, now_ms, policy, edge) if word.position is None else word.position
    paused = register.paused if word.paused is None else word.paused
    return msgspec.structs.replace(
        register,
        position=Ticks(max(min(place, most), 0)),
        since_ms=now_ms if word.position is not None or register.since_ms else 0,
        sign_ms=max(now_ms, register.sign_ms),
        paused=paused,
        rate=register.rate if word.rate is None else word.rate,
        source=word.source,
        source_ms=now_ms,
    )


def merged(own: Register, other: Register) -> Register:
    """Joins what two processes saw of one viewer: the newest word is believed, and the most of what was asked for."""
    if own.run != other.run:
        return own if own.run > other.run else other
    newest = max(own, other, key=lambda register: (register.since_ms > 0, register.source_ms, register.sign_ms))
    told = max(other, own, key=lambda register: register.lock_serial)  # of two that were told, the stored one
    return msgspec.structs.replace(
        newest,
        sign_ms=max(own.sign_ms, other.sign_ms),
        requested=max(own.requested, other.requested),
        asked_ms=max(own.asked_ms, other.asked_ms),
        blocks=own.blocks or other.blocks,
        poll_ms=max(own.poll_ms, other.poll_ms),
        react_ms=max(own.react_ms, other.react_ms),
        fetch_ms=max(own.fetch_ms, other.fetch_ms),
        lock_serial=told.lock_serial,
        lock=told.lock,
    )


def after_a_stop(register: Register, now_ms: int, policy: Policy) -> Register:
    """Gives the register as a process finds it that was not there when it was written.

    Time does not count across a stop of the service, except the moments in which the player went on from its buffer
    and came back before the policy's patience was over (docs/decisions/0004-time-across-a-stop.md).
    """
    if not register.since_ms or register.paused or now_ms <= register.sign_ms + policy.patience_ms:
        return register
    position = register.position + ticks_of_milliseconds(max(register.sign_ms - register.since_ms, 0))
    return msgspec.structs.replace(register, position=Ticks(position), since_ms=now_ms, sign_ms=now_ms)


# How far the truth may be from the estimate, in seconds, just after each kind of evidence; nobody knows by the clock.
WITHIN_SECONDS = {
    Source.BEACON: 0.5,
    Source.PLAYER: 0.5,
    Source.BUFFER: 2.0,
    Source.REQUESTS: 6.0,
    Source.POLLS: 10.0,
    Source.CLOCK: None,
}


def within_seconds(register: Register) -> float | None:
    """Tells how sure the estimate is: how far off it may be, or None where nobody knows."""
    return WITHIN_SECONDS[register.source]


def _is_fresh(register: Register, now_ms: int) -> bool:
    return register.source > Source.REQUESTS and (register.paused or now_ms - register.source_ms <= FRESH_MS)


def _of_late(known_ms: int, seen_ms: int) -> int:
    """Gives the longest of late: a longer one counts at once, shorter ones bit by bit."""
    return max(seen_ms, known_ms + (seen_ms - known_ms) // FORGET)


# ── how far the list goes ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A path with what decides how far and when it is listed."""

    timeline: Timeline
    lock: Ticks | None = None  # of the open decision; None: nothing is open
    hold: Ticks = Ticks(0)  # how long its loop may hold it open
    held: int = 0  # segments of the hold loop that may be listed, now that the lock is over without an answer

    @property
    def listable(self) -> int:
        """Gives how many segments may be published."""
        return self.timeline.listable + self.held

    @property
    def over(self) -> Ticks | None:
        """Gives the lock that ends a hold; None: nothing is held open."""
        placed = self.timeline.open
        if not self.held or placed is None or self.lock is None:
            return None
        return Ticks(self.timeline.end_of(self.listable - 1) - (placed.join - self.lock))


def course_of(
    timeline: Timeline,
    events: tuple[Event, ...],
    register: Register,
    play: Ticks,
    *,
    published: int,
    extended: bool,
    policy: Policy,
) -> Course:
    """Gives what may be listed at a moment.

    Args:
        timeline: the session's path.
        events: those since the viewer last went back.
        register: where the viewer is.
        play: the playhead, estimated.
        published: segments published so far.
        extended: whether the viewer asked for more time.
        policy: the numbers.
    """
    placed = timeline.open
    if placed is None:
        return Course(timeline=timeline)
    lock = lock_of(placed, register, policy)
    longest = hold_length(placed, extended=extended)
    if not longest or (published <= timeline.settled and (play < lock or answer_to(events, timeline))):
        return Course(timeline=timeline, lock=lock, hold=longest)
    # After an ending the last of them is kept back for ENDLIST to come with.
    held = timeline.hold_segments(longest) - (timeline.last.scene.end is not None)
    return Course(timeline=timeline, lock=lock, hold=longest, held=max(held, 1))


def hold_length(placed: Placed, *, extended: bool) -> Ticks:
    """Gives how long a decision may be held open by its loop."""
    hold = placed.decision.hold
    if hold is None:
        return Ticks(0)
    if not extended:
        return hold.max
    return Ticks(max(hold.max, int((placed.decision.extend - 1) * (placed.closes - placed.opens))))


def lock_of(placed: Placed, register: Register, policy: Policy) -> Ticks:
    """Gives the moment up to which the open decision may be answered.

    The author's, or earlier where the player needs longer than that to cross the join. Once told to viewers it stays.
    """
    if register.lock_serial == placed.serial:
        return register.lock
    latest = Ticks(placed.join - ticks_of_milliseconds(needed_ms(register, policy)))
    middle = Ticks((placed.opens + placed.closes) // 2)
    return max(min(placed.closes, latest), middle)


def needed_ms(register: Register, policy: Policy) -> int:
    """Gives how long before a join its branch has to be listed for this player."""
    seen_ms = max(register.poll_ms, register.react_ms) or UNSEEN_MS
    return min(seen_ms + register.fetch_ms * 3 // 2 + policy.margin_ms, policy.most_needed_ms)


def with_lock(register: Register, placed: Placed, lock: Ticks) -> Register:
    """Notes the lock that viewers are told."""
    return msgspec.structs.replace(register, lock_serial=placed.serial, lock=lock)


def listed_from(course: Course, segment: int, policy: Policy, part: int = -1) -> Ticks:
    """Gives the playhead from which a part of a segment is to be listed; by default its last, and so the whole.

    In a long linear part the lead grows from the short to the long one; towards an open decision it shrinks again,
    one segment every 1.25 segments of play, so that no list stays as it is for longer, and so that it is short when
    the last common segment is listed. Parts keep the short lead: they are to come at the pace of play.
    """
    timeline, lock = course.timeline, course.lock
    ends = timeline.part_ends(segment)
    end = ends[part]
    placed = timeline.open
    if segment >= timeline.settled and course.held and placed is not None and lock is not None:
        before = timeline.end_of(segment - 1) if len(ends) == 1 or part == 0 else ends[part - 1]
        return Ticks(before - (placed.join - lock))
    stage = timeline.stage
    begins = timeline.linear_from
    steady = end - (policy.lead if stage.part_target_ms else policy.long_lead)
    growing = end - policy.lead
    if growing > begins:
        growing = (GROWTH * growing + begins) // (GROWTH + 1)
    shrinking = steady
    if placed is not None and lock is not None and segment < placed.barrier:
        quiet, slower = stage.package.target_duration * TICKS_PER_SECOND * QUIET, QUIET
        if stage.part_target_ms:
            quiet, slower = Fraction(ticks_of_milliseconds(stage.part_target_ms)), PART_QUIET
        short = min(policy.lead, placed.join - lock + int(quiet))
        last = placed.join
        shrinking = last - short - int((last - end) * slower)
    return Ticks(max(steady, growing, shrinking))


def advanced(course: Course, edge: Edge, register: Register, play: Ticks, *, now_ms: int, policy: Policy) -> Edge:
    """Gives the edge as it may be published now; never less than it was."""
    timeline = course.timeline
    if timeline.whole:  # nothing is left to decide: a film from its first answer on
        return edge if edge.published else Edge(published=timeline.settled, listed_ms=now_ms, waiting_ms=now_ms)
    begins = now_ms - edge.since_ms >= policy.step_ms
    base, since_ms = (edge.published, now_ms) if begins else (edge.base, edge.since_ms)
    most = min(
        course.listable,
        base + (policy.step_segments if base else policy.first_segments),
        register.requested + policy.ahead_segments if policy.requests_seen else course.listable,
    )
    published, parts = edge.published, edge.parts
    while parts or published < most:
        segment = published - 1 if parts else published
        if segment >= policy.first_segments and listed_from(course, segment, policy, parts) > play:
            break
        # The last of all is listed whole: hls.js does not fetch a part that comes with ENDLIST, and video.js fetches
        # none of a segment whose parts are listed no more.
        whole = segment < policy.first_segments or course.timeline.is_last(segment)
        published, parts = segment + 1, 0 if whole else (parts + 1) % len(course.timeline.part_ends(segment))
    if (published, parts) == (edge.published, edge.parts):
        return edge if base == edge.base and since_ms == edge.since_ms else altered(edge, base=base, since_ms=since_ms)
    waits = register.requested < edge.published
    return Edge(
        published=published,
        parts=parts,
        base=base,
        since_ms=since_ms,
        listed_ms=now_ms,
        waiting_ms=edge.waiting_ms if waits else now_ms,
    )


def taken_over(edge: Edge, register: Register, published: int, now_ms: int) -> Edge:
    """Gives the edge where another process may have listed so many segments."""
    waits = register.requested < edge.published
    return Edge(
        published=published,
        base=edge.published,
        since_ms=now_ms,
        listed_ms=now_ms,
        waiting_ms=edge.waiting_ms if waits else now_ms,
    )


def lists(timeline: Timeline, edge: Edge, segments: int, parts: int) -> bool:
    """Tells whether so many segments are listed; with `parts`, so many parts of the last of them.

    A part after a segment's last is the first of the next one (RFC 8216bis, section 6.2.5.2).
    """
    if parts and edge.published >= segments and parts > len(timeline.part_ends(segments - 1)):
        segments, parts = segments + 1, 1
    if edge.published != segments:
        return edge.published > segments
    return not edge.parts or 0 < parts <= edge.parts


def too_far(timeline: Timeline, edge: Edge, segments: int, parts: int) -> bool:
    """Tells whether nobody who has read the list can want so much of what is not listed (RFC 8216bis, 6.2.5.2)."""
    if segments > edge.published + AHEAD_SEGMENTS:
        return True
    target_ms = timeline.stage.part_target_ms
    if not target_ms or segments < edge.published:
        return False
    listed = edge.parts if segments == edge.published else 0
    return parts - max(listed, len(timeline.part_ends(edge.published - 1))) > AHEAD_PARTS_MS // target_ms


def due(
    course: Course, events: tuple[Event, ...], register: Register, play: Ticks, *, published: int, policy: Policy
) -> Committed | None:
    """Gives the commit that is due by now: the last answer, else the default, at the lock or at the hold's end."""
    timeline, placed = course.timeline, course.timeline.open
    if placed is None or course.lock is None or play < course.lock:
        return None
    answer = answer_to(events, timeline)
    at, by = course.lock, VIEWER
    choice = placed.decision.choice(answer.choice) if answer is not None else None
    if answer is None:
        if policy.requests_seen and not _near_the_join(timeline, placed, register, policy):
            return None  # the viewer has not come near the decision, whatever the clock says
        at = course.over or course.lock
        if play < at:
            return None
        choice, by = unanswered(timeline.last.progress)
    return Committed(
        visit=timeline.last.number,
        decision=placed.decision.id,
        choice=choice.id if choice is not None else None,
        by=by,
        at=at,
        cut=_left_from(timeline, choice, by, published),
    )


def cut_at(timeline: Timeline, choice: Choice, published: int) -> int | None:
    """Gives the segment from which an immediate answer leads elsewhere: after what was published and the opening.

    None: from the scene's end on, as a choice does that leads nowhere else.
    """
    placed = timeline.open
    assert placed is not None
    if published > timeline.settled or choice.to is None:
        return _left_from(timeline, choice, VIEWER, published)
    cut = timeline.cut_from(max(published, placed.opens_in + 1))
    return cut if cut < timeline.settled else None


def _left_from(timeline: Timeline, choice: Choice | None, by: str, published: int) -> int | None:
    """Gives the segment from which the path goes on after a decision; None: after its scene.

    Where its loop is left, after what was published of it; where the story ends there, one later, so that ENDLIST
    comes with a segment.
    """
    if published >= timeline.settled and timeline.holds and not leads_on(timeline, choice, by):
        return published + 1
    return timeline.cut_from(published) if published > timeline.listable else None


def may_be_cut(timeline: Timeline, segment: int) -> bool:
    """Tells whether a path that goes on may leave out a segment: then it is published one by one, nothing ahead."""
    placed = timeline.open
    if timeline.whole:
        return False
    if timeline.stage.story.can_be_left or segment >= timeline.listable:
        return True
    return placed is not None and placed.decision.immediate and segment >= placed.opens_in


def answer_to(events: tuple[Event, ...], timeline: Timeline) -> Answered | None:
    """Gives the answer that counts for the open decision so far."""
    last, placed = events[-1] if events else None, timeline.open
    if placed is None or not isinstance(last, Answered):
        return None
    return last if (last.visit, last.decision) == (timeline.last.number, placed.decision.id) else None


def next_change_ms(course: Course, edge: Edge, register: Register, now_ms: int, policy: Policy) -> int | None:
    """Gives the milliseconds until the clock alone may change the list; None: only a request or a choice can."""
    if not register.since_ms or register.paused or register.rate <= 0:
        return None
    play = playhead(register, now_ms, policy, edge)
    moments: list[int] = []
    if edge.parts or edge.published < course.listable:
        moments.append(listed_from(course, edge.published - (edge.parts > 0), policy, edge.parts))
    if course.lock is not None:
        moments.append(course.lock)
    if course.over is not None:
        moments.append(course.over)
    coming = [whole_milliseconds(moment - play) for moment in moments if moment > play]
    return None if not coming else max(round(min(coming) / register.rate), 1)


def _near_the_join(timeline: Timeline, placed: Placed, register: Register, policy: Policy) -> bool:
    newest = min(register.requested, placed.barrier) - 1
    return newest >= 0 and timeline.end_of(newest) > placed.join - policy.guard
