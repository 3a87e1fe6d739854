"""Opening a session over HTTP: who watches, in which language, by which clock, with which inputs and pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.manual import ManualClock, publish
from tests.readers import read_media
from tests.web.viewing import Client, Viewer, path_of, served, serving_story

PNG = b"\x89PNG\r\n\x1a\nmade up"
ART = """
story: 1
id: test
title: {en: The keys, sv: Nycklarna}
start: intro
profile:
  plan: {type: enum, values: [basic, pro], default: basic}
  lang: {type: enum, values: [en, sv], default: en}
  row: {type: enum, values: [low, high], default: low, source: token}
  name: {type: string, default: "", pii: true}
artwork:
  - {image: art/pro.png, when: profile.plan == 'pro'}
  - {image: art/svensk.jpg, when: profile.lang == 'sv'}
  - {image: art/high.png, when: profile.row == 'high'}
  - {image: art/base.png}
scenes: {intro: {media: {src: intro}, end: {id: over}}}
"""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving_story(tmp_path, "intro 8", ART) as found:
        yield found


def picture(name: str) -> str:
    """Gives how the made-up package names a picture."""
    return f"{name.encode().hex():0<24.24}{name[name.rindex('.') :]}"


async def described(client: Client, query: str = "", reads: str = "") -> dict[str, Any]:
    headers = {"Accept-Language": reads} if reads else {}
    async with client.get(f"/api/v1/stories/test{query}", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Vary"] == "Accept-Language"
        found: dict[str, Any] = await response.json()
        return found


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"viewer": ""}, "viewer"),
        ({"viewer": 7}, "viewer"),
        ({"viewer": "x" * 65}, "viewer"),
        ({"consent": "yes"}, "consent"),
        ({"language": ["sv"]}, "language"),
        ({"language": ""}, "language"),
        ({"utc_offset_minutes": 1.5}, "utc_offset_minutes"),
        ({"utc_offset_minutes": True}, "utc_offset_minutes"),
        ({"utc_offset_minutes": 841}, "utc_offset_minutes"),
        ({"utc_offset_minutes": "60"}, "utc_offset_minutes"),
        ({"extended_time": 1}, "extended_time"),
        ({"profile": {"plan": "gold"}}, "profile.plan"),
        ({"profile": {"name": 5}}, "profile.name"),
    ],
)
async def test_a_wrong_word_about_the_viewer_names_its_field(client: Client, body: object, field: str) -> None:
    assert isinstance(body, dict)

    async with client.post("/api/v1/sessions", json={"story": "test", **body}) as response:
        answer = await response.json()

    assert response.status == 400
    assert answer["field"] == field
    assert answer["detail"]


async def test_all_that_may_be_said_of_a_viewer_is_taken(client: Client) -> None:
    said = {"viewer": "v-1", "consent": True, "language": "sv-SE", "utc_offset_minutes": -840, "extended_time": False}

    async with client.post("/api/v1/sessions", json={"story": "test", **said}) as response:
        opened = await response.json()

    assert response.status == 201
    assert (opened["story"]["title"], opened["story"]["language"]) == ("Nycklarna", "sv")
    assert opened["menu_url"].endswith(f"/api/v1/sessions/{opened['id']}/menu")


@pytest.mark.parametrize(
    ("profile", "reads", "image"),
    [
        ({}, "", "art/base.png"),
        ({"plan": "pro"}, "", "art/pro.png"),
        ({"lang": "sv"}, "", "art/svensk.jpg"),
        ({}, "sv-FI, en;q=0.5", "art/svensk.jpg"),
        ({"lang": "en"}, "sv", "art/base.png"),
        ({"row": "high", "name": "Ann"}, "", "art/high.png"),
    ],
)
async def test_a_session_s_poster_goes_by_its_inputs(
    client: Client, profile: dict[str, str], reads: str, image: str
) -> None:
    viewer = await Viewer.open(client, ManualClock(), profile=profile, reads=reads)

    assert path_of(viewer.opened["story"]["poster_url"]) == f"/art/{picture(image)}"


async def test_a_story_is_described_for_inputs_of_the_query_in_the_viewer_s_language(client: Client) -> None:
    plain, pro = await described(client), await described(client, "?plan=pro")
    swedish = await described(client, reads="de, sv;q=0.8, en;q=0.5")

    assert path_of(plain["poster_url"]) == f"/art/{picture('art/base.png')}"
    assert path_of(pro["poster_url"]) == f"/art/{picture('art/pro.png')}"
    assert path_of(swedish["poster_url"]) == f"/art/{picture('art/svensk.jpg')}"
    assert [each["title"] for each in (plain, pro, swedish)] == ["The keys", "The keys", "Nycklarna"]
    assert [each["language"] for each in (plain, swedish)] == ["en", "sv"]
    assert plain["remembers"] is False
    assert plain["extended_time"] is False


async def test_wrong_inputs_of_a_story_are_refused_and_personal_ones_in_an_address(client: Client) -> None:
    for query, field in (("plan=gold", "plan"), ("name=Ann", "name"), ("row=high", "row"), ("pla=pro", "pla")):
        async with client.get(f"/api/v1/stories/test?{query}") as response:
            assert response.status == 400
            assert (await response.json())["field"] == f"profile.{field}"
    async with client.get("/api/v1/stories/other") as response:
        assert response.status == 404


async def test_the_list_of_stories_takes_of_the_query_what_each_story_knows(client: Client) -> None:
    for query, image in (("plan=pro", "art/pro.png"), ("plan=gold&name=Ann&row=high&seat=4", "art/base.png")):
        async with client.get(f"/api/v1/stories?{query}", headers={"Accept-Language": "en"}) as response:
            (found,) = (await response.json())["stories"]
        assert path_of(found["poster_url"]) == f"/art/{picture(image)}"
        assert found["title"] == "The keys"


async def test_a_story_without_artwork_has_no_poster(tmp_path: Path) -> None:
    text = "story: 1\nid: test\ntitle: T\nstart: a\nscenes: {a: {media: {src: a}, end: {id: a}}}\n"
    async with serving_story(tmp_path, "a 8", text) as client:
        viewer = await Viewer.open(client, ManualClock())

        assert viewer.opened["story"]["poster_url"] is None
        assert (await described(client))["poster_url"] is None


async def test_pictures_are_kept_for_ever_and_are_nothing_else(client: Client, tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    for image in ("art/pro.png", "art/svensk.jpg"):
        (tmp_path / "art" / picture(image)).write_bytes(PNG)

    for image, kind in (("art/pro.png", "image/png"), ("art/svensk.jpg", "image/jpeg")):
        async with client.get(f"/art/{picture(image)}") as response:
            assert response.status == 200
            assert await response.read() == PNG
            assert response.headers["Content-Type"] == kind
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
    for name in (
        "nothing.png",
        "0" * 24 + ".png",
        "0" * 24 + ".exe",
        "%2e%2e%2fstate%2fsecret",
        "..%5csecret",
        "é.png",
    ):
        async with client.get(f"/art/{name}") as response:
            assert response.status == 404


# ── languages ────────────────────────────────────────────────────────────────────────────────────────────────────

TONGUES = """
story: 1
id: test
title: {en: The way, sv: Vägen}
start: fork
scenes:
  fork:
    media: {src: fork}
    decision:
      id: way
      prompt: {en: Which way?, sv: Vilken väg?}
      opens_at: -9s
      closes_at: -4s
      default: left
      choices:
        - {id: left, label: {en: Left, sv: Vänster}, to: left}
        - {id: right, label: {en: Right}, to: right}
  left: {media: {src: left}, end: {id: left}}
  right: {media: {src: right}, end: {id: right}}
