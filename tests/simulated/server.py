"""The server as a player sees it: the core, with a clock that a simulation moves; nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streamer.session.choosing import Answer, answered
from streamer.session.events import Register, SessionRecord, Source
from streamer.session.pacing import (
    Course,
    Edge,
    Policy,
    Word,
    advanced,
    course_of,
    due,
    next_change_ms,
    playhead,
    with_lock,
    with_sign,
    with_word,
)
from streamer.session.timeline import Stage, Timeline, follow, start_timeline
from streamer.units import TICKS_PER_SECOND, Ticks

LOOK_MS = 100  # a request of a segment may come in between and let the list go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A Media Playlist as a player reads it."""

    ends: tuple[float, ...]  # s: where each segment ends
    ended: bool


class Server:
    """One session."""

    def __init__(self, stage: Stage, policy: Policy) -> None:
        self.policy = policy
        self.timeline: Timeline = start_timeline(stage)
        self.record = SessionRecord(story="test", revision="r", created_ms=0, profile={})
        self.register, self.edge = Register(), Edge()
        self.answered_ms = 0

    def list_asked(self, now_ms: int) -> None:
        """Notes a playlist request."""
        self._sign(
            now_ms,
            starts=not self.policy.requests_seen,
            idle_ms=now_ms - self.answered_ms if self.answered_ms else None,
        )
        self.settle(now_ms)

    def list_at(self, now_ms: int, wanted: int) -> Listed | int:
        """Gives the list once `wanted` segments are in it; else for how many milliseconds to look away."""
        self.settle(now_ms)
        if self.edge.published < wanted and not self._over:
            change_ms = next_change_ms(self._course(now_ms), self.edge, self.register, now_ms, self.policy)
            return min(max(change_ms or LOOK_MS, 1), LOOK_MS)
        self.answered_ms = now_ms
        return self._listed()

    def segment_asked(self, now_ms: int, number: int) -> None:
        """Notes a segment request, where the origin sees such."""
        if self.policy.requests_seen:
            self._sign(now_ms, requested=number + 1, starts=True)
            self.settle(now_ms)

    def told(self, now_ms: int, position: float, *, paused: bool) -> None:
        """Hears the page's beacon."""
        most = self.timeline.end_of(self.edge.published - 1) if self.edge.published else Ticks(0)
        word = Word(source=Source.BEACON, position=Ticks(round(position * TICKS_PER_SECOND)), paused=paused, rate=1.0)
        self.register = with_word(self.register, now_ms, self.policy, self.edge, word=word, most=most)
        self.settle(now_ms)

    def choose(self, now_ms: int, choice: int) -> bool:
        """Answers the open decision; tells whether that was in time."""
        self.settle(now_ms)
        placed = self.timeline.open
        if placed is None or self._play(now_ms) < placed.opens:
            return False
        answer = Answer(
            visit=self.timeline.last.number,
            decision=placed.decision.id,
            choice=placed.choices[choice % len(placed.choices)].id,
            answer_id=f"{self.timeline.last.number}-{now_ms}",
        )
        self.record = answered(self.record, self.timeline, answer, self._play(now_ms), published=self.edge.published)
        return True

    def window(self, now_ms: int) -> tuple[int, float, float] | None:
        """Gives the open decision's visit, and how many seconds away its opening and its lock are."""
        self.settle(now_ms)
        placed, lock = self.timeline.open, self._course(now_ms).lock
        if placed is None or lock is None:
            return None
        play = self._play(now_ms)
        return self.timeline.last.number, (placed.opens - play) / TICKS_PER_SECOND, (lock - play) / TICKS_PER_SECOND

    def settle(self, now_ms: int) -> None:
        """Commits what is due and moves the edge."""
        while True:
            play, course = self._play(now_ms), self._course(now_ms)
            placed = self.timeline.open
            if placed is not None and course.lock is not None and play >= placed.opens:
                self.register = with_lock(self.register, placed, course.lock)
            commit = due(
                course, self.record.events, self.register, play, published=self.edge.published, policy=self.policy
            )
            if commit is None:
                break
            self.record = msgspec.structs.replace(self.record, events=(*self.record.events, commit))
            self.timeline = follow(self.timeline, commit)
        self.edge = advanced(course, self.edge, self.register, play, now_ms=now_ms, policy=self.policy)

    @property
    def _over(self) -> bool:
        return self.timeline.complete and self.edge.published == self.timeline.settled

    def _listed(self) -> Listed:
        ends = tuple(self.timeline.end_of(number) / TICKS_PER_SECOND for number in range(self.edge.published))
        return Listed(ends=ends, ended=self._over)

    def _play(self, now_ms: int) -> Ticks:
        return playhead(self.register, now_ms, self.policy, self.edge)

    def _course(self, now_ms: int) -> Course:
        return course_of(
            self.timeline,
            self.record.events,
            self.register,
            self._play(now_ms),
            published=self.edge.published,
            extended=False,
            policy=self.policy,
        )

    def _sign(self, now_ms: int, *, requested: int = 0, starts: bool, idle_ms: int | None = None) -> None:
        seen = self.register.requested if self.policy.requests_seen else self.edge.published
        most = self.timeline.end_of(seen - 1) if seen else Ticks(0)
        self.register = with_sign(
            self.register,
            now_ms,
            self.policy,
            self.edge,
            most=most,
            requested=requested,
            starts=starts,
            idle_ms=idle_ms,
        )
