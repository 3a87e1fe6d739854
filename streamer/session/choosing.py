"""A viewer's answer: taken, repeated, refused."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streamer.errors import Conflict, NotFound, TooLate, TooMany
from streamer.session.events import Answered, Committed, Event, Restarted, SessionRecord, WentBack
from streamer.session.pacing import cut_at
from streamer.session.timeline import Timeline, checkpoint_passed
from streamer.units import Ticks

MAX_ANSWERS = 64  # to one decision: far above what a person does, far below what would bloat a session
MAX_STEPS_BACK = 1000  # in one session, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client sends."""

    visit: int
    decision: str
    choice: str
    answer_id: str


def answered(
    record: SessionRecord, timeline: Timeline, answer: Answer, play: Ticks, *, published: int
) -> SessionRecord:
    """Gives the record with the answer in it; the same record if the answer was given before.

    An immediate decision is committed by its first answer, from the first segment on that was not published.

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
    _check_open(timeline, answer)
    placed = timeline.open
    if placed is not None and placed.decision.immediate and published <= placed.opens_in:
        raise Conflict(f"decision {answer.decision!r} is not open yet", decision=answer.decision)
    if sum(event.visit == answer.visit for event in before) >= MAX_ANSWERS:
        raise TooMany(f"more than {MAX_ANSWERS} answers to one decision")
    event = Answered(
        visit=answer.visit, decision=answer.decision, choice=answer.choice, answer_id=answer.answer_id, at=play
    )
    events: tuple[Event, ...] = (*record.events, event)
    if placed is not None and placed.decision.immediate:
        cut = cut_at(timeline, published)
        committed = Committed(
            visit=answer.visit,
            decision=answer.decision,
            choice=answer.choice,
            by="viewer",
            at=play,
            cut=None if cut == timeline.settled else cut,
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
    back = [event for event in record.events if isinstance(event, WentBack | Restarted)]
    if any(event.answer_id == answer_id for event in back):
        return record
    if len(back) >= MAX_STEPS_BACK:
        raise TooMany(f"more than {MAX_STEPS_BACK} steps back in one session")
    if checkpoint_passed(timeline, checkpoint, published) is None:
        raise NotFound(f"the viewer has not passed a checkpoint {checkpoint!r}", checkpoint=checkpoint)
    event: Event
    if timeline.complete and published >= timeline.settled:
        event = Restarted(checkpoint=checkpoint, answer_id=answer_id)
    else:
        event = WentBack(checkpoint=checkpoint, answer_id=answer_id, cut=timeline.cut_from(published))
    return msgspec.structs.replace(record, events=(*record.events, event))


def _check_open(timeline: Timeline, answer: Answer) -> None:
    visit = timeline.visit_numbered(answer.visit)
    if visit is None:
        raise NotFound(f"the viewer has made no visit {answer.visit}", visit=answer.visit)
    placed = visit.placed
    if placed is None or placed.decision.id != answer.decision:
        raise NotFound(f"visit {answer.visit} asks no decision {answer.decision!r}", decision=answer.decision)
    if all(choice.id != answer.choice for choice in placed.choices):
        raise NotFound(f"decision {answer.decision!r} offers no choice {answer.choice!r}", choice=answer.choice)
    for commit in timeline.commits:
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
