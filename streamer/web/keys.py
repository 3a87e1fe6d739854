"""What the application hands to its handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from limits.aio.strategies import FixedWindowRateLimiter

from streamer.config import Settings
from streamer.library.filesystem import Library
from streamer.metrics import Metrics
from streamer.origin import Origin
from streamer.service import Sessions
from streamer.shelf import Shelf
from streamer.store.base import Store
from streamer.watching import Watch
from streamer.web.files import File

SESSIONS = web.AppKey("sessions", Sessions)
SHELF = web.AppKey("shelf", Shelf)
STORE: web.AppKey[Store] = web.AppKey("store")
LIBRARY = web.AppKey("library", Library)
ORIGIN = web.AppKey("origin", Origin)
WATCH = web.AppKey("watch", Watch)  # only where story files are watched
DRAINING = web.AppKey("draining", asyncio.Event)  # the server is about to stop; others are to take over
FILES = web.AppKey[Mapping[str, File]]("files", Mapping)  # of the pages, by name
SETTINGS = web.AppKey("settings", Settings)
METRICS = web.AppKey("metrics", Metrics)
LIMITER = web.AppKey("limiter", FixedWindowRateLimiter)
