"""What caches, browsers and players are told by every kind of answer, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from streamer.web.caching import FOR_EVER
from tests.builders import story_text
from tests.manual import ManualClock, publish
from tests.readers import read_media
from tests.web.viewing import Client, Viewer, served

STORY = "fork 12.52 -> left | right\nleft 7.36 -> fork\nright 8 ."
LINEAR = "fork 12.52 ."
PICTURE = "b" * 24 + ".png"
MISS = "0" * 24 + "-v0-0-0-0-0-AAAAAAAAAAA.m4s"


class Kind(NamedTuple):
    """What one kind of answer has to say."""

    method: str
    path: str
    status: int
    cache: str  # Cache-Control
    tagged: bool  # it has an ETag
    vary: str | None = None


ANSWERS = [
    Kind("GET", "/play/test.m3u8", 200, "no-store", False, "Accept-Encoding, Accept-Language"),
    Kind("GET", "/s/{id}/1/index.m3u8", 200, "private, no-cache", True, "Accept-Encoding"),
    Kind("GET", "/s/{id}/1/v0.m3u8", 200, "no-cache", True, "Accept-Encoding"),
    Kind("GET", "/s/{id}/1/a0.m3u8?_HLS_skip=v2", 200, "no-cache", True, "Accept-Encoding"),
    Kind("GET", "/s/{id}/1/v0.m3u8?_HLS_msn=2", 200, "max-age=12", True, "Accept-Encoding"),
    Kind("GET", "/s/{id}/1/v0.m3u8?_HLS_msn=3", 200, "no-store", True, "Accept-Encoding"),
    Kind("GET", "/s/{over}/1/v0.m3u8", 200, "max-age=3600", True, "Accept-Encoding"),
    Kind("GET", "/s/{over}/1/v0.m3u8?_HLS_msn=9", 200, "max-age=3600", True, "Accept-Encoding"),
    Kind("GET", "/s/{id}/1/1.500/v0.m3u8", 404, "no-store", False),
    Kind("GET", "/s/{id}/m/{init}", 200, FOR_EVER, True),
    Kind("GET", "/m/{init}", 200, FOR_EVER, True),
    Kind("GET", f"/art/{PICTURE}", 200, FOR_EVER, True),
    Kind("GET", "/", 200, "no-cache", True),
    Kind("GET", "/watch/test", 200, "no-cache", True),
    Kind("GET", "/static/watch.js", 200, "no-cache", True),
    Kind("GET", "/healthz", 200, "no-store", False),
    Kind("GET", "/api/v1/stories", 200, "no-store", False, "Accept-Language"),
    Kind("GET", "/api/v1/stories/test", 200, "no-store", False, "Accept-Language"),
    Kind("GET", "/api/v1/sessions/{id}", 200, "no-store", False),
    Kind("GET", "/api/v1/sessions/{id}/events", 200, "no-cache", False),
    Kind("HEAD", "/api/v1/sessions/{id}/events", 405, "no-store", False),
    Kind("POST", "/api/v1/sessions", 400, "no-store", False),
    Kind("POST", "/api/v1/sessions/{id}/choices", 401, "no-store", False),
    Kind("POST", "/s/{id}/cmcd", 204, "no-store", False),
    Kind("GET", "/s/{id}/1/v0.m3u8?_HLS_msn=x", 400, "no-store", False),
    Kind("GET", "/s/{id}/1/v9.m3u8", 404, "no-store", False),
    Kind("GET", "/s/{id}/7/v0.m3u8", 404, "no-store", False),
    Kind("GET", f"/m/{MISS}", 404, "no-store", False),
    Kind("GET", "/art/nothing", 404, "no-store", False),
    Kind("GET", "/watch/nothing", 404, "no-store", False),
    Kind("GET", "/static/nothing.js", 404, "no-store", False),
    Kind("GET", "/nothing", 404, "no-store", False),
    Kind("DELETE", "/m/{init}", 405, "no-store", False),
]
TAGGED = [(kind.path, kind.cache) for kind in ANSWERS if kind.tagged]
HEADED = [kind.path for kind in ANSWERS if (kind.method, kind.status) == ("GET", 200) and "events" not in kind.path]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A server with a story that forks and one that does not, a viewer in each."""

    client: Client
    names: dict[str, str]

    def at(self, path: str) -> str:
        """Gives an address of the table as it is here."""
        return path.format(**self.names)


