"""One viewing without media or a clock: what a viewer who gives these answers sees, as docs/walk.md says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import msgspec

from streamer.errors import BranchlineError
from streamer.story.chance import pick
from streamer.story.model import Choice, Story, Target, Value
from streamer.story.rules import Memory, Opening, begin, opening_scene, successor
from streamer.story.visit import RULE, VIEWER, Answered, Asked, Lengths, Progress, answer, arrive, left_at, unanswered
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

Policy = Literal["default", "first", "uniform"]

WHO_WATCHES = 2**63 + 1  # parts a viewer's draws from the story's
SHORTEST_TAIL = Fraction(1, 2)  # seconds; a last segment that is shorter belongs to the one before


class WalkError(BranchlineError):
    """An answer that the story cannot take where it comes; `index` counts from 0."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"answers[{index}]: {problem}")
        self.index = index
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer to the next decision met."""

    decision: str
    choice: str
    at: Ticks | None = None  # from the scene's start; None: as the window opens


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a viewer answers: first what is given, then by a policy."""

    answers: Sequence[Given] = ()
    policy: Policy = "default"  # "first": of those offered; "uniform": any of them, drawn with `seed`
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A scene that was seen."""

    scene: str
    start: Ticks  # from the beginning of the viewing
    duration: Ticks  # shorter than the scene's where an answer cut it


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision that was met."""

    scene: str
    decision: str
    offered: tuple[str, ...]
    choice: str | None  # None: none was taken
    by: str  # "viewer", "default", "timeout" or "rule"
    lock: Ticks  # from the beginning of the viewing: when the choice became final
    join: Ticks  # likewise: where its branch begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A whole viewing."""

    scenes: tuple[Seen, ...]
    decisions: tuple[Decided, ...]
    state: Mapping[str, Value]
    ending: str | None  # None: it was stopped after so many scenes
    taken: int  # answers given that were asked for


def told(found: Walk) -> bytes:
    """Gives a viewing as one line of JSON, as docs/walk.md describes it."""
    return msgspec.json.encode(
        {
            "scenes": [
                {"id": seen.scene, "start": _seconds(seen.start), "duration": _seconds(seen.duration)}
                for seen in found.scenes
            ],
            "decisions": [
                {
                    "scene": each.scene,
                    "decision": each.decision,
                    "offered": each.offered,
                    "choice": each.choice,
                    "by": each.by,
                }
                for each in found.decisions
            ],
            "state": found.state,
            "ending": found.ending,
        }
    )


def _seconds(ticks: Ticks) -> msgspec.Raw:
    return msgspec.Raw(decimal_seconds(ticks, 6).encode())


def lengths_of(story: Story, assumed: Ticks) -> Lengths:
    """Gives the lengths of the scenes' takes by what the file says: from `in` to `out`, else `assumed`."""
    return {
        name: tuple(assumed if take.end is None else Ticks(take.end - take.start) for take in scene.takes)
        for name, scene in story.scenes.items()
    }


