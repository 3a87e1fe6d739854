"""What the documents say of the format is true."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from streamer.story.checks import MAX_NESTED
from streamer.story.codec import load_story, read_story
from streamer.story.expressions import MAX_CHARACTERS, ExpressionError, Failure, Reading
from streamer.story.file import StoryFile, schema_text
from streamer.story.model import MAX_TEXT, Story
from streamer.story.rules import Opening, begin, offered, opening_scene
from streamer.story.tree import MAX_BYTES, MAX_DEPTH, MAX_DIGITS, MAX_FINDINGS
from streamer.story.walk import Given, Plan, lengths_of, walk
from tests.builders import seconds

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "config" / "story.schema.json"
PAGE = (ROOT / "docs" / "story-format.md").read_text("utf-8")

TYPING_ERROR = """\
story: 1
id: a
title: A
start: intro
scenes: {intro: {media: {src: a}, decision: {
      idd: goal, prompt: Where to?, default: a, choices: [{id: a, label: On, to: intro}]}}}
"""


def test_the_schema_is_that_of_the_reader(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--golden-update"):
        SCHEMA.write_text(schema_text(), "utf-8")

    assert SCHEMA.read_text("utf-8") == schema_text()


def test_the_example_of_the_page_is_a_story() -> None:
    story = example()

    memory = begin(story, Opening(profile={"plan": "pro"}))
    decision = opening_scene(story, memory)[0].decisions[0]
    assert decision is not None
    assert [choice.id for choice in offered(story, memory, decision)] == ["take", "leave", "skip"]


def example() -> Story:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return load_story(found[1], "story-format.md")


@pytest.mark.parametrize(
    "row", re.findall(r"^\| `(.*)` \| (bool|int|number|string|refused) \| (.*?) ?\|$", PAGE, re.MULTILINE)
)
def test_an_expression_of_the_page_is_what_it_says(row: tuple[str, str, str]) -> None:
    text, kind, value = row
    story = example()
    memory = begin(story, Opening(profile={"plan": "pro"}))
    memory = replace(memory, state={"seen": 2, "lamp": True}, visits={"hall": 1})

    if kind == "refused":
        with pytest.raises(ExpressionError):
            story.expressions.compile(text)
        return
    expression = story.expressions.compile(text)
    values = {f"state.{name}": held for name, held in memory.state.items()} | {"profile.plan": "pro"}
    reading = Reading(values=values, visits=memory.visits, chosen={"lamp": "take"})
    found = story.expressions.evaluate(expression, reading, story.conditions)

    assert expression.type == kind
    if value == "fails":
        assert isinstance(found, Failure)
    else:
        assert found == yaml.safe_load(value.strip("`"))


ORDER = re.findall(r"^\| `(\{.*\})` \| (.*?) ?\| `(\{n: .*?\})` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("row", ORDER)
def test_a_visit_of_the_page_leaves_the_state_it_says(row: tuple[str, str, str]) -> None:
    scene, answers, state = row
    text = (
        "story: 1\nid: order\ntitle: Order\nstart: s\nstate: {n: {type: int, default: 0}}\nscenes:\n"
        f"  s: {scene.replace('{', '{media: {src: s, out: 20s}, ', 1)}\n"
        "  w: {media: {src: w}, end: {id: w}}\n  z: {media: {src: z}, end: {id: z}}\n"
    )
    story = load_story(text, "order.yaml")
    taken = re.findall(r"`(\w+)`", answers)
    decisions = [decision.id for decision in story.decisions]
    given = tuple(Given(decision=name, choice=choice) for name, choice in zip(decisions, taken, strict=False))

    found = walk(
        story, lengths_of(story, seconds(20)), Plan(answers=given), opening=Opening(), segment=seconds(2), most_scenes=9
    )

    assert found.state == yaml.safe_load(state)
    assert found.taken == len(taken)


def test_the_page_has_the_examples() -> None:
    assert len(ORDER) == 6
    assert len(re.findall(r"^\| `.*` \| (?:bool|int|number|string|refused) \|", PAGE, re.MULTILINE)) == 14


def test_the_finding_of_the_page_is_one_that_is_told() -> None:
    found = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert found is not None
    text = "\n" * 8 + TYPING_ERROR

    assert str(read_story(text, "story.yaml")[1][0]) == found[1]


def test_the_schema_spells_defaults_as_authors_do() -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))

    for key, value in schema["$defs"]["DefaultsFile"]["properties"].items():
        assert f"| `defaults.{key}` |" in PAGE
        assert f"| `{value['default']}` |" in PAGE or value["default"] is None


def test_every_bound_of_the_page_is_that_of_the_reader() -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))["properties"]

    assert (schema["scenes"]["maxProperties"], "more than 10,000 scenes" in PAGE) == (10_000, True)
    assert (schema["groups"]["maxProperties"], "1,000 groups" in PAGE) == (1000, True)
    assert (schema["conditions"]["maxProperties"], "1,000 conditions" in PAGE) == (1000, True)
    assert (MAX_NESTED, "not more than 32 deep" in PAGE) == (32, True)
    assert (MAX_DEPTH, "nested more than 32 deep" in PAGE) == (32, True)
    assert (MAX_BYTES, "over 8 MiB" in PAGE) == (8 * 2**20, True)
    assert (MAX_DIGITS, "more than 40 digits" in PAGE) == (40, True)
    assert (MAX_FINDINGS, "the first 100" in PAGE) == (100, True)
    assert (MAX_CHARACTERS, "At most 1,024 characters" in PAGE) == (1024, True)
    assert (MAX_TEXT, "at most 64 characters" in PAGE) == (64, True)


def test_every_key_of_the_format_is_on_the_page() -> None:
    keys = set(re.findall(r'"(\w+)": \{', schema_text().partition('"properties": {')[2]))
    ours = {key for key in keys if key.islower() and not key.startswith(("any", "one"))}
    known = {field.alias or name for name, field in StoryFile.model_fields.items()}

    assert all(f"`{key}" in PAGE or f"`{key}." in PAGE for key in known)
    assert {"in", "out", "snap", "opens_at", "closes_at", "pii", "source"} <= ours
    assert all(key in PAGE for key in ("in", "out", "snap: true", "opens_at", "closes_at", "pii", "source", "values"))


def test_the_trap_that_the_page_warns_of_is_caught() -> None:
    text = "story: 1\nid: a\ntitle: {en: Yes, please}\nstart: a\nscenes: {a: {media: {src: a}, end: {id: a}}}"

    assert load_story(text.replace("{en: Yes, please}", "{en: 'Yes, please'}"), "a.yaml").title == {"en": "Yes, please"}
    assert read_story(text, "a.yaml")[0] is None
