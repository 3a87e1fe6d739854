"""Puts the application together: routes, middleware, what is opened at the start and closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from streamer.clock import Clock
from streamer.config import Settings
from streamer.identity import Identity, load_secret
from streamer.library.filesystem import Library
from streamer.metrics import Metrics
from streamer.origin import Origin
from streamer.service import Sessions
from streamer.shelf import Shelf
from streamer.store.measured import MeasuredStore
from streamer.store.opening import open_store
from streamer.watching import Watch
from streamer.web import media, operations, pages, playlists, sessions, watching
from streamer.web.files import read_files
from streamer.web.keys import (
    DRAINING,
    FILES,
    LIBRARY,
    LIMITER,
    METRICS,
    ORIGIN,
    SESSIONS,
    SETTINGS,
    SHELF,
    STORE,
    WATCH,
)
from streamer.web.limiting import make_limiter
from streamer.web.lookup import LookingUp
from streamer.web.middleware import boundary

log = structlog.get_logger("branchline")
SWEEP_SECONDS = 60


async def make_app(settings: Settings, clock: Clock | None = None, watch: Watch | None = None) -> web.Application:
    """Makes the application; with a `watch`, it runs that too and tells its reports.

    Raises:
        ConfigError: the secret cannot be used.
    """
    identity = Identity(await asyncio.to_thread(load_secret, settings.state.path))
    metrics = Metrics()
    opened = await open_store(settings)
    store = MeasuredStore(opened, metrics)
    clock = clock or store.clock
    library = Library(settings.library.path)
    shelf = Shelf(library, clock)
    look_up = LookingUp(settings.lookup) if settings.lookup.url else None
    found = Sessions(
        store=store,
        shelf=shelf,
        identity=identity,
        clock=clock,
        settings=settings,
        look_up=look_up,
        metrics=metrics,
    )
    server = settings.server
    connections = {
        "max_line_size": server.line_bytes,
        "max_field_size": server.line_bytes,
        "max_headers": server.header_lines,
        "keepalive_timeout": server.idle_seconds,
    }
    app = web.Application(middlewares=[boundary], client_max_size=server.body_bytes, handler_args=connections)
    app[SETTINGS], app[SHELF], app[SESSIONS], app[LIBRARY] = settings, shelf, found, library
    app[STORE], app[METRICS], app[DRAINING] = store, metrics, asyncio.Event()
    app[LIMITER] = make_limiter(opened, settings.store.prefix)
    app[ORIGIN] = Origin(library, found.addresses.namer, settings.library.cache_bytes)
    app[FILES] = await asyncio.to_thread(read_files)
    _add_routes(app)

    async def sweeping(_: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_sweep(found)), asyncio.create_task(found.hear_changes())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if look_up is not None:
            await look_up.close()
        await store.close()

    async def stop(_: web.Application) -> None:
        await found.stop()  # before open requests are waited for: held ones are answered, streams end

    app.cleanup_ctx.append(sweeping)
    app.cleanup_ctx.append(operations.listening)
    app.on_shutdown.append(stop)
    if watch is not None:
        _add_watch(app, watch)
    return app


def _add_watch(app: web.Application, watch: Watch) -> None:
    app[WATCH] = watch
    app.router.add_get("/api/v1/watch/events", watching.events, allow_head=False)

    async def running(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(watch.run(app[SHELF].renew))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def stop(_: web.Application) -> None:
        await watch.stop()

    app.cleanup_ctx.append(running)
    app.on_shutdown.append(stop)


async def _sweep(found: Sessions) -> None:
    while True:
        dropped = await found.forget_expired()
        if dropped:
            log.info("expired sessions dropped", count=dropped)
        await asyncio.sleep(SWEEP_SECONDS)


def _add_routes(app: web.Application) -> None:
    router = app.router
    # First what is asked for most: routes that begin alike are tried in this order.
    router.add_get("/s/{session}/{run:[1-9][0-9]{0,3}}/{rendition:(?!index)[a-z0-9]{1,8}}.m3u8", playlists.media)
    router.add_get("/s/{session}/m/{name}", media.below_session)
    router.add_get("/", pages.index)
    router.add_get("/watch/{story:[a-z0-9-]{1,64}}", pages.watch)
    router.add_get("/healthz", pages.health)
    router.add_get("/readyz", operations.ready)
    router.add_get("/static/{name:.+}", pages.static)
    router.add_get("/play/{story:[a-z0-9-]{1,64}}.m3u8", playlists.play)
    router.add_get("/s/{session}/{run:[1-9][0-9]{0,3}}/index.m3u8", playlists.multivariant)
    again = "/s/{session}/{run:[1-9][0-9]{0,3}}.{start:[0-9]{1,9}}/{rendition:[a-z0-9]{1,8}}.m3u8"
    router.add_get(again, playlists.media)
    router.add_post("/s/{session}/cmcd", playlists.report)
    router.add_get("/m/{name}", media.shared)
    router.add_get("/api/v1/stories", sessions.stories)
    router.add_get("/api/v1/stories/{story:[a-z0-9-]{1,64}}", sessions.story)
    router.add_get("/art/{picture}", sessions.art)
    router.add_post("/api/v1/sessions", sessions.create)
    router.add_get("/api/v1/sessions/{session}", sessions.state)
    router.add_get("/api/v1/sessions/{session}/events", sessions.events, allow_head=False)
    router.add_post("/api/v1/sessions/{session}/choices", sessions.choose)
    router.add_post("/api/v1/sessions/{session}/position", sessions.place)
    router.add_post("/api/v1/sessions/{session}/back", sessions.go_back)
    router.add_post("/api/v1/sessions/{session}/menu", sessions.take_from_menu)
