"""From a timeline to playlists: which segments, named how, with which decisions beside them."""

from __future__ import annotations

import gzip
import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from streamer.hls import media_playlist, multivariant_playlist
from streamer.hls.attributes import packed
from streamer.hls.delivery import Skip
from streamer.hls.media_playlist import DateRange, MediaSegment, PartialSegment
from streamer.hls.multivariant_playlist import AudioTrack, MultivariantPlaylist, SessionData, VariantStream
from streamer.hls.zipped import Zipped
from streamer.media.index import (
    AUDIO_FRAME_SAMPLES,
    AUDIO_FRAME_TICKS,
    Mark,
    Package,
    Rendition,
    Segment,
    VideoRendition,
    audio_frames_at,
    segment_ticks,
)
from streamer.media.names import Namer, SegmentName
from streamer.pieces import Pieces
from streamer.session.pacing import may_be_cut
from streamer.session.timeline import Outcome, Placed, Stretch, Timeline
from streamer.story.labels import label
from streamer.story.model import Story, Text
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, round_half_up, ticks_of

# Program Date Time is a story clock, not the wall clock: one constant start, so that a playlist's bytes are the same
# for every viewer at the same place of the same path.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
STORY_DATA = "io.branchline.story"
TITLE_DATA = "io.branchline.title"
DELTA_LEVEL = 6  # of compression
TAG_BYTES = 12  # of a digest
ZIPPED_TAG = "-gzip"
PARTS_TARGET_DURATIONS = 3  # parts further from the end are not listed any more (RFC 8216bis, section 6.2.1)
DECISION_CLASS = "io.branchline.decision"
HOLD_CLASS = "io.branchline.hold"
RESULT_CLASS = "io.branchline.result"
DECISION_ATTRIBUTE = "X-IO-BRANCHLINE-DECISION"
HOLD_ATTRIBUTE = "X-IO-BRANCHLINE-HOLD"
RESULT_ATTRIBUTE = "X-IO-BRANCHLINE-RESULT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where media lie, as seen from a Media Playlist."""

    namer: Namer
    base: str = "../m/"  # in front of every name; "../m/" is below the session's own path


def renditions_of(package: Package) -> tuple[Rendition, ...]:
    """Gives all renditions, pictures first."""
    pictures: tuple[Rendition, ...] = package.video
    return (*pictures, package.audio)


def rendition_of(package: Package, rendition_id: str) -> Rendition | None:
    """Gives the rendition of that id, or None."""
    return next((found for found in renditions_of(package) if found.id == rendition_id), None)


# ── Media Playlists ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """In which of its forms a Media Playlist is sent."""

    skip: Skip = Skip.NO
    zipped: bool = False  # Content-Encoding: gzip
    start_ms: int | None = None  # EXT-X-START for who goes on elsewhere; None: the beginning
    has: int | None = None  # segments that the player has, as far as it said
    parts: int = 0  # of the newest segment, that are listed; 0: all of it


