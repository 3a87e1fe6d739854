"""The frame rate of a package: the footage's, where all of it has one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from streamer.packager.plan import Rate
from streamer.packager.probe import Source, probe
from streamer.packager.rates import rate_of_all, read_rate
from tests.packager.conftest import Bench

USUAL = "packaged at 25 frames a second; --frame-rate names another"
PAL = Rate(numerator=25, denominator=1)
FILM = Rate(numerator=24_000, denominator=1001)


def source(name: str, rate: str | None) -> Source:
    return Source(
        path=Path("/footage") / name,
        picture=0,
        sound=None,
        picture_seconds=None,
        seconds=None,
        height=720,
        has_color_space=True,
        frame_rate=None if rate is None else Fraction(rate),
    )


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("25", PAL),
        ("25/1", PAL),
        ("24000/1001", FILM),
        ("23.976", FILM),
        ("23.98", FILM),
        ("24", Rate(numerator=24, denominator=1)),
        ("29.97", Rate(numerator=30_000, denominator=1001)),
        ("12.5", Rate(numerator=25, denominator=2)),
        ("120", Rate(numerator=120, denominator=1)),
        ("9", None),
        ("121", None),
        ("23", None),  # a frame is no whole number of ticks
        ("0", None),
        ("25/0", None),
        ("-25", None),
        ("film", None),
        ("1e3", None),
    ],
)
def test_a_frame_rate_may_be_written_as_a_fraction_or_rounded(written: str, rate: Rate | None) -> None:
    assert read_rate(written) == rate


@pytest.mark.parametrize(
    ("rates", "rate", "note"),
    [
        ({}, PAL, ""),
        ({"a": "25"}, PAL, ""),
        ({"a": "24000/1001", "b": "2997/125"}, FILM, "packaged at 23.976 frames a second, as its footage has"),
        (
            {"a": "24000/1001", "b": "25", "c": "25"},
            PAL,
            f"the footage has different frame rates, 23.976 (a), 25 (b): {USUAL}",
        ),
        (
            {"a": "24", "b": None},
            PAL,
            f"b tells no constant frame rate: {USUAL}",
        ),
        (
            {"a": "15/2"},
            PAL,
            f"a has 7.5 frames a second, which do not fit: {USUAL}",
        ),
    ],
)
def test_the_frame_rate_is_that_of_the_footage_if_all_of_it_agrees(
    rates: dict[str, str | None], rate: Rate, note: str
) -> None:
    assert rate_of_all({name: source(name, each) for name, each in rates.items()}, PAL) == (rate, note)


@pytest.mark.e2e
async def test_the_frame_rate_is_read_from_a_file_where_it_is_constant(bench: Bench) -> None:
    footage = bench.folder / "footage"

    found = [(await probe(footage / name, "x", bench.tools)).frame_rate for name in ("silent.mp4", "square.mp4")]

    assert found == [Fraction(24_000, 1001), 30]
