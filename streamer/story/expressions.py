"""Conditions and effects: a subset of the Common Expression Language, compiled and type-checked when a story loads.

What an expression may name: `state.x`, `profile.x`, the story's conditions by name, `visits('scene')` and
`visited('scene')`. An expression that fails while a story runs does not hold; it never counts as true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cel_expr_python import cel

MAX_CHARACTERS = 1000
TYPES = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "number": cel.Type.DOUBLE, "string": cel.Type.STRING}
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_NAMES = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(visits|visited)\s*\(\s*['\"]([^'\"]*)['\"]\s*\)|([A-Za-z_][\w.]*)"
)
_FORBIDDEN = re.compile(r"\.\s*(all|exists|exists_one|map|filter|matches)\s*\(|\bhas\s*\(")


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
    type: str  # "bool", "int", "number" or "string"
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
        declared = {name: TYPES.get(kind, cel.Type.STRING) for name, kind in variables.items()}
        declared |= dict.fromkeys(conditions, cel.Type.BOOL)
        self.names = frozenset(declared)
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
        if found := _FORBIDDEN.search(text):
            raise ExpressionError(f"'{found[0].strip('. (')}' is no part of the story's expressions", found.start() + 1)
        try:
            program = self._env.compile(text)
        except RuntimeError as error:
            raise _translated(str(error)) from error
        kinds = {"BOOL": "bool", "INT": "int", "DOUBLE": "number", "STRING": "string"}
        kind = kinds.get(program.return_type().name())
        if kind is None:
            raise ExpressionError(f"gives a {program.return_type().name().lower()}, not a truth value, number or text")
        found_names = [(match[2], match[3]) for match in _NAMES.finditer(text)]
        return Expression(
            text,
            kind,
            frozenset(name for _, name in found_names if name in self.names),
            frozenset(scene for scene, name in found_names if scene and not name),
            program,
        )

    def evaluate(
        self, expression: Expression, values: Mapping[str, object], visits: Mapping[str, int]
    ) -> bool | int | float | str | Failure:
        """Gives the expression's value, or why it has none (division by zero, overflow)."""
        self._visits = visits
        result = expression.program.eval(self._env.Activation(dict(values)))
        if result.type() == cel.Type.ERROR:
            return Failure(expression.text, str(result.value()))
        value = result.value()
        return value if isinstance(value, bool | int | float | str) else Failure(expression.text, "gave no plain value")


def _translated(message: str) -> ExpressionError:
    first = _PLACE.search(message)
    if first is None:
        return ExpressionError(message.splitlines()[0])
    problem = first[3].replace(" (in container '')", "").split(" expecting {")[0]
    return ExpressionError(problem, int(first[2]))
