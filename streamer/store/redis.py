"""Sessions in Redis or Valkey: one store for many replicas.

A session is one hash, so that every script touches one key (and one slot of a cluster):

    r   record as it began          v   version           m   what is reserved      x   when it expires, ms
    g   register                    s   its sign_ms       h   replicas that have asked for it, parted by spaces
    e2, e3, …   events that were added, by the version they made

Each replica listens on one channel of its own; whoever changes a session tells the others of `h`. Keys are digests:
a session's id opens its playlists, and a dump of the store shall not.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import msgspec
import structlog
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError

from streamer.errors import ConfigError, StoreError
from streamer.session.events import Event, Register, SessionRecord
from streamer.store.base import LOST, Change, Glance, Stored
from streamer.story.model import Value

log = structlog.get_logger("branchline.store")

PREFIX = "branchline:"
MEASURE_SECONDS = 30  # between two looks at the store's clock
MEASURES = 5  # of one look; the quickest answer says most
AGAIN_SECONDS = 0.2  # until the channel is opened again
SILENT_SECONDS = 5  # on the channel, until it is asked whether it still lives
SENTINEL = "redis+sentinel://"
DRIVER = DriverInfo(name="branchline", lib_version="")  # else each connection looks its version up on disk

_NOTED = """
local function noted(replica)
  local holders = redis.call('HGET', KEYS[1], 'h') or ''
  if not string.find(' ' .. holders .. ' ', ' ' .. replica .. ' ', 1, true) then
    holders = holders == '' and replica or holders .. ' ' .. replica
    redis.call('HSET', KEYS[1], 'h', holders)
  end
  return holders
end
local function tell(holders, replica, session, version, reserved)
  for other in string.gmatch(holders or '', '%S+') do
    if other ~= replica then
      redis.call('PUBLISH', ARGV[1] .. other, session .. ' ' .. version .. ' ' .. reserved)
    end
  end
end
local replica, session = ARGV[2], ARGV[3]
"""
# All scripts: KEYS[1] the session; ARGV: 1 prefix of channels, 2 this replica, 3 the session's id.
_LOAD = (
    _NOTED
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
noted(replica)
return redis.call('HGETALL', KEYS[1])
"""
)
# 4 record, 5 register, 6 expiry in ms, 7 version
_CREATE = (
    _NOTED
    + """
local is_new = redis.call('EXISTS', KEYS[1]) == 0
if is_new then
  redis.call('HSET', KEYS[1], 'r', ARGV[4], 'v', ARGV[7], 'g', ARGV[5], 's', 0, 'm', 0, 'x', ARGV[6])
end
noted(replica)
local all = redis.call('HGETALL', KEYS[1])
if is_new then redis.call('PEXPIREAT', KEYS[1], ARGV[6]) end  -- at last: a time that is over drops it at once
return all
"""
)
# 4 version, 5 mark that is known, 6 events
_APPEND = (
    _NOTED
    + """
local found = redis.call('HMGET', KEYS[1], 'v', 'm', 'h')
if found[1] ~= ARGV[4] or tonumber(found[2]) > tonumber(ARGV[5]) then return 0 end
local version = tonumber(ARGV[4]) + 1
redis.call('HSET', KEYS[1], 'v', version, 'e' .. version, ARGV[6])
tell(found[3], replica, session, version, found[2])
return 1
"""
)
# 4 version, 5 mark to reserve, 6 register, 7 its sign_ms
_ADVANCE = (
    _NOTED
    + """
local found = redis.call('HMGET', KEYS[1], 'v', 'm', 's', 'h')
if not found[1] then return 0 end
local mark = tonumber(found[2])
if found[1] ~= ARGV[4] and mark < tonumber(ARGV[5]) then return 0 end
if tonumber(ARGV[5]) > mark then mark = tonumber(ARGV[5]) end
if tonumber(found[3]) <= tonumber(ARGV[7]) then
  redis.call('HSET', KEYS[1], 'm', mark, 'g', ARGV[6], 's', ARGV[7])
else
  redis.call('HSET', KEYS[1], 'm', mark)
end
tell(found[4], replica, session, found[1], string.format('%.0f', mark))
return 1
"""
)
_encode = msgspec.msgpack.encode
_record = msgspec.msgpack.Decoder(SessionRecord)
_events = msgspec.msgpack.Decoder(tuple[Event, ...])
_value = msgspec.msgpack.Decoder(bool | int | float | str)
_register = msgspec.msgpack.Decoder(Register)


