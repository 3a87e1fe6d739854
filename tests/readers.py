"""Reads playlists with two independent parsers, and says what they agree on."""

from __future__ import annotations

from dataclasses import dataclass

import m3u8
from streamlink.stream.hls.m3u8 import M3U8 as SecondPlaylist  # noqa: N811 - a class with a name all in capitals
from streamlink.stream.hls.m3u8 import parse_m3u8
from streamlink.stream.hls.segment import HLSPlaylist as StreamlinkedVariant
from streamlink.stream.hls.segment import HLSSegment


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What both parsers found in a Media Playlist."""

    uris: tuple[str, ...]
    durations: tuple[float, ...]
    target_duration: int
    ended: bool
    ranges: tuple[str, ...]  # IDs of EXT-X-DATERANGE


def read_media(text: str) -> Read:
    """Reads a Media Playlist with m3u8 and with streamlink's parser; fails where they differ."""
    first = m3u8.loads(text)
    second: SecondPlaylist[HLSSegment, StreamlinkedVariant] = parse_m3u8(text, base_uri="http://test/s/x/1/v0.m3u8")
    assert first.target_duration == second.targetduration
    assert first.is_endlist == second.is_endlist
    assert first.media_sequence == second.media_sequence == 0
    kind = (first.playlist_type or "").upper()
    assert kind == second.playlist_type
    assert kind == "EVENT" or (kind == "VOD" and first.is_endlist)
    whole = [segment for segment in first.segments if segment.uri]  # one of which only parts are listed has none yet
    durations = tuple(segment.duration or 0.0 for segment in whole)
    assert durations == tuple(segment.duration for segment in second.segments)
    assert len(whole) == len(second.segments)
    for one, other in zip(whole, second.segments, strict=True):
        assert other.uri.endswith((one.uri or "nothing").rpartition("/")[2])
        assert one.discontinuity is other.discontinuity is False
    holders = [holder for segment in first.segments for holder in (*segment.parts, segment)]
    ranges = tuple(found.id for holder in holders for found in holder.dateranges)
    assert sorted(ranges) == sorted(str(found.id) for found in second.dateranges)
    return Read(
        uris=tuple(segment.uri or "" for segment in whole),
        durations=durations,
        target_duration=int(first.target_duration or 0),
        ended=bool(first.is_endlist),
        ranges=ranges,
    )


def read_multivariant(text: str) -> m3u8.M3U8:
    """Reads a Multivariant Playlist with both parsers; fails where they differ."""
    first = m3u8.loads(text)
    second: SecondPlaylist[HLSSegment, StreamlinkedVariant] = parse_m3u8(text, base_uri="http://test/play/test.m3u8")
    assert first.is_variant
    assert second.is_master
    # The second parser rounds rates and counts renditions of sound among the streams: compare what both keep.
    ours = {variant.uri or "": variant.stream_info.resolution for variant in first.playlists}
    theirs = {found.uri: found.stream_info for found in second.playlists}
    for uri, resolution in ours.items():
        info = next(info for address, info in theirs.items() if address.endswith(uri.lstrip("./")))
        assert info.resolution is not None
        assert tuple(info.resolution) == resolution
    return first
