"""Packages a story: decodes each source once, cuts its clips, and publishes the story when all are there."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec

from streamer.errors import LibraryError, PackagingError
from streamer.library.filesystem import PACKAGE_FORMAT, Encoded, Library, SourceHash, revision_of
from streamer.media.index import AudioRendition, ClipIndex, Package, RenditionIndex, VideoRendition
from streamer.media.ladder import Ladder
from streamer.media.mp4 import codecs_of, timescale_of
from streamer.packager import commands
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
    sample_at,
)
from streamer.packager.probe import Source, probe
from streamer.packager.process import Finished, run
from streamer.packager.tools import Tools
from streamer.story.model import Scene, Story
from streamer.units import decimal_seconds

FORMAT = 1  # of what this packager makes; another one encodes everything anew
CONCURRENT_DECODES = 2  # x264 uses all processors for one run; a second fills the gaps at its start and end
_FOOTAGE = "footage"  # the folder beside the story file
_END_TOLERANCE = Fraction(1, 2)  # seconds that a picture may end before the length its file claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the work on one source is."""

    stage: str  # "waiting", "reading", "encoding", "cutting" or "ready"
    source: str  # asset; of "waiting": the library
    done: float  # seconds of media
    total: float  # seconds of media


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A clip that the story needs."""

    scene: str  # the first that shows it
    span: Span
    key: str  # of all that the clip depends on


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asset:
    """One source file and the clips cut from it."""

    src: str
    source: Source
    wanted: tuple[_Wanted, ...]


_Made = tuple[Encoded, ClipIndex]


async def package(
    story: Story,
    story_path: Path,
    story_text: str,
    library: Library,
    ladder: Ladder,
    tools: Tools,
    on_progress: OnProgress,
) -> Package:
    """Packages a story and makes the result its current revision; what was encoded before is not encoded again.

    Footage is `footage/<src>.*` beside the story file. Until the last step the former revision stays current, also
    when this fails or is killed.

    Raises:
        PackagingError: footage is missing or unfit, ffmpeg failed, or the disk is full.
    """
    try:
        async with library.writing(
            lambda: on_progress(Progress(stage="waiting", source="library", done=0, total=1))
        ) as work:
            rate = _checked_rate(ladder)
            spans = _spans(story, rate)
            assets = await _assets(story, spans, story_path, library, ladder, tools, on_progress)
            made = await _made(assets, library, ladder, tools, work, on_progress)
            keys = {(a.src, w.span): w.key for a in assets for w in a.wanted}
            by_scene = {name: made[keys[scene.media.src, spans[name]]] for name, scene in story.scenes.items()}
            result = _package(story, story_path, story_text, ladder, by_scene)
            await asyncio.to_thread(library.publish, result)
            return result
    except (OSError, LibraryError, ExceptionGroup) as error:
        told = _told(error, library.root)
        if told is None:
            raise
        raise told from error


def _told(error: BaseException, root: Path) -> PackagingError | None:
    """Gives what to tell the operator about an error, or None about one that is no fault of his."""
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
        "Make room (a gigabyte an hour of footage, and 700 MB an hour while it runs), then package again"
    )


def _checked_rate(ladder: Ladder) -> Rate:
    rate = commands.rate_of(ladder)
    try:
        is_fit = SLOWEST * rate.denominator <= rate.numerator <= FASTEST * rate.denominator and rate.frame > 0
    except ValueError:
        is_fit = False
    if not is_fit:
        raise PackagingError(
            f"a frame rate of {rate.numerator}/{rate.denominator} cannot be packaged. "
            f"Choose one between {SLOWEST} and {FASTEST}, such as 25/1 or 30000/1001"
        )
    return rate


def _spans(story: Story, rate: Rate) -> dict[str, Span]:
    """Gives each scene's part of its source; all problems are told at once."""
    problems: list[str] = []
    spans: dict[str, Span] = {}
    for name, scene in story.scenes.items():
        found: list[int | None] = []
        for key, instant in (("in", scene.media.start), ("out", scene.media.end)):
            frame = None if instant is None else frame_at(rate, instant)
            found.append(frame)
            if instant is not None and frame is None:
                before, after = frames_around(rate, instant)
                problems.append(
                    f"scene {name!r}: media.{key}: {decimal_seconds(instant, 3)}s falls between two frames. "
                    f"Write {before} or {after}"
                )
        start, end = found
        if start is not None and end is not None and end <= start:
            problems.append(f"scene {name!r}: media.out: does not come after media.in. Write a later one")
        spans[name] = Span(start=start or 0, end=end)
    if problems:
        raise PackagingError("\n".join(problems))
    return spans


