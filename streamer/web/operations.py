"""What operators and their machines ask: whether requests should come here."""

from __future__ import annotations

import asyncio
import sqlite3

from aiohttp import web

from streamer.errors import BranchlineError, StoreError
from streamer.web.keys import DRAINING, SETTINGS, SHELF, STORE
from streamer.web.middleware import problem

NO_STORE = {"Cache-Control": "no-store"}


async def ready(request: web.Request) -> web.Response:
    """Tells whether requests should come to this replica; a problem document names what is not ready."""
    failing = await not_ready(request.app)
    if not failing:
        return web.json_response({"status": "ready"}, headers=NO_STORE)
    return problem(503, f"not ready: {', '.join(failing)}", {"failing": failing})


async def not_ready(app: web.Application) -> dict[str, str]:
    """Gives what is not ready and why; empty: requests may come."""
    found = {}
    if is_draining(app):
        found["server"] = "it is stopping"
    library, store = await asyncio.gather(_library_problem(app), _store_problem(app))
    if library:
        found["library"] = library
    if store:
        found["store"] = store
    return found


def is_draining(app: web.Application) -> bool:
    """Tells whether the server finishes what it has begun and wants nothing new."""
    return app[DRAINING].is_set()


async def _library_problem(app: web.Application) -> str:
    """Gives what is wrong with the library; an empty one counts: a folder that is not mounted looks the same."""
    try:
        return "" if await app[SHELF].stories() else "no story is packaged"
    except (BranchlineError, OSError):
        return "a story's package cannot be read"


async def _store_problem(app: web.Application) -> str:
    try:
        async with asyncio.timeout(app[SETTINGS].store.timeout_seconds):
            await app[STORE].kept("", "")  # nothing is kept there: one look-up, in every store
    except (StoreError, TimeoutError, sqlite3.Error):
        return "the session store does not answer in time"
    return ""
