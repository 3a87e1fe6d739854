"""Plays a stream with ffmpeg and tells from picture and sound, frame by frame, where each came from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.make_footage import BLOCK, BLOCKS_X, BLOCKS_Y, CLIP_BITS, FRAME_BITS, SHOTS, WIDTH
from streamer.packager.tools import find_tools

SAMPLE_RATE = 48_000
PAL = Fraction(25)  # frames a second
HALF_FRAME = 512  # samples: half an AAC frame, 10.7 ms
BITS = FRAME_BITS + CLIP_BITS
TONES = {shot.src: shot.tone for shot in SHOTS}
SOURCES = {shot.number: shot.src for shot in SHOTS}
COLOURS = {shot.src: tuple(bytes.fromhex(shot.colour)) for shot in SHOTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a player showed and played."""

    picture_times: tuple[Fraction, ...]  # s, of each decoded frame
    sound_start: Fraction  # s
    frames: tuple[tuple[str, int], ...]  # source and number burnt into each frame
    colours: NDArray[np.uint8]  # of each frame's corner, RGB
    samples: NDArray[np.float64]  # mono, full scale 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A scene as it should be seen: frames `start` to `stop` of a source."""

    src: str
    start: int
    stop: int


async def play(url: str, folder: Path, *, seconds: float) -> Decoded:
    """Plays a stream to its end with ffmpeg's defaults and decodes all of it."""
    scale = 640 / WIDTH
    strip = f"crop={BITS * BLOCK * scale:g}:{BLOCK * scale:g}:{BLOCKS_X * scale:g}:{BLOCKS_Y * scale:g}"
    graph = (
        f"[0:v:0]split=3[a][b][c];[a]{strip},scale={BITS}:1:flags=area,format=gray[bits];"
        "[b]crop=64:64:0:0,scale=1:1:flags=area,format=rgb24[colour];[c]scale=16:16[clock]"
    )
    outputs = (
        ("-map", "[bits]", "-f", "rawvideo", "bits.raw"),
        ("-map", "[colour]", "-f", "rawvideo", "colour.raw"),
        ("-map", "[clock]", "-f", "framecrc", "clock.txt"),
        ("-map", "0:a:0", "-ac", "1", "-f", "s16le", "sound.raw"),
        ("-map", "0:a:0", "-c", "copy", "-f", "framecrc", "sound.txt"),
    )
    command = [
        *(find_tools().ffmpeg, "-hide_banner", "-loglevel", "warning", "-nostdin", "-y", "-copyts", "-i", url),
        *("-filter_complex", graph),
        *(word for output in outputs for word in (*output[:2], "-fps_mode", "passthrough", *output[2:])),
    ]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds):
            _, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    words = complaints.decode(errors="replace")
    assert process.returncode == 0, words
    assert "discontinuity" not in words.lower(), words
    assert "skipping" not in words.lower(), (
        words
    )  # of segments; "duplicated MOOV … Skipped" it says of every fMP4 stream
    return _read(folder)


def assert_picture(decoded: Decoded, parts: Sequence[Part], rate: Fraction = PAL) -> None:
    """Fails unless every frame of the parts was shown once, in order, one frame apart, in its colour."""
    expected = [(part.src, number) for part in parts for number in range(part.start, part.stop)]
    assert list(decoded.frames) == expected
    frame = 1 / rate
    assert decoded.picture_times == tuple(decoded.picture_times[0] + index * frame for index in range(len(expected)))
    wanted = np.array([COLOURS[src] for src, _ in expected], dtype=np.int16)
    assert int(np.abs(decoded.colours.astype(np.int16) - wanted).max()) <= 24


