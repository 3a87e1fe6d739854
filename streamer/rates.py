"""How many bits a second a story needs at most, on whichever path: BANDWIDTH and AVERAGE-BANDWIDTH."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streamer.media.index import ClipIndex, Package, Rendition
from streamer.story.model import Story
from streamer.story.rules import possible_successors, scenes_of

MARK_BYTES = 512  # that timed metadata add to a segment, at most
Place = tuple[str, int]  # a scene and its take; a hold's source and HOLD
HOLD = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """Which footage may follow which."""

    clips: dict[Place, ClipIndex]
    after: dict[Place, tuple[Place, ...]]  # at its end
    at_once: dict[Place, tuple[Place, ...]]  # after any of its segments
    marked: frozenset[tuple[str, int]]  # clip and segment


def bit_rates(story: Story, package: Package) -> dict[str, tuple[int, int]]:
    """Gives peak and average bits a second of each rendition over every path the story allows.

    The peak is that of RFC 8216bis, section 4.1: over runs of segments of 0.5 to 1.5 Target Durations and 0.5 s,
    those across joins, cuts and hold loops among them. The average is that of the dearest scene, which no path exceeds.
    """
    graph = _graph(story, package)
    renditions: tuple[Rendition, ...] = (*package.video, package.audio)
    return {each.id: _rates(graph, package, each) for each in renditions}


def _rates(graph: _Graph, package: Package, rendition: Rendition) -> tuple[int, int]:
    scale = rendition.timescale
    low = package.target_duration * scale // 2
    high = package.target_duration * scale * 3 // 2 + scale // 2
    sizes = {place: _sizes(graph, clip, rendition.id) for place, clip in graph.clips.items()}
    peak, average = 0, 0
    for place, found in sizes.items():
        size, duration = (sum(each) for each in zip(*found, strict=True))
        average = max(average, -(-size * 8 * scale // duration))
        for number in range(len(found)):
            for size, duration in _runs(graph, sizes, (place, number), high):
                if duration >= low:
                    peak = max(peak, -(-size * 8 * scale // duration))
    return max(peak, average), average


def _sizes(graph: _Graph, clip: ClipIndex, rendition: str) -> list[tuple[int, int]]:
    """Gives size and duration of each segment."""
    return [
        (segment.size + MARK_BYTES * ((clip.id, number) in graph.marked), segment.duration)
        for number, segment in enumerate(clip.renditions[rendition].segments)
    ]


def _runs(
    graph: _Graph, sizes: dict[Place, list[tuple[int, int]]], start: tuple[Place, int], most: int
) -> Iterator[tuple[int, int]]:
    """Gives size and duration of every run that begins at a segment and lasts no longer than `most`."""
    todo = [(*start, 0, 0)]
    while todo:
        place, number, size, duration = todo.pop()
        found = sizes[place]
        if number == len(found):
            todo += [(to, 0, size, duration) for to in graph.after[place]]
            continue
        size, duration = size + found[number][0], duration + found[number][1]
        if duration <= most:
            yield size, duration
            todo.append((place, number + 1, size, duration))
            todo += [(to, 0, size, duration) for to in graph.at_once[place]]


def _graph(story: Story, package: Package) -> _Graph:
    takes = {name: [(name, take) for take in range(len(clips))] for name, clips in package.scenes.items()}

    def places(scenes: frozenset[str]) -> list[Place]:
        return [place for name in sorted(scenes) for place in takes[name]]

    left_for = places(_left_for(story))
    clips: dict[Place, ClipIndex] = {(name, HOLD): clip for name, clip in package.holds.items()}
    after: dict[Place, tuple[Place, ...]] = {}
    at_once: dict[Place, set[Place]] = {place: {*left_for} for place in clips}
    for name, scene in story.scenes.items():
        following = places(possible_successors(story, scene))
        holds: list[Place] = [(each.hold.src, HOLD) for each in scene.decisions if each.hold is not None]
        cut = [choice.to for each in scene.decisions if each.immediate for choice in each.choices]
        cuts = places(frozenset(to for target in cut if target is not None for to in scenes_of(story, target)))
        for loop in holds:
            at_once[loop] |= {*following}
        for place, clip in zip(takes[name], package.scenes[name], strict=True):
            clips[place] = clip
            after[place] = (*following, *holds)
            at_once[place] = {*left_for, *cuts}
    after |= {(name, HOLD): ((name, HOLD),) for name in package.holds}
    marked = frozenset((mark.clip, mark.number) for marks in package.marks.values() for mark in marks)
    return _Graph(
        clips=clips,
        after=after,
        at_once={place: tuple(sorted(found)) for place, found in at_once.items()},
        marked=marked,
    )


def _left_for(story: Story) -> frozenset[str]:
    """Gives the scenes that viewers may go to at any time: by the menu, or back to a checkpoint."""
    by_menu = {name for item in story.menu for name in scenes_of(story, item.to)}
    return frozenset(by_menu | {name for name, scene in story.scenes.items() if scene.checkpoint is not None})