def stored_media(root: Path) -> None:
    for folder, name in (("init", "0" * 24 + ".mp4"), ("art", PICTURE)):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / name).write_bytes(bytes(range(100)))


async def looking(client: Client, clock: ManualClock) -> World:
    viewer = await Viewer.open(client, clock)
    text = await viewer.text()
    init = text.partition('#EXT-X-MAP:URI="../m/')[2].partition('"')[0]
    over = await Viewer.open(client, clock, story="linear")
    return World(client=client, names={"id": viewer.id, "over": over.id, "init": init})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    publish(tmp_path, STORY)
    publish(tmp_path, LINEAR, story_text(LINEAR).replace("id: test", "id: linear"))
    stored_media(tmp_path)
    clock = ManualClock()
    async with served(tmp_path, clock, pacing={"hold_seconds": 0.05}) as client:
        found = await looking(client, clock)
        holding = asyncio.create_task(time_passes(clock))
        yield found
        holding.cancel()


async def time_passes(clock: ManualClock) -> None:
    """Lets held requests come to their end: they are held by the server's clock, woken by the loop's."""
    while True:
        await asyncio.sleep(0.02)
        clock.forward(0.02)


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: f"{kind.method} {kind.path}")
async def test_every_answer_says_how_long_it_holds_and_may_be_read_by_any_page(world: World, kind: Kind) -> None:
    async with world.client.request(kind.method, world.at(kind.path)) as response:
        headers = response.headers

    assert (response.status, headers["Cache-Control"], headers.get("Vary")) == (kind.status, kind.cache, kind.vary)
    assert ("ETag" in headers) == kind.tagged
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert {"Age", "ETag", "Content-Range", "CMSD-Static"} <= set(headers["Access-Control-Expose-Headers"].split(", "))


@pytest.mark.parametrize(("path", "cache"), TAGGED)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_who_has_an_answer_is_told_so_and_not_sent_it_again(
    world: World, path: str, cache: str, coding: str
) -> None:
    asks = {"Accept-Encoding": coding}
    async with world.client.get(world.at(path), headers=asks) as first:
        tag = first.headers["ETag"]

    async with world.client.get(world.at(path), headers={**asks, "If-None-Match": f'"other", W/{tag}'}) as again:
        assert (again.status, await again.read()) == (304, b"")
        assert (again.headers["ETag"], again.headers["Cache-Control"]) == (tag, cache)
        assert again.headers.get("Vary") == first.headers.get("Vary")
        assert again.headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Encoding" not in again.headers
    async with world.client.get(world.at(path), headers={**asks, "If-None-Match": '"other"'}) as other:
        assert other.status == 200
        assert not tag.startswith("W/")


@pytest.mark.parametrize("path", HEADED)
async def test_head_has_the_headers_of_get(world: World, path: str) -> None:
    plain = {"Accept-Encoding": "identity"}
    async with world.client.head(world.at(path), headers=plain) as head:
        assert await head.read() == b""
    async with world.client.get(world.at(path), headers=plain) as get:
        await get.read()

    own = {"Date", "CMSD-Static"}  # the second says how long a GET was held
    assert {n: v for n, v in head.headers.items() if n not in own} == {
        n: v for n, v in get.headers.items() if n not in own
    }


@pytest.mark.parametrize("path", [path for path, _ in TAGGED])
async def test_what_an_address_says_beside_our_own_words_changes_no_answer(world: World, path: str) -> None:
    address = world.at(path)
    async with world.client.get(address) as plain:
        expected = (plain.status, await plain.read(), plain.headers["ETag"])

    joined = "&" if "?" in address else "?"
    extra = "CMCD=bl%3D9000%2Cot%3Dv&_HLS_throughput=9000&utm_source=x&_HLS_new=1"
    async with world.client.get(f"{address}{joined}{extra}") as response:
        assert (response.status, await response.read(), response.headers["ETag"]) == expected


