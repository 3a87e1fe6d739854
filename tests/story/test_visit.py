"""One visit of a scene, in the order that docs/story-format.md lays down."""

from __future__ import annotations

import pytest

from streamer.story.codec import load_story
from streamer.story.model import Story
from streamer.story.rules import Memory, Opening, begin
from streamer.story.visit import (
    DEFAULT,
    RULE,
    TIMEOUT,
    VIEWER,
    answer,
    arrive,
    left_at,
    memory_before,
    re_enter,
    unanswered,
)
from tests.builders import seconds

TEXT = """
story: 1
id: visit
title: Visit
start: s
defaults: {hold: {src: idle}}
state:
  n: {type: int, default: 0}
  seen: {type: bool, default: false}
scenes:
  s:
    media: {src: s}
    variants: [{when: state.seen, src: again}, {when: "visits('s') > 1", out: 30s}]
    events:
      - {at: 1s, set: {n: state.n + 1}}
      - {at: -1s, when: "false", set: {n: 99}}
      - {at: 12s, cue: bell, track: {sound: bell}}
      - {at: 13s, set: {n: state.n + 100}}
    decisions:
      - id: first
        opens_at: 2s
        closes_at: 6s
        default: go
        choices: [{id: go, label: Go}, {id: leap, label: Leap, to: far, set: {seen: true}, score: 5}]
      - id: never
        opens_at: 8s
        closes_at: 9s
        default: first
        choices: [{id: one, label: One, when: "state.n < 0"}, {id: two, label: Two, set: {n: state.n + 10}}]
      - id: last
        opens_at: 10s
        closes_at: 16s
        timeout: far
        choices: [{id: stay, label: Stay, to: s}, {id: hush, label: Hush}]
    next: [{to: near}]
  near: {media: {src: near}, end: {id: near}}
  far: {media: {src: far}, end: {id: far}}
"""
LENGTHS = {name: (seconds(20),) for name in ("s", "near", "far")} | {"s": (seconds(20), seconds(30))}


@pytest.fixture(scope="module")
def story() -> Story:
    return load_story(TEXT, "visit.yaml")


@pytest.fixture
def memory(story: Story) -> Memory:
    return begin(story, Opening())


def test_a_visit_comes_to_its_first_decision_after_the_events_before_it(story: Story, memory: Memory) -> None:
    progress = arrive(story, memory, story.scenes["s"], LENGTHS)

    assert progress.asked is not None
    assert (progress.asked.decision.id, progress.asked.opens, progress.asked.closes) == (
        "first",
        seconds(2),
        seconds(6),
    )
    assert (progress.entered.state["n"], progress.memory.state["n"]) == (0, 1)
    assert progress.memory.visits == {"s": 1}


def test_a_decision_with_nothing_to_decide_is_taken_by_rule_and_not_asked(story: Story, memory: Memory) -> None:
    progress = arrive(story, memory, story.scenes["s"], LENGTHS)
    assert progress.asked is not None

    after = answer(story, progress, progress.asked.choices[1], VIEWER)

    assert [(each.asked.decision.id, each.by) for each in after.answers] == [("first", VIEWER), ("never", RULE)]
    assert after.asked is not None
    assert after.asked.decision.id == "last"
    assert after.memory.state == {"n": 11, "seen": True}
    assert after.memory.score == 5
    assert after.memory.chosen == {"first": "leap", "never": "two"}


def test_the_target_kept_last_is_where_a_visit_leads(story: Story, memory: Memory) -> None:
    progress = arrive(story, memory, story.scenes["s"], LENGTHS)
    assert progress.asked is not None
    leapt = answer(story, progress, progress.asked.choices[1], VIEWER)
    assert leapt.asked is not None

    stayed = answer(story, leapt, leapt.asked.choices[0], VIEWER)
    hushed = answer(story, leapt, leapt.asked.choices[1], VIEWER)

    assert (stayed.target, hushed.target) == ("s", "far")
    assert stayed.asked is None
    assert stayed.memory.state["n"] == 111


def test_without_an_answer_a_time_out_leads_elsewhere(story: Story, memory: Memory) -> None:
    progress = arrive(story, memory, story.scenes["s"], LENGTHS)
    choice, by = unanswered(progress)
    later = answer(story, progress, choice, by)
    nothing, timed_out = unanswered(later)
    over = answer(story, later, nothing, timed_out)

    assert (choice is not None and choice.id, by) == ("go", DEFAULT)
    assert (nothing, timed_out, over.target) == (None, TIMEOUT, "far")
    assert over.memory.chosen == {"first": "go", "never": "two"}


def test_what_lies_after_the_place_where_a_visit_is_left_has_not_happened(story: Story, memory: Memory) -> None:
    progress = arrive(story, memory, story.scenes["s"], LENGTHS)
    assert progress.asked is not None
    after = answer(story, progress, progress.asked.choices[1], VIEWER)

    assert left_at(story, after, seconds(1)).state == {"n": 0, "seen": True}
    assert left_at(story, after, seconds(8)).state == {"n": 1, "seen": True}
    assert left_at(story, after, seconds(10)).state == {"n": 11, "seen": True}
    assert left_at(story, progress, seconds(20)).state == {"n": 101, "seen": False}


def test_a_take_is_chosen_as_the_scene_is_entered_and_times_count_on_it(story: Story, memory: Memory) -> None:
    first = arrive(story, memory, story.scenes["s"], LENGTHS)

    with pytest.raises(IndexError):  # of four takes two have lengths here: the second visit's is the third
        arrive(story, first.memory, story.scenes["s"], LENGTHS)
    again = re_enter(story, first.entered, story.scenes["s"], LENGTHS)

    assert [(take.src, take.end) for take in story.scenes["s"].takes] == [
        ("s", None), ("again", None), ("s", seconds(30)), ("again", seconds(30)),
    ]  # fmt: skip
    assert (first.take, first.length, again) == (0, seconds(20), first)


def test_an_event_meets_what_was_set_before_it_once_the_decisions_before_it_are_answered(
    story: Story, memory: Memory
) -> None:
    at_1s, never, at_12s, at_13s = story.scenes["s"].events
    progress = arrive(story, memory, story.scenes["s"], LENGTHS)
    assert progress.asked is not None
    answered = answer(story, progress, progress.asked.choices[0], VIEWER)
    over = answer(story, answered, None, TIMEOUT)

    assert memory_before(story, progress, at_1s) == progress.entered
    assert memory_before(story, progress, at_12s) is None
    assert memory_before(story, answered, at_12s) is None  # asked at 10 s, and not answered
    found = [memory_before(story, over, event) for event in (at_12s, at_13s, never)]
    assert [each.state["n"] for each in found if each is not None] == [11, 11, 111]


def test_a_decision_that_offers_nothing_is_passed_over() -> None:
    text = TEXT.replace("default: first", "timeout: far").replace(
        "{id: two, label: Two, set", '{id: two, label: Two, when: "state.n > 9", set'
    )
    story = load_story(text, "visit.yaml")
    progress = arrive(story, begin(story, Opening()), story.scenes["s"], LENGTHS)
    assert progress.asked is not None

    after = answer(story, progress, progress.asked.choices[0], VIEWER)

    assert [(given.asked.decision.id, given.choice, given.by) for given in after.answers[1:]] == [("never", None, RULE)]
    assert after.asked is not None
    assert (after.asked.decision.id, after.memory.chosen) == ("last", {"first": "go"})
