"""One viewing without media or a clock: what a viewer who gives these answers sees, as docs/walk.md says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import msgspec

from streamer.errors import BranchlineError
from streamer.story.chance import pick
from streamer.story.model import Choice, Decision, Scene, Story, Value, instant_within
from streamer.story.rules import Memory, begin, default_of, enter, offered, opening, successor, take
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

Policy = Literal["default", "first", "uniform"]

VIEWER = 2**63 + 1  # parts a viewer's draws from the story's
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
    choice: str
    by: str  # "viewer" or "default"
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


def lengths_of(story: Story, assumed: Ticks) -> dict[str, Ticks]:
    """Gives the lengths of the scenes by what the file says: from `in` to `out`, else `assumed`."""
    return {
        name: assumed if scene.media.end is None else Ticks(scene.media.end - scene.media.start)
        for name, scene in story.scenes.items()
    }


def walk(
    story: Story,
    lengths: Mapping[str, Ticks],
    plan: Plan,
    *,
    profile: Mapping[str, Value],
    segment: Ticks,
    most_scenes: int,
) -> Walk:
    """Gives a viewing.

    Args:
        story: the story.
        lengths: of its scenes, by id.
        plan: how the viewer answers.
        profile: checked inputs by name; what is missing has its default.
        segment: the length of a Media Segment: an immediate answer cuts its scene where one ends.
        most_scenes: after so many the viewing is stopped, since a story may go round for ever.

    Raises:
        WalkError: the next answer is for another decision than the one met, or the decision does not offer it.
    """
    walker = _Walker(story, plan, lengths, segment)
    scene, memory = opening(story, begin(story, profile, plan.seed))
    seen: list[Seen] = []
    now = Ticks(0)
    while True:
        memory = enter(memory, scene)
        length = lengths[scene.id]
        choice = None
        if scene.decision is not None:
            memory, choice, length = walker.decided(memory, scene, scene.decision, now)
        seen.append(Seen(scene=scene.id, start=now, duration=length))
        now = Ticks(now + length)
        if scene.end is not None or len(seen) == most_scenes:
            break
        scene, memory = successor(story, memory, scene, choice)
    return Walk(
        scenes=tuple(seen),
        decisions=tuple(walker.decisions),
        state=memory.state,
        ending=scene.end,
        taken=walker.taken,
    )


class _Walker:
    """The answers of one viewing as they are used up."""

    def __init__(self, story: Story, plan: Plan, lengths: Mapping[str, Ticks], segment: Ticks) -> None:
        self._story = story
        self._plan = plan
        self._lengths = lengths
        self._segment = segment
        self.taken = 0
        self.decisions: list[Decided] = []

    def decided(self, memory: Memory, scene: Scene, decision: Decision, start: Ticks) -> tuple[Memory, Choice, Ticks]:
        """Gives the memory after a decision of a scene that begins at `start`, the choice, and how much is seen."""
        choices = offered(self._story, memory, decision)
        length = self._lengths[scene.id]
        cut, lock = length, instant_within(decision.closes_at, length)
        if self.taken < len(self._plan.answers):
            choice, at = self._given(scene, decision, choices)
            by = "viewer"
        else:
            memory, choice, by = self._by_policy(memory, decision, choices)
            at = instant_within(decision.opens_at, length)
        if decision.immediate and by == "viewer":
            cut, lock = _next_edge(max(at, Ticks(0)), length, self._segment), at
        self.decisions.append(
            Decided(
                scene=scene.id,
                decision=decision.id,
                offered=tuple(each.id for each in choices),
                choice=choice.id,
                by=by,
                lock=Ticks(start + lock),
                join=Ticks(start + cut),
            )
        )
        return take(self._story, memory, decision, choice), choice, cut

    def _given(self, scene: Scene, decision: Decision, choices: tuple[Choice, ...]) -> tuple[Choice, Ticks]:
        index, given = self.taken, self._plan.answers[self.taken]
        if given.decision != decision.id:
            raise WalkError(
                index, f"scene {scene.id!r} asks decision {decision.id!r}; the answer is for {given.decision!r}"
            )
        found = next((choice for choice in choices if choice.id == given.choice), None)
        if found is None:
            ids = ", ".join(choice.id for choice in choices)
            raise WalkError(index, f"decision {decision.id!r} does not offer {given.choice!r}; it offers {ids}")
        length = self._lengths[scene.id]
        opens, closes = (instant_within(at, length) for at in (decision.opens_at, decision.closes_at))
        at = opens if given.at is None else given.at
        if given.at is not None and not opens <= given.at <= closes:
            window = f"{decimal_seconds(opens, 3)} to {decimal_seconds(closes, 3)} s"
            raise WalkError(
                index, f"decision {decision.id!r} is open from {window} of its scene, not at {decimal_seconds(at, 3)} s"
            )
        self.taken += 1
        return found, at

    def _by_policy(self, memory: Memory, decision: Decision, choices: tuple[Choice, ...]) -> tuple[Memory, Choice, str]:
        if self._plan.policy == "first":
            return memory, choices[0], "viewer"
        if self._plan.policy == "uniform":
            seed = self._plan.seed ^ VIEWER  # whoever watches draws otherwise than the story does
            drawn = pick(seed, len(self.decisions), [Fraction(1)] * len(choices))
            return memory, choices[drawn], "viewer"
        choice, memory = default_of(memory, decision, choices)
        return memory, choice, "default"


def _next_edge(at: Ticks, length: Ticks, segment: Ticks) -> Ticks:
    """Gives the end of the segment that is played at an instant."""
    edge = (at // segment + 1) * segment
    return length if length - edge < SHORTEST_TAIL * TICKS_PER_SECOND else Ticks(edge)
