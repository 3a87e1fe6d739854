"""What a page is told while a viewer watches: scenes begin, decisions open and are committed, the story ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile

from streamer.session.events import Committed, Event, Step, WentBack
from streamer.session.pacing import Course, answer_to
from streamer.session.timeline import Placed, Timeline, Visit
from streamer.story.labels import label, link
from streamer.story.model import Choice, Happening, Text, instant_within
from streamer.story.rules import Memory, holds, picture_of
from streamer.story.visit import memory_before
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, whole_milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One thing to tell; `kind` is the event's name in the stream."""

    kind: str  # "run", "scene", "cue", "decision", "answered", "committed", "back", "clock" or "ended"
    data: dict[str, object]
    told: Told  # what is known once this was told


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one listener has been told so far."""

    visit: int = 0  # newest scene told of; 0: nothing yet
    happened: int = 0  # events of that scene told of
    opened: int = 0  # serial of the newest decision told of
    choice: str | None = None  # its answer, as told
    answered: str = ""  # and the answer_id of that
    steps: int = 0
    run: int = 0
    holding: bool = False
    running: bool = field(default=True)
    ended: bool = False


def cues_since(
    course: Course, events: tuple[Event, ...], told: Told, play: Ticks, *, running: bool, token: str = ""
) -> Iterator[Cue]:
    """Gives what a listener has not been told yet, in order; one who was told nothing hears how things stand.

    Args:
        course: the session's path and what decides its pace.
        events: its events.
        told: what the listener knows.
        play: the playhead, estimated.
        running: whether the viewer's time goes on.
        token: what stands for the viewer in links.
    """
    timeline, steps = course.timeline, course.timeline.steps
    playing = timeline.visit_playing(play)
    if told.run != timeline.run:
        again = told.run != 0
        done = sum(1 for _ in takewhile(lambda step: _is_over(step, playing), steps))
        before = timeline.visit_numbered(playing.number - 1)
        past = len(_cued(before)) if before is not None else 0  # news are of the scene that plays
        told = Told(run=timeline.run, visit=playing.number - 1, happened=past, steps=done, running=running)
        if again:
            yield Cue(kind="run", data={"run": timeline.run}, told=told)
    for cue in _of_scenes(timeline, playing, told, play):
        told = cue.told
        yield cue
    placed = timeline.open
    if placed is not None and told.opened == placed.serial:
        for cue in _changes(course, placed, events, told, play, running=running):
            told = cue.told
            yield cue
    elif placed is not None and placed.opens <= play:
        answer = answer_to(events, timeline)
        told = replace(
            told,
            opened=placed.serial,
            choice=answer.choice if answer else None,
            answered=answer.answer_id if answer else "",
            running=running,
            holding=_is_holding(course, play),
        )
        yield Cue(kind="decision", data=_decision(course, placed, told, play, token=token), told=told)
    for step in steps.between(told.steps, len(steps)):
        told = replace(told, steps=told.steps + 1)
        yield Cue(kind="back" if isinstance(step, WentBack) else "committed", data=_step(timeline, step), told=told)
    if timeline.complete and play >= timeline.end and not told.ended:
        told = replace(told, ended=True)
        yield Cue(kind="ended", data=_end(timeline), told=told)


def next_cue_ms(course: Course, told: Told, play: Ticks) -> int | None:
    """Gives the milliseconds of play until the next cue that the clock alone brings; None: there is none."""
    timeline = course.timeline
    moments: list[int] = [visit.start for visit in timeline.visits.between(told.visit, told.visit + 1)]
    playing = timeline.visit_numbered(told.visit)
    moments += [at for at, _ in _cued(playing)[told.happened :]] if playing is not None else []
    placed = timeline.open
    if placed is not None:
        moments += (placed.opens, course.lock or placed.closes)
    elif not told.ended:
        moments.append(timeline.end)
    return min((whole_milliseconds(moment - play) for moment in moments if moment > play), default=None)


def _of_scenes(timeline: Timeline, playing: Visit, told: Told, play: Ticks) -> Iterator[Cue]:
    """Gives the scenes that have begun, each with what has happened in it."""
    known = timeline.visit_numbered(told.visit)
    if known is not None:
        for cue in _happenings(timeline, known, told, play):
            told = cue.told
            yield cue
    for visit in timeline.visits.between(told.visit, playing.number):
        told = replace(told, visit=visit.number, happened=0)
        yield Cue(kind="scene", data=_scene(timeline, visit), told=told)
        for cue in _happenings(timeline, visit, told, play):
            told = cue.told
            yield cue


def _is_over(step: Step, playing: Visit) -> bool:
    """Tells whether a viewer has seen what a step led to."""
    if isinstance(step, Committed):
        return step.visit < playing.number
    return isinstance(step, WentBack) and step.cut <= playing.first


def _changes(
    course: Course, placed: Placed, events: tuple[Event, ...], told: Told, play: Ticks, *, running: bool
) -> Iterator[Cue]:
    visit = course.timeline.last
    answer = answer_to(events, course.timeline)
    choice = answer.choice if answer is not None else None
    typed = placed.decision.code_length > 0
    given = answer.answer_id if answer is not None else ""
    # Of codes every one is told of, and not what it means: else who guesses would know when they are right.
    if (given != told.answered) if typed else (choice != told.choice):
        told = replace(told, choice=choice, answered=given)
        data: dict[str, object] = {"visit": visit.number, "decision": placed.decision.id}
        data["choice"] = None if typed else choice
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


def _cued(visit: Visit) -> list[tuple[Ticks, Happening]]:
    """Gives the events of a visit that pages are told of, with their place on the timeline."""
    length = visit.progress.length
    found = ((Ticks(visit.start + instant_within(event.at, length)), event) for event in visit.scene.events)
    return sorted(((at, event) for at, event in found if event.cue is not None), key=lambda pair: pair[0])


def _happenings(timeline: Timeline, visit: Visit, told: Told, play: Ticks) -> Iterator[Cue]:
    story = timeline.stage.story
    for at, event in _cued(visit)[told.happened :]:
        if at > play or at >= visit.end:
            return
        memory = memory_before(story, visit.progress, event)
        if memory is None and event.when is not None:
            return  # whether it happens depends on a decision that is not committed yet
        told = replace(told, happened=told.happened + 1)
        if memory is None or holds(story, memory, event.when):
            data = {"cue": event.cue, "visit": visit.number, "scene": visit.scene.id, "at": decimal_seconds(at, 3)}
            yield Cue(kind="cue", data={**data, **_tracked(event.track)}, told=told)


def _tracked(track: Mapping[str, str]) -> dict[str, object]:
    return {"track": dict(track)} if track else {}


def _scene(timeline: Timeline, visit: Visit) -> dict[str, object]:
    story, ending = timeline.stage.story, visit.scene.end
    passed = dict.fromkeys(passed.checkpoint for passed in timeline.passed if passed.first <= visit.first)
    offers = ending.offers if ending is not None and ending.offers else tuple(passed)
    scenes = story.scenes.values()
    labels = {scene.checkpoint.id: scene.checkpoint.label for scene in scenes if scene.checkpoint}
    data: dict[str, object] = {
        "visit": visit.number,
        "scene": visit.scene.id,
        "start": decimal_seconds(visit.start, 3),
        "end": ending.id if ending is not None else None,
        "checkpoints": [
            {"id": name, "label": text_for(timeline, visit.progress.entered, labels[name])}
            for name in passed
            if name in offers
        ],
        "menu": [
            {"id": item.id, "label": text_for(timeline, visit.progress.entered, item.label)}
            for item in story.menu
            if holds(story, visit.progress.entered, item.when)
        ],
        **_tracked(visit.scene.track),
    }
    if ending is not None:
        data["goal"] = ending.goal
        if ending.credits is not None:
            begin = visit.start + instant_within(ending.credits, visit.progress.length)
            data["credits"] = decimal_seconds(Ticks(begin), 3)
    return data


def _end(timeline: Timeline) -> dict[str, object]:
    last = timeline.last
    ending = last.scene.end
    return {
        "ending": ending.id if ending is not None else None,
        "goal": ending is not None and ending.goal,
        "score": timeline.memory.score,
        "visit": last.number,
    }


def text_for(timeline: Timeline, memory: Memory, text: Text) -> str:
    """Gives a text as the viewer of a path reads it, personal inputs too."""
    return label(timeline.stage.story, memory, text, timeline.language, private=True)


def _decision(course: Course, placed: Placed, told: Told, play: Ticks, *, token: str) -> dict[str, object]:
    timeline, decision, visit = course.timeline, placed.decision, course.timeline.last
    data: dict[str, object] = {
        "visit": visit.number,
        "scene": visit.scene.id,
        "decision": decision.id,
        "prompt": None if decision.prompt is None else text_for(timeline, placed.memory, decision.prompt),
        "choices": [_choice(timeline, placed, choice, token) for choice in placed.choices],
        "default": placed.default,
        "choice": told.choice,
        "opens": decimal_seconds(placed.opens, 3),
        "locks": decimal_seconds(course.lock or placed.closes, 3),
        "lock": "immediate" if decision.immediate else "at_close",
        "closes_in_ms": _closes_in(course, play),
        "window_ms": ((course.lock or placed.closes) - placed.opens) * 1000 // TICKS_PER_SECOND,
        "hold_ms": course.hold * 1000 // TICKS_PER_SECOND,
        "holding": told.holding,
        "running": told.running,
    }
    if decision.code_length:
        # What is typed is not told, nor what it would lead to.
        data |= {
            "choices": [],
            "choice": None,
            "default": None,
            "input": {"type": "code", "length": decision.code_length, "given": bool(told.answered)},
        }
    if decision.layout is not None:
        data["layout"] = decision.layout
    if decision.speak:
        data["speak"] = True
    if decision.keys:
        data["keys"] = list(decision.keys)
    return data


def _choice(timeline: Timeline, placed: Placed, choice: Choice, token: str) -> dict[str, object]:
    story, files = timeline.stage.story, timeline.stage.package.pictures
    data: dict[str, object] = {"id": choice.id, "label": text_for(timeline, placed.memory, choice.label)}
    picture = picture_of(story, placed.memory, choice.pictures)
    if picture is not None:
        data["image"] = files[picture]
    if choice.url is not None:
        data["url"] = link(placed.memory, choice.url, token=token)
    return {**data, **_tracked(choice.track)}


def _step(timeline: Timeline, step: Step) -> dict[str, object]:
    if isinstance(step, Committed):
        return {"visit": step.visit, "decision": step.decision, "choice": step.choice, "by": step.by}
    assert isinstance(step, WentBack)  # after a restart the steps are another timeline's
    where = {"checkpoint": step.checkpoint} if step.checkpoint else {"item": step.item}
    return {**where, "start": decimal_seconds(timeline.end_of(step.cut - 1), 3)}
