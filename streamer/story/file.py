"""The shape of a story file: what an author may write, as pydantic models."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

from streamer.units import Ticks, seconds_to_ticks

FORMAT = 1
STORY_ID = r"^[a-z0-9][a-z0-9-]{0,63}$"
IDENTIFIER = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
TARGET = r"^@?[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"
WORDS = r"^[^\x00-\x1f\x7f]*$"
PROSE = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"  # no name begins with a dot, none is '..'
PICTURE = rf"^({_FILE}/)*{_FILE}\.(jpg|jpeg|png|webp|avif|gif)$"
LINK = r"^https?://[^\s\"<>\\]+$"
CODE = r"^[0-9A-Za-z]{1,12}$"
FORMS = {
    STORY_ID: "Use small letters, digits and '-' only, at most 64",
    IDENTIFIER: "Use letters, digits, '_', '-' and '.' only, at most 64",
    TARGET: "Name a scene, or @ and a group",
    LANGUAGE: "Write the code of a language: en, sv, pt-BR",
    WORDS: "Write one line without control characters",
    PROSE: "Write lines without control characters",
    PICTURE: "Name a file beside the story, without '..': art/tour.jpg; .jpg, .jpeg, .png, .webp, .avif or .gif",
    LINK: "Write an address that begins with https:// or http://",
    CODE: "Write letters and digits in quotes, 12 at most",
}
_CLOCK = re.compile(r"(-?)(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-5][0-9](?:\.[0-9]{1,18})?)")
_SECONDS = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,18})?s?")
MAX_SECONDS = 24 * 3600
MAX_SHOWN = 60  # characters of a wrong value in a message
BARE = "und"  # the language of a text that names none, until the story's own takes its place (ISO 639-2: undetermined)


class Mistake(ValueError):
    """A value that cannot be read, and what to write instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


_TIME = "Write seconds (12.5s) or hours:minutes:seconds (00:01:02.640); a minus counts from the scene's end"


def read_time(value: object) -> Ticks:
    """Reads `12`, `12.5s` or `00:01:02.640` as ticks.

    Raises:
        Mistake: the value is none of them.
    """
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Mistake(f"{shown(value)} is no time", _TIME)
    if _SECONDS.fullmatch(text):
        seconds = Fraction(text.removesuffix("s"))
    elif found := _CLOCK.fullmatch(text):
        sign, hours, minutes, rest = found.groups()
        seconds = (int(hours or 0) * 3600 + int(minutes) * 60 + Fraction(rest)) * (-1 if sign else 1)
    else:
        raise Mistake(f"{shown(value)} is no time", _TIME)
    if abs(seconds) > MAX_SECONDS:
        raise Mistake(f"{shown(value)} is longer than a day", "Write a shorter time")
    return seconds_to_ticks(seconds)


