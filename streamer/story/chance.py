"""Chance that can be repeated: the same seed and draw number give the same pick, on every machine and release."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

_RANGE = 2**64


def pick(seed: int, draw: int, weights: Sequence[Fraction]) -> int:
    """Gives the index of the weight that a draw falls on.

    Args:
        seed: of all draws of one viewing; 0 to 2**64 - 1.
        draw: its number within them, from 0.
        weights: how likely each index is, against their sum; none below 0, not all 0.
    """
    digest = hashlib.blake2b(draw.to_bytes(8, "big"), key=seed.to_bytes(8, "big"), digest_size=8).digest()
    sums = list(accumulate(weights))
    place = Fraction(int.from_bytes(digest, "big"), _RANGE) * sums[-1]
    return next(index for index, total in enumerate(sums) if place < total)
