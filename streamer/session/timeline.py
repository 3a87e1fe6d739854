"""A session's path bound to media: visits in order, each with its place in time and among the segments.

A longer path only appends, from a segment on that nobody has seen. What was published never changes because of that
one property.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

import msgspec

from streamer.media.index import AUDIO_FRAME_SAMPLES, ClipIndex, Package, audio_frames_at, part_target_ms, segment_ticks
from streamer.pieces import Pieces
from streamer.session.events import Committed, Step, WentBack
from streamer.story.model import RANDOM, Choice, Decision, Scene, Story, Value, instant_within
from streamer.story.rules import Memory, begin, default_of, enter, offered, opening, successor, take
from streamer.units import Ticks, ticks_of

# A chain of scenes without a decision that is longer than this ends the path: a story that cannot be left must not
# fill the memory of the server. At 2 s a scene it is half an hour.
MAX_AUTOMATIC_VISITS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A story with its media: the clips of scenes and hold loops, and where their segments end."""

    story: Story
    package: Package
    ends: Mapping[str, tuple[Ticks, ...]]  # by scene: the end of each picture segment from the scene's start
    hold_ends: Mapping[str, tuple[Ticks, ...]]  # by source: likewise
    part_target_ms: int  # PART-TARGET; 0: no segment has parts


