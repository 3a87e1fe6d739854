"""What the documents say of the format is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from streamer.story.codec import load_story, read_story
from streamer.story.file import StoryFile
from streamer.story.rules import begin, offered, opening

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "config" / "story.schema.json"
PAGE = (ROOT / "docs" / "story-format.md").read_text("utf-8")


def schema_text() -> str:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **StoryFile.model_json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def test_the_schema_is_that_of_the_reader(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--golden-update"):
        SCHEMA.write_text(schema_text(), "utf-8")

    assert SCHEMA.read_text("utf-8") == schema_text()


def test_the_example_of_the_page_is_a_story() -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None

    story, findings = read_story(found[1], "story-format.md")

    assert findings == ()
    assert story is not None
    memory = begin(story, {"plan": "pro"})
    decision = opening(story, memory).decision
    assert decision is not None
    assert [choice.id for choice in offered(story, memory, decision)] == ["take", "leave", "skip"]


def test_every_key_of_the_format_is_on_the_page() -> None:
    keys = set(re.findall(r'"(\w+)": \{', schema_text().partition('"properties": {')[2]))
    ours = {key for key in keys if key.islower() and not key.startswith(("any", "one"))}
    known = {field.alias or name for name, field in StoryFile.model_fields.items()}

    assert all(f"`{key}" in PAGE or f"`{key}." in PAGE for key in known)
    assert {"in", "out", "opens_at", "closes_at", "pii", "source"} <= ours
    assert all(key in PAGE for key in ("in", "out", "opens_at", "closes_at", "pii", "source", "values"))


def test_the_trap_that_the_page_warns_of_is_caught() -> None:
    text = "story: 1\nid: a\ntitle: {en: Yes, please}\nstart: a\nscenes: {a: {media: {src: a}, end: {id: a}}}"

    assert load_story(text.replace("{en: Yes, please}", "{en: 'Yes, please'}"), "a.yaml").title == {"en": "Yes, please"}
    assert read_story(text, "a.yaml")[0] is None
