"""The shipped configurations of nginx and Varnish, each run in front of a real server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar, TraceConfig
from multidict import CIMultiDictProxy

from streamer.web.caching import FOR_EVER
from streamer.web.middleware import CORS
from tests.e2e.client import Opened, open_session
from tests.players.edges import Edge, nginx, program, varnish
from tests.readers import Read, read_media
from tests.serving import Server, Starter

EDGES: dict[str, Edge] = {"nginx": nginx, "varnishd": varnish}
pytestmark = [
    pytest.mark.players,
    pytest.mark.timeout(120),
    pytest.mark.parametrize(
        "edge",
        [
            pytest.param(edge, id=name, marks=pytest.mark.skipif(program(name) is None, reason=f"{name} is not there"))
            for name, edge in EDGES.items()
        ],
    ),
]
WATCHED_SECONDS = 16  # into the second scenes, where two paths have parted
AT_ONCE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A server with an edge in front of it, and one who asks there."""

    http: ClientSession
    url: str  # the edge's
    server: Server
    library: Path
    log: Path  # the server's, a line a request

    def asked(self, route: str) -> int:
        """Tells how many requests for a route have reached the server."""
        return self.log.read_text("utf-8").count(f'"route": "{route}"')

    async def get(self, path: str, **headers: str) -> tuple[int, bytes, CIMultiDictProxy[str]]:
        """Asks the edge for a path."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.get(f"{self.url}{path}", headers=names) as response:
            return response.status, await response.read(), response.headers

    async def segment(self) -> str:
        """Gives the path of a segment, the first of a new session."""
        session = await open_session(self.http, self.url)
        return f"/m/{(await listed(session)).uris[0].rpartition('/')[2]}"


@pytest.fixture
async def scene(edge: Edge, sample_library: Path, start: Starter, tmp_path: Path) -> AsyncIterator[Scene]:
    async with standing(edge, sample_library, start, tmp_path) as found:
        yield found


@asynccontextmanager
async def standing(edge: Edge, library: Path, start: Starter, folder: Path) -> AsyncIterator[Scene]:
    own = folder / "library"
    shutil.copytree(library, own, copy_function=os.link)
    settings = folder / "branchline.yaml"
    settings.write_text("server: {log_every_request: true}\n", "utf-8")
    async with (
        start(own, "--media-base", "../../../m/", "--config", str(settings)) as server,
        edge(server.url, folder) as url,
        ClientSession(cookie_jar=DummyCookieJar()) as http,
    ):
        yield Scene(http=http, url=url, server=server, library=own, log=folder / "serve.log")


async def listed(session: Opened, rendition: str = "v0") -> Read:
    base = session.playback_url.rpartition("/")[0]
    async with session.http.get(f"{base}/{rendition}.m3u8") as response:
        assert (response.status, response.headers["X-Cache"]) == (200, "PASS")
        return read_media(await response.text())


async def watched(session: Opened, choice: str) -> dict[str, str]:
    """Plays a session whose first decision goes so; gives the segments asked for, with what the edge said of each."""
    following = asyncio.create_task(session.follow([[choice]]))
    base = session.playback_url.rpartition("/")[0]
    found: dict[str, str] = {}
    ends = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < ends:
        for uri in (await listed(session)).uris:
            if uri not in found:
                async with session.http.get(f"{base}/{uri}") as response:
                    assert (response.status, response.headers["Cache-Control"]) == (200, FOR_EVER)
                    await response.read()
                    found[uri] = response.headers["X-Cache"]
        await asyncio.sleep(0.5)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return found


async def test_viewers_on_two_paths_share_what_both_see_and_the_server_gives_it_once(scene: Scene) -> None:
    first = await open_session(scene.http, scene.url)
    second = await open_session(scene.http, scene.url)

    took, left = await asyncio.gather(watched(first, "take"), watched(second, "leave"))

    shared = took.keys() & left.keys()
    assert len(shared) >= 5  # the scene before the decision
    assert took.keys() - shared
    assert left.keys() - shared
    said = Counter((*took.values(), *left.values()))
    assert said["MISS"] == len(took.keys() | left.keys()) == scene.asked("/m/{name}")
    assert said["HIT"] == len(shared)


async def test_many_who_miss_at_once_reach_the_server_once(scene: Scene) -> None:
    path = await scene.segment()
    everybody = asyncio.Event()
    sent: list[None] = []

    async def note(*_: object) -> None:
        sent.append(None)
        if len(sent) == AT_ONCE:
            everybody.set()

    tracing = TraceConfig()
    tracing.on_request_headers_sent.append(note)
    async with ClientSession(trace_configs=[tracing]) as http:
        crowd = replace(scene, http=http)
        scene.server.process.send_signal(signal.SIGSTOP)  # it answers nobody until all have asked
        asking = asyncio.gather(*(crowd.get(f"{path}?CMCD=sid%3D%22{n}%22") for n in range(AT_ONCE)))
        await everybody.wait()
        scene.server.process.send_signal(signal.SIGCONT)
        answers = await asking

    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, body, _ in answers}) == 1
    assert scene.asked("/m/{name}") == 1


async def test_a_list_is_given_to_no_other_viewer_and_comes_from_the_server_each_time(scene: Scene) -> None:
    first, second = [await open_session(scene.http, scene.url) for _ in range(2)]
    route = "/s/{session}/{run}/{rendition}.m3u8"

    lists = [await listed(session) for session in (first, second, first, second)]
    plays = [(await scene.get("/play/sample.m3u8"))[1] for _ in range(2)]

    assert scene.asked(route) == len(lists)
    assert plays[0] != plays[1]
    own = (await scene.get(f"/s/{first.id}/1/index.m3u8"))[2]
    assert (own["X-Cache"], own["Cache-Control"]) == ("PASS", "private, no-cache")


async def test_a_404_is_not_kept(scene: Scene) -> None:
    path = await scene.segment()
    clips, away = scene.library / "clips", scene.library / "away"
    clips.rename(away)
    missing = [await scene.get(path) for _ in range(2)]
    away.rename(clips)

    found = await scene.get(path)

    assert [status for status, _, _ in missing] == [404, 404]
    assert {headers["Cache-Control"] for _, _, headers in missing} == {"no-store"}
    assert {headers["Access-Control-Allow-Origin"] for _, _, headers in missing} == {"*"}
    assert found[0] == 200


async def test_ranges_and_tags_are_answered_from_the_cache_with_every_header_that_pages_need(scene: Scene) -> None:
    path = await scene.segment()
    _, whole, first = await scene.get(path)
    tag, size = first["ETag"], len(whole)

    answers = {
        "whole": await scene.get(path),
        "range": await scene.get(path, Range="bytes=10-19"),
        "same": await scene.get(path, Range="bytes=10-19", If_Range=tag),
        "other": await scene.get(path, Range="bytes=10-19", If_Range='"other"'),
        "end": await scene.get(path, Range="bytes=-7"),
        "known": await scene.get(path, If_None_Match=tag),
        "beyond": await scene.get(path, Range=f"bytes={size}-"),
    }

    assert {name: answer[0] for name, answer in answers.items()} == {
        "whole": 200,
        "range": 206,
        "same": 206,
        "other": 200,
        "end": 206,
        "known": 304,
        "beyond": 416,
    }
    assert [answers[name][1] for name in ("whole", "range", "same", "other", "end")] == [
        *(whole, whole[10:20], whole[10:20], whole, whole[-7:])
    ]
    assert answers["beyond"][2]["Content-Range"] == f"bytes */{size}"
    assert "no-store" in answers["beyond"][2].getall("Cache-Control")
    for _, _, headers in answers.values():
        assert {name: headers[name] for name in CORS} == CORS
    for name in ("whole", "range", "known"):
        headers = answers[name][2]
        assert (headers["Cache-Control"], headers["ETag"], headers["X-Cache"]) == (FOR_EVER, tag, "HIT")
    assert scene.asked("/m/{name}") == 1


async def test_a_held_list_and_events_pass_through_as_they_are(scene: Scene) -> None:
    session = await open_session(scene.http, scene.url)
    read = await listed(session)
    began = time.monotonic()
    path = f"/s/{session.id}/1/v0.m3u8?_HLS_msn={len(read.uris) + 1}"

    async with asyncio.timeout(4), scene.http.get(session.events_url) as events:
        assert await events.content.readline() == b"event: scene\r\n"  # long before the stream's end
    status, _, headers = await scene.get(path)

    assert (status, headers["X-Cache"]) == (200, "PASS")
    assert "ht=" in headers["CMSD-Static"]  # ms
    assert 1 < time.monotonic() - began < 10


async def test_a_list_is_compressed_once_and_only_for_who_takes_it(scene: Scene) -> None:
    session = await open_session(scene.http, scene.url)
    path = f"/s/{session.id}/1/v0.m3u8"

    _, plain, as_is = await scene.get(path, Accept_Encoding="identity")
    _, unpacked, packed = await scene.get(path, Accept_Encoding="gzip")

    assert "Content-Encoding" not in as_is
    assert packed["Content-Encoding"] == "gzip"
    assert plain.startswith(b"#EXTM3U")
    assert unpacked.startswith(plain)  # the client has unpacked it once; the list may have grown
    assert packed["ETag"].endswith('-gzip"')


async def test_what_is_cached_is_given_while_the_server_is_away(scene: Scene) -> None:
    session = await open_session(scene.http, scene.url)
    uris = [f"/m/{uri.rpartition('/')[2]}" for uri in (await listed(session)).uris]
    await scene.get(uris[0])

    await scene.server.kill()
    kept, lost, own = [await scene.get(path) for path in (uris[0], uris[1], f"/s/{session.id}/1/v0.m3u8")]

    assert (kept[0], kept[2]["X-Cache"]) == (200, "HIT")
    for status, _, headers in (lost, own):
        assert (status, headers["Cache-Control"], headers["Access-Control-Allow-Origin"]) == (503, "no-store", "*")
        assert headers["Retry-After"] == "1"