def assert_sound(decoded: Decoded, parts: Sequence[Part], rate: Fraction = PAL) -> None:
    """Fails unless each part's tone sounds throughout it, with no hole, no doubling and no drift at any join."""
    assert abs(decoded.picture_times[0] - decoded.sound_start) <= Fraction(1, 1000)
    ends = accumulate(part.stop - part.start for part in parts)
    joins = np.array([round(frames * SAMPLE_RATE / rate) for frames in ends])
    assert abs(len(decoded.samples) - int(joins[-1])) <= HALF_FRAME + 1
    _assert_tones(decoded.samples, parts, joins)
    level = _level(decoded.samples)
    usual = float(np.median(level))
    for before, after, join in zip(parts, parts[1:], joins, strict=False):
        near = level[max(int(join) - 4800, 0) : int(join) + 4800]
        assert _longest(near < usual * 0.35) <= HALF_FRAME, f"silence between {before.src} and {after.src}"
        assert _longest(near > usual * 1.75) <= HALF_FRAME, f"doubled sound between {before.src} and {after.src}"
        if TONES[before.src] != TONES[after.src]:
            away = _switch(decoded.samples, int(join), TONES[before.src], TONES[after.src]) - int(join)
            # Half a frame of the grid, and half a frame in which the decoder blends one into the other.
            assert abs(away) <= 2 * HALF_FRAME + 96, f"{before.src} gives way to {after.src} {away} samples off"


def _assert_tones(samples: NDArray[np.float64], parts: Sequence[Part], joins: NDArray[np.int64]) -> None:
    window = SAMPLE_RATE // 50  # 20 ms
    tones = sorted(set(TONES.values()))
    start = 0
    for part, stop in zip(parts, joins, strict=True):
        inner = samples[start + 3 * HALF_FRAME : min(int(stop), len(samples)) - 3 * HALF_FRAME]
        whole = inner[: len(inner) // window * window].reshape(-1, window)
        power = np.stack([_power(whole, tone) for tone in tones])
        heard = np.array(tones)[power.argmax(axis=0)]
        assert (heard == TONES[part.src]).all(), f"{part.src}: {np.unique(heard)} Hz heard"
        start = int(stop)


def _power(windows: NDArray[np.float64], tone: int) -> NDArray[np.float64]:
    length = windows.shape[1]
    wave = np.exp(-2j * np.pi * tone * np.arange(length) / SAMPLE_RATE) * np.hanning(length)
    found: NDArray[np.float64] = np.abs(windows @ wave)
    return found


def _level(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gives the level around each sample, over one period of the lowest tone."""
    window = SAMPLE_RATE // min(TONES.values())
    total = np.concatenate(([0.0], np.cumsum(samples**2)))
    mean = (total[window:] - total[:-window]) / window
    padded: NDArray[np.float64] = np.sqrt(np.maximum(np.pad(mean, (window // 2, window - window // 2 - 1), "edge"), 0))
    return padded


def _longest(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _switch(samples: NDArray[np.float64], join: int, before: int, after: int) -> int:
    """Gives the sample at which one tone becomes stronger than the other."""
    window, step = 1200, 24
    starts = range(join - 4800, min(join + 4800, len(samples) - window), step)
    windows = np.stack([samples[start : start + window] for start in starts])
    stronger = _power(windows, after) > _power(windows, before)
    return starts[int(stronger.argmax())] + window // 2


def _read(folder: Path) -> Decoded:
    bits = np.frombuffer((folder / "bits.raw").read_bytes(), np.uint8).reshape(-1, BITS) > 128
    weights = 1 << np.arange(FRAME_BITS)
    numbers = bits[:, :FRAME_BITS] @ weights
    clips = bits[:, FRAME_BITS:] @ weights[:CLIP_BITS]
    times = _times(folder / "clock.txt")
    return Decoded(
        picture_times=tuple(times),
        sound_start=_times(folder / "sound.txt")[0],
        frames=tuple(
            (SOURCES.get(int(clip), f"clip {clip}"), int(number)) for clip, number in zip(clips, numbers, strict=True)
        ),
        colours=np.frombuffer((folder / "colour.raw").read_bytes(), np.uint8).reshape(-1, 3),
        samples=np.frombuffer((folder / "sound.raw").read_bytes(), np.int16).astype(np.float64) / 32768,
    )


def _times(path: Path) -> list[Fraction]:
    base, times = Fraction(1), []
    for line in path.read_text("ascii").splitlines():
        if line.startswith("#tb 0:"):
            base = Fraction(line.split(":")[1].strip())
        elif not line.startswith("#"):
            times.append(int(line.split(",")[2]) * base)
    return times
