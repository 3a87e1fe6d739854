"""Asks ffprobe what a source file holds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec

from streamer.errors import PackagingError
from streamer.packager.process import run
from streamer.packager.tools import Tools

_ROUNDED = Fraction(1, 100)  # that an average over a short file may be off
_TIMEOUT_SECONDS = 60  # of one look at a file's headers; a hanging network mount must not hang us


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of a source file before it is decoded."""

    path: Path  # absolute
    picture: int  # stream number
    sound: int | None  # stream number; None: silent
    picture_seconds: Fraction | None  # as the file says; None: it does not
    seconds: Fraction | None  # of the whole file, likewise
    height: int  # pixels
    has_color_space: bool  # the file names its colour matrix
    frame_rate: Fraction | None = None  # frames a second; None: it is not known, or changes


class _Stream(msgspec.Struct, frozen=True):
    index: int
    codec_type: str = ""
    height: int = 0
    duration: str = ""
    color_space: str = ""
    r_frame_rate: str = ""
    avg_frame_rate: str = ""
    disposition: dict[str, int] = {}
    tags: dict[str, str] = {}


class _Format(msgspec.Struct, frozen=True):
    duration: str = ""


class _Answer(msgspec.Struct, frozen=True):
    streams: tuple[_Stream, ...] = ()
    format: _Format = _Format()


async def probe(path: Path, where: str, tools: Tools) -> Source:
    """Gives what a source file holds; `path` is absolute, `where` is who shows it, for messages.

    Raises:
        PackagingError: the file cannot be read as video.
    """
    about = f"{path}, the footage of {where},"
    arguments = ("-v", "error", "-print_format", "json", "-show_format", "-show_streams", str(path))
    try:
        finished = await run([tools.ffprobe, *arguments], timeout_seconds=_TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise PackagingError(f"{about} was not read within {_TIMEOUT_SECONDS} s. Copy it to a local disk") from error
    except OSError as error:
        raise PackagingError(f"{tools.ffprobe} cannot be run: {error.strerror}. Install ffmpeg again") from error
    try:
        answer = msgspec.json.decode(finished.output, type=_Answer)
    except msgspec.DecodeError:
        answer = _Answer()
    if finished.code != 0 or not answer.streams:
        said = finished.complaints.splitlines()[-1:] or ["it holds no streams"]
        raise PackagingError(f"{about} is no video that ffmpeg can read ({said[0].strip()}). Export it again")

    pictures = [s for s in answer.streams if s.codec_type == "video" and not s.disposition.get("attached_pic")]
    if not pictures:
        raise PackagingError(f"{about} holds no picture. Export it with its video track")
    sounds = [s for s in answer.streams if s.codec_type == "audio"]
    return Source(
        path=path,
        picture=pictures[0].index,
        sound=sounds[0].index if sounds else None,
        picture_seconds=_seconds(pictures[0].duration) or _clock(pictures[0].tags.get("DURATION", "")),
        seconds=_seconds(answer.format.duration),
        height=pictures[0].height,
        has_color_space=pictures[0].color_space not in {"", "unknown"},
        frame_rate=_frame_rate(pictures[0].r_frame_rate, pictures[0].avg_frame_rate),
    )


def _frame_rate(least: str, average: str) -> Fraction | None:
    """Gives the frame rate from the one that fits all times of a stream, and from the one it has on the whole.

    They are the same but for rounding, and but for fields that are counted as frames.
    """
    try:
        exact, usual = Fraction(least), Fraction(average)
    except (ValueError, ZeroDivisionError):  # "0/0"
        return None
    if usual and abs(exact / usual - 1) <= _ROUNDED:
        return exact
    return exact / 2 if usual and abs(exact / usual - 2) <= _ROUNDED else None


def _seconds(text: str) -> Fraction | None:
    try:
        seconds = Fraction(text)
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _clock(text: str) -> Fraction | None:
    """Reads Matroska's 00:01:02.640000000."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        return None
