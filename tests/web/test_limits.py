"""What one address may ask for, and how long the server waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamer.web.limiting import counted_as
from tests.manual import ManualClock
from tests.valkey import COUNTING, RIGHTS, Valkey, valkey
from tests.web.viewing import Client, Viewer, served

LOOPBACK = ["127.0.0.0/8"]


@asynccontextmanager
async def limiting(root: Path, sessions: int = 2, choices: int = 0, **sections: object) -> AsyncIterator[Client]:
    """Serves with limits."""
    limits = {"sessions_per_minute": sessions, "choices_per_minute": choices}
    async with served(root, ManualClock(), limits=limits, **sections) as found:
        yield found


async def opens(client: Client, forwarded: str = "") -> int:
    """Opens a session, on behalf of another maybe, and gives the status."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    async with client.post("/api/v1/sessions", json={"story": "test"}, headers=headers) as response:
        return response.status


async def test_who_opens_too_many_sessions_is_told_when_to_come_back(root: Path) -> None:
    async with limiting(root) as client:
        statuses = [await opens(client), await opens(client)]
        async with client.get("/play/test.m3u8") as response:
            told = await response.json()
            retry = int(response.headers["Retry-After"])
        statuses.append(await opens(client))

    assert statuses == [201, 201, 429]
    assert response.status == 429
    assert 1 <= retry == told["retry_after_seconds"] <= 60
    assert told["detail"] == "more than 2 sessions a minute from one address"


async def test_who_answers_too_often_is_refused_and_watches_on(root: Path) -> None:
    async with limiting(root, choices=1) as client:
        viewer = await Viewer.open(client, ManualClock())

        statuses = [
            (await viewer.post("choices", decision="after-fork", visit=1, choice="left", answer_id=str(n)))[0]
            for n in range(2)
        ]

        assert statuses == [200, 429]
        await viewer.poll()


async def test_no_limit_is_the_default(root: Path) -> None:
    async with served(root, ManualClock()) as client:
        assert {await opens(client) for _ in range(50)} == {201}


async def test_clients_behind_a_trusted_proxy_are_counted_each_for_itself(root: Path) -> None:
    async with limiting(root, sessions=1, server={"trusted_proxies": LOOPBACK}) as client:
        first = [await opens(client, "203.0.113.7"), await opens(client, "203.0.113.7")]
        made_up = await opens(client, "198.51.100.1, 203.0.113.7")  # what a client writes stands before
        through_two = await opens(client, "203.0.113.8, 127.0.0.2")

    assert (first, made_up, through_two) == ([201, 429], 429, 201)


async def test_nobody_but_a_trusted_proxy_says_who_asks(root: Path) -> None:
    async with limiting(root, sessions=1, server={"trusted_proxies": ["10.0.0.0/8"]}) as client:
        assert [await opens(client, f"203.0.113.{n}") for n in range(2)] == [201, 429]


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("no address", "unknown"),
    ],
)
def test_an_address_is_counted_as_what_one_client_has(client: str, counted: str) -> None:
    assert counted_as(client) == counted


async def test_replicas_that_share_a_store_count_together(root: Path, server: Valkey) -> None:
    store = {"url": server.url, "timeout_seconds": 5}
    async with limiting(root, store=store) as one, limiting(root, store=store) as other:
        assert [await opens(each) for each in (one, other, one, other)] == [201, 201, 429, 429]


async def test_requests_are_let_through_while_they_cannot_be_counted(root: Path, server: Valkey) -> None:
    async with limiting(root, store={"url": server.url, "timeout_seconds": 1}) as client:
        await server.kill()

        assert {await opens(client) for _ in range(3)} == {201}


async def test_an_account_of_few_rights_is_enough_to_count(root: Path) -> None:
    async with valkey("--user", "default", "off", "--user", "server", *RIGHTS.split(), *COUNTING.split()) as server:
        url = server.url.replace("unix://", "unix://server:secret@")
        async with limiting(root, store={"url": url, "timeout_seconds": 5}) as client:
            assert [await opens(client) for _ in range(3)] == [201, 201, 429]


async def raw(client: Client, text: str) -> tuple[str, float]:
    """Sends the bytes of a text, and gives what comes back and after how many seconds the connection is closed."""
    begins = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(text.encode())
    async with asyncio.timeout(20):
        found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found.decode(), asyncio.get_running_loop().time() - begins


async def test_a_body_that_does_not_come_is_not_waited_for(root: Path) -> None:
    async with served(root, ManualClock(), server={"body_seconds": 0.1, "idle_seconds": 0.1}) as client:
        head = f"POST /api/v1/sessions HTTP/1.1\r\nHost: {client.host}\r\nContent-Length: 20\r\n\r\n"

        answer, _ = await raw(client, head + '{"story"')

    assert answer.startswith("HTTP/1.1 408 ")
    assert "the body did not come in time" in answer


@pytest.mark.parametrize("text", ["", "GET / HTTP/1.1\r\nHost: a.exa"], ids=["nothing", "half of a request"])
async def test_a_connection_without_a_whole_request_is_closed(root: Path, text: str) -> None:
    async with served(root, ManualClock(), server={"idle_seconds": 0.2}) as client:
        answer, seconds = await raw(client, text)

    assert answer == ""
    assert seconds >= 0.1


@pytest.mark.parametrize(
    "headers", [{"X-Long": "x" * 600}, {f"X-{n}": "x" for n in range(30)}], ids=["a long one", "many"]
)
async def test_a_request_with_headers_beyond_the_limits_is_refused(root: Path, headers: dict[str, str]) -> None:
    async with served(root, ManualClock(), server={"line_bytes": 500, "header_lines": 20}) as client:
        async with client.get("/healthz") as response:
            before = response.status
        async with client.get("/healthz", headers=headers) as response:
            assert (before, response.status) == (200, 400)


@pytest.mark.parametrize("path", ["/", "/watch/test", "/static/watch.js", "/play/test.m3u8", "/api/v1/stories", "/no"])
async def test_browsers_take_every_answer_for_what_it_is_called_and_tell_nobody_its_address(
    root: Path, path: str
) -> None:
    async with served(root, ManualClock()) as client, client.get(path) as response:
        assert response.headers.getall("X-Content-Type-Options") == ["nosniff"]
        assert response.headers.getall("Referrer-Policy") == ["no-referrer"]


async def test_pages_run_their_own_scripts_alone_and_in_no_frame_of_others(root: Path) -> None:
    async with served(root, ManualClock()) as client, client.get("/watch/test") as response:
        rules = response.headers["Content-Security-Policy"].split("; ")

    assert "default-src 'self'" in rules
    assert "frame-ancestors 'self'" in rules
    assert "unsafe" not in " ".join(rules)
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
