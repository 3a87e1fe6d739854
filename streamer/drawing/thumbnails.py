"""A small picture of each scene, taken from its footage or from what was packaged."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

from streamer.errors import LibraryError
from streamer.library.filesystem import Library
from streamer.media.index import Package, segment_ticks
from streamer.packager.process import run
from streamer.packager.tools import Tools
from streamer.story.model import Media, Story
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

MOST_PICTURES = 400  # of the first scenes; more would make a page of many megabytes
MOST_BYTES = 24 * 1024  # of one picture; a larger one is left out
WIDTH, HEIGHT = 192, 108  # pixels at most: twice as large as drawn, for dense screens
AFTER = Ticks(TICKS_PER_SECOND)  # a scene's first frames are often black
_QUALITY = 7  # of JPEG in ffmpeg, 2 the best, 31 the worst
_TIMEOUT_SECONDS = 30  # of one picture
_CONCURRENT = 2

Told = Callable[[int, int], None]  # pictures done, and of how many


async def pictures_of_footage(story: Story, folder: Path, tools: Tools, tell: Told) -> dict[str, str]:
    """Gives pictures as data URIs by scene, of `folder`/SRC.*; a scene whose footage is missing or unfit has none."""
    files = await asyncio.to_thread(_files, folder)
    media = {name: scene.media for name, scene in story.scenes.items() if scene.media.src in files}

    async def take(name: str) -> bytes:
        for at in _instants(media[name]):
            place = ("-ss", decimal_seconds(at, 3), "-i", str(files[media[name].src]))
            if found := await _still(tools, place):
                return found
        return b""

    return await _taken(list(media), take, tell)


def _files(folder: Path) -> dict[str, Path]:
    found = sorted((path for path in folder.absolute().glob("*") if path.is_file()), reverse=True)
    return {path.stem: path for path in found}


def _instants(media: Media) -> tuple[Ticks, ...]:
    """Gives where a picture is sought: a while after the beginning, within the scene, else at its beginning."""
    after = AFTER if media.end is None else min(AFTER, Ticks((media.end - media.start) // 2))
    return Ticks(media.start + after), media.start


async def pictures_of_library(story: Story, library: Library, tools: Tools, tell: Told) -> dict[str, str]:
    """Gives pictures as data URIs by scene, of the story's current revision.

    Raises:
        LibraryError: the story is not packaged there, or damaged.
    """
    package = await asyncio.to_thread(lambda: library.load(story.id, library.current(story.id)))

    async def take(name: str) -> bytes:
        media, at = await _segment(package, library, name)
        return await _still(tools, ("-i", "pipe:0", "-ss", decimal_seconds(at, 3)), media)

    return await _taken([name for name in story.scenes if name in package.scenes], take, tell)


async def _segment(package: Package, library: Library, name: str) -> tuple[bytes, Ticks]:
    """Gives the first segment of a scene's smallest picture rendition as a file, and the instant to look at."""
    clip = package.scenes[name][0]  # what is shown without variants
    rendition = min(package.video, key=lambda each: each.height)
    length = segment_ticks(clip.renditions[rendition.id].segments[0], rendition.timescale)
    init = await library.read_init(rendition.init)
    return init + await library.read_segment(clip.id, rendition.id, 0), min(AFTER, Ticks(length // 2))


async def _still(tools: Tools, given: tuple[str, ...], feed: bytes = b"") -> bytes:
    """Gives a picture as JPEG; empty where there is none to be had."""
    picture = f"scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=decrease:out_range=pc,setsar=1,format=yuvj420p"
    wanted = ("-frames:v", "1", "-an", "-vf", picture, "-c:v", "mjpeg", "-q:v", str(_QUALITY))
    plain = ("-map_metadata", "-1", "-flags", "+bitexact", "-threads", "1", "-f", "image2pipe", "pipe:1")
    argv = (tools.ffmpeg, "-hide_banner", "-v", "error", *given, *wanted, *plain)
    try:
        done = await run(argv, feed=(feed,) if feed else (), timeout_seconds=_TIMEOUT_SECONDS)
    except (TimeoutError, OSError):
        return b""
    return done.output if done.code == 0 and len(done.output) <= MOST_BYTES else b""


async def _taken(names: list[str], take: Callable[[str], Awaitable[bytes]], tell: Told) -> dict[str, str]:
    wanted = names[:MOST_PICTURES]
    found: dict[str, bytes] = {}
    turn = asyncio.Semaphore(_CONCURRENT)

    async def one(name: str) -> None:
        async with turn:
            try:
                found[name] = await take(name)
            except LibraryError:  # one damaged segment spoils no graph
                found[name] = b""
        tell(len(found), len(wanted))

    async with asyncio.TaskGroup() as group:
        for name in wanted:
            group.create_task(one(name))
    return {name: _address(found[name]) for name in wanted if found[name]}


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
