"""Expressions of SugarCube and Harlowe, read into one small tree; what has no place in it is refused by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_TOKENS = 200
MAX_NESTED = 24
MAX_DIGITS = 18  # of a whole number: those fit 64 bits
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<variable>[$_][^\W\d]\w*)(?P<inner>\s*\[|\.\w|'s\b|\u2019s\b)?
    |\(\s*(?P<macro>[A-Za-z][\w-]*):
    |(?P<word>[^\W\d]\w*)(?P<call>\s*\(|\.\w)?
    |(?P<sign>===|!==|==|!=|<=|>=|&&|\|\||\+\+|--|[-+*/%]=|[-+*/%<>!()?:,=]))""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_WORDS = {
    "is": "==",
    "===": "==",
    "eq": "==",
    "isnot": "!=",
    "!==": "!=",
    "neq": "!=",
    "gt": ">",
    "lt": "<",
    "gte": ">=",
    "lte": "<=",
    "and": "&&",
    "or": "||",
    "not": "!",
}
_BINDS = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "contains": 3,
    "in": 3,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_UNARY = 7
_CONSTANTS: dict[str, bool] = {"true": True, "false": False}
_ESCAPES = {"n": "\n", "t": "\t"}


class Untranslatable(ValueError):
    """What a story's expressions cannot say; `index` is where it stands in what was read."""

    def __init__(self, problem: str, index: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.index = index


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, with its `$` or `_`."""

    name: str


@dataclass(frozen=True, slots=True)
class Visits:
    """How often a passage was visited; None: this one."""

    passage: str | None
    before: bool = False  # the visit that goes on does not count


@dataclass(frozen=True, slots=True)
class Unary:
    """`!` or `-`."""

    sign: str
    inner: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands, and the operator as CEL spells it."""

    sign: str
    left: Expr
    right: Expr


Expr = Literal | Name | Visits | Unary | Binary


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A variable and what it becomes."""

    name: str
    value: Expr
    at: int  # index in the passage


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def negated(expression: Expr) -> Expr:
    """Gives what holds where an expression does not."""
    opposite = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
    match expression:
        case Unary("!", inner):
            return inner
        case Binary(sign, left, right) if sign in opposite:
            return Binary(opposite[sign], left, right)
        case _:
            return Unary("!", expression)


def read_condition(text: str, at: int) -> Expr:
    """Reads a condition that begins at an index of its passage.

    Raises:
        Untranslatable: with the index in the passage.
    """
    reader = _Reader(text, at)
    found = reader.expression(0)
    reader.expect_end()
    return found


def read_assignments(text: str, at: int) -> tuple[Assignment, ...]:
    """Reads what follows `set`: one assignment, or several parted by commas or semicolons.

    Raises:
        Untranslatable: with the index in the passage.
    """
    return tuple(_assignment(part, at + start) for start, part in parted(text, ",;") if part.strip())


def after_quotes(text: str, index: int) -> int:
    """Gives where what is in quotes at an index ends; where nothing is, the next index."""
    if text[index] == "'" and index and text[index - 1].isalnum():  # $list's length
        return index + 1
    found = _QUOTED.match(text, index)
    return index + 1 if found is None else found.end()


def parted(text: str, marks: str) -> list[tuple[int, str]]:
    """Parts a text at marks outside of quotes and brackets; with the index of each part."""
    parts = []
    begin = depth = index = 0
    while index < len(text):
        character = text[index]
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in marks and not depth:
            parts.append((begin, text[begin:index]))
            begin = index + 1
        index = after_quotes(text, index)
    parts.append((begin, text[begin:]))
    return parts


def constant_text(text: str) -> str | None:
    """Gives what a text in quotes says; None: it is none."""
    try:
        found = read_condition(text, 0)
    except Untranslatable:
        return None
    return found.value if isinstance(found, Literal) and isinstance(found.value, str) else None


def _assignment(text: str, at: int) -> Assignment:
    reader = _Reader(text, at)
    if reader.peek("++") or reader.peek("--"):
        sign = reader.take().text
        name = reader.variable()
        value: Expr = Binary(sign[0], Name(name), Literal(1))
        reader.expect_end()
        return Assignment(name=name, value=value, at=reader.start)
    name = reader.variable()
    reader.it = Name(name)
    token = reader.take()
    if token.text in ("++", "--"):
        value = Binary(token.text[0], Name(name), Literal(1))
    elif token.text in ("to", "="):
        value = reader.expression(0)
    elif len(token.text) == 2 and token.text[1] == "=" and token.text[0] in "-+*/%":  # noqa: PLR2004 - a sign and =
        value = Binary(token.text[0], Name(name), reader.expression(0))
    else:
        raise Untranslatable("is no assignment: '$name to value'", reader.start)
    reader.expect_end()
    return Assignment(name=name, value=value, at=reader.start)


class _Reader:
    """Takes tokens one by one; operators bind as they do in CEL."""

    def __init__(self, text: str, at: int) -> None:
        self._end = at + len(text)
        self._tokens = _tokens(text, at)
        self._next = 0
        self._depth = 0
        self.it: Expr | None = None  # what 'it' means
        self.start = self._tokens[0].at if self._tokens else at

    def take(self) -> _Token:
        token = self._tokens[self._next] if self._next < len(self._tokens) else _Token("end", "", self._end)
        self._next += 1
        return token

    def peek(self, text: str) -> bool:
        """Tells whether the next token is that word or sign."""
        token = self._tokens[self._next] if self._next < len(self._tokens) else None
        return token is not None and token.kind in ("word", "sign") and token.text == text

    def variable(self) -> str:
        token = self.take()
        if token.kind != "variable":
            raise Untranslatable("is no assignment: '$name to value'", token.at)
        return token.text

    def expect_end(self) -> None:
        token = self.take()
        if token.kind != "end":
            raise _refusal(token)

    def expression(self, least: int) -> Expr:
        """Reads on while operators bind at least so closely."""
        self._depth += 1
        if self._depth > MAX_NESTED:
            raise Untranslatable(f"is nested more than {MAX_NESTED} deep", self.start)
        left = self._operand()
        while (sign := self._operator()) is not None and _BINDS[sign] > least:
            self._next += 1
            at = self._tokens[self._next - 1].at
            if sign == "==" and self.peek("!"):  # 'is not'
                self._next += 1
                sign = "!="
            elif sign == "==" and self.peek("in"):  # 'is in'
                self._next += 1
                sign = "in"
            right = self.expression(_BINDS[sign])
            left = _past(left, sign, right, at) if sign in ("contains", "in") else Binary(sign, left, right)
        self._depth -= 1
        return left

    def _operator(self) -> str | None:
        token = self._tokens[self._next] if self._next < len(self._tokens) else None
        return token.text if token is not None and token.kind in ("word", "sign") and token.text in _BINDS else None

    def _operand(self) -> Expr:
        token = self.take()
        match token.kind, token.text:
            case "number", _:
                return _number(token)
            case "text", _:
                return Literal(_plain(token.text))
            case "variable", _:
                return Name(token.text)
            case "call" | "macro", _:
                return self._called(token)
            case "sign", "(":
                inner = self.expression(0)
                self._close()
                return inner
            case _:
                return self._word(token)

    def _word(self, token: _Token) -> Expr:
        if token.kind == "sign" and token.text in ("!", "-"):
            inner = self.expression(_UNARY)
            if token.text == "-" and isinstance(inner, Literal) and not isinstance(inner.value, bool | str):
                return Literal(-inner.value)
            return Unary(token.text, inner)
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.text == "visits":
            return Visits(None)
        if token.text == "it" and self.it is not None:
            return self.it
        raise _refusal(token)

    def _called(self, token: _Token) -> Expr:
        """Reads `visited("P")`, `hasVisited("P")`, `(visited: "P")` or `(history:)`."""
        name = token.text.lower().replace("-", "").replace("_", "")
        argument = self.take()
        if name == "history" and token.kind == "macro" and argument.text == ")":
            return Visits("", before=True)  # all of them; 'contains' says which
        if name in ("visited", "hasvisited"):
            passage = None
            if argument.kind == "text":
                passage = _plain(argument.text)
                argument = self.take()
            if argument.text == ")" and (passage is not None or token.kind == "call"):
                visits = Visits(passage)
                return visits if name == "visited" and token.kind == "call" else Binary(">", visits, Literal(0))
        shown = f"({token.text}:)" if token.kind == "macro" else f"{token.text}()"
        raise Untranslatable(f"{shown} cannot be carried over", token.at)

    def _close(self) -> None:
        token = self.take()
        if token.text != ")":
            raise _refusal(token)


def _refusal(token: _Token) -> Untranslatable:
    what = "it ends too early" if token.kind == "end" else f"{token.text!r} cannot be carried over"
    return Untranslatable(what, token.at)


def _past(left: Expr, sign: str, right: Expr, at: int) -> Expr:
    """Reads `(history:) contains "P"` and `"P" is in (history:)`; other lists there are none."""
    history, passage = (left, right) if sign == "contains" else (right, left)
    if history == Visits("", before=True) and isinstance(passage, Literal) and isinstance(passage.value, str):
        return Binary(">", Visits(passage.value, before=True), Literal(0))
    raise Untranslatable("lists cannot be carried over", at)


def _tokens(text: str, at: int) -> list[_Token]:
    tokens: list[_Token] = []
    index = 0
    stop = len(text.rstrip())
    while index < stop:
        found = _TOKEN.match(text, index)
        if found is None:
            while text[index].isspace():
                index += 1
            raise Untranslatable(f"{text[index]!r} cannot be carried over", at + index)
        tokens.append(_token(found, at))
        index = found.end("word") if tokens[-1].kind != "call" and found["call"] is not None else found.end()
        if len(tokens) > MAX_TOKENS:
            raise Untranslatable(f"has more than {MAX_TOKENS} words and signs", at)
    return tokens


def _token(found: re.Match[str], at: int) -> _Token:
    kind = next(name for name in ("number", "text", "variable", "macro", "word", "sign") if found[name] is not None)
    text, start = found[kind], at + found.start(kind)
    if found["inner"] is not None:
        raise Untranslatable(f"{text} is a list or an object, and a story has none", start)
    if found["call"] is not None and not found["call"].endswith("("):
        raise Untranslatable(f"{text!r} cannot be carried over", start)
    if found["call"] is not None and text not in _WORDS and text not in ("to", "contains", "in"):
        return _Token("call", text, start)
    if kind in ("word", "sign"):
        return _Token("sign" if _WORDS.get(text) in ("!", "&&") else kind, _WORDS.get(text, text), start)
    return _Token(kind, text, start)


def _number(token: _Token) -> Literal:
    if token.text.isdecimal():
        if len(token.text) > MAX_DIGITS:
            raise Untranslatable(f"a number has more than {MAX_DIGITS} digits", token.at)
        return Literal(int(token.text))
    value = float(token.text)
    if value - value != 0:
        raise Untranslatable("a number is too large", token.at)
    return Literal(value)


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), quoted[1:-1], flags=re.DOTALL)
