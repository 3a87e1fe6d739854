"""What a session store does; every store passes the same tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streamer.session.events import Register, SessionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A session as it lies in a store."""

    record: SessionRecord
    version: int  # of the record: raised by every save
    register: Register
    reserved: int  # mark of what may have been published: never list less. Rises with segments and runs


class Store(Protocol):
    """Keeps sessions by id. Records are compare-and-swapped; register and reservation only ever rise."""

    async def load(self, session_id: str) -> Stored | None:
        """Gives a session, or None."""

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int) -> Stored:
        """Stores a new session; gives the one that is there already if another was first."""

    async def save(self, session_id: str, record: SessionRecord, version: int, *, reserved: int) -> bool:
        """Stores a record if the stored version is still `version` and no more than `reserved` is reserved.

        Durable when it returns True.
        """

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer.

        False: the record has changed and nothing was raised. Durable when it returns True.
        """

    async def forget(self, before_ms: int) -> int:
        """Drops sessions that expired before a time; gives how many."""

    async def close(self) -> None:
        """Lets go of what the store holds open."""
