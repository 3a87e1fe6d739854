"""Text that has to fit: how wide it is about, shortened or broken into lines; no font is asked."""

from __future__ import annotations

import unicodedata
from itertools import accumulate, takewhile

# Widths in ems of common sans-serif faces, on the wide side: what is drawn with another face still fits.
_NARROW, _SLIM, _ORDINARY, _WIDE, _FULL = 0.33, 0.43, 0.61, 0.88, 1.05
_CLASSES = {
    **dict.fromkeys("ijl'|.,:;!", _NARROW),
    **dict.fromkeys('frtI()[]{} -/"`', _SLIM),
    **dict.fromkeys("mwMW%@&", _WIDE),
}
_UPPER = 0.74
ELLIPSIS = "…"


def width_of(text: str, size: float) -> float:
    """Gives about how wide a text is, in the units of `size`, that of its font."""
    return size * sum(map(_width, text))


def _width(character: str) -> float:
    known = _CLASSES.get(character)
    if known is not None:
        return known
    if unicodedata.combining(character):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return _FULL
    return _UPPER if character.isupper() else _ORDINARY


def shortened(text: str, size: float, width: float) -> str:
    """Gives a text that is no wider; what was cut off its end shows as an ellipsis."""
    if width_of(text, size) <= width:
        return text
    room = width - width_of(ELLIPSIS, size)
    kept = sum(1 for _ in takewhile(room.__ge__, accumulate(size * _width(character) for character in text)))
    return text[:kept].rstrip() + ELLIPSIS


def broken(text: str, size: float, width: float, most: int) -> tuple[str, ...]:
    """Gives a text as lines, broken between words where it can; the last of `most` lines takes what is left."""
    lines: list[str] = []
    line = ""
    words = text.split()
    for number, word in enumerate(words):
        longer = f"{line} {word}" if line else word
        if line and width_of(longer, size) > width:
            if len(lines) == most - 1:
                line = " ".join((line, *words[number:]))
                break
            lines.append(line)
            longer = word
        line = longer
    return tuple(shortened(each, size, width) for each in (*lines, line) if each)
