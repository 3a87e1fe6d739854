"""From what was seen of a run to figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

NEAR = 2.0  # s around a join in which a stall counts as the join's
START = 1.0  # s of media before which nothing counts: players start up


@dataclass(slots=True, kw_only=True)
class Watched:
    """What was seen of one player."""

    version: str = ""
    resolution_ms: float = 10.0
    samples: list[tuple[float, float, bool]] = field(default_factory=list)  # wall s, media s, paused
    frames: list[tuple[float, int]] = field(default_factory=list)  # media s, count of frames shown
    errors: list[str] = field(default_factory=list)
    ended: bool = False
    metadata: list[tuple[float, str]] = field(default_factory=list)  # media s, value: as an app gets them


def stall_ms(watched: Watched, joins: Sequence[float] | None) -> float | None:
    """Gives the longest time by which the picture fell behind the clock between two places: near joins, or anywhere.

    None: nothing was seen.
    """
    moves = [sample for sample in watched.samples if sample[1] >= 0]
    if len(moves) < 2:
        return None
    worst, last = 0.0, moves[0]
    for sample in moves[1:]:
        if sample[2] or last[2]:
            last = sample
        elif sample[1] != last[1]:
            if last[1] > START and (joins is None or any(abs(last[1] - join) <= NEAR for join in joins)):
                worst = max(worst, (sample[0] - last[0]) - (sample[1] - last[1]))
            last = sample
    return round(worst * 1000)


def frame_gap_ms(watched: Watched, joins: Sequence[float]) -> float | None:
    """Gives the longest time between two frames shown one after the other near a join; None: frames were not seen."""
    gaps = [
        (after[0] - before[0]) / max(after[1] - before[1], 1)
        for before, after in pairwise(watched.frames)
        if any(before[0] - 0.5 <= join <= after[0] + 0.5 for join in joins)
    ]
    return round(max(gaps) * 1000) if gaps else None


def skipped_s(watched: Watched) -> float:
    """Gives how much media were jumped over, in seconds."""
    jumps = [
        (after[1] - before[1]) - (after[0] - before[0])
        for before, after in pairwise(watched.samples)
        if not (before[2] and after[2])
    ]
    return round(max([jump for jump in jumps if jump > 0.5], default=0.0), 2)