"""


def told_in(playlist: str) -> dict[str, Any]:
    """Gives the decision that a playlist tells, decoded."""
    import base64
    import json

    (line,) = [line for line in playlist.splitlines() if 'CLASS="io.branchline.decision"' in line]
    value = line.partition('X-IO-BRANCHLINE-DECISION="')[2].partition('"')[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    return found


@pytest.mark.parametrize(
    ("reads", "language", "prompt", "labels"),
    [
        ("", "", "Which way?", ["Left", "Right"]),
        ("sv", "", "Vilken väg?", ["Vänster", "Right"]),
        ("en", "sv-FI", "Vilken väg?", ["Vänster", "Right"]),
        ("de", "fr", "Which way?", ["Left", "Right"]),
        ("de, sv;q=0.3", "", "Vilken väg?", ["Vänster", "Right"]),
        ("sv;q=0, en;q=0.1", "", "Which way?", ["Left", "Right"]),
    ],
)
async def test_viewers_read_their_language_where_the_story_has_it(
    tmp_path: Path, reads: str, language: str, prompt: str, labels: list[str]
) -> None:
    clock = ManualClock()
    publish(tmp_path, "fork 13\nleft 8\nright 8", TONGUES)
    said = {"language": language} if language else {}
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock, reads=reads, **said)
        await viewer.watch(5)
        playlist, state = told_in(await viewer.text()), (await viewer.state())["decision"]
        if not language:
            async with client.get("/play/test.m3u8", headers={"Accept-Language": reads}) as response:
                session = (await response.text()).partition("../s/")[2].partition("/")[0]
            clock.forward(0)
            player = Viewer(client=client, clock=clock, opened={"id": session})
            await player.watch(5)
            assert told_in(await player.text()) == playlist

    assert (state["prompt"], [choice["label"] for choice in state["choices"]]) == (prompt, labels)
    assert (playlist["prompt"], [choice["label"] for choice in playlist["choices"]]) == (prompt, labels)


# ── look-up, clock, experiments ──────────────────────────────────────────────────────────────────────────────────

KNOWN = """
story: 1
id: test
title: Known
start: "@door"
profile:
  tier: {type: enum, values: [low, high], default: low, source: crm}
  points: {type: int, default: 1, max: 100, source: crm}
  seat: {type: string, default: none}
  name: {type: string, default: "", pii: true}
  secret: {type: string, default: "", pii: true, source: crm}
