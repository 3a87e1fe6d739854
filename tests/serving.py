"""The real thing: footage made and packaged by ffmpeg, the server as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
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


def package_sample() -> Path:
    """Makes and packages the sample story; what `make demo` made is taken as it is."""
    library = ROOT / "build" / "library"
    subprocess.run([sys.executable, "media/make_footage.py"], cwd=ROOT, check=True, timeout=300, env=_environment())
    command = [BRANCHLINE, "package", "media/sample/story.yaml", "--library", str(library)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return library


async def package(story: Path, library: Path) -> None:
    """Packages a story."""
    process = await asyncio.create_subprocess_exec(BRANCHLINE, "package", str(story), "--library", str(library))
    assert await process.wait() == 0


def starter(folder: Path) -> Starter:
    """Gives what starts servers; each keeps its state in the folder unless told otherwise."""

    @asynccontextmanager
    async def started(
        library: Path,
        *options: str,
        port: int = 0,
        state: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Server]:
        with (folder / "serve.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                BRANCHLINE,
                *("serve", "--library", str(library), "--state", str(state or folder / "state"), "--port", str(port)),
                *options,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = (await process.stdout.readline()).decode()
            found = re.search(r"at (http://\S+)/$", line.strip())
            assert found is not None, f"the server said {line!r}; see {folder / 'serve.log'}"
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
