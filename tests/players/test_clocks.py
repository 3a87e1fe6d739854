"""Replicas whose machines do not agree on the time."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.fleet import fleet, viewing
from tests.serving import Starter

LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
APART_SECONDS = 2
WITHIN_SECONDS = 0.5

pytestmark = [
    pytest.mark.players,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not LIBRARIES and os.environ.get("CI") != "true", reason="needs faketime: tools/players.sh"),
]


async def test_clocks_that_are_two_seconds_apart_move_no_playhead(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    ahead = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"+{APART_SECONDS}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    async with fleet(start, sample_library, tmp_path, clocks=({}, ahead)) as replicas, viewing(replicas) as viewer:
        assert await wall_clock(ahead) - time.time() > APART_SECONDS / 2
        await viewer.watch(5)

        positions = []
        for url in replicas.urls:
            async with viewer.http.get(f"{url}/api/v1/sessions/{viewer.session.id}") as response:
                assert response.status == 200
                positions.append(float((await response.json())["position"]))
        await viewer.watch(8)

        assert abs(positions[0] - positions[1]) < WITHIN_SECONDS
        assert "sample.lantern.1.result" in viewer.ranges
        assert viewer.errors == []


async def wall_clock(environment: dict[str, str]) -> float:
    """Gives the time as a process with this environment sees it."""
    process = await asyncio.create_subprocess_exec(
        "date", "+%s.%N", env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    return float(told)
