"""Whole frames: where clips and segments begin and end."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.index import AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE, part_target_of
from streamer.packager.plan import Rate, cuts, frame_at, frames_around, nearest_frame, sample_at
from streamer.units import Ticks, round_half_up, seconds_to_ticks

PAL = Rate(numerator=25, denominator=1)
RATES = st.sampled_from(
    [
        PAL,
        *(Rate(numerator=rate, denominator=1) for rate in (10, 12, 24, 30, 48, 50, 60, 100, 120)),
        *(Rate(numerator=rate * 1000, denominator=1001) for rate in (24, 30, 60, 120)),
    ]
)


@given(RATES, st.integers(1, 4), st.data())
def test_segments_cover_the_clip_and_none_is_too_long(rate: Rate, seconds: int, data: st.DataObject) -> None:
    shortest = rate.per_segment(seconds)
    frames = data.draw(st.integers(shortest, 40 * shortest))

    found = cuts(frames, rate, seconds)

    picture = [b - a for a, b in pairwise(found.picture)]
    sound = [b - a for a, b in pairwise(found.sound)]
    assert sum(picture) == frames
    assert len(picture) == len(sound)
    assert min(picture) > 0
    assert min(sound) > 1  # the last may lose a frame and is still a segment
    too_long = seconds + Fraction(1, 2)
    assert all(rate.seconds(length) < too_long for length in picture)
    assert all(Fraction(length * AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE) < too_long for length in sound)
    clip = rate.seconds(frames) * AUDIO_SAMPLE_RATE / AUDIO_FRAME_SAMPLES
    assert 0 <= sum(sound) - clip < 1
    for number, others in enumerate(found.others):
        exact = rate.seconds(found.picture[number + 1]) * AUDIO_SAMPLE_RATE / AUDIO_FRAME_SAMPLES - found.sound[number]
        assert {math.floor(exact), math.ceil(exact)} <= {*others, sound[number]}
        assert sound[number] not in others
        assert all(length > 0 for length in others)


@given(RATES, st.integers(1, 4), st.data())
def test_parts_are_as_long_as_the_target_allows(rate: Rate, seconds: int, data: st.DataObject) -> None:
    shortest = rate.per_segment(seconds)
    frames = data.draw(st.integers(shortest, 4 * shortest))

    found = cuts(frames, rate, seconds, parts=True)

    longest = max(part for parts in found.picture_parts for part in parts)
    target = Fraction(part_target_of(Ticks(longest * rate.frame)), 1000)

    assert found == replace(
        cuts(frames, rate, seconds), picture_parts=found.picture_parts, sound_marks=found.sound_marks
    )
    for number, (begin, end) in enumerate(pairwise(found.picture)):
        picture = [rate.seconds(part) for part in found.parts_of_picture(number, end - begin)]
        assert sum(picture) == rate.seconds(end - begin)
        lengths = (found.sound[number + 1] - found.sound[number], *found.others[number])
        for length in lengths:
            parts = found.parts_of_sound(number, length)
            sound = [Fraction(part * AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE) for part in parts]
            assert sum(parts) == length
            assert len(parts) == len(picture)
            for each in (picture, sound):
                assert max(each) <= target
                assert min(each) > 0
                # One before a tail shorter than three AAC frames gives it some of its own.
                assert all(part >= target * Fraction(85, 100) for part in each[:-2])
                assert each[-1] < Fraction(1, 8) or all(part >= target * Fraction(85, 100) for part in each[:-1])


@given(RATES, st.integers(1, 4), st.data())
def test_sound_is_cut_within_half_a_frame_of_the_picture_but_for_the_last_cut(
    rate: Rate, seconds: int, data: st.DataObject
) -> None:
    shortest = rate.per_segment(seconds)
    found = cuts(data.draw(st.integers(shortest, 40 * shortest)), rate, seconds)

    for frame, grid in list(zip(found.picture, found.sound, strict=True))[:-2]:
        assert abs(rate.seconds(frame) * AUDIO_SAMPLE_RATE / AUDIO_FRAME_SAMPLES - grid) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("frames", "picture"),
    [
        (50, (0, 50)),
        (62, (0, 62)),  # 0.48 s over
        (63, (0, 50, 63)),
        (184, (0, 50, 100, 150, 184)),
        (211, (0, 50, 100, 150, 211)),
    ],
)
def test_a_tail_under_half_a_second_goes_into_the_segment_before(frames: int, picture: tuple[int, ...]) -> None:
    assert cuts(frames, PAL, 2).picture == picture


def test_the_last_cut_of_the_sound_moves_where_its_segment_would_round_up() -> None:
    rate = Rate(numerator=120, denominator=1)

    found = cuts(779, rate, 2)  # 6.492 s

    assert found.picture == (0, 240, 480, 779)
    assert found.sound == (0, 94, 188, 305)  # 117 frames are 2.496 s, 118 would be 2.517 s


def test_a_clip_shorter_than_a_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="49 frames are no whole segment of 50"):
        cuts(49, PAL, 2)


@pytest.mark.parametrize(
    ("rate", "timescale", "frame_units"),
    [
        (PAL, 90_000, 3600),
        (Rate(numerator=30_000, denominator=1001), 90_000, 3003),
        (Rate(numerator=24_000, denominator=1001), 24_000, 1001),
        (Rate(numerator=60_000, denominator=1001), 60_000, 1001),
        (Rate(numerator=48_000, denominator=1001), 96_000, 2002),  # 48,000 is that of sound
    ],
)
def test_a_frame_is_a_whole_number_of_units(rate: Rate, timescale: int, frame_units: int) -> None:
    assert (rate.timescale, rate.frame_units) == (timescale, frame_units)


def test_decimal_notation_may_miss_a_frame_by_half_a_millisecond() -> None:
    film = Rate(numerator=24_000, denominator=1001)

    assert frame_at(PAL, seconds_to_ticks(Fraction("7.36"))) == 184
    assert frame_at(film, seconds_to_ticks(Fraction("1.043"))) == 25  # 1.042708 s
    assert frame_at(film, seconds_to_ticks(Fraction("1.044"))) is None
    assert nearest_frame(film, seconds_to_ticks(Fraction("1.063"))) == 25
    assert nearest_frame(film, seconds_to_ticks(Fraction("1.064"))) == 26
    assert frames_around(PAL, seconds_to_ticks(Fraction("7.37"))) == ("7.360s", "7.400s")


@given(RATES, st.integers(0, 10**6))
def test_the_sample_of_a_frame_is_the_nearest(rate: Rate, frame: int) -> None:
    exact = rate.seconds(frame) * AUDIO_SAMPLE_RATE

    assert sample_at(frame, rate) == round_half_up(exact.numerator, exact.denominator)
