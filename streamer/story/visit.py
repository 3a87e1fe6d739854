"""One visit of a scene: what happens in it, in which order, and what of it counts where it is left early.

The order is that of docs/story-format.md: events and decisions in time order, a decision where its window opens, events
before a decision of the same instant. An answer takes effect at its decision's place in that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

from streamer.story.model import Choice, Decision, Happening, Scene, Story, Target, instant_within
from streamer.story.rules import Memory, default_of, enter, happened, offered, take, take_of
from streamer.units import Ticks

VIEWER, DEFAULT, TIMEOUT, RULE = "viewer", "default", "timeout", "rule"  # who or what decided
Lengths = Mapping[str, tuple[Ticks, ...]]  # of scenes, by id: of each of their takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A decision that a visit has come to."""

    decision: Decision
    choices: tuple[Choice, ...]  # those offered
    opens: Ticks  # from the scene's start
    closes: Ticks  # likewise: the lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How a decision of a visit went."""

    asked: Asked
    choice: Choice | None  # None: none was taken
    by: str  # VIEWER, DEFAULT, TIMEOUT or RULE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a visit has come: everything up to `asked` has happened, or all of it where nothing is asked."""

    scene: Scene
    take: int
    length: Ticks
    entered: Memory  # as the scene began, the visit counted
    memory: Memory  # now
    target: Target | None = None  # where it leads; None: where the scene's own rules do
    passed: int = 0  # entries of the agenda that are over
    asked: Asked | None = None  # None: nothing is left to ask
    answers: tuple[Answered, ...] = ()


def arrive(story: Story, memory: Memory, scene: Scene, lengths: Lengths) -> Progress:
    """Begins a visit: counts it, chooses the take, and goes on to the first decision."""
    return re_enter(story, enter(memory, scene), scene, lengths)


def re_enter(story: Story, memory: Memory, scene: Scene, lengths: Lengths) -> Progress:
    """Begins a visit that is counted already, as after going back to a checkpoint."""
    number = take_of(story, memory, scene)
    begun = Progress(scene=scene, take=number, length=lengths[scene.id][number], entered=memory, memory=memory)
    return _advanced(story, begun)


def answer(story: Story, progress: Progress, choice: Choice | None, by: str) -> Progress:
    """Gives the visit with its decision answered, gone on to the next one, or to its end.

    Args:
        story: the story.
        progress: a visit that asks something.
        choice: one of those offered; None: none, by TIMEOUT.
        by: VIEWER, DEFAULT or TIMEOUT.
    """
    assert progress.asked is not None
    return _advanced(story, _answered(story, progress, progress.asked, choice, by))


def unanswered(progress: Progress) -> tuple[Choice | None, str]:
    """Gives what a decision comes to without an answer: the choice taken, and by what."""
    asked = progress.asked
    assert asked is not None
    choice, _ = default_of(progress.memory, asked.decision, asked.choices)
    return choice, DEFAULT if asked.decision.timeout is None else TIMEOUT


def left_at(story: Story, progress: Progress, instant: Ticks) -> Memory:
    """Gives the memory of a visit that is left at an instant: what would have happened then or later has not.

    A decision that is still open has not been answered.
    """
    memory = progress.entered
    answers = iter(progress.answers)
    for at, what in agenda(progress.scene, progress.length):
        if isinstance(what, Happening):
            memory = happened(story, memory, what) if at < instant else memory
        elif (given := next(answers, None)) is not None and (at < instant or given.by != RULE):
            memory = _taken(story, memory, given)
    return memory


def memory_before(story: Story, progress: Progress, event: Happening) -> Memory | None:
    """Gives the memory that an event of a visit meets; None: a decision before it is not answered yet."""
    memory = progress.entered
    answers = iter(progress.answers)
    for _, what in takewhile(lambda entry: entry[1] is not event, agenda(progress.scene, progress.length)):
        if isinstance(what, Happening):
            memory = happened(story, memory, what)
        elif (given := next(answers, None)) is None:
            return None
        else:
            memory = _taken(story, memory, given)
    return memory


def agenda(scene: Scene, length: Ticks) -> list[tuple[Ticks, Happening | Decision]]:
    """Gives what happens in a scene of that length, in order."""
    entries: list[tuple[Ticks, Happening | Decision]] = [
        (instant_within(event.at, length), event) for event in scene.events
    ]
    entries += [(instant_within(decision.opens_at, length), decision) for decision in scene.decisions]
    return sorted(entries, key=lambda entry: (entry[0], isinstance(entry[1], Decision)))


def is_moot(decision: Decision, choices: tuple[Choice, ...]) -> bool:
    """Tells whether a decision leaves nothing to decide: one choice, taken whatever the viewer does.

    It is not asked then. One that is held, that takes the first answer, that has a time-out of its own, or whose
    choice opens a page, lets the viewer do something all the same.
    """
    if not choices:
        return True
    interactive = decision.hold is not None or decision.immediate or decision.timeout is not None
    return len(choices) == 1 and not interactive and choices[0].url is None and not decision.code_length


def _advanced(story: Story, progress: Progress) -> Progress:
    if not (progress.scene.events or progress.scene.decisions):
        return progress
    entries = agenda(progress.scene, progress.length)
    while progress.passed < len(entries):
        at, what = entries[progress.passed]
        if isinstance(what, Happening):
            memory = happened(story, progress.memory, what)
            progress = replace(progress, memory=memory, passed=progress.passed + 1)
            continue
        choices = offered(story, progress.memory, what)
        closes = instant_within(what.closes_at, progress.length)
        asked = Asked(decision=what, choices=choices, opens=at, closes=closes)
        if not is_moot(what, choices):
            return replace(progress, asked=asked)
        progress = _answered(story, progress, asked, choices[0] if choices else None, RULE)
    return progress


def _answered(story: Story, progress: Progress, asked: Asked, choice: Choice | None, by: str) -> Progress:
    given = Answered(asked=asked, choice=choice, by=by)
    target = choice.to if choice is not None else None
    if by == TIMEOUT:
        target = asked.decision.timeout
    return replace(
        progress,
        memory=_taken(story, progress.memory, given),
        target=progress.target if target is None else target,
        passed=progress.passed + 1,
        asked=None,
        answers=(*progress.answers, given),
    )


def _taken(story: Story, memory: Memory, given: Answered) -> Memory:
    decision = given.asked.decision
    if given.by in (DEFAULT, TIMEOUT):  # what was drawn is drawn
        _, memory = default_of(memory, decision, given.asked.choices)
    return memory if given.choice is None else take(story, memory, decision, given.choice)
