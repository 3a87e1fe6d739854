"""What a viewer may say: an answer, a step back, an item of the menu; taken, repeated, refused."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streamer.errors import Conflict, NotFound, TooLate, TooMany
from streamer.session.events import Answered, Committed, Event, Restarted, SessionRecord, WentBack
from streamer.session.pacing import cut_at
from streamer.session.timeline import Placed, Timeline, checkpoint_passed, memory_at
from streamer.story.model import Choice, MenuItem
from streamer.story.rules import holds
from streamer.story.visit import VIEWER
from streamer.units import Ticks

MAX_ANSWERS = 64  # to one decision: far above what a person does, far below what would bloat a session
MAX_STEPS_BACK = 1000  # in one session, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client sends."""

    visit: int
    decision: str
    choice: str = ""  # empty: `code` says which
    code: str | None = None  # as it was typed
    answer_id: str


def answered(
    record: SessionRecord, timeline: Timeline, answer: Answer, play: Ticks, *, published: int
) -> SessionRecord:
    """Gives the record with the answer in it; the same record if the answer was given before.

    An immediate decision is committed by its first answer, from the first segment on that was not published.

    Raises:
        NotFound: there is no such visit, decision or choice on the viewer's path, or it is not to be answered so.
        TooLate: the decision is committed; says to what.
        Conflict: the answer_id was used for another answer.
        TooMany: the mind was changed too often.
    """
    before = [event for event in record.events if isinstance(event, Answered)]
    for event in before:
        if event.answer_id == answer.answer_id:
            same = (event.visit, event.decision) == (answer.visit, answer.decision)
            # Of another code nothing is said: it would tell who guesses whether both mean the same.
            if not same or (answer.code is None and event.choice != answer.choice):
                raise Conflict("this answer_id was used for another answer", answer_id=answer.answer_id)
            return record
    choice = _checked(timeline, answer)
    placed = timeline.open
    assert placed is not None  # else it would have been committed
    if placed.decision.immediate and published <= placed.opens_in:
        raise Conflict(f"decision {answer.decision!r} is not open yet", decision=answer.decision)
    asked = (answer.visit, answer.decision)
    if sum((event.visit, event.decision) == asked for event in before) >= MAX_ANSWERS:
        raise TooMany(f"more than {MAX_ANSWERS} answers to one decision")
    event = Answered(
        visit=answer.visit, decision=answer.decision, choice=choice.id, answer_id=answer.answer_id, at=play
    )
    events: tuple[Event, ...] = (*record.events, event)
    if placed.decision.immediate:
        committed = Committed(
            visit=answer.visit,
            decision=answer.decision,
            choice=choice.id,
            by=VIEWER,
            at=play,
            cut=cut_at(timeline, choice, published),
        )
        events = (*events, committed)
    return msgspec.structs.replace(record, events=events)


def gone_back(
    record: SessionRecord, timeline: Timeline, checkpoint: str, answer_id: str, *, published: int
) -> SessionRecord:
    """Gives the record with the viewer gone back to a checkpoint; the same record if that was asked before.

    Until the end was published the playlist goes on with the checkpoint's scene; after it a new run begins.

    Raises:
        NotFound: the viewer has not passed such a checkpoint.
        TooMany: there were too many steps back.
    """
    if _is_done(record, answer_id):
        return record
    if checkpoint_passed(timeline, checkpoint, published) is None:
        raise NotFound(f"the viewer has not passed a checkpoint {checkpoint!r}", checkpoint=checkpoint)
    return _gone(record, timeline, published, answer_id, checkpoint=checkpoint)


def taken_from_the_menu(
    record: SessionRecord, timeline: Timeline, item: str, answer_id: str, *, published: int
) -> SessionRecord:
    """Gives the record with the viewer gone where a menu item leads; the same record if that was asked before.

    Until the end was published the playlist goes on there; after it a new run begins.

    Raises:
        NotFound: the menu has no such item, or not now.
        TooMany: there were too many such steps.
    """
    if _is_done(record, answer_id):
        return record
    if not published:
        raise NotFound("the viewer has seen nothing yet", item=item)
    if all(each.id != item for each in menu_of(timeline, published)):
        raise NotFound(f"the menu has no item {item!r} now", item=item)
    return _gone(record, timeline, published, answer_id, item=item)


