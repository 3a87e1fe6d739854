"""Every route over real sockets: what it gives, what it refuses and how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from streamer.config import Settings
from streamer.web.app import make_app
from tests.manual import publish
from tests.readers import read_media, read_multivariant

STORY = "fork 12.52 -> left | right\nleft 7.36 -> fork\nright 8 ."
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    publish(tmp_path, STORY)
    settings = Settings.model_validate({"library": {"path": tmp_path}, "state": {"path": tmp_path / "state"}})
    async with TestClient(TestServer(await make_app(settings))) as found:
        yield found


async def opened(client: Client) -> dict[str, str]:
    async with client.post("/api/v1/sessions", json={"story": "test"}) as response:
        assert response.status == 201
        body: dict[str, str] = await response.json()
        return body


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


async def test_one_address_opens_a_session_of_its_own_each_time(client: Client) -> None:
    texts = []
    for _ in range(2):
        async with client.get("/play/test.m3u8", allow_redirects=False) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "application/vnd.apple.mpegurl"
            assert response.headers["Cache-Control"] == "no-store"
            texts.append(await response.text())

    read = read_multivariant(texts[0])
    uris = [read.playlists[0].uri or "", read_multivariant(texts[1]).playlists[0].uri or "", read.media[0].uri or ""]
    assert uris[0] != uris[1]
    assert uris[2].rpartition("/")[0] == uris[0].rpartition("/")[0]
    assert "{" not in texts[0]
    assert all(uri.startswith("../s/") and "?" not in uri for uri in uris)
    for uri in (uris[0], uris[2]):
        async with client.get("/play/" + uri) as response:
            assert len(read_media(await response.text()).uris) == 3


async def test_an_app_gets_addresses_a_token_and_an_expiry(client: Client) -> None:
    body = await opened(client)

    assert set(body) == {
        "id",
        "playback_url",
        "control_url",
        "back_url",
        "menu_url",
        "position_url",
        "events_url",
        "token",
        "expires_at",
        "story",
    }
    assert body["token"] not in body["playback_url"]
    async with client.get(path_of(body["playback_url"])) as response:
        read_multivariant(await response.text())


async def test_media_playlists_of_two_sessions_are_the_same_bytes(client: Client) -> None:
    texts = []
    for _ in range(2):
        body = await opened(client)
        async with client.get(f"/s/{body['id']}/1/a0.m3u8") as response:
            texts.append(await response.read())

    assert texts[0] == texts[1]


async def test_head_says_what_get_would_and_stores_nothing(client: Client) -> None:
    body = await opened(client)

    async with client.head(f"/s/{body['id']}/1/v0.m3u8") as response:
        length = response.headers["Content-Length"]
        assert response.status == 200
    async with client.get(f"/s/{body['id']}/1/v0.m3u8") as response:
        assert response.headers["Content-Length"] == length


async def test_a_choice_is_taken_and_events_tell_of_it(client: Client) -> None:
    body = await opened(client)
    async with client.get(f"/s/{body['id']}/1/v0.m3u8") as response:
        await response.read()
    choice = {"decision": "after-fork", "visit": 1, "choice": "right", "answer_id": "a"}
    auth = {"Authorization": f"Bearer {body['token']}"}

    async with client.post(path_of(body["control_url"]), json=choice, headers=auth) as response:
        assert response.status == 200
        assert (await response.json())["choice"] == "right"

    async with client.get(path_of(body["events_url"])) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        lines = [(await response.content.readline()).decode().strip() for _ in range(2)]
    assert lines[0] == "event: scene"
    assert json.loads(lines[1].removeprefix("data: "))["scene"] == "fork"


BAD_CHOICES = [
    ("no JSON", "body"),
    ("[]", "body"),
    ('{"decision": 1, "visit": 1, "choice": "a", "answer_id": "b"}', "decision"),
    ('{"decision": "d", "visit": "1", "choice": "a", "answer_id": "b"}', "visit"),
    ('{"decision": "d", "visit": true, "choice": "a", "answer_id": "b"}', "visit"),
    ('{"decision": "d", "visit": 0, "choice": "a", "answer_id": "b"}', "visit"),
    ('{"decision": "d", "visit": 1, "answer_id": "b"}', "choice"),
    ('{"decision": "d", "visit": 1, "choice": "a"}', "answer_id"),
    ('{"decision": "d", "visit": 1, "choice": "a", "answer_id": "b", "extra": 1}', "extra"),
    ('{"decision": "' + "x" * 65 + '", "visit": 1, "choice": "a", "answer_id": "b"}', "decision"),
    ("[" * 20000, "body"),
]


@pytest.mark.parametrize(("text", "field"), BAD_CHOICES)
async def test_a_malformed_choice_names_its_field(client: Client, text: str, field: str) -> None:
    body = await opened(client)
    headers = {"Authorization": f"Bearer {body['token']}", "Content-Type": "application/json"}

    async with client.post(path_of(body["control_url"]), data=text, headers=headers) as response:
        assert response.status == 400
        assert response.headers["Content-Type"].startswith("application/problem+json")
        assert (await response.json())["field"] == field


async def test_choosing_needs_the_control_token(client: Client) -> None:
    body = await opened(client)
    choice = {"decision": "after-fork", "visit": 1, "choice": "right", "answer_id": "a"}

    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": f"Bearer {body['id']}"}):
        async with client.post(path_of(body["control_url"]), json=choice, headers=headers) as response:
            assert response.status == 401
            assert "Bearer" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"position": "1", "paused": False}, "position"),
        ({"position": -1, "paused": False}, "position"),
        ({"position": 1}, "paused"),
    ],
)
async def test_a_malformed_position_names_its_field(client: Client, body: object, field: str) -> None:
    session = await opened(client)
    auth = {"Authorization": f"Bearer {session['token']}"}

    async with client.post(
        path_of(session["position_url"]), json={"position": 0, "paused": True}, headers=auth
    ) as good:
        assert good.status == 204
    async with client.post(path_of(session["position_url"]), json=body, headers=auth) as response:
        assert response.status == 400
        assert (await response.json())["field"] == field


LONG = "x" * 3000
REFUSED = [
    ("GET", "/nothing", 404),
    ("GET", "/play/other.m3u8", 404),
    ("GET", "/play/..%2f..%2fetc%2fpasswd.m3u8", 404),
    ("GET", f"/play/{LONG}.m3u8", 404),
    ("GET", "/play/test.m3u8?name=eve", 400),
    ("POST", "/play/test.m3u8", 405),
    ("GET", "/s/abc/1/v0.m3u8", 404),
    ("GET", f"/s/{LONG}/1/v0.m3u8", 404),
    ("GET", "/s/%00%ff/1/v0.m3u8", 404),
    ("GET", "/s/abc/2/index.m3u8", 404),
    ("DELETE", "/s/abc/1/v0.m3u8", 405),
    ("GET", "/m/..%2f..%2fsecret", 404),
    ("GET", "/m/%2e%2e%2fstate%2fsecret", 404),
    ("GET", f"/m/{LONG}", 404),
    ("GET", "/m/" + "0" * 24 + "-v0-0-0-l-AAAAAAAAAAA.m4s", 404),
    ("GET", "/m/%E2%82%AC.m4s", 404),
    ("PUT", "/m/x", 405),
    ("GET", "/s/abc/m/x", 404),
    ("GET", "/static/../app.py", 404),
    ("GET", "/static/%2e%2e/app.py", 404),
    ("GET", "/api/v1/sessions", 405),
    ("GET", "/api/v1/sessions/abc", 404),
    ("GET", "/api/v1/sessions/abc/events", 404),
    ("GET", "/api/v1/sessions/abc/choices", 405),
    ("POST", "/api/v1/sessions/abc/choices", 401),
    ("POST", "/healthz", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSED)
async def test_what_is_wrong_gets_a_problem_document_and_never_a_trace(
    client: Client, method: str, path: str, status: int
) -> None:
    async with ClientSession() as plain:
        from yarl import URL

        url = URL(f"http://{client.host}:{client.port}{path}", encoded=True)
        async with plain.request(method, url) as response:
            text = await response.text()
            assert response.status == status
            assert response.headers["Content-Type"].startswith("application/problem+json")
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert json.loads(text)["status"] == status
            assert "Traceback" not in text
            assert "/state" not in text
            if status == 405:
                assert response.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "story"),
        ({"story": 5}, "story"),
        ({"story": "test", "profile": []}, "profile"),
        ({"story": "test", "profile": {"x": 1}}, "profile.x"),
        ({"story": "test", "stori": 1}, "stori"),
    ],
)
async def test_a_malformed_opening_names_its_field(client: Client, body: object, field: str) -> None:
    async with client.post("/api/v1/sessions", json=body) as response:
        assert response.status == 400
        assert (await response.json())["field"] == field


async def test_a_large_body_is_refused(client: Client) -> None:
    async with client.post("/api/v1/sessions", data=b"x" * 100_000) as response:
        assert response.status == 413


@pytest.mark.parametrize("query", ["_HLS_msn=x", "_HLS_msn=-1", "_HLS_part=0", "_HLS_msn=99", "_HLS_msn=" + "9" * 30])
async def test_delivery_directives_that_make_no_sense_are_refused(client: Client, query: str) -> None:
    body = await opened(client)

    async with client.get(f"/s/{body['id']}/1/v0.m3u8?{query}") as response:
        assert response.status == 400


async def test_preflights_are_answered_everywhere(client: Client) -> None:
    for path in ("/play/test.m3u8", "/api/v1/sessions", "/nothing"):
        async with client.options(path) as response:
            assert response.status == 204
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


async def test_health_tells_whether_stories_can_be_played(client: Client, tmp_path: Path) -> None:
    async with client.get("/healthz") as response:
        assert response.status == 200
        assert await response.json() == {"status": "ok", "stories": 1}
    settings = Settings.model_validate({"library": {"path": tmp_path / "none"}, "state": {"path": tmp_path / "state2"}})
    async with TestClient(TestServer(await make_app(settings))) as empty, empty.get("/healthz") as response:
        assert response.status == 503


async def test_stories_are_listed_with_their_addresses(client: Client) -> None:
    async with client.get("/api/v1/stories") as response:
        (found,) = (await response.json())["stories"]
        assert found["id"] == "test"
        assert found["play_url"].endswith("/play/test.m3u8")


async def test_a_held_request_is_answered_with_the_list_as_it_is(client: Client, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"library": {"path": tmp_path}, "state": {"path": tmp_path / "s"}, "pacing": {"hold_seconds": 0.3}}
    )
    async with TestClient(TestServer(await make_app(settings))) as quick:
        body = await opened(quick)
        async with quick.get(f"/s/{body['id']}/1/v0.m3u8?_HLS_msn=3") as response:
            assert response.status == 200
            assert len(read_media(await response.text()).uris) == 3


async def test_who_opens_a_session_again_goes_on_where_the_viewer_is(client: Client) -> None:
    body = await opened(client)
    session, headers = body["id"], {"Authorization": f"Bearer {body['token']}"}
    async with client.get(f"/s/{session}/1/v0.m3u8") as response:
        names = [line for line in (await response.text()).splitlines() if line.endswith(".m4s")]
    for name in names:
        async with client.get(f"/s/{session}/1/{name}"):
            pass
    async with client.get(f"/s/{session}/1/index.m3u8") as response:
        fresh = await response.text()
    word = {"position": 6.0, "paused": True, "rate": 1}
    async with client.post(f"/api/v1/sessions/{session}/position", json=word, headers=headers) as response:
        assert response.status == 204
    await asyncio.sleep(1.1)  # one step of the list
    async with client.get(f"/s/{session}/1/v0.m3u8"):
        pass
    word = {"position": 7.5, "paused": True}
    async with client.post(f"/api/v1/sessions/{session}/position", json=word, headers=headers) as response:
        assert response.status == 204
    async with client.get(f"/s/{session}/1/index.m3u8") as response:
        again = await response.text()
    async with client.get(f"/s/{session}/1.7500/v0.m3u8") as response:
        text = await response.text()

    assert "../1." not in fresh
    assert "../1.7500/v0.m3u8" in again
    assert "TIME-OFFSET=7.500" in text


async def test_lists_are_sent_compressed_to_who_takes_that(client: Client) -> None:
    body = await opened(client)
    address = f"/s/{body['id']}/1/v0.m3u8"
    async with client.get(address, headers={"Accept-Encoding": "gzip, br"}) as response:
        zipped = await response.text()
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
    async with client.get(address, headers={"Accept-Encoding": "gzip;q=0"}) as response:
        assert "Content-Encoding" not in response.headers
        assert response.headers["Vary"] == "Accept-Encoding"
        assert await response.text() == zipped


async def test_a_player_s_own_words_are_heard_in_queries_headers_and_reports(client: Client) -> None:
    body = await opened(client)
    session = body["id"]

    async def position() -> object:
        async with client.get(f"/api/v1/sessions/{session}") as response:
            return (await response.json())["playhead"]

    async with client.get(f"/s/{session}/1/v0.m3u8", params={"CMCD": "pt=500,sta=a"}) as response:
        assert response.status == 200
    first = await position()
    async with client.get(f"/s/{session}/1/v0.m3u8", headers={"CMCD-Request": "pt=700,sta=a"}) as response:
        assert response.status == 200
    second = await position()
    words, kind = b"e=ps,pt=900,sta=a\n", {"Content-Type": "application/cmcd"}
    async with client.post(f"/s/{session}/cmcd", data=words, headers=kind) as response:
        assert response.status == 204
    third = await position()

    assert first == {"position": "0.000", "source": "player", "within": 0.5, "paused": True}
    assert second == {"position": "0.700", "source": "player", "within": 0.5, "paused": True}
    assert third == {"position": "0.900", "source": "player", "within": 0.5, "paused": True}


async def test_nothing_is_told_of_files_that_nobody_watches(client: Client) -> None:
    async with client.get("/api/v1/watch/events") as response:
        assert response.status == 404
    async with client.get("/api/v1/stories") as response:
        listed = await response.json()
    async with client.get(f"/api/v1/stories/{listed['stories'][0]['id']}") as response:
        assert await response.json() == listed["stories"][0]
    assert set(listed) == {"stories"}