def shown(value: object) -> str:
    """Names a value in a message, shortly and as YAML spells it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def read_length(value: object) -> Ticks:
    """Reads a length of time as ticks.

    Raises:
        Mistake: the value is no time, or not above 0.
    """
    ticks = read_time(value)
    if ticks <= 0:
        raise Mistake(f"{shown(value)} is no length of time", "Write a time above 0")
    return ticks


def _read_instant(value: object) -> Ticks:
    ticks = read_time(value)
    if ticks < 0:
        raise Mistake(f"{shown(value)} is before the source's start", "Write a time from the source's start")
    return ticks


def _read_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mistake(f"{shown(value)} is no number", "Write a number")
    return value


def _read_format(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value != FORMAT:
        raise Mistake(f"format {shown(value)} is not known", f"Write 'story: {FORMAT}'")
    return value


def _read_text(value: object) -> object:
    if not isinstance(value, str | dict):
        raise Mistake(f"{shown(value)} is no text", "Write a text in quotes, or one by language: {en: …, sv: …}")
    return {BARE: value} if isinstance(value, str) else value


def _read_lead(value: object) -> Ticks:
    """`auto` is what docs/players.md found that every player can do: 4 s."""
    return AUTO_LEAD if value == "auto" else read_length(value)


AUTO_LEAD = seconds_to_ticks(Fraction(4))
Lead = Annotated[
    Ticks,
    BeforeValidator(_read_lead),
    WithJsonSchema({"type": ["string", "number"], "description": "auto, or a time above 0"}),
]
Time = Annotated[
    Ticks,
    BeforeValidator(read_time),
    WithJsonSchema({"type": ["string", "number"], "description": "12, 12.5s or 00:01:02.640; negative: from the end"}),
]
Length = Annotated[
    Ticks, BeforeValidator(read_length), WithJsonSchema({"type": ["string", "number"], "description": "above 0"})
]
Instant = Annotated[
    Ticks,
    BeforeValidator(_read_instant),
    WithJsonSchema({"type": ["string", "number"], "description": "12, 12.5s or 00:01:02.640; from the source's start"}),
]
_EXTEND = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,2})?)x")
LONGEST_EXTENSION = 20  # times the window: what WCAG 2.2, 2.2.1 asks for is ten


def is_extension(value: object) -> bool:
    """Tells whether a value says how many times the window a viewer may have."""
    found = _EXTEND.fullmatch(str(value))
    return found is not None and 1 <= Fraction(found[1]) <= LONGEST_EXTENSION


def _read_extend(value: object) -> Fraction:
    if not is_extension(value):
        raise Mistake(
            f"{shown(value)} is no extension", f"Write how many times the window: 3x; at most {LONGEST_EXTENSION}x"
        )
    return Fraction(str(value).removesuffix("x"))


Extension = Annotated[
    Any,
    BeforeValidator(_read_extend),
    WithJsonSchema({"type": "string", "pattern": f"^{_EXTEND.pattern}$", "description": "times the window: 3x"}),
]
MAX_WORDS, MAX_PROSE = 500, 5000  # characters of a text of one line, and of one of several
Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS, pattern=WORDS)]
Prose = Annotated[str, Field(min_length=1, max_length=MAX_PROSE, pattern=PROSE)]


def _by_language(words: dict[str, object]) -> WithJsonSchema:
    one = {**words, "minLength": 1, "type": "string"}
    several = {
        "additionalProperties": False,
        "minProperties": 1,
        "patternProperties": {LANGUAGE: one},
        "type": "object",
    }
    return WithJsonSchema({"anyOf": [one, several]})


TextFile = Annotated[
    dict[Annotated[str, Field(pattern=LANGUAGE)], Words],
    Field(min_length=1),
    BeforeValidator(_read_text),
    _by_language({"maxLength": MAX_WORDS, "pattern": WORDS}),
]
ProseFile = Annotated[
    dict[Annotated[str, Field(pattern=LANGUAGE)], Prose],
    Field(min_length=1),
    BeforeValidator(_read_text),
    _by_language({"maxLength": MAX_PROSE, "pattern": PROSE}),
]
Name = Annotated[str, Field(pattern=IDENTIFIER)]
TargetName = Annotated[str, Field(pattern=TARGET)]
ExpressionText = Annotated[str, Field(min_length=1)]
Number = Annotated[Any, BeforeValidator(_read_number), WithJsonSchema({"type": "number"})]
HEAVIEST = 1_000_000


def _read_weight(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= HEAVIEST:
        raise Mistake(f"{shown(value)} is no weight", f"Write a number above 0, {HEAVIEST} at most")
    return Fraction(str(value))


Weight = Annotated[
    Any,
    BeforeValidator(_read_weight),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": HEAVIEST, "default": 1}),
]
Plain = Any  # checked against the variable's type later, with better words
Picture = Annotated[str, Field(pattern=PICTURE, max_length=200)]
Link = Annotated[str, Field(pattern=LINK, max_length=2000)]
Track = Annotated[dict[Name, Words], Field(max_length=16)]  # free names for who counts viewers


class Strict(BaseModel):
    """No key that is not named here, and no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class VariableFile(Strict):
    """A typed value."""

    type: Literal["bool", "int", "number", "string", "enum"]
    default: Plain
    min: Number = None
    max: Number = None
    values: list[str] | None = None


class StateFile(VariableFile):
    """A variable of the story's memory, and how long it is kept."""

    scope: Literal["session", "viewer", "story"] = "session"


class ProfileFile(VariableFile):
    """A read-only input given when the session starts."""

    source: Literal["request", "token", "crm", "clock"] = "request"
    pii: bool = False


class RuleFile(Strict):
    """One way on, of a group."""

    to: TargetName
    when: ExpressionText | None = None
    weight: Weight | None = None


class NextFile(RuleFile):
    """One way on from a scene."""

    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class PictureFile(Strict):
    """A picture, where its condition holds."""

    image: Picture
    when: ExpressionText | None = None


def _kind_of_picture(value: object) -> str:
    return "[list]" if isinstance(value, list) else "[name]"


# Told apart by their shape, so that a mistake in one is not told as one in the other too.
PictureOrList = Annotated[
    Annotated[Picture, Tag("[name]")]
    | Annotated[list[PictureFile], Field(min_length=1, max_length=100), Tag("[list]")],
    Discriminator(_kind_of_picture),
]


class ChoiceFile(Strict):
    """An answer."""

    id: Name
    label: TextFile
    to: TargetName | None = None
    when: ExpressionText | None = None
    set: dict[str, Plain] = Field(default_factory=dict)
    weight: Weight = Fraction(1)
    image: PictureOrList | None = None
    url: Link | None = None
    score: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    code: Annotated[str, Field(pattern=CODE)] | None = None
    track: Track = Field(default_factory=dict)


class HoldFile(Strict):
    """What is played while a viewer has not answered."""

    src: Name
    max: Annotated[Length, Field(json_schema_extra={"default": "60s"})] = seconds_to_ticks(Fraction(60))


def _kind_of_hold(value: object) -> str:
    return "[loop]" if isinstance(value, dict | HoldFile) else "[flag]"


