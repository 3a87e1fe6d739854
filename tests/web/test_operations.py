"""What operators and their machines ask of a running server."""

from __future__ import annotations

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from streamer.config import Settings
from streamer.errors import BranchlineError
from streamer.web.app import make_app
from streamer.web.keys import DRAINING
from streamer.web.operations import operators_app
from tests.manual import ManualClock, publish
from tests.readers import read_media
from tests.valkey import valkey
from tests.web.viewing import Client, Viewer, served

STORY = "fork 12.52 -> left | right\nleft 7.36 -> fork\nright 8 ."


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def client(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Client]:
    publish(tmp_path, STORY)
    async with served(tmp_path, clock) as found:
        yield found


@asynccontextmanager
async def own_clock(folder: Path, **sections: object) -> AsyncIterator[Client]:
    """Serves a folder's stories by the machine's clock."""
    settings = {"library": {"path": folder}, "state": {"path": folder / "state"}, **sections}
    async with TestClient(TestServer(await make_app(Settings.model_validate(settings)))) as found:
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


@asynccontextmanager
async def operators(client: Client) -> AsyncIterator[Client]:
    """Gives who asks at the operators' listener."""
    assert client.app is not None
    async with TestClient(TestServer(operators_app(client.app))) as found:
        yield found


async def figures(client: Client) -> dict[str, float]:
    """Gives what a server has counted of itself, without what it counts of its store and its process."""
    async with operators(client) as asking, asking.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.name.startswith("branchline_") and not sample.name.endswith(("_bucket", "_created"))
    }


async def test_what_viewers_do_is_counted(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    await viewer.watch(8)
    await viewer.choose("after-fork", choice="left")
    await viewer.watch(4)
    late, _ = await viewer.post("choices", decision="after-fork", visit=1, choice="right", answer_id="late")
    wrong, _ = await viewer.post("choices", decision="no-such", visit=1, choice="right", answer_id="wrong")

    found = await figures(client)

    assert (late, wrong) == (409, 404)
    assert found["branchline_sessions_opened_total"] == found["branchline_sessions"] == 1
    assert found["branchline_polls_total"] == 14
    assert found["branchline_answers_total taken"] == 1
    assert found["branchline_answers_total too_late"] == 1
    assert found["branchline_answers_total refused"] == 1
    assert found["branchline_commits_total viewer"] == 1
    assert found["branchline_choice_to_listed_seconds_count"] == 1
    assert 0 <= found["branchline_choice_to_listed_seconds_sum"] <= 4
    assert found["branchline_store_seconds_count create"] == 1
    assert found["branchline_store_seconds_count append"] == 2
    assert found["branchline_requests_total /api/v1/sessions/{session}/choices 200"] == 1
    assert found["branchline_request_seconds_count /api/v1/sessions/{session}/choices"] == 3


async def test_a_default_is_counted_as_one_and_as_nobody_s_choice(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    await viewer.watch(12)

    found = await figures(client)

    assert found["branchline_commits_total default"] == 1
    assert found["branchline_choice_to_listed_seconds_count"] == 0


async def test_segments_are_counted_with_the_bytes_that_were_sent(sample_library: Path, tmp_path: Path) -> None:
    settings = {"library": {"path": sample_library}}
    async with own_clock(tmp_path, **settings) as client:
        async with client.post("/api/v1/sessions", json={"story": "sample"}) as response:
            opened = await response.json()
        async with client.get(f"/s/{opened['id']}/1/v0.m3u8") as response:
            uri = read_media(await response.text()).uris[0]
        address = f"/s/{opened['id']}/1/{uri}"
        async with client.get(address) as response:
            whole = len(await response.read())
        async with client.get(address, headers={"Range": "bytes=0-99"}) as response:
            assert response.status == 206
        async with client.head(address) as response:
            assert response.status == 200

        found = await figures(client)

        assert found["branchline_segments_total"] == 2
        assert found["branchline_segment_bytes_total"] == whole + 100


async def test_polls_that_wait_for_news_are_counted_as_held(tmp_path: Path) -> None:
    publish(tmp_path, STORY)
    async with own_clock(tmp_path, pacing={"hold_seconds": 0.05}) as client:
        async with client.post("/api/v1/sessions", json={"story": "test"}) as response:
            opened = await response.json()
        for query in ("", "?_HLS_msn=2", "?_HLS_msn=3"):  # three segments are listed
            async with client.get(f"/s/{opened['id']}/1/v0.m3u8{query}") as response:
                assert response.status == 200

        found = await figures(client)

        assert found["branchline_polls_total"] == 3
        assert found["branchline_held_poll_seconds_count"] == 1
        assert found["branchline_held_poll_seconds_sum"] >= 0.04


async def test_event_streams_are_counted_while_they_are_open(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    async with client.get(f"/api/v1/sessions/{viewer.id}/events") as response:
        await response.content.readline()

        assert (await figures(client))["branchline_event_streams"] == 1


async def test_what_the_store_could_not_do_is_counted(tmp_path: Path, clock: ManualClock) -> None:
    publish(tmp_path, STORY)
    async with (
        valkey() as server,
        served(tmp_path, clock, store={"url": server.url, "timeout_seconds": 0.2}) as client,
    ):
        viewer = await Viewer.open(client, clock)
        server.pause()
        async with client.get(f"/api/v1/sessions/{viewer.id}") as response:
            assert response.status == 503

        assert (await figures(client))["branchline_store_errors_total load"] == 1
        server.resume()


async def test_the_operators_listener_is_no_part_of_the_public_one_and_no_page_may_read_it(client: Client) -> None:
    async with client.get("/metrics") as response:
        assert response.status == 404
    async with operators(client) as asking, asking.get("/metrics", headers={"Origin": "http://a.example"}) as response:
        assert response.status == 200
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_operators_listener_is_there_while_the_server_runs_where_a_port_is_set(tmp_path: Path) -> None:
    publish(tmp_path, STORY)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"state": {"path": tmp_path / "state"}, "operations": {"port": port}}
        runner = web.AppRunner(await make_app(Settings.model_validate(settings)))
        with pytest.raises(BranchlineError, match=f"operations: cannot listen on 127.0.0.1:{port}"):
            await runner.setup()
        await runner.cleanup()

    async with (
        served(tmp_path, ManualClock(), operations={"port": port}),
        ClientSession() as asking,
        asking.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        assert response.status == 200
