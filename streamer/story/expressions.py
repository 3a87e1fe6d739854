"""Conditions and effects: a subset of the Common Expression Language, compiled and type-checked when a story loads.

What an expression may name: `state.x`, `profile.x` and `arm.x` (or `state['1a-b']`), the story's conditions by name
(or `conditions['1a-b']`), `visits('scene')`, `visited('scene')`, `chose('decision')`, `score()`, `hour()` and
`weekday()`; and it may call `size`, `int`, `double` and `string`. `and`, `or` and `not` spell `&&`, `||` and `!`. An
expression that fails while a story runs does not hold; it never counts as true.
"""

from __future__ import annotations

import math
import re
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import is_
from typing import Any

from cel_expr_python import cel

MAX_CHARACTERS = 1024
SECTIONS = ("state", "profile", "arm")  # of values: what stands before the dot
NOTHING_HELD: Mapping[str, object] = {}
TYPES = {
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "enum": cel.Type.STRING,
}
UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_TEXT = r"""(?:[rRbB]{0,2}(?:\'{3}.*?\'{3}|"{3}.*?"{3}|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))"""
_PLAIN_TEXT = r"""(?:'([^'\\]*)'|"([^"\\]*)")"""
_TOKEN = re.compile(
    rf"//[^\n]*|{_TEXT}|(?<![\w.])(?P<section>state|profile|arm|conditions)\s*\[\s*{_PLAIN_TEXT}\s*\]"
    rf"|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)(?P<call>\s*\()?",
    re.DOTALL,
)
_ARGUMENT = re.compile(rf"\s*{_PLAIN_TEXT}\s*\)")
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SPELLED = {"and": "&&", "or": "||", "not": "!"}
_OF_SCENES = {"visits", "visited"}
_OF_THE_SESSION = {"score", "hour", "weekday"}
_FUNCTIONS = {*_OF_SCENES, *_OF_THE_SESSION, "chose", "size", "int", "double", "string"}
MAX_FAILURES = 100  # that are remembered of one story
# Words of the expressions: no condition of such a name can be told from them.
KEYWORDS = frozenset(("true", "false", "null", "in", *_SPELLED))


class ExpressionError(ValueError):
    """An expression that does not compile; `column` counts from 1 within its text."""

    def __init__(self, problem: str, column: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; equal when its text is."""

    text: str
    type: str  # "bool", "int", "number" or "string"; "dyn" where the language is loose
    names: frozenset[str]  # what it reads: "state.x", "profile.x"
    conditions: tuple[str, ...]  # those it rests on directly, by name
    scenes: frozenset[str]  # arguments of visits() and visited()
    decisions: frozenset[str]  # arguments of chose()
    asks: frozenset[str]  # functions of the session: "score", "hour", "weekday"
    program: Any = field(compare=False, repr=False)  # None: of a story that was checked, and not needed yet

    @property
    def is_constant(self) -> bool:
        """Tells whether it gives the same whatever the story's memory."""
        return not (self.names or self.conditions or self.scenes or self.decisions or self.asks)


@dataclass(frozen=True, slots=True)
class Failure:
    """An expression that gave no value when the story ran."""

    text: str
    problem: str


@dataclass(slots=True, kw_only=True)
class Reading:
    """What expressions read of a story's memory; `settled` gathers what named conditions gave."""

    values: Mapping[str, object] = field(default_factory=dict)  # by full name
    sections: tuple[tuple[str, Mapping[str, object]], ...] = ()  # likewise, by section: "state", "profile", "arm"
    visits: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    score: int = 0
    hour: int = 0  # at which the session opened: 0 to 23
    weekday: int = 1  # likewise: 1 (Monday) to 7
    settled: dict[str, bool] = field(default_factory=dict)
    activation: Any = None  # the values as the evaluator reads them, once they were asked for


@dataclass(slots=True)
class _Names:
    """What an expression names, found before it is compiled."""

    values: set[str] = field(default_factory=set)
    conditions: dict[str, None] = field(default_factory=dict)
    scenes: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)
    asks: set[str] = field(default_factory=set)


