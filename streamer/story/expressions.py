"""Conditions and effects: a subset of the Common Expression Language, compiled and type-checked when a story loads.

What an expression may name: `state.x`, `profile.x`, the story's conditions by name, `visits('scene')` and
`visited('scene')`; and it may call `size`, `int`, `double` and `string`. An expression that fails while a story runs
does not hold; it never counts as true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cel_expr_python import cel

MAX_CHARACTERS = 1000
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
_TOKEN = re.compile(rf"//[^\n]*|{_TEXT}|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)(?P<call>\s*\()?", re.DOTALL)
_SCENE = re.compile(r"""\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)""")
_VISITS = {"visits", "visited"}
_FUNCTIONS = {*_VISITS, "size", "int", "double", "string"}
# CEL's own words: no variable and no condition can have their names.
KEYWORDS = frozenset(("true", "false", "null", "in"))
# A condition stands alone, so that it cannot have these either; `state.type` can.
RESERVED = KEYWORDS | frozenset(
    (
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package"),
        *("namespace", "return", "var", "void", "while", "bool", "bytes", "double", "dyn", "int", "list", "map"),
        *("null_type", "string", "type", "uint", "state", "profile"),
    )
)


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
    names: frozenset[str]  # what it reads: "state.x", "profile.x", names of conditions
    scenes: frozenset[str]  # arguments of visits() and visited()
    program: Any = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An expression that gave no value when the story ran."""

    text: str
    problem: str


class Language:
    """The names one story may use in its expressions."""

    def __init__(self, variables: Mapping[str, str], conditions: tuple[str, ...] = ()) -> None:
        """`variables` are types ("bool", "int", "number", "string", "enum") by full name, e.g. "state.skill"."""
        self._visits: Mapping[str, int] = {}
        declared = {name: TYPES.get(kind, cel.Type.DYN) for name, kind in variables.items()}
        declared |= dict.fromkeys(conditions, cel.Type.BOOL)
        self.names = frozenset(declared)
        self.is_loose = cel.Type.DYN in declared.values()  # a type is unknown: then no expression is blamed for it
        self._env = cel.NewEnv(
            variables=declared,
            functions=[
                cel.FunctionDecl(
                    "visits",
                    [
                        cel.Overload(
                            "visits", cel.Type.INT, [cel.Type.STRING], False, lambda scene: self._visits.get(scene, 0)
                        )
                    ],
                ),
                cel.FunctionDecl(
                    "visited",
                    [
                        cel.Overload(
                            "visited", cel.Type.BOOL, [cel.Type.STRING], False, lambda scene: scene in self._visits
                        )
                    ],
                ),
            ],
        )

    def compile(self, text: str) -> Expression:
        """Compiles an expression.

        Raises:
            ExpressionError: it is too long, no expression, names what the story does not declare, or mixes types.
        """
        if len(text) > MAX_CHARACTERS:
            raise ExpressionError(f"is {len(text)} characters long; {MAX_CHARACTERS} are allowed")
        names, scenes = _read(text)
        try:
            program = self._env.compile(text)
        except RuntimeError as error:
            raise _translated(text, str(error)) from error
        kinds = {"BOOL": "bool", "INT": "int", "DOUBLE": "number", "STRING": "string"}
        if self.is_loose:
            kinds["DYN"] = "dyn"
        kind = kinds.get(program.return_type().name())
        if kind is None:
            raise ExpressionError(f"gives a {program.return_type().name().lower()}, not a truth value, number or text")
        return Expression(text, kind, names & self.names, scenes, program)

    def evaluate(
        self, expression: Expression, values: Mapping[str, object], visits: Mapping[str, int]
    ) -> bool | int | float | str | Failure:
        """Gives the expression's value, or why it has none (division by zero, overflow, a number without end)."""
        self._visits = visits
        result = expression.program.eval(self._env.Activation(dict(values)))
        if result.type() == cel.Type.ERROR:
            return Failure(expression.text, str(result.value()))
        value: bool | int | float | str = result.value()  # compile() lets no other type pass
        if isinstance(value, float) and not math.isfinite(value):
            return Failure(expression.text, f"gave {value}")
        return value


def _read(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Gives what an expression names and the scenes it asks for.

    Raises:
        ExpressionError: it calls what is no part of the language.
    """
    names: set[str] = set()
    scenes: set[str] = set()
    for token in _TOKEN.finditer(text):
        if token["name"] is None:
            continue
        parts = re.split(r"\s*\.\s*", token["name"])
        if token["call"] is not None and parts[-1] not in KEYWORDS:
            called = parts.pop()
            if called not in _FUNCTIONS:
                at = token.end("name") - len(called)
                raise ExpressionError(f"'{called}' is no part of the story's expressions", at + 1)
            if called in _VISITS and (scene := _SCENE.match(text, token.end())):
                scenes.add(scene[1] or scene[2] or "")
        names.add(".".join(parts))
    return frozenset(names), frozenset(scenes)


def _translated(text: str, message: str) -> ExpressionError:
    if "recursion" in message:
        return ExpressionError("is nested too deep, or a chain of too many operators (32 are allowed)")
    first = _PLACE.search(message)
    if first is None:
        return ExpressionError(message.splitlines()[0])
    problem = first[3].replace(" (in container '')", "").split(" expecting {")[0]
    before = sum(len(line) + 1 for line in text.split("\n")[: int(first[1]) - 1])
    column = before + int(first[2])
    if undeclared := UNDECLARED.search(problem):  # whose place is that of its last dot
        name = undeclared[1].partition(".")[0]
        column = text.rfind(name, 0, column - 1 + len(name)) + 1
    return ExpressionError(problem, column)
