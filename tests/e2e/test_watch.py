"""An author at work: the server is told nothing, it watches the file."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from tests.e2e.client import Opened, open_session
from tests.serving import Starter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

WRITTEN = """story: 1
id: written
title: Written
start: one
scenes:
  one: {media: {src: film, in: 0s, out: 6s}, text: "The first.", next: [{to: two}]}
  two:
    {media: {src: film, in: 6s, out: 15s}, text: "The second.", end: {id: two}, decision:
      {id: again, opens_at: 0s, closes_at: 5s, default: done,
       choices: [{id: done, label: Done}, {id: more, label: Once more, to: one}]}}
"""


async def reports(http: ClientSession, url: str) -> AsyncGenerator[dict[str, Any], None]:
    """Gives what is told of the one story that is watched, as it is told."""
    async with http.get(f"{url}/api/v1/watch/events", timeout=ClientTimeout(total=None)) as response:
        assert response.status == 200
        assert "Access-Control-Allow-Origin" not in response.headers
        async for raw in response.content:
            line = raw.decode().strip()
            if line.startswith("data: "):
                (report,) = json.loads(line.removeprefix("data: "))["stories"]
                yield report


async def until(told: AsyncIterator[dict[str, Any]], state: str) -> dict[str, Any]:
    async with asyncio.timeout(120):
        async for report in told:
            if report["state"] == state:
                return report
    raise AssertionError("the stream has ended")


async def listed(http: ClientSession, session: Opened) -> str:
    """Gives the list of a session's smallest picture."""
    async with http.get(session.playback_url.replace("index", "v0")) as response:
        assert response.status == 200
        return await response.text()


def names(text: str) -> list[str]:
    return re.findall(r"^[^#\n].*$", text, re.MULTILINE)


async def test_a_changed_story_is_served_to_new_viewers_and_running_ones_keep_theirs(
    start: Starter, tmp_path: Path
) -> None:
    story = tmp_path / "story.yaml"
    story.write_text(WRITTEN, "utf-8")
    async with (
        start(tmp_path / "library", "--watch", str(story), "--slates") as server,
        ClientSession() as http,
        aclosing(reports(http, server.url)) as told,
    ):
        first = await until(told, "served")
        old = await open_session(http, server.url, "written")
        before = await listed(http, old)
        story.write_text(WRITTEN.replace("to: two", "to: tow"), "utf-8")
        refused = await until(told, "refused")
        meanwhile = await open_session(http, server.url, "written")
        same = await listed(http, meanwhile)
        story.write_text(WRITTEN.replace("The first.", "The first, mended."), "utf-8")
        second = await until(told, "served")
        new = await open_session(http, server.url, "written")
        after, anew = await listed(http, old), await listed(http, new)
        async with http.get(
            old.playback_url.replace("1/index.m3u8", f"m/{names(after)[-1].rpartition('/')[2]}")
        ) as media:
            assert media.status == 200
        async with http.get(f"{server.url}/api/v1/stories") as response:
            assert (await response.json())["watched"] is True

    (finding,) = refused["findings"]
    assert (finding["file"], finding["line"], finding["column"]) == (str(story), 6, 78)
    assert finding["problem"] == "there is no scene 'tow'"
    assert finding["remedy"].startswith("Did you mean 'two'?")
    assert refused["revision"] == first["revision"] != second["revision"]
    assert second["findings"] == []
    assert after.startswith(before.partition("#EXT-X-ENDLIST")[0].rstrip())
    assert names(same) == names(before)
    assert len(names(anew)) == len(names(before)) == 3
    assert not set(names(anew)) & set(names(before))
    said = (tmp_path / "serve.log").read_text("utf-8")
    assert f"{story}:6:78: error: scenes.one.next[0].to: there is no scene 'tow'." in said
    assert f"revision {second['revision']} is served at /watch/written" in said