async def _assets(
    story: Story,
    spans: dict[str, Span],
    story_path: Path,
    library: Library,
    ladder: Ladder,
    tools: Tools,
    on_progress: OnProgress,
) -> list[_Asset]:
    by_src: dict[str, list[Scene]] = {}
    for scene in story.scenes.values():
        by_src.setdefault(scene.media.src, []).append(scene)
    folder = story_path.absolute().parent / _FOOTAGE
    files = {src: _footage(folder, src, scenes[0].id) for src, scenes in by_src.items()}
    assets: list[_Asset] = []
    for src, scenes in by_src.items():
        on_progress(Progress(stage="reading", source=src, done=0, total=1))
        source = await probe(files[src], scenes[0].id, tools)
        digest = await asyncio.to_thread(_source_hash, library, source.path)
        wanted: dict[Span, _Wanted] = {}
        for scene in scenes:
            span = spans[scene.id]
            _check_end(scene, span, source.seconds, commands.rate_of(ladder))
            wanted.setdefault(span, _Wanted(scene=scene.id, span=span, key=_key(digest, span, ladder, tools)))
        assets.append(_Asset(src=src, source=source, wanted=tuple(wanted.values())))
    return assets


def _footage(folder: Path, src: str, scene: str) -> Path:
    found = sorted(path for path in folder.glob("*") if path.stem == src and path.is_file())
    if len(found) == 1:
        return found[0]
    if not found:
        raise PackagingError(
            f"scene {scene!r}: there is no footage {src!r}. Put it at {folder / src}.mp4 (or .mov, .mkv)"
        )
    names = " and ".join(path.name for path in found)
    raise PackagingError(
        f"scene {scene!r}: footage {src!r} is there more than once in {folder}: {names}. Leave one of them"
    )


def _check_end(scene: Scene, span: Span, seconds: Fraction | None, rate: Rate) -> None:
    if seconds is None:
        return
    last = rate.seconds(span.start if span.end is None else span.end)
    key = "in" if span.end is None else "out"
    if last > seconds + 2 * rate.seconds(1):  # containers round; the frames made are counted later
        raise _too_long(scene.id, key, last, seconds)


def _too_long(scene: str, key: str, wanted: Fraction, seconds: Fraction) -> PackagingError:
    return PackagingError(
        f"scene {scene!r}: media.{key}: {float(wanted):.3f}s lies beyond the end of its footage, "
        f"which is {float(seconds):.3f} s long. Write an earlier one"
    )


def _source_hash(library: Library, path: Path) -> str:
    known = library.source_hash(path)
    if known is None:
        status = path.stat()
        known = digest_of(path)
        library.remember_source_hash(path, SourceHash(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=known))
    return known


def _key(source_sha256: str, span: Span, ladder: Ladder, tools: Tools) -> str:
    inputs = [FORMAT, source_sha256, span.start, span.end, ladder, tools.version]
    return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()


async def _made(
    assets: Sequence[_Asset], library: Library, ladder: Ladder, tools: Tools, work: Path, on_progress: OnProgress
) -> dict[str, _Made]:
    """Gives every clip by its key, encoding those that are missing."""
    made: dict[str, _Made] = {}
    free = asyncio.Semaphore(CONCURRENT_DECODES)

    async def make(number: int, asset: _Asset) -> None:
        missing: list[_Wanted] = []
        for wanted in asset.wanted:
            known = await asyncio.to_thread(library.encoded, wanted.key)
            if known is None:
                missing.append(wanted)
            else:
                made[wanted.key] = known
        if missing:
            async with free:
                folder = work / str(number)
                folder.mkdir()
                job = _Job(asset, missing, library, ladder, tools, folder, on_progress)
                made.update(await job.run())
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        on_progress(Progress(stage="ready", source=asset.src, done=1, total=1))

    async with asyncio.TaskGroup() as group:
        for number, asset in enumerate(assets):
            group.create_task(make(number, asset))
    return made


