"""A session's path bound to media: visits in order, each with its place in time and among the segments.

A longer path only appends, from a segment on that nobody has seen. What was published never changes because of that
one property.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile

import msgspec

from streamer.media.index import (
    AUDIO_FRAME_SAMPLES,
    ClipIndex,
    Package,
    audio_frames_at,
    part_target_ms,
    segment_ticks,
)
from streamer.pieces import Pieces
from streamer.session.events import Committed, Step, WentBack
from streamer.story.model import RANDOM, Choice, Decision, Scene, Story, instant_within
from streamer.story.rules import (
    Memory,
    Opening,
    begin,
    begun_again,
    default_of,
    led_to,
    opening_scene,
    successor,
)
from streamer.story.visit import DEFAULT, TIMEOUT, VIEWER, Lengths, Progress, answer, arrive, left_at, re_enter
from streamer.units import Ticks, ticks_of

MOST_DECISIONS = 16  # of one scene
NOTHING_GIVEN = Opening()
# A chain of scenes without a decision that is longer than this ends the path: a story that cannot be left must not
# fill the memory of the server. At 2 s a scene it is half an hour.
MAX_AUTOMATIC_VISITS = 1000
NEAR = 4  # stretches from the newest on that are looked at one by one: a poll seldom asks for older ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A story with its media: the clips of scenes and hold loops, and where their segments end."""

    story: Story
    package: Package
    lengths: Lengths  # by scene: of its takes
    ends: Mapping[str, tuple[tuple[Ticks, ...], ...]]  # likewise: the end of each picture segment from its start
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
        lengths={name: tuple(clip.duration for clip in clips) for name, clips in package.scenes.items()},
        ends={name: tuple(map(ends, clips)) for name, clips in package.scenes.items()},
        hold_ends={name: ends(clip) for name, clip in package.holds.items()},
        part_target_ms=part_target_ms(package),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A decision at its place on a timeline."""

    decision: Decision
    serial: int  # of the decision on its path: rises from one to the next
    choices: tuple[Choice, ...]  # those offered
    opens: Ticks  # from the start of the timeline
    closes: Ticks  # the lock
    opens_in: int  # Media Sequence Number of the segment it is listed with: as a rule the one that holds `opens`
    barrier: int  # likewise of the first segment that depends on the answer
    join: Ticks  # where that begins
    default: str | None  # choice taken without an answer; None: it is drawn, or there is none
    memory: Memory  # as it is asked


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
    progress: Progress  # how far it has come
    placed: tuple[Placed, ...] = ()  # the decisions it has come to

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
    choice: str | None
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
    stretches: Pieces[Stretch]  # what is listed: the visits', and passes of hold loops between them and after the last
    outcomes: Pieces[Outcome]  # none told sooner than the one before
    language: str  # of texts; empty: the story's
    passed: Pieces[Passed]
    steps: Pieces[Step]  # of this run
    preview: Visit | None = None
    preview_segments: int = 0  # of the preview's, those that may be listed before the lock
    parted: int = 0  # Media Sequence Number of the first segment that the path before the last step does not have
    linear_from: Ticks = Ticks(0)  # where the part without an open decision begins
    run: int = 1
    whole: bool = False  # nothing was left to decide as the run began: it is known to its end from the first answer on

    @property
    def open(self) -> Placed | None:
        """Gives the decision that the path waits for, or None at an ending."""
        return self.last.placed[-1] if self.last.progress.asked is not None else None

    @property
    def memory(self) -> Memory:
        """Gives the story's memory where the path is settled to."""
        return self.last.progress.memory

    @property
    def settled(self) -> int:
        """Gives how many segments the settled path has, those among them that an answer may still drop."""
        return self.stretches[-1].after

    @property
    def end(self) -> Ticks:
        """Gives where the settled path ends."""
        return self.stretches[-1].end

    @property
    def listable(self) -> int:
        """Gives how many segments may be published with what is committed, hold loops aside."""
        placed = self.open
        return self.settled if placed is None else placed.barrier + self.preview_segments

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
        for back in range(1, min(len(self.stretches), NEAR) + 1):
            near = self.stretches[-back]
            if segment >= near.first:
                return near
        return self.stretches[bisect_right(self.stretches, segment, key=lambda stretch: stretch.first) - 1]

    def outcomes_told_in(self, segment: int) -> Iterator[Outcome]:
        """Gives the outcomes that are told with a segment."""
        if not self.outcomes or self.outcomes[-1].told_in < segment:
            return iter(())
        place = bisect_left(self.outcomes, segment, key=lambda outcome: outcome.told_in)
        return takewhile(lambda each: each.told_in == segment, self.outcomes.between(place, len(self.outcomes)))

    def stretch_from(self, start: Ticks) -> Stretch | None:
        """Gives the stretch that begins there, those that may follow the settled path among them; None: none does."""
        if start >= self.end:
            found = self.stretch_at(self.settled)
            if self.preview is None and self.holds:
                loop = (start - self.end) // found.ends[-1]
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
        placed = visit.placed if visit is not None else ()
        return next(((stretch.visit, each) for each in placed if each.opens_in == segment), None)

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
            start=Ticks(self.end + loop * ends[-1]),
            first=self.settled + loop * len(ends),
            ends=ends,
            loop=loop + 1,
        )


