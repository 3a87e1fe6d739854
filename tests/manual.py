"""A clock that tests move, and a server of stories with made-up media."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from streamer.config import Settings
from streamer.identity import Identity
from streamer.library.filesystem import Library
from streamer.media.names import SegmentName
from streamer.metrics import Metrics
from streamer.service import Sessions
from streamer.shelf import Shelf
from streamer.store.measured import MeasuredStore
from streamer.store.sqlite import SqliteStore
from tests.builders import lengths_of, package, staged_text, story_text
from tests.readers import Read, read_media

SECRET = bytes(range(32))
FORK = """
fork 12.52 -> left | right
left 7.36 -> fork
right 8 .
"""


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, ms: int = 1_790_000_000_000) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        """Gives the time."""
        return self.ms

    def forward(self, seconds: float) -> None:
        """Moves the time on."""
        self.ms += round(seconds * 1000)


def publish(root: Path, lines: str, text: str | None = None) -> None:
    """Puts a story with made-up media into a library."""
    text = text or story_text(lines)
    made = staged_text(text, lengths_of(lines))
    Library(root).publish(package(made.story, text, lengths_of(lines)))


@asynccontextmanager
async def serving(root: Path, clock: ManualClock, settings: Settings | None = None) -> AsyncIterator[Sessions]:
    """Runs the service on a folder; it ends as in a crash, and what it stored is there for the next run."""
    metrics = Metrics()
    store = MeasuredStore(await SqliteStore.open(root / "state" / "sessions.sqlite"), metrics)
    try:
        yield Sessions(
            store=store,
            shelf=Shelf(Library(root), clock),
            identity=Identity(SECRET),
            clock=clock,
            settings=settings or Settings(),
            metrics=metrics,
        )
    finally:
        await store.close()


class Player:
    """Plays a session as a player does: polls a list, fetches all that is in it."""

    def __init__(self, sessions: Sessions, clock: ManualClock, session: str) -> None:
        self.sessions, self.clock, self.session = sessions, clock, session
        self.fetched = 0

    async def poll(self, rendition: str = "v0") -> Read:
        """Asks for a list."""
        given = await self.sessions.media_playlist(self.session, rendition)
        return read_media(given.version.body.decode())

    async def fetch(self, read: Read) -> None:
        """Asks for every segment of a list not asked for before."""
        for uri in read.uris[self.fetched :]:
            name = self.sessions.addresses.namer.read(uri.rpartition("/")[2])
            assert isinstance(name, SegmentName)
            await self.sessions.segment_requested(self.session, name.offset, name.number)
        self.fetched = len(read.uris)

    async def watch(self, seconds: float) -> Read:
        """Plays on for so long, polling each second."""
        read = await self.poll()
        await self.fetch(read)
        for _ in range(round(seconds)):
            self.clock.forward(1)
            read = await self.poll()
            await self.fetch(read)
        return read