async def test_compressed_or_not_a_list_has_a_tag_of_its_own_and_another_once_it_has_grown(tmp_path: Path) -> None:
    publish(tmp_path, STORY)
    clock = ManualClock()
    tags = []
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        for _ in range(2):
            for coding in ("identity", "gzip"):
                path = f"/s/{viewer.id}/1/v0.m3u8"
                async with client.get(path, headers={"Accept-Encoding": coding}) as response:
                    tags.append(response.headers["ETag"])
            await viewer.watch(6)

    assert len(set(tags)) == 4


async def test_two_replicas_give_the_same_list_the_same_tag_however_they_came_to_it(tmp_path: Path) -> None:
    publish(tmp_path, STORY)
    clock = ManualClock()
    found: list[set[tuple[str, bytes, str]]] = []

    async def lists(client: Client, viewer: Viewer) -> set[tuple[str, bytes, str]]:
        answers = set()
        for query in ("", "?_HLS_skip=v2"):
            for coding in ("identity", "gzip"):
                asks = {"Accept-Encoding": coding}
                async with client.get(f"/s/{viewer.id}/1/v0.m3u8{query}", headers=asks) as response:
                    answers.add((coding, await response.read(), response.headers["ETag"]))
        return answers

    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.poll()
        await viewer.choose("after-fork", choice="right")
        await viewer.watch(30)
        found.append(await lists(client, viewer))
    async with served(tmp_path, clock) as client:  # it has spelled nothing of the list yet
        found.append(await lists(client, viewer))

    assert found[0] == found[1]
    assert len(found[0]) == 2  # with ENDLIST there are no deltas


async def test_a_range_that_cannot_be_may_be_read_by_pages_and_is_kept_by_nobody(world: World) -> None:
    async with world.client.get(world.at("/m/{init}"), headers={"Range": "bytes=100-"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (416, "bytes */100")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    async with world.client.get(world.at("/m/{init}"), headers={"Range": "bytes=0-9"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (206, "bytes 0-9/100")
        assert response.headers["Cache-Control"] == FOR_EVER
        assert response.headers["ETag"]


async def test_a_list_has_no_ranges(world: World) -> None:
    async with world.client.get(world.at("/s/{id}/1/v0.m3u8"), headers={"Range": "bytes=0-9"}) as response:
        assert response.status == 200
        assert "Accept-Ranges" not in response.headers


async def test_a_preflight_allows_what_players_send(world: World) -> None:
    for path in ("/s/{id}/1/v0.m3u8", "/m/{init}", "/api/v1/sessions/{id}/choices", "/nothing"):
        async with world.client.options(world.at(path)) as response:
            allowed = set(response.headers["Access-Control-Allow-Headers"].split(", "))
            assert response.status == 204
            assert {"Range", "If-Range", "If-None-Match", "CMCD-Request", "X-Playback-Session-Id"} <= allowed


async def test_every_address_in_a_list_is_relative(world: World) -> None:
    for path in ("/play/test.m3u8", "/s/{id}/1/index.m3u8", "/s/{id}/1/v0.m3u8"):
        async with world.client.get(world.at(path)) as response:
            text = await response.text()
        uris = [line for line in text.splitlines() if line and not line.startswith("#")]
        uris += [part.partition('"')[0] for part in text.split('URI="')[1:]]
        assert uris
        assert not [uri for uri in uris if uri.startswith("/") or "//" in uri]


async def test_the_server_says_what_it_sends_and_how_long_it_was_held(world: World) -> None:
    async with world.client.get(world.at("/s/{id}/1/v0.m3u8?_HLS_msn=3")) as response:
        held = response.headers["CMSD-Static"]
        assert len(read_media(await response.text()).uris) == 3
    async with world.client.get(world.at("/s/{id}/1/v0.m3u8")) as response:
        at_once = response.headers["CMSD-Static"]
    async with world.client.get(world.at("/m/{init}")) as response:
        media = response.headers["CMSD-Static"]

    assert held.startswith("ht=")
    assert int(held.removeprefix("ht=").partition(",")[0]) >= 50
    assert (at_once, media) == ("ot=m,sf=h", "ot=i,sf=h")
