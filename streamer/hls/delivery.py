"""Delivery directives: what a player asks for in a playlist's query (RFC 8216bis, section 6.2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

MAX_DIGITS = 9


class DirectiveError(ValueError):
    """A directive that makes no sense; `name` is the query's."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


class Skip(Enum):
    """What a Playlist Delta Update leaves out (RFC 8216bis, section 6.2.5.1)."""

    NO = ""
    SEGMENTS = "YES"
    SEGMENTS_AND_RANGES = "v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What was asked; None: nothing."""

    segments: int | None = None  # hold the answer until so many segments are listed: _HLS_msn + 1
    parts: int = 0  # or, of the last of them, so many parts: _HLS_part + 1; 0: it is wanted whole
    skip: Skip = Skip.NO  # _HLS_skip: what the player has already may be left out


NOTHING_ASKED = Directives()


def read_directives(query: Mapping[str, str]) -> Directives:
    """Reads `_HLS_msn`, `_HLS_part` and `_HLS_skip`; other names, and skips unheard of, are ignored.

    Raises:
        DirectiveError: a value is no whole number, or a part is asked for without its segment.
    """
    if not query:
        return NOTHING_ASKED
    msn, part = (_number(query, name) for name in ("_HLS_msn", "_HLS_part"))
    if part is not None and msn is None:
        raise DirectiveError("_HLS_part", "_HLS_part needs _HLS_msn beside it")
    skip = query.get("_HLS_skip", "")
    found = next((known for known in Skip if known.value == skip), Skip.NO)
    return Directives(segments=None if msn is None else msn + 1, parts=0 if part is None else part + 1, skip=found)


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise DirectiveError(name, f"{name} is a whole number of at most {MAX_DIGITS} digits")
    return int(text)
