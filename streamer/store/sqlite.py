"""Sessions in one SQLite file (write-ahead log): the default store, for one machine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

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


_AT_ONCE = 512  # changes in one transaction, at most
_Statement = tuple[str, Sequence[object]]  # a statement and its values


class SqliteStore:
    """A store in a file. `synchronous=FULL`: what was saved survives a crash of the machine too.

    What is to be changed while the disk is busy is changed with the next transaction, all at once: one wait for the
    disk serves all viewers of that moment.
    """

    shared = False

    def __init__(self, reading: sqlite3.Connection, writing: sqlite3.Connection) -> None:
        self._reading, self._writing = reading, writing
        self._reader, self._writer = (ThreadPoolExecutor(1, f"sqlite {what}") for what in ("reader", "writer"))
        self._waiting: deque[tuple[_Statement, asyncio.Future[int]]] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self.clock = SystemClock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Opens or makes the file.

        Raises:
            OSError, sqlite3.Error: the file cannot be made or read.
        """
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        return cls(await asyncio.to_thread(_connected, path), await asyncio.to_thread(_connected, path))

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
        statement = "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)"
        rows = [(story, viewer, name, _encode(value)) for name, value in values.items()]
        await asyncio.gather(*(self._changed(statement, *row) for row in rows))

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many."""
        return await self._changed("DELETE FROM sessions WHERE expires_ms < ?", before_ms)

    async def close(self) -> None:
        """Closes the file, once what is being changed is stored."""
        if self._flushing is not None:
            await self._flushing
        for executor, connection in ((self._reader, self._reading), (self._writer, self._writing)):
            await asyncio.get_running_loop().run_in_executor(executor, connection.close)
            executor.shutdown(wait=False)

    async def _first(self, query: str, *values: object) -> Any:
        rows = await self._all(query, *values)
        return rows[0] if rows else None

    async def _all(self, query: str, *values: object) -> list[Any]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, _rows, self._reading, query, values)
        except sqlite3.Error as error:
            raise _unanswered(error) from error

    async def _changed(self, statement: str, *values: object) -> int:
        """Changes rows, durably; gives how many."""
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(((statement, values), stored))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await stored

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
                changes = [change for change, _ in batch]
                try:
                    counts = await loop.run_in_executor(self._writer, _written, self._writing, changes)
                except sqlite3.Error as error:
                    for _, stored in batch:
                        if not stored.done():
                            stored.set_exception(_unanswered(error))
                else:
                    for (_, stored), count in zip(batch, counts, strict=True):
                        if not stored.done():
                            stored.set_result(count)
        finally:
            self._flushing = None


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.executescript(_SCHEMA)
    return connection


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[object]) -> list[Any]:
    return connection.execute(query, values).fetchall()


def _written(connection: sqlite3.Connection, changes: Sequence[_Statement]) -> list[int]:
    """Makes changes in one transaction, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        counts = [connection.execute(statement, values).rowcount for statement, values in changes]
        connection.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):  # where it has been rolled back already
            connection.execute("ROLLBACK")
        raise
    return counts


def _unanswered(error: sqlite3.Error) -> StoreError:
    """Gives the error of a disk that is full or broken, or of a file that another process holds."""
    return StoreError(f"the session store cannot be read or written: {error}")
