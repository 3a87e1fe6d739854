"""Draws are as likely as their weights say, and the same everywhere."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from streamer.story.chance import pick


def test_draws_are_what_they_were() -> None:
    halves = [Fraction(1), Fraction(1)]

    assert [pick(7, draw, halves) for draw in range(12)] == [0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_an_index_is_drawn_as_often_as_its_weight_says(seed: int) -> None:
    weights = [Fraction(60), Fraction(0), Fraction("0.5"), Fraction("39.5")]

    found = Counter(pick(seed, draw, weights) for draw in range(4000))

    assert found[1] == 0
    assert found[2] < 60  # of 20
    assert 2250 < found[0] < 2550  # of 2,400: five standard deviations
    assert 1430 < found[3] < 1730  # of 1,580


def test_another_seed_draws_otherwise() -> None:
    halves = [Fraction(1), Fraction(1)]

    assert [pick(1, draw, halves) for draw in range(64)] != [pick(2, draw, halves) for draw in range(64)]