def start_timeline(on: Stage, opening: Opening = NOTHING_GIVEN) -> Timeline:
    """Gives the path before any choice."""
    memory = begin(on.story, opening)
    given = memory.given
    language = opening.language if opening.language in on.story.languages - {on.story.language} else ""
    follows_from = (
        sorted(given.profile.items()),
        given.seed,
        sorted(given.arms.items()),
        sorted(given.kept.items()),
        (given.hour, given.weekday),
        language,
    )
    path = _Path(on=on, key=_key(on.package.revision.encode(), follows_from), language=language)
    return _grown(path, *opening_scene(on.story, memory))


def follow(timeline: Timeline, step: Step) -> Timeline:
    """Gives the path with one step more.

    Raises:
        ValueError: the step does not fit the path.
    """
    if isinstance(step, Committed):
        return _committed(timeline, step)
    published = step.cut if isinstance(step, WentBack) else timeline.settled
    if isinstance(step, WentBack):
        path = _Path.of(timeline, step, step.cut)
    else:
        key = _key(timeline.key, step)
        path = _Path(on=timeline.stage, key=key, language=timeline.language, run=timeline.run + 1)
    if step.item:
        return _grown(path, *_by_the_menu(timeline, step.item, published))
    passed = checkpoint_passed(timeline, step.checkpoint, published)
    if passed is None:
        raise ValueError(f"{step} names a checkpoint that the path has not passed")
    scenes = timeline.stage.story.scenes.values()
    scene = next(each for each in scenes if each.checkpoint is not None and each.checkpoint.id == step.checkpoint)
    return _grown(path, scene, passed.memory, entered=True)


def checkpoint_passed(timeline: Timeline, checkpoint: str, published: int) -> Passed | None:
    """Gives the last time that a viewer to whom so many segments were published passed a checkpoint, or None."""
    found = (each for each in reversed(timeline.passed) if each.checkpoint == checkpoint and each.first < published)
    return next(found, None)


def memory_at(timeline: Timeline, published: int) -> Memory:
    """Gives the story's memory of a viewer to whom so many segments were published and no more will be."""
    story, stage, preview = timeline.stage.story, timeline.stage, timeline.preview
    if not published:
        return begun_again(story, timeline.visits[0].progress.entered)
    if published > timeline.settled and preview is not None:  # what it follows from was never decided
        memory = left_at(story, timeline.last.progress, timeline.last.progress.length)
        visit = replace(preview, progress=arrive(story, memory, preview.scene, stage.lengths))
    else:
        visit = timeline.visits[timeline.stretch_at(published - 1).visit - 1]
    seen = Ticks(timeline.end_of(published - 1) - visit.start)
    return left_at(story, visit.progress, seen)


def fold(on: Stage, opening: Opening, steps: tuple[Step, ...]) -> Timeline:
    """Gives the path of a session from its steps."""
    timeline = start_timeline(on, opening)
    for step in steps:
        timeline = follow(timeline, step)
    return timeline


def leads_on(timeline: Timeline, choice: Choice | None, by: str = VIEWER) -> bool:
    """Tells whether the story goes on after the open decision is answered so; else it ends there."""
    placed, scene = timeline.open, timeline.last.scene
    assert placed is not None
    target = placed.decision.timeout if by == TIMEOUT else choice.to if choice is not None else None
    return scene.end is None or target is not None or timeline.last.progress.target is not None


