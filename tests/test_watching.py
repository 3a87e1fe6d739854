"""The watch over story files: checked as they change, packaged if they are well, told if not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamer.packager.slates import SlateSetting
from streamer.watching import PACKAGING, REFUSED, SERVED, Report, Watch, Workshop
from tests.packager.conftest import CONTIGUOUS, LADDER, Bench, bench, footage, make, tools

pytestmark = pytest.mark.e2e
__all__ = ["bench", "footage", "make", "tools"]  # fixtures

WAIT_SECONDS = 60.0


class Watched:
    """A running watch, and what it told."""

    def __init__(self, bench: Bench, files: list[Path], slates: SlateSetting | None) -> None:
        workshop = Workshop(
            library=bench.library, ladder=LADDER, tools=bench.tools, slates=slates, rate_of_footage=False
        )
        self.told: list[Report] = []
        self.published: list[str] = []
        self.watch = Watch(files, workshop, self.told.append)

    async def until(self, holds: Callable[[tuple[Report, ...]], bool]) -> tuple[Report, ...]:
        """Waits until the reports are as wanted."""
        version = -1
        async with asyncio.timeout(WAIT_SECONDS):
            while not holds(self.watch.reports):
                version = await self.watch.newer(version, WAIT_SECONDS)
        return self.watch.reports


@asynccontextmanager
async def watched(bench: Bench, *files: Path, slates: SlateSetting | None = None) -> AsyncIterator[Watched]:
    found = Watched(bench, list(files), slates)
    task = asyncio.create_task(found.watch.run(found.published.append))
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def is_in(state: str) -> Callable[[tuple[Report, ...]], bool]:
    return lambda reports: reports[-1].state == state


async def test_a_story_is_packaged_at_once_and_again_when_its_file_is_mended(bench: Bench) -> None:
    async with watched(bench, bench.story) as found:
        (first,) = await found.until(is_in(SERVED))
        bench.write(CONTIGUOUS.replace("to: b", "to: c"))
        (refused,) = await found.until(is_in(REFUSED))
        bench.write(CONTIGUOUS.replace("out: 3.2s", "out: 4s"))
        (mended,) = await found.until(lambda reports: reports[0].revision != first.revision)
        await found.until(is_in(SERVED))

    assert [report.state for report in found.told] == [PACKAGING, SERVED, REFUSED, PACKAGING, SERVED]
    assert first.story == "tested"
    assert (refused.revision, refused.problem) == (first.revision, "")
    assert [(finding.line, finding.column) for finding in refused.findings] == [(6, 58)]
    assert refused.findings[0].problem == "there is no scene 'c'"
    assert mended.findings == ()
    assert bench.library.current("tested") == found.watch.reports[0].revision
    assert found.published == ["tested", "tested"]


async def test_what_cannot_be_packaged_is_told_and_taken_up_once_its_footage_is_there(bench: Bench) -> None:
    bench.write("a: {media: {src: film}, end: {id: a}}")

    async with watched(bench, bench.story) as found:
        (without,) = await found.until(is_in(REFUSED))
        shutil.copy(bench.folder / "footage" / "silent.mp4", bench.folder / "footage" / "film.mp4")
        (served,) = await found.until(is_in(SERVED))

    assert "scene 'a': there is no footage 'film'" in without.problem
    assert (without.findings, without.revision) == ((), "")
    assert served.problem == ""


async def test_slates_stand_in_and_the_mistakes_that_lengths_show_are_findings(bench: Bench) -> None:
    late = (
        "a: {media: {src: tone}, decision: {id: d, prompt: P, default: x, opens_at: 1s, closes_at: 7s,"
        " choices: [{id: x, label: X, to: b}]}}\n  b: {media: {src: gone}, end: {id: b}}"
    )
    bench.write(late)

    async with watched(bench, bench.story, slates=SlateSetting()) as found:
        (refused,) = await found.until(is_in(REFUSED))
        bench.write(late.replace("src: tone", "src: gone"))
        (served,) = await found.until(is_in(SERVED))

    assert [finding.field for finding in refused.findings] == ["scenes.a.decision.closes_at"]
    assert served.findings == ()
    assert served.notes == ()
    assert bench.library.load("tested", served.revision).scenes["a"][0].frames == 300


async def test_a_picture_that_changes_or_comes_is_packaged_anew_and_only_then(bench: Bench) -> None:
    poster, choice = bench.folder / "poster.png", bench.folder / "art" / "go.png"
    poster.write_bytes(b"first")
    bench.write(
        "a: {media: {src: tone}, decision: {id: d, lock: immediate, default: x, opens_at: 1s, closes_at: 7s, choices:"
        " [{id: x, label: X, image: art/go.png, to: b}, {id: z, label: Z, to: b}]}}\n"
        "  b: {media: {src: tone}, end: {id: b}}\n"
        "artwork: [{image: poster.png}]"
    )

    async with watched(bench, bench.story) as found:
        (without,) = await found.until(is_in(REFUSED))
        choice.parent.mkdir()
        choice.write_bytes(b"go")
        (first,) = await found.until(is_in(SERVED))
        poster.write_bytes(b"second")
        (second,) = await found.until(lambda reports: reports[0].revision not in {"", first.revision})

    assert "there is no picture 'art/go.png'" in without.problem
    assert [report.state for report in found.told] == [PACKAGING, REFUSED, PACKAGING, SERVED, PACKAGING, SERVED]
    before, after = (bench.library.load("tested", report.revision).pictures for report in (first, second))
    assert before["art/go.png"] == after["art/go.png"]
    assert before["poster.png"] != after["poster.png"]


async def test_two_files_of_one_id_are_told_apart_and_a_missing_one_is_waited_for(bench: Bench) -> None:
    twin, gone = bench.folder / "twin.yaml", bench.folder / "gone.yaml"
    shutil.copy(bench.story, twin)

    async with watched(bench, bench.story, twin, gone) as found:
        first, second, third = await found.until(is_in(REFUSED))
        gone.write_text(bench.story.read_text("utf-8").replace("id: tested", "id: third"), "utf-8")
        await found.until(is_in(SERVED))

    assert (first.problem, first.story) == ("", "tested")
    assert second.problem == f"{twin}: the id 'tested' is that of {bench.story} too. Give each story its own"
    assert f"{gone}: the story cannot be read" in third.problem
    assert bench.library.stories() == ("tested", "third")


async def test_who_waits_for_news_is_let_go_when_the_watch_is_over(bench: Bench) -> None:
    found = Watched(bench, [bench.story], None)
    waiting = asyncio.create_task(found.watch.newer(0, WAIT_SECONDS))

    await found.watch.stop()

    assert await waiting == 0
    assert found.watch.is_over
    assert await found.watch.newer(5, 0.01) == 0
