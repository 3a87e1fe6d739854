"""What a story does next, and what it remembers."""

from __future__ import annotations

import json

import pytest
import yaml

from streamer.errors import LibraryError, MalformedRequest
from streamer.story.codec import load_story, read_story
from streamer.story.expressions import Failure
from streamer.story.lint import check_lengths
from streamer.story.model import Story, text_in
from streamer.story.profile import checked_profile
from streamer.story.rules import begin, enter, fitted, holds, offered, opening, successor, take
from tests.builders import seconds

TEXT = """\
story: 1
id: rules
title: {sv: Regler, en: Rules}
start: "@first"
fallback: lost
defaults: {lead: 5s, window: 8s, labels: en}
profile:
  plan: {type: enum, values: [basic, pro], default: basic}
  age: {type: int, min: 0, max: 120, default: 30}
  factor: {type: number, default: 1.5}
  member: {type: bool, default: false}
  name: {type: string, default: "", source: token, pii: true}
state:
  skill: {type: int, min: 0, max: 3, default: 0}
  share: {type: number, min: 0.0, max: 1.0, default: 0.5}
  word: {type: string, default: none}
conditions:
  is_pro: profile.plan == 'pro'
  expert: is_pro && state.skill >= 2
  broken: 1 / state.skill > 0
groups:
  first: [{to: "@inner"}, {to: ask}]
  inner: [{to: pro, when: is_pro}]
  never: [{to: pro, when: "false"}]
scenes:
  ask:
    media: {src: ask, in: 1.5s, out: "00:00:21.500"}
    decision:
      id: d
      prompt: Well?
      default: up
      choices:
        - {id: up, label: {en: Up}, to: ask, set: {skill: state.skill + 2, share: 0.25, word: "'up'"}}
        - id: twice
          label: Twice
          to: "@never"
          set: {skill: state.skill + 1, share: state.share + double(state.skill)}
        - {id: expert, label: Expert, to: pro, when: expert}
        - {id: along, label: Go on, set: {skill: 10 / (state.skill - state.skill)}}
    next: [{to: pro, when: broken}, {to: plain, when: visited('ask')}]
  plain: {media: {src: plain}, next: [{to: "@never"}]}
  pro: {media: {src: pro}, end: {id: pro}}
  lost: {media: {src: lost}, end: {id: lost}}
"""


@pytest.fixture(scope="module")
def story() -> Story:
    return load_story(TEXT, "rules.yaml")


def test_a_story_reads_as_it_is_written(story: Story) -> None:
    decision = story.scenes["ask"].decision
    assert decision is not None
    assert (decision.opens_at, decision.closes_at) == (seconds(-13), seconds(-5))
    assert (story.scenes["ask"].media.start, story.scenes["ask"].media.end) == (seconds("1.5"), seconds("21.5"))
    assert text_in(story.title, "sv") == "Regler"
    assert text_in(story.title, "de") == "Rules"
    assert decision.prompt == {"en": "Well?"}
    assert decision.choice("nothing") is None


def test_json_is_read_like_yaml(story: Story) -> None:
    again = load_story(json.dumps(yaml.safe_load(TEXT)), "rules.json")

    assert again.scenes == story.scenes


def test_the_first_rule_that_holds_is_taken_and_an_empty_group_falls_through(story: Story) -> None:
    assert opening(story, begin(story, {})).id == "ask"
    assert opening(story, begin(story, {"plan": "pro"})).id == "pro"


def test_effects_apply_in_order_each_seeing_those_before_and_stay_in_bounds(story: Story) -> None:
    memory = begin(story, {})
    decision = story.scenes["ask"].decision
    assert decision is not None
    up, twice = decision.choices[0], decision.choices[1]

    once = take(story, memory, up)
    more = take(story, take(story, once, twice), up)

    assert once.state == {"skill": 2, "share": 0.25, "word": "up"}
    assert memory.state == {"skill": 0, "share": 0.5, "word": "none"}
    assert take(story, once, twice).state == {"skill": 3, "share": 1.0, "word": "up"}
    assert more.state["skill"] == 3


def test_what_cannot_be_computed_changes_nothing_and_does_not_hold(story: Story) -> None:
    memory = begin(story, {})
    decision = story.scenes["ask"].decision
    assert decision is not None

    after = take(story, memory, decision.choices[3])

    assert after.state["skill"] == 0
    assert not holds(story, memory, story.conditions["broken"])
    found = story.expressions.evaluate(story.conditions["broken"], {"state.skill": 0}, {})
    assert isinstance(found, Failure)
    assert "divide by zero" in found.problem


