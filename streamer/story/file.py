"""The shape of a story file: what an author may write, as pydantic models."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from streamer.units import Ticks, seconds_to_ticks

FORMAT = 1
IDENTIFIER = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
TARGET = r"^@?[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
_CLOCK = re.compile(r"(-?)(?:(\d+):)?(\d{1,2}):(\d{2}(?:\.\d+)?)$")
_SECONDS = re.compile(r"-?\d+(\.\d+)?s?$")
MAX_SECONDS = 24 * 3600


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
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Mistake(f"{value!r} is no time", _TIME)
    text = str(value)
    if _SECONDS.match(text):
        seconds = Fraction(text.removesuffix("s"))
    elif found := _CLOCK.match(text):
        sign, hours, minutes, rest = found.groups()
        seconds = (int(hours or 0) * 3600 + int(minutes) * 60 + Fraction(rest)) * (-1 if sign else 1)
    else:
        raise Mistake(f"{text!r} is no time", _TIME)
    if abs(seconds) > MAX_SECONDS:
        raise Mistake(f"{text!r} is longer than a day", "Write a shorter time")
    return seconds_to_ticks(seconds)


def _read_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mistake(f"{value!r} is no number", "Write a number")
    return value


def _read_text(value: object) -> object:
    return {"und": value} if isinstance(value, str) else value


Time = Annotated[
    Ticks,
    BeforeValidator(read_time),
    WithJsonSchema({"type": ["string", "number"], "description": "12, 12.5s or 00:01:02.640; negative: from the end"}),
]
Words = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
TextFile = Annotated[
    dict[Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")], Words],
    Field(min_length=1),
    BeforeValidator(_read_text),
]
Name = Annotated[str, Field(pattern=IDENTIFIER)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
TargetName = Annotated[str, Field(pattern=TARGET)]
ExpressionText = Annotated[str, Field(min_length=1)]
Number = Annotated[Any, BeforeValidator(_read_number), WithJsonSchema({"type": "number"})]
Plain = Any  # checked against the variable's type later, with better words


class Strict(BaseModel):
    """No key that is not named here, and no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class VariableFile(Strict):
    """A variable of the story's memory."""

    type: Literal["bool", "int", "number", "string", "enum"]
    default: Plain
    min: Number = None
    max: Number = None
    values: list[str] | None = None


class ProfileFile(VariableFile):
    """A read-only input given when the session starts."""

    source: Literal["request", "token"] = "request"
    pii: bool = False


class RuleFile(Strict):
    """One way on."""

    to: TargetName
    when: ExpressionText | None = None


class ChoiceFile(Strict):
    """An answer."""

    id: Name
    label: TextFile
    to: TargetName | None = None
    when: ExpressionText | None = None
    set: dict[str, Plain] = Field(default_factory=dict)


class DecisionFile(Strict):
    """A question."""

    id: Name
    prompt: TextFile
    opens_at: Time | None = None
    closes_at: Time | None = None
    default: Name
    choices: Annotated[list[ChoiceFile], Field(min_length=1, max_length=16)]


class MediaFile(Strict):
    """A part of a source."""

    src: Name
    start: Annotated[Time, Field(alias="in")] = Ticks(0)
    end: Annotated[Time | None, Field(alias="out")] = None


class EndFile(Strict):
    """An ending."""

    id: Name


class SceneFile(Strict):
    """A node of the graph."""

    media: MediaFile
    decision: DecisionFile | None = None
    next: list[RuleFile] = Field(default_factory=list)
    end: EndFile | None = None


class DefaultsFile(Strict):
    """What decisions inherit."""

    lead: Time = seconds_to_ticks(Fraction(4))
    window: Time = seconds_to_ticks(Fraction(10))
    labels: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")] = "en"


class StoryFile(Strict):
    """A whole story file."""

    story: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    title: TextFile
    start: TargetName
    defaults: DefaultsFile = DefaultsFile()
    profile: dict[VariableName, ProfileFile] = Field(default_factory=dict)
    state: dict[VariableName, VariableFile] = Field(default_factory=dict)
    conditions: dict[VariableName, ExpressionText] = Field(default_factory=dict)
    groups: dict[Name, Annotated[list[RuleFile], Field(min_length=1)]] = Field(default_factory=dict)
    scenes: Annotated[dict[Name, SceneFile], Field(min_length=1, max_length=10_000)]
    fallback: Name | None = None
