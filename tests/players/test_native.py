"""Native players, each with its own defaults, across a join chosen by a viewer elsewhere."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.client import open_session, wait_for
from tests.serving import ROOT, Starter, package

pytestmark = [pytest.mark.players, pytest.mark.timeout(180)]

SECONDS = 11.52 + 7.36
STORY = """
story: 1
id: short
title: Short
start: platform
scenes:
  platform:
    media: {src: platform}
    decision:
      {id: way, prompt: Which way?, opens_at: -9s, closes_at: -4s, default: buffet,
       choices: [{id: yard, label: Yard, to: yard}, {id: buffet, label: Buffet, to: buffet}]}
  yard: {media: {src: yard}, end: {id: yard}}
  buffet: {media: {src: buffet}, end: {id: buffet}}
"""
SINKS = ("video-sink=fakevideosink", "audio-sink=fakeaudiosink")
PLAYERS = {
    "mpv": ("mpv", "--no-config", "--vo=null", "--ao=null", "--no-terminal"),
    "vlc": ("cvlc", "--vout=vdummy", "--aout=adummy", "--no-interact", "--play-and-exit", "--quiet"),
    "gstreamer playbin3": ("gst-launch-1.0", "-q", "playbin3", *SINKS),
    "gstreamer playbin": ("gst-launch-1.0", "-q", "playbin", *SINKS),
}
# What a player may take beyond the story's length: to start, to buffer, and what docs/players.md says of it.
ALLOWED_SECONDS = {"mpv": 6, "vlc": 10, "gstreamer playbin3": 10, "gstreamer playbin": 10}


@pytest.mark.parametrize("player", list(PLAYERS))
@pytest.mark.usefixtures("sample_library")  # its footage
async def test_a_native_player_crosses_the_join_to_the_chosen_scene(
    player: str, start: Starter, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    program, *options = PLAYERS[player]
    if shutil.which(program) is None:
        pytest.skip(f"NOT TESTED: {program} is not installed; run make players as root, or install it")
    (tmp_path / "footage").symlink_to(ROOT / "media" / "sample" / "footage")
    (tmp_path / "story.yaml").write_text(STORY, "utf-8")
    await package(tmp_path / "story.yaml", ROOT / "build" / "players")

    async with start(ROOT / "build" / "players") as server, ClientSession() as http:
        session = await open_session(http, server.url, "short")
        follower = asyncio.create_task(session.follow([["yard"]]))
        address = f"uri={session.playback_url}" if program.startswith("gst") else session.playback_url
        home = tmp_path / "home"
        home.mkdir(mode=0o777)
        command = [*_unprivileged(), program, *options, address]
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "HOME": str(home)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(SECONDS + 60):
                words, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        took = time.monotonic() - began
        await wait_for(follower, 20)

    record_property("seconds_beyond_the_story", round(took - SECONDS, 2))
    assert process.returncode == 0, words.decode(errors="replace")
    assert session.scenes == ["platform", "yard"]
    assert session.commits == [("yard", "viewer")]
    assert SECONDS - 1 <= took <= SECONDS + ALLOWED_SECONDS[player], f"{player} took {took:.1f} s for {SECONDS} s"


def _unprivileged() -> list[str]:
    """VLC refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