# Told apart by their shape, so that a mistake in one is not told as one in the other too.
HoldOrNot = Annotated[Annotated[bool, Tag("[flag]")] | Annotated[HoldFile, Tag("[loop]")], Discriminator(_kind_of_hold)]


class AccessibleFile(Strict):
    """What a decision does for viewers who need it."""

    extend: Extension = Fraction(1)
    speak: bool = False
    keys: Annotated[list[Name], Field(max_length=16)] = Field(default_factory=list)


class InputFile(Strict):
    """An answer that is typed."""

    type: Literal["code"] = "code"
    length: Annotated[int, Field(ge=1, le=12)]


class CheckpointFile(Strict):
    """A place to go back to."""

    id: Name
    label: TextFile


class DecisionFile(Strict):
    """A question."""

    id: Name
    prompt: TextFile | None = None
    opens_at: Time | None = None
    closes_at: Time | None = None
    default: Name | None = None
    timeout: TargetName | None = None
    lock: Literal["at_close", "immediate"] = "at_close"
    hold: HoldOrNot = False
    input: InputFile | None = None
    layout: Name | None = None
    accessible: AccessibleFile = Field(default_factory=AccessibleFile)
    choices: Annotated[list[ChoiceFile], Field(min_length=1, max_length=16)]


class EventFile(Strict):
    """What happens while a scene is watched."""

    at: Time
    when: ExpressionText | None = None
    set: dict[str, Plain] = Field(default_factory=dict)
    cue: Name | None = None
    track: Track = Field(default_factory=dict)


class MediaFile(Strict):
    """A part of a source."""

    src: Name
    start: Annotated[Instant, Field(alias="in")] = Ticks(0)
    end: Annotated[Instant | None, Field(alias="out")] = None
    snap: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise Mistake("'out' does not come after 'in'", "Write a later 'out'")
        return self


class VariantFile(Strict):
    """Another footage of a scene, or another part of it, where its condition holds."""

    when: ExpressionText | None = None
    src: Name | None = None
    start: Annotated[Instant | None, Field(alias="in")] = None
    end: Annotated[Instant | None, Field(alias="out")] = None


class EndFile(Strict):
    """An ending."""

    id: Name
    goal: bool = False
    offer_checkpoints: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)
    credits: Time | None = None


class SceneFile(Strict):
    """A node of the graph."""

    media: MediaFile
    variants: Annotated[list[VariantFile], Field(max_length=16)] = Field(default_factory=list)
    text: ProseFile | None = None
    events: Annotated[list[EventFile], Field(max_length=100)] = Field(default_factory=list)
    decision: DecisionFile | None = None
    decisions: Annotated[list[DecisionFile], Field(min_length=1, max_length=16)] | None = None
    next: list[NextFile] = Field(default_factory=list)
    end: EndFile | None = None
    checkpoint: CheckpointFile | None = None
    track: Track = Field(default_factory=dict)


class MenuFile(Strict):
    """A place that viewers may go to at any time."""

    id: Name | None = None
    label: TextFile
    to: TargetName
    when: ExpressionText | None = None
    reset: bool = False


class ExperimentFile(Strict):
    """Arms that viewers are shared out to, by weight."""

    arms: Annotated[dict[Name, Weight], Field(min_length=2, max_length=16)]
    assign: Literal["viewer", "session"] = "viewer"


class LimitsFile(Strict):
    """Bounds of one session."""

    max_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000


class DefaultsFile(Strict):
    """What decisions inherit."""

    lead: Annotated[Lead, Field(json_schema_extra={"default": "auto"})] = AUTO_LEAD
    window: Annotated[Length, Field(json_schema_extra={"default": "10s"})] = seconds_to_ticks(Fraction(10))
    hold: HoldFile | None = None
    labels: Annotated[str, Field(pattern=LANGUAGE)] = "en"


class StoryFile(Strict):
    """A whole story file."""

    story: Annotated[Literal[1], BeforeValidator(_read_format)]
    id: Annotated[str, Field(pattern=STORY_ID)]
    title: TextFile
    start: TargetName
    defaults: DefaultsFile = DefaultsFile()
    profile: dict[Name, ProfileFile] = Field(default_factory=dict)
    state: dict[Name, StateFile] = Field(default_factory=dict)
    conditions: dict[Name, ExpressionText] = Field(default_factory=dict, max_length=1000)
    experiments: dict[Name, ExperimentFile] = Field(default_factory=dict, max_length=100)
    groups: dict[Name, Annotated[list[RuleFile], Field(min_length=1)]] = Field(default_factory=dict, max_length=1000)
    artwork: Annotated[list[PictureFile], Field(max_length=100)] = []
    menu: Annotated[list[MenuFile], Field(max_length=32)] = []
    scenes: Annotated[dict[Name, SceneFile], Field(min_length=1, max_length=10_000)]
    fallback: Name | None = None
    limits: LimitsFile = LimitsFile()
    low_latency: bool = False


def schema_text() -> str:
    """Gives the JSON Schema of story files."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **StoryFile.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"
