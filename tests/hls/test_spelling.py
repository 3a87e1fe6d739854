"""How values are spelled."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamer.hls import media_playlist
from streamer.hls.attributes import packed, quoted
from streamer.hls.delivery import DirectiveError, Directives, Skip, read_directives
from streamer.hls.media_playlist import MediaPlaylist, MediaSegment
from streamer.hls.multivariant_playlist import AudioTrack, MultivariantPlaylist, VariantStream, write
from streamer.units import Ticks
from tests.builders import seconds
from tests.readers import read_media, read_multivariant


def test_a_quoted_string_holds_no_quote_and_no_control_character() -> None:
    assert quoted('say "no"\r\n\tnow\u200b') == "\"say 'no'now\""
    assert quoted("e\u0301") == '"é"'


def test_packed_values_hold_no_character_that_a_quoted_string_may_not() -> None:
    assert packed({"a": '"\n'}) == '"eyJhIjoiXCJcbiJ9"'


def test_a_whole_playlist_is_its_head_its_segments_and_its_end() -> None:
    segments = tuple(
        MediaSegment(uri=f"{n}.m4s", duration=seconds(2), starts=datetime(2020, 1, 1, tzinfo=UTC) if n == 0 else None)
        for n in range(3)
    )
    text = media_playlist.write(
        MediaPlaylist(target_duration=2, map_uri="init.mp4", segments=segments, ended=True)
    ).decode()

    read = read_media(text)
    assert read.uris == ("0.m4s", "1.m4s", "2.m4s")
    assert read.ended
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:6\n")
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_durations_have_five_decimals_from_whole_ticks() -> None:
    line = media_playlist.write_segment(MediaSegment(uri="x", duration=Ticks(15_052_800 * 94))).decode()

    assert line == "#EXTINF:2.00533,\nx\n"


def test_sound_may_say_its_language() -> None:
    variant = VariantStream(
        uri="v.m3u8",
        bandwidth=2,
        average_bandwidth=1,
        codecs=("avc1.64001f",),
        width=2,
        height=2,
        frame_rate=(24000, 1001),
    )
    audio = AudioTrack(uri="a.m3u8", name="Sound", language="sv", channels=2)

    text = write(MultivariantPlaylist(audio=audio, variants=(variant,))).decode()

    assert 'LANGUAGE="sv"' in text
    assert "FRAME-RATE=23.976" in text
    assert read_multivariant(text).media[0].language == "sv"


def test_directives_are_read_and_others_ignored() -> None:
    assert read_directives({}) == Directives()
    assert read_directives({"_HLS_msn": "7", "_HLS_part": "2", "_HLS_skip": "YES", "CMCD": "x"}) == Directives(
        segments=8, parts=3, skip=Skip.SEGMENTS
    )
    assert read_directives({"_HLS_skip": "v2"}) == Directives(skip=Skip.SEGMENTS_AND_RANGES)
    assert read_directives({"_HLS_skip": "v3"}) == Directives()


@pytest.mark.parametrize("query", [{"_HLS_msn": ""}, {"_HLS_msn": "\u0661"}, {"_HLS_msn": "-1"}, {"_HLS_part": "1"}])
def test_directives_that_make_no_sense_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(DirectiveError):
        read_directives(query)
