"""How much one address may ask for: counted a minute at a time, over all replicas where they share a store."""

from __future__ import annotations

import asyncio
import math
import time
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import structlog
from aiohttp import web
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from streamer.errors import TooMany
from streamer.store.base import Store
from streamer.store.redis import RedisStore
from streamer.web.keys import LIMITER, SETTINGS

log = structlog.get_logger("branchline.limits")
OF_ONE_CLIENT = 64  # bits of an IPv6 address that one client has: the rest it may choose


class Limited(StrEnum):
    """What is counted."""

    SESSIONS = "sessions"
    CHOICES = "choices"


def make_limiter(store: Store, prefix: str) -> FixedWindowRateLimiter:
    """Gives what counts: over the connections of a store that replicas share, else in this process.

    Args:
        store: where sessions live.
        prefix: what the store's keys begin with.
    """
    if not isinstance(store, RedisStore):
        return FixedWindowRateLimiter(MemoryStorage())
    storage = RedisStorage(
        "async+redis://",  # not looked at: there are connections
        implementation="redispy",
        key_prefix=f"{prefix}limits",
        wrap_exceptions=True,
        connection_pool=store.connections,  # type: ignore[arg-type]  # its annotation knows options of text alone
    )
    return FixedWindowRateLimiter(storage)


async def limited(request: web.Request, what: Limited) -> None:
    """Counts a request. Where the counts cannot be read it is let through: they guard the store, not the viewers.

    Raises:
        TooMany: the address asks for more a minute than is allowed.
    """
    settings = request.app[SETTINGS]
    limits = settings.limits
    most = limits.sessions_per_minute if what is Limited.SESSIONS else limits.choices_per_minute
    if not most:
        return
    item, limiter, client = RateLimitItemPerMinute(most), request.app[LIMITER], counted_as(client_of(request))
    try:
        async with asyncio.timeout(settings.store.timeout_seconds):
            if await limiter.hit(item, what, client):
                return
            resets = (await limiter.get_window_stats(item, what, client)).reset_time
    except (StorageError, TimeoutError) as error:
        log.warning("requests cannot be counted", problem=repr(error))
        return
    wait = max(math.ceil(resets - time.time()), 1)
    raise TooMany(f"more than {most} {what} a minute from one address", retry_after_seconds=wait)


def client_of(request: web.Request) -> str:
    """Gives the address that a request comes from.

    X-Forwarded-For is believed as far as trusted proxies wrote it: from its end to the first address that is none.
    """
    trusted = request.app[SETTINGS].server.trusted_proxies
    hops = [hop.strip() for line in request.headers.getall("X-Forwarded-For", []) for hop in line.split(",")]
    client = request.remote or ""
    while hops and (found := _address(client)) is not None and any(found in network for network in trusted):
        client = hops.pop()
    return client


def counted_as(client: str) -> str:
    """Gives what an address is counted as: of IPv6, the network that one client has."""
    found = _address(client)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, OF_ONE_CLIENT), strict=False))
    return "unknown" if found is None else str(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
