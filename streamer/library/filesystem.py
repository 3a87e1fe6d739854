"""Packaged stories and media in a folder: what is named by its content never changes, and nothing half-made is seen.

clips/<clip id>/index.json, <rendition>-<number>.m4s, <rendition>-<number>-<AAC frames>.m4s
init/<init id>.mp4
encoded/<key of the inputs>.json    which clip an input was encoded to
art/<picture id>.<suffix>           posters and choices' pictures
hashes/<key of the path>.json       digests of source files
stories/<story id>/<revision>.json, current
.work/                              of the packaging run that holds .lock; emptied by the next
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import aiofiles
import msgspec

from streamer.building import without_collections
from streamer.errors import BranchlineError, LibraryError
from streamer.media.index import AUDIO_FRAME_SAMPLES, AudioRendition, ClipIndex, Mark, Package, VideoRendition

PACKAGE_FORMAT = 3
_LOCK_POLL_SECONDS = 0.2  # how often a waiting packaging run tries again
_CLIPS_REMEMBERED = 10_000  # indexes kept in memory; a story has at most 10,000 scenes

_STORY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_REVISION = re.compile(r"[0-9a-f]{16}")
_CONTENT = re.compile(r"[0-9a-f]{24}")
_KEY = re.compile(r"[0-9a-f]{64}")
_MARK = re.compile(r"[0-9a-f]{12}")
_PICTURE = re.compile(r"[0-9a-f]{24}\.(jpg|jpeg|png|webp|avif|gif)")
_RENDITION = re.compile(r"[a-z0-9]{1,8}")
_MAX_NUMBER = 999_999

_T = TypeVar("_T")


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """What one input was encoded to."""

    clip: str
    video: tuple[VideoRendition, ...]
    audio: AudioRendition


class _Format(msgspec.Struct, frozen=True, kw_only=True):
    """What every package says of itself."""

    format: int


class SourceHash(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of a source file that had this size and time of change."""

    size: int
    mtime_ns: int
    sha256: str


