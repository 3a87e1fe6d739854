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
from functools import cache
from pathlib import Path

from streamer.packager.tools import find_tools
from tests.players.bench.measure import Watched
from tests.players.bench.scenarios import Scenario
from tests.players.bench.stories import FRAME_RATE

SYSTEM_PYTHON = "/usr/bin/python3"  # has the bindings of GStreamer, where they are installed
RESOLUTION_MS = 1000 / FRAME_RATE


async def watch(player: str, *, url: str, scenario: Scenario) -> Watched:
    """Plays a session to its end, or until it takes too long."""
    with tempfile.TemporaryDirectory() as home:  # not below the checkout, which another user may not enter
        await asyncio.to_thread(os.chmod, home, 0o777)
        return await _watch(_KINDS[player](player, url, Path(home)), scenario)


def is_installed(player: str) -> bool:
    """Tells whether a player is there; ffmpeg is the packager's own."""
    return _KINDS[player].is_there()


def can_pause(player: str) -> bool:
    """Tells whether a player can be told to pause."""
    return _KINDS[player].pauses


async def _watch(native: _Native, scenario: Scenario) -> Watched:
    watched = Watched(version=native.version(), resolution_ms=RESOLUTION_MS)
    await native.start()
    process = native.process
    pauses, paused = list(scenario.pauses), False

    async def pause(seconds: float) -> None:
        nonlocal paused
        await native.pause(on=True)
        await asyncio.sleep(seconds)
        await native.pause(on=False)
        paused = False

    pausing: set[asyncio.Task[None]] = set()
    try:
        async with asyncio.timeout(scenario.limit):
            async for place in native.places():
                watched.samples.append((time.monotonic(), place, paused))
                if native.tells_frames:
                    watched.frames.append((place, len(watched.frames)))
                if pauses and place >= pauses[0].at:
                    paused = True
                    watched.samples.append((time.monotonic(), place, paused))
                    pausing.add(asyncio.create_task(pause(pauses.pop(0).seconds)))
            watched.ended = await process.wait() == 0
    except TimeoutError:
        watched.errors.append("it did not end")
    finally:
        for task in pausing:
            task.cancel()
        await asyncio.gather(*pausing, return_exceptions=True)
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        watched.errors.append(f"exit status {process.returncode}")
    return watched


