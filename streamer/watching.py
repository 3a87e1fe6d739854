"""Watches story files for their author: what changes is checked, packaged and served to who comes next.

Files are looked at a few times a second instead of waiting for the kernel's word: that works on every disk, however an
editor saves, and a look at a few dozen files costs nothing that matters.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from streamer.errors import BranchlineError, Finding, StoryError
from streamer.library.filesystem import Library
from streamer.media.ladder import Ladder
from streamer.packager.pipeline import FOOTAGE, Options, Progress, package
from streamer.packager.slates import SlateSetting
from streamer.packager.tools import Tools
from streamer.story.codec import read_story
from streamer.story.model import Story, pictures_of

log = structlog.get_logger("branchline.watch")

LOOK_SECONDS = 0.3  # between two looks; a change counts once two in a row see the same

PACKAGING, SERVED, REFUSED = "packaging", "served", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How things stand with one story file."""

    file: str  # as it was named
    state: str = PACKAGING  # or SERVED, or REFUSED: an earlier revision, if there is one, is served on
    story: str = ""  # its id, once that was read
    revision: str = ""  # the one that new sessions get; empty: none was packaged since the watch began
    findings: tuple[Finding, ...] = ()  # warnings too
    problem: str = ""  # that is none of the file's: footage, ffmpeg, disk
    notes: tuple[str, ...] = ()  # of packaging: lengths of slates, the frame rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What stories are packaged with."""

    library: Library
    ladder: Ladder
    tools: Tools
    slates: SlateSetting | None
    rate_of_footage: bool


_OURS = "{file}: the server failed; its log says why"
_Files = tuple[tuple[str, int, int, int], ...]  # name, inode, size, time of change
_Seen = tuple[_Files, _Files]  # a story file with its footage, and the pictures it names


class Watch:
    """The watch over some story files."""

    def __init__(self, files: Sequence[Path], workshop: Workshop, tell: Callable[[Report], None]) -> None:
        """`tell` hears each report that says something new."""
        self._workshop = workshop
        self._tell = tell
        self._reports = {file: Report(file=str(file)) for file in files}
        self._seen: dict[Path, _Seen] = {}
        self._pictures: dict[Path, tuple[Path, ...]] = dict.fromkeys(files, ())  # of each story as last read
        self._wanted: dict[Path, tuple[Story, str]] = {}  # in the order in which they are to be packaged
        self._work = asyncio.Event()
        self._news = asyncio.Condition()
        self._version = 0
        self.is_over = False

    @property
    def reports(self) -> tuple[Report, ...]:
        """Gives how things stand, in the order in which the files were named."""
        return tuple(self._reports.values())

    async def newer(self, version: int, seconds: float) -> int:
        """Waits until the reports are newer than a version, or so long, or until the watch is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._version > version or self.is_over)
        return self._version

    async def run(self, published: Callable[[str], None]) -> None:
        """Watches until it is cancelled; `published` hears the id of each story that has a new revision."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._package(published))

    async def stop(self) -> None:
        """Lets those who wait for news go."""
        async with self._news:
            self.is_over = True
            self._news.notify_all()

    async def _look(self) -> None:
        before: Mapping[Path, _Seen] = {}
        while True:
            now = await asyncio.to_thread(_looked_at, self._pictures.copy())
            for file, seen in now.items():
                if seen != self._seen.get(file) and (seen == before.get(file) or file not in self._seen):
                    self._seen[file] = seen
                    self._wanted.pop(file, None)
                    try:
                        await self._check(file)
                    except Exception:
                        log.exception("bug")
                        await self._report(file, state=REFUSED, findings=(), problem=_OURS.format(file=file))
            before = now
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_for_pictures(self, file: Path, story: Story) -> None:
        """Watches the pictures that a story names, from now on; that it names others is no change of theirs."""
        named = tuple(file.parent / name for name in pictures_of(story))
        if named != self._pictures[file]:
            self._pictures[file] = named
            self._seen[file] = self._seen[file][0], await asyncio.to_thread(_statuses, named)

    async def _check(self, file: Path) -> None:
        try:
            text = await asyncio.to_thread(file.read_text, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            await self._report(file, state=REFUSED, findings=(), problem=f"{file}: the story cannot be read: {error}")
            return
        story, findings = await asyncio.to_thread(read_story, text, str(file))
        if story is None:
            await self._report(file, state=REFUSED, findings=findings, problem="")
            return
        twin = next(
            (other for other, report in self._reports.items() if other != file and report.story == story.id), None
        )
        if twin is not None:
            problem = f"{file}: the id {story.id!r} is that of {twin} too. Give each story its own"
            await self._report(file, state=REFUSED, findings=findings, problem=problem)
            return
        await self._look_for_pictures(file, story)
        await self._report(file, state=PACKAGING, story=story.id, findings=findings, problem="")
        self._wanted[file] = story, text
        self._work.set()

    async def _package(self, published: Callable[[str], None]) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._wanted:
                file = next(iter(self._wanted))
                story, text = self._wanted.pop(file)
                await self._packaged(file, story, text, published)

    async def _packaged(self, file: Path, story: Story, text: str, published: Callable[[str], None]) -> None:
        workshop = self._workshop
        notes: list[str] = []
        options = Options(slates=workshop.slates, rate_of_footage=workshop.rate_of_footage, on_note=notes.append)
        try:
            made = await package(
                *(story, file, text, workshop.library, workshop.ladder, workshop.tools, _unheard, options)
            )
        except StoryError as error:  # that only the lengths of footage show
            await self._came_to(file, state=REFUSED, findings=error.findings)
        except BranchlineError as error:
            await self._came_to(file, state=REFUSED, problem=str(error))
        except Exception:
            log.exception("bug")
            await self._came_to(file, state=REFUSED, problem=_OURS.format(file=file))
        else:
            published(story.id)
            await self._came_to(file, state=SERVED, revision=made.revision, notes=tuple(notes))

    async def _came_to(self, file: Path, *, state: str, revision: str = "", **found: object) -> None:
        """Reports what packaging came to, unless the file has changed again in the meantime."""
        known = self._reports[file]
        revision = revision or known.revision
        if known.state != PACKAGING or file in self._wanted:
            await self._report(file, revision=revision)
        else:
            await self._report(file, state=state, revision=revision, **found)

    async def _report(self, file: Path, **changes: object) -> None:
        before = self._reports[file]
        now = replace(before, **changes)  # type: ignore[arg-type]  # fields of a report, by name
        if now == before:
            return
        self._reports[file] = now
        self._version += 1
        self._tell(now)
        async with self._news:
            self._news.notify_all()


def _unheard(_: Progress) -> None:
    """Hears no progress."""


def _looked_at(files: Mapping[Path, tuple[Path, ...]]) -> dict[Path, _Seen]:
    """Gives how story files with their footage, and the pictures they name, are now."""
    return {
        file: ((*_status(file), *_footage(file.absolute().parent / FOOTAGE)), _statuses(pictures))
        for file, pictures in files.items()
    }


def _footage(folder: Path) -> _Files:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(_statuses(Path(entry.path) for entry in entries)))
    except OSError:
        return ()


def _statuses(paths: Iterable[Path]) -> _Files:
    return tuple(seen for path in paths for seen in _status(path))


def _status(path: Path) -> _Files:
    try:
        found = path.stat()
    except OSError:
        return ()
    return ((path.name, found.st_ino, found.st_size, found.st_mtime_ns),)
