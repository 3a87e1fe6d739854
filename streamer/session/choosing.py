"""A viewer's answer: taken, repeated, refused."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streamer.errors import Conflict, NotFound, TooLate, TooMany
from streamer.session.events import Answered, SessionRecord
from streamer.session.timeline import Timeline
from streamer.units import Ticks

MAX_ANSWERS = 64  # to one decision: far above what a person does, far below what would bloat a session


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client sends."""

    visit: int
    decision: str
    choice: str
    answer_id: str


def answered(record: SessionRecord, timeline: Timeline, answer: Answer, play: Ticks) -> SessionRecord:
    """Gives the record with the answer in it; the same record if the answer was given before.

    Raises:
        NotFound: there is no such visit, decision or choice on the viewer's path.
        TooLate: the decision is committed; says to what.
        Conflict: the answer_id was used for another answer.
        TooMany: the mind was changed too often.
    """
    before = [event for event in record.events if isinstance(event, Answered)]
    for event in before:
        if event.answer_id == answer.answer_id:
            if (event.visit, event.decision, event.choice) != (answer.visit, answer.decision, answer.choice):
                raise Conflict("this answer_id was used for another answer", answer_id=answer.answer_id)
            return record
    _check_open(record, timeline, answer)
    if sum(event.visit == answer.visit for event in before) >= MAX_ANSWERS:
        raise TooMany(f"more than {MAX_ANSWERS} answers to one decision")
    event = Answered(
        visit=answer.visit, decision=answer.decision, choice=answer.choice, answer_id=answer.answer_id, at=play
    )
    return msgspec.structs.replace(record, events=(*record.events, event))


def _check_open(record: SessionRecord, timeline: Timeline, answer: Answer) -> None:
    if not 1 <= answer.visit <= len(timeline.visits):
        raise NotFound(f"the viewer has made no visit {answer.visit}", visit=answer.visit)
    placed = timeline.visits[answer.visit - 1].placed
    if placed is None or placed.decision.id != answer.decision:
        raise NotFound(f"visit {answer.visit} asks no decision {answer.decision!r}", decision=answer.decision)
    if all(choice.id != answer.choice for choice in placed.choices):
        raise NotFound(f"decision {answer.decision!r} offers no choice {answer.choice!r}", choice=answer.choice)
    for commit in record.commits:
        if commit.visit == answer.visit:
            raise TooLate(
                f"decision {answer.decision!r} is committed",
                committed={
                    "visit": commit.visit,
                    "decision": commit.decision,
                    "choice": commit.choice,
                    "by": commit.by,
                },
            )