def stage(story: Story, package: Package) -> Stage:
    """Prepares a packaged story for binding."""
    picture = package.video[0]

    def ends(clip: ClipIndex) -> tuple[Ticks, ...]:
        total, found = 0, []
        for segment in clip.renditions[picture.id].segments:
            total += segment_ticks(segment, picture.timescale)
            found.append(Ticks(total))
        return tuple(found)

    return Stage(
        story=story,
        package=package,
        ends={name: ends(clip) for name, clip in package.scenes.items()},
        hold_ends={name: ends(clip) for name, clip in package.holds.items()},
        part_target_ms=part_target_ms(package),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A decision at its place on a timeline."""

    decision: Decision
    choices: tuple[Choice, ...]  # those offered
    opens: Ticks  # from the start of the timeline
    closes: Ticks  # the lock
    join: Ticks  # the end of the scene
    opens_in: int  # Media Sequence Number of the segment that holds `opens`
    default: str | None  # choice taken without an answer; None: it is drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A clip, or the beginning of one, at its place on a timeline: what segments are listed from."""

    visit: int  # number of the visit it belongs to
    scene: str | None  # None: a pass of a hold loop
    clip: ClipIndex
    start: Ticks
    first: int  # Media Sequence Number of its first segment
    ends: tuple[Ticks, ...]  # of its segments, from its start; fewer than the clip's where it was cut
    loop: int = 0  # of a hold: the pass, from 1

    @property
    def after(self) -> int:
        """Gives the Media Sequence Number that follows its last segment."""
        return self.first + len(self.ends)

    @property
    def end(self) -> Ticks:
        """Gives where it ends on the timeline."""
        return Ticks(self.start + self.ends[-1])

    def cut(self, segment: int) -> Stretch:
        """Gives what is left of it when `segment` and all after it are dropped."""
        return self if segment >= self.after else replace(self, ends=self.ends[: segment - self.first])


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One scene placed on a timeline."""

    number: int  # from 1
    scene: Scene
    stretch: Stretch
    placed: Placed | None  # None: nothing is asked

    @property
    def start(self) -> Ticks:
        """Gives where it begins on the timeline."""
        return self.stretch.start

    @property
    def first(self) -> int:
        """Gives the Media Sequence Number of its first segment."""
        return self.stretch.first

    @property
    def after(self) -> int:
        """Gives the Media Sequence Number that follows its last segment, hold loops aside."""
        return self.stretch.after

    @property
    def end(self) -> Ticks:
        """Gives where it ends on the timeline, hold loops aside."""
        return self.stretch.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a decision went, and the segment it is told with."""

    placed: Placed
    visit: int  # of the decision
    choice: str
    by: str
    told_in: int  # Media Sequence Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A checkpoint on a path: the story's memory as its scene was entered."""

    checkpoint: str
    visit: int
    first: int  # Media Sequence Number of the scene's first segment
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A path as far as it is settled, and the one scene after it where every answer leads there."""

    stage: Stage
    key: bytes  # of all that the path follows from
    visits: Pieces[Visit]  # never empty
    last: Visit  # the last settled one: it has an open decision, or is the last of all
    stretches: Pieces[Stretch]  # what is listed: the visits', and passes of hold loops between them
    memory: Memory  # on entering the last visit
    outcomes: Pieces[Outcome]  # each told later than the one before
    passed: Pieces[Passed]
    steps: Pieces[Step]  # of this run
    preview: Visit | None = None
    preview_segments: int = 0  # of the preview's, those that may be listed before the lock
    parted: int = 0  # Media Sequence Number of the first segment that the path before the last step does not have
    linear_from: Ticks = Ticks(0)  # where the part without an open decision begins
    run: int = 1

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
        """Gives how many segments may be published with what is committed, hold loops aside."""
        return self.settled + self.preview_segments

    @property
    def complete(self) -> bool:
        """Tells whether the path has come to its end."""
        return self.open is None

    @property
    def holds(self) -> bool:
        """Tells whether the open decision has a loop that may follow the path until it is answered."""
        return self.open is not None and self.open.decision.hold is not None

    @property
    def commits(self) -> tuple[Committed, ...]:
        """Gives the decisions committed in this run."""
        return tuple(step for step in self.steps if isinstance(step, Committed))

    def visit_numbered(self, number: int) -> Visit | None:
        """Gives the settled visit of that number."""
        return self.visits[number - 1] if 1 <= number <= len(self.visits) else None

    def stretch_at(self, segment: int) -> Stretch:
        """Gives the stretch that a segment belongs to; after the settled path, that of the preview or the hold."""
        if segment >= self.settled:
            if self.preview is not None:
                return self.preview.stretch
            if self.holds:
                return self._hold(segment)
        newest = self.stretches[-1]
        if segment >= newest.first:
            return newest
        return self.stretches[bisect_right(self.stretches, segment, key=lambda stretch: stretch.first) - 1]

    def outcome_told_in(self, segment: int) -> Outcome | None:
        """Gives the outcome that is told with a segment."""
        place = bisect_left(self.outcomes, segment, key=lambda outcome: outcome.told_in)
        found = self.outcomes[place] if place < len(self.outcomes) else None
        return found if found is not None and found.told_in == segment else None

    def stretch_from(self, start: Ticks) -> Stretch | None:
        """Gives the stretch that begins there, those that may follow the settled path among them; None: none does."""
        if start >= self.last.end:
            found = self.stretch_at(self.settled)
            if self.preview is None and self.holds:
                loop = (start - self.last.end) // found.ends[-1]
                found = self._hold(self.settled + loop * len(found.ends))
        else:
            found = self.stretches[bisect_right(self.stretches, start, key=lambda stretch: stretch.start) - 1]
        return found if found.start == start else None

    def decision_opening_in(self, segment: int) -> tuple[int, Placed] | None:
        """Gives the visit and the decision that opens in a segment."""
        stretch = self.stretch_at(segment)
        if stretch.scene is None:
            return None
        preview = self.preview is not None and stretch is self.preview.stretch
        visit = self.preview if preview else self.visits[stretch.visit - 1]
        if visit is None or visit.placed is None or visit.placed.opens_in != segment:
            return None
        return visit.number, visit.placed

    def end_of(self, segment: int) -> Ticks:
        """Gives where a segment ends on the timeline."""
        stretch = self.stretch_at(segment)
        return Ticks(stretch.start + stretch.ends[segment - stretch.first])

    def is_last(self, segment: int) -> bool:
        """Tells whether a segment is the last of a path that has come to its end."""
        return self.complete and segment == self.settled - 1

    def part_ends(self, segment: int) -> tuple[Ticks, ...]:
        """Gives where the parts of a segment end on the timeline; one without parts has one."""
        stretch = self.stretch_at(segment)
        index = segment - stretch.first
        picture = stretch.clip.renditions[self.stage.package.video[0].id]
        found = picture.segments[index]
        if not found.parts:
            return (Ticks(stretch.start + stretch.ends[index]),)
        begin = stretch.start + (stretch.ends[index - 1] if index else 0)
        return tuple(Ticks(begin + ticks_of(end, picture.timescale)) for end in accumulate(found.parts))

    def cut_from(self, published: int) -> int:
        """Gives the first segment from which the path may lead elsewhere when so many are published.

        One later where the sound that was published last is a frame longer or shorter than the picture there asks
        for: what was published stays as it is, so that the difference has to be made up by one segment more.
        """
        stretch = self.stretch_at(published - 1)
        index = published - stretch.first
        if index == len(stretch.ends):
            return published
        sound = stretch.clip.renditions[self.stage.package.audio.id].segments[:index]
        listed = sum(segment.duration for segment in sound) // AUDIO_FRAME_SAMPLES
        needed = audio_frames_at(Ticks(stretch.start + stretch.ends[index - 1])) - audio_frames_at(stretch.start)
        return published + (listed != needed)

    def hold_segments(self, length: Ticks) -> int:
        """Gives how many segments of the open decision's loop last at least `length`."""
        ends = self._hold(self.settled).ends
        loops, rest = divmod(length, ends[-1])
        return loops * len(ends) + (bisect_left(ends, rest) + 1 if rest else 0)

    def visit_playing(self, play: Ticks) -> Visit:
        """Gives the settled visit that a playhead is in."""
        return self.visits[max(bisect_right(self.visits, play, key=lambda visit: visit.start) - 1, 0)]

    def _hold(self, segment: int) -> Stretch:
        assert self.open is not None
        assert self.open.decision.hold is not None
        src = self.open.decision.hold.src
        clip, ends = self.stage.package.holds[src], self.stage.hold_ends[src]
        loop = (segment - self.settled) // len(ends)
        return Stretch(
            visit=self.last.number,
            scene=None,
            clip=clip,
            start=Ticks(self.last.end + loop * ends[-1]),
            first=self.settled + loop * len(ends),
            ends=ends,
            loop=loop + 1,
        )


def start_timeline(on: Stage, profile: Mapping[str, Value], seed: int = 0) -> Timeline:
    """Gives the path before any choice; the session's `seed` counts where the story leaves something to chance."""
    memory = begin(on.story, profile, seed if on.story.draws else 0)
    key = _key(on.package.revision.encode(), (sorted(memory.profile.items()), memory.seed))
    return _grown(_Path(on=on, key=key), *opening(on.story, memory))


def follow(timeline: Timeline, step: Step) -> Timeline:
    """Gives the path with one step more.

    Raises:
        ValueError: the step does not fit the path.
    """
    if isinstance(step, Committed):
        return _committed(timeline, step)
    if isinstance(step, WentBack):
        passed = checkpoint_passed(timeline, step.checkpoint, step.cut)
        path = _Path.of(timeline, step, step.cut)
    else:
        passed = checkpoint_passed(timeline, step.checkpoint, timeline.settled)
        path = _Path(on=timeline.stage, key=_key(timeline.key, step), run=timeline.run + 1)
    if passed is None:
        raise ValueError(f"{step} names a checkpoint that the path has not passed")
    scene = next(
        scene
        for scene in timeline.stage.story.scenes.values()
        if scene.checkpoint is not None and scene.checkpoint.id == step.checkpoint
    )
    return _grown(path, scene, passed.memory, entered=True)


def checkpoint_passed(timeline: Timeline, checkpoint: str, published: int) -> Passed | None:
    """Gives the last time that a viewer to whom so many segments were published passed a checkpoint, or None."""
    found = (each for each in reversed(timeline.passed) if each.checkpoint == checkpoint and each.first < published)
    return next(found, None)


def fold(on: Stage, profile: Mapping[str, Value], steps: tuple[Step, ...], seed: int = 0) -> Timeline:
    """Gives the path of a session from its steps."""
    timeline = start_timeline(on, profile, seed)
    for step in steps:
        timeline = follow(timeline, step)
    return timeline


def _committed(timeline: Timeline, step: Committed) -> Timeline:
    last, placed = timeline.last, timeline.open
    choice = placed.decision.choice(step.choice) if placed is not None else None
    if placed is None or choice is None or (step.visit, step.decision) != (last.number, placed.decision.id):
        raise ValueError(f"{step} does not answer visit {last.number} of scene {last.scene.id!r}")
    story = timeline.stage.story
    memory = timeline.memory
    if step.by == "default":
        _, memory = default_of(memory, placed.decision, placed.choices)  # what was drawn is drawn
    scene, memory = successor(story, take(story, memory, placed.decision, choice), last.scene, choice)
    # A commit is told with the first segment that nobody has seen before it.
    told_in = timeline.listable if step.cut is None else step.cut
    outcome = Outcome(placed=placed, visit=last.number, choice=step.choice, by=step.by, told_in=told_in)
    path = _Path.of(timeline, step, timeline.settled if step.cut is None else step.cut)
    path.parted = told_in if step.cut is None else path.parted
    path.outcomes.append(outcome)
    return _grown(path, scene, memory)


class _Path:
    """A path as it is put together."""

    def __init__(self, *, on: Stage, key: bytes, run: int = 1) -> None:
        self.on = on
        self.key = key
        self.run = run
        self.visits = Pieces[Visit]()
        self.stretches = Pieces[Stretch]()
        self.outcomes = Pieces[Outcome]()
        self.passed = Pieces[Passed]()
        self.steps = Pieces[Step]()
        self.parted = 0
        self.linear_from: Ticks | None = None  # None: where the next scene begins

    @classmethod
    def of(cls, timeline: Timeline, step: Step, cut: int) -> _Path:
        """Begins with what a timeline has before the segment `cut`."""
        path = cls(on=timeline.stage, key=_key(timeline.key, step), run=timeline.run)
        path.stretches = timeline.stretches.first(bisect_left(timeline.stretches, cut, key=lambda each: each.first))
        path.visits = timeline.visits.first(bisect_left(timeline.visits, cut, key=lambda each: each.first))
        if timeline.preview is not None and cut > timeline.settled:
            path.stretches.append(timeline.preview.stretch)
            path.visits.append(timeline.preview)
        while path.stretches[-1].after < cut:
            path.stretches.append(timeline.stretch_at(path.stretches[-1].after))
        if cut < path.stretches[-1].after:
            last = path.visits[-1]
            path.stretches.replace_last(path.stretches[-1].cut(cut))
            path.visits.replace_last(replace(last, stretch=last.stretch.cut(cut)))
        path.outcomes = timeline.outcomes.first(bisect_left(timeline.outcomes, cut, key=lambda each: each.told_in))
        path.passed = timeline.passed.first(bisect_left(timeline.passed, cut, key=lambda each: each.first))
        path.steps = timeline.steps.first(len(timeline.steps))
        path.steps.append(step)
        path.parted = max(cut - 1, 0)  # the last segment before the cut may have another length of sound
        if cut < timeline.settled:
            path.linear_from = timeline.linear_from  # the lead goes on from what it was
        return path


def _grown(path: _Path, scene: Scene, memory: Memory, *, entered: bool = False) -> Timeline:
    """Appends a scene and every scene that follows it without a decision.

    `entered`: the memory is that of a checkpoint, in which the visit of the scene is counted already.
    """
    on = path.on
    begins = path.stretches[-1].end if path.stretches else Ticks(0)
    for _ in range(MAX_AUTOMATIC_VISITS):
        memory = memory if entered else enter(memory, scene)
        entered = False
        visit = _placed(on, path.stretches[-1] if path.stretches else None, len(path.visits) + 1, memory, scene)
        path.visits.append(visit)
        path.stretches.append(visit.stretch)
        if scene.checkpoint is not None:
            path.passed.append(
                Passed(checkpoint=scene.checkpoint.id, visit=visit.number, first=visit.first, memory=memory)
            )
        if scene.end is not None or scene.decision is not None:
            break
        scene, memory = successor(on.story, memory, scene, None)
    return _with_preview(
        Timeline(
            stage=on,
            key=path.key,
            visits=path.visits,
            last=path.visits[-1],
            stretches=path.stretches,
            memory=memory,
            outcomes=path.outcomes,
            passed=path.passed,
            steps=path.steps,
            parted=path.parted,
            linear_from=begins if path.linear_from is None else path.linear_from,
            run=path.run,
        )
    )


def _placed(on: Stage, before: Stretch | None, number: int, memory: Memory, scene: Scene) -> Visit:
    clip, ends = on.package.scenes[scene.id], on.ends[scene.id]
    start = before.end if before is not None else Ticks(0)
    first = before.after if before is not None else 0
    placed = None
    if scene.decision is not None:
        opens = instant_within(scene.decision.opens_at, clip.duration)
        choices = offered(on.story, memory, scene.decision)
        drawn = scene.decision.default_is(RANDOM)
        placed = Placed(
            decision=scene.decision,
            choices=choices,
            default=None if drawn else default_of(memory, scene.decision, choices)[0].id,
            opens=Ticks(start + opens),
            closes=Ticks(start + instant_within(scene.decision.closes_at, clip.duration)),
            join=Ticks(start + clip.duration),
            opens_in=first + min(bisect_right(ends, opens), len(ends) - 1),
        )
    stretch = Stretch(visit=number, scene=scene.id, clip=clip, start=start, first=first, ends=ends)
    return Visit(number=number, scene=scene, stretch=stretch, placed=placed)


def _with_preview(timeline: Timeline) -> Timeline:
    placed = timeline.open
    if placed is None or placed.decision.immediate or placed.decision.hold is not None:
        return timeline  # what is listed after the scene depends on when an answer comes
    story, scene = timeline.stage.story, timeline.last.scene
    bases = [timeline.memory]
    if placed.default is None:  # a default that is drawn takes a draw, which an answer does not
        bases.append(default_of(timeline.memory, placed.decision, placed.choices)[1])
    ways = {
        after.id: memory
        for choice in placed.choices
        for before in bases
        for after, memory in (successor(story, take(story, before, placed.decision, choice), scene, choice),)
    }
    if len(ways) != 1:
        return timeline
    (name, memory), *_ = ways.items()
    only = story.scenes[name]
    number = timeline.last.number + 1
    visit = _placed(timeline.stage, timeline.last.stretch, number, enter(memory, only), only)
    # Its own decision depends on effects that are not committed yet, and ENDLIST must come with the last segment.
    count = visit.placed.opens_in - visit.first if visit.placed else len(visit.stretch.ends) - (only.end is not None)
    return replace(timeline, preview=visit, preview_segments=count)


def _key(before: bytes, what: object) -> bytes:
    return hashlib.blake2b(before + msgspec.msgpack.encode(what), digest_size=16).digest()
