"""Sessions in one SQLite file (write-ahead log): the default store, for one machine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from streamer.clock import SystemClock
from streamer.errors import StoreError
from streamer.session.events import Event, Register, SessionRecord
from streamer.store.base import NO_CHANGES, Change, Glance, Stored
from streamer.story.model import Value

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    record BLOB NOT NULL,
    register BLOB NOT NULL,
    sign_ms INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_ms);
CREATE TABLE IF NOT EXISTS events (
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    events BLOB NOT NULL,
    PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    story TEXT NOT NULL,
    viewer TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (story, viewer, name)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS version_rises AFTER INSERT ON events
    BEGIN UPDATE sessions SET version = NEW.version WHERE id = NEW.id; END;
CREATE TRIGGER IF NOT EXISTS events_go_along AFTER DELETE ON sessions
    BEGIN DELETE FROM events WHERE id = OLD.id; END;
"""
_encode = msgspec.msgpack.encode
_record = msgspec.msgpack.Decoder(SessionRecord)
_events = msgspec.msgpack.Decoder(tuple[Event, ...])
_value = msgspec.msgpack.Decoder(bool | int | float | str)
_register = msgspec.msgpack.Decoder(Register)


class SqliteStore:
    """A store in a file. `synchronous=FULL`: what was saved survives a crash of the machine too."""

    shared = False

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self.clock = SystemClock()

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        """Opens or makes the file.

        Raises:
            OSError, sqlite3.Error: the file cannot be made or read.
        """
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        connection = await aiosqlite.connect(path, isolation_level=None)
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=FULL")
        await connection.execute("PRAGMA busy_timeout=5000")
        await connection.executescript(_SCHEMA)
        return cls(connection)

    async def load(self, session_id: str) -> Stored | None:
        """Gives a session, or None."""
        row = await self._first("SELECT record, version, register, reserved FROM sessions WHERE id = ?", session_id)
        if row is None:
            return None
        record, version, register, reserved = row
        # `record` holds what it began with; those that are added meanwhile are of a later version.
        query = "SELECT events FROM events WHERE id = ? AND version <= ? ORDER BY version"
        added = [event for (events,) in await self._all(query, session_id, version) for event in _events.decode(events)]
        found = _record.decode(record)
        return Stored(
            record=msgspec.structs.replace(found, events=(*found.events, *added)),
            version=version,
            register=_register.decode(register),
            reserved=reserved,
        )

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int, version: int = 1) -> Stored:
        """Stores a new session; gives the one that is there already if another was first."""
        await self._changed(
            "INSERT OR IGNORE INTO sessions VALUES (?, ?, ?, ?, 0, 0, ?)",
            *(session_id, version, _encode(record), _encode(Register()), expires_ms),
        )
        stored = await self.load(session_id)
        assert stored is not None
        return stored

    async def append(self, session_id: str, events: tuple[Event, ...], version: int, *, reserved: int) -> bool:
        """Adds events to a record if the stored version is still `version` and no more than `reserved` is reserved."""
        added = await self._changed(
            "INSERT INTO events SELECT id, version + 1, ? FROM sessions WHERE id = ? AND version = ? AND reserved <= ?",
            *(_encode(events), session_id, version, reserved),
        )
        return added == 1

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer."""
        changed = await self._changed(
            "UPDATE sessions SET reserved = max(reserved, ?1),"
            " register = CASE WHEN sign_ms <= ?2 THEN ?3 ELSE register END, sign_ms = max(sign_ms, ?2)"
            " WHERE id = ?4 AND (version = ?5 OR reserved >= ?1)",
            *(reserved, register.sign_ms, _encode(register), session_id, version),
        )
        return changed == 1

    async def glance(self, session_id: str) -> Glance | None:
        """Gives what may have changed of a session; None: there is no such session."""
        row = await self._first("SELECT version, register, reserved FROM sessions WHERE id = ?", session_id)
        if row is None:
            return None
        version, register, reserved = row
        return Glance(version=version, register=_register.decode(register), reserved=reserved, alone=True)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Tells nothing: the file is this process's own."""
        for change in NO_CHANGES:
            yield change

    async def kept(self, story: str, viewer: str) -> dict[str, Value]:
        """Gives what a story keeps of a viewer, by variable; of all viewers where `viewer` is empty."""
        rows = await self._all("SELECT name, value FROM kept WHERE story = ? AND viewer = ?", story, viewer)
        return {name: _value.decode(value) for name, value in rows}

    async def keep(self, story: str, viewer: str, values: dict[str, Value]) -> None:
        """Keeps values, over those that are there; others stay."""
        rows = [(story, viewer, name, _encode(value)) for name, value in values.items()]
        async with _answering():
            await self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many."""
        return await self._changed("DELETE FROM sessions WHERE expires_ms < ?", before_ms)

    async def close(self) -> None:
        """Closes the file."""
        await self._connection.close()

    async def _first(self, query: str, *values: object) -> Any:
        async with _answering(), self._connection.execute(query, values) as cursor:
            return await cursor.fetchone()

    async def _all(self, query: str, *values: object) -> Iterable[Any]:
        async with _answering(), self._connection.execute(query, values) as cursor:
            return await cursor.fetchall()

    async def _changed(self, statement: str, *values: object) -> int:
        """Changes rows; gives how many."""
        async with _answering(), self._connection.execute(statement, values) as cursor:
            return cursor.rowcount


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except sqlite3.Error as error:  # the disk is full or broken, or another process holds the file
        raise StoreError(f"the session store cannot be read or written: {error}") from error