class StoreClock:
    """The clock of the Redis server, told by this machine's steady one and a measured offset.

    It never goes back, whatever is done to the clocks.
    """

    def __init__(self) -> None:
        self._offset_ms = time.time_ns() / 1e6 - time.monotonic_ns() / 1e6
        self._last_ms = 0

    def now_ms(self) -> int:
        """Gives milliseconds since 1970."""
        self._last_ms = max(self._last_ms, round(time.monotonic_ns() / 1e6 + self._offset_ms))
        return self._last_ms

    def set(self, offset_ms: float) -> None:
        """Takes the milliseconds by which the store's clock is ahead of this machine's steady one."""
        self._offset_ms = offset_ms


class RedisStore:
    """A store in Redis 7 or Valkey. As durable as the server: it should append to a file (`appendonly yes`)."""

    shared = True

    def __init__(
        self, redis: Redis, timeout_seconds: float, prefix: str = PREFIX, sentinels: tuple[Redis, ...] = ()
    ) -> None:
        """See `open`."""
        self._redis, self._timeout, self._prefix, self._sentinels = redis, timeout_seconds, prefix, sentinels
        self._replica = secrets.token_hex(4)
        self._load, self._create, self._append, self._advance = map(
            redis.register_script, (_LOAD, _CREATE, _APPEND, _ADVANCE)
        )
        self._common = (self._channels, self._replica)
        self.clock = StoreClock()
        self._measuring: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connections(self) -> ConnectionPool:
        """Gives the connections to the server, for what else is counted there."""
        return self._redis.connection_pool

    @property
    def _channels(self) -> str:
        return f"{self._prefix}changes:"

    @classmethod
    async def open(cls, url: str, *, timeout_seconds: float, connections: int = 64, prefix: str = PREFIX) -> RedisStore:
        """Connects, and takes the time from the server.

        Args:
            url: `redis://[user:password@]host:port/database`, `rediss://` for TLS, `unix://path`, or
                `redis+sentinel://[user:password@]host:port[,host:port…]/name/database`.
            timeout_seconds: that an answer is waited for.
            connections: at once, at most.
            prefix: of all keys and channels.

        Raises:
            ConfigError: the address cannot be read.
            StoreError: the server does not answer.
        """
        try:
            redis, sentinels = _client(url, timeout_seconds, connections)
        except (ValueError, TypeError, RedisError) as error:
            raise ConfigError(f"store.url: cannot be read: {error}; write redis://host:6379/0") from error
        store = cls(redis, timeout_seconds, prefix, sentinels)
        try:
            await store._measure()
            await store._look_at_durability()
        except BaseException:
            await store.close()
            raise
        store._measuring = asyncio.create_task(store._keep_time())
        return store

    async def load(self, session_id: str) -> Stored | None:
        """Gives a session, or None."""
        found = await self._run(self._load, session_id)
        return None if found is None else self._stored(found)

    async def create(self, session_id: str, record: SessionRecord, expires_ms: int, version: int = 1) -> Stored:
        """Stores a new session; gives the one that is there already if another was first."""
        begun = (_encode(record), _encode(Register()), expires_ms, version)
        return self._stored(await self._run(self._create, session_id, *begun))

    async def append(self, session_id: str, events: tuple[Event, ...], version: int, *, reserved: int) -> bool:
        """Adds events to a record if the stored version is still `version` and no more than `reserved` is reserved."""
        return bool(await self._run(self._append, session_id, version, reserved, _encode(events)))

    async def advance(self, session_id: str, reserved: int, register: Register, version: int) -> bool:
        """Raises the reservation if the stored version is still `version`; notes the register if it is newer."""
        noted = (_encode(register), register.sign_ms)
        return bool(await self._run(self._advance, session_id, version, reserved, *noted))

    async def glance(self, session_id: str) -> Glance | None:
        """Gives what may have changed of a session; None: there is no such session."""
        async with self._answering():
            asked = self._redis.hmget(self._key(session_id), ["v", "g", "m", "h"])
            version, register, reserved, holders = await cast("Awaitable[list[bytes | None]]", asked)
        if version is None or register is None or reserved is None:
            return None
        return Glance(
            version=int(version),
            register=_register.decode(register),
            reserved=int(reserved),
            alone=self._is_alone(holders),
        )

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Tells of changes by other replicas, until the store is closed."""
        while not self._closed:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self._channels + self._replica)
                    while not self._closed:
                        message = await channel.get_message(timeout=SILENT_SECONDS)
                        if message is None:
                            await channel.ping()
                        elif message["type"] == "subscribe":  # also after a connection that broke was made again
                            yield LOST
                        elif message["type"] == "message":
                            session_id, version, reserved = message["data"].decode().split(" ")
                            yield Change(session_id=session_id, version=int(version), reserved=int(reserved))
            except (RedisError, OSError) as error:
                log.warning("the store's channel is broken; it is opened again", problem=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def kept(self, story: str, viewer: str) -> dict[str, Value]:
        """Gives what a story keeps of a viewer, by variable; of all viewers where `viewer` is empty."""
        async with self._answering():
            asked = self._redis.hgetall(self._kept_key(story, viewer))
            found = await cast("Awaitable[dict[bytes, bytes]]", asked)
        return {name.decode(): _value.decode(value) for name, value in found.items()}

    async def keep(self, story: str, viewer: str, values: dict[str, Value]) -> None:
        """Keeps values, over those that are there; others stay."""
        if values:
            async with self._answering():
                mapping = {name: _encode(value) for name, value in values.items()}
                asked = self._redis.hset(self._kept_key(story, viewer), mapping=cast("dict[Any, Any]", mapping))
                await asked

    async def forget(self, before_ms: int) -> int:  # noqa: ARG002
        """Does nothing: keys expire by themselves."""
        return 0

    async def close(self) -> None:
        """Closes the connections."""
        self._closed = True
        if self._measuring is not None:
            self._measuring.cancel()
            await asyncio.gather(self._measuring, return_exceptions=True)
        for client in (self._redis, *self._sentinels):
            await client.aclose()

    def _stored(self, found: list[bytes]) -> Stored:
        fields = dict(zip(found[::2], found[1::2], strict=True))
        version = int(fields[b"v"])
        record = _record.decode(fields[b"r"])
        # `record` holds what it began with; it began with a later version if it was lost once.
        added = [
            event
            for number in range(2, version + 1)
            if (events := fields.get(b"e%d" % number)) is not None
            for event in _events.decode(events)
        ]
        return Stored(
            record=msgspec.structs.replace(record, events=(*record.events, *added)),
            version=version,
            register=_register.decode(fields[b"g"]),
            reserved=int(fields[b"m"]),
            alone=self._is_alone(fields[b"h"]),
        )

    def _is_alone(self, holders: bytes | None) -> bool:
        return (holders or b"").split() == [self._replica.encode()]

    def _key(self, session_id: str) -> str:
        return f"{self._prefix}session:{{{_digest(session_id)}}}"

    def _kept_key(self, story: str, viewer: str) -> str:
        return f"{self._prefix}kept:{story}:{{{_digest(f'{story}|{viewer}')}}}"

    async def _run(self, script: Any, session_id: str, *arguments: bytes | int) -> Any:
        async with self._answering():
            return await script(keys=[self._key(session_id)], args=[*self._common, session_id, *arguments])

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreError(f"the session store does not answer: {str(error) or type(error).__name__}") from error

    async def _measure(self) -> None:
        """Takes the server's time as it was halfway between asking and hearing, of the quickest of a few answers."""
        best = (float("inf"), 0.0)
        for _ in range(MEASURES):
            async with self._answering():
                before = time.monotonic_ns() / 1e6
                seconds, microseconds = await self._redis.time()
                after = time.monotonic_ns() / 1e6
            best = min(best, (after - before, seconds * 1000 + microseconds / 1000 - (before + after) / 2))
        self.clock.set(best[1])

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            with suppress(StoreError):  # the last offset serves meanwhile
                await self._measure()

    async def _look_at_durability(self) -> None:
        try:
            async with self._answering():
                told = await self._redis.info("persistence")
        except StoreError:
            return  # the account may not ask: the operator has been told in docs/operations.md
        if not told.get("aof_enabled"):
            log.warning("the store forgets committed choices when it crashes; set appendonly yes")