class Library:
    """A folder of packaged stories. Reading needs no lock; writing is for the holder of `writing()`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._clips: dict[str, ClipIndex] = {}
        self._writer = threading.Lock()  # of this process's threads; other processes wait in writing()

    # Reading.

    def stories(self) -> tuple[str, ...]:
        """Gives the ids of all stories that have a current revision, sorted; none where the folder is missing."""
        found = (path.parent.name for path in self.root.glob("stories/*/current"))
        return tuple(sorted(name for name in found if _STORY.fullmatch(name)))

    def current(self, story_id: str) -> str:
        """Gives a story's current revision.

        Raises:
            LibraryError: there is no such story, or its file is damaged.
        """
        path = self._story_folder(story_id) / "current"
        revision = _read(path, f"story {story_id!r} is not packaged").decode("ascii", "replace").strip()
        if not _REVISION.fullmatch(revision):
            raise LibraryError(f"{path} names no revision. Package the story again")
        return revision

    def load(self, story_id: str, revision: str) -> Package:
        """Gives one revision of a story.

        Raises:
            LibraryError: it is missing or damaged.
        """
        path = self._story_folder(story_id) / f"{_checked(_REVISION, revision, 'revision')}.json"
        data = _read(path, f"revision {revision} of story {story_id!r} is not packaged")
        found = _decoded(path, data, _Format).format  # first: another format has other fields
        if found != PACKAGE_FORMAT:
            raise LibraryError(f"{path} has format {found}, not {PACKAGE_FORMAT}. Package the story again")
        with without_collections():
            package = _decoded(path, data, Package)
        if package.story_id != story_id or package.revision != revision or revision_of(package) != revision:
            raise LibraryError(f"{path} is damaged: its content is not that of its name. Package the story again")
        return package

    async def read_segment(self, clip_id: str, rendition_id: str, number: int, frames: int = 0) -> bytes:
        """Gives a Media Segment as packaged, its decode time counted from the clip's start.

        Raises:
            LibraryError: there is none.
        """
        return await _read_soon(self._clip_folder(clip_id) / segment_file(rendition_id, number, frames))

    async def read_mark(self, mark_id: str) -> Mark:
        """Gives timed metadata by its id, whichever story it belongs to.

        Raises:
            LibraryError: there is none.
        """
        path = self._mark_file(mark_id)
        return _decoded(path, await _read_soon(path), Mark)

    async def read_picture(self, name: str) -> bytes:
        """Gives a picture by the name it is stored as.

        Raises:
            LibraryError: there is none.
        """
        return await _read_soon(self._picture_file(name))

    async def read_init(self, init_id: str) -> bytes:
        """Gives a Media Initialization Section.

        Raises:
            LibraryError: there is none.
        """
        return await _read_soon(self._init_file(init_id))

    async def read_clip(self, clip_id: str) -> ClipIndex:
        """Gives a clip's index; those read before come from memory.

        Raises:
            LibraryError: it is missing or damaged.
        """
        known = self._clips.get(clip_id)
        if known is not None:
            return known
        path = self._clip_folder(clip_id) / "index.json"
        clip = _decoded(path, await _read_soon(path), ClipIndex)
        if len(self._clips) >= _CLIPS_REMEMBERED:
            self._clips.clear()
        self._clips[clip_id] = clip
        return clip

    # Writing: for one packaging run at a time.

    @asynccontextmanager
    async def writing(self, on_wait: Callable[[], None]) -> AsyncIterator[Path]:
        """Waits until no other packaging run writes here; gives an empty folder for temporary files.

        `on_wait` is called once when there is another run to wait for. What a killed run left is removed.

        Raises:
            OSError: the folder cannot be made or written.
        """
        lock = await asyncio.to_thread(self._open_lock)
        try:
            has_waited = False
            while not _lock(lock):
                if not has_waited:
                    on_wait()
                    has_waited = True
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            work = self.root / ".work"
            try:
                await asyncio.to_thread(_empty, work)
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
        finally:
            os.close(lock)  # which also unlocks

    def encoded(self, key: str) -> tuple[Encoded, ClipIndex] | None:
        """Gives what an input was encoded to, or None where it was not or its files are not all there."""
        path = self._encoded_file(key)
        try:
            encoded = msgspec.json.decode(path.read_bytes(), type=Encoded)
            index = msgspec.json.decode((self._clip_folder(encoded.clip) / "index.json").read_bytes(), type=ClipIndex)
            is_whole = self._is_whole(index)
            inits = [*(rendition.init for rendition in encoded.video), encoded.audio.init]
            is_whole = is_whole and all(self._init_file(init).is_file() for init in inits)
        except (OSError, msgspec.DecodeError, LibraryError):
            return None
        return (encoded, index) if is_whole else None

    def remember_encoded(self, key: str, encoded: Encoded) -> None:
        """Notes what an input was encoded to."""
        with self._writer:
            _replace(self._encoded_file(key), msgspec.json.encode(encoded))

    def source_hash(self, path: Path) -> str | None:
        """Gives the digest of a source file if it is known and the file has not changed since."""
        try:
            status = path.stat()
            known = msgspec.json.decode(self._hash_file(path).read_bytes(), type=SourceHash)
        except (OSError, msgspec.DecodeError):
            return None
        return known.sha256 if (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns) else None

    def remember_source_hash(self, path: Path, known: SourceHash) -> None:
        """Notes the digest of a source file."""
        with self._writer:
            _replace(self._hash_file(path), msgspec.json.encode(known))

    def store_clip(self, folder: Path, index: ClipIndex) -> None:
        """Takes over a finished clip: the files in `folder` (within `writing()`'s), which is gone afterwards."""
        write_durably(folder / "index.json", msgspec.json.encode(index))
        _sync_folder(folder)
        target = self._clip_folder(index.id)
        with self._writer:
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                if self._is_whole(index):
                    shutil.rmtree(folder)
                    return
                target.rename(folder.with_name(folder.name + "-damaged"))
            folder.rename(target)
            _sync_folder(target.parent)

    def store_init(self, data: bytes) -> str:
        """Stores a Media Initialization Section and gives its id."""
        init_id = content_id(data)
        path = self._init_file(init_id)
        with self._writer:
            if not path.exists() or path.read_bytes() != data:
                _replace(path, data)
        return init_id

    def store_picture(self, data: bytes, suffix: str) -> str:
        """Stores a picture and gives the name it is stored as."""
        name = f"{content_id(data)}{suffix}"
        path = self._picture_file(name)
        with self._writer:
            if not path.exists() or path.read_bytes() != data:
                _replace(path, data)
        return name

    def publish(self, package: Package) -> None:
        """Stores a revision of a story and makes it the current one; earlier revisions stay.

        Raises:
            LibraryError: its revision is not the hash of its content.
        """
        if package.revision != revision_of(package):
            raise LibraryError(f"revision {package.revision} of story {package.story_id!r} is not that of its content")
        folder = self._story_folder(package.story_id)
        with self._writer:
            for mark in (mark for marks in package.marks.values() for mark in marks):
                _replace(self._mark_file(mark.id), msgspec.json.encode(mark))
            _replace(folder / f"{package.revision}.json", msgspec.json.encode(package))
            _replace(folder / "current", f"{package.revision}\n".encode())

    def _open_lock(self) -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        return os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _is_whole(self, index: ClipIndex) -> bool:
        folder = self._clip_folder(index.id)
        for name, rendition in index.renditions.items():
            files = [(segment_file(name, number), s) for number, s in enumerate(rendition.segments)]
            for number, others in enumerate(rendition.others):
                files += [(segment_file(name, number, s.duration // AUDIO_FRAME_SAMPLES), s) for s in others]
            for file, segment in files:
                path = folder / file
                if not path.is_file() or path.stat().st_size != segment.size:
                    return False
        return (folder / "index.json").is_file()

    def _story_folder(self, story_id: str) -> Path:
        return self.root / "stories" / _checked(_STORY, story_id, "story")

    def _clip_folder(self, clip_id: str) -> Path:
        return self.root / "clips" / _checked(_CONTENT, clip_id, "clip")

    def _init_file(self, init_id: str) -> Path:
        return self.root / "init" / f"{_checked(_CONTENT, init_id, 'initialization section')}.mp4"

    def _picture_file(self, name: str) -> Path:
        return self.root / "art" / _checked(_PICTURE, name, "picture")

    def _mark_file(self, mark_id: str) -> Path:
        return self.root / "marks" / f"{_checked(_MARK, mark_id, 'mark')}.json"

    def _encoded_file(self, key: str) -> Path:
        return self.root / "encoded" / f"{_checked(_KEY, key, 'input')}.json"

    def _hash_file(self, path: Path) -> Path:
        return self.root / "hashes" / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()}.json"


def segment_file(rendition_id: str, number: int, frames: int = 0) -> str:
    """Gives the name of a segment's file in its clip's folder; `frames`: of another length than in the clip.

    Raises:
        LibraryError: no rendition or number can be that.
    """
    if not 0 <= number <= _MAX_NUMBER:
        raise LibraryError(f"there is no segment number {number}")
    return f"{_checked(_RENDITION, rendition_id, 'rendition')}-{number}{f'-{frames}' if frames else ''}.m4s"


def content_id(data: bytes) -> str:
    """Gives the id of something named by its content: 24 hex digits."""
    return hashlib.sha256(data).hexdigest()[:24]


def revision_of(package: Package) -> str:
    """Gives the revision that belongs to a package's content: 16 hex digits."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(package, revision=""))).hexdigest()[:16]


def write_durably(path: Path, data: bytes) -> None:
    """Writes a new file and waits until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_new(path: Path, text: str) -> None:
    """Writes a file that is not there yet, whole or not at all.

    Raises:
        BranchlineError: it is there, or cannot be written.
    """
    if path.exists():
        raise BranchlineError(f"{path} is there already, and is not written over; name another, or move it away")
    try:
        _replace(path, text.encode())
    except OSError as error:
        raise BranchlineError(f"{path} cannot be written: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    """Replaces a file at once: a reader sees the old or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")  # one name, so that a killed run leaves one file, written over next time
    try:
        write_durably(new, data)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    # Before any path is built: ids come from addresses.
    if not pattern.fullmatch(value):
        raise LibraryError(f"{value[:80]!r} is no {what}'s id")
    return value


def _read(path: Path, problem: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise LibraryError(f"{problem}: {path} is missing. Package it with: branchline package STORY") from error
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}. Check the disk and its permissions") from error


async def _read_soon(path: Path) -> bytes:
    try:
        async with aiofiles.open(path, "rb") as file:
            return await file.read()
    except FileNotFoundError as error:
        raise LibraryError(f"{path} is missing. Package the story again") from error
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}. Check the disk and its permissions") from error


def _decoded(path: Path, data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise LibraryError(f"{path} is damaged: {error}. Package the story again") from error
