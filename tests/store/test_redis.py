"""What only a store does that many replicas share."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
import trustme
from redis.asyncio import Redis
from structlog.testing import capture_logs

from streamer.errors import ConfigError, StoreError
from streamer.session.events import Committed, Register, SessionRecord
from streamer.store.base import LOST, Change, Stored
from streamer.store.redis import RedisStore, StoreClock
from streamer.units import Ticks
from tests.fleet import free_port
from tests.valkey import PROGRAM, RIGHTS, Valkey, valkey

RECORD = SessionRecord(story="s", revision="r", created_ms=1, profile={})
FAR = 4_000_000_000_000
COMMIT = (Committed(visit=1, decision="d", choice="x", by="viewer", at=Ticks(5)),)


@pytest.fixture
async def one(server: Valkey) -> AsyncIterator[RedisStore]:
    found = await RedisStore.open(server.url, timeout_seconds=5)
    yield found
    await found.close()


@pytest.fixture
async def other(server: Valkey) -> AsyncIterator[RedisStore]:
    found = await RedisStore.open(server.url, timeout_seconds=5)
    yield found
    await found.close()


async def test_who_has_asked_for_a_session_is_told_what_another_does_to_it(one: RedisStore, other: RedisStore) -> None:
    await one.create("a", RECORD, FAR)
    async with aclosing(one.changes()) as changes, asyncio.timeout(5):
        assert await anext(changes) == LOST

        await other.load("a")
        await one.advance("a", 2, Register(sign_ms=1), 1)  # its own: not told
        await other.append("a", COMMIT, 1, reserved=2)
        await other.advance("a", 5, Register(sign_ms=2), 2)

        assert await anext(changes) == Change(session_id="a", version=2, reserved=2)
        assert await anext(changes) == Change(session_id="a", version=2, reserved=5)


async def test_a_session_is_one_replica_s_alone_until_another_asks_for_it(one: RedisStore, other: RedisStore) -> None:
    created = await one.create("a", RECORD, FAR)
    alone = await one.glance("a")

    loaded = await other.load("a")

    assert created.alone
    assert alone is not None
    assert alone.alone
    assert loaded is not None
    assert not loaded.alone
    told = await one.glance("a")
    assert told is not None
    assert not told.alone


async def test_a_channel_that_breaks_is_opened_again_and_says_that_something_may_have_been_missed(
    server: Valkey, one: RedisStore
) -> None:
    async with aclosing(one.changes()) as changes, asyncio.timeout(10):
        assert await anext(changes) == LOST
        await server.kill()
        await server.start()

        assert await anext(changes) == LOST


async def test_what_was_stored_is_there_after_a_crash_of_the_server(server: Valkey, one: RedisStore) -> None:
    await one.create("a", RECORD, FAR)
    assert await one.append("a", COMMIT, 1, reserved=0)

    await server.kill()
    await server.start()

    found = await one.load("a")
    assert found is not None
    assert found.record.events == COMMIT


async def test_a_server_that_does_not_answer_is_an_error_in_time_and_none_once_it_does(server: Valkey) -> None:
    store = await RedisStore.open(server.url, timeout_seconds=0.2)
    await store.create("a", RECORD, FAR)
    server.pause()

    for _ in range(3):
        with pytest.raises(StoreError, match="does not answer"):
            await store.glance("a")

    server.resume()
    found = await store.load("a")
    assert found is not None
    assert found.version == 1
    await store.close()


async def test_a_server_that_is_not_there_is_an_error(server: Valkey) -> None:
    await server.kill()

    with pytest.raises(StoreError, match="does not answer"):
        await RedisStore.open(server.url, timeout_seconds=1)


@pytest.mark.parametrize("url", ["http://x", "redis+sentinel://host:26379", "redis://host:port/0"])
async def test_an_address_that_cannot_be_read_is_an_error(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        await RedisStore.open(url, timeout_seconds=1)


async def test_a_password_and_an_account_of_few_rights_are_enough() -> None:
    async with valkey("--user", "default", "off", "--user", "server", *RIGHTS.split()) as server:
        store = await RedisStore.open(server.url.replace("unix://", "unix://server:secret@"), timeout_seconds=5)
        await store.create("a", RECORD, FAR)

        assert await store.append("a", COMMIT, 1, reserved=0)

        assert await store.advance("a", 3, Register(), 2)
        await store.keep("s", "v", {"a": 1})
        assert await store.kept("s", "v") == {"a": 1}
        await store.close()


async def test_a_server_that_keeps_nothing_over_a_crash_is_told_to_the_operator() -> None:
    async with valkey("--appendonly", "no") as server:
        with capture_logs() as logs:
            store = await RedisStore.open(server.url, timeout_seconds=5)
        await store.close()

    assert ["appendonly" in entry["event"] for entry in logs] == [True]


async def test_no_key_holds_a_session_s_id_and_each_script_needs_one_slot(server: Valkey, one: RedisStore) -> None:
    await one.create("the-id", RECORD, FAR)
    await one.keep("story", "the-viewer", {"a": 1})

    keys = [key.decode() if isinstance(key, bytes) else key for key in await one._redis.keys()]

    assert len(keys) == 2
    for key in keys:
        assert "the-id" not in key
        assert "the-viewer" not in key
        assert key.startswith("branchline:")
        assert (key.count("{"), key.count("}")) == (1, 1)


async def test_keys_expire_by_the_server_s_clock(one: RedisStore) -> None:
    expires_ms = one.clock.now_ms() + 60_000
    await one.create("a", RECORD, expires_ms)
    await one.append("a", COMMIT, 1, reserved=0)

    assert await one._redis.pexpiretime(one._key("a")) == expires_ms


def test_the_store_s_clock_never_goes_back() -> None:
    clock = StoreClock()
    clock.set(10_000_000_000_000)
    before = clock.now_ms()

    clock.set(5_000_000_000_000)

    assert clock.now_ms() == before


async def test_two_replicas_read_one_time(one: RedisStore, other: RedisStore) -> None:
    assert abs(one.clock.now_ms() - other.clock.now_ms()) < 100


async def test_the_way_to_the_server_may_be_encrypted(server: Valkey, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def forward(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_unix_connection(str(server.socket))
        await asyncio.gather(pump(client, writer), pump(reader, answers))

    async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}"
        store = await RedisStore.open(url, timeout_seconds=5)

        await store.create("a", RECORD, FAR)

        assert await store.append("a", COMMIT, 1, reserved=0)
        await store.close()
        with pytest.raises(StoreError, match="certificate"):
            await RedisStore.open(f"rediss://127.0.0.1:{port}/0", timeout_seconds=5)


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Carries bytes one way, to their end."""
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


