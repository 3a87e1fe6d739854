"""Short footage made by ffmpeg, and a small ladder that is quick to encode."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streamer.library.filesystem import Library
from streamer.media.index import Package
from streamer.media.ladder import AudioRung, Ladder, VideoRung
from streamer.packager.pipeline import ORDINARY, Options, Progress, package
from streamer.packager.tools import Tools, find_tools
from streamer.story.codec import load_story

TONE = 441  # Hz; 100 periods do not fit an AAC frame
SECONDS = 7.44
LADDER = Ladder(
    video=(
        VideoRung(id="v0", width=160, height=90, bitrate_kbps=60, max_bitrate_kbps=90, level="3.1"),
        VideoRung(id="v1", width=320, height=180, bitrate_kbps=200, max_bitrate_kbps=300, level="3.1"),
    ),
    audio=AudioRung(id="a0", name="Sound", channels=2, bitrate_kbps=128),
    frame_rate=(25, 1),
    segment_seconds=2,
    preset="superfast",
)
CONTIGUOUS = (
    "a: {media: {src: tone, in: 0s, out: 3.2s}, next: [{to: b}]}\n  b: {media: {src: tone, in: 3.2s}, end: {id: b}}"
)


@dataclass(slots=True, kw_only=True)
class Bench:
    """A story's folder, a library, and what packaging reported."""

    folder: Path
    library: Library
    tools: Tools
    ladder: Ladder = LADDER
    options: Options = ORDINARY
    stages: list[str] = field(default_factory=list)
    is_waiting: asyncio.Event = field(default_factory=asyncio.Event)  # for another run

    def write(self, scenes: str) -> None:
        """Writes the story: its scenes in YAML, the first of them named `a`."""
        text = f"story: 1\nid: tested\ntitle: Tested\nstart: a\nscenes:\n  {scenes}\n"
        self.story.write_text(text, "utf-8")

    @property
    def story(self) -> Path:
        """The story's file."""
        return self.folder / "story.yaml"

    async def package(self) -> Package:
        """Packages the story; `stages` then tells what was done."""
        self.stages.clear()
        text = self.story.read_text("utf-8")
        story = load_story(text, "story.yaml")
        return await package(story, self.story, text, self.library, self.ladder, self.tools, self._hear, self.options)

    def _hear(self, progress: Progress) -> None:
        self.stages.append(progress.stage)
        if progress.stage == "waiting":
            self.is_waiting.set()


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Gives ffmpeg and ffprobe."""
    return find_tools()


@pytest.fixture(scope="session")
def make(tools: Tools) -> Callable[..., Path]:
    """Gives what runs ffmpeg: arguments, then the file to make."""

    def made(*arguments: str, target: Path) -> Path:
        command = [tools.ffmpeg, "-hide_banner", "-v", "error", "-nostdin", "-y", *arguments, str(target)]
        subprocess.run(command, check=True, timeout=60)
        return target

    return made


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory, make: Callable[..., Path]) -> Path:
    """Gives a folder with sources that differ in all that encodings may differ in."""
    folder = tmp_path_factory.mktemp("sources")
    sine = f"aevalsrc=0.25*sin(2*PI*{TONE}*t)|0.25*sin(2*PI*{TONE}*t):s=48000:d={SECONDS}"
    make(
        *("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={SECONDS}", "-f", "lavfi", "-i", sine),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"),
        target=folder / "tone.mkv",
    )
    make(
        *("-f", "lavfi", "-i", "smptebars=s=400x400:r=30:d=4.5", "-f", "lavfi", "-i", "sine=300:r=44100:d=3"),
        *("-c:v", "mpeg4", "-c:a", "aac", "-ac", "1"),
        target=folder / "square.mp4",
    )
    loop = "aevalsrc=0.25*sin(2*PI*250*t)|0.25*sin(2*PI*250*t):s=48000:d=5.12"  # 1,280 periods, 240 AAC frames
    make(
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=5.12", "-f", "lavfi", "-i", loop),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"),
        target=folder / "loop.mkv",
    )
    make(*("-f", "lavfi", "-i", "color=c=red:s=64x64:r=24000/1001:d=3.3"), target=folder / "silent.mp4")
    make(*("-f", "lavfi", "-i", "sine=300:d=3"), target=folder / "picture-less.wav")
    return folder


@pytest.fixture
def bench(tmp_path: Path, tools: Tools, footage: Path) -> Bench:
    """Gives a story's folder with the footage in it and an empty library."""
    folder = tmp_path / "story"
    shutil.copytree(footage, folder / "footage")
    found = Bench(folder=folder, library=Library(tmp_path / "library"), tools=tools)
    found.write(CONTIGUOUS)
    return found
