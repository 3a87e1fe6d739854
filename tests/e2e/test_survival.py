"""kill -9 in the middle of a story: the same address plays on, and nothing that was said is lost."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.client import Opened, open_session
from tests.fleet import free_port
from tests.readers import Read, read_media
from tests.serving import BRANCHLINE, Starter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def watch(session: Opened, seconds: float) -> Read:
    """Plays for so long as a player does: polls the picture and fetches what is new."""
    base = session.playback_url.rpartition("/")[0]
    fetched = 0
    read = None
    for _ in range(max(round(seconds * 2), 1)):
        async with session.http.get(f"{base}/v0.m3u8") as response:
            assert response.status == 200
            read = read_media(await response.text())
        for uri in read.uris[fetched:]:
            async with session.http.get(f"{base}/{uri}") as response:
                assert response.status == 200
                assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
                await response.read()
        fetched = len(read.uris)
        await asyncio.sleep(0.5)
    assert read is not None
    return read


async def test_a_killed_server_comes_back_with_every_answer_and_every_published_line(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    port, state = free_port(), tmp_path / "kept"
    async with ClientSession() as http:
        async with start(sample_library, port=port, state=state) as server:
            session = await open_session(http, server.url)
            await watch(session, 3)
            assert await session.choose("lantern", 1, "take") == 200
            before = await watch(session, 2)
            await server.kill()
        async with start(sample_library, port=port, state=state) as server:
            after = await watch(session, 1)
            follower = asyncio.create_task(session.follow([]))
            later = await watch(session, 5)
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    assert after.uris[: len(before.uris)] == before.uris
    assert later.uris[: len(after.uris)] == after.uris
    assert session.commits == [("take", "viewer")]
    assert "sample.lantern.1.result" in later.ranges


async def test_a_segment_is_sent_whole_in_parts_or_not_again(sample_library: Path, start: Starter) -> None:
    async with start(sample_library) as server, ClientSession() as http:
        session = await open_session(http, server.url)
        read = await watch(session, 0.5)
        url = f"{session.playback_url.rpartition('/')[0]}/{read.uris[0]}"
        async with http.get(url) as response:
            whole, etag = await response.read(), response.headers["ETag"]
            assert re.fullmatch(r"br=[1-9]\d*,d=2000,ot=v,sf=h", response.headers["CMSD-Static"])
        shared = f"{server.url}/m/{read.uris[0].rpartition('/')[2]}"

        async def ask(**headers: str) -> tuple[int, bytes, str]:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            async with http.get(shared, headers=names) as response:
                return response.status, await response.read(), response.headers.get("Content-Range", "")

        size = len(whole)
        assert await ask() == (200, whole, "")
        assert await ask(If_None_Match=etag) == (304, b"", "")
        assert await ask(If_None_Match=f'"other", W/{etag}') == (304, b"", "")
        assert await ask(Range="bytes=0-9") == (206, whole[:10], f"bytes 0-9/{size}")
        assert await ask(Range="bytes=10-") == (206, whole[10:], f"bytes 10-{size - 1}/{size}")
        assert await ask(Range="bytes=-7") == (206, whole[-7:], f"bytes {size - 7}-{size - 1}/{size}")
        assert await ask(Range="bytes=0-9007199254740991") == (206, whole, f"bytes 0-{size - 1}/{size}")
        assert await ask(Range="bytes=0-9", If_Range='"other"') == (200, whole, "")
        assert await ask(Range="bytes=0-1,4-5") == (200, whole, "")
        assert await ask(Range="bytes=9-3") == (200, whole, "")
        status, _, content_range = await ask(Range=f"bytes={size}-")
        assert (status, content_range) == (416, f"bytes */{size}")
        async with http.get(shared, headers={"Range": f"bytes={size}-"}) as response:
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_server_told_to_stop_ends_cleanly_and_answers_who_waits(
    sample_library: Path, start: Starter, tmp_path: Path
) -> None:
    async with ClientSession() as http, start(sample_library, state=tmp_path / "kept") as server:
        session = await open_session(http, server.url)
        await watch(session, 0.5)
        base = session.playback_url.rpartition("/")[0]
        events = asyncio.create_task(session.follow([]))
        held = asyncio.create_task(http.get(f"{base}/v0.m3u8?_HLS_msn=4"))
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)

        async with asyncio.timeout(10):
            response = await held
            assert response.status == 200
            await response.read()
            assert await server.process.wait() == 0
            await events


async def test_the_port_in_use_is_said_in_a_sentence(sample_library: Path, start: Starter, tmp_path: Path) -> None:
    async with start(sample_library) as server:
        port = server.url.rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            *(BRANCHLINE, "serve", "--library", str(sample_library), "--state", "/dev/null/state", "--port", port),
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await second.communicate()
        third = await asyncio.create_subprocess_exec(
            *(BRANCHLINE, "serve", "--library", str(sample_library), "--port", port),
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
        )
        _, other = await third.communicate()

    assert second.returncode == third.returncode == 2
    assert "/dev/null/state" in complaint.decode()
    assert f"cannot listen on 127.0.0.1:{port}" in other.decode()
    assert "Traceback" not in complaint.decode() + other.decode()
