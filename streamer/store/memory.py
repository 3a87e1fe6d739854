"""Sessions in this process's memory: for tests and trials; gone when the process ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from streamer.clock import SystemClock
from streamer.session.events import Event, Register, SessionRecord
from streamer.store.base import NO_CHANGES, Change, Glance, Stored
from streamer.story.model import Value


class MemoryStore:
    """A store in memory."""

    shared = False

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[Stored, int]] = {}  # and when it expires, in ms
        self._kept: dict[tuple[str, str], dict[str, Value]] = {}
        self.clock = SystemClock()

    async def load(self, session_id: str) -> Stored | None:
        """Gives a session, or None."""
        found = self._sessions.get(session_id)
        return None if found is None else found[0]

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int, version: int = 1) -> Stored:
        """Stores a new session; gives the one that is there already if another was first."""
        fresh = Stored(record=record, version=version, register=Register(), reserved=0)
        return self._sessions.setdefault(session_id, (fresh, expires_ms))[0]

    async def append(self, session_id: str, events: tuple[Event, ...], version: int, *, reserved: int) -> bool:
        """Adds events to a record if the stored version is still `version` and no more than `reserved` is reserved."""
        stored, expires_ms = self._sessions.get(session_id, (None, 0))
        if stored is None or stored.version != version or stored.reserved > reserved:
            return False
        record = msgspec.structs.replace(stored.record, events=(*stored.record.events, *events))
        grown = Stored(record=record, version=version + 1, register=stored.register, reserved=stored.reserved)
        self._sessions[session_id] = grown, expires_ms
        return True

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer."""
        stored, expires_ms = self._sessions.get(session_id, (None, 0))
        if stored is None or (stored.version != version and stored.reserved < reserved):
            return False
        moved = Stored(
            record=stored.record,
            version=stored.version,
            register=register if stored.register.sign_ms <= register.sign_ms else stored.register,
            reserved=max(stored.reserved, reserved),
        )
        self._sessions[session_id] = moved, expires_ms
        return True

    async def glance(self, session_id: str) -> Glance | None:
        """Gives what may have changed of a session; None: there is no such session."""
        stored = await self.load(session_id)
        if stored is None:
            return None
        return Glance(version=stored.version, register=stored.register, reserved=stored.reserved, alone=True)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Tells nothing: the memory is this process's own."""
        for change in NO_CHANGES:
            yield change

    async def kept(self, story: str, viewer: str) -> dict[str, Value]:
        """Gives what a story keeps of a viewer, by variable; of all viewers where `viewer` is empty."""
        return dict(self._kept.get((story, viewer), {}))

    async def keep(self, story: str, viewer: str, values: dict[str, Value]) -> None:
        """Keeps values, over those that are there; others stay."""
        self._kept.setdefault((story, viewer), {}).update(values)

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many."""
        old = [session_id for session_id, (_, expires_ms) in self._sessions.items() if expires_ms < before_ms]
        for session_id in old:
            del self._sessions[session_id]
        return len(old)

    async def close(self) -> None:
        """Holds nothing open."""
