"""Programs: fed, heard, timed, and ended with us."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from streamer.packager.process import run

ROOT = Path(__file__).parents[2]


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


async def test_a_program_is_fed_as_it_reads_and_its_output_gathered() -> None:
    finished = await run(["/bin/cat"], feed=[b"one ", bytes(300_000), b" two"])

    assert finished.code == 0
    assert finished.output == b"one " + bytes(300_000) + b" two"


async def test_a_program_that_does_not_read_its_input_may_still_end_well() -> None:
    finished = await run(["/bin/true"], feed=[bytes(1_000_000)] * 3)

    assert finished.code == 0


async def test_lines_are_told_as_they_come_and_complaints_kept_to_the_last() -> None:
    lines: list[str] = []

    finished = await run(
        python("import sys; print('a'); print('b'); [print(n, file=sys.stderr) for n in range(30)]; sys.exit(3)"),
        on_line=lines.append,
    )

    assert lines == ["a", "b"]
    assert finished.code == 3
    assert finished.complaints.splitlines() == [str(n) for n in range(18, 30)]
    assert not finished.is_disk_full


async def test_a_full_disk_is_recognised_in_what_a_program_says() -> None:
    finished = await run(python("import sys; sys.exit('av_interleaved_write_frame(): No space left on device')"))

    assert finished.is_disk_full


async def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    with pytest.raises(TimeoutError):
        await run(["/bin/sh", "-c", f"echo $$ > {note}; exec sleep 600"], timeout_seconds=0.5)

    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text("ascii")), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_a_program_ends_when_we_are_killed() -> None:
    ours = (
        "import asyncio\nfrom streamer.packager.process import run\n"
        "asyncio.run(run(['/bin/sh', '-c', 'echo $$; exec sleep 600'], on_line=lambda line: print(line, flush=True)))"
    )
    parent = await asyncio.create_subprocess_exec(*python(ours), stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())

    handle = os.pidfd_open(child)  # readable once it has ended
    parent.kill()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ended.set)
    async with asyncio.timeout(10):
        await ended.wait()

    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)
    await parent.communicate()