def _client(url: str, timeout_seconds: float, connections: int) -> tuple[Redis, tuple[Redis, ...]]:
    """Gives the connections to the server, and those to its sentinels."""
    options: dict[str, Any] = {
        "socket_connect_timeout": timeout_seconds,
        "socket_timeout": None,  # `_answering` bounds each answer, and the channel waits long
        "driver_info": DriverInfo(
            name="branchline", lib_version=""
        ),  # else each connection looks its version up on disk
        "retry": Retry(NoBackoff(), 1),  # of a connection that the server has closed
    }
    if not url.startswith(SENTINEL):
        pool = BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout_seconds, **options)
        return Redis.from_pool(pool), ()
    account, _, rest = url.removeprefix(SENTINEL).rpartition("@")
    hosts, _, named = rest.partition("/")
    name, _, database = named.partition("/")
    if not hosts or not name:
        raise ValueError("a sentinel's address is redis+sentinel://host:26379[,host:26379…]/name")
    user, _, password = account.partition(":")
    places = [(host, int(port or 26379)) for host, _, port in (each.partition(":") for each in hosts.split(","))]
    access = {"username": user or None, "password": password} if password else {}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        places, sentinel_kwargs={"socket_timeout": timeout_seconds, "driver_info": DRIVER}, **options, **access
    )
    master: Redis = sentinel.master_for(name, db=int(database or 0), max_connections=connections)
    return master, tuple(sentinel.sentinels)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
