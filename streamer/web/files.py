"""The files of the pages, read as the server starts: their tags go by content, the same on every replica."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path

from streamer.playlists import tag_of

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it is sent."""

    body: bytes
    media_type: str
    tag: str  # of its ETag


def read_files(root: Path = STATIC) -> dict[str, File]:
    """Reads all files of a folder and those below it; gives them by their names in it, with slashes."""
    return {path.relative_to(root).as_posix(): _read(path) for path in sorted(root.rglob("*")) if path.is_file()}


def _read(path: Path) -> File:
    body, kind = path.read_bytes(), mimetypes.guess_type(path.name)[0] or "text/plain"
    text = kind.startswith("text/")
    return File(body=body, media_type=f"{kind}; charset=utf-8" if text else kind, tag=tag_of(body))
