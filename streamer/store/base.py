"""What a session store does; every store passes the same tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from streamer.clock import Clock
from streamer.session.events import Event, Register, SessionRecord
from streamer.story.model import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A session as it lies in a store."""

    record: SessionRecord
    version: int  # of the record: raised whenever events are added
    register: Register
    reserved: int  # mark of what may have been published: never list less. Rises with segments and runs
    alone: bool = True  # no other process has asked for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What may have changed of a session by another process."""

    version: int
    register: Register
    reserved: int
    alone: bool  # no other process has asked for the session


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Another process has changed a session that this one has asked for."""

    session_id: str
    version: int
    reserved: int


NO_CHANGES: tuple[Change, ...] = ()
LOST = Change(session_id="", version=0, reserved=0)  # changes may have been missed: of any session


class Store(Protocol):
    """Keeps sessions by id. Events are added by compare-and-swap; register and reservation only ever rise.

    Everything but `close` raises StoreError where the store does not answer in time.
    """

    shared: bool  # other processes write to it too: what is in memory may be old

    @property
    def clock(self) -> Clock:
        """Gives the store's time."""

    async def glance(self, session_id: str) -> Glance | None:
        """Gives what may have changed of a session; None: there is no such session."""

    def changes(self) -> AsyncGenerator[Change, None]:
        """Tells of changes by other processes, until the store is closed; nothing where it is not shared."""

    async def load(self, session_id: str) -> Stored | None:
        """Gives a session, or None."""

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int, version: int = 1) -> Stored:
        """Stores a new session; gives the one that is there already if another was first.

        It begins with a later version where it was stored before, and the store has lost it.
        """

    async def append(self, session_id: str, events: tuple[Event, ...], version: int, *, reserved: int) -> bool:
        """Adds events to a record if the stored version is still `version` and no more than `reserved` is reserved.

        Durable when it returns True. What it costs does not grow with the events that are there.
        """

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer.

        False: the record has changed and nothing was raised. Durable when it returns True.
        """

    async def kept(self, story: str, viewer: str) -> dict[str, Value]:
        """Gives what a story keeps of a viewer, by variable; of all viewers where `viewer` is empty."""

    async def keep(self, story: str, viewer: str, values: dict[str, Value]) -> None:
        """Keeps values, over those that are there; others stay."""

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many. A store that drops them by itself gives 0."""

    async def close(self) -> None:
        """Lets go of what the store holds open."""
