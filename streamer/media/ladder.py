"""The ladder: which renditions every clip of a story is encoded in."""

from __future__ import annotations

import msgspec


class VideoRung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One picture rendition to make."""

    id: str  # e.g. "v0"; part of segment names: [a-z0-9]{1,8}
    width: int  # pixels
    height: int  # pixels
    bitrate_kbps: int  # average asked of the encoder
    max_bitrate_kbps: int  # peak, by the encoder's rate buffer
    level: str  # of H.264, e.g. "3.1": the same for every clip


class AudioRung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sound rendition to make; always 48,000 samples a second, AAC-LC."""

    id: str  # e.g. "a0"
    name: str  # EXT-X-MEDIA NAME
    channels: int
    bitrate_kbps: int


class Ladder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All renditions of a story and what they share."""

    video: tuple[VideoRung, ...]
    audio: AudioRung
    frame_rate: tuple[int, int]  # numerator, denominator; the same for the whole story
    segment_seconds: int  # nominal length of a Media Segment; also the Target Duration
    preset: str  # of x264


# H.264 (ISO/IEC 14496-10), table A-1: macroblocks a second, at most, of the levels a rung may be raised to.
_LEVELS = (("3.1", 108_000), ("3.2", 216_000), ("4.0", 245_760), ("4.2", 522_240), ("5.1", 983_040), ("5.2", 2_073_600))
_MACROBLOCK = 16  # pixels, square


def at_rate(ladder: Ladder, frame_rate: tuple[int, int]) -> Ladder:
    """Gives a ladder at another frame rate, the levels of its rungs raised where that needs it."""
    return msgspec.structs.replace(
        ladder, frame_rate=frame_rate, video=tuple(_at_rate(rung, frame_rate) for rung in ladder.video)
    )


def _at_rate(rung: VideoRung, frame_rate: tuple[int, int]) -> VideoRung:
    blocks = -(-rung.width // _MACROBLOCK) * -(-rung.height // _MACROBLOCK)
    enough = next((level for level, most in _LEVELS if blocks * frame_rate[0] <= most * frame_rate[1]), _LEVELS[-1][0])
    return msgspec.structs.replace(rung, level=max(rung.level, enough, key=float))


DEFAULT_LADDER = Ladder(
    video=(
        VideoRung(id="v0", width=640, height=360, bitrate_kbps=600, max_bitrate_kbps=900, level="3.1"),
        VideoRung(id="v1", width=960, height=540, bitrate_kbps=1200, max_bitrate_kbps=1800, level="3.1"),
        VideoRung(id="v2", width=1280, height=720, bitrate_kbps=2400, max_bitrate_kbps=3600, level="3.1"),
    ),
    audio=AudioRung(id="a0", name="Sound", channels=2, bitrate_kbps=128),
    frame_rate=(25, 1),
    segment_seconds=2,
    preset="veryfast",
)
