"""What a viewer may say: taken, repeated, refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.errors import Conflict, NotFound, TooLate, TooMany
from streamer.session import choosing
from streamer.session.choosing import Answer, answered, gone_back, menu_of, taken_from_the_menu
from streamer.session.events import Committed, Restarted, SessionRecord, WentBack
from streamer.session.timeline import Timeline, follow, start_timeline
from streamer.units import Ticks
from tests.builders import seconds, staged_text

HOUSE = """
story: 1
id: house
title: House
start: door
defaults: {hold: {src: idle, max: 20s}}
state: {lamp: {type: bool, default: false}}
menu: [{label: Start again, to: door, reset: true}, {id: cellar, label: The cellar, to: cellar, when: state.lamp}]
scenes:
  door:
    media: {src: door}
    checkpoint: {id: door, label: The door}
    decision:
      {id: code, opens_at: 1s, closes_at: -4s, default: shut, input: {type: code, length: 4}, choices: [
        {id: open, label: Open, code: 4F7X, to: hall, set: {lamp: true}}, {id: shut, label: Shut, to: hall}]}
  hall:
    media: {src: hall}
    decision:
      {id: way, opens_at: 6s, closes_at: -4s, lock: immediate, default: up, choices: [
        {id: up, label: Up, to: cellar}, {id: down, label: Down, to: cellar}]}
  cellar: {media: {src: cellar}, end: {id: cellar}}