artwork: [{image: a/high.png, when: profile.tier == 'high'}, {image: a/low.png}]
groups:
  door: [{to: rich, when: profile.points > 50}, {to: high, when: profile.tier == 'high'}, {to: low}]
scenes:
  rich: {media: {src: a}, end: {id: rich}}
  high: {media: {src: b}, end: {id: high}}
  low: {media: {src: c}, end: {id: low}}
"""
LENGTHS = "rich 8\nhigh 8\nlow 8"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def known_by(root: Path, answer: Answering, **settings: object) -> AsyncIterator[Viewer]:
    """Opens a session at a server that asks another one of its viewers."""
    application = web.Application()
    application.router.add_post("/who", answer)
    async with TestServer(application) as other:
        lookup = {"url": str(other.make_url("/who")), "timeout_seconds": 0.5, **settings}
        async with serving_story(root, LENGTHS, KNOWN, lookup=lookup) as client:
            profile = {"seat": "4a", "name": "Ann"}
            yield await Viewer.open(client, ManualClock(), viewer="v-1", profile=profile)


async def test_a_server_of_the_operator_s_is_asked_of_the_viewer_and_told_nothing_personal(tmp_path: Path) -> None:
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json(), request.headers["Authorization"]))
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        for part in (b'{"tier": "hi', b'gh", "points": 7, "secret": "Zebediah"}'):  # as the network brings it
            await reply.write(part)
            await asyncio.sleep(0.02)
        return reply

    async with known_by(tmp_path, answer, authorization="Bearer ours") as viewer:
        state = await viewer.state()
        read = await viewer.text()

    assert asked == [({"story": "test", "viewer": "v-1", "profile": {"seat": "4a"}}, "Bearer ours")]
    assert state["scene"]["scene"] == "high"
    assert path_of(viewer.opened["story"]["poster_url"]) == f"/art/{picture('a/high.png')}"
    assert "Zebediah" not in read + str(viewer.opened)


async def test_values_beyond_an_input_s_bounds_are_raised_or_lowered_to_them(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"points": 1000})

    async with known_by(tmp_path, answer) as viewer:
        assert (await viewer.state())["scene"]["scene"] == "rich"


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.json_response({"tier": "high"})


async def failing(_: web.Request) -> web.StreamResponse:
    return web.json_response({"tier": "high"}, status=500)


async def wrong(_: web.Request) -> web.StreamResponse:
    return web.json_response({"tier": "gold", "points": "99", "seat": "1a", "other": 1})


async def a_list(_: web.Request) -> web.StreamResponse:
    return web.json_response(["high"])


async def no_json(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\xff\xfe{")


async def deep(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"tier":' + b"[" * 20_000)


async def endless(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse()
    await reply.prepare(request)
    for _ in range(3):
        await reply.write(b'{"tier": "high", "x": "' + b"x" * 65_536)
    return reply


@pytest.mark.parametrize("answer", [slow, failing, wrong, a_list, no_json, deep, endless])
async def test_who_is_not_known_sees_the_story_by_its_defaults(tmp_path: Path, answer: Answering) -> None:
    async with known_by(tmp_path, answer) as viewer:
        assert (await viewer.state())["scene"]["scene"] == "low"


async def test_a_look_up_that_nobody_answers_leaves_the_defaults(tmp_path: Path) -> None:
    lookup = {"url": "http://127.0.0.1:9/who", "timeout_seconds": 0.5}
    async with serving_story(tmp_path, LENGTHS, KNOWN, lookup=lookup) as client:
        viewer = await Viewer.open(client, ManualClock())

        assert (await viewer.state())["scene"]["scene"] == "low"


async def test_looked_up_inputs_are_not_given_by_a_request(tmp_path: Path) -> None:
    async with serving_story(tmp_path, LENGTHS, KNOWN) as client:
        async with client.post("/api/v1/sessions", json={"story": "test", "profile": {"tier": "high"}}) as response:
            assert response.status == 400
        async with client.get("/play/test.m3u8?tier=high") as response:
            assert response.status == 400


BY_THE_CLOCK = """
story: 1
id: test
title: Hours
start: "@now"
profile: {hour: {type: int, default: 0, source: clock}, weekday: {type: int, default: 1, source: clock}}
groups:
  now: [{to: monday, when: profile.weekday == 1 && profile.hour == 14}, {to: night, when: hour() == 23}, {to: other}]
