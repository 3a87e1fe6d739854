"""The real thing: footage made and packaged by ffmpeg, the server as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRANCHLINE = str(Path(sys.executable).with_name("branchline"))
START_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running `branchline serve`."""

    url: str  # without a slash at the end
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()
        await self.process.wait()


Starter = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture(scope="session")
def sample_library() -> Path:
    """Gives the library with the sample story; what `make demo` made is taken as it is."""
    library = ROOT / "build" / "library"
    subprocess.run([sys.executable, "media/make_footage.py"], cwd=ROOT, check=True, timeout=300, env=_environment())
    command = [BRANCHLINE, "package", "media/sample/story.yaml", "--library", str(library)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return library


@pytest.fixture
def start(tmp_path: Path) -> Starter:
    """Starts servers; each keeps its state in the test's folder unless told otherwise."""

    @asynccontextmanager
    async def started(library: Path, *options: str, port: int = 0, state: Path | None = None) -> AsyncIterator[Server]:
        with (tmp_path / "serve.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                BRANCHLINE,
                *("serve", "--library", str(library), "--state", str(state or tmp_path / "state"), "--port", str(port)),
                *options,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = (await process.stdout.readline()).decode()
            found = re.search(r"at (http://\S+)/$", line.strip())
            assert found is not None, f"the server said {line!r}; see {tmp_path / 'serve.log'}"
            yield Server(url=found[1], process=process)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(START_SECONDS):
                    await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # its pipe, before the loop is gone

    return started


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