class _Job:
    """The encoding of the missing clips of one source."""

    def __init__(
        self,
        asset: _Asset,
        wanted: Sequence[_Wanted],
        library: Library,
        ladder: Ladder,
        tools: Tools,
        folder: Path,
        on_progress: OnProgress,
    ) -> None:
        self._asset = asset
        self._wanted = wanted
        self._library = library
        self._ladder = ladder
        self._tools = tools
        self._folder = folder
        self._on_progress = on_progress
        self._rate = commands.rate_of(ladder)

    async def run(self) -> dict[str, _Made]:
        frames = await self._decode()
        parts = [self._part(number, wanted, frames) for number, wanted in enumerate(self._wanted)]
        renditions: list[dict[str, RenditionIndex]] = [{} for _ in parts]
        videos: list[VideoRendition] = []
        for rung in self._ladder.video:
            self._tell("cutting", 0)
            path = self._folder / f"{rung.id}.mp4"
            init, indexes = await asyncio.to_thread(cut_picture, path, rung.id, self._rate, parts)
            for found, index in zip(renditions, indexes, strict=True):
                found[rung.id] = index
            videos.append(
                VideoRendition(
                    id=rung.id,
                    codecs=codecs_of(init),
                    timescale=timescale_of(init),
                    init=await asyncio.to_thread(self._library.store_init, init),
                    width=rung.width,
                    height=rung.height,
                    frame_rate=self._ladder.frame_rate,
                )
            )
            path.unlink()
        made: dict[str, _Made] = {}
        for wanted, part, found in zip(self._wanted, parts, renditions, strict=True):
            audio, found[self._ladder.audio.id] = await self._encode_sound(part)
            index = clip_of(part.cuts.picture[-1], self._rate, found)
            check_lengths(part.scene, index, self._ladder.segment_seconds)
            encoded = Encoded(clip=index.id, video=tuple(videos), audio=audio)
            await asyncio.to_thread(self._library.store_clip, part.folder, index)
            await asyncio.to_thread(self._library.remember_encoded, wanted.key, encoded)
            made[wanted.key] = (encoded, index)
        return made

    async def _decode(self) -> int:
        """Runs ffmpeg over the source and gives the number of frames it made of each rendition."""
        spans = [wanted.span for wanted in self._wanted]
        argv = commands.decode(self._tools.ffmpeg, self._asset.source, self._ladder, spans, self._folder)
        self._tell("encoding", 0)
        finished = await run(argv, on_line=self._read_progress)
        if finished.code != 0:
            raise self._failed(finished)
        counts = {await asyncio.to_thread(count_frames, self._folder / f"{rung.id}.mp4") for rung in self._ladder.video}
        if len(counts) != 1:
            raise PackagingError(
                f"{self._asset.source.path}: ffmpeg made renditions of different lengths. Package it again"
            )
        frames = counts.pop()
        claimed, end = self._asset.source.picture_seconds, commands.last_end(spans)
        if end is None and claimed is not None and self._rate.seconds(frames) < claimed - _END_TOLERANCE:
            raise PackagingError(
                f"{self._about()} breaks off after {float(self._rate.seconds(frames)):.3f} s of "
                f"{float(claimed):.3f} s. Copy or export it again"
            )
        return frames

    def _part(self, number: int, wanted: _Wanted, frames: int) -> Part:
        end = frames if wanted.span.end is None else wanted.span.end
        if end > frames or wanted.span.start >= frames:
            key, frame = ("out", end) if end > frames else ("in", wanted.span.start)
            raise _too_long(wanted.scene, key, self._rate.seconds(frame), self._rate.seconds(frames))
        try:
            found = cuts(end - wanted.span.start, self._rate, self._ladder.segment_seconds)
        except ValueError as error:
            raise PackagingError(
                f"scene {wanted.scene!r} is {float(self._rate.seconds(end - wanted.span.start)):.3f} s long, shorter than "
                f"one segment of {self._ladder.segment_seconds} s. Make it longer"
            ) from error
        folder = self._folder / f"clip-{number}"
        folder.mkdir()
        return Part(scene=wanted.scene, start=wanted.span.start, cuts=found, folder=folder)

    async def _encode_sound(self, part: Part) -> tuple[AudioRendition, RenditionIndex]:
        rung = self._ladder.audio
        decoded = self._folder / "sound.pcm"
        sound = Sound(decoded if self._asset.source.sound is not None else None, rung.channels)
        path = part.folder.with_suffix(".sound.mp4")
        feed = sound.fed(sample_at(part.start, self._rate), part.cuts.sound[-1])
        finished = await run(commands.encode_sound(self._tools.ffmpeg, rung, path), feed=feed)
        if finished.code != 0:
            raise self._failed(finished)
        init, index = await asyncio.to_thread(cut_sound, path, rung.id, part)
        path.unlink()
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
                f"{self._about()}: ffmpeg was ended by signal {-finished.code}. Look for a shortage of memory, then package again"
            )
        said = finished.complaints or f"exit code {finished.code}"
        return PackagingError(f"{self._about()} cannot be decoded whole:\n{said}\nCopy or export it again")

    def _about(self) -> str:
        return f"{self._asset.source.path}, the footage of scene {self._wanted[0].scene!r},"

    def _read_progress(self, line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdigit():
            self._tell("encoding", int(value) / 1_000_000)

    def _tell(self, stage: str, done: float) -> None:
        end = commands.last_end([wanted.span for wanted in self._wanted])
        seconds = self._asset.source.seconds if end is None else self._rate.seconds(end)
        total = float(seconds or 0)
        self._on_progress(Progress(stage=stage, source=self._asset.src, done=min(done, total), total=total))


def _package(story: Story, story_path: Path, story_text: str, ladder: Ladder, by_scene: dict[str, _Made]) -> Package:
    first, _ = next(iter(by_scene.values()))
    for scene, (encoded, _) in by_scene.items():
        if (encoded.video, encoded.audio) != (first.video, first.audio):
            raise PackagingError(
                f"scene {scene!r}: its initialization sections differ from those of scene {next(iter(by_scene))!r}, so players "
                "would stumble at the join. Try another version of ffmpeg"
            )
    draft = Package(
        format=PACKAGE_FORMAT,
        revision="",
        story_id=story.id,
        story_file=story_path.name,
        story_text=story_text,
        target_duration=ladder.segment_seconds,
        video=first.video,
        audio=first.audio,
        scenes={scene: index for scene, (_, index) in by_scene.items()},
    )
    return msgspec.structs.replace(draft, revision=revision_of(draft))
