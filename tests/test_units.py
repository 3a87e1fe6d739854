"""Ticks are exact, or refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.units import (
    TICKS_PER_SECOND,
    decimal_seconds,
    round_half_up,
    seconds_to_ticks,
    ticks_of,
    ticks_of_milliseconds,
    units_of,
    whole_milliseconds,
)


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60, 44_100, 48_000, 90_000, 24_000, 30_000, 60_000])
def test_every_common_clock_is_a_whole_number_of_ticks(rate: int) -> None:
    assert units_of(ticks_of(1001, rate), rate) == 1001


def test_what_is_not_exact_is_refused() -> None:
    with pytest.raises(ValueError, match="1/11 s"):
        ticks_of(1, 11)
    with pytest.raises(ValueError, match="do not fall on a unit"):
        units_of(1, 90_000)


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_halves_are_rounded_up(numerator: int, denominator: int) -> None:
    rounded = round_half_up(numerator, denominator)

    assert Fraction(-1, 2) < rounded - Fraction(numerator, denominator) <= Fraction(1, 2)


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_decimals_are_spelled_as_fractions_round(ticks: int, places: int) -> None:
    spelled = Fraction(decimal_seconds(ticks, places))

    assert abs(spelled - Fraction(ticks, TICKS_PER_SECOND)) <= Fraction(1, 2 * 10**places)
    assert decimal_seconds(ticks, places) not in ("-0", "-0.000")


def test_milliseconds_are_exact_one_way_and_late_the_other() -> None:
    assert whole_milliseconds(ticks_of_milliseconds(1500)) == 1500
    assert whole_milliseconds(ticks_of_milliseconds(1500) + 1) == 1501
    assert seconds_to_ticks(Fraction(3, 2)) == ticks_of_milliseconds(1500)
