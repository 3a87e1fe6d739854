"""Pictures of scenes, taken by ffmpeg from footage that it made."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from streamer.drawing.thumbnails import MOST_BYTES, pictures_of_footage, pictures_of_library
from streamer.errors import LibraryError
from streamer.library.filesystem import Library
from streamer.packager.tools import find_tools
from streamer.story.codec import load_story
from tests.serving import ROOT

STORY = """
story: 1
id: two
title: Two
start: red
scenes:
  red: {media: {src: reel, in: 0s, out: 4s}, next: [{to: blue}]}
  blue: {media: {src: reel, in: 4s, out: 8s}, next: [{to: brief}]}
  brief: {media: {src: brief}, next: [{to: none}]}
  none: {media: {src: none}, next: [{to: broken}]}
  broken: {media: {src: broken}, end: {id: done}}
"""


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives a folder with a reel that is red and then blue, a source of 0.4 s, and a file that is no video."""
    folder = tmp_path_factory.mktemp("footage")
    reds = ("-f", "lavfi", "-i", "color=red:s=640x480:d=4:r=25", "-f", "lavfi", "-i", "color=blue:s=640x480:d=4:r=25")
    joined = ("-filter_complex", "[0][1]concat", "-c:v", "libx264", "-pix_fmt", "yuv420p", str(folder / "reel.mkv"))
    brief = ("-f", "lavfi", "-i", "color=lime:s=640x480:d=0.4:r=25", "-c:v", "libx264", str(folder / "brief.mp4"))
    for arguments in ((*reds, *joined), brief):
        subprocess.run([find_tools().ffmpeg, "-v", "error", *arguments], check=True, timeout=60)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def colour_of(address: str) -> tuple[int, int, int]:
    """Gives the mean colour of a picture, after looking at its form and size."""
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    jpeg = base64.b64decode(data)
    assert len(jpeg) <= MOST_BYTES
    small = ("-i", "pipe:0", "-vf", "scale=1:1:flags=area,format=rgb24", "-f", "rawvideo", "pipe:1")
    done = subprocess.run(
        [find_tools().ffmpeg, "-v", "error", *small], input=jpeg, capture_output=True, check=True, timeout=60
    )
    red, green, blue = done.stdout
    return red, green, blue


async def test_a_picture_is_taken_within_its_scene_and_what_has_none_is_left_out(footage: Path) -> None:
    told: list[tuple[int, int]] = []

    found = await pictures_of_footage(
        load_story(STORY, "two.yaml"), footage, find_tools(), lambda *done: told.append(done)
    )

    assert list(found) == ["red", "blue", "brief"]
    red, blue, brief = (colour_of(address) for address in found.values())
    assert (red[0] > 200, red[2] < 60) == (True, True)
    assert (blue[2] > 200, blue[0] < 60) == (True, True)
    assert brief[1] > 200  # its only pictures lie before the instant sought first
    assert told[-1] == (4, 4)


async def test_pictures_of_a_packaged_story_come_from_its_library(sample_library: Path) -> None:
    story = load_story((ROOT / "media" / "sample" / "story.yaml").read_text("utf-8"), "story.yaml")

    found = await pictures_of_library(story, Library(sample_library), find_tools(), lambda *_: None)

    assert list(found) == list(story.scenes)
    assert len({colour_of(address) for address in found.values()}) > 5


async def test_a_story_that_is_not_packaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="'two' is not packaged"):
        await pictures_of_library(load_story(STORY, "two.yaml"), Library(tmp_path), find_tools(), lambda *_: None)
