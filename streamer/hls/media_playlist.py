"""A Media Playlist as a value, and as text (RFC 8216, section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from streamer.hls.attributes import attribute_list, quoted
from streamer.units import Ticks, decimal_seconds

MEDIA_TYPE = "application/vnd.apple.mpegurl"
# EXT-X-MAP outside I-frame playlists needs 6 (RFC 8216, section 7); nothing here needs more.
VERSION = 6
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


def write_head(target_duration: int, map_uri: str) -> bytes:
    """Spells what stands before the segments."""
    lines = (
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target_duration}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES",
        f"#EXT-X-START:TIME-OFFSET={START_OFFSET}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        f"#EXT-X-MAP:URI={quoted(map_uri)}",
    )
    return ("\n".join(lines) + "\n").encode()


def write_segment(segment: MediaSegment) -> bytes:
    """Spells one segment with its tags."""
    return ("\n".join(_segment_lines(segment)) + "\n").encode()


def _segment_lines(segment: MediaSegment) -> Iterable[str]:
    if segment.starts is not None:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.starts)}"
    for found in segment.date_ranges:
        pairs = (
            ("ID", quoted(found.id)),
            ("CLASS", quoted(found.kind)),
            ("START-DATE", quoted(_date(found.start))),
            ("DURATION", decimal_seconds(found.duration, 3)),
            (found.name, found.value),
        )
        yield f"#EXT-X-DATERANGE:{attribute_list(pairs)}"
    # Five decimals: sums over hours stay within a millisecond (RFC 8216bis, section 4.4.4.1).
    yield f"#EXTINF:{decimal_seconds(segment.duration, 5)},"
    yield segment.uri


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
