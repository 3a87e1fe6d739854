"""The rules of docs/story-format.md once more, written plainly over the data of a story file, to compare with.

It shares no line with the engine: conditions are read by Python itself, times are fractions of seconds. It knows no
chance, no arms and no media.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from types import CodeType
from typing import Any

Data = dict[str, Any]

SEGMENT, TAIL = 2, Fraction(1, 2)  # seconds: of a segment, and what is shorter belongs to the one before


class _Named:
    """Values by attribute or by index, as expressions have them."""

    def __init__(self, value: Callable[[str], Any]) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return self._value(name)

    def __getitem__(self, name: str) -> Any:
        return self._value(name)


@cache
def _python(text: str) -> CodeType:
    spelled = text.replace("&&", " and ").replace("||", " or ")
    spelled = re.sub(r"!(?!=)", " not ", spelled)
    return compile(re.sub(r"\b(true|false)\b", lambda word: word[0].title(), spelled).strip(), text, "eval")


@dataclass(slots=True, kw_only=True)
class Naive:
    """A viewing as it goes."""

    data: Data
    profile: Data
    state: Data = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    score: int = 0

    def __post_init__(self) -> None:
        """Takes every variable's and input's default."""
        self.state = {name: each["default"] for name, each in self.data.get("state", {}).items()} | self.state
        self.profile = {name: each["default"] for name, each in self.data.get("profile", {}).items()} | self.profile

    # What follows is looked up by the expressions.

    def __getitem__(self, name: str) -> Any:
        """Gives what a name means in an expression."""
        conditions = self.data.get("conditions", {})
        match name:
            case "state" | "profile":
                return _Named(getattr(self, name).__getitem__)
            case "conditions":
                return _Named(self.value)
            case "visits":
                return lambda scene: self.visits.get(scene, 0)
            case "visited":
                return lambda scene: scene in self.visits
            case "chose":
                return lambda decision: self.chosen.get(decision, "")
            case "score":
                return lambda: self.score
            case _:
                return self.value(conditions[name])

    def value(self, text: str) -> Any:
        """Gives the value of an expression."""
        conditions = self.data.get("conditions", {})
        if text in conditions:
            return self.value(conditions[text])
        names: Any = self  # eval() asks it for nothing but names
        return eval(_python(text), {"__builtins__": {}}, names)  # of the tests' own stories

    def holds(self, entry: Data) -> bool:
        """Tells whether the `when` of something holds."""
        return "when" not in entry or bool(self.value(entry["when"]))

    def scene_of(self, rules: list[Data]) -> str | None:
        """Gives the scene of the first rule that holds; a group in which none does is no rule that holds."""
        for rule in rules:
            if self.holds(rule):
                to = rule["to"]
                found = self.scene_of(self.data["groups"][to[1:]]) if to.startswith("@") else to
                if found is not None:
                    return str(found)
        return None

    def set(self, effects: Data) -> None:
        """Sets variables, each seeing those before, within their bounds."""
        for name, effect in effects.items():
            value = self.value(effect) if isinstance(effect, str) else effect
            variable = self.data["state"][name]
            if variable["type"] == "int":
                value = max(variable.get("min", value), min(value, variable.get("max", value)))
            self.state[name] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """What was seen."""

    scenes: list[tuple[str, Fraction]]  # and how long
    decisions: list[tuple[str, str | None]]  # and the choice taken
    state: Data
    visits: dict[str, int]
    ending: str | None


def naive_walk(data: Data, answers: list[tuple[str, str]], profile: Data | None = None, *, most: int = 200) -> Viewing:
    """Gives the viewing of who gives these answers, each as the window opens, and then none."""
    told = Naive(data=data, profile=profile or {})
    todo = iter(answers)
    scenes: list[tuple[str, Fraction]] = []
    decisions: list[tuple[str, str | None]] = []
    name = told.scene_of([{"to": data["start"]}])
    while True:
        assert name is not None
        scene = data["scenes"][name]
        told.visits[name] = told.visits.get(name, 0) + 1
        media = dict(scene["media"])
        for variant in scene.get("variants", ()):
            if told.holds(variant):
                media |= {key: variant[key] for key in ("src", "in", "out") if key in variant}
        length = seconds_of(media["out"]) - seconds_of(media.get("in", 0))
        target, end = _visited(told, scene, length, todo, decisions)
        scenes.append((name, end))
        if target is None and "end" in scene:
            return _over(told, scenes, decisions, scene["end"]["id"])
        if len(scenes) == most:
            return _over(told, scenes, decisions, None)
        own = [{"to": f"@{name}"}] if name in data.get("groups", {}) else []
        ways = sorted(scene.get("next", []), key=lambda rule: -rule.get("priority", 0)) or own
        name = told.scene_of(ways if target is None else [{"to": target}])


def _over(
    told: Naive, scenes: list[tuple[str, Fraction]], decisions: list[tuple[str, str | None]], ending: str | None
) -> Viewing:
    return Viewing(scenes=scenes, decisions=decisions, state=told.state, visits=told.visits, ending=ending)


def _visited(
    told: Naive,
    scene: Data,
    length: Fraction,
    answers: Iterator[tuple[str, str]],
    decisions: list[tuple[str, str | None]],
) -> tuple[str | None, Fraction]:
    """Goes through a scene; gives the target kept last, and where the scene was left."""
    asked = [scene["decision"]] if "decision" in scene else scene.get("decisions", [])
    entries = [(_instant(each["at"], length), 0, each) for each in scene.get("events", ())]
    entries += [(_instant(each["opens_at"], length), 1, each) for each in asked]
    target: str | None = None
    left = length
    for at, is_decision, entry in sorted(entries, key=lambda found: found[:2]):
        if at >= left:
            break
        if not is_decision:
            if told.holds(entry):
                told.set(entry.get("set", {}))
            continue
        offered = [choice for choice in entry["choices"] if told.holds(choice)]
        choice, to, cuts = _decided(entry, offered, answers)
        decisions.append((entry["id"], choice["id"] if choice is not None else None))
        if choice is not None:
            told.chosen[entry["id"]] = choice["id"]
            told.score += choice.get("score", 0)
            told.set(choice.get("set", {}))
        target = target if to is None else to
        if cuts and to is not None:
            edge = (at // SEGMENT + 1) * SEGMENT
            left = length if length - edge < TAIL else Fraction(edge)
            return to, _with_events_until(told, entries, entry, left)
    return target, length


def _with_events_until(told: Naive, entries: list[Any], cause: Data, left: Fraction) -> Fraction:
    """Lets the events happen that lie between a decision and the cut that its answer made."""
    ordered = sorted(entries, key=lambda found: found[:2])
    after = next(index for index, each in enumerate(ordered) if each[2] is cause) + 1
    for at, is_decision, entry in ordered[after:]:
        if not is_decision and at < left and told.holds(entry):
            told.set(entry.get("set", {}))
    return left


def _decided(
    decision: Data, offered: list[Data], answers: Iterator[tuple[str, str]]
) -> tuple[Data | None, str | None, bool]:
    """Gives the choice taken, where it leads, and whether it cuts the scene."""
    immediate = decision.get("lock") == "immediate"
    interactive = immediate or bool(decision.get("hold")) or "timeout" in decision
    if not offered:
        return None, None, False
    if len(offered) == 1 and not interactive and "url" not in offered[0] and "input" not in decision:
        return offered[0], offered[0].get("to"), False
    given = next(answers, None)
    if given is not None:
        assert given[0] == decision["id"]
        choice = next(each for each in offered if each["id"] == given[1])
        return choice, choice.get("to"), immediate
    default = decision.get("default")
    own = next((each for each in decision["choices"] if each["id"] == default), None)
    taken = offered[0] if own is None and default == "first" else own
    if "timeout" in decision:
        return taken, decision["timeout"], False
    return taken, None if taken is None else taken.get("to"), False


def _instant(at: Any, length: Fraction) -> Fraction:
    seconds = seconds_of(at)
    return length + seconds if seconds < 0 else seconds


def seconds_of(written: Any) -> Fraction:
    """Reads a time as authors write it."""
    sign, parts = (-1 if str(written).startswith("-") else 1), str(written).lstrip("-").removesuffix("s").split(":")
    return sign * sum((Fraction(part) * 60**place for place, part in enumerate(reversed(parts))), Fraction(0))
