"""Answers as an author writes them for a walk: a JSON list of decisions and choices."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from streamer.errors import BranchlineError
from streamer.story.walk import Given
from streamer.units import seconds_to_ticks

MAX_ANSWERS = 100_000  # in one list
LATEST = 24 * 3600  # seconds; no scene is longer


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    decision: str
    choice: str
    at: Decimal | None = None  # seconds from the scene's start


_DECODER = msgspec.json.Decoder(list[_Answer])


def read_answers(text: str | bytes, where: str) -> tuple[Given, ...]:
    """Reads answers.

    Args:
        text: JSON, e.g. [{"decision": "lamp", "choice": "take", "at": 9.5}]; `at` may be left out.
        where: file and line, for messages.

    Raises:
        BranchlineError: it is no such list.
    """
    try:
        found = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        wanted = 'write a JSON list: [{"decision": "lamp", "choice": "take"}]'
        raise BranchlineError(f"{where}: these are no answers: {error}; {wanted}") from error
    if len(found) > MAX_ANSWERS:
        raise BranchlineError(f"{where}: there are {len(found)} answers; {MAX_ANSWERS} are allowed")
    for index, each in enumerate(found):
        if each.at is not None and not 0 <= each.at <= LATEST:
            raise BranchlineError(f"{where}: answers[{index}].at: {each.at} is no time within a scene; write seconds")
    return tuple(
        Given(
            decision=each.decision,
            choice=each.choice,
            at=None if each.at is None else seconds_to_ticks(Fraction(each.at)),
        )
        for each in found
    )