def menu_of(timeline: Timeline, published: int) -> tuple[MenuItem, ...]:
    """Gives the menu's items that hold for a viewer to whom so many segments were published."""
    story = timeline.stage.story
    if not story.menu:
        return ()
    memory = memory_at(timeline, published)
    return tuple(item for item in story.menu if holds(story, memory, item.when))


def _is_done(record: SessionRecord, answer_id: str) -> bool:
    left = [event for event in record.events if isinstance(event, WentBack | Restarted)]
    if any(event.answer_id == answer_id for event in left):
        return True
    if len(left) >= MAX_STEPS_BACK:
        raise TooMany(f"more than {MAX_STEPS_BACK} steps back in one session")
    return False


def _gone(
    record: SessionRecord, timeline: Timeline, published: int, answer_id: str, *, checkpoint: str = "", item: str = ""
) -> SessionRecord:
    """Gives the record with the viewer gone elsewhere: in the same list, or in a new run once the end was published."""
    event: Event
    if timeline.complete and published >= timeline.settled:
        event = Restarted(checkpoint=checkpoint, item=item, answer_id=answer_id)
    else:
        cut = timeline.cut_from(published)
        event = WentBack(checkpoint=checkpoint, item=item, answer_id=answer_id, cut=cut)
    return msgspec.structs.replace(record, events=(*record.events, event))


def _checked(timeline: Timeline, answer: Answer) -> Choice:
    """Gives the choice that an answer names, if it can still be taken."""
    placed = _asked(timeline, answer.visit, answer.decision)
    choice = _pointed_at(placed, answer.choice) if answer.code is None else _typed(placed, answer.code)
    for commit in timeline.commits:
        if (commit.visit, commit.decision) == (answer.visit, answer.decision):
            raise TooLate(
                f"decision {answer.decision!r} is committed",
                committed={
                    "visit": commit.visit,
                    "decision": commit.decision,
                    "choice": commit.choice,
                    "by": commit.by,
                },
            )
    placed_now = timeline.open
    if placed_now is None or (timeline.last.number, placed_now.serial) != (answer.visit, placed.serial):
        raise NotFound(f"visit {answer.visit} was left before decision {answer.decision!r} was taken")
    return choice


def _pointed_at(placed: Placed, choice: str) -> Choice:
    if placed.decision.code_length:  # whatever the choice: ids may be guessed
        raise NotFound(f"decision {placed.decision.id!r} takes a code", decision=placed.decision.id)
    found = next((each for each in placed.choices if each.id == choice), None)
    if found is None:
        raise NotFound(f"decision {placed.decision.id!r} offers no choice {choice!r}", choice=choice)
    return found


def _typed(placed: Placed, code: str) -> Choice:
    """Gives the choice that a typed code means: the one that has it, else the one that has none."""
    decision = placed.decision
    if not decision.code_length:
        raise NotFound(f"decision {decision.id!r} takes no code", decision=decision.id)
    found = next((choice for choice in placed.choices if choice.code == code.casefold()), None)
    found = found or next((choice for choice in placed.choices if choice.code is None), None)
    if found is None:
        raise NotFound(f"decision {decision.id!r} offers no choice for that code", decision=decision.id)
    return found


def _asked(timeline: Timeline, number: int, decision: str) -> Placed:
    visit = timeline.visit_numbered(number)
    if visit is None:
        raise NotFound(f"the viewer has made no visit {number}", visit=number)
    placed = next((each for each in visit.placed if each.decision.id == decision), None)
    if placed is None:
        raise NotFound(f"visit {number} asks no decision {decision!r}", decision=decision)
    return placed
