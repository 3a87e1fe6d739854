"""How many addresses a shared cache sees for the same media, since each carries the visit's offset on the timeline.

python -m tests.bench.offsets [--most 10000]     prints a table, writes build/offsets.json

Viewers answer by chance: a choice of those offered and, where the story goes on with the answer at once or holds for
it, a moment of those there are. All play the highest picture and the sound, from the beginning, for an hour and a half
at most. The cache keeps everything and begins empty. Bytes go by the rates of the sample's package; the film's media
are made up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from streamer.library.filesystem import Library
from streamer.media.index import Package, Rendition, segment_ticks
from streamer.playlists import segment_at
from streamer.session.events import Committed
from streamer.session.pacing import cut_at
from streamer.session.timeline import Stage, Stretch, Timeline, follow, stage, start_timeline
from streamer.story.codec import load_compiled
from streamer.story.rules import Opening
from streamer.story.visit import VIEWER
from streamer.units import TICKS_PER_SECOND
from tests.film import film_stage
from tests.serving import ROOT, package_sample

VIEWERS = (10, 100, 1_000, 10_000)
LONGEST = 90 * 60 * TICKS_PER_SECOND
LATE = 0.25  # of answers to a decision that holds: they come while its loop is shown


class Medium(NamedTuple):
    """A segment, wherever it lies on a timeline."""

    clip: str
    rendition: str
    number: int
    frames: int  # of sound, where it is longer or shorter than in the clip


class Weight(NamedTuple):
    """Bytes of one segment."""

    size: float
    head: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of one rendition's segments."""

    a_second: float
    head: float  # what lies before a segment's samples: all that an offset changes is in it


def viewing(on: Stage, seed: int) -> Timeline:
    """Gives the path of a viewer."""
    chance = random.Random(seed)
    timeline = start_timeline(on, Opening(seed=seed))
    while (placed := timeline.open) is not None and timeline.end < LONGEST:
        choice = chance.choice(placed.choices)
        cut, hold = None, placed.decision.hold
        if placed.decision.immediate:
            cut = cut_at(timeline, choice, chance.randint(placed.opens_in + 1, placed.barrier))
        elif hold is not None and chance.random() < LATE:
            cut = timeline.cut_from(timeline.settled + chance.randint(1, timeline.hold_segments(hold.max)))
        visit, decision = timeline.last.number, placed.decision.id
        commit = Committed(visit=visit, decision=decision, choice=choice.id, by=VIEWER, at=placed.closes, cut=cut)
        timeline = follow(timeline, commit)
    return timeline


class Audience:
    """Viewers of one story, and what they ask a cache for."""

    def __init__(self, on: Stage, sizes: tuple[Sizes, Sizes]) -> None:
        self.stage = on
        self.picture, self.sound = sizes
        self.viewers = 0
        self._shown: dict[tuple[str, int], dict[int, Stretch]] = defaultdict(dict)  # by clip and offset, then length
        self._times: Counter[tuple[str, int, int]] = Counter()

    def grow(self, viewers: int) -> None:
        """Lets more watch, until so many have."""
        for seed in range(self.viewers, viewers):
            for stretch in viewing(self.stage, seed).stretches:
                length = len(stretch.ends)
                self._shown[stretch.clip.id, stretch.start][length] = stretch
                self._times[stretch.clip.id, stretch.start, length] += 1
        self.viewers = viewers

    def figures(self, name: str) -> dict[str, object]:
        """Gives what the cache has seen."""
        media: dict[Medium, Weight] = {}
        requests, addresses, addressed_bytes, heads = 0, 0, 0.0, 0.0
        for (clip, offset), lengths in self._shown.items():
            here: dict[Medium, Weight] = {}
            for length, stretch in lengths.items():
                found = self._segments(stretch)
                requests += self._times[clip, offset, length] * len(found)
                here |= found
            media |= here
            addresses += len(here)
            addressed_bytes += sum(weight.size for weight in here.values())
            heads += sum(weight.head for weight in here.values())
        bodies = sum(weight.size - weight.head for weight in media.values())
        return {
            "story": name,
            "viewers": self.viewers,
            "requests": requests,
            "addresses": addresses,
            "media": len(media),
            "offsets": round(addresses / len(media), 2),
            "hits": round(1 - addresses / requests, 4),
            "hits_without_offsets": round(1 - len(media) / requests, 4),
            "origin_megabytes": round(addressed_bytes / 1e6, 1),
            "origin_megabytes_without_offsets": round(sum(weight.size for weight in media.values()) / 1e6, 1),
            "origin_megabytes_with_shared_bodies": round((bodies + heads) / 1e6, 1),
        }

    def _segments(self, stretch: Stretch) -> dict[Medium, Weight]:
        package, found = self.stage.package, {}
        of: tuple[tuple[Rendition, Sizes], ...] = ((package.video[-1], self.picture), (package.audio, self.sound))
        for rendition, sizes in of:
            for number in range(len(stretch.ends)):
                segment, frames = segment_at(stretch, number, rendition)
                size = segment_ticks(segment, rendition.timescale) / TICKS_PER_SECOND * sizes.a_second
                medium = Medium(stretch.clip.id, rendition.id, number, frames)
                found[medium] = Weight(size, sizes.head)
        return found


async def sizes_of(library: Library, package: Package) -> tuple[Sizes, Sizes]:
    """Measures packaged picture and sound: rates, and what lies before the samples."""
    clips = [clip for takes in package.scenes.values() for clip in takes]
    found = []
    for rendition in (package.video[-1], package.audio):
        indexes = [(clip.id, clip.renditions[rendition.id]) for clip in clips]
        seconds = sum(s.duration for _, index in indexes for s in index.segments) / rendition.timescale
        size = sum(s.size for _, index in indexes for s in index.segments)
        bodies = [
            await library.read_segment(clip, rendition.id, number)
            for clip, index in indexes
            for number in range(len(index.segments))
        ]
        heads = [body.index(b"mdat") + 4 for body in bodies]
        found.append(Sizes(a_second=size / seconds, head=fmean(heads)))
    return found[0], found[1]


def main() -> int:
    """Simulates, prints and writes."""
    asked = argparse.ArgumentParser(description="Distinct segment addresses, and what they do to a shared cache.")
    asked.add_argument("--most", type=int, default=VIEWERS[-1], help="viewers of each story")
    most = asked.parse_args().most
    library = Library(package_sample())
    package = library.load("sample", library.current("sample"))
    sizes = asyncio.run(sizes_of(library, package))
    for kind, each in zip(("picture", "sound"), sizes, strict=True):
        print(f"{kind}: {each.a_second * 8 / 1000:.0f} kbit/s, heads of {each.head:.0f} bytes")
    found = []
    for name, on in (("sample", stage(load_compiled(package.story), package)), ("film", film_stage())):
        audience = Audience(on, sizes)
        for viewers in (count for count in VIEWERS if count <= most):
            audience.grow(viewers)
            found.append(audience.figures(name))
            print(" ".join(f"{key}={value}" for key, value in found[-1].items()), flush=True)
    (ROOT / "build" / "offsets.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
