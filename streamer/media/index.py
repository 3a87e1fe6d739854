"""What is known of packaged media: exact lengths, sizes and key frames, per clip and rendition."""

from __future__ import annotations

import msgspec

from streamer.units import TICKS_PER_SECOND, Ticks, round_half_up, ticks_of

AUDIO_FRAME_SAMPLES = 1024  # AAC-LC (ISO/IEC 14496-3); the grid that all sound lies on
AUDIO_SAMPLE_RATE = 48_000
AUDIO_FRAME_TICKS = Ticks(AUDIO_FRAME_SAMPLES * TICKS_PER_SECOND // AUDIO_SAMPLE_RATE)  # 15,052,800, exact


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Media Segment of one rendition of a clip."""

    duration: int  # in units of the rendition's timescale; exact
    size: int  # bytes
    sha256: str  # of the bytes, hex
    independent: bool  # the first sample is a key frame
    parts: tuple[int, ...] = ()  # lengths of its Partial Segments, in the same units; empty: it has none


class RenditionIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The segments of one rendition of one clip, in order."""

    timescale: int  # units a second; the same as its rendition's
    segments: tuple[Segment, ...]
    others: tuple[tuple[Segment, ...], ...] = ()  # sound only: other lengths of each segment as the last of a visit


class ClipIndex(msgspec.Struct, frozen=True, kw_only=True):
    """One clip: the footage of a scene, encoded in every rendition, with the same number of segments in each."""

    id: str  # 24 hex digits of the SHA-256 of the segments' digests
    frames: int  # of the picture
    duration: Ticks  # of the picture; the scene's length on every timeline
    renditions: dict[str, RenditionIndex]  # by rendition id


class VideoRendition(msgspec.Struct, frozen=True, kw_only=True, tag="video"):
    """A picture rendition as packaged."""

    id: str
    codecs: str  # RFC 6381, e.g. "avc1.64001f"
    timescale: int  # units a second in tfdt and durations
    init: str  # id of its Media Initialization Section: 24 hex digits of its SHA-256
    width: int
    height: int
    frame_rate: tuple[int, int]


class AudioRendition(msgspec.Struct, frozen=True, kw_only=True, tag="audio"):
    """A sound rendition as packaged."""

    id: str
    codecs: str  # e.g. "mp4a.40.2"
    timescale: int  # = sample rate
    init: str
    name: str
    channels: int


Rendition = VideoRendition | AudioRendition


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Timed metadata in the segment in which a decision opens: ids alone, so that no label renames a segment."""

    id: str  # 12 hex digits of the SHA-256 of the rest
    clip: str  # id
    number: int  # of the segment, within its clip
    at: Ticks  # from the clip's start
    duration: Ticks  # of the window
    value: str  # JSON


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a story with all its media: what a server needs to play it."""

    format: int  # of this document
    revision: str  # 16 hex digits of the SHA-256 of everything below
    story_id: str
    story_file: str  # its name, for messages
    story_text: str
    story: msgspec.Raw  # it, checked and ready to load: streamer.story.codec
    target_duration: int  # seconds; EXT-X-TARGETDURATION for the whole story
    video: tuple[VideoRendition, ...]
    audio: AudioRendition
    scenes: dict[str, tuple[ClipIndex, ...]]  # by scene id: of each of its takes
    holds: dict[str, ClipIndex] = {}  # by source: the loops that wait for an answer
    marks: dict[str, tuple[Mark, ...]] = {}  # by decision id: in each take of its scene
    bit_rates: dict[str, tuple[int, int]] = {}  # by rendition: peak and average bits a second, on any path
    pictures: dict[str, str] = {}  # by the name that the story gives: the file that it is stored as


def audio_frames_at(offset: Ticks) -> int:
    """Gives the grid position (in AAC frames from the start of the timeline) where the sound of a visit begins.

    The nearest one to the picture's start, so that sound is never more than half a frame off and the error
    never adds up.
    """
    return round_half_up(offset, AUDIO_FRAME_TICKS)


def part_target_ms(package: Package) -> int:
    """Gives PART-TARGET for the whole of a story; 0: no segment has parts."""
    picture = package.video[0]
    clips = (*(clip for clips in package.scenes.values() for clip in clips), *package.holds.values())
    segments = (segment for clip in clips for segment in clip.renditions[picture.id].segments)
    longest = max((length for segment in segments for length in segment.parts), default=0)
    return part_target_of(ticks_of(longest, picture.timescale)) if longest else 0


def part_target_of(longest: Ticks) -> int:
    """Gives PART-TARGET, in milliseconds, from the length of an ordinary part of the picture.

    Every part but a segment's last lasts 0.85 to 1 times as long (RFC 8216bis, section 4.4.4.9), those of the sound
    among them, whose ends lie up to half an AAC frame aside.
    """
    return (longest - AUDIO_FRAME_TICKS) * 1000 * 100 // (85 * TICKS_PER_SECOND)


def segment_ticks(segment: Segment, timescale: int) -> Ticks:
    """Gives the exact length of a segment."""
    return ticks_of(segment.duration, timescale)
