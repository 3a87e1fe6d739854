"""What a story needs at most, on whichever path."""

from __future__ import annotations

import msgspec
import pytest

from streamer.media.index import Segment
from streamer.rates import bit_rates
from streamer.session.timeline import Stage
from tests.builders import staged

HEAVY = 1_000_000  # bytes


def rate(*segments: Segment) -> int:
    return -(-sum(each.size for each in segments) * 8 * 90_000 // sum(each.duration for each in segments))


def weighed(stage: Stage, *heavy: tuple[str, int]) -> tuple[int, list[Segment]]:
    """Gives the peak with some segments (scene or hold, number) made heavy, and these."""
    package, made = stage.package, []
    for name, number in heavy:
        clips = package.scenes.get(name) or (package.holds[name],)
        index = clips[0].renditions["v0"]
        segment = msgspec.structs.replace(index.segments[number], size=HEAVY)
        made.append(segment)
        segments = (*index.segments[:number], segment, *index.segments[number + 1 :])
        renditions = {**clips[0].renditions, "v0": msgspec.structs.replace(index, segments=segments)}
        clip = msgspec.structs.replace(clips[0], renditions=renditions)
        if name in package.scenes:
            package = msgspec.structs.replace(package, scenes={**package.scenes, name: (clip,)})
        else:
            package = msgspec.structs.replace(package, holds={**package.holds, name: clip})
    return bit_rates(stage.story, package)["v0"][0], made


def test_the_peak_counts_runs_that_straddle_a_join() -> None:
    stage = staged("a 2.52 -> b\nb 2.52 .")

    peak, average = bit_rates(stage.story, stage.package)["v0"]

    tail = stage.package.scenes["a"][0].renditions["v0"].segments[1]
    head = stage.package.scenes["b"][0].renditions["v0"].segments[0]
    assert peak >= rate(tail, head)
    assert peak >= average


HELD = "fork? 12.6 -> left | right\nleft 8 .\nright 8 ."


@pytest.mark.parametrize(
    ("lines", "tail", "head"),
    [
        ("a 12.6 -> b\nb 8 .", ("a", 6), ("b", 0)),  # the next scene
        ("a* 12.6 -> b\nb 12 .", ("a", 6), ("a", 0)),  # a step back
        (HELD, ("fork", 6), ("idle", 0)),  # a loop that follows
        (HELD, ("idle", 2), ("left", 0)),  # and is left
        (HELD, ("idle", 2), ("idle", 0)),  # or goes round
    ],
)
def test_the_peak_counts_runs_across_whatever_may_follow(
    lines: str, tail: tuple[str, int], head: tuple[str, int]
) -> None:
    peak, run = weighed(staged(lines), tail, head)

    assert peak >= rate(*run)
    assert peak < rate(*run) * 2


def test_segments_with_timed_metadata_are_heavier() -> None:
    stage = staged("a 12 -> b | c\nb 8 .\nc 8 .")
    bare = msgspec.structs.replace(stage.package, marks={})

    peak, _ = bit_rates(stage.story, stage.package)["v0"]

    assert peak > bit_rates(stage.story, bare)["v0"][0]
