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
class MediaSegment:
    """A Media Segment and the tags that stand before it."""

    uri: str
    duration: Ticks  # EXTINF
    starts: datetime | None = None  # EXT-X-PROGRAM-DATE-TIME; None: follows from the segment before
    date_ranges: tuple[DateRange, ...] = ()


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


def write_head(target_duration: int, map_uri: str, *, start: str = START_OFFSET, version: int = VERSION) -> bytes:
    """Spells what stands before the segments."""
    control = f"CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={skip_until(target_duration)}.0,CAN-SKIP-DATERANGES=YES"
    lines = (
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        f"#EXT-X-TARGETDURATION:{target_duration}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        f"#EXT-X-SERVER-CONTROL:{control}",
        f"#EXT-X-START:TIME-OFFSET={start}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        f"#EXT-X-MAP:URI={quoted(map_uri)}",
    )
    return ("\n".join(lines) + "\n").encode()


def write_segment(segment: MediaSegment) -> bytes:
    """Spells one segment with its tags."""
    return ("\n".join(_segment_lines(segment)) + "\n").encode()


def write_date_ranges(date_ranges: Iterable[DateRange]) -> bytes:
    """Spells date ranges alone."""
    return b"".join(f"{line}\n".encode() for line in _date_range_lines(date_ranges))


def _segment_lines(segment: MediaSegment) -> Iterable[str]:
    if segment.starts is not None:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.starts)}"
    yield from _date_range_lines(segment.date_ranges)
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
