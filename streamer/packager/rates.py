"""The frame rate of a package: the footage's own, where all of it has one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from streamer.packager.plan import FASTEST, SLOWEST, Rate
from streamer.packager.probe import Source

# What containers round is one of these.
ORDINARY_RATES = (
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120)),
    *(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 100, 120)),
)
SAME = Fraction(1, 5000)  # 23.976 and 24 are five times as far from one another
_WRITTEN = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?|[0-9]{1,7}/[1-9][0-9]{0,6}")


def read_rate(text: str) -> Rate | None:
    """Reads `25`, `24000/1001` or `23.976`; None: it is none, or one that cannot be packaged."""
    return rate_of(Fraction(text)) if _WRITTEN.fullmatch(text) else None


def rate_of(frames_a_second: Fraction) -> Rate | None:
    """Gives a frame rate, exact where it was written rounded; None: it cannot be packaged."""
    near = (ordinary for ordinary in ORDINARY_RATES if abs(frames_a_second / ordinary - 1) <= SAME)
    exact = next(near, frames_a_second)
    rate = Rate(numerator=exact.numerator, denominator=exact.denominator)
    return rate if is_fit(rate) else None


def is_fit(rate: Rate) -> bool:
    """Tells whether a frame rate can be packaged."""
    try:
        return SLOWEST * rate.denominator <= rate.numerator <= FASTEST * rate.denominator and rate.frame > 0
    except (ValueError, ZeroDivisionError):
        return False


def told(rate: Rate) -> str:
    """Spells a frame rate for people."""
    return f"{rate.numerator / rate.denominator:.5g}"


def rate_of_all(sources: Mapping[str, Source], otherwise: Rate) -> tuple[Rate, str]:
    """Gives the frame rate to package at, and what the author should know of it (nothing: as usual).

    Args:
        sources: by name; none: `otherwise` is taken.
        otherwise: what is taken where they do not agree.
    """
    at = f"packaged at {told(otherwise)} frames a second; --frame-rate names another"
    found: dict[Rate, str] = {}
    for source in sources.values():
        name = source.path.name
        if source.frame_rate is None:
            return otherwise, f"{name} tells no constant frame rate: {at}"
        rate = rate_of(source.frame_rate)
        if rate is None:
            return otherwise, f"{name} has {float(source.frame_rate):.5g} frames a second, which do not fit: {at}"
        found.setdefault(rate, name)
    if len(found) > 1:
        rates = ", ".join(f"{told(rate)} ({name})" for rate, name in found.items())
        return otherwise, f"the footage has different frame rates, {rates}: {at}"
    rate = next(iter(found), otherwise)
    return rate, "" if rate == otherwise else f"packaged at {told(rate)} frames a second, as its footage has"