class Language:
    """The names one story may use in its expressions."""

    def __init__(
        self, variables: Mapping[str, str], conditions: Iterable[str] = (), *, asked: Iterable[str] | None = None
    ) -> None:
        """`variables` are types ("bool", "int", "number", "string", "enum") by full name, e.g. "state.skill".

        With `asked` the expressions are those of a story that was checked: each is compiled when it is first needed.

        What fails as a story runs is noted in `failures`, by the expression's text; `asked` are the functions of the
        session that some expression calls.
        """
        self.failures: dict[str, str] = {}
        self._is_checked = asked is not None
        self.asked = set(asked or ())
        self.reading = Reading(values={}, visits={})  # what is evaluated now reads this
        self._known: Mapping[str, Expression] = {}
        self.names = frozenset(variables)
        self.conditions = frozenset(conditions)
        # CEL's own names are narrower than an author's.
        self._mangled = {name: _spelled(name, number) for number, name in enumerate(sorted(self.names))}
        self._by_section: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
        for full, spelled in self._mangled.items():
            section, _, name = full.partition(".")
            self._by_section[section][name] = spelled
        # Conditions are functions, so that one is looked at when it is asked for and not before.
        self._calls = {name: f"condition_{number}" for number, name in enumerate(sorted(self.conditions))}
        self._held: tuple[Mapping[str, object], ...] = (NOTHING_HELD,) * len(SECTIONS)
        self._handed_over: Any = None  # the values of `_held`
        self._compiled: dict[str, Expression] = {}
        self._needed: dict[str, Expression] = {}  # of a checked story, those compiled by now
        declared = {self._mangled[name]: TYPES.get(kind, cel.Type.DYN) for name, kind in variables.items()}
        self.is_loose = cel.Type.DYN in declared.values()  # a type is unknown: then no expression is blamed for it
        here = weakref.proxy(self)  # what the evaluator holds the collector cannot see: a circle would never be freed
        self._env = cel.NewEnv(
            variables=declared,
            functions=[
                _function("visits", cel.Type.INT, lambda scene: here.reading.visits.get(scene, 0)),
                _function("visited", cel.Type.BOOL, lambda scene: scene in here.reading.visits),
                _function("chose", cel.Type.STRING, lambda decision: here.reading.chosen.get(decision, "")),
                _function("score", cel.Type.INT, lambda: here.reading.score, arguments=0),
                _function("hour", cel.Type.INT, lambda: here.reading.hour, arguments=0),
                _function("weekday", cel.Type.INT, lambda: here.reading.weekday, arguments=0),
                *(
                    _function(call, cel.Type.BOOL, partial(Language._settled, here, name), arguments=0)
                    for name, call in self._calls.items()
                ),
            ],
        )

    def compile(self, text: str) -> Expression:
        """Compiles an expression; where its whole text is the name of a condition, it is that condition.

        Raises:
            ExpressionError: it is too long, no expression, names what the story does not declare, or mixes types.
        """
        known = self._compiled.get(text)
        if known is None:
            known = self._compiled[text] = _to_compile(text) if self._is_checked else self._compile(text)
            self.asked |= known.asks
        return known

    def known(self, text: str) -> Expression | None:
        """Gives an expression that was compiled."""
        return self._compiled.get(text)

    @property
    def read(self) -> frozenset[str]:
        """Gives the full names that some expression reads."""
        return frozenset(name for expression in self._compiled.values() for name in expression.names)

    @property
    def rested_on(self) -> frozenset[str]:
        """Gives the conditions that some expression rests on."""
        return frozenset(name for expression in self._compiled.values() for name in expression.conditions)

    def _compile(self, text: str) -> Expression:
        if len(text) > MAX_CHARACTERS:
            raise ExpressionError(f"is {len(text)} characters long; {MAX_CHARACTERS} are allowed")
        names, translated, places = self._translated(text)
        try:
            program = self._env.compile(translated)
        except RuntimeError as error:
            raise _explained(text, translated, str(error), places) from error
        kinds = {"BOOL": "bool", "INT": "int", "DOUBLE": "number", "STRING": "string"}
        if self.is_loose:
            kinds["DYN"] = "dyn"
        kind = kinds.get(program.return_type().name())
        if kind is None:
            raise ExpressionError(f"gives a {program.return_type().name().lower()}, not a truth value, number or text")
        return Expression(
            text,
            kind,
            frozenset(names.values & self.names),
            tuple(names.conditions),
            frozenset(names.scenes),
            frozenset(names.decisions),
            frozenset(names.asks),
            program,
        )

    def evaluate(
        self, expression: Expression, reading: Reading, conditions: Mapping[str, Expression]
    ) -> bool | int | float | str | Failure:
        """Gives the expression's value, or why it has none (division by zero, overflow, a number without end)."""
        if reading.activation is None:
            reading.activation = self._activation(reading)
        self.reading, self._known = reading, conditions
        if expression.program is None:
            expression = self._needed.get(expression.text) or self._compiled_now(expression.text)
        result = expression.program.eval(reading.activation)
        if result.type() == cel.Type.ERROR:
            return self._failed(expression, str(result.value()))
        value: bool | int | float | str = result.value()  # compile() lets no other type pass
        if isinstance(value, float) and not math.isfinite(value):
            return self._failed(expression, f"gave {value}")
        return value

    def _activation(self, reading: Reading) -> Any:
        """Gives the values as the evaluator reads them: those of before, where the mappings are the same.

        Mappings are never changed, only replaced, and most steps of a story replace none: handing them over is what
        costs most of a step.
        """
        held = tuple(mapping for _, mapping in reading.sections)
        if held and all(map(is_, held, self._held)):
            return self._handed_over
        values = {self._mangled[name]: value for name, value in reading.values.items()}
        for section, mapping in reading.sections:
            spelled = self._by_section[section]
            values.update({spelled[name]: value for name, value in mapping.items()})
        activation = self._env.Activation(values)
        if held:
            self._held, self._handed_over = held, activation
        return activation

    def _compiled_now(self, text: str) -> Expression:
        compiled = self._needed[text] = self._compile(text)
        return compiled

    def _failed(self, expression: Expression, problem: str) -> Failure:
        if len(self.failures) < MAX_FAILURES:
            self.failures.setdefault(expression.text, problem)
        return Failure(expression.text, problem)

    def _settled(self, name: str) -> bool:
        """Tells whether a condition holds, looked at once for all that is asked of a memory."""
        reading = self.reading
        if name not in reading.settled:  # no deeper than codec.MAX_NESTED
            reading.settled[name] = self.evaluate(self._known[name], reading, self._known) is True
        return reading.settled[name]

    def _translated(self, text: str) -> tuple[_Names, str, list[tuple[int, int]]]:
        """Gives what an expression names, the expression as CEL reads it, and which place in it was which.

        Raises:
            ExpressionError: it calls what is no part of the language.
        """
        names = _Names()
        if text.strip() in self.conditions:
            names.conditions[text.strip()] = None
            return names, f"{self._calls[text.strip()]}()", [(0, 0)]
        pieces: list[str] = []
        places = [(0, 0)]  # where a piece begins: for CEL, for the author
        length = done = 0
        for token in _TOKEN.finditer(text):
            spelled = self._spelled_token(text, token, names)
            if spelled is None:
                continue
            end = token.end("name") if token["name"] is not None else token.end()
            before = text[done : token.start()]
            pieces += (before, spelled)
            places.append((length + len(before), token.start()))
            length += len(before) + len(spelled)
            places.append((length, end))
            done = end
        return names, "".join((*pieces, text[done:])), places

    def _spelled_token(self, text: str, token: re.Match[str], names: _Names) -> str | None:
        """Gives what CEL reads instead of a token; None: the same."""
        if token["section"] is not None:
            return self._indexed(token, names)
        if token["name"] is None:
            return None
        parts = re.split(r"\s*\.\s*", token["name"])
        if len(parts) == 1 and parts[0] in _SPELLED:
            return _SPELLED[parts[0]]
        if token["call"] is not None and parts[-1] not in KEYWORDS:
            called = parts.pop()
            if called not in _FUNCTIONS:
                at = token.end("name") - len(called)
                raise ExpressionError(f"'{called}' is no part of the story's expressions", at + 1)
            _note_call(called, _ARGUMENT.match(text, token.end()), names)
            if not parts:
                return None
            name, after = ".".join(parts), f".{called}"
        else:
            name, after = ".".join(parts), ""
        if name in self.conditions and name not in self.names and name not in KEYWORDS:
            names.conditions[name] = None
            return f"{self._calls[name]}(){after}"
        names.values.add(name)
        return self._mangled.get(name, name) + after

    def _indexed(self, token: re.Match[str], names: _Names) -> str:
        section, name = token["section"], token[2] if token[2] is not None else token[3]
        if section == "conditions":
            if name not in self.conditions:
                raise ExpressionError(f"undeclared reference to '{name}'", token.start() + 1)
            names.conditions[name] = None
            return f"{self._calls[name]}()"
        full = f"{section}.{name}"
        if full not in self.names:
            raise ExpressionError(f"undeclared reference to '{full}'", token.start() + 1)
        names.values.add(full)
        return self._mangled[full]


