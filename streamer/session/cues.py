"""What a page is told while a viewer watches: scenes begin, decisions open and are committed, the story ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from streamer.session.events import Committed, Event
from streamer.session.pacing import last_answer
from streamer.session.timeline import Placed, Timeline, Visit
from streamer.story.model import Story, text_in
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, whole_milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One thing to tell; `kind` is the event's name in the stream."""

    kind: str  # "scene", "decision", "answered", "committed", "clock" or "ended"
    data: dict[str, object]
    told: Told  # what is known once this was told


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one listener has been told so far."""

    visit: int = 0  # newest scene told of; 0: nothing yet
    opened: int = 0  # visit of the newest decision told of
    choice: str | None = None  # its answer, as told
    commits: int = 0
    running: bool = field(default=True)
    ended: bool = False


def cues_since(
    timeline: Timeline, events: tuple[Event, ...], told: Told, play: Ticks, *, running: bool
) -> Iterator[Cue]:
    """Gives what a listener has not been told yet, in order; one who was told nothing hears how things stand.

    Args:
        timeline: the session's path.
        events: its events.
        told: what the listener knows.
        play: the playhead, estimated.
        running: whether the viewer's time goes on.
    """
    story = timeline.stage.story
    playing = timeline.visit_playing(play)
    commits = timeline.commits
    if told.visit == 0:
        done = sum(commit.visit < playing.number for commit in commits)
        told = replace(told, visit=playing.number - 1, commits=done, running=running)
    for visit in timeline.visits[told.visit : playing.number]:
        told = replace(told, visit=visit.number)
        yield Cue(kind="scene", data=_scene(visit), told=told)
    placed, last = timeline.open, timeline.last
    if placed is not None and placed.opens <= play and told.opened != last.number:
        answer = last_answer(events, last.number)
        told = replace(told, opened=last.number, choice=answer.choice if answer else None, running=running)
        yield Cue(kind="decision", data=_decision(story, last, placed, told, play), told=told)
    elif placed is not None and told.opened == last.number:
        yield from _changes(placed, last, events, told, play, running=running)
        answer = last_answer(events, last.number)
        told = replace(told, choice=answer.choice if answer else None, running=running)
    for commit in commits[told.commits :]:
        told = replace(told, commits=told.commits + 1)
        yield Cue(kind="committed", data=_committed(commit), told=told)
    if timeline.complete and play >= last.end and not told.ended:
        told = replace(told, ended=True)
        yield Cue(kind="ended", data={"ending": last.scene.end, "visit": last.number}, told=told)


def next_cue_ms(timeline: Timeline, told: Told, play: Ticks) -> int | None:
    """Gives the milliseconds of play until the next cue that the clock alone brings; None: there is none."""
    moments: list[int] = [visit.start for visit in timeline.visits[told.visit : told.visit + 1]]
    placed = timeline.open
    if placed is not None:
        moments += (placed.opens, placed.closes)
    elif not told.ended:
        moments.append(timeline.last.end)
    return min((whole_milliseconds(moment - play) for moment in moments if moment > play), default=None)


def _changes(
    placed: Placed, visit: Visit, events: tuple[Event, ...], told: Told, play: Ticks, *, running: bool
) -> Iterator[Cue]:
    answer = last_answer(events, visit.number)
    choice = answer.choice if answer is not None else None
    if choice != told.choice:
        told = replace(told, choice=choice)
        data = {"visit": visit.number, "decision": placed.decision.id, "choice": choice}
        yield Cue(kind="answered", data={**data, "closes_in_ms": _closes_in(placed, play)}, told=told)
    if running != told.running:
        told = replace(told, running=running)
        yield Cue(kind="clock", data={"running": running, "closes_in_ms": _closes_in(placed, play)}, told=told)


def _closes_in(placed: Placed, play: Ticks) -> int:
    return max((placed.closes - play) * 1000 // TICKS_PER_SECOND, 0)


def _scene(visit: Visit) -> dict[str, object]:
    return {
        "visit": visit.number,
        "scene": visit.scene.id,
        "start": decimal_seconds(visit.start, 3),
        "end": visit.scene.end,
    }


def _decision(story: Story, visit: Visit, placed: Placed, told: Told, play: Ticks) -> dict[str, object]:
    return {
        "visit": visit.number,
        "scene": visit.scene.id,
        "decision": placed.decision.id,
        "prompt": text_in(placed.decision.prompt, story.language),
        "choices": [{"id": choice.id, "label": text_in(choice.label, story.language)} for choice in placed.choices],
        "default": placed.decision.default,
        "choice": told.choice,
        "opens": decimal_seconds(placed.opens, 3),
        "locks": decimal_seconds(placed.closes, 3),
        "closes_in_ms": _closes_in(placed, play),
        "window_ms": (placed.closes - placed.opens) * 1000 // TICKS_PER_SECOND,
        "running": told.running,
    }


def _committed(commit: Committed) -> dict[str, object]:
    return {"visit": commit.visit, "decision": commit.decision, "choice": commit.choice, "by": commit.by}
