"""Media as they are sent: read from the library and moved to their place on the timeline."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from streamer.errors import LibraryError, NotFound
from streamer.library.filesystem import Library
from streamer.media.id3 import text_tag
from streamer.media.index import AUDIO_FRAME_SAMPLES, AUDIO_SAMPLE_RATE, Mark, Segment, audio_frames_at
from streamer.media.mp4 import part_of, shift_decode_time, with_event
from streamer.media.names import InitName, Namer, SegmentName
from streamer.units import TICKS_PER_SECOND, round_half_up, units_of

MARK_DESCRIPTION = "io.branchline.decision"  # of the TXXX frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file to send."""

    body: bytes
    media_type: str
    kind: str  # v: picture, a: sound, i: initialization section
    duration_ms: int = 0  # 0: it has none


def marked(body: bytes, mark: Mark, timescale: int) -> bytes:
    """Puts timed metadata into a segment; their time counts from the clip's start, as the segment's does.

    It is the nearest unit: an author may write times finer than a picture's timescale.
    """
    at, duration = (round_half_up(ticks * timescale, TICKS_PER_SECOND) for ticks in (mark.at, mark.duration))
    event = text_tag(MARK_DESCRIPTION, mark.value)
    return with_event(body, event, at, duration=duration, timescale=timescale, event_id=int(mark.id[:8], 16))


def _duration(name: SegmentName, segment: Segment) -> int:
    """Gives how long a segment, or its part, is, in units of its timescale."""
    if name.part is not None:
        return segment.parts[name.part]
    return name.frames * AUDIO_FRAME_SAMPLES or segment.duration


class Origin:
    """Gives segments by name; keeps those just sent, since viewers at the same place ask for the same."""

    def __init__(self, library: Library, namer: Namer, cache_bytes: int) -> None:
        self._library = library
        self._namer = namer
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[str, Media] = OrderedDict()
        self._cached_bytes = 0

    def read_name(self, name: str) -> SegmentName | InitName:
        """Verifies a name; no file is touched.

        Raises:
            NotFound: the name is not one that a playlist of ours could hold.
        """
        found = self._namer.read(name)
        if found is None:
            raise NotFound("there is no such segment")
        return found

    async def media(self, name: str) -> Media:
        """Gives what a name stands for.

        Raises:
            NotFound: the name does not verify, or its media are gone from the library.
        """
        cached = self._cached.get(name)
        if cached is not None:
            self._cached.move_to_end(name)
            return cached
        found = self.read_name(name)
        try:
            media = await (self._segment(found) if isinstance(found, SegmentName) else self._init(found))
        except LibraryError as error:
            raise NotFound("the segment is not in the library any more") from error
        self._keep(name, media)
        return media

    async def _init(self, name: InitName) -> Media:
        return Media(body=await self._library.read_init(name.init), media_type="video/mp4", kind="i")

    async def _segment(self, name: SegmentName) -> Media:
        body = await self._library.read_segment(name.clip, name.rendition, name.number, name.frames)
        rendition = (await self._library.read_clip(name.clip)).renditions[name.rendition]
        timescale = rendition.timescale
        if timescale == AUDIO_SAMPLE_RATE:
            units, media_type, kind = audio_frames_at(name.offset) * AUDIO_FRAME_SAMPLES, "audio/mp4", "a"
        else:
            units, media_type, kind = units_of(name.offset, timescale), "video/mp4", "v"
            if name.mark:
                body = marked(body, await self._library.read_mark(name.mark), timescale)
        if name.part is not None:
            body = part_of(body, name.part)
        duration_ms = round_half_up(_duration(name, rendition.segments[name.number]) * 1000, timescale)
        body = shift_decode_time(body, units)
        return Media(body=body, media_type=media_type, kind=kind, duration_ms=duration_ms)

    def _keep(self, name: str, media: Media) -> None:
        if len(media.body) > self._cache_bytes or name in self._cached:
            return
        self._cached[name] = media
        self._cached_bytes += len(media.body)
        while self._cached_bytes > self._cache_bytes:
            _, dropped = self._cached.popitem(last=False)
            self._cached_bytes -= len(dropped.body)
