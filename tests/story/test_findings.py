"""Mistakes in story files: all found at once, each with its place and remedy."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import Finding, StoryError
from streamer.story.codec import load_story, read_story
from streamer.story.tree import parse

SAMPLE = (Path(__file__).parents[2] / "media" / "sample" / "story.yaml").read_text("utf-8")

TEN_MISTAKES = """\
story: 1
id: ten
title: Ten mistakes
start: intor
colour: red
state:
  skill: {type: int, min: 0, max: 3, default: 7}
conditions:
  expert: state.skil >= 2
scenes:
  intro:
    media: {src: intro, in: soon}
    decision:
      id: goal
      prompt: Where to?
      opens_at: -10s
      closes_at: -2s
      default: left
      choices:
        - {id: left, label: Left, to: done, when: expert}
        - {id: right, label: Right, to: "@nowhere", set: {skil: 1}}
        - {id: right, label: Again, to: done}
  done: {media: {src: done}, end: {id: end}}
  lost: {media: {src: lost}}
"""


def findings_of(text: str) -> list[Finding]:
    return list(read_story(text, "story.yaml")[1])


def test_ten_mistakes_give_ten_findings_with_place_and_remedy() -> None:
    found = [(finding.line, finding.column, finding.field) for finding in findings_of(TEN_MISTAKES)]

    assert found == [
        (4, 8, "start"),
        (5, 1, "colour"),
        (7, 47, "state.skill.default"),
        (9, 16, "conditions.expert"),
        (12, 29, "scenes.intro.media.in"),
        (20, 45, "scenes.intro.decision.choices[0].when"),
        (21, 41, "scenes.intro.decision.choices[1].to"),
        (21, 59, "scenes.intro.decision.choices[1].set.skil"),
        (22, 16, "scenes.intro.decision.choices[2].id"),
        (24, 3, "scenes.lost"),
    ]
    with pytest.raises(StoryError) as caught:
        load_story(TEN_MISTAKES, "story.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "story.yaml:4:8: error: start: there is no scene 'intor'. "
        "Did you mean 'intro'? Declare it under 'scenes', or name another"
    )
    assert "Did you mean 'state.skill'?" in lines[3]
    assert len(lines) == 10
    assert all(finding.remedy for finding in caught.value.findings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("- a\n- b", "is no mapping"),
        ("story: [", "expected"),
        ("a: &x 1\nb: *x", "anchors"),
        ("a:\n\t- b", "cannot start any token"),
        ("story: 1\nstory: 1", "stands twice"),
        ("? [a, b]\n: c", "no plain word"),
        ("title: yes", "truth value"),
        ("title: True", "truth value"),
        ("story: 2", "format 2 is not known"),
        ("story: 1.5", "format 1.5 is not known"),
        ("\x00", "control characters are not allowed"),
        ("a: " + "[" * 100_000 + "]" * 100_000, "nested"),
        ("a: " + "x" * (8 * 1024 * 1024), "larger than"),
        ("a: {" * 40 + "}" * 40, "nested more than"),
        ("a: ~\nb: 1.5e3", "unknown key 'a'"),
    ],
)
def test_a_text_that_is_no_story_says_why(text: str, words: str) -> None:
    assert words in "\n".join(map(str, findings_of(text)))


def changed(old: str, new: str) -> str:
    assert old in SAMPLE
    return SAMPLE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lantern: {type: bool, default: false}", "lantern: {type: bool, default: 0}", "0 is no bool"),
        ("type: bool, default: false", "type: int, default: 1, values: [a]", "only an enum has values"),
        ("type: bool, default: false", "type: int, default: 1, min: 2", "1 is below min 2"),
        ("type: bool, default: false", "type: int, default: 1, min: 2, max: 0", "min 2 is above max 0"),
        ("type: bool, default: false", "type: bool, default: false, max: 1", "only a number has min and max"),
        ("type: bool, default: false", "type: int, default: 1, min: one", "'one' is no number"),
        ("type: bool, default: false", f"type: int, default: {2**63}", "does not fit 64 bits"),
        ("type: bool, default: false", "type: enum, default: a", "an enum needs its values"),
        ("type: bool, default: false", "type: enum, default: a, values: [b]", "'a' is not one of 'b'"),
        ("type: bool, default: false", "type: thing, default: a", "'thing' is not one of"),
        ("visits('turntable') < 3", "visits('turntabel') < 3", "Did you mean 'turntable'?"),
        ("visits('turntable') < 3", "visits('turntable')", "is of type int, not bool"),
        ("visits('turntable') < 3", "'[1].all(x, x > 0)'", "no part of the story's expressions"),
        ("visits('turntable') < 3", "'[1, 2]'", "gives a list"),
        ("visits('turntable') < 3", "a" * 1001, "1000 are allowed"),
        ("visits('turntable') < 3", "may_turn", "leads back to itself"),
        ("visits('turntable') < 3", "visits('turntable') <", "Syntax error"),
        ("start: platform", 'start: "@x"\ngroups: {x: [{to: "@x"}]}', "group 'x' leads back to itself"),
        ("start: platform", 'start: "@x"\ngroups: {x: [{to: yard, when: may_turn}]}', "no rule of the start may hold"),
        ("start: platform", 'start: platform\nfallback: "@x"', "has a form that is not allowed"),
        ("id: points", "id: lantern", "decision 'lantern' stands twice"),
        ("default: main", "default: maine", "Did you mean 'main'?"),
        ("closes_at: -4s", "closes_at: -3s", "players need 4.000 s"),
        ("closes_at: -4s", "closes_at: -11s", "locks before it opens"),
        ("opens_at: -9.5s", "opens_at: 2 days", "'2 days' is no time"),
        ("opens_at: -9.5s", "opens_at: true", "True is no time"),
        ("opens_at: -9.5s", "opens_at: 90000", "longer than a day"),
        ("set: {lantern: true}", "set: {lantern: 1}", "1 is no bool"),
        ("set: {lantern: true}", "set: {lantern: \"'a'\"}", "is of type string, not bool"),
        ("end: {id: lost}", "next: [{to: darkness}]", "the story never ends"),
        ("end: {id: lost}", "next: [{to: yard, when: may_turn}]", "there may be no rule that holds"),
        ("to: turntable, when: may_turn}", "when: may_turn}", "there may be no rule that holds"),
        ("end: {id: lost}", "end: {id: lost}\n    next: [{to: yard}]", "an ending has no 'next'"),
        ("{to: lamplight, when: state.lantern}, ", "", "no way leads to scene 'lamplight'"),
        ("title: {en:", "title: {english:", "has a form that is not allowed"),
        ("id: sample", "id: Sample", "has a form that is not allowed"),
        ("media: {src: yard}", "media: yard", "is no mapping"),
        ("next: [{to: junction}]", "next: junction", "is no list"),
        ('"Take the lantern"', "7", "7 is no text"),
    ],
)
def test_a_mistake_is_told(old: str, new: str, words: str) -> None:
    assert words in "\n".join(map(str, findings_of(changed(old, new))))


def test_conditions_may_share_what_they_rest_on() -> None:
    text = changed(
        "  may_turn: visits('turntable') < 3",
        "  may_turn: left && right\n  left: base\n  right: base\n  base: visits('turntable') < 3",
    )

    assert findings_of(text) == []


def test_an_expression_too_long_for_the_evaluator_is_a_finding() -> None:
    found = findings_of(changed("visits('turntable') < 3", "0" + " + 1" * 200 + " < 3"))

    assert [finding.field for finding in found] == ["conditions.may_turn"]


def test_a_path_that_is_not_in_the_file_stands_where_its_nearest_neighbour_does() -> None:
    tree = parse("a:\n  b: 1", "x.yaml")

    assert tree.place(("a", "b", "c", 0)) == (2, 6)
    assert tree.place(("z",)) == (1, 1)


def test_a_warning_alone_does_not_refuse_a_story() -> None:
    text = changed("{to: lamplight, when: state.lantern}, ", "")

    story, findings = read_story(text, "story.yaml")

    assert story is not None
    assert [finding.level for finding in findings] == ["warning"]


def test_a_look_alike_key_is_named() -> None:
    (finding,) = findings_of(changed("opens_at: -9.5s", "open_at: -9.5s"))

    assert "Did you mean 'opens_at'?" in finding.remedy
    assert finding.line == SAMPLE.splitlines().index("      opens_at: -9.5s") + 1


def mutated(seed: int) -> str:
    """Gives the sample with a few lines, marks or words changed at random."""
    rng = random.Random(seed)
    words = [
        "true",
        "-1",
        "[",
        "}",
        ": ",
        "\t",
        "@x",
        "'",
        "when: 1/0 > 0",
        "~",
        "é",
        "id",
        "0x1f",
        "1:30",
        "&a",
        "*a",
        "<<",
    ]
    lines = SAMPLE.splitlines()
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randint(0, 3):
            case 0:
                lines.pop(at)
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                mark = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:mark] + rng.choice(words) + lines[at][mark:]
            case _:
                parts = lines[at].split(" ")
                parts[rng.randrange(len(parts))] = rng.choice(words)
                lines[at] = " ".join(parts)
    return "\n".join(lines)


@settings(max_examples=1500, deadline=None)
@given(st.integers(0, 2**32))
def test_no_mutated_story_raises_anything_but_its_findings(seed: int) -> None:
    story, findings = read_story(mutated(seed), "story.yaml")

    assert story is not None or any(finding.level == "error" for finding in findings)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_no_text_raises_anything_but_its_findings(text: str) -> None:
    story, findings = read_story(text, "story.yaml")

    assert story is None
    assert findings
