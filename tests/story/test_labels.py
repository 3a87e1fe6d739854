"""Texts with places for values."""

from __future__ import annotations

import pytest

from streamer.story.codec import load_story
from streamer.story.labels import label_for_all

STORY = """
story: 1
id: t
title: T
start: a
profile:
  name: {type: string, default: Ann, source: token, pii: true}
  plan: {type: string, default: basic}
state:
  lamp: {type: bool, default: true}
  word: {type: string, default: ""}
scenes: {a: {media: {src: a}, end: {id: a}}}
"""


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Well, {profile.name|you}?", "Well, you?"),
        ("{profile.plan|any} plan", "any plan"),
        ("{profile.plan} plan", "basic plan"),
        ("lamp: {state.lamp}, word: {state.word}", "lamp: true, word: "),
        ("{so}", "{so}"),
    ],
)
def test_a_text_for_all_holds_what_stands_in_for_values_else_what_they_are_at_first(written: str, shown: str) -> None:
    story = load_story(STORY, "story.yaml")

    assert label_for_all(story, {"en": written}) == shown
