"""Runs programs that cannot outlive us, and keeps what they complain about."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_COMPLAINT_LINES = 12  # the last ones; ffmpeg repeats itself a thousand times over one broken file

# Were this process killed, ffmpeg would go on and fill the disk behind the next run's back. The kernel is asked to
# end it with us (prctl PR_SET_PDEATHSIG); by a program in between, since code after fork is not safe with threads.
_LAUNCHER = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended."""

    code: int  # of its exit; 0: well; negative: the signal that ended it
    output: bytes  # empty where it was read line by line
    complaints: str  # the last lines of its standard error

    @property
    def is_disk_full(self) -> bool:
        """Whether it complained of a full disk (ENOSPC, EDQUOT)."""
        return "No space left on device" in self.complaints or "Disk quota exceeded" in self.complaints


async def run(
    argv: Sequence[str],
    *,
    feed: Iterable[bytes] = (),
    on_line: Callable[[str], None] | None = None,
    timeout_seconds: float | None = None,
) -> Finished:
    """Runs a program (an absolute path and its arguments) to its end; ends it when cancelled.

    `feed` is written to its standard input, piece by piece as it takes them. Its output is gathered, or given
    line by line to `on_line`.

    Raises:
        TimeoutError: it took longer than `timeout_seconds`.
        OSError: it could not be started.
    """
    async with asyncio.timeout(timeout_seconds), _started(argv) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.TaskGroup() as group:
            complaints = group.create_task(_last_lines(process.stderr))
            output = group.create_task(_output(process.stdout, on_line))
            group.create_task(_fed(process.stdin, feed))
        code = await process.wait()
    return Finished(code=code, output=output.result(), complaints=complaints.result())


@asynccontextmanager
async def _started(argv: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    if sys.platform == "linux":
        argv = (sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv)
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _fed(stdin: asyncio.StreamWriter, feed: Iterable[bytes]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended early; its exit code tells
        for piece in feed:
            stdin.write(piece)
            await stdin.drain()
    stdin.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await stdin.wait_closed()


async def _output(stdout: asyncio.StreamReader, on_line: Callable[[str], None] | None) -> bytes:
    if on_line is None:
        return await stdout.read()
    async for line in stdout:
        on_line(line.decode("utf-8", "replace").strip())
    return b""


async def _last_lines(stderr: asyncio.StreamReader) -> str:
    lines: deque[str] = deque(maxlen=_COMPLAINT_LINES)
    rest = b""
    while part := await stderr.read(65536):
        *whole, rest = (rest + part).splitlines(keepends=True)
        lines += [line.decode("utf-8", "replace").rstrip() for line in whole]
        rest = rest[-4096:]
    if rest:
        lines.append(rest.decode("utf-8", "replace").rstrip())
    return "\n".join(lines)
