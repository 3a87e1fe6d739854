"""ffmpeg plays what the language can say: several decisions, variants, endings that ask, the menu, whole films."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from media.make_footage import SHOTS
from tests.e2e.client import Opened, open_session, wait_for
from tests.e2e.decoding import Decoded, Part, assert_picture, assert_sound, play
from tests.e2e.test_turns import shown
from tests.readers import read_media
from tests.serving import ROOT, Starter, package

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FRAMES = {shot.src: shot.frames for shot in SHOTS}
STORY = """
story: 1
id: says
title: Says
start: lobby
profile: {lang: {type: enum, values: [en, sv], default: en}}
state: {key: {type: bool, default: false}, seen: {type: int, default: 0}}
menu: [{id: out, label: Leave, to: street}]
scenes:
  lobby:
    media: {src: underground}
    events: [{at: 1s, set: {seen: state.seen + 1}}]
    decisions:
      - id: key
        prompt: Take the key?
        opens_at: 1s
        closes_at: 6.4s
        default: leave
        choices: [{id: take, label: Take it, set: {key: true}}, {id: leave, label: Leave it}]
      - id: door
        prompt: Which door?
        opens_at: 7s
        closes_at: -4s
        default: open
        choices:
          - {id: open, label: The open one, to: street}
          - {id: other, label: The other, to: street}
          - {id: locked, label: The locked one, to: room, when: state.key}
  room:
    media: {src: yard}
    variants: [{when: "profile.lang == 'sv'", src: buffet}]
    next: [{to: end, when: state.seen == 1}, {to: street}]
  street: {media: {src: platform}, end: {id: street}}
  end:
    media: {src: lakeside}
    decision:
      id: more
      prompt: More?
      opens_at: 2s
      closes_at: -4s
      default: enough
      hold: {src: viaduct, max: 10s}
      choices: [{id: enough, label: Enough}, {id: more, label: Go on, to: last}]
    end: {id: asked}
  last: {media: {src: lamplight}, end: {id: last}}
"""
FILM = """
story: 1
id: film
title: Film
start: hello
profile: {plan: {type: enum, values: [basic, pro], default: basic}}
scenes:
  hello:
    media: {src: turntable}
    decision:
      id: way
      default: plain
      opens_at: 1s
      closes_at: 6.5s
      choices:
        - {id: plain, label: Plain, to: end}
        - {id: grand, label: Grand, to: lake, when: profile.plan == 'pro'}
    next: [{to: end}]
  lake: {media: {src: lakeside}, next: [{to: end}]}
  end: {media: {src: lamplight}, end: {id: end}}
