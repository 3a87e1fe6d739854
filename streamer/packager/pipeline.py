"""Packages a story: decodes each source once, cuts its clips, and publishes the story when all are there."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import shutil
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import msgspec

from streamer.errors import LibraryError, PackagingError, StoryError
from streamer.library.filesystem import PACKAGE_FORMAT, Encoded, Library, SourceHash, revision_of
from streamer.media.index import (
    AudioRendition,
    ClipIndex,
    Mark,
    Package,
    RenditionIndex,
    VideoRendition,
    segment_ticks,
)
from streamer.media.ladder import Ladder, at_rate
from streamer.media.mp4 import codecs_of, timescale_of
from streamer.packager import commands, slates
from streamer.packager.cutting import (
    Part,
    Sound,
    check_lengths,
    clip_of,
    count_frames,
    cut_picture,
    cut_sound,
    digest_of,
)
from streamer.packager.plan import (
    FASTEST,
    SLOWEST,
    Rate,
    Span,
    cuts,
    frame_at,
    frames_around,
    nearest_frame,
    sample_at,
)
from streamer.packager.probe import Source, probe
from streamer.packager.process import Finished, run
from streamer.packager.rates import is_fit, rate_of_all, told
from streamer.packager.slates import Use, where_of
from streamer.packager.tools import Tools
from streamer.rates import bit_rates
from streamer.story import lint
from streamer.story.codec import compiled
from streamer.story.model import Decision, Media, Story, hold_sources, instant_within, pictures_of
from streamer.units import Ticks, decimal_seconds

FORMAT = 2  # of what this packager makes; another one encodes everything anew
CONCURRENT_DECODES = 2  # each has one thread for every rendition, and those of the decoder
MAX_PICTURE_BYTES = 4 * 1024 * 1024  # of a poster or a choice's picture: pages show them beside the video
WHOLE = Span(start=0, end=None)
FOOTAGE = "footage"  # the folder beside the story file
_END_TOLERANCE = Fraction(1, 2)  # seconds that a picture may end before the length its file claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the work on one source is."""

    stage: str  # "waiting", "reading", "encoding", "cutting" or "ready"; of slates "drawing" or "ready"
    source: str  # asset; of "waiting": the library; SLATES: all of them
    done: float  # seconds of media
    total: float  # seconds of media


OnProgress = Callable[[Progress], None]
SLATES = "slates"  # the source that progress on slates is told as


def _unheard(_: str) -> None:
    """Hears no notes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an author may ask of a run."""

    slates: slates.SlateSetting | None = None  # None: all footage has to be there
    rate_of_footage: bool = False  # the ladder's is taken only where the footage does not agree on one
    on_note: Callable[[str], None] = _unheard  # told what the author should know, a line each