class _Native:
    """A player in a process of its own, and in a home of its own."""

    program = ""
    pauses = True
    tells_frames = True  # its places are the times of its frames

    def __init__(self, name: str, url: str, home: Path) -> None:
        self.name, self.url, self.home = name, url, home
        self.process: asyncio.subprocess.Process

    @classmethod
    def is_there(cls) -> bool:
        return shutil.which(cls.program) is not None

    def version(self) -> str:
        return _version_in([self.program, "--version"])

    async def start(self) -> None:
        """Starts the player."""
        raise NotImplementedError

    def places(self) -> AsyncIterator[float]:
        """Gives where the picture is, in seconds, each time that it moves."""
        raise NotImplementedError

    async def pause(self, *, on: bool) -> None:
        """Pauses, or plays on."""
        raise NotImplementedError

    async def _run(self, *command: str) -> None:
        as_nobody: tuple[str, ...] = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        self.process = await asyncio.create_subprocess_exec(
            *(as_nobody if os.geteuid() == 0 else ()),  # VLC refuses to be root
            *command,
            env={**os.environ, "HOME": str(self.home)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )

    async def _lines(self, pattern: str) -> AsyncIterator[float]:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if found := re.search(pattern.encode(), line):
                yield float(found[1])


class _Ffmpeg(_Native):
    """No player: it fetches and decodes at the pace of play."""

    program = "ffmpeg"
    pauses = False

    @classmethod
    def is_there(cls) -> bool:
        return True

    def version(self) -> str:
        return _version_in([find_tools().ffmpeg, "-version"])

    async def start(self) -> None:
        # The packager's own may lie where nobody else may look.
        self.process = await asyncio.create_subprocess_exec(
            *(find_tools().ffmpeg, "-hide_banner", "-nostdin", "-re", "-i", self.url),
            *("-vf", "showinfo", "-f", "null", "-"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )

    def places(self) -> AsyncIterator[float]:
        return self._lines(r"showinfo.*pts_time:([\d.]+)")


class _Gstreamer(_Native):
    """GStreamer's playbin or playbin3, told by its bindings; each picture tells its time as it is shown."""

    program = "gst-launch-1.0"

    @classmethod
    def is_there(cls) -> bool:
        return super().is_there() and _has_bindings()

    async def start(self) -> None:
        script = self.home / "gstreamer.py"  # the checkout may lie where nobody else may look
        script.write_text(Path(__file__).with_name("gstreamer.py").read_text("utf-8"), "utf-8")
        await self._run(SYSTEM_PYTHON, str(script), self.name.split()[1], self.url)

    async def places(self) -> AsyncIterator[float]:
        async for nanoseconds in self._lines(r"^(\d+)$"):
            yield nanoseconds / 1e9

    async def pause(self, *, on: bool) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"pause\n" if on else b"play\n")
        await self.process.stdin.drain()


class _Mpv(_Native):
    """mpv tells its place by its socket."""

    program = "mpv"

    async def start(self) -> None:
        self.socket = self.home / "mpv.sock"
        options = ("--no-config", "--vo=null", "--ao=null", "--no-terminal", f"--input-ipc-server={self.socket}")
        await self._run(self.program, *options, self.url)

    async def places(self) -> AsyncIterator[float]:
        reader, self.writer = await _connected(self.socket)
        self.writer.write(b'{"command": ["observe_property", 1, "time-pos"]}\n')
        async for line in reader:
            said = json.loads(line)
            if said.get("name") == "time-pos" and said.get("data") is not None:
                yield float(said["data"])
        self.writer.close()

    async def pause(self, *, on: bool) -> None:
        self.writer.write(json.dumps({"command": ["set_property", "pause", on]}).encode() + b"\n")


class _Vlc(_Native):
    """VLC's own clock is told a few times a second only: its pictures are counted, each that differs from the last."""

    program = "cvlc"
    tells_frames = False

    def version(self) -> str:
        return _version_in(["dpkg-query", "--show", "--showformat=${Version}", "vlc-bin"])  # it does not start as root

    async def start(self) -> None:
        self.pipe, self.socket = self.home / "pictures", self.home / "vlc.sock"
        os.mkfifo(self.pipe, 0o666)
        os.chmod(self.pipe, 0o666)  # noqa: PTH101 - whatever the umask says
        pictures = ("--vout=yuv", f"--yuv-file={self.pipe}", "--yuv-yuv4mpeg2", "--aout=adummy")
        control = ("--extraintf=oldrc", "--rc-fake-tty", f"--rc-unix={self.socket}")
        await self._run(self.program, *pictures, *control, "--no-interact", "--quiet", "--play-and-exit", self.url)

    async def places(self) -> AsyncIterator[float]:
        descriptor = os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK)  # never at its end: VLC opens it anew
        reader = asyncio.StreamReader(limit=1 << 24)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        count, size, last = 0, 0, b""
        reading: asyncio.Task[bytes] | None = None
        try:
            while True:
                reading = reading or asyncio.create_task(_picture(reader, size))
                done, _ = await asyncio.wait((reading,), timeout=0.5)
                if not done:
                    if self.process.returncode is not None:
                        return
                    continue
                found, reading = reading.result(), None
                if found.startswith(b"YUV4MPEG2"):
                    width, height = (int(re.search(rb" %c(\d+)" % letter, found)[1]) for letter in b"WH")  # type: ignore[index]
                    size = width * height * 3 // 2
                elif found != last:
                    last = found
                    yield count / FRAME_RATE
                    count += 1
        finally:
            if reading is not None:
                reading.cancel()
            transport.close()

    async def pause(self, *, on: bool) -> None:
        _, writer = await _connected(self.socket)
        writer.write(b"pause\n")
        await writer.drain()
        writer.close()


async def _picture(reader: asyncio.StreamReader, size: int) -> bytes:
    """Reads the head of a stream of pictures (YUV4MPEG2), or the next picture, of so many bytes."""
    line = await reader.readline()
    return line if line.startswith(b"YUV4MPEG2") else await reader.readexactly(size)


async def _connected(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(500):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return await asyncio.open_unix_connection(str(socket))
        await asyncio.sleep(0.02)
    raise TimeoutError(f"nobody listens at {socket}")


@cache
def _has_bindings() -> bool:
    asked = [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst"]
    with suppress(FileNotFoundError):
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0
    return False


def _version_in(asked: list[str]) -> str:
    words = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    found = re.findall(r"(?<![-\d.])\d+\.\d[\w.:+~-]*", words[0]) if words else []
    return found[0] if found else "unknown"


_KINDS: dict[str, type[_Native]] = {
    "ffmpeg": _Ffmpeg,
    "mpv": _Mpv,
    "vlc": _Vlc,
    "gstreamer playbin": _Gstreamer,
    "gstreamer playbin3": _Gstreamer,
}
PLAYERS = tuple(_KINDS)
