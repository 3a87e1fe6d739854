"""What packaging leaves of a story is the story, checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import StoryError
from streamer.story.codec import compiled, load_compiled, load_story
from streamer.story.rules import Opening, failures_of
from streamer.story.walk import Plan, lengths_of, told, walk
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.film import film_text

SAMPLE = (Path(__file__).parents[2] / "media" / "sample" / "story.yaml").read_text("utf-8")
EVERYTHING = """
story: 1
id: all
title: {sv: Allt, en: All}
start: a
defaults: {hold: {src: idle, max: 20s}}
profile: {hour: {type: int, default: 0, source: clock}, name: {type: string, default: "", pii: true, source: token}}
state:
  n: {type: int, min: -1, max: 9, default: 0}
  x: {type: number, min: 0, max: 1.5, default: 1}
  word: {type: string, default: a, scope: viewer}
experiments: {opener: {arms: {z: 0.1, a: 2.5}}}
conditions: {1a: "state.n > 0 && hour() < 25"}
groups: {g: [{to: b, weight: 0.5, when: 1a}, {to: c, weight: 2}]}
artwork: [{image: a.jpg, when: "arm.opener == 'a'"}, {image: b.jpg}]
menu: [{label: Again, to: a, reset: true}]
scenes:
  a:
    media: {src: a}
    variants: [{when: "state.x > 1.0", in: 1s}]
    text: {en: "One\\nTwo"}
    checkpoint: {id: top, label: "{profile.name|you}"}
    events: [{at: 2s, set: {n: "10 / (state.n - state.n)", x: 1, word: "'b'"}, cue: boo, track: {k: v}}]
    decision:
      id: d
      opens_at: -20s
      default: random
      accessible: {extend: 2.5x, speak: true, keys: [left]}
      input: {type: code, length: 2}
      choices:
        - {id: p, label: P, to: "@g", weight: 0.25, code: A1, image: p.png, score: 3,
           url: "https://a.example/{viewer.token}"}
        - {id: q, label: Q, set: {x: 0.5}, image: [{image: q.png, when: state.n > 0}, {image: r.png}]}
    next: [{to: b, priority: 2, when: state.word == 'b'}, {to: c}]
  b: {media: {src: b}, end: {id: e, goal: true, credits: 1s, offer_checkpoints: [top]}}
  c: {media: {src: c, in: 1s, out: 00:00:30.125}, next: [{to: b}]}
"""


@pytest.mark.parametrize("text", [SAMPLE, EVERYTHING, film_text()], ids=["sample", "everything", "film"])
def test_a_compiled_story_goes_as_the_story_does(text: str) -> None:
    story = load_story(text, "story.yaml")

    found = load_compiled(compiled(text, "story.yaml"))

    assert (list(found.scenes), list(found.title), found.places) == (
        list(story.scenes),
        list(story.title),
        story.places,
    )
    assert (found.draws, found.can_be_left, found.can_extend, found.asks_the_clock) == (
        story.draws,
        story.can_be_left,
        story.can_extend,
        story.asks_the_clock,
    )
    for seed in range(5):
        one, other = (
            walk(
                each,
                lengths_of(each, Ticks(30 * TICKS_PER_SECOND)),
                Plan(policy="uniform", seed=seed),
                opening=Opening(seed=seed),
                segment=Ticks(2 * TICKS_PER_SECOND),
                most_scenes=50,
            )
            for each in (story, found)
        )
        assert told(one) == told(other)
    assert failures_of(found) == failures_of(story)


def test_only_a_story_without_mistakes_is_compiled() -> None:
    with pytest.raises(StoryError, match="there is no scene 'nowhere'"):
        compiled(SAMPLE.replace("start: platform", "start: nowhere"), "story.yaml")
