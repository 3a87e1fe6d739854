"""What operators and their machines ask of a running server."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

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
PERSONAL = """
story: 1
id: test
title: One
start: intro
profile:
  plan: {type: enum, values: [basic, pro], default: basic}
  name: {type: string, default: "", pii: true}
scenes: {intro: {media: {src: intro}, end: {id: over}}}
"""


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


async def explained(client: Client, session: str) -> dict[str, Any]:
    """Asks why a session's list is as long as it is."""
    async with operators(client) as asking, asking.get(f"/debug/sessions/{session}") as response:
        assert response.status == 200, await response.text()
        assert "Access-Control-Allow-Origin" not in response.headers
        found: dict[str, Any] = await response.json()
        return found


async def waits_for(client: Client, viewer: Viewer) -> str:
    """Gives the cause alone."""
    return str((await explained(client, viewer.id))["waits_for"]["cause"])


async def test_operators_see_why_a_list_is_as_long_as_it_is(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    read = await viewer.watch(6)

    found = await explained(client, viewer.id)

    assert found["edge"]["published_segments"] == len(read.uris)
    assert found["edge"]["reserved_segments"] >= len(read.uris)
    assert found["edge"]["lead_seconds"] == pytest.approx(found["edge"]["published_seconds"] - 6, abs=0.01)
    assert found["playhead"]["position_seconds"] == pytest.approx(6, abs=0.01)
    assert found["playhead"]["source"] == "requests"
    assert found["player"]["requested_segments"] == len(read.uris)
    assert found["decision"]["decision"] == "after-fork"
    assert found["decision"]["lock_seconds"] < found["decision"]["join_seconds"] == pytest.approx(12.52, abs=0.01)
    assert found["store"] == {"version": 1, "alone": True, "to_be_read_again": False, "written_ms_ago": 0}
    assert (found["story"], found["run"], found["scene"]) == ("test", 1, "fork")


async def test_what_a_list_waits_for_is_told_from_the_first_poll_to_the_end(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    await viewer.text()
    causes = [await waits_for(client, viewer)]
    await viewer.watch(7)
    await viewer.choose("after-fork", choice="right")
    for _ in range(12):
        await viewer.poll()
        causes.append(await waits_for(client, viewer))
        clock.forward(1)
        causes.append(await waits_for(client, viewer))

    assert list(dict.fromkeys(causes)) == ["start", "decision", "playhead", "poll", "nothing"]


async def test_a_list_whose_segments_are_left_alone_waits_for_the_player(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    await viewer.poll()
    causes = []
    for _ in range(8):
        clock.forward(1)
        await viewer.text()
        causes.append(await waits_for(client, viewer))

    assert [cause for cause, _ in groupby(causes)] == ["playhead", "requests", "sign"]


async def test_a_viewer_who_has_paused_is_what_a_list_waits_for(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    await viewer.watch(2)
    async with client.post(
        f"/api/v1/sessions/{viewer.id}/position",
        json={"position": 2, "paused": True},
        headers={"Authorization": f"Bearer {viewer.opened['token']}"},
    ) as response:
        assert response.status == 204

    assert await waits_for(client, viewer) == "pause"


async def test_operators_who_look_leave_a_session_as_it_was(client: Client, clock: ManualClock) -> None:
    viewer = await Viewer.open(client, clock)
    await viewer.watch(2)
    clock.forward(20)
    before = await explained(client, viewer.id)

    for _ in range(3):
        clock.forward(1)
        await explained(client, viewer.id)

    found = await explained(client, viewer.id)
    assert found["playhead"]["last_sign_ms_ago"] == before["playhead"]["last_sign_ms_ago"] + 3000
    assert found["playhead"]["position_seconds"] == before["playhead"]["position_seconds"]
    assert found["edge"]["published_segments"] == before["edge"]["published_segments"]


async def test_nothing_personal_is_shown_to_operators(tmp_path: Path, clock: ManualClock) -> None:
    publish(tmp_path, "intro 8", PERSONAL)
    async with served(tmp_path, clock) as client:
        profile = {"name": "Ingeborg", "plan": "pro"}
        viewer = await Viewer.open(client, clock, profile=profile, viewer="u-4711", consent=True)
        await viewer.poll()

        found = await explained(client, viewer.id)

    assert found["inputs"] == {"plan": "pro"}
    text = json.dumps(found)
    assert not any(secret in text for secret in ("Ingeborg", "u-4711", viewer.opened["token"], viewer.id))


async def test_a_session_that_is_not_in_memory_is_not_looked_for_in_the_store(client: Client) -> None:
    async with client.post("/api/v1/sessions", json={"story": "test"}) as response:
        opened = await response.json()

    async with operators(client) as asking, asking.get(f"/debug/sessions/{opened['id']}") as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
