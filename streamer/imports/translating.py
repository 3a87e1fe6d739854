"""Expressions of other tools in the words of a story's own, with the types that a story asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streamer.imports.conditions import Assignment, Binary, Expr, Literal, Name, Unary, Untranslatable, Visits, negated
from streamer.story.expressions import KEYWORDS, ExpressionError, Language
from streamer.story.model import MAX_TEXT, Value

NEUTRAL: Mapping[str, Value] = {"bool": False, "int": 0, "number": 0.0, "string": ""}
MAX_CONDITIONS = 32  # that one thing depends on, each within the one before
_COMPARING = ("==", "!=", "<", "<=", ">", ">=")
_KINDS: Mapping[type, str] = {bool: "bool", int: "int", float: "number", str: "string"}
_GIVES = {**dict.fromkeys((*_COMPARING, "&&", "||"), "bool"), "/": "number"}
_OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _CLOSED = range(1, 8)  # how closely an expression binds
_BINDS = {"||": _OR, "&&": _AND, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT}


def find_types(assignments: Iterable[Assignment], conditions: Iterable[Expr]) -> dict[str, str]:
    """Gives the type of every variable: that of its first assignment, else of its use, else a truth value.

    An int that becomes a fraction somewhere is a number everywhere.
    """
    assignments, conditions = tuple(assignments), tuple(conditions)
    types: dict[str, str] = {}
    before: dict[str, str] | None = None
    while types != before:  # each round knows more than the one before, or is the last
        before = dict(types)
        for each in assignments:
            kind = _kind(each.value, types)
            known = types.get(each.name)
            if kind is not None and (known is None or (known, kind) == ("int", "number")):
                types[each.name] = kind
        if types == before:
            for condition in conditions:
                _learn(condition, "bool", types)
            for each in assignments:
                _learn(each.value, types.get(each.name), types)
    names = dict.fromkeys(each.name for each in assignments)
    for expression in (*(each.value for each in assignments), *conditions):
        names.update(dict.fromkeys(_names(expression)))
    return {name: types.get(name, "bool") for name in names}


def _names(expression: Expr) -> list[str]:
    match expression:
        case Name(name):
            return [name]
        case Unary(_, inner):
            return _names(inner)
        case Binary(_, left, right):
            return _names(left) + _names(right)
        case _:
            return []


def _kind(expression: Expr, types: Mapping[str, str]) -> str | None:
    match expression:
        case Literal(value):
            return _KINDS[type(value)]
        case Name(name):
            return types.get(name)
        case Visits():
            return "int"
        case Unary(sign, inner):
            return "bool" if sign == "!" else _kind(inner, types)
        case _:
            kinds = {_kind(expression.left, types), _kind(expression.right, types), _GIVES.get(expression.sign)}
            return next((kind for kind in ("bool", "string", "number", "int") if kind in kinds), None)


def _learn(expression: Expr, wanted: str | None, types: dict[str, str]) -> None:
    """Takes the types of variables that are still unknown from how they are used."""
    match expression:
        case Name(name) if wanted is not None:
            types.setdefault(name, wanted)
        case Unary(sign, inner):
            _learn(inner, "bool" if sign == "!" else "int", types)
        case Binary(sign, left, right):
            if sign in ("&&", "||"):
                kind: str | None = "bool"
            else:
                kind = _kind(left, types) or _kind(right, types)
                kind = kind or ("int" if sign not in ("==", "!=") else None)
            _learn(left, kind, types)
            _learn(right, kind, types)
        case _:
            pass


@dataclass(frozen=True, slots=True)
class _Said:
    """An expression in the story's words."""

    text: str
    kind: str
    binds: int

    def within(self, binds: int) -> str:
        """Gives it as an operand of what binds so closely."""
        return self.text if self.binds >= binds else f"({self.text})"


