"""Cutting: what the encoder is fed, and what is refused when ffmpeg made something else than asked."""

from __future__ import annotations

import subprocess
from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.errors import PackagingError
from streamer.media.index import AUDIO_FRAME_SAMPLES, ClipIndex, RenditionIndex, Segment
from streamer.packager.commands import encode_sound
from streamer.packager.cutting import Part, Sound, check_lengths, clip_of, count_frames, cut_picture, cut_sound
from streamer.packager.plan import FADE_SAMPLES, Cuts, Rate
from streamer.packager.tools import Tools
from streamer.units import Ticks
from tests.packager.conftest import LADDER

PREROLL = 4 * AUDIO_FRAME_SAMPLES
PAL = Rate(numerator=25, denominator=1)


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    """Gives a decoded sound of 60,000 samples in two channels: every sample is 1000."""
    path = tmp_path / "sound.pcm"
    path.write_bytes(array("h", [1000] * 120_000).tobytes())
    return Sound(path, 2)


def left(sound: Sound, start: int, frames: int) -> list[int]:
    return array("h", b"".join(sound.fed(start, frames))).tolist()[::2]


def test_a_clip_within_its_source_is_fed_with_what_is_around_it(sound: Sound) -> None:
    fed = left(sound, 10_000, 20)

    assert fed == [1000] * (PREROLL + 21 * AUDIO_FRAME_SAMPLES)


def test_a_clip_at_its_sources_start_comes_out_of_silence_by_a_fade(sound: Sound) -> None:
    fed = left(sound, 0, 20)

    assert fed[:PREROLL] == [0] * PREROLL
    assert fed[PREROLL : PREROLL + FADE_SAMPLES] == [1000 * number // FADE_SAMPLES for number in range(FADE_SAMPLES)]
    assert set(fed[PREROLL + FADE_SAMPLES :]) == {1000}


def test_a_clip_just_after_its_sources_start_has_silence_before_that_and_no_fade(sound: Sound) -> None:
    fed = left(sound, 1920, 20)

    assert fed[: PREROLL - 1920] == [0] * (PREROLL - 1920)
    assert set(fed[PREROLL - 1920 :]) == {1000}


def test_a_sound_that_ends_early_goes_on_in_silence(sound: Sound) -> None:
    fed = left(sound, 58_976, 20)

    assert fed[PREROLL:] == [1000] * 1024 + [0] * (20 * AUDIO_FRAME_SAMPLES)
    assert set(left(sound, 200_000, 2)) == {0}


def test_no_sound_at_all_is_silence() -> None:
    assert left(Sound(None, 2), 0, 60) == [0] * (PREROLL + 61 * AUDIO_FRAME_SAMPLES)


def part(folder: Path, *, start: int = 0, picture: tuple[int, ...] = (0, 50), sound: tuple[int, ...] = (0, 94)) -> Part:
    return Part(
        where="scene 'yard'", start=start, cuts=Cuts(picture=picture, sound=sound, others=((93,),)), folder=folder
    )


@pytest.fixture
def encoded(tmp_path: Path, make: Callable[..., Path]) -> Path:
    """Gives two seconds of picture with one key frame and B-frames' absence."""
    return make(
        *("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=2", "-c:v", "libx264", "-bf", "0", "-g", "999"),
        *("-video_track_timescale", "90000", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
        target=tmp_path / "v0.mp4",
    )


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("rate", "options", "problem"),
    [
        (PAL, {"picture": (0, 25, 50)}, "scene 'yard': v0: no key frame at frame 25"),
        (PAL, {"start": 10, "picture": (0, 30)}, "scene 'yard': v0: no key frame at frame 0"),
        (PAL, {"picture": (0, 60)}, "scene 'yard': v0: ffmpeg made 50 frames where 60 belong"),
        (Rate(numerator=30, denominator=1), {}, "v0: frame 0 lasts 3600/90000 s, 0 late, where 3000, 0 belong"),
    ],
)
def test_pictures_that_are_not_as_asked_are_refused(
    tmp_path: Path, encoded: Path, rate: Rate, options: dict[str, object], problem: str
) -> None:
    assert count_frames(encoded) == 50
    with pytest.raises(PackagingError, match=problem):
        cut_picture(encoded, "v0", rate, [part(tmp_path, **options)])  # type: ignore[arg-type]


@pytest.mark.e2e
def test_the_number_of_sound_frames_is_checked(tmp_path: Path, tools: Tools, sound: Sound) -> None:
    path = tmp_path / "sound.mp4"
    fed = b"".join(sound.fed(0, 94))
    subprocess.run(encode_sound(tools.ffmpeg, LADDER.audio, path), input=fed, check=True)

    cut_sound(path, "a0", part(tmp_path))
    with pytest.raises(PackagingError, match="scene 'yard': ffmpeg made 100 frames of sound where 101 belong"):
        cut_sound(path, "a0", part(tmp_path, sound=(0, 95)))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "junk.mp4"
    path.write_bytes(b"\0\0\0\x09junk")

    with pytest.raises(PackagingError, match="ffmpeg wrote a file that cannot be read"):
        cut_picture(path, "v0", PAL, [part(tmp_path)])
    with pytest.raises(PackagingError, match="ffmpeg wrote a file that cannot be read"):
        cut_sound(path, "a0", part(tmp_path))


def segment(duration: int, sha256: str = "0") -> Segment:
    return Segment(duration=duration, size=1, sha256=sha256 * 64, independent=True)


def test_a_segment_that_rounds_above_the_target_duration_is_refused() -> None:
    def clip(duration: int) -> ClipIndex:
        rendition = RenditionIndex(timescale=1000, segments=(segment(2000), segment(duration)))
        return ClipIndex(id="0" * 24, frames=1, duration=Ticks(1), renditions={"v0": rendition})

    check_lengths("scene 'yard'", clip(2499), 2)
    with pytest.raises(PackagingError, match="scene 'yard': v0: a segment of 2500/1000 s is longer than the Target"):
        check_lengths("scene 'yard'", clip(2500), 2)


def test_a_clip_is_named_by_all_of_its_content() -> None:
    def name(*segments: Segment, other: Segment | None = None) -> str:
        return clip_of(
            50, PAL, {"a0": RenditionIndex(timescale=48_000, segments=segments, others=((other,),) if other else ())}
        ).id

    names = {
        name(segment(9)),
        name(segment(9, "1")),
        name(segment(9), segment(9, "1")),
        name(segment(9), other=segment(9, "2")),
        name(segment(8)),
    }

    assert len(names) == 5
    assert clip_of(50, PAL, {}).duration == Fraction(2) * 705_600_000
