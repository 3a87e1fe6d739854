"""Stories ready to play: packages read from the library once, with what is worked out from them."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.errors import NotFound
from streamer.library.filesystem import Library
from streamer.media.index import Package
from streamer.playlists import multivariant
from streamer.session.timeline import Stage, stage
from streamer.story.codec import load_compiled
from streamer.story.model import Story

CURRENT_FOR_MS = 1000  # how long the answer to "which revision is current?" is believed
MULTIVARIANT_PREFIX = "{prefix}"  # stands for the place of the Media Playlists until it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One revision of a story, ready to play."""

    stage: Stage
    multivariant: bytes  # with MULTIVARIANT_PREFIX in front of each address

    @property
    def story(self) -> Story:
        """Gives the story."""
        return self.stage.story

    @property
    def package(self) -> Package:
        """Gives its media."""
        return self.stage.package

    def multivariant_at(self, prefix: str) -> bytes:
        """Gives the Multivariant Playlist for Media Playlists at `prefix`."""
        return self.multivariant.replace(MULTIVARIANT_PREFIX.encode(), prefix.encode())


class Shelf:
    """Editions by story and revision, each read once."""

    def __init__(self, library: Library, clock: Clock) -> None:
        self._library = library
        self._clock = clock
        self._editions: dict[tuple[str, str], Edition] = {}
        self._current: dict[str, tuple[int, str]] = {}

    async def stories(self) -> tuple[Edition, ...]:
        """Gives the current edition of every story."""
        names = await asyncio.to_thread(self._library.stories)
        return tuple([await self.current(name) for name in names])

    async def current(self, story: str) -> Edition:
        """Gives the newest edition of a story.

        Raises:
            NotFound: there is no such story.
        """
        now_ms = self._clock.now_ms()
        known = self._current.get(story)
        if known is None or now_ms - known[0] > CURRENT_FOR_MS:
            if story not in await asyncio.to_thread(self._library.stories):
                raise NotFound(f"there is no story {story!r}", story=story)
            known = (now_ms, await asyncio.to_thread(self._library.current, story))
            self._current[story] = known
        return await self.edition(story, known[1])

    def renew(self, story: str) -> None:
        """Looks again which edition of a story is the newest when that is asked next."""
        self._current.pop(story, None)

    async def edition(self, story: str, revision: str) -> Edition:
        """Gives one edition.

        Raises:
            LibraryError: it is missing or damaged.
        """
        edition = self._editions.get((story, revision))
        if edition is None:
            edition = await asyncio.to_thread(self._read, story, revision)
            self._editions[story, revision] = edition
            gc.freeze()  # it stays: the collector need not go through all of it again and again, while viewers wait
        return edition

    def _read(self, story: str, revision: str) -> Edition:
        package = self._library.load(story, revision)
        loaded = load_compiled(package.story)
        return Edition(stage=stage(loaded, package), multivariant=multivariant(loaded, package, MULTIVARIANT_PREFIX))
