"""A Media Playlist as a value, and as text (RFC 8216, section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from streamer.hls.attributes import attribute_list, quoted
from streamer.units import Ticks, decimal_seconds

MEDIA_TYPE = "application/vnd.apple.mpegurl"
# EXT-X-MAP outside I-frame playlists needs 6 (RFC 8216, section 7); a whole list needs no more.
VERSION = 6
SKIP_VERSION = 9  # EXT-X-SKIP (RFC 8216bis, section 8), in answers to those who ask for it
SKIP_RANGES_VERSION = 10  # its RECENTLY-REMOVED-DATERANGES
HOLD_BACK_TARGET_DURATIONS = 3  # PART-HOLD-BACK, which is to be three PART-TARGETs at least (section 4.4.3.8)
SKIP_TARGET_DURATIONS = 6  # CAN-SKIP-UNTIL: the least that is allowed (section 4.4.3.8)
# Shaka takes 0 for "not given" and starts at the edge; 0.01 is honoured by every player that reads the tag.
START_OFFSET = "0.01"


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """EXT-X-DATERANGE with one attribute of our own."""

    id: str  # ID
    kind: str  # CLASS
    start: datetime  # START-DATE
    duration: Ticks  # DURATION
    name: str  # of our own attribute, X-…
    value: str  # spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialSegment:
    """EXT-X-PART: a part of a Media Segment (RFC 8216bis, section 4.4.4.9)."""

    uri: str
    duration: Ticks  # DURATION
    independent: bool  # INDEPENDENT


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSegment:
    """A Media Segment and the tags that stand before it."""

    uri: str
    duration: Ticks  # EXTINF
    starts: datetime | None = None  # EXT-X-PROGRAM-DATE-TIME; None: follows from the segment before
    date_ranges: tuple[DateRange, ...] = ()
    parts: tuple[PartialSegment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """An EVENT playlist that starts at its first segment; it only ever grows."""

    target_duration: int  # EXT-X-TARGETDURATION, seconds
    map_uri: str  # EXT-X-MAP, one for all segments
    segments: tuple[MediaSegment, ...]
    ended: bool  # EXT-X-ENDLIST


def write(playlist: MediaPlaylist) -> bytes:
    """Spells a whole playlist."""
    return b"".join(
        (write_head(playlist.target_duration, playlist.map_uri), *map(write_segment, playlist.segments))
    ) + (ENDLIST if playlist.ended else b"")


ENDLIST = b"#EXT-X-ENDLIST\n"


def skip_until(target_duration: int) -> int:
    """Gives CAN-SKIP-UNTIL, in seconds."""
    return SKIP_TARGET_DURATIONS * target_duration


def write_skip(segments: int, *, ranges: bool) -> bytes:
    """Spells EXT-X-SKIP in place of so many segments; `ranges`: of their date ranges too, none of which was removed."""
    removed = ',RECENTLY-REMOVED-DATERANGES=""' if ranges else ""
    return f"#EXT-X-SKIP:SKIPPED-SEGMENTS={segments}{removed}\n".encode()


def write_hint(uri: str) -> bytes:
    """Spells EXT-X-PRELOAD-HINT for the part that comes next."""
    return f"#EXT-X-PRELOAD-HINT:TYPE=PART,URI={quoted(uri)}\n".encode()


def write_report(uri: str, segment: int, part: int) -> bytes:
    """Spells EXT-X-RENDITION-REPORT: the newest segment and part that another Media Playlist lists."""
    return f"#EXT-X-RENDITION-REPORT:URI={quoted(uri)},LAST-MSN={segment},LAST-PART={part}\n".encode()


def write_head(
    target_duration: int,
    map_uri: str,
    *,
    start: str = START_OFFSET,
    version: int = VERSION,
    part_target_ms: int = 0,
    whole: bool = False,
) -> bytes:
    """Spells what stands before the segments.

    `part_target_ms` 0: there are no parts; `whole`: the list has all its segments and ends.
    """
    if whole:
        return _head_of_all(target_duration, map_uri, start, version)
    control = f"CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={skip_until(target_duration)}.0,CAN-SKIP-DATERANGES=YES"
    # The server keeps the edge so far ahead of the viewer, parts or not: nobody is to catch up with it.
    control += f",PART-HOLD-BACK={HOLD_BACK_TARGET_DURATIONS * target_duration}.0" if part_target_ms else ""
    info = (f"#EXT-X-PART-INF:PART-TARGET={part_target_ms // 1000}.{part_target_ms % 1000:03d}",)
    lines = (
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        f"#EXT-X-TARGETDURATION:{target_duration}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        f"#EXT-X-SERVER-CONTROL:{control}",
        *(info if part_target_ms else ()),
        f"#EXT-X-START:TIME-OFFSET={start}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        f"#EXT-X-MAP:URI={quoted(map_uri)}",
    )
    return ("\n".join(lines) + "\n").encode()


def _head_of_all(target_duration: int, map_uri: str, start: str, version: int) -> bytes:
    begins = () if start == START_OFFSET else (f"#EXT-X-START:TIME-OFFSET={start}",)  # players begin at 0 by themselves
    lines = (
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        f"#EXT-X-TARGETDURATION:{target_duration}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        *begins,
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        f"#EXT-X-MAP:URI={quoted(map_uri)}",
    )
    return ("\n".join(lines) + "\n").encode()


def write_segment(segment: MediaSegment, *, parts: int = 0) -> bytes:
    """Spells one segment with its tags; with `parts`, only so many of its parts, for the rest is to come."""
    return ("\n".join(_segment_lines(segment, parts)) + "\n").encode()


def write_date_ranges(date_ranges: Iterable[DateRange]) -> bytes:
    """Spells date ranges alone."""
    return b"".join(f"{line}\n".encode() for line in _date_range_lines(date_ranges))


def _segment_lines(segment: MediaSegment, parts: int) -> Iterable[str]:
    if segment.starts is not None:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.starts)}"
    yield from _date_range_lines(segment.date_ranges)
    for part in segment.parts[: parts or None]:
        independent = ",INDEPENDENT=YES" if part.independent else ""
        yield f"#EXT-X-PART:DURATION={decimal_seconds(part.duration, 5)},URI={quoted(part.uri)}{independent}"
    if parts:
        return
    # Five decimals: sums over hours stay within a millisecond (RFC 8216bis, section 4.4.4.1).
    yield f"#EXTINF:{decimal_seconds(segment.duration, 5)},"
    yield segment.uri


def _date_range_lines(date_ranges: Iterable[DateRange]) -> Iterable[str]:
    for found in date_ranges:
        pairs = (
            ("ID", quoted(found.id)),
            ("CLASS", quoted(found.kind)),
            ("START-DATE", quoted(_date(found.start))),
            ("DURATION", decimal_seconds(found.duration, 3)),
            (found.name, found.value),
        )
        yield f"#EXT-X-DATERANGE:{attribute_list(pairs)}"


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
