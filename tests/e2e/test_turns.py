"""ffmpeg plays through an immediate cut, a hold left by an answer, and a step back; picture and sound stay seamless."""

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
from tests.serving import ROOT, Starter, package

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FRAMES = {shot.src: shot.frames for shot in SHOTS}
SEGMENT_FRAMES = 50
STORY = """
story: 1
id: turns
title: Turns
start: platform
defaults: {hold: {src: viaduct, max: 30s}}
scenes:
  platform:
    media: {src: platform}
    decision:
      {id: hurry, prompt: Now?, opens_at: 1s, closes_at: -4s, default: wait, lock: immediate,
       choices: [{id: go, label: Go, to: yard}, {id: wait, label: Wait, to: yard}]}
  yard: {media: {src: yard}, next: [{to: junction}]}
  junction:
    media: {src: junction}
    checkpoint: {id: points, label: The points}
    decision:
      {id: points, prompt: Which?, opens_at: -9s, closes_at: -4s, default: lake, hold: true,
       choices: [{id: lake, label: Lake, to: lakeside}, {id: buffet, label: Buffet, to: buffet}]}
  lakeside: {media: {src: lakeside}, next: [{to: lamplight}]}
  lamplight: {media: {src: lamplight}, end: {id: lamplight}}
  buffet: {media: {src: buffet}, end: {id: buffet}}
"""


async def turn(session: Opened, http: ClientSession) -> None:
    """Goes at once, waits in the loop until it plays, goes back from the lake, then chooses in time."""
    visits = 0
    async for name, data in session.listen():
        if name == "decision" and data["decision"] == "hurry":
            assert await session.choose("hurry", 1, "go") == 200
        elif name == "decision":
            visits += 1
            if visits == 2:
                assert await session.choose("points", int(str(data["visit"])), "buffet") == 200
        elif name == "clock" and data["holding"] and visits == 1:
            await asyncio.sleep(5)  # the loop is on the screen by now
            assert await session.choose("points", 3, "lake") == 200
        elif name == "scene":
            session.scenes.append(str(data["scene"]))
            if data["scene"] == "lakeside":
                body = {"checkpoint": "points", "answer_id": uuid4().hex}
                headers = {"Authorization": f"Bearer {session.token}"}
                back = session.control_url.replace("/choices", "/back")
                async with http.post(back, json=body, headers=headers) as response:
                    assert await response.json() == {"run": 1, "playback_url": session.playback_url}
        elif name == "ended":
            session.ending = str(data["ending"])


def shown(decoded: Decoded) -> list[Part]:
    """Gives what was shown, clip by clip: a loop that wraps is two parts."""
    parts: list[Part] = []
    for _, run in groupby(enumerate(decoded.frames), key=lambda found: (found[1][0], found[1][1] - found[0])):
        frames = [frame for _, frame in run]
        parts.append(Part(src=frames[0][0], start=frames[0][1], stop=frames[-1][1] + 1))
    return parts


@pytest.mark.usefixtures("sample_library")  # its footage
async def test_cuts_holds_and_steps_back_are_one_seamless_stream(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "footage").symlink_to(ROOT / "media" / "sample" / "footage")
    (tmp_path / "story.yaml").write_text(STORY, "utf-8")
    await package(tmp_path / "story.yaml", tmp_path / "library")
    async with start(tmp_path / "library") as server, ClientSession() as http:
        session = await open_session(http, server.url, "turns")
        (tmp_path / "played").mkdir()
        turning = asyncio.create_task(turn(session, http))
        decoded = await play(session.playback_url, tmp_path / "played", seconds=200)
        await wait_for(turning, 30)

    parts = shown(decoded)
    order = [src for src, _ in groupby(part.src for part in parts)]
    assert order == ["platform", "yard", "junction", "viaduct", "lakeside", "junction", "buffet"]
    assert session.scenes == ["platform", "yard", "junction", "lakeside", "junction", "buffet"]
    assert session.ending == "buffet"
    assert all(part.start == 0 for part in parts)
    platform, loops = parts[0], [part for part in parts if part.src == "viaduct"]
    assert platform.stop < FRAMES["platform"]
    assert platform.stop % SEGMENT_FRAMES == 0
    assert loops[-1].stop % SEGMENT_FRAMES == 0 or loops[-1].stop == FRAMES["viaduct"]
    assert all(part.stop == FRAMES[part.src] for part in parts if part.src in ("yard", "junction", "buffet"))
    assert_picture(decoded, parts)
    assert_sound(decoded, parts)
