"""Several servers over one Valkey: killed, restarted, paused, and the viewer plays on."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientTimeout

from streamer.session.events import Committed
from streamer.store.redis import RedisStore
from tests.fleet import Fleet, Viewer, fleet, viewing
from tests.readers import read_media
from tests.serving import Starter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TARGET_SECONDS = 2.0  # EXT-X-TARGETDURATION of the sample
PAUSE_SECONDS = 10.0


async def choose(viewer: Viewer, url: str, choice: str, answer_id: str) -> tuple[int, dict[str, object]]:
    """Sends an answer to one replica."""
    headers = {"Authorization": f"Bearer {viewer.session.token}"}
    body = {"decision": "lantern", "visit": 1, "choice": choice, "answer_id": answer_id}
    control = f"{url}/api/v1/sessions/{viewer.session.id}/choices"
    async with viewer.http.post(control, json=body, headers=headers, timeout=ClientTimeout(total=8)) as response:
        return response.status, json.loads(await response.read())


async def asked_of(viewer: Viewer, url: str) -> bytes:
    """Asks one replica for the picture's list."""
    async with viewer.http.get(f"{url}{viewer.path}/v0.m3u8") as response:
        assert response.status == 200
        return await response.read()


async def committed(fleet: Fleet, viewer: Viewer) -> list[tuple[str | None, str]]:
    """Gives the commits of the first decision that lie in the store: choice, and by whom."""
    store = await RedisStore.open(fleet.store.url, timeout_seconds=5)
    try:
        stored = await store.load(viewer.session.id)
    finally:
        await store.close()
    assert stored is not None
    steps = [step for step in stored.record.steps if isinstance(step, Committed)]
    return [(step.choice, step.by) for step in steps if step.decision == "lantern"]


async def test_a_replica_killed_between_taking_a_choice_and_answering_loses_nothing(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        replicas.store.pause()
        unanswered = asyncio.create_task(choose(viewer, replicas.urls[0], "take", "a"))
        await asyncio.sleep(0.3)  # it has been sent to the store, which stands still
        await replicas.kill(0)
        with pytest.raises((ClientError, TimeoutError)):
            await unanswered
        replicas.store.resume()

        again = await choose(viewer, replicas.urls[1], "take", "a")
        await viewer.watch(8)

        assert again[0] == 200
        assert again[1]["choice"] == "take"
        assert "sample.lantern.1.result" in viewer.ranges
        assert await committed(replicas, viewer) == [("take", "viewer")]
        assert viewer.longest_error <= TARGET_SECONDS


async def test_all_replicas_are_killed_and_the_viewer_goes_on_where_they_were(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        assert (await choose(viewer, replicas.urls[0], "take", "a"))[0] == 200
        await replicas.kill(0)
        await replicas.kill(1)

        await replicas.run(1)
        await viewer.watch(8)

        assert "sample.lantern.1.result" in viewer.ranges
        assert await committed(replicas, viewer) == [("take", "viewer")]


async def test_a_store_that_stands_still_over_a_lock_costs_no_error_and_no_choice(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        assert (await choose(viewer, replicas.urls[0], "take", "a"))[0] == 200
        await viewer.watch(0.6)
        listed = len(viewer.lists["v0"])
        replicas.store.pause()

        await viewer.watch(PAUSE_SECONDS)

        assert viewer.errors == []
        assert "sample.lantern.1.result" not in viewer.ranges  # nothing is committed that is not stored
        assert len(viewer.lists["v0"]) <= listed + 3
        replicas.store.resume()
        await viewer.watch(10)
        assert "sample.lantern.1.result" in viewer.ranges
        assert await committed(replicas, viewer) == [("take", "viewer")]
        assert viewer.errors == []


async def test_a_store_that_is_killed_and_comes_back_has_forgotten_nothing(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        assert (await choose(viewer, replicas.urls[0], "take", "a"))[0] == 200
        await replicas.store.kill()
        await viewer.watch(3)
        await replicas.store.start()

        await viewer.watch(8)

        assert viewer.errors == []
        assert await committed(replicas, viewer) == [("take", "viewer")]


async def test_two_devices_that_answer_two_replicas_at_once_come_to_one_choice(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with fleet(start, sample_library, tmp_path) as replicas, viewing(replicas) as viewer:
        await viewer.watch(3)
        asked = [
            (url, choice, f"{choice}{n}") for n in range(8) for choice in ("take", "leave") for url in replicas.urls
        ]
        viewer.random.shuffle(asked)

        told = await asyncio.gather(*(choose(viewer, *each) for each in asked))

        assert {status for status, _ in told} == {200}
        by_id = {answer_id: choice for _, choice, answer_id in asked}
        for (_, _, answer_id), (_, body) in zip(asked, told, strict=True):
            assert body["choice"] == by_id[answer_id]
        await viewer.watch(8)
        assert len(by := await committed(replicas, viewer)) == 1
        assert by[0][1] == "viewer"
        ranges = [read_media((await asked_of(viewer, url)).decode()).ranges for url in replicas.urls]
        assert ranges[0] == ranges[1]


async def test_a_rolling_restart_under_load_fails_no_request(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    settings = tmp_path / "branchline.yaml"
    settings.write_text("server: {drain_seconds: 1}\n", "utf-8")
    options = ("--config", str(settings))
    async with fleet(start, sample_library, tmp_path, *options) as replicas, AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(viewing(replicas, seed)) for seed in range(20)]
        watching = [asyncio.create_task(viewer.watch(30)) for viewer in viewers]
        await asyncio.sleep(2)

        for number in (0, 1):
            await replicas.restart(number, *options)
            await asyncio.sleep(1)

        await asyncio.sleep(2)
        for viewer in viewers:
            viewer.ended = True
        await asyncio.gather(*watching)
        assert [viewer.errors for viewer in viewers] == [[]] * len(viewers)
        assert all(len(viewer.lists["v0"]) > 3 for viewer in viewers)
