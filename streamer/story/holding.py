"""Conditions that can never hold, found by trying every value that the names in them may have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from streamer.story.expressions import Expression, Reading
from streamer.story.model import Story, Value, Variable

MOST_TRIES = 512  # for one condition; with more values nothing is said of it
WIDEST = 64  # values of one name
_NUMBERS = re.compile(r"(?<![\w.])[0-9]{1,6}(?![\w.])")
_SUMS = re.compile(r"[+\-*/%]")


class Trying:
    """Tries the conditions of one story."""

    def __init__(self, story: Story, written: frozenset[str], reached: frozenset[str]) -> None:
        """`written` are the variables that something sets, `reached` the scenes that some way leads to."""
        self._story = story
        self._written = written
        self._reached = reached
        self._choices = {each.id: [choice.id for choice in each.choices] for each in story.decisions}

    def never_holds(self, expression: Expression) -> bool:
        """Tells whether a condition surely never holds; False also where nothing is known."""
        parts = list(self._parts(expression))
        domains = self._domains(parts)
        if domains is None or prod(map(len, domains.values())) > MOST_TRIES:
            return False
        language, conditions = self._story.expressions, self._story.conditions
        before = dict(language.failures)
        try:
            return not any(language.evaluate(expression, reading, conditions) is True for reading in _readings(domains))
        finally:
            language.failures = before  # values that may never meet are not what the author is to be told of

    def _parts(self, expression: Expression) -> Iterator[Expression]:
        """Gives a condition and all that it rests on."""
        seen: set[str] = set()
        todo = [expression]
        while todo:
            part = todo.pop()
            if part.text not in seen:
                seen.add(part.text)
                yield part
                todo.extend(self._story.conditions[name] for name in part.conditions)

    def _domains(self, parts: Sequence[Expression]) -> dict[tuple[str, str], Sequence[object]] | None:
        """Gives the values that each name may have, by kind and name; None: they cannot be listed."""
        numbers = {int(found) for part in parts for found in _NUMBERS.findall(part.text)}
        found: dict[tuple[str, str], Sequence[object]] = {}
        for part in parts:
            if part.asks or (part.scenes and _SUMS.search(part.text)):
                return None
            for name in part.names:
                values = self._values(name)
                if values is None:
                    return None
                found["value", name] = values
            for scene in part.scenes:
                counts = {0, 1, *numbers, *(number + 1 for number in numbers), *(max(n - 1, 0) for n in numbers)}
                found["visits", scene] = sorted(counts) if scene in self._reached else [0]
            for decision in part.decisions:
                found["chosen", decision] = ["", *self._choices[decision]]
        return found

    def _values(self, name: str) -> Sequence[Value] | None:
        section, _, own = name.partition(".")
        if section == "arm":
            return next(tuple(each.arms) for each in self._story.experiments if each.name == own)
        variable = (self._story.state if section == "state" else self._story.profile)[own]
        if section == "state" and own not in self._written:
            return (variable.default,)
        return _values_of(variable)


def _values_of(variable: Variable) -> Sequence[Value] | None:
    match variable.type:
        case "bool":
            return (False, True)
        case "enum":
            return variable.values
        case "int" if variable.minimum is not None and variable.maximum is not None:
            low, high = int(variable.minimum), int(variable.maximum)
            return range(low, high + 1) if high - low < WIDEST else None
        case _:
            return None


def _readings(domains: Mapping[tuple[str, str], Sequence[object]]) -> Iterator[Reading]:
    for values in product(*domains.values()):
        given: dict[str, dict[str, object]] = {"value": {}, "visits": {}, "chosen": {}}
        for (kind, name), value in zip(domains, values, strict=True):
            given[kind][name] = value
        visits = {scene: count for scene, count in given["visits"].items() if isinstance(count, int) and count}
        yield Reading(
            values=given["value"],
            visits=visits,
            chosen={decision: str(choice) for decision, choice in given["chosen"].items()},
        )
