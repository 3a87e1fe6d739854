"""A story as the engine knows it: every reference checked, every expression compiled, every time in ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from streamer.story.expressions import Expression, Language
from streamer.units import Ticks

Value = bool | int | float | str
Text = Mapping[str, str]  # by language (BCP 47); never empty
Target = str  # a scene's id, or "@" and a group's

FIRST, RANDOM = "first", "random"  # defaults, unless choices have these ids

MAX_TEXT = 64  # characters of a text in `state` or `profile`
MAX_NUMBER = 2**63  # of an int or a number, either way; an int is below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An entry of `state` (written by the story) or of `profile` (given from outside, read-only)."""

    name: str
    type: str  # "bool", "int", "number", "string" or "enum"
    default: Value
    minimum: int | float | None = None  # values below are raised to it
    maximum: int | float | None = None
    values: tuple[str, ...] = ()  # of an enum
    source: str = "request"  # of a profile input: "request" (query or API) or "token" (API alone)
    personal: bool = False  # `pii`: never in addresses, logs, analytics or playlists


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way on; rules are tried in order and the first that holds is taken."""

    to: Target
    when: Expression | None = None  # None: always holds
    priority: int = 0  # in `next`, where rules stand in this order, high first
    weight: Fraction | None = None  # above 0: one is drawn among those that hold next to each other; None: not drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An answer to a decision."""

    id: str
    label: Text
    to: Target | None = None  # None: carries on as if no decision had been
    when: Expression | None = None  # None: always offered
    set: tuple[tuple[str, Value | Expression], ...] = ()  # in the order of the file
    weight: Fraction = Fraction(1)  # above 0: how likely a random default is this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is played while a viewer has not answered at the lock: a loop, for so long at most."""

    src: str  # a source; the whole of it is the loop
    max: Ticks  # 0: only for viewers who asked for more time


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A place that a viewer may go back to."""

    id: str
    label: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A question asked within a scene, open from `opens_at` to the lock at `closes_at`."""

    id: str
    prompt: Text
    opens_at: Ticks  # from the scene's start; negative: from its end
    closes_at: Ticks  # likewise
    default: str  # choice taken when the lock comes without an answer, always offered; else FIRST or RANDOM
    choices: tuple[Choice, ...]
    immediate: bool = False  # the first answer commits, and cuts the scene
    hold: Hold | None = None  # None: the default is taken at the lock
    extend: Fraction = Fraction(1)  # times the window, for viewers who ask for more time

    def default_is(self, kind: str) -> bool:
        """Tells whether the default is FIRST or RANDOM, and no choice of that id."""
        return self.default == kind and self.choice(kind) is None

    def choice(self, choice_id: str) -> Choice | None:
        """Gives the choice of that id, or None."""
        return next((choice for choice in self.choices if choice.id == choice_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The footage of a scene: a part of one source."""

    src: str
    start: Ticks = Ticks(0)  # `in`
    end: Ticks | None = None  # `out`; None: the source's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A node of the story: one piece of footage and what comes after it."""

    id: str
    media: Media
    decision: Decision | None = None
    next: tuple[Rule, ...] = ()
    end: str | None = None  # the ending's id; None: the story goes on
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The graph, one revision of it."""

    id: str
    title: Text
    start: Target
    language: str  # of labels where a viewer's own is missing
    lead: Ticks  # least time between a lock and the scene's end
    state: Mapping[str, Variable]
    profile: Mapping[str, Variable]
    conditions: Mapping[str, Expression]
    groups: Mapping[str, tuple[Rule, ...]]
    scenes: Mapping[str, Scene]
    fallback: str | None  # scene taken when no rule holds; None: some rule always does
    expressions: Language
    low_latency: bool = False  # segments are listed in parts

    @property
    def can_go_back(self) -> bool:
        """Tells whether a viewer may leave a scene for a checkpoint, at any segment."""
        return any(scene.checkpoint is not None for scene in self.scenes.values())

    @property
    def draws(self) -> bool:
        """Tells whether chance has a say in the way."""
        scenes = self.scenes.values()
        rules = (rule for rules in (*self.groups.values(), *(scene.next for scene in scenes)) for rule in rules)
        decisions = (scene.decision for scene in scenes if scene.decision is not None)
        return any(rule.weight is not None for rule in rules) or any(each.default_is(RANDOM) for each in decisions)

    @property
    def can_extend(self) -> bool:
        """Tells whether a viewer who asks for more time gets any."""
        decisions = (scene.decision for scene in self.scenes.values())
        return any(decision is not None and decision.extend > 1 for decision in decisions)


def hold_sources(story: Story) -> tuple[str, ...]:
    """Gives the sources of the story's hold loops, each once, in its order."""
    decisions = (scene.decision for scene in story.scenes.values())
    holds = (decision.hold.src for decision in decisions if decision is not None and decision.hold is not None)
    return tuple(dict.fromkeys(holds))


def text_in(text: Text, language: str) -> str:
    """Gives a text in a language, else in the one it lists first."""
    return text.get(language) or next(iter(text.values()))


def instant_within(at: Ticks, duration: Ticks) -> Ticks:
    """Gives an author's instant as ticks from the scene's start (negative ones count from its end)."""
    return Ticks(duration + at) if at < 0 else at
