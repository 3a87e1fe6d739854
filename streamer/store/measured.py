"""A store that tells how long each operation takes, and which fail."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

from streamer.clock import Clock
from streamer.metrics import Metrics
from streamer.session.events import Event, Register, SessionRecord
from streamer.store.base import Change, Glance, Store, Stored
from streamer.story.model import Value

Answer = TypeVar("Answer")
OPERATIONS = ("glance", "load", "create", "append", "advance", "kept", "keep", "forget")


class MeasuredStore:
    """Any store, measured."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self.shared = store.shared
        self._seconds = {name: metrics.store.labels(operation=name) for name in OPERATIONS}
        self._errors = {name: metrics.store_errors.labels(operation=name) for name in OPERATIONS}

    async def _measured(self, operation: str, asked: Awaitable[Answer]) -> Answer:
        started = time.perf_counter()
        try:
            return await asked
        except Exception:
            self._errors[operation].inc()
            raise
        finally:
            self._seconds[operation].observe(time.perf_counter() - started)

    @property
    def clock(self) -> Clock:
        """Gives the store's time."""
        return self._store.clock

    async def glance(self, session_id: str) -> Glance | None:
        """Gives what may have changed of a session; None: there is no such session."""
        return await self._measured("glance", self._store.glance(session_id))

    def changes(self) -> AsyncGenerator[Change, None]:
        """Tells of changes by other processes, until the store is closed."""
        return self._store.changes()

    async def load(self, session_id: str) -> Stored | None:
        """Gives a session, or None."""
        return await self._measured("load", self._store.load(session_id))

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int, version: int = 1) -> Stored:
        """Stores a new session; gives the one that is there already if another was first."""
        return await self._measured("create", self._store.create(session_id, record, expires_ms, version))

    async def append(self, session_id: str, events: tuple[Event, ...], version: int, *, reserved: int) -> bool:
        """Adds events to a record if the stored version is still `version` and no more than `reserved` is reserved."""
        return await self._measured("append", self._store.append(session_id, events, version, reserved=reserved))

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer."""
        return await self._measured("advance", self._store.advance(session_id, reserved, register, version))

    async def kept(self, story: str, viewer: str) -> dict[str, Value]:
        """Gives what a story keeps of a viewer, by variable; of all viewers where `viewer` is empty."""
        return await self._measured("kept", self._store.kept(story, viewer))

    async def keep(self, story: str, viewer: str, values: dict[str, Value]) -> None:
        """Keeps values, over those that are there; others stay."""
        await self._measured("keep", self._store.keep(story, viewer, values))

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many."""
        return await self._measured("forget", self._store.forget(before_ms))

    async def close(self) -> None:
        """Lets go of what the store holds open."""
        await self._store.close()
