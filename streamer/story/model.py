"""A story as the engine knows it: every reference checked, every expression compiled, every time in ticks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from streamer.story.expressions import Expression, Language
from streamer.units import Ticks

Value = bool | int | float | str
Text = Mapping[str, str]  # by language (BCP 47); never empty
Target = str  # a scene's id, or "@" and a group's
Spot = tuple[int, int, str]  # line, column and field of a story file
Effects = tuple[tuple[str, Value | Expression], ...]  # variables and what they are set to, in the order of the file

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
    source: str = "request"  # of a profile input: "request" (query or API), "token" (API alone), "crm" or "clock"
    personal: bool = False  # `pii`: never in addresses, logs, analytics or playlists
    scope: str = "session"  # of a variable: how long it is kept; "viewer": between sessions, "story": for all viewers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way on; rules are tried in order and the first that holds is taken."""

    to: Target
    when: Expression | None = None  # None: always holds
    priority: int = 0  # in `next`, where rules stand in this order, high first
    weight: Fraction | None = None  # above 0: one is drawn among those that hold next to each other; None: not drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture, beside the story file."""

    image: str  # relative path
    when: Expression | None = None  # None: always holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An answer to a decision."""

    id: str
    label: Text
    to: Target | None = None  # None: carries on as if no decision had been
    when: Expression | None = None  # None: always offered
    set: Effects = ()
    weight: Fraction = Fraction(1)  # above 0: how likely a random default is this one
    pictures: tuple[Picture, ...] = ()  # the first that holds is shown
    url: str | None = None  # a page that is opened besides
    score: int = 0  # added to the session's
    code: str | None = None  # what is typed to give this answer, where the decision takes a code
    track: Mapping[str, str] = field(default_factory=dict)


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
    prompt: Text | None
    opens_at: Ticks  # from the scene's start; negative: from its end
    closes_at: Ticks  # likewise
    default: str | None  # choice taken when the lock comes without an answer, always offered; else FIRST or RANDOM
    choices: tuple[Choice, ...]
    timeout: Target | None = None  # where it leads without an answer; None: where the default leads
    immediate: bool = False  # the first answer commits, and cuts the scene if it leads elsewhere
    hold: Hold | None = None  # None: the default is taken at the lock
    extend: Fraction = Fraction(1)  # times the window, for viewers who ask for more time
    speak: bool = False  # prompt and labels are to be spoken
    keys: tuple[str, ...] = ()  # of a remote or keyboard, one a choice
    layout: str | None = None  # how the page shows it
    code_length: int = 0  # characters of the code that is typed; 0: a choice is pointed at

    def default_is(self, kind: str) -> bool:
        """Tells whether the default is FIRST or RANDOM, and no choice of that id."""
        return self.default == kind and self.choice(kind) is None

    def choice(self, choice_id: str | None) -> Choice | None:
        """Gives the choice of that id, or None."""
        return next((choice for choice in self.choices if choice.id == choice_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The footage of a scene: a part of one source."""

    src: str
    start: Ticks = Ticks(0)  # `in`
    end: Ticks | None = None  # `out`; None: the source's end
    snap: bool = False  # `in` and `out` move to the nearest frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is shown of a scene where a condition holds; None: as without it."""

    when: Expression | None = None
    src: str | None = None
    start: Ticks | None = None
    end: Ticks | None = None

    def over(self, media: Media) -> Media:
        """Gives the footage with this laid over it."""
        return Media(
            src=media.src if self.src is None else self.src,
            start=media.start if self.start is None else self.start,
            end=media.end if self.end is None else self.end,
            snap=media.snap,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An entry of a scene's `events`: happens once a visit, when the scene is watched past an instant."""

    at: Ticks  # from the scene's start; negative: from its end
    when: Expression | None = None
    set: Effects = ()
    cue: str | None = None  # told to pages and apps as it happens
    track: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a scene that ends the story is."""

    id: str
    goal: bool = False  # what the author hopes for
    offers: tuple[str, ...] = ()  # checkpoints to go back to from here; empty: all that were passed
    credits: Ticks | None = None  # when they begin: an instant of the scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A node of the story: one piece of footage and what comes after it."""

    id: str
    media: Media
    variants: tuple[Variant, ...] = ()  # all that hold are laid over the footage, in order
    text: Text | None = None  # prose: what is told or to be shot
    events: tuple[Happening, ...] = ()
    decisions: tuple[Decision, ...] = ()  # in the order of their opening
    asks_once: bool = False  # written as `decision`, not as a list
    next: tuple[Rule, ...] = ()
    end: Ending | None = None  # None: the story goes on
    checkpoint: Checkpoint | None = None
    track: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes(self) -> tuple[Media, ...]:
        """Gives every footage that the scene may be shown with, each once; first that without variants."""
        found = {self.media: None}
        for variant in self.variants:
            found |= {variant.over(media): None for media in tuple(found)}
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """A place that viewers may go to at any time."""

    id: str
    label: Text
    to: Target
    when: Expression | None = None
    reset: bool = False  # the story's memory begins anew, but for what is kept between sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Arms that viewers are shared out to."""

    name: str
    arms: Mapping[str, Fraction]  # weights
    by_viewer: bool = True  # the same viewer always has the same arm; else each session may have another


@dataclass(frozen=True, kw_only=True)
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
    menu: tuple[MenuItem, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    artwork: tuple[Picture, ...] = ()  # the first that holds is the poster
    max_steps: int = 10_000  # scenes of one run; with the last the story ends
    low_latency: bool = False  # segments are listed in parts
    file: str = ""  # its name, for messages
    places: Mapping[str, Spot] = field(default_factory=dict)  # where each expression stands first, by its text

    @property
    def decisions(self) -> Iterator[Decision]:
        """Gives every decision, in the order of the file."""
        return (decision for scene in self.scenes.values() for decision in scene.decisions)

    @cached_property
    def can_be_left(self) -> bool:
        """Tells whether a viewer may leave a scene at any segment, for a checkpoint or by the menu."""
        return bool(self.menu) or any(scene.checkpoint is not None for scene in self.scenes.values())

    @cached_property
    def draws(self) -> bool:
        """Tells whether chance has a say in the way."""
        nexts = (scene.next for scene in self.scenes.values())
        rules = (rule for rules in (*self.groups.values(), *nexts) for rule in rules)
        return any(rule.weight is not None for rule in rules) or any(each.default_is(RANDOM) for each in self.decisions)

    @cached_property
    def can_extend(self) -> bool:
        """Tells whether a viewer who asks for more time gets any."""
        return any(decision.extend > 1 for decision in self.decisions)

    @cached_property
    def languages(self) -> frozenset[str]:
        """Gives the languages that some text of the story is in."""
        return frozenset(language for text in texts_of(self) for language in text)

    @cached_property
    def asks_the_clock(self) -> bool:
        """Tells whether the time at which a session opens has a say in the way."""
        return bool(self.expressions.asked & {"hour", "weekday"})  # inputs of `source: clock` are inputs

    @property
    def remembers(self) -> bool:
        """Tells whether something is kept of a viewer between sessions, where they agree to it."""
        return any(variable.scope == "viewer" for variable in self.state.values())

    @property
    def kept(self) -> tuple[Variable, ...]:
        """Gives the variables that outlive a session."""
        return tuple(variable for variable in self.state.values() if variable.scope != "session")


def texts_of(story: Story) -> Iterator[Text]:
    """Gives every text that viewers may read."""
    yield story.title
    yield from (item.label for item in story.menu)
    yield from (scene.checkpoint.label for scene in story.scenes.values() if scene.checkpoint is not None)
    for decision in story.decisions:
        if decision.prompt is not None:
            yield decision.prompt
        yield from (choice.label for choice in decision.choices)


def hold_sources(story: Story) -> tuple[str, ...]:
    """Gives the sources of the story's hold loops, each once, in its order."""
    holds = (decision.hold.src for decision in story.decisions if decision.hold is not None)
    return tuple(dict.fromkeys(holds))


def pictures_of(story: Story) -> tuple[str, ...]:
    """Gives the files of the story's pictures, each once, in its order."""
    pictures = [
        *story.artwork,
        *(each for decision in story.decisions for c in decision.choices for each in c.pictures),
    ]
    return tuple(dict.fromkeys(picture.image for picture in pictures))


def text_in(text: Text, language: str) -> str:
    """Gives a text in a language, else in the one it lists first."""
    return text.get(language) or next(iter(text.values()))


def instant_within(at: Ticks, duration: Ticks) -> Ticks:
    """Gives an author's instant as ticks from the scene's start (negative ones count from its end)."""
    return Ticks(duration + at) if at < 0 else at
