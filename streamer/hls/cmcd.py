"""Reads Common Media Client Data: what a player says of itself in passing (CTA-5004 and CTA-5004-B).

Version 1 and 2 are structured fields (RFC 9651), in a query, in headers, or as lines of an event report. All of it is a
hint: what cannot be read is no error, only nothing said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import http_sf

HEADERS = ("CMCD-Object", "CMCD-Request", "CMCD-Session", "CMCD-Status")
EVENT_TYPE = "application/cmcd"
MAX_CHARACTERS = 4096  # of one request's words, or of one line of a report
MAX_LINES = 64  # of a report
MAX_MS = 7 * 24 * 3600 * 1000
MAX_RATE = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmcd:
    """What was said; None: nothing."""

    position_ms: int | None = None  # pt: of the media on screen
    state: str | None = None  # sta: s starting, p playing, k seeking, r rebuffering, a paused, e ended …
    rate: float | None = None  # pr
    # bl: ahead of the playhead; the least where there are several. Nothing, where the player only says that it is
    # starting (su) or has run dry (bs).
    buffer_ms: int | None = None
    object_type: str | None = None  # ot: v, a, av, m, i …


def read_request(query: Mapping[str, str], headers: Mapping[str, str]) -> Cmcd | None:
    """Reads what came with a request; None: nothing that can be read."""
    said = [query["CMCD"]] if "CMCD" in query else [headers[name] for name in HEADERS if name in headers]
    return _read(",".join(said)) if said else None


def read_events(body: bytes) -> tuple[Cmcd, ...]:
    """Reads a report of events, one a line; lines that cannot be read are left out."""
    lines = body.decode("ascii", "replace").splitlines()[:MAX_LINES]
    return tuple(found for line in lines if line and (found := _read(line)) is not None)


def _read(text: str) -> Cmcd | None:
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        data = cast("dict[str, object]", http_sf.parse(text.encode("ascii"), tltype="dictionary"))
    except ValueError:
        return None
    buffer_ms = _milliseconds(data.get("bl"))
    if buffer_ms is None and (_flag(data.get("su")) or _flag(data.get("bs"))):
        buffer_ms = 0
    found = Cmcd(
        position_ms=_milliseconds(data.get("pt")),
        state=_word(data.get("sta")),
        rate=_rate(data.get("pr")),
        buffer_ms=buffer_ms,
        object_type=_word(data.get("ot")),
    )
    return None if found == Cmcd() else found


def _items(member: object) -> Iterable[object]:
    """Gives the bare items of a member: one, or those of an inner list."""
    value = member[0] if isinstance(member, tuple) else member
    if isinstance(value, list):
        return [item[0] if isinstance(item, tuple) else item for item in value]
    return [value]


def _number(member: object) -> float | None:
    numbers = [float(item) for item in _items(member) if isinstance(item, int | Decimal) and not isinstance(item, bool)]
    return min(numbers, default=None)


def _flag(member: object) -> bool:
    return any(item is True for item in _items(member))


def _milliseconds(member: object) -> int | None:
    number = _number(member)
    return round(number) if number is not None and 0 <= number <= MAX_MS else None


def _rate(member: object) -> float | None:
    number = _number(member)
    return number if number is not None and 0 <= number <= MAX_RATE else None


def _word(member: object) -> str | None:
    words = [str(item) for item in _items(member) if isinstance(item, http_sf.Token | str)]
    return words[0] if words else None
