"""A session's path bound to media: visits in order, each with its place in time and among the segments.

A longer path only appends visits. What was published never changes because of that one property.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from streamer.media.index import ClipIndex, Package, segment_ticks
from streamer.session.events import Committed
from streamer.story.model import Choice, Decision, Scene, Story, Value, instant_within
from streamer.story.rules import Memory, begin, enter, offered, opening, successor, take
from streamer.units import Ticks

# A chain of scenes without a decision that is longer than this ends the path: a story that cannot be left must not
# fill the memory of the server. At 2 s a scene it is half an hour.
MAX_AUTOMATIC_VISITS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A story with its media: the scenes' clips and where their segments end."""

    story: Story
    package: Package
    ends: Mapping[str, tuple[Ticks, ...]]  # by scene: the end of each picture segment from the scene's start


def stage(story: Story, package: Package) -> Stage:
    """Prepares a packaged story for binding."""
    picture = package.video[0]
    ends: dict[str, tuple[Ticks, ...]] = {}
    for name, clip in package.scenes.items():
        total, found = 0, []
        for segment in clip.renditions[picture.id].segments:
            total += segment_ticks(segment, picture.timescale)
            found.append(Ticks(total))
        ends[name] = tuple(found)
    return Stage(story=story, package=package, ends=ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A decision at its place on a timeline."""

    decision: Decision
    choices: tuple[Choice, ...]  # those offered
    opens: Ticks  # from the start of the timeline
    closes: Ticks  # the lock
    join: Ticks  # the end of the scene
    opens_in: int  # Media Sequence Number of the segment that holds `opens`


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One scene placed on a timeline."""

    number: int  # from 1
    scene: Scene
    clip: ClipIndex
    start: Ticks
    first: int  # Media Sequence Number of its first segment
    ends: tuple[Ticks, ...]  # of its segments, from the visit's start
    placed: Placed | None  # None: nothing is asked
    outcome: Outcome | None = None  # of the decision before it that is told within this visit

    @property
    def after(self) -> int:
        """Gives the Media Sequence Number that follows its last segment."""
        return self.first + len(self.ends)

    @property
    def end(self) -> Ticks:
        """Gives where it ends on the timeline."""
        return Ticks(self.start + self.clip.duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a decision went, and the segment it is told with."""

    placed: Placed
    visit: int  # of the decision
    choice: str
    by: str
    told_in: int  # Media Sequence Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A path as far as it is settled, and the one scene after it where every answer leads there."""

    stage: Stage
    visits: tuple[Visit, ...]  # never empty; the last has an open decision, or is the last of all
    memory: Memory  # on entering the last visit
    preview: Visit | None = None
    preview_segments: int = 0  # of the preview's, those that may be listed before the lock
    commits: tuple[Committed, ...] = ()

    @property
    def last(self) -> Visit:
        """Gives the last settled visit."""
        return self.visits[-1]

    @property
    def open(self) -> Placed | None:
        """Gives the decision that the path waits for, or None at an ending."""
        return self.last.placed

    @property
    def settled(self) -> int:
        """Gives how many segments the settled path has."""
        return self.last.after

    @property
    def listable(self) -> int:
        """Gives how many segments may be published with what is committed."""
        return self.settled + self.preview_segments

    @property
    def complete(self) -> bool:
        """Tells whether the path has come to its end."""
        return self.open is None

    def visit_at(self, segment: int) -> Visit:
        """Gives the visit that a listable segment belongs to."""
        if segment >= self.settled and self.preview is not None:
            return self.preview
        return self.visits[bisect_right(self.visits, segment, key=lambda visit: visit.first) - 1]

    def end_of(self, segment: int) -> Ticks:
        """Gives where a listable segment ends on the timeline."""
        visit = self.visit_at(segment)
        return Ticks(visit.start + visit.ends[segment - visit.first])

    def visit_playing(self, play: Ticks) -> Visit:
        """Gives the settled visit that a playhead is in."""
        return self.visits[max(bisect_right(self.visits, play, key=lambda visit: visit.start) - 1, 0)]


def start_timeline(on: Stage, profile: Mapping[str, Value]) -> Timeline:
    """Gives the path before any choice."""
    memory = begin(on.story, profile)
    return _chained(on, (), memory, opening(on.story, memory), None, ())


def follow(timeline: Timeline, commit: Committed) -> Timeline:
    """Gives the path with the open decision committed.

    Raises:
        ValueError: the commit is not of the decision that the path waits for.
    """
    last, placed = timeline.last, timeline.open
    choice = placed.decision.choice(commit.choice) if placed is not None else None
    if placed is None or choice is None or (commit.visit, commit.decision) != (last.number, placed.decision.id):
        raise ValueError(f"{commit} does not answer visit {last.number} of scene {last.scene.id!r}")
    story = timeline.stage.story
    memory = take(story, timeline.memory, choice)
    told_in = timeline.listable  # the first segment that nobody has seen before the commit
    outcome = Outcome(placed=placed, visit=last.number, choice=commit.choice, by=commit.by, told_in=told_in)
    scene = successor(story, memory, last.scene, choice)
    return _chained(timeline.stage, timeline.visits, memory, scene, outcome, (*timeline.commits, commit))


def fold(on: Stage, profile: Mapping[str, Value], commits: tuple[Committed, ...]) -> Timeline:
    """Gives the path of a session from its commits."""
    timeline = start_timeline(on, profile)
    for commit in commits:
        timeline = follow(timeline, commit)
    return timeline


def _chained(  # noqa: PLR0917 - one step of the fold; a bundle would only be taken apart again
    on: Stage,
    visits: tuple[Visit, ...],
    memory: Memory,
    scene: Scene,
    outcome: Outcome | None,
    commits: tuple[Committed, ...],
) -> Timeline:
    """Appends a scene and every scene that follows it without a decision."""
    found = list(visits)
    for _ in range(MAX_AUTOMATIC_VISITS):
        memory = enter(memory, scene)
        visit = _placed(on, found[-1] if found else None, memory, scene)
        if outcome is not None and outcome.told_in < visit.after:
            visit, outcome = replace(visit, outcome=outcome), None
        found.append(visit)
        if scene.end is not None or scene.decision is not None:
            break
        scene = successor(on.story, memory, scene, None)
    return _with_preview(Timeline(stage=on, visits=tuple(found), memory=memory, commits=commits))


def _placed(on: Stage, before: Visit | None, memory: Memory, scene: Scene) -> Visit:
    clip, ends = on.package.scenes[scene.id], on.ends[scene.id]
    start = before.end if before is not None else Ticks(0)
    first = before.after if before is not None else 0
    placed = None
    if scene.decision is not None:
        opens = instant_within(scene.decision.opens_at, clip.duration)
        placed = Placed(
            decision=scene.decision,
            choices=offered(on.story, memory, scene.decision),
            opens=Ticks(start + opens),
            closes=Ticks(start + instant_within(scene.decision.closes_at, clip.duration)),
            join=Ticks(start + clip.duration),
            opens_in=first + min(bisect_right(ends, opens), len(ends) - 1),
        )
    number = before.number + 1 if before is not None else 1
    return Visit(number=number, scene=scene, clip=clip, start=start, first=first, ends=ends, placed=placed)


def _with_preview(timeline: Timeline) -> Timeline:
    placed = timeline.open
    if placed is None:
        return timeline
    story, scene = timeline.stage.story, timeline.last.scene
    ways = {
        successor(story, memory, scene, choice).id: memory
        for choice in placed.choices
        for memory in (take(story, timeline.memory, choice),)
    }
    if len(ways) != 1:
        return timeline
    (name, memory), *_ = ways.items()
    only = story.scenes[name]
    visit = _placed(timeline.stage, timeline.last, enter(memory, only), only)
    # Its own decision depends on effects that are not committed yet, and ENDLIST must come with the last segment.
    count = visit.placed.opens_in - visit.first if visit.placed else len(visit.ends) - (only.end is not None)
    return replace(timeline, preview=visit, preview_segments=count)
