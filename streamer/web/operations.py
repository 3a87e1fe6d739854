"""What operators and their machines ask: may requests come, what was counted, why is a list as long as it is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import choose_encoder

from streamer.errors import BranchlineError, StoreError
from streamer.web.keys import DRAINING, METRICS, SESSIONS, SETTINGS, SHELF, STORE
from streamer.web.middleware import answered, problem

NO_STORE = {"Cache-Control": "no-store"}


async def listening(app: web.Application) -> AsyncIterator[None]:
    """Listens for operators as long as the application runs, where a port is set.

    Raises:
        BranchlineError: the port is taken.
    """
    host, port = app[SETTINGS].operations.host, app[SETTINGS].operations.port
    if not port:
        yield
        return
    runner = web.AppRunner(operators_app(app), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, reuse_address=True).start()
        except OSError as error:
            raise BranchlineError(f"operations: cannot listen on {host}:{port}: {error.strerror}") from error
        yield
    finally:
        await runner.cleanup()


def operators_app(app: web.Application) -> web.Application:
    """Gives what operators may ask of an application. Without CORS headers: no page of a browser may read it."""
    found = web.Application(middlewares=[_plain])
    found[METRICS], found[SESSIONS] = app[METRICS], app[SESSIONS]
    found.router.add_get("/metrics", metrics)
    found.router.add_get("/debug/sessions/{session}", session)
    return found


@web.middleware
async def _plain(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await answered(request, handler)


async def metrics(request: web.Request) -> web.Response:
    """Gives all figures in a form of Prometheus."""
    spell, media_type = choose_encoder(request.headers.get("Accept", ""))
    body = await asyncio.to_thread(spell, request.app[METRICS].registry)  # it reads files of /proc
    return web.Response(body=body, headers={"Content-Type": media_type, **NO_STORE})


async def session(request: web.Request) -> web.Response:
    """Tells why a session's edge is where it is."""
    found = request.app[SESSIONS].explained(request.match_info["session"])
    return web.json_response(found, headers=NO_STORE)


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