PLAIN = Form()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A Media Playlist as it is at one moment, ready to be sent."""

    body: bytes
    tag: str  # of exactly these bytes, wherever they are spelled: what an ETag has between its quotes
    over: bool  # it has ENDLIST, and never changes again


def _sent(body: bytes, form: Form) -> bytes:
    return gzip.compress(body, DELTA_LEVEL, mtime=0) if form.zipped else body


def _digest(*pieces: bytes) -> bytes:
    found = hashlib.blake2b(digest_size=TAG_BYTES)
    for piece in pieces:
        found.update(piece)
    return found.digest()


def _tag(form: Form, *pieces: bytes) -> str:
    """Gives the tag of a body that follows from these; compressed it is another one (RFC 9110, section 8.8.3.3)."""
    return _digest(*pieces).hex() + (ZIPPED_TAG if form.zipped else "")


def tag_of(body: bytes, *, zipped: bool = False) -> str:
    """Gives the tag of any body, and of what it is compressed to."""
    return _tag(Form(zipped=zipped), body)


class Rendered:
    """One rendition of one path, spelled and compressed segment by segment as the edge moves; what is spelled stays."""

    def __init__(self, timeline: Timeline, rendition: Rendition, addresses: Addresses) -> None:
        self._timeline = timeline
        self._rendition = rendition
        self._addresses = addresses
        self._map_uri = addresses.base + addresses.namer.init(rendition.init)
        self._pieces = Pieces([self._head(PLAIN)])
        self._ranges = Pieces[tuple[int, bytes]]()  # date ranges and the segments they are listed with
        self._digests = Pieces([b""])  # of all pieces up to each, but for the head
        self._zipped = Zipped()

    def following(self, timeline: Timeline) -> Rendered:
        """Gives the same rendition of a path that goes on from this one; nothing is spelled twice."""
        child = Rendered(timeline, self._rendition, self._addresses)
        child._pieces = self._pieces.first(timeline.parted + 1)
        child._ranges = self._ranges.first(bisect_left(self._ranges, timeline.parted, key=lambda found: found[0]))
        child._digests = self._digests.first(timeline.parted + 1)
        child._zipped = self._zipped.following(timeline.parted + 1)
        return child

    def version(self, edge: int, form: Form = PLAIN) -> Version:
        """Gives the playlist with the first `edge` segments, and ENDLIST with the last of a path that has ended."""
        self._spell(edge)
        over = self._is_over(edge, form)
        ends = media_playlist.ENDLIST if over else b""
        skipped = 0 if form.skip is Skip.NO or ends else self._skippable(edge)
        # video.js takes a delta with as many segments as it has for one without news (its isPlaylistUnchanged counts
        # before it merges), and stands still: a delta is sent only to who has more than it lists.
        if skipped and (form.has is None or edge - skipped < form.has):
            delta = self._delta(edge, skipped, form)
            return Version(body=_sent(delta, form), tag=_tag(form, delta), over=False)
        if self._in_parts:
            parted = self._parted(0, edge, form)
            head, end = self._head(form), b"".join((*self._listed(parted, edge, form), ends))
            body = _sent(b"".join((head, *self._pieces.between(1, parted + 1), end)), form)
            return Version(body=body, tag=_tag(form, head, self._digests[parted], end), over=over)
        head = self._head(form) if form.start_ms is not None else self._pieces[0]
        if form.zipped:
            body = self._zipped.joined(self._pieces, edge + 1, head, ends)
        else:
            body = b"".join((head, *self._pieces.between(1, edge + 1), ends))
        return Version(body=body, tag=_tag(form, head, self._digests[edge], ends), over=over)

    def _spell(self, edge: int) -> None:
        """Spells what is new, and takes the digest of it with those of what came before: a poll reads no list anew."""
        for number in range(len(self._pieces) - 1, edge):
            segment = self._segment(number)
            piece = media_playlist.write_segment(segment)
            self._pieces.append(piece)
            self._digests.append(_digest(self._digests[-1], piece))
            if segment.date_ranges:
                self._ranges.append((number, media_playlist.write_date_ranges(segment.date_ranges)))

    @property
    def _in_parts(self) -> bool:
        return self._timeline.stage.part_target_ms > 0 and not self._timeline.whole

    def _is_over(self, edge: int, form: Form) -> bool:
        return self._timeline.complete and edge == self._timeline.settled and not form.parts

    def _head(self, form: Form) -> bytes:
        start = media_playlist.START_OFFSET
        if form.start_ms is not None:
            start = f"{form.start_ms // 1000}.{form.start_ms % 1000:03d}"
        version = {
            Skip.NO: media_playlist.VERSION,
            Skip.SEGMENTS: media_playlist.SKIP_VERSION,
            Skip.SEGMENTS_AND_RANGES: media_playlist.SKIP_RANGES_VERSION,
        }[form.skip]
        target = self._timeline.stage.package.target_duration
        parts = self._timeline.stage.part_target_ms
        whole = self._timeline.whole
        return media_playlist.write_head(
            target, self._map_uri, start=start, version=version, part_target_ms=parts, whole=whole
        )

    def _skippable(self, edge: int) -> int:
        """Gives how many segments lie before the Skip Boundary, which is counted from the end of the list."""
        boundary = media_playlist.skip_until(self._timeline.stage.package.target_duration) * TICKS_PER_SECOND
        boundary += AUDIO_FRAME_TICKS  # sound may end so much earlier or later than the picture
        end = self._timeline.end_of(edge - 1)
        first = edge
        while first and self._timeline.end_of(first - 1) > end - boundary:
            first -= 1
        return first

    def _delta(self, edge: int, skipped: int, form: Form) -> bytes:
        """Spells a Playlist Delta Update.

        A date range is added with its segment and never again, so that those of skipped segments are the old ones,
        whatever the time is: version 2 leaves them out, version 1 does not.
        """
        ranges = form.skip is Skip.SEGMENTS_AND_RANGES
        before = 0 if ranges else bisect_left(self._ranges, skipped, key=lambda found: found[0])
        kept = (text for _, text in self._ranges.between(0, before))
        skip = media_playlist.write_skip(skipped, ranges=ranges)
        parted = self._parted(skipped, edge, form) if self._in_parts else edge
        known = self._pieces.between(skipped + 1, parted + 1)
        newest = self._listed(parted, edge, form) if self._in_parts else ()
        return b"".join((self._head(form), *kept, skip, *known, *newest))

    def _parted(self, first: int, edge: int, form: Form) -> int:
        """Gives the first segment, `first` or later, that is listed with its parts."""
        whole = edge - (form.parts > 0)
        target = self._timeline.stage.package.target_duration
        until = self._timeline.end_of(whole - 1) - PARTS_TARGET_DURATIONS * target * TICKS_PER_SECOND
        parted = edge
        while parted > first and self._timeline.end_of(parted - 1) > until:
            parted -= 1
        return parted

    def _listed(self, parted: int, edge: int, form: Form) -> Iterator[bytes]:
        """Spells the segments from `parted` on with their parts, then the next part and the other renditions."""
        package = self._timeline.stage.package
        timeline = self._timeline
        *known, newest = (self._segment(n, in_parts=not timeline.is_last(n)) for n in range(parted, edge))
        yield from map(media_playlist.write_segment, known)
        yield media_playlist.write_segment(newest, parts=form.parts)
        if self._is_over(edge, form):
            return
        if form.parts:
            yield media_playlist.write_hint(newest.parts[form.parts].uri)
        elif edge < timeline.listable and not timeline.is_last(edge) and not may_be_cut(timeline, edge):
            yield media_playlist.write_hint(self._segment(edge, in_parts=True).parts[0].uri)
        last = (form.parts or len(newest.parts)) - 1
        for rendition in renditions_of(package):
            if rendition.id != self._rendition.id:
                yield media_playlist.write_report(f"{rendition.id}.m3u8", edge - 1, last)

    def _segment(self, number: int, *, in_parts: bool = False) -> MediaSegment:
        stretch = self._timeline.stretch_at(number)
        index = number - stretch.first
        segment, frames = segment_at(stretch, index, self._rendition)
        mark = _mark(self._timeline, stretch, number) if isinstance(self._rendition, VideoRendition) else None
        name = SegmentName(
            clip=stretch.clip.id,
            rendition=self._rendition.id,
            number=index,
            offset=stretch.start,
            frames=frames,
            mark=mark.id if mark is not None else "",
        )
        base, namer = self._addresses.base, self._addresses.namer
        return MediaSegment(
            uri=base + namer.segment(name),
            duration=segment_ticks(segment, self._rendition.timescale),
            parts=tuple(
                PartialSegment(
                    uri=base + namer.segment(replace(name, part=part)),
                    duration=ticks_of(duration, self._rendition.timescale),
                    independent=part == 0 or not isinstance(self._rendition, VideoRendition),
                )
                for part, duration in enumerate(segment.parts)
            )
            if in_parts
            else (),
            starts=EPOCH if number == 0 else None,
            date_ranges=tuple(_date_ranges(self._timeline, stretch, number)),
        )


def _mark(timeline: Timeline, stretch: Stretch, number: int) -> Mark | None:
    """Gives the timed metadata of the decision that is asked as a segment is played."""
    opening = timeline.decision_opening_in(number)
    if opening is None:
        return None
    marks = timeline.stage.package.marks.get(opening[1].decision.id, ())
    return next(
        (each for each in marks if each.clip == stretch.clip.id and each.number == number - stretch.first), None
    )


def segment_at(stretch: Stretch, index: int, rendition: Rendition) -> tuple[Segment, int]:
    """Gives a segment of a stretch, and its AAC frames where it is a last one of another length than in the clip."""
    found = stretch.clip.renditions[rendition.id]
    if not found.others or index < len(stretch.ends) - 1:
        return found.segments[index], 0
    needed = (audio_frames_at(stretch.end) - audio_frames_at(stretch.start)) * AUDIO_FRAME_SAMPLES
    needed -= sum(segment.duration for segment in found.segments[:index])
    for other in found.others[index]:
        if other.duration == needed:
            return other, needed // AUDIO_FRAME_SAMPLES
    return found.segments[index], 0


def _date_ranges(timeline: Timeline, stretch: Stretch, number: int) -> Iterator[DateRange]:
    story = timeline.stage.story
    for outcome in timeline.outcomes_told_in(number):
        yield _result(story, outcome)
    if opening := timeline.decision_opening_in(number):
        yield _decision(timeline, *opening)
    if stretch.loop == 1 and stretch.first == number:
        yield _hold(story, timeline, stretch)


def _decision(timeline: Timeline, visit: int, placed: Placed) -> DateRange:
    story, decision = timeline.stage.story, placed.decision

    def told(text: Text) -> str:
        return label(story, placed.memory, text, timeline.language, private=False)

    value: dict[str, object] = {
        "v": 1,
        "story": story.id,
        "decision": decision.id,
        "visit": visit,
        "prompt": "" if decision.prompt is None else told(decision.prompt),
        "choices": [{"id": choice.id, "label": told(choice.label)} for choice in placed.choices],
        "default": placed.default,
        "opens": decimal_seconds(placed.opens, 3),
        "locks": decimal_seconds(placed.closes, 3),
        "join": decimal_seconds(placed.join, 3),
    }
    if decision.code_length:  # what is typed is not told
        value |= {"choices": [], "default": None, "input": {"type": "code", "length": decision.code_length}}
    return DateRange(
        id=f"{story.id}.{decision.id}.{visit}",
        kind=DECISION_CLASS,
        start=_date_of(placed.opens),
        duration=Ticks(placed.closes - placed.opens),
        name=DECISION_ATTRIBUTE,
        value=packed(value),
    )


def _hold(story: Story, timeline: Timeline, stretch: Stretch) -> DateRange:
    visit = timeline.visits[stretch.visit - 1]
    decision = visit.placed[-1].decision
    assert decision.hold is not None
    return DateRange(
        id=f"{story.id}.{decision.id}.{visit.number}.hold",
        kind=HOLD_CLASS,
        start=_date_of(stretch.start),
        duration=decision.hold.max,
        name=HOLD_ATTRIBUTE,
        value=packed({"v": 1, "decision": decision.id, "visit": visit.number}),
    )


def _result(story: Story, outcome: Outcome) -> DateRange:
    decision = outcome.placed.decision
    value = {"v": 1, "decision": decision.id, "visit": outcome.visit, "choice": outcome.choice, "by": outcome.by}
    return DateRange(
        id=f"{story.id}.{decision.id}.{outcome.visit}.result",
        kind=RESULT_CLASS,
        start=_date_of(outcome.placed.closes),
        duration=Ticks(0),
        name=RESULT_ATTRIBUTE,
        value=packed(value),
    )


def _date_of(moment: Ticks) -> datetime:
    return EPOCH + timedelta(microseconds=round_half_up(moment * 1_000_000, TICKS_PER_SECOND))


# ── Multivariant Playlists ───────────────────────────────────────────────────────────────────────────────────────


def multivariant(story: Story, package: Package, prefix: str) -> bytes:
    """Spells the Multivariant Playlist whose Media Playlists lie at `prefix`."""
    peak, average = package.bit_rates[package.audio.id]
    variants = []
    for rendition in package.video:
        own_peak, own_average = package.bit_rates[rendition.id]
        variants.append(
            VariantStream(
                uri=f"{prefix}{rendition.id}.m3u8",
                bandwidth=own_peak + peak,
                average_bandwidth=own_average + average,
                codecs=(rendition.codecs, package.audio.codecs),
                width=rendition.width,
                height=rendition.height,
                frame_rate=rendition.frame_rate,
            )
        )
    audio = package.audio
    track = AudioTrack(uri=f"{prefix}{audio.id}.m3u8", name=audio.name, language=None, channels=audio.channels)
    data = (
        SessionData(id=STORY_DATA, value=story.id),
        *(SessionData(id=TITLE_DATA, value=title, language=language) for language, title in story.title.items()),
    )
    return multivariant_playlist.write(MultivariantPlaylist(audio=track, variants=tuple(variants), data=data))
