"""Sessions in one SQLite file (write-ahead log): the default store, for one machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiosqlite
import msgspec

from streamer.session.events import Register, SessionRecord
from streamer.store.base import Stored

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
"""
_encode = msgspec.msgpack.encode
_record = msgspec.msgpack.Decoder(SessionRecord)
_register = msgspec.msgpack.Decoder(Register)


class SqliteStore:
    """A store in a file. `synchronous=FULL`: what was saved survives a crash of the machine too."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

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
        query = "SELECT record, version, register, reserved FROM sessions WHERE id = ?"
        async with self._connection.execute(query, (session_id,)) as cursor:
            row = await cursor.fetchone()
        if row is None:
            return None
        return Stored(record=_record.decode(row[0]), version=row[1], register=_register.decode(row[2]), reserved=row[3])

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int) -> Stored:
        """Stores a new session; gives the one that is there already if another was first."""
        await self._connection.execute(
            "INSERT OR IGNORE INTO sessions VALUES (?, 1, ?, ?, 0, 0, ?)",
            (session_id, _encode(record), _encode(Register()), expires_ms),
        )
        stored = await self.load(session_id)
        assert stored is not None
        return stored

    async def save(self, session_id: str, record: SessionRecord, version: int, *, reserved: int) -> bool:
        """Stores a record if the stored version is still `version` and no more than `reserved` is reserved."""
        cursor = await self._connection.execute(
            "UPDATE sessions SET record = ?, version = version + 1 WHERE id = ? AND version = ? AND reserved <= ?",
            (_encode(record), session_id, version, reserved),
        )
        return cursor.rowcount == 1

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer."""
        cursor = await self._connection.execute(
            "UPDATE sessions SET reserved = max(reserved, ?1),"
            " register = CASE WHEN sign_ms <= ?2 THEN ?3 ELSE register END, sign_ms = max(sign_ms, ?2)"
            " WHERE id = ?4 AND (version = ?5 OR reserved >= ?1)",
            (reserved, register.sign_ms, _encode(register), session_id, version),
        )
        return cursor.rowcount == 1

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many."""
        cursor = await self._connection.execute("DELETE FROM sessions WHERE expires_ms < ?", (before_ms,))
        return cursor.rowcount

    async def close(self) -> None:
        """Closes the file."""
        await self._connection.close()
