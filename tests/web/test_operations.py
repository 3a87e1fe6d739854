"""What operators and their machines ask of a running server."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.web.keys import DRAINING
from tests.manual import ManualClock, publish
from tests.valkey import valkey
from tests.web.viewing import Client, served

STORY = "fork 12.52 -> left | right\nleft 7.36 -> fork\nright 8 ."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    publish(tmp_path, STORY)
    async with served(tmp_path, ManualClock()) as found:
        yield found


async def readiness(client: Client) -> tuple[int, dict[str, str]]:
    """Gives the status, and what is not ready."""
    async with client.get("/readyz") as response:
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, (await response.json()).get("failing", {})


async def test_a_server_with_stories_and_a_store_is_ready(client: Client) -> None:
    assert await readiness(client) == (200, {})


async def test_a_server_whose_library_is_gone_is_not_ready(client: Client, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "stories")

    assert await readiness(client) == (503, {"library": "no story is packaged"})


async def test_a_server_whose_library_cannot_be_read_is_not_ready(client: Client, tmp_path: Path) -> None:
    (tmp_path / "stories" / "test" / "current").write_text("no revision", "utf-8")

    assert await readiness(client) == (503, {"library": "a story's package cannot be read"})


async def test_a_server_that_is_stopping_is_not_ready(client: Client) -> None:
    assert client.app is not None

    client.app[DRAINING].set()

    assert await readiness(client) == (503, {"server": "it is stopping"})


async def test_a_server_is_not_ready_while_its_store_does_not_answer(tmp_path: Path) -> None:
    publish(tmp_path, STORY)
    async with valkey() as server:
        store = {"url": server.url, "timeout_seconds": 0.2}
        async with served(tmp_path, ManualClock(), store=store) as client:
            before = await readiness(client)

            server.pause()

            assert await readiness(client) == (503, {"store": "the session store does not answer in time"})
            server.resume()
            assert before == await readiness(client) == (200, {})