scenes:
  monday: {media: {src: a}, end: {id: monday}}
  night: {media: {src: b}, end: {id: night}}
  other: {media: {src: c}, end: {id: other}}
"""


@pytest.mark.parametrize(("minutes", "scene"), [(0, "monday"), (541, "night"), (60, "other"), (-840, "other")])
async def test_a_story_goes_by_the_viewer_s_clock(tmp_path: Path, minutes: int, scene: str) -> None:
    clock = ManualClock()  # a Monday, 14:13 UTC
    publish(tmp_path, "monday 8\nnight 8\nother 8", BY_THE_CLOCK)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock, utc_offset_minutes=minutes)
        first = (await viewer.state())["scene"]["scene"]
        clock.forward(3600)  # it is the clock of the opening

        assert first == scene
        assert (await viewer.state())["scene"]["scene"] == scene


TRIED = """
story: 1
id: test
title: Tried
start: "@arms"
experiments: {opener: {arms: {short: 50, long: 50}}, each: {arms: {a: 1, b: 1}, assign: session}}
groups: {arms: [{to: short, when: arm.opener == 'short'}, {to: long}]}
scenes:
  short: {media: {src: short}, end: {id: short}}
  long: {media: {src: long}, end: {id: long}}
"""


async def test_a_viewer_always_has_the_same_arm_and_viewers_are_shared_out(tmp_path: Path) -> None:
    arms: dict[str, set[str]] = {}
    each = set()
    async with serving_story(tmp_path, "short 8\nlong 12", TRIED) as client:
        for name in [f"viewer-{number}" for number in range(12)] * 2:
            state = await (await Viewer.open(client, ManualClock(), viewer=name)).state()
            arms.setdefault(name, set()).add(state["arms"]["opener"])
            each.add(state["arms"]["each"])
            assert state["scene"]["scene"] == state["arms"]["opener"]

    assert all(len(found) == 1 for found in arms.values())
    assert {arm for found in arms.values() for arm in found} == {"short", "long"}
    assert each == {"a", "b"}


# ── films ────────────────────────────────────────────────────────────────────────────────────────────────────────

FILM = """
story: 1
id: test
title: Film
start: intro
profile: {plan: {type: enum, values: [basic, pro], default: basic}}
scenes:
  intro: {media: {src: intro}, next: [{to: own, when: profile.plan == 'pro'}, {to: ask}]}
  own: {media: {src: own}, next: [{to: last}]}
  ask:
    media: {src: ask}
    decision:
      {id: d, opens_at: -9s, closes_at: -4s, default: a, choices: [
        {id: a, label: A, to: last}, {id: b, label: B, to: own}]}
  last: {media: {src: last}, end: {id: last}}
"""


async def test_a_viewing_that_leaves_nothing_to_decide_is_whole_in_its_first_answer(tmp_path: Path) -> None:
    async with serving_story(tmp_path, "intro 12\nown 60\nask 12.52\nlast 8", FILM) as client:
        film = await Viewer.open(client, ManualClock(), profile={"plan": "pro"})
        asks = await Viewer.open(client, ManualClock(), profile={"plan": "basic"})
        whole = {name: await film.text(name) for name in ("v0", "v1", "a0")}
        part = {name: await asks.text(name) for name in ("v0", "v1", "a0")}
        async with client.get("/play/test.m3u8?plan=pro") as response:
            session = (await response.text()).partition("../s/")[2].partition("/")[0]
        async with client.get(f"/s/{session}/1/v0.m3u8") as response:
            played = await response.text()

    for text in (*whole.values(), played):
        assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
        assert text.rstrip().endswith("#EXT-X-ENDLIST")
        assert sum(read_media(text).durations) == pytest.approx(80, abs=0.03)
    for text in part.values():
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
        assert not read_media(text).ended
        assert len(read_media(text).uris) == 3
