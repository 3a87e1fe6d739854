"""ffmpeg plays the sample story over HTTP along different paths; picture and sound are those of the path."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession

from media.make_footage import SHOTS
from tests.e2e.client import open_session, wait_for
from tests.e2e.decoding import Part, assert_picture, assert_sound, play
from tests.serving import ROOT, Starter, package

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TUNNEL_FRAMES = 165  # of `underground`; the rest of it is `darkness`
FRAMES = {shot.src: shot.frames for shot in SHOTS}


def parts(scenes: str) -> list[Part]:
    """Gives the footage of scenes by name."""
    cut = {
        "tunnel": Part(src="underground", start=0, stop=TUNNEL_FRAMES),
        "darkness": Part(src="underground", start=TUNNEL_FRAMES, stop=FRAMES["underground"]),
    }
    return [cut.get(name) or Part(src=name, start=0, stop=FRAMES[name]) for name in scenes.split()]


# The choices of each decision in turn (the last of several counts), and the scenes that follow from them.
PATHS = {
    "lantern": ([["take"], ["main"], ["onward"]], "platform yard junction viaduct turntable tunnel lamplight"),
    "loop taken twice": (
        [["leave"], ["branch"], ["again"], ["again"], ["onward"]],
        "platform buffet junction lakeside turntable turntable turntable tunnel darkness",
    ),
    "no answer at all": ([], "platform buffet junction viaduct turntable tunnel darkness"),
    "minds changed": (
        [["leave", "take"], ["main", "branch", "main"], ["onward", "again"], []],
        "platform yard junction viaduct turntable turntable tunnel lamplight",
    ),
}
OPTIONS = {"no answer at all": ("--media-base", "../../../m/")}


async def test_every_path_is_one_seamless_stream(sample_library: Path, start: Starter, tmp_path: Path) -> None:
    async def along(name: str) -> None:
        plan, scenes = PATHS[name]
        options = OPTIONS.get(name, ())
        async with start(sample_library, *options, state=tmp_path / name) as server, ClientSession() as http:
            (tmp_path / name / "played").mkdir()
            if not plan:  # a player that knows no API opens the one address
                decoded = await play(f"{server.url}/play/sample.m3u8", tmp_path / name / "played", seconds=200)
            else:
                session = await open_session(http, server.url)
                follower = asyncio.create_task(session.follow(plan))
                decoded = await play(session.playback_url, tmp_path / name / "played", seconds=200)
                await wait_for(follower, 30)
                assert session.scenes == scenes.split(), name
                assert session.ending == ("arrived" if "lamplight" in scenes else "lost")
        assert_picture(decoded, parts(scenes))
        assert_sound(decoded, parts(scenes))

    await asyncio.gather(*(along(name) for name in PATHS))


@pytest.mark.usefixtures("sample_library")  # its footage
async def test_no_sound_drifts_over_many_joins(start: Starter, tmp_path: Path) -> None:
    cuts = [("yard", 3, 68), ("buffet", 10, 73), ("yard", 68, 131), ("viaduct", 0, 77), ("lakeside", 5, 76)] * 3
    library = await _packaged(tmp_path, cuts)
    async with start(library) as server, ClientSession() as http:
        session = await open_session(http, server.url, "joins")
        (tmp_path / "played").mkdir()
        decoded = await play(session.playback_url, tmp_path / "played", seconds=100)

    wanted = [Part(src=src, start=first, stop=stop) for src, first, stop in cuts]
    assert len(wanted) == 15
    assert_picture(decoded, wanted)
    assert_sound(decoded, wanted)


async def _packaged(folder: Path, cuts: list[tuple[str, int, int]]) -> Path:
    (folder / "footage").symlink_to(ROOT / "media" / "sample" / "footage")
    scenes = []
    for index, (src, first, stop) in enumerate(cuts):
        way = f"next: [{{to: s{index + 1}}}]" if index + 1 < len(cuts) else "end: {id: end}"
        scenes.append(f"  s{index}: {{media: {{src: {src}, in: {first / 25:.2f}s, out: {stop / 25:.2f}s}}, {way}}}")
    text = "story: 1\nid: joins\ntitle: Joins\nstart: s0\nscenes:\n" + "\n".join(scenes) + "\n"
    (folder / "story.yaml").write_text(text, "utf-8")
    await package(folder / "story.yaml", folder / "library")
    return folder / "library"