def walk(
    story: Story,
    lengths: Lengths,
    plan: Plan,
    *,
    opening: Opening,
    segment: Ticks,
    most_scenes: int,
) -> Walk:
    """Gives a viewing.

    Args:
        story: the story.
        lengths: of its scenes' takes, by id.
        plan: how the viewer answers.
        opening: what the viewing is opened with.
        segment: the length of a Media Segment: an immediate answer cuts its scene where one ends.
        most_scenes: after so many the viewing is stopped, since a story may go round for ever.

    Raises:
        WalkError: the next answer is for another decision than the one met, or the decision does not offer it.
    """
    walker = _Walker(story, plan, segment)
    scene, memory = opening_scene(story, begin(story, opening))
    seen: list[Seen] = []
    now = Ticks(0)
    while True:
        left = walker.visited(arrive(story, memory, scene, lengths), now)
        seen.append(Seen(scene=scene.id, start=now, duration=left.after))
        now = Ticks(now + left.after)
        over = scene.end is not None and left.target is None
        if over or len(seen) == most_scenes:
            break
        scene, memory = successor(story, left.memory, scene, left.target)
    return Walk(
        scenes=tuple(seen),
        decisions=tuple(walker.decisions),
        state=left.memory.state,
        ending=scene.end.id if over and scene.end is not None else None,
        taken=walker.taken,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """A visit that is over."""

    memory: Memory
    target: Target | None
    after: Ticks  # how much of the scene was seen


class _Walker:
    """The answers of one viewing as they are used up."""

    def __init__(self, story: Story, plan: Plan, segment: Ticks) -> None:
        self._story = story
        self._plan = plan
        self._segment = segment
        self.taken = 0
        self.decisions: list[Decided] = []

    def visited(self, progress: Progress, start: Ticks) -> _Left:
        """Gives a visit that begins at `start` as it ended."""
        told = 0
        while True:
            for given in progress.answers[told:]:
                self._tell(progress, start, given, self._by_whom(progress, given))
            told = len(progress.answers)
            asked = progress.asked
            if asked is None:
                return _Left(memory=progress.memory, target=progress.target, after=progress.length)
            choice, by, at = self._answer(progress, asked)
            progress = answer(self._story, progress, choice, by)
            if asked.decision.immediate and by == VIEWER and choice is not None and choice.to is not None:
                cut = _next_edge(max(at, Ticks(0)), progress.length, self._segment)
                self._tell(progress, start, progress.answers[told], by, lock=at, join=cut)
                return _Left(memory=left_at(self._story, progress, cut), target=choice.to, after=cut)
            self._tell(progress, start, progress.answers[told], by)
            told += 1

    def _tell(
        self,
        progress: Progress,
        start: Ticks,
        given: Answered,
        by: str,
        *,
        lock: Ticks | None = None,
        join: Ticks | None = None,
    ) -> None:
        asked = given.asked
        self.decisions.append(
            Decided(
                scene=progress.scene.id,
                decision=asked.decision.id,
                offered=tuple(each.id for each in asked.choices),
                choice=given.choice.id if given.choice is not None else None,
                by=by,
                lock=Ticks(start + (asked.closes if lock is None else lock)),
                join=Ticks(start + (progress.length if join is None else join)),
            )
        )

    def _by_whom(self, progress: Progress, given: Answered) -> str:
        """Takes an answer to a decision that left nothing to decide: nobody is asked, but a list may name it."""
        answers = self._plan.answers
        if self.taken == len(answers) or answers[self.taken].decision != given.asked.decision.id:
            return RULE
        self._given(progress, given.asked)
        return VIEWER

    def _answer(self, progress: Progress, asked: Asked) -> tuple[Choice | None, str, Ticks]:
        """Gives the choice, who took it, and when, from the scene's start."""
        if self.taken < len(self._plan.answers):
            choice, at = self._given(progress, asked)
            return choice, VIEWER, at
        if self._plan.policy == "first":
            return asked.choices[0], VIEWER, asked.opens
        if self._plan.policy == "uniform":
            seed = self._plan.seed ^ WHO_WATCHES  # whoever watches draws otherwise than the story does
            drawn = pick(seed, len(self.decisions), [Fraction(1)] * len(asked.choices))
            return asked.choices[drawn], VIEWER, asked.opens
        return *unanswered(progress), asked.closes

    def _given(self, progress: Progress, asked: Asked) -> tuple[Choice, Ticks]:
        index, given = self.taken, self._plan.answers[self.taken]
        name = asked.decision.id
        if given.decision != name:
            raise WalkError(
                index, f"scene {progress.scene.id!r} asks decision {name!r}; the answer is for {given.decision!r}"
            )
        found = next((choice for choice in asked.choices if choice.id == given.choice), None)
        if found is None:
            ids = ", ".join(choice.id for choice in asked.choices) or "nothing"
            raise WalkError(index, f"decision {name!r} does not offer {given.choice!r}; it offers {ids}")
        at = asked.opens if given.at is None else given.at
        if given.at is not None and not asked.opens <= given.at <= asked.closes:
            window = f"{decimal_seconds(asked.opens, 3)} to {decimal_seconds(asked.closes, 3)} s"
            raise WalkError(
                index, f"decision {name!r} is open from {window} of its scene, not at {decimal_seconds(at, 3)} s"
            )
        self.taken += 1
        return found, at


def _next_edge(at: Ticks, length: Ticks, segment: Ticks) -> Ticks:
    """Gives the end of the segment that is played at an instant."""
    edge = (at // segment + 1) * segment
    return length if length - edge < SHORTEST_TAIL * TICKS_PER_SECOND else Ticks(edge)
