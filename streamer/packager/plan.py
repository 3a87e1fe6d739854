"""Where a clip begins and ends in its source, and where its segments do: whole frames and whole samples."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from streamer.media.index import AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, round_half_up, ticks_of, ticks_of_milliseconds

PREROLL_FRAMES = 4  # of AAC, dropped: the encoder's windows then know the sound before the clip (measured: 0 ms wrong)
POSTROLL_FRAMES = 1  # whose first half the last frame kept overlaps
PRIMING_FRAMES = 1  # that ffmpeg's AAC encoder puts first
FADE_SAMPLES = 256  # 5.3 ms
TOLERANCE = ticks_of_milliseconds(1) // 2  # decimal notation cannot spell thirds of a second
SHORTEST_TAIL = Fraction(1, 2)  # seconds; what is shorter goes into the segment before
SLOWEST, FASTEST = 10, 120  # frames a second; beyond, the rules for tails do not hold

PART_SECONDS = Fraction(1, 2)  # a part has the whole frames that last so long at least
SHORTEST_PART = Fraction(1, 15)  # seconds of a segment's last part: three AAC frames, so that its sound has one

_FINE_TIMESCALE = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a source, in frames of the ladder's rate; `end` None: to the source's end."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Where the segments of a clip begin, and at last where the clip ends."""

    picture: tuple[int, ...]  # frames
    sound: tuple[int, ...]  # AAC frames; as many as `picture`
    others: tuple[tuple[int, ...], ...]  # AAC frames: the other lengths of each sound segment as the last of a visit
    picture_parts: tuple[tuple[int, ...], ...] = ()  # frames of each part of each segment; empty: there are no parts
    sound_marks: tuple[tuple[int, ...], ...] = ()  # AAC frames: where each part but the first begins in its segment

    def parts_of_picture(self, number: int, _: int) -> tuple[int, ...]:
        """Gives the frames of each part of a picture segment; empty: there are no parts."""
        return self.picture_parts[number] if self.picture_parts else ()

    def parts_of_sound(self, number: int, frames: int) -> tuple[int, ...]:
        """Gives the AAC frames of each part of a sound segment that has so many; empty: there are no parts."""
        if not self.sound_marks:
            return ()
        return tuple(after - before for before, after in pairwise((0, *self.sound_marks[number], frames)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A constant frame rate: `numerator`/`denominator` frames a second."""

    numerator: int
    denominator: int

    @property
    def frame(self) -> Ticks:
        """The length of a frame.

        Raises:
            ValueError: it is no whole number of ticks.
        """
        return ticks_of(self.denominator, self.numerator)

    @property
    def timescale(self) -> int:
        """Units a second of a picture track: 90,000 where a frame is a whole number of them."""
        if _FINE_TIMESCALE * self.denominator % self.numerator == 0:
            return _FINE_TIMESCALE
        # A picture never has the timescale of sound, by which the two are told apart.
        return self.numerator * 2 if self.numerator == AUDIO_SAMPLE_RATE else self.numerator

    @property
    def frame_units(self) -> int:
        """The length of a frame in units of `timescale`."""
        return self.timescale * self.denominator // self.numerator

    def per_segment(self, seconds: int) -> int:
        """Gives the frames of an ordinary segment: the whole number nearest to `seconds`."""
        return round_half_up(seconds * self.numerator, self.denominator)

    def seconds(self, frames: int) -> Fraction:
        """Gives the length of so many frames."""
        return Fraction(frames * self.denominator, self.numerator)


def nearest_frame(rate: Rate, instant: Ticks) -> int:
    """Gives the frame that begins nearest to an instant."""
    return round_half_up(instant, rate.frame)


def frame_at(rate: Rate, instant: Ticks) -> int | None:
    """Gives the frame that begins at an instant, or None where none begins within half a millisecond of it."""
    nearest = nearest_frame(rate, instant)
    return nearest if abs(nearest * rate.frame - instant) <= TOLERANCE else None


def frames_around(rate: Rate, instant: Ticks) -> tuple[str, str]:
    """Gives the instants, spelled in seconds, of the frames before and after one that begins no frame."""
    before = instant // rate.frame
    return _spelled(before * rate.frame), _spelled((before + 1) * rate.frame)


def _part_frames(rate: Rate) -> int:
    return -(-PART_SECONDS * rate.numerator // rate.denominator)


def _parts_of(frames: int, rate: Rate) -> tuple[int, ...]:
    """Gives the frames of each part of a picture segment of so many."""
    step = _part_frames(rate)
    parts = [min(step, frames - begin) for begin in range(0, frames, step)]
    shortest = -(-SHORTEST_PART * rate.numerator // rate.denominator)
    if len(parts) > 1 and parts[-1] < shortest:
        parts[-2:] = [parts[-2] + parts[-1] - shortest, shortest]
    return tuple(parts)


def cuts(frames: int, rate: Rate, segment_seconds: int, *, parts: bool = False) -> Cuts:
    """Gives the segments of a clip of so many frames, the same number for picture and sound; with `parts`, theirs.

    None is as long as `segment_seconds` and a half, so that none rounds above the Target Duration.

    Raises:
        ValueError: the clip is shorter than an ordinary segment.
    """
    step = rate.per_segment(segment_seconds)
    if frames < step:
        raise ValueError(f"{frames} frames are no whole segment of {step}")
    picture = [*range(0, frames, step), frames]
    tail = frames - picture[-2]
    if tail < frames and _goes_before(tail, step, rate, segment_seconds):
        del picture[-2]

    total, _ = sound_frames(frames, rate)
    grid = [_grid(frame, rate) for frame in picture[:-1]]
    if len(grid) > 1:
        while not _is_short_enough(total - grid[-1], segment_seconds):
            grid[-1] += 1
    sound = (*grid, total)
    others = tuple(
        tuple(length for length in _lengths(end, rate, begins) if length != ends - begins)
        for end, begins, ends in zip(picture[1:], sound[:-1], sound[1:], strict=True)
    )
    if not parts:
        return Cuts(picture=tuple(picture), sound=sound, others=others)
    picture_parts = tuple(_parts_of(after - before, rate) for before, after in pairwise(picture))
    return Cuts(
        picture=tuple(picture),
        sound=sound,
        others=others,
        picture_parts=picture_parts,
        sound_marks=tuple(tuple(_grid(end, rate) for end in [*accumulate(each)][:-1]) for each in picture_parts),
    )


def _lengths(end: int, rate: Rate, begins: int) -> tuple[int, ...]:
    """Gives the AAC frames from `begins` to the picture `end`, as both sides of the grid allow."""
    total, fits = sound_frames(end, rate)
    return (total - begins,) if fits else (total - 1 - begins, total - begins)


def sound_frames(frames: int, rate: Rate) -> tuple[int, bool]:
    """Gives the AAC frames that cover so many pictures, and whether they do so exactly."""
    samples = rate.seconds(frames) * AUDIO_SAMPLE_RATE
    total = -(-samples // AUDIO_FRAME_SAMPLES)
    return total, total * AUDIO_FRAME_SAMPLES == samples


def sample_at(frame: int, rate: Rate) -> int:
    """Gives the sound sample nearest to the start of a picture."""
    return round_half_up(frame * rate.frame * AUDIO_SAMPLE_RATE, TICKS_PER_SECOND)


def _goes_before(tail: int, step: int, rate: Rate, segment_seconds: int) -> bool:
    merged, _ = sound_frames(step + tail, rate)
    return rate.seconds(tail) < SHORTEST_TAIL and _is_short_enough(merged, segment_seconds)


def _is_short_enough(sound_frames: int, segment_seconds: int) -> bool:
    return 2 * sound_frames * AUDIO_FRAME_SAMPLES < (2 * segment_seconds + 1) * AUDIO_SAMPLE_RATE


def _grid(frame: int, rate: Rate) -> int:
    samples = rate.seconds(frame) * AUDIO_SAMPLE_RATE / AUDIO_FRAME_SAMPLES
    return round_half_up(samples.numerator, samples.denominator)


def _spelled(ticks: int) -> str:
    return f"{decimal_seconds(ticks, 3)}s"