class Translator:
    """Says expressions in the words of one story."""

    def __init__(
        self, types: Mapping[str, str], variables: Mapping[str, str], scenes: Mapping[str, str], *, strict: bool
    ) -> None:
        """Takes types and ids of variables by their names there, ids of scenes by passage; `strict`: as Harlowe is."""
        self.types = types
        self.language = Language({f"state.{variables[name]}": kind for name, kind in types.items()})
        self._variables = variables
        self._scenes = scenes
        self._strict = strict

    def condition(self, expressions: tuple[Expr, ...], here: str) -> str:
        """Gives what holds where all the expressions hold, in a passage.

        Raises:
            Untranslatable: the story's expressions cannot say it.
        """
        if len(expressions) > MAX_CONDITIONS:
            raise Untranslatable(f"depends on more than {MAX_CONDITIONS} conditions", 0)
        said = [self._truth(expression, here) for expression in expressions]
        if len(said) == 1:
            return self._checked(said[0].text)
        return self._checked(" && ".join(each.within(_RELATION) for each in said))

    def value(self, assignment: Assignment, here: str) -> Value:
        """Gives what a variable becomes: a literal, or an expression as a text.

        Raises:
            Untranslatable: the story's expressions cannot say it, or it is of another type than the variable.
        """
        kind = self.types[assignment.name]
        value = assignment.value
        said = self._said(value, here)
        if kind != said.kind and (kind, said.kind) != ("number", "int"):
            raise Untranslatable(f"{assignment.name} is of type {kind}, and this is of type {said.kind}", 0)
        if isinstance(value, Literal) and not isinstance(value.value, str):
            return float(value.value) if kind == "number" else value.value
        if isinstance(value, Literal) and len(str(value.value)) > MAX_TEXT:
            raise Untranslatable(f"the text is longer than {MAX_TEXT} characters", 0)
        return self._checked(said.text)

    def _checked(self, text: str) -> str:
        try:
            self.language.compile(text)
        except ExpressionError as error:
            raise Untranslatable(error.problem, 0) from error
        return text

    def _truth(self, expression: Expr, here: str, *, inside: bool = False) -> _Said:
        """Says an expression as a truth value: what is not 0 and not empty is true."""
        match expression:
            case Unary("!", inner):
                return _Said(f"!{self._truth(inner, here, inside=True).within(_UNARY)}", "bool", _UNARY)
            case Binary(("&&" | "||") as sign, left, right):
                binds = _BINDS[sign]
                parts = [self._truth(each, here, inside=True) for each in (left, right)]
                return _Said(f"{parts[0].within(binds)} {sign} {parts[1].within(binds + 1)}", "bool", binds)
            case _:
                said = self._said(expression, here)
        if said.kind == "bool":
            return said
        if self._strict and inside:
            raise Untranslatable(f"{said.text} is of type {said.kind}, and 'and', 'or' and 'not' want truth values", 0)
        if isinstance(expression, Visits):
            return _visited(said)
        return _Said(f"{said.within(_SUM)} != {_literal(NEUTRAL[said.kind]).text}", "bool", _RELATION)

    def _said(self, expression: Expr, here: str) -> _Said:
        match expression:
            case Literal(value):
                return _literal(value)
            case Name(name):
                return _Said(_reference(self._variables[name]), self.types[name], _CLOSED)
            case Visits():
                return self._visits(expression, here)
            case Binary(sign, left, right) if sign in _COMPARING:
                return self._comparison(sign, left, right, here)
            case Unary("-", _) | Binary(("+" | "-" | "*" | "/" | "%"), _, _):
                return self._sum(expression, here)
            case _:
                return self._truth(expression, here)

    def _visits(self, visits: Visits, here: str) -> _Said:
        passage = here if visits.passage is None else visits.passage
        if passage not in self._scenes:
            problem = f"there is no passage {passage!r}" if passage else "lists cannot be carried over"
            raise Untranslatable(problem, 0)
        said = _Said(f"visits('{self._scenes[passage]}')", "int", _CLOSED)
        return _Said(f"{said.text} - 1", "int", _SUM) if visits.before and passage == here else said

    def _comparison(self, sign: str, left: Expr, right: Expr, here: str) -> _Said:
        is_plain = isinstance(right, Literal) and isinstance(right.value, bool) and sign in ("==", "!=")
        if is_plain and self._said(left, here).kind == "bool":
            return self._truth(left if right == Literal(value=sign == "==") else negated(left), here)
        if isinstance(left, Visits) and (sign, right) in ((">", Literal(0)), ("<=", Literal(0))):
            visited = _visited(self._visits(left, here))
            return visited if sign == ">" else _Said(f"!{visited.within(_UNARY)}", "bool", _UNARY)
        one, other = self._alike(self._said(left, here), self._said(right, here))
        if one.kind == "bool" and sign not in ("==", "!="):
            raise Untranslatable(f"truth values have no order: {one.text} {sign} {other.text}", 0)
        return _Said(f"{one.within(_SUM)} {sign} {other.within(_SUM)}", "bool", _RELATION)

    def _sum(self, expression: Unary | Binary, here: str) -> _Said:
        if isinstance(expression, Unary):
            said = self._said(expression.inner, here)
            if said.kind not in ("int", "number"):
                raise Untranslatable(f"{said.text} is no number", 0)
            return _Said(f"-{said.within(_CLOSED)}", said.kind, _UNARY)
        sign, left, right = expression.sign, self._said(expression.left, here), self._said(expression.right, here)
        binds = _BINDS[sign]
        if sign == "+" and {left.kind, right.kind} == {"int", "string"}:
            left, right = (
                each if each.kind == "string" else _Said(f"string({each.text})", "string", _CLOSED)
                for each in (left, right)
            )
        if sign == "/":
            left, right = _double(left), _double(right)
        left, right = self._alike(left, right)
        allowed = {"+": ("int", "number", "string"), "%": ("int",)}.get(sign, ("int", "number"))
        if left.kind not in allowed:
            raise Untranslatable(f"{left.text} {sign} {right.text}: {left.kind} does not fit", 0)
        return _Said(f"{left.within(binds)} {sign} {right.within(binds + 1)}", left.kind, binds)

    def _alike(self, left: _Said, right: _Said) -> tuple[_Said, _Said]:
        """Makes one of an int and a number."""
        if {left.kind, right.kind} == {"int", "number"}:
            return _double(left), _double(right)
        if left.kind != right.kind:
            problem = f"{left.text} is of type {left.kind}, {right.text} of type {right.kind}"
            raise Untranslatable(problem, 0)
        return left, right


def _double(said: _Said) -> _Said:
    if said.kind != "int":
        return said
    if said.text.removeprefix("-").isdecimal():
        return _Said(f"{said.text}.0", "number", said.binds)
    return _Said(f"double({said.text})", "number", _CLOSED)


def _visited(visits: _Said) -> _Said:
    """Gives `visited()` of `visits()`; less one, it asks for two."""
    if visits.binds == _CLOSED:
        return _Said(visits.text.replace("visits", "visited", 1), "bool", _CLOSED)
    return _Said(f"{visits.text} > 0", "bool", _RELATION)


def _literal(value: Value) -> _Said:
    kind = _KINDS[type(value)]
    if isinstance(value, bool):
        return _Said(str(value).lower(), kind, _CLOSED)
    if isinstance(value, str):
        spelled = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        return _Said(f"'{''.join(max(each, ' ') for each in spelled)}'", kind, _CLOSED)
    return _Said(repr(value), kind, _UNARY if value < 0 else _CLOSED)


def _reference(variable: str) -> str:
    is_plain = variable.isidentifier() and variable not in KEYWORDS
    return f"state.{variable}" if is_plain else f"state['{variable}']"
