"""Footage of any usual frame rate is packaged and played frame by frame, at its own rate."""

from __future__ import annotations

import asyncio
import re
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from aiohttp import ClientSession

from streamer.packager.tools import find_tools
from tests.e2e.client import open_session
from tests.e2e.decoding import TONES, Part, assert_picture, assert_sound, play
from tests.serving import BRANCHLINE, ROOT, Starter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

RATES = {
    "r23976": Fraction(24_000, 1001),
    "r24": Fraction(24),
    "r25": Fraction(25),
    "r2997": Fraction(30_000, 1001),
    "r30": Fraction(30),
    "r50": Fraction(50),
}
SOURCES = ("platform", "yard")
FOOTAGE = ROOT / "media" / "sample" / "footage"


@pytest.mark.usefixtures("sample_library")  # its footage
async def test_every_frame_and_every_sample_stands_where_the_frame_rate_puts_it(start: Starter, tmp_path: Path) -> None:
    library = tmp_path / "library"
    wanted = {name: await asyncio.to_thread(_packaged, tmp_path / name, library, rate) for name, rate in RATES.items()}

    async def watched(http: ClientSession, url: str, name: str) -> None:
        session = await open_session(http, url, name)
        (tmp_path / name / "played").mkdir()
        decoded = await play(session.playback_url, tmp_path / name / "played", seconds=120)
        assert_picture(decoded, wanted[name], RATES[name])
        assert_sound(decoded, wanted[name], RATES[name])

    async with start(library) as server, ClientSession() as http:
        await asyncio.gather(*(watched(http, server.url, name) for name in RATES))
        for name, rate in RATES.items():
            session = await open_session(http, server.url, name)
            async with http.get(session.playback_url) as response:
                assert f"FRAME-RATE={float(rate):.3f}" in await response.text()
            async with http.get(session.playback_url.replace("index", "v0")) as response:
                listed = await response.text()
            assert "#EXT-X-TARGETDURATION:2\n" in listed
            assert all(float(length) < 2.5 for length in re.findall(r"#EXTINF:([0-9.]+)", listed))


def _packaged(folder: Path, library: Path, rate: Fraction) -> list[Part]:
    """Packages a story of four scenes, cut on frames of its footage; gives what is to be seen."""
    (folder / "footage").mkdir(parents=True)
    for src in SOURCES:
        _retimed(src, folder / "footage" / f"{src}.mov", rate)
    two = round(2 * rate)
    cuts = [
        Part(src="platform", start=7, stop=7 + two + 11),
        Part(src="yard", start=5, stop=5 + two + 3),
        Part(src="platform", start=7 + two + 11, stop=7 + two + 11 + two + 5),
        Part(src="yard", start=1, stop=1 + two),
    ]
    scenes = []
    for index, cut in enumerate(cuts):
        way = f"next: [{{to: s{index + 1}}}]" if index + 1 < len(cuts) else "end: {id: end}"
        first, stop = (f"{float(frame / rate):.3f}s" for frame in (cut.start, cut.stop))
        scenes.append(f"  s{index}: {{media: {{src: {cut.src}, in: {first}, out: {stop}}}, {way}}}\n")
    text = f"story: 1\nid: {folder.name}\ntitle: T\nstart: s0\nscenes:\n{''.join(scenes)}"
    (folder / "story.yaml").write_text(text, "utf-8")
    command = [BRANCHLINE, "package", "story.yaml", "--library", str(library)]
    done = subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True, text=True)
    told = "" if rate == 25 else f"packaged at {float(rate):.5g} frames a second, as its footage has"
    assert told in done.stderr
    return cuts


def _retimed(src: str, target: Path, rate: Fraction) -> None:
    """Makes the sample's footage run at another frame rate: the same frames, its tone as long as they last."""
    fps = f"{rate.numerator}/{rate.denominator}"
    sine = f"sine=frequency={TONES[src]}:sample_rate=48000:duration=13"
    command = [
        *(find_tools().ffmpeg, "-v", "error", "-nostdin", "-r", fps, "-i", str(FOOTAGE / f"{src}.mkv")),
        *("-f", "lavfi", "-i", sine, "-map", "0:v", "-map", "1:a", "-shortest"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-g", "1000", "-c:a", "pcm_s16le", str(target)),
    ]
    subprocess.run(command, check=True, timeout=60)