def _by_the_menu(timeline: Timeline, item_id: str, published: int) -> tuple[Scene, Memory]:
    story = timeline.stage.story
    item = next((each for each in story.menu if each.id == item_id), None)
    if item is None:
        raise ValueError(f"the menu has no item {item_id!r}")
    memory = memory_at(timeline, published)
    return led_to(story, begun_again(story, memory) if item.reset else memory, item.to)


def _committed(timeline: Timeline, step: Committed) -> Timeline:
    last, placed, story = timeline.last, timeline.open, timeline.stage.story
    choice = placed.decision.choice(step.choice) if placed is not None else None
    known = choice is not None or (step.choice is None and step.by == TIMEOUT)
    if placed is None or not known or (step.visit, step.decision) != (last.number, placed.decision.id):
        raise ValueError(f"{step} does not answer visit {last.number} of scene {last.scene.id!r}")
    progress = answer(story, last.progress, choice, step.by)
    # A commit is told with the first segment that nobody has seen before it.
    told_in = timeline.listable if step.cut is None else step.cut
    outcome = Outcome(placed=placed, visit=last.number, choice=step.choice, by=step.by, told_in=told_in)
    path = _Path.of(timeline, step, timeline.settled if step.cut is None else step.cut)
    path.parted = told_in if step.cut is None else path.parted
    path.outcomes.append(outcome)
    if step.cut is not None and step.cut < last.after:
        seen = Ticks(timeline.end_of(step.cut - 1) - last.start)
        assert choice is not None  # only an answer cuts a scene, and one that leads elsewhere
        path.visits.replace_last(replace(path.visits[-1], progress=progress))
        return _grown(path, *successor(story, left_at(story, progress, seen), last.scene, choice.to))
    path.visits.replace_last(_asked(replace(last, progress=progress), story))
    over = progress.asked is None
    if not over or (last.scene.end is not None and progress.target is None):
        return _with_preview(path.timeline(path.linear_from or timeline.linear_from))
    return _grown(path, *successor(story, progress.memory, last.scene, progress.target))


class _Path:
    """A path as it is put together."""

    def __init__(self, *, on: Stage, key: bytes, language: str, run: int = 1) -> None:
        self.on = on
        self.key = key
        self.language = language
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
        path = cls(on=timeline.stage, key=_key(timeline.key, step), language=timeline.language, run=timeline.run)
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

    def timeline(self, linear_from: Ticks, *, whole: bool = False) -> Timeline:
        """Gives the path as it is now."""
        return Timeline(
            stage=self.on,
            key=self.key,
            visits=self.visits,
            last=self.visits[-1],
            stretches=self.stretches,
            outcomes=self.outcomes,
            language=self.language,
            passed=self.passed,
            steps=self.steps,
            parted=self.parted,
            linear_from=linear_from,
            run=self.run,
            whole=whole,
        )


def _grown(path: _Path, scene: Scene, memory: Memory, *, entered: bool = False) -> Timeline:
    """Appends a scene and every scene that follows it with nothing to decide.

    `entered`: the memory is that of a checkpoint, in which the visit of the scene is counted already.
    """
    on, story = path.on, path.on.story
    begins = path.stretches[-1].end if path.stretches else Ticks(0)
    anew = not path.stretches
    for _ in range(MAX_AUTOMATIC_VISITS):
        progress = (re_enter if entered else arrive)(story, memory, scene, on.lengths)
        entered = False
        visit = _placed(on, path.stretches[-1] if path.stretches else None, len(path.visits) + 1, progress)
        path.visits.append(visit)
        path.stretches.append(visit.stretch)
        if scene.checkpoint is not None:
            memory = progress.entered
            path.passed.append(
                Passed(checkpoint=scene.checkpoint.id, visit=visit.number, first=visit.first, memory=memory)
            )
        is_over = scene.end is not None and progress.target is None
        if progress.asked is not None or is_over or len(path.visits) >= story.max_steps:
            break
        scene, memory = successor(story, progress.memory, scene, progress.target)
    found = path.timeline(begins if path.linear_from is None else path.linear_from, whole=anew)
    return _with_preview(found if found.complete else replace(found, whole=False))


