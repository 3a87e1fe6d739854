"""Command lines: what ffmpeg is asked, word by word where it matters."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from streamer.media.ladder import DEFAULT_LADDER
from streamer.packager.commands import decode, encode_sound, footage, key_frames, last_end
from streamer.packager.plan import Span
from streamer.packager.probe import Source

SOURCE = Source(
    path=Path("/footage/-strange: name.mov"),
    picture=1,
    sound=0,
    picture_seconds=Fraction(20),
    seconds=Fraction(20),
    height=1080,
    has_color_space=True,
)
TO_END = Span(start=0, end=None)


def value_of(argv: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(argv) if name == option]


def test_each_rendition_gets_a_scale_of_its_own_from_one_decode() -> None:
    argv = decode("/bin/ffmpeg", footage(SOURCE, DEFAULT_LADDER), DEFAULT_LADDER, [TO_END], Path("/made"))

    graph = value_of(argv, "-filter_complex")[0]
    assert argv[:3] == ["/bin/ffmpeg", "-i", "/footage/-strange: name.mov"]
    assert argv.count("-i") == 1
    assert graph.count("scale=") == 3
    assert graph.count("split=3") == 1
    assert "[0:1]fps=fps=25/1:start_time=0" in graph
    assert "[0:0]aresample=48000:async=1:first_pts=0" in graph
    assert [word for word in argv if word.startswith("/made/")] == [
        "/made/v0.mp4",
        "/made/v1.mp4",
        "/made/v2.mp4",
        "/made/sound.pcm",
    ]


def test_a_silent_source_is_asked_for_no_sound() -> None:
    silent = Source(
        path=Path("/a.mp4"),
        picture=0,
        sound=None,
        picture_seconds=None,
        seconds=None,
        height=360,
        has_color_space=False,
    )

    argv = decode("ffmpeg", footage(silent, DEFAULT_LADDER), DEFAULT_LADDER, [TO_END], Path("/made"))

    assert "aresample" not in value_of(argv, "-filter_complex")[0]
    assert "in_color_matrix=bt601" in value_of(argv, "-filter_complex")[0]


def test_no_frame_after_the_last_scene_is_encoded() -> None:
    spans = [Span(start=0, end=80), Span(start=100, end=250)]

    argv = decode("ffmpeg", footage(SOURCE, DEFAULT_LADDER), DEFAULT_LADDER, spans, Path("/made"))

    assert value_of(argv, "-frames:v") == ["250", "250", "250"]
    assert "atrim=end_sample=482048" in value_of(argv, "-filter_complex")[0]  # 10 s and two AAC frames
    assert last_end([*spans, TO_END]) is None


def test_key_frames_are_asked_for_by_number_where_segments_begin() -> None:
    spans = [Span(start=80, end=None), Span(start=0, end=80), Span(start=0, end=80)]

    asked = key_frames(spans, 50)

    assert asked == "expr:between(n,0,79)*not(mod(n-0,50))+gte(n,80)*not(mod(n-80,50))"


def test_encodings_of_a_rendition_share_all_settings_whatever_the_source() -> None:
    other = Source(
        path=Path("/b.mp4"),
        picture=0,
        sound=1,
        picture_seconds=None,
        seconds=None,
        height=240,
        has_color_space=False,
    )

    def outputs(source: Source) -> list[str]:
        argv = decode("ffmpeg", footage(source, DEFAULT_LADDER), DEFAULT_LADDER, [TO_END], Path("/made"))
        return argv[argv.index("-map") :]

    assert outputs(SOURCE) == outputs(other)


def test_sound_is_encoded_from_samples_a_fragment_each_frame() -> None:
    argv = encode_sound("ffmpeg", DEFAULT_LADDER.audio, Path("/made/a.mp4"))

    assert argv[argv.index("-i") + 1] == "pipe:0"
    assert value_of(argv, "-b:a") == ["128k"]
    assert "frag_every_frame" in value_of(argv, "-movflags")[0]
