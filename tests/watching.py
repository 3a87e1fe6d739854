"""Whole viewings in simulated time, by way of timeline and pacing, and what of them can be told to `walk`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from streamer.session.choosing import Answer, answered, gone_back, taken_from_the_menu
from streamer.session.events import Committed, Event, Register, Restarted, SessionRecord, Step, WentBack
from streamer.session.pacing import Course, Edge, Policy, advanced, course_of, due, playhead, with_sign
from streamer.session.timeline import Placed, Stage, Timeline, Visit, follow, start_timeline
from streamer.story.model import RANDOM
from streamer.story.rules import Opening
from streamer.story.visit import RULE, VIEWER
from streamer.story.walk import Given
from streamer.units import TICKS_PER_SECOND, Ticks

POLICY = Policy(requests_seen=True)
STEP_MS = 1000
Key = tuple[int, int]  # a run, and the number of a visit in it
SECOND = Ticks(TICKS_PER_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A visit of a viewing."""

    scene: str
    shown: Ticks  # how much of the scene
    decisions: tuple[tuple[str, tuple[str, ...], str | None, str], ...]  # id, offered, choice, by


class Watching:
    """A viewer who answers, falls silent, goes back and uses the menu, all by chance."""

    def __init__(self, on: Stage, opening: Opening, seed: int, *, leaves: float = 0, answers: float = 0.95) -> None:
        """`leaves` is how likely a viewer leaves a scene, `answers` how likely they answer a decision."""
        self.random = random.Random(seed)
        self.opening = opening
        self.timeline: Timeline = start_timeline(on, opening)
        self.record = SessionRecord(story=on.story.id, revision="r", created_ms=0, profile={})
        self.register, self.edge, self.now_ms = Register(), Edge(), 1_000_000
        self.leaves, self.answers = leaves, answers
        self.silent = False  # for good
        self.met: Counter[str] = Counter()
        self._asked: set[tuple[int, int]] = set()  # decisions that were thought about, by run and serial
        self._considered = 0  # segments up to which leaving was thought about
        self._parents: dict[Key, Key | None] = {(1, 1): None}
        self._visits: dict[Key, Visit] = {}
        self._given: dict[Key, list[Given]] = {}
        self._note_visits()

    # ── what is played ───────────────────────────────────────────────────────────────────────────────────────────

    def watch(self, most: int = 120) -> None:
        """Watches to the end, or for so many scenes of one run."""
        while not self.is_over and (len(self.timeline.visits) < most or not self.edge.published):
            self.now_ms += STEP_MS
            published = self.edge.published
            end = self.timeline.end_of(published - 1) if published else Ticks(0)
            self.register = with_sign(
                self.register, self.now_ms, POLICY, self.edge, most=end, requested=published, starts=True
            )
            self._settle()
            self._think()
            self._settle()
            self.edge = advanced(self.course, self.edge, self.register, self.play, now_ms=self.now_ms, policy=POLICY)

    @property
    def is_over(self) -> bool:
        """Tells whether the end was published."""
        return self.timeline.complete and self.edge.published >= self.timeline.settled

    @property
    def play(self) -> Ticks:
        """Gives the playhead, estimated."""
        return playhead(self.register, self.now_ms, POLICY, self.edge)

    @property
    def course(self) -> Course:
        """Gives the path and what decides its pace."""
        published = self.edge.published
        return course_of(
            self.timeline,
            self.record.events,
            self.register,
            self.play,
            published=published,
            extended=False,
            policy=POLICY,
        )

    def _settle(self) -> None:
        while commit := due(
            self.course, self.record.events, self.register, self.play, published=self.edge.published, policy=POLICY
        ):
            self._take(msgspec.structs.replace(self.record, events=(*self.record.events, commit)))

    def _think(self) -> None:
        placed = self.timeline.open
        course = self.course
        if placed is not None and course.lock is not None and placed.opens <= self.play < course.lock:
            asked = (self.timeline.run, placed.serial)
            if asked not in self._asked and self.edge.published > placed.opens_in:
                self._asked.add(asked)
                self._decide(placed)
        if self.leaves and self.edge.published > self._considered + 10:
            self._considered = self.edge.published
            if self.random.random() < self.leaves:
                self.leave()

    def _decide(self, placed: Placed) -> None:
        plain = (
            placed.decision.timeout is None and not placed.decision.immediate and not placed.decision.default_is(RANDOM)
        )
        if self.silent or (plain and self.random.random() > self.answers):
            return
        if self.random.random() < (1 - self.answers) / 3:
            self.silent = True  # what follows is decided without the viewer
            return
        answer = Answer(
            visit=self.timeline.last.number,
            decision=placed.decision.id,
            choice=self.random.choice(placed.choices).id,
            answer_id=f"answer-{self.now_ms}",
        )
        self._take(answered(self.record, self.timeline, answer, self.play, published=self.edge.published))

    def leave(self, item: str = "") -> None:
        """Goes back to a checkpoint that was passed, or where the menu leads."""
        now = f"leave-{self.now_ms}"
        published = self.edge.published
        passed = [each for each in self.timeline.passed if each.first < published]
        if item:
            self._take(taken_from_the_menu(self.record, self.timeline, item, now, published=published))
        elif passed:
            checkpoint = self.random.choice(passed).checkpoint
            self._take(gone_back(self.record, self.timeline, checkpoint, now, published=published))

    def _take(self, record: SessionRecord) -> None:
        new: tuple[Event, ...] = record.events[len(self.record.events) :]
        self.record = record
        for event in new:
            if isinstance(event, Committed | WentBack | Restarted):
                self._follow(event)

    def _follow(self, step: Step) -> None:
        before, last = self.timeline, (self.timeline.run, self.timeline.last.number)
        placed = before.open
        passed = self._passed(step)
        after = follow(before, step)
        self.timeline = after
        match step:
            case Committed():
                assert placed is not None
                self.met[step.by] += 1
                self._note_answer(last, placed, step)
            case WentBack():
                self.met["back"] += 1
                entered = next(visit for visit in after.visits if visit.first >= step.cut)
                self._drop_from((after.run, entered.number))
                self._parents[after.run, entered.number] = passed
            case Restarted():
                self.met["restart"] += 1
                self.register, self.edge = Register(run=after.run), Edge()
                self._considered = 0
                self._parents[after.run, 1] = passed
        self._note_visits()

    def _passed(self, step: Step) -> Key | None:
        """Gives the visit before the scene of the checkpoint that a step goes back to."""
        if not isinstance(step, WentBack | Restarted) or not step.checkpoint:
            return None
        published = step.cut if isinstance(step, WentBack) else self.timeline.settled
        found = [each for each in self.timeline.passed if each.checkpoint == step.checkpoint and each.first < published]
        return self._parents[self.timeline.run, found[-1].visit]

    def _drop_from(self, key: Key) -> None:
        for known in [known for known in self._parents if known[0] == key[0] and known[1] >= key[1]]:
            for kept in (self._parents, self._visits, self._given):
                kept.pop(known, None)

    def _note_answer(self, key: Key, placed: Placed, step: Committed) -> None:
        plain = placed.decision.timeout is None and not placed.decision.default_is(RANDOM)
        plain = plain and not placed.decision.immediate and step.choice is not None and not self.silent
        if step.by != VIEWER and not plain:
            self.silent = True  # a list of answers cannot leave one out
            return
        assert step.choice is not None
        cuts = placed.decision.immediate and step.cut is not None
        at = None
        if cuts:
            visit = self.timeline.visits[key[1] - 1]
            self.met["cut"] += 1
            at = Ticks(visit.stretch.ends[-1] - SECOND)  # the segment that ends at the cut is played then
        self._given.setdefault(key, []).append(Given(decision=step.decision, choice=step.choice, at=at))

    def _note_visits(self) -> None:
        run = self.timeline.run
        for visit in self.timeline.visits:
            key = (run, visit.number)
            self._parents.setdefault(key, (run, visit.number - 1))
            self._visits[key] = visit

    # ── what it comes to ─────────────────────────────────────────────────────────────────────────────────────────

    def _chain(self) -> Iterator[Key]:
        key: Key | None = (self.timeline.run, self.timeline.last.number)
        found: list[Key] = []
        while key is not None:
            found.append(key)
            key = self._parents[key]
        return reversed(found)

    def path(self) -> list[Watched]:
        """Gives the visits that the story's memory counts: what was left by going back is none of them."""
        found = []
        for key in self._chain():
            visit = self._visits[key]
            decisions = tuple(
                (
                    each.asked.decision.id,
                    tuple(choice.id for choice in each.asked.choices),
                    each.choice.id if each.choice is not None else None,
                    each.by,
                )
                for each in visit.progress.answers
            )
            self.met["variant"] += visit.progress.take > 0
            self.met["moot"] += sum(each[3] == RULE for each in decisions)
            self.met["several"] += len(decisions) > 1
            found.append(Watched(scene=visit.scene.id, shown=visit.stretch.ends[-1], decisions=decisions))
        return found

    def given(self) -> list[Given]:
        """Gives the answers of that path."""
        return [answer for key in self._chain() for answer in self._given.get(key, ())]
