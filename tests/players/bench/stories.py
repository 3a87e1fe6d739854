"""Stories made for the bench: decisions in a row with a lock at a given lead, holds, steps back; small pictures."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

from streamer.library.filesystem import Library
from streamer.media.ladder import AudioRung, Ladder, VideoRung
from streamer.packager.pipeline import package
from streamer.packager.tools import find_tools
from streamer.story.codec import load_story

FRAME_RATE = 25
INTRO, SCENE, LAST, LOOP = 8.0, 10.0, 6.0, 5.12  # seconds
LADDER = Ladder(
    video=(
        VideoRung(id="v0", width=320, height=180, bitrate_kbps=300, max_bitrate_kbps=400, level="3.1"),
        VideoRung(id="v1", width=480, height=270, bitrate_kbps=600, max_bitrate_kbps=800, level="3.1"),
    ),
    audio=AudioRung(id="a0", name="Sound", channels=2, bitrate_kbps=96),
    frame_rate=(FRAME_RATE, 1),
    segment_seconds=2,
    preset="veryfast",
)
MEDIA_BITS_PER_SECOND = 800_000  # of the best rung's peak with its sound, about
CLIPS = {"intro": (INTRO, "0x203060", 220), "a": (SCENE, "0x205030", 330), "b": (SCENE, "0x603020", 440)}
CLIPS |= {"last": (LAST, "0x404040", 550), "loop": (LOOP, "0x505010", 250)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One story of the bench."""

    lead: float  # s: the lock's distance from the join
    joins: int
    hold: float = 0.0  # s; 0: the default is taken
    parts: bool = False  # listed in Partial Segments

    @property
    def id(self) -> str:
        """Gives the story's id."""
        held = f"-held-{self.hold:g}" if self.hold else ""
        parts = "-parts" if self.parts else ""
        return f"lead-{self.lead:g}-joins-{self.joins}{held}{parts}".replace(".", "-")

    @property
    def joins_at(self) -> list[float]:
        """Gives where its joins lie if nothing is held, in seconds."""
        return [INTRO + SCENE * (number + 1) for number in range(self.joins)]

    @property
    def opens(self) -> float:
        """Gives where each window opens: seconds from the scene's end."""
        return max(-9.5, -self.lead - 6)

    @property
    def seconds(self) -> float:
        """Gives its length if nothing is held."""
        return INTRO + SCENE * self.joins + LAST

    @property
    def text(self) -> str:
        """Gives the story file: an intro, then decisions between `a` (the default) and `b`, then an end."""
        hold = f", hold: {{src: loop, max: {self.hold:g}s}}" if self.hold else ""
        scenes = "\n".join(
            f"  {name}:\n    media: {{src: {name}}}\n    decision:\n      {{id: way-{name}, prompt: Which way?,"
            f" opens_at: {self.opens:g}s, closes_at: -{self.lead:g}s, default: a{hold},"
            " choices: [{id: a, label: A, to: '@a'}, {id: b, label: B, to: '@b'}]}"
            for name in ("a", "b")
        )
        over = f"{{to: last, when: \"visits('a') + visits('b') >= {self.joins}\"}}"
        return (
            f"story: 1\nid: {self.id}\ntitle: Bench\nstart: intro\nlow_latency: {str(self.parts).lower()}\n"
            f"defaults: {{lead: {min(self.lead, 4):g}s}}\n"
            f"groups:\n  a: [{over}, {{to: a}}]\n  b: [{over}, {{to: b}}]\nscenes:\n"
            f"  intro: {{media: {{src: intro}}, next: [{{to: a}}]}}\n{scenes}\n"
            "  last: {media: {src: last}, end: {id: end}}\n"
        )


async def packaged(plots: list[Plot], folder: Path) -> Path:
    """Packages stories; what is there already is not made again."""
    footage = folder / "footage"
    footage.mkdir(parents=True, exist_ok=True)
    for name, (seconds, colour, tone) in CLIPS.items():
        await asyncio.to_thread(_make, footage / f"{name}.mkv", seconds, colour, tone)
    library, tools = Library(folder / "library"), find_tools()
    for plot in plots:
        path = folder / f"{plot.id}.yaml"
        path.write_text(plot.text, "utf-8")
        story = load_story(plot.text, path.name)
        await package(story, path, plot.text, library, LADDER, tools, lambda progress: None)
    return library.root


def _make(target: Path, seconds: float, colour: str, tone: int) -> None:
    if target.exists():
        return
    picture = f"testsrc2=s=480x270:r={FRAME_RATE}:d={seconds},drawbox=c={colour}@0.4:t=fill"
    sound = f"aevalsrc=0.2*sin(2*PI*{tone}*t)|0.2*sin(2*PI*{tone}*t):s=48000:d={seconds}"
    draft = target.with_suffix(".draft.mkv")
    command = [find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture]
    command += ["-f", "lavfi", "-i", sound, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", str(draft)]
    subprocess.run(command, check=True, timeout=60)
    draft.rename(target)
