"""The command lines of ffmpeg, built as graphs; nothing is run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from streamer.media.index import AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE
from streamer.media.ladder import AudioRung, Ladder, VideoRung
from streamer.packager.plan import POSTROLL_FRAMES, Rate, Span, sample_at
from streamer.packager.probe import Source

_FRAGMENT_MICROSECONDS = 4_000_000  # outside of scenes there are no key frames to cut fragments at
_SD_HEIGHT = 576  # pixels; up to here footage that names no colour matrix has that of BT.601, above BT.709
# Nothing of the source may show in an initialization section: no names, dates, chapters or encoder versions.
_PLAIN: dict[str, object] = {"map_metadata": -1, "map_chapters": -1, "flags": "+bitexact", "fflags": "+bitexact"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Where picture and sound come from, as streams of a graph; the picture has the ladder's frame rate."""

    picture: Any
    sound: Any | None  # None: silent
    matrix: str | None  # of the picture's colours; None: its file names it
    x264: str = ""  # further parameters of the encoder; none that its headers show


def footage(source: Source, ladder: Ladder) -> Given:
    """Gives the streams of a source file.

    Pictures begin at the source's time 0 and keep their place against its sound.
    """
    given = ffmpeg.input(str(source.path))
    numerator, denominator = ladder.frame_rate
    guess = "bt601" if source.height <= _SD_HEIGHT else "bt709"
    return Given(
        picture=given[str(source.picture)].filter("fps", fps=f"{numerator}/{denominator}", start_time=0),
        sound=None if source.sound is None else given[str(source.sound)],
        matrix=None if source.has_color_space else guess,
    )


def decode(program: str, given: Given, ladder: Ladder, spans: Sequence[Span], folder: Path) -> list[str]:
    """Gives the one run that decodes a source: each picture rendition to `<id>.mp4`, the sound to `sound.pcm`.

    Key frames stand where the segments of `spans` begin, whatever the source has. Progress goes to standard output.
    """
    # ffmpeg-python takes equal filters for one: without an explicit split the second scale would vanish.
    branches = given.picture.filter_multi_output("split", len(ladder.video))
    outputs = [
        ffmpeg.output(
            _scaled(branches[number], rung, given.matrix),
            str(folder / f"{rung.id}.mp4"),
            format="mp4",
            **_picture_options(rung, ladder, spans, given.x264),
        )
        for number, rung in enumerate(ladder.video)
    ]
    if given.sound is not None:
        outputs.append(_sound_output(given.sound, ladder, spans, folder / "sound.pcm"))
    options = ("-hide_banner", "-v", "error", "-nostdin", "-nostats", "-max_error_rate", "0", "-progress", "pipe:1")
    return _argv(ffmpeg.merge_outputs(*outputs).global_args(*options), program)


def encode_sound(program: str, rung: AudioRung, target: Path) -> list[str]:
    """Gives the run that encodes signed 16-bit samples from standard input to AAC, a fragment for each frame."""
    given = ffmpeg.input("pipe:0", format="s16le", ar=AUDIO_SAMPLE_RATE, ac=rung.channels)
    movflags = "+frag_every_frame+empty_moov+default_base_moof+cmaf"
    options: dict[str, object] = {**_PLAIN, "c:a": "aac", "b:a": f"{rung.bitrate_kbps}k", "movflags": movflags}
    output = ffmpeg.output(given["0"], str(target), format="mp4", **options)
    return _argv(output.global_args("-hide_banner", "-v", "error", "-nostats"), program)


def _scaled(picture: Any, rung: VideoRung, matrix: str | None) -> Any:
    colours: dict[str, object] = {"out_color_matrix": "bt709", "out_range": "tv"}
    if matrix is not None:
        colours["in_color_matrix"] = matrix
    return (
        picture.filter("scale", rung.width, rung.height, force_original_aspect_ratio="decrease", **colours)
        .filter("pad", rung.width, rung.height, "(ow-iw)/2", "(oh-ih)/2")
        .filter("setsar", 1)
        .filter("format", "yuv420p")
        .filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
    )


def _picture_options(rung: VideoRung, ladder: Ladder, spans: Sequence[Span], x264: str) -> dict[str, object]:
    rate = rate_of(ladder)
    options: dict[str, object] = {
        **_PLAIN,
        "c:v": "libx264",
        "preset": ladder.preset,
        "profile:v": "high",
        "level:v": rung.level,
        "b:v": f"{rung.bitrate_kbps}k",
        "maxrate": f"{rung.max_bitrate_kbps}k",
        "bufsize": f"{rung.max_bitrate_kbps}k",  # one second at the highest rate
        "threads": 1,  # with more, a bounded rate makes x264 write other bytes on every run
        "bf": 0,  # no picture is shown later than decoded: no negative offsets, no edit lists
        "g": 100_000_000,
        "sc_threshold": 0,
        "forced-idr": 1,
        "force_key_frames": key_frames(spans, rate.per_segment(ladder.segment_seconds)),
        "x264-params": f"stitchable=1{x264}",  # parameter sets independent of the content
        "flags": "+bitexact+cgop",
        "color_range": "tv",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "colorspace": "bt709",
        "fps_mode": "passthrough",
        "video_track_timescale": rate.timescale,
        "movflags": "+frag_keyframe+empty_moov+default_base_moof",
        "frag_duration": _FRAGMENT_MICROSECONDS,
    }
    end = last_end(spans)
    if end is not None:
        options["frames:v"] = end
    return options


def rate_of(ladder: Ladder) -> Rate:
    """Gives the frame rate of a ladder."""
    return Rate(numerator=ladder.frame_rate[0], denominator=ladder.frame_rate[1])


def last_end(spans: Sequence[Span]) -> int | None:
    """Gives the frame at which the last of the spans ends; None: at the source's end."""
    ends = [span.end for span in spans if span.end is not None]
    return max(ends) if len(ends) == len(spans) else None


def key_frames(spans: Sequence[Span], step: int) -> str:
    """Gives ffmpeg's expression for key frames at each start of a span and every `step` frames after it.

    It counts frames: times would have to survive decimal notation and rounding.
    """
    terms = []
    for span in sorted(set(spans), key=lambda span: (span.start, span.end or 0)):
        inside = f"gte(n,{span.start})" if span.end is None else f"between(n,{span.start},{span.end - 1})"
        terms.append(f"{inside}*not(mod(n-{span.start},{step}))")
    return "expr:" + "+".join(terms)


def _sound_output(sound: Any, ladder: Ladder, spans: Sequence[Span], target: Path) -> Any:
    layout = "mono" if ladder.audio.channels == 1 else "stereo"
    filtered = sound.filter("aresample", AUDIO_SAMPLE_RATE, **{"async": 1, "first_pts": 0}).filter(
        "aformat", sample_fmts="s16", sample_rates=AUDIO_SAMPLE_RATE, channel_layouts=layout
    )
    end = last_end(spans)
    if end is not None:
        beyond = (1 + POSTROLL_FRAMES) * AUDIO_FRAME_SAMPLES
        filtered = filtered.filter("atrim", end_sample=sample_at(end, rate_of(ladder)) + beyond)
    return ffmpeg.output(filtered, str(target), format="s16le", acodec="pcm_s16le")


def _argv(graph: Any, program: str) -> list[str]:
    argv: list[str] = ffmpeg.compile(graph, cmd=program, overwrite_output=True)
    return argv
