"""Time as whole numbers: ticks, and the exact steps between them and other clocks."""

from __future__ import annotations

from fractions import Fraction
from typing import NewType

Ticks = NewType("Ticks", int)

# Divisible by every frame rate in use (24, 25, 30, 50, 60 and their 1000/1001 forms) and by 44,100 and 48,000,
# so that every frame and every sample is a whole number of ticks. 90,000 is not: 1001/24000 s is 3,753.75 of it.
TICKS_PER_SECOND = 705_600_000


def ticks_of(amount: int, timescale: int) -> Ticks:
    """Gives the ticks of `amount` units of 1/`timescale` s.

    Raises:
        ValueError: the amount is no whole number of ticks.
    """
    ticks, rest = divmod(amount * TICKS_PER_SECOND, timescale)
    if rest:
        raise ValueError(f"{amount}/{timescale} s is not a whole number of ticks")
    return Ticks(ticks)


def units_of(ticks: int, timescale: int) -> int:
    """Gives `ticks` in units of 1/`timescale` s.

    Raises:
        ValueError: the time does not fall on a unit.
    """
    units, rest = divmod(ticks * timescale, TICKS_PER_SECOND)
    if rest:
        raise ValueError(f"{ticks} ticks do not fall on a unit of 1/{timescale} s")
    return units


def round_half_up(numerator: int, denominator: int) -> int:
    """Rounds a fraction of whole numbers to the nearest whole number, halves up (as RFC 8216 4.3.3.1 needs it)."""
    return (2 * numerator + denominator) // (2 * denominator)


def seconds_to_ticks(seconds: Fraction) -> Ticks:
    """Gives the nearest tick of an exact number of seconds."""
    return Ticks(round_half_up(seconds.numerator * TICKS_PER_SECOND, seconds.denominator))


def ticks_of_milliseconds(milliseconds: int) -> Ticks:
    """Gives the ticks of whole milliseconds (exact)."""
    return Ticks(milliseconds * (TICKS_PER_SECOND // 1000))


def whole_milliseconds(ticks: int) -> int:
    """Gives the first whole millisecond not before `ticks`: for waiting until a moment has surely come."""
    return -(-ticks * 1000 // TICKS_PER_SECOND)


def decimal_seconds(ticks: int, places: int) -> str:
    """Spells `ticks` as decimal seconds with exactly `places` decimals, halves up, without a float on the way."""
    scale = 10**places
    amount = round_half_up(abs(ticks) * scale, TICKS_PER_SECOND)
    sign = "-" if ticks < 0 and amount else ""
    whole, part = divmod(amount, scale)
    return f"{sign}{whole}.{part:0{places}d}" if places else f"{sign}{whole}"