def test_choices_are_offered_while_their_condition_holds(story: Story) -> None:
    decision = story.scenes["ask"].decision
    assert decision is not None
    basic = begin(story, {})
    expert = take(story, begin(story, {"plan": "pro"}), decision.choices[0])

    assert [choice.id for choice in offered(story, basic, decision)] == ["up", "twice", "along"]
    assert [choice.id for choice in offered(story, expert, decision)] == ["up", "twice", "expert", "along"]


def test_a_choice_without_a_target_goes_on_as_if_nothing_had_been_asked(story: Story) -> None:
    ask = story.scenes["ask"]
    assert ask.decision is not None
    memory = enter(begin(story, {}), ask)

    assert successor(story, memory, ask, ask.decision.choices[3]).id == "plain"
    assert successor(story, memory, ask, ask.decision.choices[0]).id == "ask"


def test_where_no_rule_holds_the_fallback_is_taken(story: Story) -> None:
    assert successor(story, begin(story, {}), story.scenes["plain"], None).id == "lost"


def test_a_story_that_was_not_checked_says_what_it_lacks(story: Story) -> None:
    from dataclasses import replace

    loose = replace(story, fallback=None, start="@never")

    with pytest.raises(LibraryError, match="no rule holds after scene 'plain'"):
        successor(loose, begin(loose, {}), loose.scenes["plain"], None)
    with pytest.raises(LibraryError, match="no rule of its start holds"):
        opening(loose, begin(loose, {}))


def test_values_are_kept_within_their_bounds(story: Story) -> None:
    assert fitted(story.state["skill"], -5) == 0
    assert fitted(story.state["share"], 1) == 1.0
    assert fitted(story.state["word"], "x") == "x"


@pytest.mark.parametrize(
    ("given", "trusted", "read"),
    [
        (
            {"plan": "pro", "age": "40", "factor": "2", "member": "true"},
            False,
            {"plan": "pro", "age": 40, "factor": 2.0, "member": True},
        ),
        (
            {"age": 400, "factor": 2, "member": False, "name": "Eve"},
            True,
            {"age": 120, "factor": 2.0, "member": False, "name": "Eve"},
        ),
    ],
)
def test_profile_inputs_are_read_as_their_types(
    story: Story, given: dict[str, object], trusted: bool, read: dict[str, object]
) -> None:
    assert checked_profile(story, given, trusted=trusted) == read


@pytest.mark.parametrize(
    ("given", "trusted", "words"),
    [
        ({"plann": "pro"}, False, "did you mean 'plan'"),
        ({"xyz": "pro"}, True, "no profile input 'xyz'"),
        ({"plan": "gold"}, False, "expected one of basic, pro"),
        ({"age": "old"}, False, "is no int"),
        ({"age": True}, True, "is no int"),
        ({"age": 2**63}, True, "is no int"),
        ({"factor": "much"}, False, "is no number"),
        ({"factor": float("nan")}, True, "is no number"),
        ({"member": "maybe"}, False, "is no bool"),
        ({"member": "true"}, True, "is no bool"),
        ({"name": "Eve"}, False, "given by an app"),
        ({"name": "x" * 65}, True, "is no string"),
        ({"name": 5}, True, "is no string"),
    ],
)
def test_a_wrong_profile_input_is_named(story: Story, given: dict[str, object], trusted: bool, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words) as caught:
        checked_profile(story, given, trusted=trusted)
    assert str(caught.value.members["field"]).startswith("profile.")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("10", "opens before the scene"),
        ("1.5", "Make it 2 s at least"),
        ("20", ""),
        ("10.5", "first lock comes within 6 s"),
    ],
)
def test_times_are_checked_once_lengths_are_known(story: Story, ask: str, words: str) -> None:
    lengths = {name: seconds(8) for name in story.scenes} | {"ask": seconds(ask)}

    found = "\n".join(str(finding) for finding in check_lengths(story, lengths, "rules.yaml"))

    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("opens", "closes", "words"),
    [("2s", "16s", "less than 5.000 s before"), ("10s", "-12s", "the lock does not come after the opening")],
)
def test_times_from_the_start_are_checked_once_lengths_are_known(opens: str, closes: str, words: str) -> None:
    text = TEXT.replace(
        "      prompt: Well?\n", f"      prompt: Well?\n      opens_at: {opens}\n      closes_at: {closes}\n"
    )
    loaded = load_story(text, "rules.yaml")
    lengths = {name: seconds(20) for name in loaded.scenes}

    assert words in "\n".join(str(finding) for finding in check_lengths(loaded, lengths, "rules.yaml"))


def test_a_condition_that_names_one_in_a_circle_is_found_once_each() -> None:
    text = TEXT.replace("is_pro: profile.plan == 'pro'", "is_pro: expert")

    found = [finding for finding in read_story(text, "rules.yaml")[1] if "leads back" in finding.problem]

    assert [finding.field for finding in found] == ["conditions.is_pro", "conditions.expert"]
