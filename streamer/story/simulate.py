"""Many viewings of a story and what they have in common: what is never reached, how long it takes, how it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from streamer.story.model import Story
from streamer.story.rules import possible_successors
from streamer.story.visit import RULE
from streamer.story.walk import Walk
from streamer.units import TICKS_PER_SECOND, Ticks

NOBODY = "(none)"  # in place of a choice, where none was taken
AHEAD_SECONDS = (6, 10, 18, 30)  # how much settled media lie ahead, as the report asks


class Spread(msgspec.Struct, frozen=True):
    """How values are spread; None of each: there were none."""

    shortest: float | None = None
    median: float | None = None
    longest: float | None = None


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A way from scene to scene that the story has."""

    before: str = msgspec.field(name="from")
    after: str = msgspec.field(name="to")
    share: float  # of the viewers who went it


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What viewings have in common; shares are of 1."""

    viewers: int
    stopped: int  # viewings that came to no end
    length_seconds: Spread
    endings: dict[str, float]  # share of the viewers, by ending
    scenes: dict[str, float]  # share of the viewers who saw it, by scene; 0: never reached
    transitions: tuple[Transition, ...]
    choices: dict[str, dict[str, float]]  # share of its answers, by decision and choice
    seconds_between_decisions: Spread  # from lock to lock
    share_of_time_with_less_ahead: dict[str, float]  # by seconds of settled media ahead, answers counting at locks


class Simulation:
    """Gathers viewings and reports on them; memory grows with their number, not with their length."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._scenes: Counter[str] = Counter()
        self._ways: Counter[tuple[str, str]] = Counter()
        self._choices: Counter[tuple[str, str]] = Counter()
        self._endings: Counter[str] = Counter()
        self._lengths: list[float] = []
        self._between: list[float] = []
        self._short: Counter[int] = Counter()

    def add(self, walk: Walk) -> None:
        """Takes in a viewing."""
        end = _end(walk)
        self._lengths.append(_seconds(end))
        self._scenes.update({seen.scene for seen in walk.scenes})
        self._ways.update({(before.scene, after.scene) for before, after in pairwise(walk.scenes)})
        self._choices.update((each.decision, each.choice or NOBODY) for each in walk.decisions)
        self._endings[walk.ending if walk.ending is not None else ""] += 1
        asked = [each for each in walk.decisions if each.by != RULE]
        self._between += [_seconds(after.lock - before.lock) for before, after in pairwise(asked)]
        for seconds in AHEAD_SECONDS:
            self._short[seconds] += _time_short(walk, Ticks(seconds * TICKS_PER_SECOND))

    def report(self) -> Report:
        """Gives what the viewings have in common, as docs/walk.md describes it."""
        count, total = len(self._lengths), sum(self._lengths)
        possible = {
            (name, after)
            for name, scene in self._story.scenes.items()
            for after in possible_successors(self._story, scene)
        }
        return Report(
            viewers=count,
            stopped=self._endings[""],
            length_seconds=_spread(self._lengths),
            endings={name: _share(number, count) for name, number in sorted(self._endings.items()) if name},
            scenes={name: _share(self._scenes[name], count) for name in self._story.scenes},
            transitions=tuple(
                Transition(before=before, after=after, share=_share(self._ways[before, after], count))
                for before, after in sorted(possible)
            ),
            choices=_by_decision(self._choices),
            seconds_between_decisions=_spread(self._between),
            share_of_time_with_less_ahead={
                str(seconds): round(_seconds(self._short[seconds]) / total, 4) for seconds in AHEAD_SECONDS
            },
        )


def _time_short(walk: Walk, ahead: Ticks) -> int:
    """Gives the ticks in which less than `ahead` is settled, if every answer counts at its lock and no sooner."""
    short, since = 0, Ticks(0)
    for each in walk.decisions:
        if each.by == RULE:
            continue
        short += max(each.lock - max(since, Ticks(each.join - ahead)), 0)
        since = each.lock
    return short


def _end(walk: Walk) -> Ticks:
    last = walk.scenes[-1]
    return Ticks(last.start + last.duration)


def _seconds(ticks: int) -> float:
    return ticks / TICKS_PER_SECOND


def _share(number: int, count: int) -> float:
    return round(number / count, 4)


def _spread(values: Sequence[float]) -> Spread:
    ordered = sorted(round(value, 3) for value in values)
    return Spread(ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]) if ordered else Spread()


def _by_decision(counted: Counter[tuple[str, str]]) -> dict[str, dict[str, float]]:
    totals: Counter[str] = Counter()
    for (decision, _), number in counted.items():
        totals[decision] += number
    found: dict[str, dict[str, float]] = {name: {} for name in sorted(totals)}
    for (decision, choice), number in sorted(counted.items()):
        found[decision][choice] = _share(number, totals[decision])
    return found
