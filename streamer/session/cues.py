"""What a page is told while a viewer watches: scenes begin, decisions open and are committed, the story ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile

from streamer.session.events import Committed, Event, Step, WentBack
from streamer.session.pacing import Course, last_answer
from streamer.session.timeline import Placed, Timeline, Visit
from streamer.story.model import Story, text_in
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, whole_milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One thing to tell; `kind` is the event's name in the stream."""

    kind: str  # "run", "scene", "decision", "answered", "committed", "back", "clock" or "ended"
    data: dict[str, object]
    told: Told  # what is known once this was told


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one listener has been told so far."""

    visit: int = 0  # newest scene told of; 0: nothing yet
    opened: int = 0  # visit of the newest decision told of
    choice: str | None = None  # its answer, as told
    steps: int = 0
    run: int = 0
    holding: bool = False
    running: bool = field(default=True)
    ended: bool = False


def cues_since(course: Course, events: tuple[Event, ...], told: Told, play: Ticks, *, running: bool) -> Iterator[Cue]:
    """Gives what a listener has not been told yet, in order; one who was told nothing hears how things stand.

    Args:
        course: the session's path and what decides its pace.
        events: its events.
        told: what the listener knows.
        play: the playhead, estimated.
        running: whether the viewer's time goes on.
    """
    timeline, steps = course.timeline, course.timeline.steps
    playing = timeline.visit_playing(play)
    if told.run != timeline.run:
        again = told.run != 0
        done = sum(1 for _ in takewhile(lambda step: _is_over(step, playing), steps))
        told = Told(run=timeline.run, visit=playing.number - 1, steps=done, running=running)
        if again:
            yield Cue(kind="run", data={"run": timeline.run}, told=told)
    for visit in timeline.visits.between(told.visit, playing.number):
        told = replace(told, visit=visit.number)
        yield Cue(kind="scene", data=_scene(timeline, visit), told=told)
    placed, last = timeline.open, timeline.last
    if placed is not None and placed.opens <= play and told.opened != last.number:
        answer = last_answer(events, last.number)
        told = replace(
            told,
            opened=last.number,
            choice=answer.choice if answer else None,
            running=running,
            holding=_is_holding(course, play),
        )
        yield Cue(kind="decision", data=_decision(course, last, placed, told, play), told=told)
    elif placed is not None and told.opened == last.number:
        for cue in _changes(course, placed, events, told, play, running=running):
            told = cue.told
            yield cue
    for step in steps.between(told.steps, len(steps)):
        told = replace(told, steps=told.steps + 1)
        yield Cue(kind="back" if isinstance(step, WentBack) else "committed", data=_step(timeline, step), told=told)
    if timeline.complete and play >= last.end and not told.ended:
        told = replace(told, ended=True)
        yield Cue(kind="ended", data={"ending": last.scene.end, "visit": last.number}, told=told)


def next_cue_ms(course: Course, told: Told, play: Ticks) -> int | None:
    """Gives the milliseconds of play until the next cue that the clock alone brings; None: there is none."""
    timeline = course.timeline
    moments: list[int] = [visit.start for visit in timeline.visits.between(told.visit, told.visit + 1)]
    placed = timeline.open
    if placed is not None:
        moments += (placed.opens, course.lock or placed.closes)
    elif not told.ended:
        moments.append(timeline.last.end)
    return min((whole_milliseconds(moment - play) for moment in moments if moment > play), default=None)


def _is_over(step: Step, playing: Visit) -> bool:
    """Tells whether a viewer has seen what a step led to."""
    if isinstance(step, Committed):
        return step.visit < playing.number
    return isinstance(step, WentBack) and step.cut <= playing.first


def _changes(
    course: Course, placed: Placed, events: tuple[Event, ...], told: Told, play: Ticks, *, running: bool
) -> Iterator[Cue]:
    visit = course.timeline.last
    answer = last_answer(events, visit.number)
    choice = answer.choice if answer is not None else None
    if choice != told.choice:
        told = replace(told, choice=choice)
        data = {"visit": visit.number, "decision": placed.decision.id, "choice": choice}
        yield Cue(kind="answered", data={**data, "closes_in_ms": _closes_in(course, play)}, told=told)
    holding = _is_holding(course, play)
    if running != told.running or holding != told.holding:
        told = replace(told, running=running, holding=holding)
        data = {"running": running, "holding": holding, "closes_in_ms": _closes_in(course, play)}
        yield Cue(kind="clock", data=data, told=told)


def _is_holding(course: Course, play: Ticks) -> bool:
    return course.held > 0 and course.lock is not None and play >= course.lock


def _closes_in(course: Course, play: Ticks) -> int:
    """Gives the milliseconds until the lock; once a loop holds the decision open, until that is over."""
    until = course.over if _is_holding(course, play) else course.lock
    return max(((until or play) - play) * 1000 // TICKS_PER_SECOND, 0)


def _scene(timeline: Timeline, visit: Visit) -> dict[str, object]:
    story = timeline.stage.story
    passed = dict.fromkeys(passed.checkpoint for passed in timeline.passed if passed.first <= visit.first)
    labels = {scene.checkpoint.id: scene.checkpoint.label for scene in story.scenes.values() if scene.checkpoint}
    return {
        "visit": visit.number,
        "scene": visit.scene.id,
        "start": decimal_seconds(visit.start, 3),
        "end": visit.scene.end,
        "checkpoints": [{"id": name, "label": text_in(labels[name], story.language)} for name in passed],
    }


def _decision(course: Course, visit: Visit, placed: Placed, told: Told, play: Ticks) -> dict[str, object]:
    story: Story = course.timeline.stage.story
    return {
        "visit": visit.number,
        "scene": visit.scene.id,
        "decision": placed.decision.id,
        "prompt": text_in(placed.decision.prompt, story.language),
        "choices": [{"id": choice.id, "label": text_in(choice.label, story.language)} for choice in placed.choices],
        "default": placed.default,
        "choice": told.choice,
        "opens": decimal_seconds(placed.opens, 3),
        "locks": decimal_seconds(course.lock or placed.closes, 3),
        "lock": "immediate" if placed.decision.immediate else "at_close",
        "closes_in_ms": _closes_in(course, play),
        "window_ms": ((course.lock or placed.closes) - placed.opens) * 1000 // TICKS_PER_SECOND,
        "hold_ms": course.hold * 1000 // TICKS_PER_SECOND,
        "holding": told.holding,
        "running": told.running,
    }


def _step(timeline: Timeline, step: Step) -> dict[str, object]:
    if isinstance(step, Committed):
        return {"visit": step.visit, "decision": step.decision, "choice": step.choice, "by": step.by}
    assert isinstance(step, WentBack)  # after a restart the steps are another timeline's
    return {"checkpoint": step.checkpoint, "start": decimal_seconds(timeline.end_of(step.cut - 1), 3)}