def _to_compile(text: str) -> Expression:
    nothing: frozenset[str] = frozenset()
    return Expression(text, "", nothing, (), nothing, nothing, nothing, None)


def _function(name: str, gives: Any, body: Any, *, arguments: int = 1) -> Any:
    return cel.FunctionDecl(name, [cel.Overload(name, gives, [cel.Type.STRING] * arguments, False, body)])


def _spelled(name: str, number: int) -> str:
    """Spells a variable's full name for CEL: as it is where CEL can read it, so that its messages can be read."""
    own = name.partition(".")[2]
    return name if _PLAIN.fullmatch(own) and own not in KEYWORDS else f"odd.name_{number}"


def _note_call(called: str, argument: re.Match[str] | None, names: _Names) -> None:
    if called in _OF_THE_SESSION:
        names.asks.add(called)
    if argument is not None and (called in _OF_SCENES or called == "chose"):
        found = names.scenes if called in _OF_SCENES else names.decisions
        found.add(argument[1] or argument[2] or "")


def _explained(text: str, translated: str, message: str, places: list[tuple[int, int]]) -> ExpressionError:
    if "recursion" in message:
        return ExpressionError("is nested too deep, or a chain of too many operators (32 are allowed)")
    first = _PLACE.search(message) or _PLACE.search(f"<input>:1:1: {message}")
    assert first is not None  # the second always matches
    problem = first[3].replace(" (in container '')", "").split(" expecting {")[0]
    before = sum(len(line) + 1 for line in translated.split("\n")[: int(first[1]) - 1])
    column = _author_column(before + int(first[2]), places)
    if undeclared := UNDECLARED.search(problem):  # whose place is that of its last dot
        name = undeclared[1].partition(".")[0]
        column = text.rfind(name, 0, column - 1 + len(name)) + 1
    return ExpressionError(problem, max(column, 1))


def _author_column(column: int, places: list[tuple[int, int]]) -> int:
    """Gives the column in the author's text of one in what CEL read."""
    place = bisect_right(places, column - 1, key=lambda pair: pair[0]) - 1
    theirs, ours = places[place]
    if place + 1 < len(places):
        return min(ours + column - 1 - theirs, places[place + 1][1]) + 1
    return ours + column - theirs
