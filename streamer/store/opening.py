"""Which store a configuration asks for."""

from __future__ import annotations

import os

from streamer.config import Settings
from streamer.store.base import Store
from streamer.store.memory import MemoryStore
from streamer.store.sqlite import SqliteStore

IN_MEMORY = "memory:"
URL_VARIABLE = "BRANCHLINE_STORE_URL"  # for an address with a password, which belongs in no file that is shared


async def open_store(settings: Settings) -> Store:
    """Opens the store.

    Raises:
        ConfigError: its address cannot be read.
        StoreError: it does not answer.
        OSError, sqlite3.Error: its file cannot be made or read.
    """
    url = os.environ.get(URL_VARIABLE, settings.store.url)
    if not url:
        return await SqliteStore.open(settings.state.path / "sessions.sqlite")
    if url == IN_MEMORY:
        return MemoryStore()
    from streamer.store.redis import RedisStore  # noqa: PLC0415 - its client takes a fifth of a second to import

    return await RedisStore.open(
        url,
        timeout_seconds=settings.store.timeout_seconds,
        connections=settings.store.connections,
        prefix=settings.store.prefix,
    )
