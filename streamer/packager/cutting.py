"""From what ffmpeg made to a clip's files: pictures cut by counting, sound by whole AAC frames."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from streamer.errors import PackagingError
from streamer.library.filesystem import segment_file, write_durably
from streamer.media.index import AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE, ClipIndex, RenditionIndex, Segment
from streamer.media.mp4 import BoxError, Sample, read_samples, write_segment
from streamer.packager.plan import FADE_SAMPLES, POSTROLL_FRAMES, PREROLL_FRAMES, PRIMING_FRAMES, Cuts, Rate
from streamer.units import Ticks, round_half_up

_FEED_SAMPLES = 48_000  # given to the encoder at once
_ECHO_FRAMES = 2  # a source's sound that ends so near to the clip's end ends with it
_SAMPLE_BYTES = 2  # s16le
_OTHER = "Try another version of ffmpeg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A clip to cut out of a decoded source."""

    where: str  # who shows it, for messages: "scene 'a'"
    start: int  # frame of the source
    cuts: Cuts
    folder: Path  # where its files go
    loops: bool = False  # its end is followed by its beginning


class Sound:
    """The decoded sound of a source, as signed 16-bit samples in a file; silence before and after it."""

    def __init__(self, path: Path | None, channels: int) -> None:
        """`path` None: a source without sound."""
        self._path = path
        self._frame_bytes = _SAMPLE_BYTES * channels

    def fed_in_circles(self, samples: int, frames: int) -> Iterator[bytes]:
        """Gives what the encoder needs for so many AAC frames of a loop of so many samples: it goes round and round."""
        position = -PREROLL_FRAMES * AUDIO_FRAME_SAMPLES
        last = (frames + POSTROLL_FRAMES) * AUDIO_FRAME_SAMPLES
        while position < last:
            place = position % samples
            length = min(samples - place, last - position, _FEED_SAMPLES)
            yield self._slice(place, place + length)
            position += length

    def fed(self, start: int, frames: int) -> Iterator[bytes]:
        """Gives what the encoder needs for a clip of so many AAC frames from the sample `start` on.

        That is a pre-roll, the clip and a post-roll, all of them the source's own. A clip that begins where the
        source does has silence before it and is faded in, or it would begin with a click. One that ends where the
        source does goes on with the source's end in reverse: it may be heard for up to a frame, on a timeline where
        the next scene's sound begins late, and a hole would be heard more.
        """
        first = start - PREROLL_FRAMES * AUDIO_FRAME_SAMPLES
        last = start + (frames + POSTROLL_FRAMES) * AUDIO_FRAME_SAMPLES
        end = self._path.stat().st_size // self._frame_bytes if self._path is not None else 0
        ends_together = last - (POSTROLL_FRAMES + _ECHO_FRAMES) * AUDIO_FRAME_SAMPLES < end < last
        for position in range(first, last, _FEED_SAMPLES):
            stop = min(position + _FEED_SAMPLES, last)
            piece = self._slice(position, stop)
            if ends_together and stop > end:
                piece = self._echoed(piece, stop, end)
            if start == 0 and position == first:
                piece = self._faded(piece, PREROLL_FRAMES * AUDIO_FRAME_SAMPLES)
            yield piece

    def _slice(self, start: int, stop: int) -> bytes:
        before = max(-start, 0)
        data = b""
        if self._path is not None:
            with self._path.open("rb") as file:
                file.seek((start + before) * self._frame_bytes)
                data = file.read((stop - start - before) * self._frame_bytes)
        return (bytes(before * self._frame_bytes) + data).ljust((stop - start) * self._frame_bytes, b"\0")

    def _echoed(self, piece: bytes, stop: int, end: int) -> bytes:
        """Fills the silence after the source's last sample `end` with what comes before it, in reverse."""
        silent = min(stop - end, len(piece) // self._frame_bytes)
        begins = stop - silent  # within the piece, or the piece begins after the end
        mirrored = self._slice(2 * end - stop, 2 * end - begins)
        width = self._frame_bytes
        reverse = b"".join(mirrored[at : at + width] for at in range(len(mirrored) - width, -1, -width))
        return piece[: len(piece) - silent * width] + reverse

    def _faded(self, piece: bytes, silent: int) -> bytes:
        channels = self._frame_bytes // _SAMPLE_BYTES
        values = array("h", piece)
        for number in range(FADE_SAMPLES * channels):
            place = silent * channels + number
            values[place] = values[place] * (number // channels) // FADE_SAMPLES
        return values.tobytes()


def count_frames(path: Path) -> int:
    """Gives the number of samples in a file that ffmpeg made."""
    with path.open("rb") as file:
        _, samples = read_samples(file.read)
        return sum(1 for _ in samples)


def cut_picture(path: Path, rendition: str, rate: Rate, parts: Sequence[Part]) -> tuple[bytes, list[RenditionIndex]]:
    """Cuts the clips out of one picture rendition of a source, in one reading.

    Gives the initialization section and each part's index.

    Raises:
        PackagingError: ffmpeg made something else than it was asked for.
        OSError: a file cannot be written.
    """
    cutters = [
        _Cutter(part, rendition, part.cuts.picture, (), rate.frame_units, rate.timescale, part.cuts.parts_of_picture)
        for part in parts
    ]
    try:
        with path.open("rb") as file:
            init, samples = read_samples(file.read)
            for frame, sample in enumerate(samples):
                for cutter in cutters:
                    if 0 <= frame - cutter.part.start < cutter.part.cuts.picture[-1]:
                        cutter.take(sample)
    except BoxError as error:
        raise PackagingError(f"ffmpeg wrote a file that cannot be read ({error}). {_OTHER}") from error
    return init, [cutter.finished() for cutter in cutters]


def cut_sound(path: Path, rendition: str, part: Part) -> tuple[bytes, RenditionIndex]:
    """Cuts a clip's sound out of its encoding with pre-roll and post-roll.

    Raises:
        PackagingError: ffmpeg made something else than it was asked for.
        OSError: a file cannot be written.
    """
    total = part.cuts.sound[-1]
    cutter = _Cutter(
        part,
        rendition,
        part.cuts.sound,
        part.cuts.others,
        AUDIO_FRAME_SAMPLES,
        AUDIO_SAMPLE_RATE,
        part.cuts.parts_of_sound,
    )
    skipped = PRIMING_FRAMES + PREROLL_FRAMES
    count = 0
    try:
        with path.open("rb") as file:
            init, samples = read_samples(file.read)
            for sample in samples:
                if skipped <= count < skipped + total:
                    cutter.take(sample)
                count += 1
    except BoxError as error:
        raise PackagingError(f"ffmpeg wrote a file that cannot be read ({error}). {_OTHER}") from error
    expected = skipped + total + POSTROLL_FRAMES
    if count != expected:
        raise PackagingError(f"{part.where}: ffmpeg made {count} frames of sound where {expected} belong. {_OTHER}")
    return init, cutter.finished()


def clip_of(frames: int, rate: Rate, renditions: dict[str, RenditionIndex]) -> ClipIndex:
    """Gives the index of a clip, named by its content."""
    digest = hashlib.sha256()
    for name, rendition in renditions.items():
        for segment in (*rendition.segments, *chain.from_iterable(rendition.others)):
            digest.update(f"{name} {rendition.timescale} {segment.duration} {segment.sha256}\n".encode())
    return ClipIndex(
        id=digest.hexdigest()[:24],
        frames=frames,
        duration=Ticks(rate.frame * frames),
        renditions=renditions,
    )


def check_lengths(where: str, index: ClipIndex, target_duration: int) -> None:
    """Refuses segments that RFC 8216, 4.3.3.1 does not allow.

    Raises:
        PackagingError: one rounds to more than the Target Duration.
    """
    for name, rendition in index.renditions.items():
        for segment in rendition.segments:
            if round_half_up(segment.duration, rendition.timescale) > target_duration:
                raise PackagingError(
                    f"{where}: {name}: a segment of {segment.duration}/{rendition.timescale} s is longer than "
                    f"the Target Duration of {target_duration} s. Choose a frame rate that fits the segment length"
                )


def digest_of(path: Path) -> str:
    """Gives the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Cutter:
    """Gathers samples into segments and writes each when it is whole."""

    def __init__(  # noqa: PLR0917 - a clip's rendition, and the units it is counted in
        self,
        part: Part,
        rendition: str,
        bounds: tuple[int, ...],
        others: tuple[tuple[int, ...], ...],
        sample_units: int,
        timescale: int,
        parts_of: Callable[[int, int], tuple[int, ...]],
    ) -> None:
        self.part = part
        self._rendition = rendition
        self._bounds = bounds
        self._others = others
        self._sample_units = sample_units
        self._timescale = timescale
        self._parts_of = parts_of
        self._taken = 0
        self._gathered: list[Sample] = []
        self._segments: list[Segment] = []
        self._before: list[Sample] = []  # the segment before the one being gathered
        self._made: dict[tuple[int, int], Segment] = {}  # other lengths, by number and length

    def take(self, sample: Sample) -> None:
        if sample.duration != self._sample_units or sample.composition_offset:
            raise PackagingError(
                f"{self.part.where}: {self._rendition}: frame {self._taken} lasts {sample.duration}/"
                f"{self._timescale} s, {sample.composition_offset} late, where {self._sample_units}, 0 belong. {_OTHER}"
            )
        if not self._gathered and not sample.is_sync:
            raise PackagingError(f"{self.part.where}: {self._rendition}: no key frame at frame {self._taken}. {_OTHER}")
        self._gathered.append(sample)
        self._taken += 1
        number = len(self._segments)
        if (
            number
            and self._others
            and len(self._before) + len(self._gathered) <= max(self._others[number - 1], default=0)
        ):
            self._make_other(number - 1, [*self._before, *self._gathered])
        if self._taken == self._bounds[number + 1]:
            for length in self._others[number] if self._others else ():
                if length < len(self._gathered):
                    self._make_other(number, self._gathered[:length])
            self._segments.append(self._written(number, self._gathered))
            self._before, self._gathered = self._gathered, []

    def _make_other(self, number: int, samples: Sequence[Sample]) -> None:
        if len(samples) in self._others[number]:
            self._made[number, len(samples)] = self._written(number, samples, other=True)

    def finished(self) -> RenditionIndex:
        if self._taken != self._bounds[-1]:
            raise PackagingError(
                f"{self.part.where}: {self._rendition}: ffmpeg made {self._taken} frames where "
                f"{self._bounds[-1]} belong. {_OTHER}"
            )
        others = tuple(
            tuple(self._made[number, length] for length in lengths) for number, lengths in enumerate(self._others)
        )
        return RenditionIndex(timescale=self._timescale, segments=tuple(self._segments), others=others)

    def _written(self, number: int, samples: Sequence[Sample], *, other: bool = False) -> Segment:
        parts = self._parts_of(number, len(samples))
        data = write_segment(samples, self._bounds[number] * self._sample_units, number + 1, parts)
        write_durably(self.part.folder / segment_file(self._rendition, number, len(samples) if other else 0), data)
        return Segment(
            duration=len(samples) * self._sample_units,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            independent=samples[0].is_sync,
            parts=tuple(count * self._sample_units for count in parts),
        )