"""


async def packaged(folder: Path, *stories: str) -> Path:
    (folder / "footage").symlink_to(ROOT / "media" / "sample" / "footage")
    for number, text in enumerate(stories):
        (folder / f"{number}.yaml").write_text(text, "utf-8")
        await package(folder / f"{number}.yaml", folder / "library")
    return folder / "library"


async def played(session: Opened, folder: Path) -> Decoded:
    await asyncio.to_thread(folder.mkdir)
    return await play(session.playback_url, folder, seconds=200)


async def answer(session: Opened, wanted: dict[str, str], offered: dict[str, list[str]], *, in_loop: str = "") -> None:
    """Answers decisions as they open, one of them once its loop plays; notes what each offered."""
    asked: dict[str, int] = {}
    async for name, data in session.listen():
        if name == "decision":
            decision, visit = str(data["decision"]), int(str(data["visit"]))
            asked[decision] = visit
            choices = data["choices"]
            assert isinstance(choices, list)
            offered[decision] = [choice["id"] for choice in choices]
            if decision in wanted and decision != in_loop:
                assert await session.choose(decision, visit, wanted[decision]) == 200
        elif name == "clock" and data["holding"] and in_loop in asked:
            await asyncio.sleep(5)  # the loop is on the screen by now
            assert await session.choose(in_loop, asked[in_loop], wanted[in_loop]) == 200
        elif name == "scene":
            session.scenes.append(str(data["scene"]))
        elif name == "ended":
            session.ending = str(data["ending"])


async def leave(session: Opened) -> None:
    """Goes out by the menu as the first decision opens."""
    async for name, data in session.listen():
        if name == "decision" and data["decision"] == "key":
            headers = {"Authorization": f"Bearer {session.token}"}
            menu, body = session.control_url.replace("/choices", "/menu"), {"item": "out", "answer_id": uuid4().hex}
            async with session.http.post(menu, json=body, headers=headers) as response:
                assert (await response.json())["run"] == 1
        elif name == "ended":
            session.ending = str(data["ending"])


def sources(decoded: Decoded) -> list[str]:
    return [src for src, _ in groupby(part.src for part in shown(decoded))]


def assert_seamless(decoded: Decoded) -> None:
    assert_picture(decoded, shown(decoded))
    assert_sound(decoded, shown(decoded))


@pytest.mark.usefixtures("sample_library")  # its footage
async def test_decisions_variants_menus_and_endings_that_ask_are_seamless(start: Starter, tmp_path: Path) -> None:
    library = await packaged(tmp_path, STORY)
    async with start(library) as server, ClientSession() as http:
        swede = await open_session(http, server.url, "says", profile={"lang": "sv"})
        silent = await open_session(http, server.url, "says")
        leaver = await open_session(http, server.url, "says")
        offered: dict[str, list[str]] = {}
        heard: dict[str, list[str]] = {}
        tasks = [
            asyncio.create_task(
                answer(swede, {"key": "take", "door": "locked", "more": "more"}, offered, in_loop="more")
            ),
            asyncio.create_task(answer(silent, {"key": "take", "door": "locked"}, heard)),
            asyncio.create_task(leave(leaver)),
        ]
        sessions = {"swede": swede, "silent": silent, "leaver": leaver}
        films = await asyncio.gather(*(played(each, tmp_path / name) for name, each in sessions.items()))
        for task in tasks:
            await wait_for(task, 30)

    assert offered == {"key": ["take", "leave"], "door": ["open", "other", "locked"], "more": ["enough", "more"]}
    assert sources(films[0]) == ["underground", "buffet", "lakeside", "viaduct", "lamplight"]
    assert (swede.scenes, swede.ending) == (["lobby", "room", "end", "last"], "last")
    assert sources(films[1]) == ["underground", "yard", "lakeside", "viaduct"]
    assert (silent.scenes, silent.ending) == (["lobby", "room", "end"], "asked")
    loop = sum(part.stop - part.start for part in shown(films[1]) if part.src == "viaduct")
    assert loop >= 250  # 10 s
    assert sources(films[2]) == ["underground", "platform"]
    assert leaver.ending == "street"
    assert shown(films[2])[1] == Part(src="platform", start=0, stop=FRAMES["platform"])
    for film in films:
        assert_seamless(film)


@pytest.mark.usefixtures("sample_library")  # its footage
async def test_where_nothing_is_left_to_decide_the_first_answer_is_a_whole_film(start: Starter, tmp_path: Path) -> None:
    library = await packaged(tmp_path, FILM)
    async with start(library) as server, ClientSession() as http:
        basic = await open_session(http, server.url, "film", profile={"plan": "basic"})
        pro = await open_session(http, server.url, "film", profile={"plan": "pro"})
        lists = {}
        for name, session in (("basic", basic), ("pro", pro)):
            for rendition in ("v0", "v1", "v2", "a0"):
                url = session.playback_url.replace("index.m3u8", f"{rendition}.m3u8")
                async with http.get(url) as response:
                    lists[name, rendition] = await response.text()
        decoded = await played(basic, tmp_path / "basic")

    for rendition in ("v0", "v1", "v2", "a0"):
        assert "#EXT-X-PLAYLIST-TYPE:VOD" in lists["basic", rendition]
        assert read_media(lists["basic", rendition]).ended
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in lists["pro", rendition]
        assert len(read_media(lists["pro", rendition]).uris) == 3
    assert shown(decoded) == [
        Part(src="turntable", start=0, stop=FRAMES["turntable"]),
        Part(src="lamplight", start=0, stop=FRAMES["lamplight"]),
    ]
    assert_seamless(decoded)
