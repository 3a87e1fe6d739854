"""The programs: found once, old or missing ones refused with what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.errors import PackagingError
from streamer.packager.tools import find_tools

HAS = "V....D libx264 H.264"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What other tests found is not known here, nor the other way round."""
    find_tools.cache_clear()
    yield
    find_tools.cache_clear()


def program(folder: Path, name: str, version: str, encoders: str = HAS) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nif [ $1 = -version ]; then echo '{version}'; else echo '{encoders}'; fi\n", "ascii")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives a folder that is all of PATH, on a machine without the packages."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    return tmp_path


@pytest.mark.parametrize(
    "version",
    [
        "ffmpeg version 5.1.6-0+deb12u1 Copyright",
        "ffmpeg version n7.1 Copyright",
        "ffmpeg version N-110000-gabcdef\nlibavutil      58. 29.100 / 58. 29.100",
    ],
)
def test_programs_on_path_are_taken_where_they_will_do(path: Path, version: str) -> None:
    program(path, "ffmpeg", version)
    program(path, "ffprobe", version.replace("ffmpeg", "ffprobe"))

    found = find_tools()

    assert (found.ffmpeg, found.ffprobe) == (str(path / "ffmpeg"), str(path / "ffprobe"))
    assert found.version == version.splitlines()[0]


@pytest.mark.parametrize(
    ("version", "encoders"),
    [
        ("ffmpeg version 5.0.1 Copyright", HAS),
        ("ffmpeg version 4.4 Copyright", HAS),
        ("ffmpeg version N-1-gabc\nlibavutil      57. 20.100 / 57. 20.100", HAS),
        ("something else", HAS),
        ("ffmpeg version 7.1 Copyright", "V....D libopenh264"),
    ],
)
def test_programs_that_will_not_do_are_refused_with_a_remedy(path: Path, version: str, encoders: str) -> None:
    program(path, "ffmpeg", version, encoders)
    program(path, "ffprobe", version)

    with pytest.raises(PackagingError, match=r"Install ffmpeg 5\.1 or newer with libx264"):
        find_tools()


def test_a_missing_ffprobe_is_refused_with_a_remedy(path: Path) -> None:
    program(path, "ffmpeg", "ffmpeg version 7.1 Copyright")

    with pytest.raises(PackagingError, match="there is no ffmpeg and ffprobe that will do"):
        find_tools()


def test_the_machine_is_asked_once(path: Path) -> None:
    for name in ("ffmpeg", "ffprobe"):
        program(path, name, "ffmpeg version 7.1 Copyright")
    first = find_tools()
    for name in ("ffmpeg", "ffprobe"):
        (path / name).unlink()

    assert find_tools() is first