def _placed(on: Stage, before: Stretch | None, number: int, progress: Progress) -> Visit:
    scene, take = progress.scene, progress.take
    clip, ends = on.package.scenes[scene.id][take], on.ends[scene.id][take]
    start = before.end if before is not None else Ticks(0)
    first = before.after if before is not None else 0
    stretch = Stretch(visit=number, scene=scene.id, clip=clip, start=start, first=first, ends=ends)
    return _asked(Visit(number=number, scene=scene, stretch=stretch, progress=progress), on.story)


def _asked(visit: Visit, story: Story) -> Visit:
    """Places the decision that a visit has come to; as it was if it has come to none."""
    asked, stretch = visit.progress.asked, visit.stretch
    if asked is None:
        return visit
    ends, decision = stretch.ends, asked.decision
    index = visit.scene.decisions.index(decision)
    before = visit.placed[-1] if visit.placed else None
    opens_in = stretch.first + min(bisect_right(ends, asked.opens), len(ends) - 1)
    if before is not None:
        opens_in = max(opens_in, before.barrier)
    later = visit.scene.decisions[index + 1 :]
    barrier = visit.after
    if later:
        # The next decision is listed with the segment that opens it, but so that the lock before leaves players the
        # time to fetch it: what it offers may depend on this one.
        opens = min(instant_within(each.opens_at, visit.progress.length) for each in later)
        natural = bisect_right(ends, opens)
        free = bisect_left((Ticks(0), *ends), Ticks(asked.closes + story.lead))
        barrier = stretch.first + min(max(natural, free), len(ends) - 1)
    elif visit.scene.end is not None and decision.hold is None:
        barrier -= 1  # ENDLIST must come with the last segment
    placed = Placed(
        decision=decision,
        serial=visit.number * MOST_DECISIONS + index,
        choices=asked.choices,
        opens=Ticks(visit.start + asked.opens),
        closes=Ticks(visit.start + asked.closes),
        opens_in=opens_in,
        barrier=barrier,
        join=Ticks(visit.start + (ends[barrier - stretch.first - 1] if barrier > stretch.first else 0)),
        default=_default(visit.progress.memory, decision, asked.choices),
        memory=visit.progress.memory,
    )
    return replace(visit, placed=(*visit.placed, placed))


def _default(memory: Memory, decision: Decision, choices: tuple[Choice, ...]) -> str | None:
    if decision.default_is(RANDOM):
        return None
    choice, _ = default_of(memory, decision, choices)
    return choice.id if choice is not None else None


def _with_preview(timeline: Timeline) -> Timeline:
    placed = timeline.open
    if placed is None or placed.barrier != timeline.settled or placed.decision.immediate or timeline.holds:
        return timeline  # what is listed after the scene depends on when an answer comes
    story, last = timeline.stage.story, timeline.last
    ways: dict[tuple[str, int], Progress] = {}
    for choice, by in _possible(placed):
        progress = answer(story, last.progress, choice, by)
        scene, memory = successor(story, progress.memory, last.scene, progress.target)
        after = arrive(story, memory, scene, timeline.stage.lengths)
        ways.setdefault((scene.id, after.take), after)
    if len(ways) != 1:
        return timeline
    (only,) = ways.values()
    visit = _placed(timeline.stage, timeline.stretches[-1], last.number + 1, only)
    # What it asks depends on effects that are not committed yet, and ENDLIST must come with the last segment.
    count = len(visit.stretch.ends) - (only.scene.end is not None)
    if only.scene.decisions:
        opens = min(instant_within(each.opens_at, only.length) for each in only.scene.decisions)
        count = min(bisect_right(visit.stretch.ends, opens), count)
    return replace(timeline, preview=replace(visit, placed=()), preview_segments=count)


def _possible(placed: Placed) -> list[tuple[Choice | None, str]]:
    """Gives every way in which a decision may still go: what is chosen, and by what."""
    found: list[tuple[Choice | None, str]] = [(choice, VIEWER) for choice in placed.choices]
    decision = placed.decision
    if decision.timeout is not None:
        drawn = placed.choices if decision.default_is(RANDOM) else [decision.choice(placed.default)]
        found += [(choice, TIMEOUT) for choice in drawn]
    elif placed.default is None:  # a default that is drawn takes a draw, which an answer does not
        found += [(choice, DEFAULT) for choice in placed.choices]
    return found


def _key(before: bytes, what: object) -> bytes:
    return hashlib.blake2b(before + msgspec.msgpack.encode(what), digest_size=16).digest()