ORDINARY = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What stays the same for a whole run."""

    library: Library
    ladder: Ladder
    rate: Rate
    tools: Tools
    on_progress: OnProgress
    parts: bool  # segments are made of Partial Segments


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A clip that the story needs."""

    uses: tuple[Use, ...]  # all that show it
    span: Span
    loops: bool  # it follows itself
    key: str  # of all that the clip depends on

    @property
    def where(self) -> str:
        """Who shows it first, for messages."""
        return where_of(self.uses[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asset:
    """One source file, or a slate, and the clips cut from it."""

    src: str
    source: Source | slates.Slate
    wanted: tuple[_Wanted, ...]

    @property
    def about(self) -> str:
        """What it is, for messages."""
        if isinstance(self.source, slates.Slate):
            return f"the slate of {self.wanted[0].where}"
        return f"{self.source.path}, the footage of {self.wanted[0].where},"


_Made = tuple[Encoded, ClipIndex]


async def package(  # noqa: PLR0917 - the one entry; each argument has a type of its own
    story: Story,
    story_path: Path,
    story_text: str,
    library: Library,
    ladder: Ladder,
    tools: Tools,
    on_progress: OnProgress,
    options: Options = ORDINARY,
) -> Package:
    """Packages a story and makes the result its current revision; what was encoded before is not encoded again.

    Footage is `footage/<src>.*` beside the story file; slates may stand in for what is missing. Until the last step
    the former revision stays current, also when this fails or is killed.

    Raises:
        PackagingError: footage is missing or unfit, ffmpeg failed, or the disk is full.
        StoryError: the footage is too short for the times of the story's decisions.
    """
    _check_rate(ladder)
    waiting = Progress(stage="waiting", source="library", done=0, total=1)
    try:
        files, missing = await asyncio.to_thread(_files, story, story_path, may_miss=options.slates is not None)
        sources = await _sources(files, tools, on_progress)
        if options.rate_of_footage:
            ladder = _at_rate_of(sources, ladder, options.on_note)
        rate = commands.rate_of(ladder)
        spans = _spans(story, rate, missing)
        drawn = None
        if missing and options.slates is not None:
            drawn = await asyncio.to_thread(slates.slates_of, story, missing, options.slates, rate)
            for note in drawn.notes:
                options.on_note(note)
        setting = _Setting(
            library=library, ladder=ladder, rate=rate, tools=tools, on_progress=on_progress, parts=story.low_latency
        )
        async with library.writing(lambda: on_progress(waiting)) as work:
            assets = await _assets(setting, story, spans, sources)
            assets += [] if drawn is None else _slate_assets(setting, drawn.slates)
            made = await _made(setting, assets, work)
            uses = {use: made[wanted.key] for asset in assets for wanted in asset.wanted for use in wanted.uses}
            pictures = await asyncio.to_thread(_pictures, story, story_path, library)
            result = _package(story, story_path, story_text, ladder, uses, pictures)
            lengths = {name: tuple(clip.duration for clip in clips) for name, clips in result.scenes.items()}
            if findings := lint.check_lengths(story, lengths, str(story_path)):
                raise StoryError(findings)
            await asyncio.to_thread(library.publish, result)
            return result
    except (OSError, LibraryError, ExceptionGroup) as error:
        told = _told(error, library.root)
        if told is None:
            raise
        raise told from error


def _told(error: BaseException, root: Path) -> PackagingError | None:
    """Gives what to tell the operator about an error; None: it is a mistake of ours."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case PackagingError():
            return error
        case LibraryError():
            return PackagingError(str(error))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return _disk_full(root)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return PackagingError(f"{where}{error.strerror or error}. Check the disk and its permissions")
        case _:
            return None


def _disk_full(root: Path) -> PackagingError:
    return PackagingError(
        f"the disk of {root} is full; what was packaged before still stands. "
        "Make room (two gigabytes an hour of footage, and another while it runs), then package again"
    )


def _check_rate(ladder: Ladder) -> None:
    rate = commands.rate_of(ladder)
    if not is_fit(rate):
        raise PackagingError(
            f"a frame rate of {rate.numerator}/{rate.denominator} cannot be packaged. "
            f"Choose one between {SLOWEST} and {FASTEST}, such as 25/1 or 30000/1001"
        )


def _at_rate_of(sources: Mapping[str, Source], ladder: Ladder, on_note: Callable[[str], None]) -> Ladder:
    rate, note = rate_of_all(sources, commands.rate_of(ladder))
    if note:
        on_note(note)
    return at_rate(ladder, (rate.numerator, rate.denominator))


def _spans(story: Story, rate: Rate, missing: frozenset[str]) -> dict[Media, Span]:
    """Gives the part of its source that each footage is, where that is there; all problems are told at once."""
    problems: list[str] = []
    spans: dict[Media, Span] = {}
    for scene, take in ((each, take) for each in story.scenes.values() for take in each.takes):
        if take.src in missing:
            continue
        found: list[int | None] = []
        for key, instant, own in (("in", take.start, scene.media.start), ("out", take.end, scene.media.end)):
            at = nearest_frame if take.snap else frame_at
            frame = None if instant is None else at(rate, instant)
            found.append(frame)
            if instant is not None and frame is None:
                before, after = frames_around(rate, instant)
                place = f"media.{key}" if instant == own else f"variants: {key}"
                problems.append(
                    f"scene {scene.id!r}: {place}: {decimal_seconds(instant, 3)}s falls between two frames, of "
                    f"{told(rate)} a second. Write {before} or {after}, or 'snap: true' in its media for the nearer one"
                )
        start, end = found
        if start is not None and end is not None and end <= start:
            place = "media.out" if take == scene.media else "variants: out"
            problems.append(f"scene {scene.id!r}: {place}: does not come after its 'in'. Write a later one")
        spans[take] = Span(start=start or 0, end=end)
    if problems:
        raise PackagingError("\n".join(dict.fromkeys(problems)))  # variants may share a time
    return spans


def _files(story: Story, story_path: Path, *, may_miss: bool) -> tuple[dict[str, tuple[Path, str]], frozenset[str]]:
    """Gives the file of each source and who shows it, in the order of the story, and the sources that have none."""
    folder = story_path.absolute().parent / FOOTAGE
    shows: dict[str, str] = {}
    for scene in story.scenes.values():
        for take in scene.takes:
            shows.setdefault(take.src, f"scene {scene.id!r}")
    for src in hold_sources(story):
        shows.setdefault(src, f"hold {src!r}")
    found = {src: _footage(folder, src, where, may_miss=may_miss) for src, where in shows.items()}
    return (
        {src: (path, shows[src]) for src, path in found.items() if path is not None},
        frozenset(src for src, path in found.items() if path is None),
    )


def _pictures(story: Story, story_path: Path, library: Library) -> dict[str, str]:
    """Stores the story's pictures, and gives the file that each is stored as."""
    folder = story_path.absolute().parent
    problems: list[str] = []
    found: dict[str, str] = {}
    for name in pictures_of(story):
        path = folder / name
        size = path.stat().st_size if path.is_file() else 0
        if not path.is_file():
            problems.append(f"there is no picture {name!r} in {folder}. Put it there, or name another")
        elif size > MAX_PICTURE_BYTES:
            problems.append(f"picture {path} has {size} bytes; {MAX_PICTURE_BYTES} are allowed. Make it smaller")
        else:
            found[name] = library.store_picture(path.read_bytes(), path.suffix.lower())
    if problems:
        raise PackagingError("\n".join(problems))
    return found


def _footage(folder: Path, src: str, where: str, *, may_miss: bool) -> Path | None:
    found = sorted(path for path in folder.glob("*") if path.stem == src and path.is_file())
    if len(found) == 1:
        return found[0]
    if not found and may_miss:
        return None
    if not found:
        raise PackagingError(
            f"{where}: there is no footage {src!r} in {folder}. Put it there as {src}.mp4, .mov or .mkv, "
            "or package with --slates, which stand in for what is missing"
        )
    names = " and ".join(path.name for path in found)
    raise PackagingError(f"{where}: footage {src!r} is in {folder} more than once: {names}. Leave one of them")


async def _sources(files: dict[str, tuple[Path, str]], tools: Tools, on_progress: OnProgress) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for src, (path, where) in files.items():
        on_progress(Progress(stage="reading", source=src, done=0, total=1))
        sources[src] = await probe(path, where, tools)
    return sources


async def _assets(
    setting: _Setting, story: Story, spans: dict[Media, Span], sources: dict[str, Source]
) -> list[_Asset]:
    assets: list[_Asset] = []
    for src, source in sources.items():
        shown: list[tuple[Use, Span]] = [
            ((scene.id, take), spans[take])
            for scene in story.scenes.values()
            for take in scene.takes
            if take.src == src
        ]
        shown += [((src, None), WHOLE)] if src in hold_sources(story) else []
        digest = await asyncio.to_thread(_source_hash, setting.library, source.path)
        uses: dict[tuple[Span, bool], list[Use]] = {}
        for use, span in shown:
            _check_end(where_of(use), span, source.seconds, setting.rate)
            loops = use[1] is None
            uses.setdefault((span, loops), []).append(use)
        wanted = (
            _Wanted(uses=tuple(found), span=span, loops=loops, key=_key(setting, digest, span, loops=loops))
            for (span, loops), found in uses.items()
        )
        assets.append(_Asset(src=src, source=source, wanted=tuple(wanted)))
    return assets


def _slate_assets(setting: _Setting, drawn: Mapping[Use, slates.Slate]) -> list[_Asset]:
    assets = []
    for use, slate in drawn.items():
        key = _key(setting, slate.digest, WHOLE, loops=slate.loops)
        assets.append(
            _Asset(src=SLATES, source=slate, wanted=(_Wanted(uses=(use,), span=WHOLE, loops=slate.loops, key=key),))
        )
    return assets


def _check_end(where: str, span: Span, seconds: Fraction | None, rate: Rate) -> None:
    if seconds is None:
        return
    key, frame = ("in", span.start) if span.end is None else ("out", span.end)
    if rate.seconds(frame) > seconds + 2 * rate.seconds(1):  # containers round; the frames made are counted later
        raise _too_long(where, key, rate.seconds(frame), seconds)


def _too_long(where: str, key: str, wanted: Fraction, seconds: Fraction) -> PackagingError:
    return PackagingError(
        f"{where}: media.{key}: {float(wanted):.3f} s lies beyond the end of its footage, "
        f"which is {float(seconds):.3f} s long. Write an earlier one"
    )


def _source_hash(library: Library, path: Path) -> str:
    known = library.source_hash(path)
    if known is None:
        status = path.stat()
        known = digest_of(path)
        library.remember_source_hash(path, SourceHash(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=known))
    return known


def _key(setting: _Setting, source_sha256: str, span: Span, *, loops: bool) -> str:
    inputs = [FORMAT, source_sha256, span.start, span.end, loops, setting.ladder, setting.tools.version]
    inputs += ["parts"] if setting.parts else []
    return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()


async def _made(setting: _Setting, assets: Sequence[_Asset], work: Path) -> dict[str, _Made]:
    """Gives every clip by its key, encoding those that are missing."""
    made: dict[str, _Made] = {}
    free = asyncio.Semaphore(CONCURRENT_DECODES)
    drawn = _Drawn(setting.on_progress, assets)

    async def make(number: int, asset: _Asset) -> None:
        known = await asyncio.to_thread(_known, setting.library, asset)
        made.update(known)
        missing = [wanted for wanted in asset.wanted if wanted.key not in known]
        if missing:
            async with free:
                if isinstance(asset.source, slates.Slate):
                    drawn.begin()
                folder = work / str(number)
                made.update(await _Job(setting, asset, missing, folder).run())
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if isinstance(asset.source, slates.Slate):
            drawn.add(asset.source)
        else:
            setting.on_progress(Progress(stage="ready", source=asset.src, done=1, total=1))

    async with asyncio.TaskGroup() as group:
        for number, asset in enumerate(assets):
            group.create_task(make(number, asset))
    return made


class _Drawn:
    """Tells of all slates together: there may be hundreds."""

    def __init__(self, on_progress: OnProgress, assets: Sequence[_Asset]) -> None:
        self._on_progress = on_progress
        self._total = float(sum(asset.source.seconds for asset in assets if isinstance(asset.source, slates.Slate)))
        self._done = Fraction(0)
        self._draws = False

    def begin(self) -> None:
        self._draws = True
        self._tell("drawing")

    def add(self, slate: slates.Slate) -> None:
        self._done += slate.seconds
        if self._done >= self._total:
            self._tell("ready")
        elif self._draws:
            self._tell("drawing")

    def _tell(self, stage: str) -> None:
        self._on_progress(Progress(stage=stage, source=SLATES, done=float(self._done), total=self._total))


def _known(library: Library, asset: _Asset) -> dict[str, _Made]:
    found = {wanted.key: library.encoded(wanted.key) for wanted in asset.wanted}
    return {key: made for key, made in found.items() if made is not None}


class _Job:
    """The encoding of the missing clips of one source, in a folder of its own."""

    def __init__(self, setting: _Setting, asset: _Asset, wanted: Sequence[_Wanted], folder: Path) -> None:
        self._library = setting.library
        self._ladder = setting.ladder
        self._rate = setting.rate
        self._has_parts = setting.parts
        self._tools = setting.tools
        self._on_progress = setting.on_progress
        self._asset = asset
        self._wanted = wanted
        self._folder = folder

    async def run(self) -> dict[str, _Made]:
        """Encodes and stores the clips; gives each by its key."""
        await asyncio.to_thread(self._folder.mkdir)
        frames = await self._decode()
        parts = await asyncio.to_thread(self._parts, frames)
        self._tell("cutting", 0)
        videos, renditions = await asyncio.to_thread(self._cut_pictures, parts)
        made: dict[str, _Made] = {}
        for wanted, part, pictures in zip(self._wanted, parts, renditions, strict=True):
            audio, sound = await self._encode_sound(part)
            clip = clip_of(part.cuts.picture[-1], self._rate, {**pictures, audio.id: sound})
            check_lengths(part.where, clip, self._ladder.segment_seconds)
            encoded = Encoded(clip=clip.id, video=videos, audio=audio)
            await asyncio.to_thread(self._library.store_clip, part.folder, clip)
            await asyncio.to_thread(self._library.remember_encoded, wanted.key, encoded)
            made[wanted.key] = (encoded, clip)
        return made

    async def _decode(self) -> int:
        """Runs ffmpeg over the source and gives the number of frames it made of each rendition."""
        spans = [wanted.span for wanted in self._wanted]
        given = await asyncio.to_thread(self._given)
        argv = commands.decode(self._tools.ffmpeg, given, self._ladder, spans, self._folder)
        self._tell("encoding", 0)
        finished = await run(argv, on_line=self._read_progress)
        if finished.code != 0:
            raise self._failed(finished)
        paths = [self._folder / f"{rung.id}.mp4" for rung in self._ladder.video]
        counts = {await asyncio.to_thread(count_frames, path) for path in paths}
        if len(counts) != 1:
            raise PackagingError(f"{self._about()} gave renditions of different lengths. Package it again")
        frames = counts.pop()
        claimed, end = self._claimed(), commands.last_end(spans)
        if end is None and claimed is not None and self._rate.seconds(frames) < claimed - _END_TOLERANCE:
            raise PackagingError(
                f"{self._about()} breaks off after {float(self._rate.seconds(frames)):.3f} s of "
                f"{float(claimed):.3f} s. Copy or export it again"
            )
        return frames

    def _given(self) -> commands.Given:
        source = self._asset.source
        if isinstance(source, slates.Slate):
            return slates.given(source, self._folder)
        return commands.footage(source, self._ladder)

    def _claimed(self) -> Fraction | None:
        """Gives how long the picture should be."""
        source = self._asset.source
        return source.seconds if isinstance(source, slates.Slate) else source.picture_seconds

    def _is_silent(self) -> bool:
        source = self._asset.source
        return not isinstance(source, slates.Slate) and source.sound is None

    def _parts(self, frames: int) -> list[Part]:
        return [self._part(number, wanted, frames) for number, wanted in enumerate(self._wanted)]

    def _part(self, number: int, wanted: _Wanted, frames: int) -> Part:
        start, end = wanted.span.start, frames if wanted.span.end is None else wanted.span.end
        if end > frames or start >= frames:
            key, frame = ("out", end) if end > frames else ("in", start)
            raise _too_long(wanted.where, key, self._rate.seconds(frame), self._rate.seconds(frames))
        try:
            found = cuts(end - start, self._rate, self._ladder.segment_seconds, parts=self._has_parts)
        except ValueError as error:
            raise PackagingError(
                f"{wanted.where} is {float(self._rate.seconds(end - start)):.3f} s long, "
                f"shorter than one segment of {self._ladder.segment_seconds} s. Make it longer"
            ) from error
        folder = self._folder / f"clip-{number}"
        folder.mkdir()
        return Part(where=wanted.where, start=start, cuts=found, folder=folder, loops=wanted.loops)

    def _cut_pictures(
        self, parts: Sequence[Part]
    ) -> tuple[tuple[VideoRendition, ...], list[dict[str, RenditionIndex]]]:
        videos: list[VideoRendition] = []
        renditions: list[dict[str, RenditionIndex]] = [{} for _ in parts]
        for rung in self._ladder.video:
            path = self._folder / f"{rung.id}.mp4"
            init, indexes = cut_picture(path, rung.id, self._rate, parts)
            for found, index in zip(renditions, indexes, strict=True):
                found[rung.id] = index
            videos.append(
                VideoRendition(
                    id=rung.id,
                    codecs=codecs_of(init),
                    timescale=timescale_of(init),
                    init=self._library.store_init(init),
                    width=rung.width,
                    height=rung.height,
                    frame_rate=self._ladder.frame_rate,
                )
            )
            path.unlink()  # the disk may be small
        return tuple(videos), renditions

    async def _encode_sound(self, part: Part) -> tuple[AudioRendition, RenditionIndex]:
        rung = self._ladder.audio
        decoded = None if self._is_silent() else self._folder / "sound.pcm"
        path = part.folder.with_suffix(".sound.mp4")
        sound, frames = Sound(decoded, rung.channels), part.cuts.sound[-1]
        if part.loops:
            feed = sound.fed_in_circles(sample_at(part.cuts.picture[-1], self._rate), frames)
        else:
            feed = sound.fed(sample_at(part.start, self._rate), frames)
        finished = await run(commands.encode_sound(self._tools.ffmpeg, rung, path), feed=feed)
        if finished.code != 0:
            raise self._failed(finished)
        init, index = await asyncio.to_thread(cut_sound, path, rung.id, part)
        rendition = AudioRendition(
            id=rung.id,
            codecs=codecs_of(init),
            timescale=timescale_of(init),
            init=await asyncio.to_thread(self._library.store_init, init),
            name=rung.name,
            channels=rung.channels,
        )
        return rendition, index

    def _failed(self, finished: Finished) -> PackagingError:
        if finished.is_disk_full:
            return _disk_full(self._library.root)
        if finished.code < 0:
            return PackagingError(
                f"{self._about()} was not decoded: ffmpeg was ended by signal {-finished.code}. "
                "Look for a shortage of memory, then package again"
            )
        said = finished.complaints or f"exit code {finished.code}"
        if isinstance(self._asset.source, slates.Slate):
            return PackagingError(f"{self._about()} cannot be drawn:\n{said}\nTake an ffmpeg with libfreetype")
        return PackagingError(f"{self._about()} cannot be decoded whole:\n{said}\nCopy or export it again")

    def _about(self) -> str:
        return self._asset.about

    def _read_progress(self, line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdigit():
            self._tell("encoding", int(value) / 1_000_000)

    def _tell(self, stage: str, done: float) -> None:
        if isinstance(self._asset.source, slates.Slate):
            return  # all of them are told of together
        end = commands.last_end([wanted.span for wanted in self._wanted])
        seconds = self._asset.source.seconds if end is None else self._rate.seconds(end)
        total = float(seconds or 0)
        self._on_progress(Progress(stage=stage, source=self._asset.src, done=min(done, total), total=total))


def mark_of(story: Story, decision: Decision, clip: ClipIndex, picture: str) -> Mark:
    """Gives the timed metadata that tell players' apps of a decision as it opens."""
    opens, closes = (instant_within(at, clip.duration) for at in (decision.opens_at, decision.closes_at))
    rendition = clip.renditions[picture]
    ends = list(accumulate(segment_ticks(segment, rendition.timescale) for segment in rendition.segments))
    draft = Mark(
        id="",
        clip=clip.id,
        number=min(bisect_right(ends, opens), len(ends) - 1),
        at=max(opens, Ticks(0)),
        duration=max(Ticks(closes - opens), Ticks(0)),
        value=msgspec.json.encode({"v": 1, "story": story.id, "decision": decision.id}).decode(),
    )
    return msgspec.structs.replace(draft, id=hashlib.sha256(msgspec.json.encode(draft)).hexdigest()[:12])


def _package(  # noqa: PLR0917 - all that a package holds
    story: Story,
    story_path: Path,
    story_text: str,
    ladder: Ladder,
    uses: Mapping[Use, _Made],
    pictures: dict[str, str],
) -> Package:
    scenes = {name: tuple(uses[name, take][1] for take in scene.takes) for name, scene in story.scenes.items()}
    model, (first, _) = next(iter(uses.items()))
    for use, (encoded, _) in uses.items():
        if (encoded.video, encoded.audio) != (first.video, first.audio):
            raise PackagingError(
                f"{where_of(use)}: its initialization sections differ from those of {where_of(model)}, so "
                "players would stumble at the join. Try another version of ffmpeg"
            )
    draft = Package(
        format=PACKAGE_FORMAT,
        revision="",
        story_id=story.id,
        story_file=story_path.name,
        story_text=story_text,
        story=msgspec.Raw(compiled(story_text, story_path.name)),
        target_duration=ladder.segment_seconds,
        video=first.video,
        audio=first.audio,
        scenes=scenes,
        holds={src: uses[src, None][1] for src in hold_sources(story)},
        marks={
            decision.id: tuple(mark_of(story, decision, clip, first.video[0].id) for clip in scenes[name])
            for name, scene in story.scenes.items()
            for decision in scene.decisions
        },
        pictures=pictures,
    )
    draft = msgspec.structs.replace(draft, bit_rates=bit_rates(story, draft))
    return msgspec.structs.replace(draft, revision=revision_of(draft))
