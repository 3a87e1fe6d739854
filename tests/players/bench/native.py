"""Native players, each with its own defaults; where the picture is, as each tells it best."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from streamer.packager.tools import find_tools
from tests.players.bench.measure import Watched
from tests.players.bench.scenarios import Scenario
from tests.players.bench.stories import FRAME_RATE

PLAYERS = ("ffmpeg", "mpv", "vlc", "gstreamer playbin", "gstreamer playbin3")
PROGRAMS = {"mpv": "mpv", "vlc": "cvlc", "gstreamer playbin": "gst-launch-1.0", "gstreamer playbin3": "gst-launch-1.0"}
PROGRAMS["ffmpeg"] = "ffmpeg"
RESOLUTION_MS = 1000 / FRAME_RATE


PAUSED = ("mpv",)  # those that can be told to pause


def is_installed(player: str) -> bool:
    """Tells whether a player is there; ffmpeg is the packager's own."""
    return player == "ffmpeg" or shutil.which(PROGRAMS[player]) is not None


async def watch(player: str, *, url: str, scenario: Scenario) -> Watched:
    """Plays a session to its end, or until it takes too long."""
    with tempfile.TemporaryDirectory() as home:  # not below the checkout, which another user may not enter
        await asyncio.to_thread(os.chmod, home, 0o777)
        return await _watch(player, url, scenario, Path(home))


async def _watch(player: str, url: str, scenario: Scenario, folder: Path) -> Watched:
    watched = Watched(version=version_of(player), resolution_ms=RESOLUTION_MS)
    process, places = await _started(player, url, folder, scenario)
    try:
        async with asyncio.timeout(scenario.seconds + 25):
            async for place, paused in places:
                watched.samples.append((time.monotonic(), place, paused))
                watched.frames.append((place, len(watched.frames)))
            watched.ended = await process.wait() == 0
    except TimeoutError:
        watched.errors.append("it did not end")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        watched.errors.append(f"exit status {process.returncode}")
    return watched


async def _started(
    player: str, url: str, folder: Path, scenario: Scenario
) -> tuple[asyncio.subprocess.Process, AsyncIterator[tuple[float, bool]]]:
    if player == "mpv":
        socket = folder / "mpv.sock"
        options = ("--no-config", "--vo=null", "--ao=null", "--no-terminal", f"--input-ipc-server={socket}")
        process = await _run("mpv", *options, url, folder=folder)
        return process, _mpv(socket, scenario)
    if player == "vlc":
        pipe = folder / "pictures"
        os.mkfifo(pipe, 0o666)
        pipe.chmod(0o666)
        pictures = ("--vout=yuv", f"--yuv-file={pipe}", "--yuv-yuv4mpeg2", "--aout=adummy", "--no-interact", "--quiet")
        process = await _run("cvlc", *pictures, "--play-and-exit", url, folder=folder)
        return process, _vlc(process, pipe)
    if player.startswith("gstreamer"):
        sinks = ("video-sink=fakesink name=picture sync=true silent=false", "audio-sink=fakesink sync=true")
        process = await _run("gst-launch-1.0", "-v", player.split()[1], f"uri={url}", *sinks, folder=folder)
        return process, _lines(process, re.compile(rb"chain.*\(picture:sink\).*pts: (\d+):(\d+):([\d.]+)"))
    command = (find_tools().ffmpeg, "-hide_banner", "-nostdin", "-re", "-i", url, "-vf", "showinfo", "-f", "null", "-")
    process = await _run(*command, folder=folder)
    return process, _lines(process, re.compile(rb"showinfo.*pts_time:()()([\d.]+)"))


async def _run(*command: str, folder: Path) -> asyncio.subprocess.Process:
    prefix: tuple[str, ...] = (
        ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    )
    if command[0].startswith("/"):
        prefix = ()
    return await asyncio.create_subprocess_exec(
        *prefix,
        *command,
        env={**os.environ, "HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
    )


async def _lines(process: asyncio.subprocess.Process, pattern: re.Pattern[bytes]) -> AsyncIterator[tuple[float, bool]]:
    assert process.stdout is not None
    async for line in process.stdout:
        if found := pattern.search(line):
            yield int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + float(found[3]), False


async def _mpv(socket: Path, scenario: Scenario) -> AsyncIterator[tuple[float, bool]]:
    for _ in range(500):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            break
        await asyncio.sleep(0.02)
    else:
        return
    loop = asyncio.get_running_loop()
    pauses = list(scenario.pauses)
    paused = False

    def pause(*, on: bool) -> None:
        nonlocal paused
        paused = on
        writer.write(json.dumps({"command": ["set_property", "pause", on]}).encode() + b"\n")

    writer.write(b'{"command": ["observe_property", 1, "time-pos"]}\n')
    async for line in reader:
        said = json.loads(line)
        if said.get("name") == "time-pos" and said.get("data") is not None:
            place = float(said["data"])
            yield place, paused
            if pauses and place >= pauses[0].at:
                pause(on=True)
                yield place, paused
                loop.call_later(pauses.pop(0).seconds, lambda: pause(on=False))
    writer.close()


async def _vlc(process: asyncio.subprocess.Process, pipe: Path) -> AsyncIterator[tuple[float, bool]]:
    """Counts pictures as VLC shows them: its own clock is told a few times a second only."""
    loop = asyncio.get_running_loop()
    descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # never at its end: VLC opens it anew
    reader = asyncio.StreamReader(limit=1 << 24)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    count, rest = 0, b""
    try:
        while True:
            try:
                data = await asyncio.wait_for(reader.read(1 << 20), 0.5)
            except TimeoutError:
                data = b""
            if not data:
                if process.returncode is not None or reader.at_eof():
                    return
                await asyncio.sleep(0.01)
                continue
            found = (rest + data).count(b"FRAME\n")
            rest = data[-5:]
            for _ in range(found):
                yield count / FRAME_RATE, False
                count += 1
    finally:
        transport.close()


def version_of(player: str) -> str:
    """Gives a player's version."""
    if player == "vlc":  # it does not start as root
        asked = ["dpkg-query", "--show", "--showformat=${Version}", "vlc-bin"]
    elif player == "ffmpeg":
        asked = [find_tools().ffmpeg, "-version"]
    else:
        asked = [PROGRAMS[player], "--version"]
    words = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    found = re.findall(r"(?<![-\d.])\d+\.\d[\w.:+~-]*", words[0]) if words else []
    return found[0] if found else "unknown"