async def test_when_the_master_is_lost_the_sentinels_name_another_and_the_store_goes_on(tmp_path: Path) -> None:
    one, other, watch = free_port(), free_port(), free_port()
    async with valkey(port=one) as master, valkey("--replicaof", "127.0.0.1", str(one), port=other):
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"port {watch}\nsentinel monitor main 127.0.0.1 {one} 1\nsentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 2000\n",
            "utf-8",
        )
        sentinel = await asyncio.create_subprocess_exec(
            PROGRAM, str(config), "--sentinel", stdout=asyncio.subprocess.DEVNULL
        )
        try:
            url = f"redis+sentinel://127.0.0.1:{watch}/main"
            store = await opened(url)
            await store.create("a", RECORD, FAR)
            assert await store.append("a", COMMIT, 1, reserved=0)
            await replicated(other)
            await master.kill()

            stored = await answered(store)

            assert stored.record.events == COMMIT
            assert await store.advance("a", 3, Register(), 2)
            await store.close()
        finally:
            sentinel.kill()
            await sentinel.wait()


async def opened(url: str) -> RedisStore:
    """Opens a store as soon as its sentinel knows where it is."""
    async with asyncio.timeout(10):
        while True:
            with suppress(StoreError):
                return await RedisStore.open(url, timeout_seconds=2)
            await asyncio.sleep(0.1)


async def replicated(port: int) -> None:
    """Waits until a replica has what its master has."""
    async with Redis(port=port) as replica, asyncio.timeout(10):
        while not await replica.keys("branchline:session:*"):  # noqa: ASYNC110 - another process's event
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)


async def answered(store: RedisStore) -> Stored:
    """Asks until the store answers and can be written again."""
    async with asyncio.timeout(20):
        while True:
            with suppress(StoreError):
                await store.keep("s", "v", {"a": 1})
                found = await store.load("a")
                assert found is not None
                return found
            await asyncio.sleep(0.1)
