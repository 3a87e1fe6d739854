"""Names of Media Segments: all that their bytes depend on, and a keyed hash, so that each is immutable.

A name that does not verify is refused before any file is touched, so nobody can make the origin work by guessing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from streamer.units import Ticks

_SEGMENT = re.compile(
    r"([0-9a-f]{24})-([a-z0-9]{1,8})-(\d{1,6})(?:p(\d{1,2}))?-([0-9a-f]{1,16})-(\d{1,4})-(0|[0-9a-f]{12})-([A-Za-z0-9_-]{11})\.m4s"
)
_INIT = re.compile(r"([0-9a-f]{24})-([A-Za-z0-9_-]{11})\.mp4")
MAX_NAME = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentName:
    """What a segment's bytes depend on."""

    clip: str  # id: hash of the clip's content
    rendition: str
    number: int  # within the clip, from 0
    offset: Ticks  # of the visit on the timeline, the same for picture and sound
    frames: int = 0  # sound: AAC frames, where it has another length than in the clip; 0: it has not
    mark: str = ""  # id of the timed metadata in it; empty: none
    part: int | None = None  # a Partial Segment alone, from 0; None: the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class InitName:
    """A Media Initialization Section."""

    init: str  # id: hash of its content


class Namer:
    """Spells and verifies names with one key, constant over sessions and replicas."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def segment(self, name: SegmentName) -> str:
        """Spells a segment's name."""
        number = f"{name.number}" if name.part is None else f"{name.number}p{name.part}"
        stem = f"{name.clip}-{name.rendition}-{number}-{name.offset:x}-{name.frames}-{name.mark or 0}"
        return f"{stem}-{self._seal(stem)}.m4s"

    def init(self, init: str) -> str:
        """Spells the name of an initialization section."""
        return f"{init}-{self._seal(init)}.mp4"

    def read(self, name: str) -> SegmentName | InitName | None:
        """Reads a name; None: it is not one of ours."""
        if len(name) > MAX_NAME or not hmac.compare_digest(self._seal_of(name), self._seal(name[:-16])):
            return None
        if found := _SEGMENT.fullmatch(name):
            clip, rendition, number, part, offset, frames, mark, _ = found.groups()
            return SegmentName(
                clip=clip,
                rendition=rendition,
                number=int(number),
                offset=Ticks(int(offset, 16)),
                frames=int(frames),
                mark="" if mark == "0" else mark,
                part=None if part is None else int(part),
            )
        if found := _INIT.fullmatch(name):
            return InitName(init=found[1])
        return None

    @staticmethod
    def _seal_of(name: str) -> str:
        return name[-15:-4] if name.isascii() else ""

    def _seal(self, stem: str) -> str:
        digest = hmac.digest(self._key, stem.encode(errors="replace"), hashlib.sha256)[:8]
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