"""
LENGTHS = {name: seconds(length) for name, length in {"door": 14, "hall": 20, "cellar": 8}.items()}
RECORD = SessionRecord(story="house", revision="r", created_ms=0, profile={})


@pytest.fixture(scope="module")
def start() -> Timeline:
    return start_timeline(staged_text(HOUSE, LENGTHS))


def committed(decision: str, choice: str, visit: int, cut: int | None = None) -> Committed:
    return Committed(visit=visit, decision=decision, choice=choice, by="viewer", at=Ticks(0), cut=cut)


@pytest.fixture(scope="module")
def hall(start: Timeline) -> Timeline:
    return follow(start, committed("code", "open", 1))


@pytest.fixture(scope="module")
def over(hall: Timeline) -> Timeline:
    return follow(hall, committed("way", "up", 2))


def code(typed: str, answer_id: str = "1") -> Answer:
    return Answer(visit=1, decision="code", code=typed, answer_id=answer_id)


def way(choice: str, answer_id: str = "1", visit: int = 2, decision: str = "way") -> Answer:
    return Answer(visit=visit, decision=decision, choice=choice, answer_id=answer_id)


@pytest.mark.parametrize(("typed", "choice"), [("4f7x", "open"), ("4F7X", "open"), ("0000", "shut"), ("", "shut")])
def test_a_code_means_the_choice_that_has_it_and_any_other_the_one_without(
    start: Timeline, typed: str, choice: str
) -> None:
    (event,) = answered(RECORD, start, code(typed), seconds(2), published=3).events

    assert (event.choice, event.at) == (choice, seconds(2))  # type: ignore[union-attr]


def test_a_repeated_answer_changes_nothing_whatever_the_code(start: Timeline) -> None:
    once = answered(RECORD, start, code("0000"), seconds(2), published=3)

    assert answered(once, start, code("4f7x"), seconds(3), published=3) is once
    with pytest.raises(Conflict):
        answered(once, start, way("up"), seconds(3), published=3)


def test_a_repeated_choice_is_the_same_or_a_conflict(hall: Timeline) -> None:
    once = answered(RECORD, hall, way("up"), seconds(21), published=12)

    assert answered(once, hall, way("up"), seconds(22), published=12) is once
    with pytest.raises(Conflict):
        answered(once, hall, way("down"), seconds(22), published=12)


def test_a_code_is_not_pointed_at_and_a_choice_not_typed(start: Timeline, hall: Timeline) -> None:
    said = []
    for choice in ("open", "nothing"):
        with pytest.raises(NotFound) as caught:
            answered(RECORD, start, way(choice, visit=1, decision="code"), Ticks(0), published=3)
        said.append((caught.value.detail, caught.value.members))

    assert said[0] == said[1]
    with pytest.raises(NotFound, match="takes no code"):
        answered(RECORD, hall, replace(code("4f7x"), visit=2, decision="way"), Ticks(0), published=12)


def test_a_code_that_no_choice_is_offered_for_is_refused(start: Timeline) -> None:
    placed = start.visits[0].placed[0]
    lonely = replace(placed, choices=placed.choices[:1])
    path = replace(start, last=replace(start.last, placed=(lonely,)))
    path.visits.replace_last(replace(start.last, placed=(lonely,)))

    try:
        with pytest.raises(NotFound, match="for that code"):
            answered(RECORD, path, code("0000"), Ticks(0), published=3)
    finally:
        start.visits.replace_last(start.last)


@pytest.mark.parametrize(
    "wrong", [way("left"), way("up", visit=7), way("up", decision="x"), way("up", visit=0, decision="code")]
)
def test_what_is_not_asked_is_not_found(hall: Timeline, wrong: Answer) -> None:
    with pytest.raises(NotFound):
        answered(RECORD, hall, wrong, Ticks(0), published=12)


def test_an_immediate_answer_waits_for_its_opening_and_then_cuts_the_scene(hall: Timeline) -> None:
    with pytest.raises(Conflict, match="not open yet"):
        answered(RECORD, hall, way("up"), seconds(20), published=8)

    _, commit = answered(RECORD, hall, way("down"), seconds(21), published=11).events

    assert (commit.choice, commit.cut) == ("down", 11)  # type: ignore[union-attr]


def test_a_committed_decision_is_told_with_its_choice(hall: Timeline) -> None:
    with pytest.raises(TooLate) as caught:
        answered(RECORD, hall, code("0000"), Ticks(0), published=9)

    assert caught.value.members["committed"] == {"visit": 1, "decision": "code", "choice": "open", "by": "viewer"}


def test_a_decision_that_was_left_open_is_not_answered_any_more(start: Timeline, hall: Timeline) -> None:
    back = follow(start, WentBack(checkpoint="door", answer_id="b", cut=4))
    below = follow(hall, WentBack(item="cellar", answer_id="m", cut=11))

    with pytest.raises(NotFound, match="was left"):
        answered(RECORD, back, code("4f7x"), Ticks(0), published=5)
    with pytest.raises(NotFound, match="was left"):
        answered(RECORD, below, way("up"), Ticks(0), published=12)
    assert answered(RECORD, back, replace(code("4f7x"), visit=2), Ticks(0), published=5).events


def test_a_mind_is_changed_so_often_and_no_more(start: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MAX_ANSWERS", 1)
    once = answered(RECORD, start, code("0000"), Ticks(0), published=3)

    with pytest.raises(TooMany):
        answered(once, start, code("0000", "2"), Ticks(0), published=3)


def test_going_back_cuts_the_path_or_begins_a_run_once(start: Timeline, over: Timeline) -> None:
    (back,) = gone_back(RECORD, start, "door", "b", published=5).events
    ended = gone_back(RECORD, over, "door", "b", published=over.settled)

    assert back == WentBack(checkpoint="door", answer_id="b", cut=5)
    assert ended.events == (Restarted(checkpoint="door", answer_id="b"),)
    assert ended.run == 2
    assert gone_back(ended, over, "door", "b", published=over.settled) is ended
    with pytest.raises(NotFound):
        gone_back(RECORD, start, "attic", "b", published=5)


def test_the_menu_leads_on_or_begins_a_run_once(start: Timeline, over: Timeline) -> None:
    (went,) = taken_from_the_menu(RECORD, start, "door", "m", published=5).events
    ended = taken_from_the_menu(RECORD, over, "cellar", "m", published=over.settled)

    assert went == WentBack(item="door", answer_id="m", cut=5)
    assert ended.events == (Restarted(item="cellar", answer_id="m"),)
    assert taken_from_the_menu(ended, over, "cellar", "m", published=over.settled) is ended
    for item, published in (("attic", 5), ("cellar", 5), ("door", 0)):
        with pytest.raises(NotFound):
            taken_from_the_menu(RECORD, start, item, "m", published=published)


def test_steps_have_a_bound(start: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MAX_STEPS_BACK", 1)
    once = taken_from_the_menu(RECORD, start, "door", "m", published=5)

    with pytest.raises(TooMany):
        gone_back(once, start, "door", "n", published=5)


def test_the_menu_holds_what_its_conditions_say(start: Timeline, hall: Timeline) -> None:
    bare = start_timeline(
        staged_text(
            "story: 1\nid: a\ntitle: A\nstart: a\nscenes: {a: {media: {src: a}, end: {id: a}}}\n", {"a": seconds(8)}
        )
    )

    assert [item.id for item in menu_of(start, 0)] == ["door"]
    assert [item.id for item in menu_of(start, 5)] == ["door"]
    assert [item.id for item in menu_of(hall, hall.visits[1].first + 1)] == ["door", "cellar"]
    assert menu_of(bare, 3) == ()


def test_the_steps_of_each_run_are_known(over: Timeline) -> None:
    first = (committed("code", "open", 1), committed("way", "up", 2))
    record = SessionRecord(
        story="house", revision="r", created_ms=0, profile={}, events=(*first, Restarted(item="door", answer_id="m"))
    )

    assert record.run == 2
    assert record.steps_of_runs(1) == first
    assert record.steps_of_runs(2) == record.steps
