"""A walk sees what a viewer with its answers sees."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import pytest
from hypothesis import given as having
from hypothesis import strategies as st

from streamer.errors import BranchlineError
from streamer.session.events import Committed
from streamer.session.timeline import follow, start_timeline
from streamer.story.answers import read_answers
from streamer.story.codec import load_story
from streamer.story.model import Story
from streamer.story.rules import Opening
from streamer.story.walk import Given, Plan, Walk, WalkError, lengths_of, told, walk
from streamer.units import Ticks
from tests.builders import lengths_of as lengths_in
from tests.builders import seconds, staged, story_text
from tests.serving import ROOT

SAMPLE = load_story((ROOT / "media" / "sample" / "story.yaml").read_text("utf-8"), "story.yaml")
CIRCLE = """
a 20 -> b | c
b! 31.32 -> a | c | d
c 12 -> a | d
d 8 .
"""


def walked(story: Story, *answers: Given, lengths: dict[str, Ticks] | None = None, **plan: object) -> Walk:
    given = Plan(answers=answers, **plan)  # type: ignore[arg-type]
    return walk(
        story,
        lengths_of(story, seconds(30)) if lengths is None else {name: (each,) for name, each in lengths.items()},
        given,
        opening=Opening(seed=given.seed),
        segment=seconds(2),
        most_scenes=100,
    )


def given(decision: str, choice: str, at: float | None = None) -> Given:
    return Given(decision=decision, choice=choice, at=None if at is None else seconds(at))


def test_the_example_of_the_page_is_what_a_walk_tells() -> None:
    page = (ROOT / "docs" / "walk.md").read_text("utf-8")
    answers, expected = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)

    found = told(walked(SAMPLE, *read_answers(answers, "walk.md")))

    assert found.decode() == expected
    assert json.loads(found)["ending"] == "arrived"


def test_lengths_are_those_of_in_and_out_else_what_is_assumed() -> None:
    lengths = lengths_of(SAMPLE, seconds("12.5"))

    assert (lengths["tunnel"], lengths["darkness"]) == ((seconds("6.6"),), (seconds("12.5"),))


def test_without_answers_nobody_answers() -> None:
    found = walked(SAMPLE)

    assert [each.by for each in found.decisions] == ["default"] * 3
    assert (found.state, found.ending, found.taken) == ({"lantern": False}, "lost", 0)


def test_a_policy_answers_once_the_list_is_over() -> None:
    found = walked(SAMPLE, given("lantern", "leave"), policy="first")

    assert [each.choice for each in found.decisions] == ["leave", "main", "again", "again", "onward"]
    assert [each.offered for each in found.decisions[-2:]] == [("again", "onward"), ("onward",)]
    assert [each.by for each in found.decisions] == [*["viewer"] * 4, "rule"]


def test_a_drawn_walk_follows_its_seed() -> None:
    found = {seed: told(walked(SAMPLE, policy="uniform", seed=seed)) for seed in range(20)}

    assert found[3] == told(walked(SAMPLE, policy="uniform", seed=3))
    assert len(set(found.values())) > 5


def test_a_walk_that_goes_round_is_stopped() -> None:
    story = load_story(story_text("a 20 -> a | b\nb 8 ."), "story.yaml")

    found = walked(story)

    assert (len(found.scenes), found.ending) == (100, None)


@pytest.mark.parametrize(
    ("at", "seen"),
    [(None, 24), (23.99, 24), (24, 26), (27.3, 28)],  # the window of b opens at 22.32 s of 31.32
)
def test_an_immediate_answer_cuts_where_its_segment_ends(at: float | None, seen: int) -> None:
    story = load_story(story_text(CIRCLE), "story.yaml")

    found = walked(story, given("after-a", "b"), given("after-b", "d", at), lengths=lengths_in(CIRCLE))

    assert [(each.scene, each.duration) for each in found.scenes] == [
        ("a", seconds(20)),
        ("b", seconds(seen)),
        ("d", seconds(8)),
    ]
    assert found.scenes[2].start == seconds(20 + seen)


def test_a_cut_leaves_no_tail_that_is_no_segment() -> None:
    lines = "a! 20.4 -> b | c\nb 8 .\nc 8 ."
    text = story_text(lines).replace("closes_at: -4s", "closes_at: -1s")

    found = walked(load_story(text, "story.yaml"), given("after-a", "c", 18.5), lengths=lengths_in(lines))

    assert found.scenes[0].duration == seconds("20.4")


def test_a_default_cuts_nothing() -> None:
    found = walked(load_story(story_text(CIRCLE), "s"), given("after-a", "b"), lengths=lengths_in(CIRCLE))

    assert found.scenes[1].duration == seconds("31.32")


@pytest.mark.parametrize(
    ("answers", "index", "problem"),
    [
        ([given("points", "main")], 0, "scene 'platform' asks decision 'lantern'; the answer is for 'points'"),
        (
            [given("lantern", "take"), given("points", "left")],
            1,
            "decision 'points' does not offer 'left'; it offers main, branch",
        ),
        (
            [given("lantern", "take", 26.1)],
            0,
            "decision 'lantern' is open from 20.500 to 26.000 s of its scene, not at 26.100 s",
        ),
    ],
)
def test_an_answer_that_does_not_fit_is_told_with_its_index(answers: list[Given], index: int, problem: str) -> None:
    with pytest.raises(WalkError) as caught:
        walked(SAMPLE, *answers)

    assert (caught.value.index, caught.value.problem) == (index, problem)
    assert str(caught.value) == f"answers[{index}]: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "answers.json: these are no answers: Input data was truncated"),
        (b"[\xff]", "these are no answers"),
        ("{}", "Expected `array`, got `object`"),
        ('[{"decision": "a"}]', "missing required field `choice` - at `$[0]`"),
        ('[{"decision": "a", "choice": "b", "when": 1}]', "unknown field `when`"),
        ('[{"decision": "a", "choice": "b", "at": -1}]', "answers[0].at: -1 is no time within a scene; write seconds"),
        ('[{"decision": "a", "choice": "b", "at": 1e999999}]', "is no time within a scene"),
        ("[" + ",".join(['{"decision":"a","choice":"b"}'] * 100_001) + "]", "there are 100001 answers"),
    ],
)
def test_what_is_no_list_of_answers_is_told(text: str | bytes, problem: str) -> None:
    with pytest.raises(BranchlineError) as caught:
        read_answers(text, "answers.json")

    assert problem in str(caught.value)


def test_answers_are_read_exactly() -> None:
    found = read_answers('[{"decision": "a", "choice": "b", "at": 0.1}, {"decision": "c", "choice": "d"}]', "-")

    assert found == (Given(decision="a", choice="b", at=Ticks(70_560_000)), Given(decision="c", choice="d"))
    assert found[0].at == Fraction("0.1") * 705_600_000


@having(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12))
def test_a_walk_goes_the_way_of_a_session(wishes: list[str]) -> None:
    lines = CIRCLE.replace("b!", "b")
    on = staged(lines)
    timeline = start_timeline(on)
    answers = []

    for wish in wishes:
        if timeline.open is None:
            break
        ids = [choice.id for choice in timeline.open.choices]
        choice = wish if wish in ids else ids[0]
        decision = timeline.open.decision.id
        answers.append(given(decision, choice))
        step = Committed(visit=timeline.last.number, decision=decision, choice=choice, by="viewer", at=Ticks(0))
        timeline = follow(timeline, step)
    found = walked(on.story, *answers, lengths=lengths_in(lines))

    visits = [(visit.scene.id, visit.start, visit.end - visit.start) for visit in timeline.visits]
    assert [(each.scene, each.start, each.duration) for each in found.scenes][: len(visits)] == visits
    assert found.taken == len(answers)
    assert [(each.decision, each.choice) for each in answers] == [
        (each.decision, each.choice) for each in found.decisions[: len(answers)]
    ]
    assert timeline.last.scene.end is None or found.ending == timeline.last.scene.end.id


def test_a_list_may_answer_what_is_decided_by_rule_or_leave_it_out() -> None:
    text = story_text("a 20 -> b\nb 20 .").replace(
        "    next: [{to: b}]",
        "    decision: {id: only, default: go, choices: [{id: go, label: Go, to: b},"
        " {id: stay, label: Stay, to: a, when: visits('b') > 0}]}",
    )
    story = load_story(text, "story.yaml")

    named, left_out = walked(story, given("only", "go")), walked(story)

    assert [(each.choice, each.by) for each in named.decisions] == [("go", "viewer")]
    assert [(each.choice, each.by) for each in left_out.decisions] == [("go", "rule")]
    assert (named.taken, left_out.taken) == (1, 0)
    assert named.scenes == left_out.scenes
    with pytest.raises(WalkError, match="does not offer 'stay'; it offers go"):
        walked(story, given("only", "stay"))
