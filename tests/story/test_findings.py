"""Mistakes in story files: all found at once, each with its place and remedy."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import Finding, StoryError
from streamer.story.codec import load_story, read_story
from streamer.story.model import Hold, hold_sources
from streamer.story.tree import parse
from tests.builders import seconds

SAMPLE = (Path(__file__).parents[2] / "media" / "sample" / "story.yaml").read_text("utf-8")

# Each comment says the mistake of its line, or of the line below.
TEN_MISTAKES = """\
story: 1
id: ten
title: Ten mistakes
start: intor  # 1: no such scene
colour: red  # 2: no such key
state:
  skill: {type: int, min: 0, max: 3, default: 7}  # 3: above its max
conditions:
  expert: "state.skil >= 2"  # 4: no such variable
scenes:
  intro:
    media: {src: intro, in: soon}  # 5: no time
    decision:
      idd: goal  # 6: meant is id, which is missing; one mistake, one finding
      prompt: Where to?
      opens_at: -10s
      closes_at: -4s
      default: left
      choices:
        - {id: left, label: Left, to: done, when: expert}  # 7: the default may be absent
        - {id: right, label: Right, to: "@nowhere", set: {skil: 1}}  # 8: no such group; 9: no such variable
        - {id: rihgt, label: yes, to: done}  # 10: a truth value or a text
  done: {media: {src: done}, end: {id: end}}
"""


def findings_of(text: str) -> list[Finding]:
    return list(read_story(text, "story.yaml")[1])


def errors_of(text: str) -> list[Finding]:
    return [finding for finding in findings_of(text) if finding.level == "error"]


def test_ten_mistakes_give_ten_findings_with_place_and_remedy() -> None:
    with pytest.raises(StoryError) as caught:
        load_story(TEN_MISTAKES, "story.yaml")

    assert str(caught.value).splitlines() == [
        (
            "story.yaml:4:8: error: start: there is no scene 'intor'. "
            "Did you mean 'intro'? Declare it under 'scenes', or name another"
        ),
        (
            "story.yaml:5:1: error: colour: unknown key 'colour'. Known here: story, id, title, start, defaults, "
            "profile, state, conditions, experiments, groups, artwork, menu, scenes, fallback, limits, low_latency"
        ),
        "story.yaml:7:47: error: state.skill.default: 7 is above max 3. Write a default of type int",
        (
            "story.yaml:9:12: error: conditions.expert: 'state.skil >= 2': undeclared reference to 'state.skil'. "
            "Did you mean 'state.skill'? Declare the name under 'state' or 'profile'"
        ),
        (
            "story.yaml:12:29: error: scenes.intro.media.in: 'soon' is no time. Write seconds (12.5s) or "
            "hours:minutes:seconds (00:01:02.640); a minus counts from the scene's end"
        ),
        (
            "story.yaml:14:7: error: scenes.intro.decision.idd: unknown key 'idd'. Did you mean 'id'? Known here: id, "
            "prompt, opens_at, closes_at, default, timeout, lock, hold, input, layout, accessible, choices"
        ),
        (
            "story.yaml:20:45: error: scenes.intro.decision.choices[0].when: choice 'left' is the default and may be "
            "absent. Remove its 'when', or choose another default"
        ),
        (
            "story.yaml:21:41: error: scenes.intro.decision.choices[1].to: there is no group 'nowhere'. "
            "Declare it under 'groups', or name another"
        ),
        (
            "story.yaml:21:59: error: scenes.intro.decision.choices[1].set.skil: there is no variable 'skil'. "
            "Did you mean 'skill'? Declare it under 'state'"
        ),
        (
            "story.yaml:22:30: error: scenes.intro.decision.choices[2].label: 'yes' is read as a truth value by some "
            'programs and as a text by others. Write true or false, or "yes" in quotes for the text'
        ),
    ]
    assert {finding.file for finding in caught.value.findings} == {"story.yaml"}


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
        ("\x00", "the character '\\x00' is not allowed"),
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
        ("state:\n", "state:\n  x: {type: bool, default: ~}\n", "default: nothing is no bool"),
        ("type: bool, default: false", "type: [bool], default: false", "a list is not one of"),
        ("state:\n", "state:\n  x: {type: int, default: 1, min: 0.5}\n", "min: 0.5 is no int"),
        ("state:\n", "state:\n  x: {type: int, default: 1, max: true}\n", "max: true is no number"),
        (
            "state:\n",
            f"state:\n  x: {{type: int, default: 1, max: {2**63}}}\n",
            "max: 9223372036854775808 does not fit",
        ),
        ("state:\n", "state:\n  x: {type: number, default: 1.0e400}\n", "inf does not fit 64 bits"),
        ("state:\n", f"state:\n  x: {{type: number, default: {10**39}}}\n", "does not fit 64 bits"),
        ("state:\n", "state:\n  x: {type: number, default: 1.5, max: 1}\n", "1.5 is above max 1"),
        ("state:\n", f"state:\n  x: {{type: string, default: {'x' * 65}}}\n", "is longer than 64 characters"),
        ("state:\n", "state:\n  x: {type: enum, default: a, values: 5}\n", "5 is no list"),
        ("state:\n", "state:\n  x: {type: enum, default: a, values: [a, 1]}\n", "1 is no text"),
        ("state:\n", "state:\n  x: {type: enum, default: a, values: []}\n", "an enum needs its values"),
        ("lantern: {type: bool, default: false}", "lantern: {type: bool}", "the key 'default' is missing"),
        ("lantern: {type: bool, default: false}", "lantern: {typ: bool, default: false}", "Did you mean 'type'?"),
        ("state:\n", f"state:\n  {'x' * 65}: {{type: bool, default: false}}\n", "and '.' only, at most 64"),
        ("conditions:\n", "conditions:\n  not: 'true'\n", "'not' is a word of the expressions"),
        ("conditions:\n", "conditions:\n  é: 'true'\n", "'é' has a form that is not allowed"),
        ("conditions:\n", "conditions:\n  none: ''\n", "'' is empty"),
        ("visits('turntable') < 3", "chose('point') == ''", "Did you mean 'points'? Name a decision"),
        ("visits('turntable') < 3", "state.lanturn", "Did you mean 'state.lantern'?"),
        ("{to: turntable}", "{to: turntable, weight: 0}", "0 is no weight. Write a number above 0"),
        ("{to: turntable}", "{to: turntable, priority: high}", "'high' is no whole number"),
        ("default: onward", "default: randm", "there is no choice 'randm'"),
        ("start: platform", "start: 1", "1 is no text"),
        ("start: platform", "start: [platform]", "a list is no text"),
        ("start: platform", "start: platform\nfallback: nowhere", "there is no scene 'nowhere'"),
        ("start: platform", "start: a b", "Name a scene, or @ and a group"),
        ("start: platform", "begin: platform\nstart: platform", "unknown key 'begin'"),
        ("start: platform", "start: platform\ndefaults: {lead: 0}", "0 is no length of time"),
        ("start: platform", "start: platform\ndefaults: {window: -3s}", "'-3s' is no length of time"),
        ("start: platform", "start: platform\ngroups: {x: []}", "a list is empty"),
        ('title: {en: "The points"}', "title: 5", "5 is no text. Write a text in quotes, or one by language"),
        ('title: {en: "The points"}', "title: ''", "error: title: '' is empty"),
        ('title: {en: "The points"}', "title: {}", "a mapping is empty"),
        ('title: {en: "The points"}', f"title: {'x' * 501}", "Write 500 characters at most"),
        ('title: {en: "The points"}', r'title: "two\nlines"', "Write one line without control characters"),
        ("media: {src: yard}", f"media: {{src: yard}}\n    text: {'x' * 5001}", "Write 5,000 characters at most"),
        ("media: {src: yard}", 'media: {src: yard}\n    text: "a\\x07"', "Write lines without control characters"),
        ("story: 1", "story: true", "format true is not known"),
        ("story: 1", "story: '1'", "format '1' is not known"),
        ("in: 0s, out: 6.6s", "in: 7s, out: 6.6s", "'out' does not come after 'in'"),
        ("in: 0s, out: 6.6s", "in: -1s, out: 6.6s", "'-1s' is before the source's start"),
        ("in: 0s, out: 6.6s", "start: 0s, out: 6.6s", "unknown key 'start'"),
        ("opens_at: -9.5s", 'opens_at: "9\\n"', "is no time"),
        ("opens_at: -9.5s", "opens_at: ٩", "is no time"),
        ("opens_at: -9.5s", f"opens_at: '{'9' * 5000}'", "is no time"),
        ("opens_at: -9.5s", "opens_at: 00:00:75", "is no time"),
        ("opens_at: -9.5s", "opens_at: [1]", "a list is no time"),
        ("opens_at: -9.5s", "opens_at: 1h", "'1h' is no time"),
        ("set: {lantern: true}", "set: {lantern: ~}", "nothing is no bool"),
        ("set: {lantern: true}", "set: {lanturn: true}", "Did you mean 'lantern'?"),
        ("set: {lantern: true}", "set: [lantern]", "a list is no mapping"),
        ("- {id: take,", "- {idd: take,", "Did you mean 'id'?"),
        ("- {id: take,", "- {id: [take],", "a list is no text"),
        ("- {id: take,", "- {id: leave,", "choice 'leave' stands twice"),
        ("        - {id: take,", "        - 5\n        - {id: take,", "5 is no mapping"),
        ("    next: [{to: junction}]", "    nxt: [{to: junction}]", "Did you mean 'next'?"),
        ("    next: [{to: junction}]", "    next: []", "the story stops here"),
        ("    next: [{to: junction}]", "    end:", "the story stops here"),
        ("    next: [{to: junction}]", "    next: [{to: junctoin}]", "Did you mean 'junction'?"),
        ("    next: [{to: junction}]", "    next: [{too: junction}]", "Did you mean 'to'?"),
        ("state:\n", "state:\n  x: {type: int, default: 1, values: [a]}\n", "only an enum has values"),
        ("state:\n", "state:\n  x: {type: int, default: 1, min: 2}\n", "1 is below min 2"),
        ("state:\n", "state:\n  x: {type: int, default: 1, min: 2, max: 0}\n", "min 2 is above max 0"),
        ("state:\n", "state:\n  x: {type: bool, default: false, max: 1}\n", "only a number has min and max"),
        ("state:\n", "state:\n  x: {type: int, default: 1, min: one}\n", "'one' is no number"),
        ("state:\n", f"state:\n  x: {{type: int, default: {2**63}}}\n", "does not fit 64 bits"),
        ("state:\n", "state:\n  x: {type: enum, default: a}\n", "an enum needs its values"),
        ("state:\n", "state:\n  x: {type: enum, default: a, values: [b]}\n", "'a' is not one of 'b'"),
        ("type: bool, default: false", "type: thing, default: a", "'thing' is not one of"),
        ("visits('turntable') < 3", "visits('turntabel') < 3", "Did you mean 'turntable'?"),
        ("visits('turntable') < 3", "visits('turntable')", "is of type int, not bool"),
        ("visits('turntable') < 3", "'[1].all(x, x > 0)'", "no part of the story's expressions"),
        ("visits('turntable') < 3", "'[1, 2]'", "gives a list"),
        ("visits('turntable') < 3", "a" * 1025, "1024 are allowed"),
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
        ("opens_at: -9.5s", "opens_at: true", "true is no time"),
        ("opens_at: -9.5s", "opens_at: 90000", "longer than a day"),
        ("set: {lantern: true}", "set: {lantern: 1}", "1 is no bool"),
        ("set: {lantern: true}", "set: {lantern: ''}", "'' is no expression"),
        ("set: {lantern: true}", "set: {lantern: \"'a'\"}", "is of type string, not bool"),
        ("end: {id: lost}", "next: [{to: darkness}]", "the story never ends"),
        ("end: {id: lost}", "next: [{to: yard, when: may_turn}]", "there may be no rule that holds"),
        ("to: turntable, when: may_turn}", "when: may_turn}", "the choice leads nowhere"),
        ("end: {id: lost}", "end: {id: lost}\n    next: [{to: yard}]", "an ending has no 'next'"),
        ("title: {en:", "title: {english:", "has a form that is not allowed"),
        ("id: sample", "id: Sample", "has a form that is not allowed"),
        ("media: {src: yard}", "media: yard", "is no mapping"),
        ("next: [{to: junction}]", "next: junction", "is no list"),
        ('"Take the lantern"', "7", "7 is no text"),
    ],
)
def test_a_mistake_is_told_once(old: str, new: str, words: str) -> None:
    found = [finding for finding in findings_of(changed(old, new)) if finding.level == "error"]

    assert words in "\n".join(map(str, found))
    assert len(found) == 1
    assert found[0].line in range(1, SAMPLE.count("\n") + 3)
    assert len(str(found[0])) < 500


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
    assert {finding.level for finding in findings} == {"warning"}
    assert [finding.field for finding in findings] == ["state.lantern", "scenes.lamplight"]


def test_a_look_alike_key_is_named() -> None:
    (finding,) = findings_of(changed("opens_at: -9.5s", "open_at: -9.5s"))

    assert "Did you mean 'opens_at'?" in finding.remedy
    assert finding.line == SAMPLE.splitlines().index("      opens_at: -9.5s") + 1


def test_a_scene_that_may_go_on_nowhere_is_told_once_for_all_its_choices() -> None:
    text = changed('        - {id: again, label: {en: "Once more round"}, to: turntable, when: may_turn}\n', "")
    text = text.replace(
        'label: {en: "Into the tunnel"}, to: tunnel}', "label: Onward}\n        - {id: ahead, label: Ahead}"
    )
    text = text.replace("  tunnel:\n", "    next: [{to: tunnel, when: may_turn}]\n  tunnel:\n")

    (finding,) = findings_of(text)

    assert finding.field == "scenes.turntable.next"
    assert finding.problem == "there may be no rule that holds, and then no scene to go on with"


def test_a_group_that_leads_somewhere_whatever_happens_is_a_way_on() -> None:
    text = changed("end: {id: lost}", 'next: [{to: "@outer"}]')
    groups = """groups:
  outer: [{to: "@maybe"}, {to: "@maybe"}, {to: "@inner"}]
  maybe: [{to: yard, when: may_turn}]
  inner: [{to: lamplight}]
"""

    assert findings_of(text + groups) == []
    (finding,) = findings_of(text + groups.replace("{to: lamplight}", "{to: lamplight, when: may_turn}"))
    assert finding.field == "scenes.darkness.next"


def test_a_fallback_is_a_way_on_from_everywhere() -> None:
    text = changed("end: {id: lost}", "next: [{to: yard, when: may_turn}]")

    assert findings_of(text + "fallback: lamplight\n") == []


def test_every_scene_of_a_circle_that_nothing_leaves_is_told() -> None:
    text = changed("end: {id: lost}", "next: [{to: lamplight}]").replace("end: {id: arrived}", "next: [{to: darkness}]")

    found = errors_of(text)

    assert [finding.field for finding in found] == ["scenes.tunnel", "scenes.darkness", "scenes.lamplight"]
    assert {finding.problem.partition("' ")[2] for finding in found} == {
        "the story never ends and nothing can be decided"
    }


def nested(section: str, entry: str, levels: int) -> str:
    return f"{section}:\n" + "".join(
        f"  n{level}: {entry.replace('INNER', f'n{level - 1}')}\n" for level in range(1, levels + 1)
    )


@pytest.mark.parametrize(
    ("section", "entry", "base"),
    [
        ("groups", '[{to: "@INNER"}]', "  n0: [{to: yard}]\n"),
        ("conditions", "INNER", "  n0: 'true'\n"),
    ],
)
def test_what_rests_on_itself_more_than_32_deep_is_refused(section: str, entry: str, base: str) -> None:
    sample = SAMPLE.replace("conditions:\n  may_turn: visits('turntable') < 3\n", "").replace(", when: may_turn", "")

    assert errors_of(sample + nested(section, entry, 31) + base) == []
    (finding,) = errors_of(sample + nested(section, entry, 32) + base)
    assert finding.problem == f"{section.removesuffix('s')} 'n32' is nested more than 32 deep"


def test_groups_that_share_groups_cost_no_more_with_each_level() -> None:
    entry = '[{to: "@INNER", when: may_turn}, {to: "@INNER", when: "!may_turn"}, {to: "@INNER"}]'
    text = changed("end: {id: lost}", 'next: [{to: "@n31"}]') + nested("groups", entry, 31)

    assert findings_of(text + "  n0: [{to: lamplight}]\n") == []
    (finding,) = findings_of(text + "  n0: [{to: lamplight, when: may_turn}]\n")
    assert finding.field == "scenes.darkness.next"


@pytest.mark.timeout(120)
def test_a_story_of_10_000_scenes_is_read_in_seconds() -> None:
    def chain(scenes: int) -> str:
        return (
            "story: 1\nid: chain\ntitle: Chain\nstart: s0\nscenes:\n"
            + "".join(f"  s{at}: {{media: {{src: a}}, next: [{{to: s{at + 1}}}]}}\n" for at in range(scenes - 1))
            + f"  s{scenes - 1}: {{media: {{src: a}}, end: {{id: e}}}}\n"
        )

    assert findings_of(chain(10_000)) == []
    assert [finding.field for finding in findings_of(chain(10_001))] == ["scenes"]


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


def values() -> st.SearchStrategy[Any]:
    """Gives what a careless program might write, with the words of the format among it."""
    words = st.sampled_from(
        [
            "story",
            "id",
            "start",
            "scenes",
            "to",
            "when",
            "set",
            "state",
            "type",
            "enum",
            "values",
            "min",
            "default",
            "und",
            "@a",
            "a",
            "int",
            "true",
            "'a'",
            "1/0",
            "visits('a')",
            "-1s",
            "00:00:01",
            "decision",
            "choices",
            "next",
            "end",
        ]
    )
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
    return st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4))


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(found for key, value in inner for found in paths(value, (*path, key)))]


GOOD: dict[str, Any] = {
    **yaml.safe_load(SAMPLE),
    "fallback": "yard",
    "defaults": {"lead": "4s", "window": 10, "labels": "en"},
    "profile": {"plan": {"type": "enum", "values": ["a", "b"], "default": "a", "source": "token", "pii": True}},
    "state": {
        "lantern": {"type": "bool", "default": False},
        "skill": {"type": "int", "default": 1, "min": 0, "max": 3},
        "share": {"type": "number", "default": 0.5, "min": 0, "max": 1},
        "word": {"type": "string", "default": "a"},
    },
    "groups": {"way": [{"to": "@inner", "when": "state.skill > 1"}, {"to": "yard"}], "inner": [{"to": "tunnel"}]},
}
PLACES = paths(GOOD)[1:]


@settings(max_examples=900, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), values()), min_size=1, max_size=3))
def test_no_wrong_value_anywhere_raises_anything_but_its_findings(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    data = copy.deepcopy(GOOD)
    for path, value in changes:
        around: Any = data
        for part in path[:-1]:
            around = around[part] if isinstance(around, dict | list) and part in paths_of(around) else None
        if isinstance(around, dict | list) and path[-1] in paths_of(around):
            around[path[-1]] = value
    text = json.dumps(data)

    story, findings = read_story(text, "story.json")

    assert story is not None or any(finding.level == "error" for finding in findings)
    assert len(findings) == len(set(findings))
    assert all(finding.remedy and len(finding.problem) < 500 for finding in findings)
    if story is not None:
        assert load_story(text, "story.json").scenes == story.scenes


def paths_of(data: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(data) if isinstance(data, dict) else list(range(len(data)))


@settings(max_examples=300, deadline=None)
@given(values())
def test_no_data_raises_anything_but_its_findings(data: Any) -> None:
    with pytest.raises(StoryError) as caught:
        load_story(yaml.safe_dump(data, allow_unicode=True), "story.yaml")

    assert caught.value.findings


def test_the_good_story_that_is_spoilt_above_is_good() -> None:
    assert errors_of(json.dumps(GOOD)) == []


WAITS = """
story: 1
id: waits
title: Waits
start: a
DEFAULTS
scenes:
  a:
    media: {src: a}
    checkpoint: {id: top, label: Top}
    decision:
      {id: d, prompt: Which?, default: b, HOW, choices: [{id: b, label: B, to: b}]}
  b: {media: {src: b}, checkpoint: {id: top, label: Again}, end: {id: e}}
"""


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("hold: true", "there is no loop to hold with"),
        ("accessible: {extend: 3x}", "there is no loop to hold with"),
        ("accessible: {extend: 0.5x}", "'0.5x' is no extension"),
        ("accessible: {extend: 99x}", "'99x' is no extension"),
        ("lock: late", "lock"),
        ("hold: {src: loop, max: 0s}", "is no length of time"),
    ],
)
def test_what_cannot_wait_is_told(how: str, told: str) -> None:
    text = WAITS.replace("DEFAULTS\n", "").replace("HOW", how)
    found = findings_of(text.replace("{id: top, label: Again}", "{id: c, label: C}"))

    assert len(found) == 1
    assert told in str(found[0])


def test_two_checkpoints_of_one_id_are_told() -> None:
    found = findings_of(WAITS.replace("DEFAULTS\n", "").replace("HOW, ", ""))

    assert len(found) == 1
    assert str(found[0]) == (
        "story.yaml:12:41: error: scenes.b.checkpoint.id: checkpoint 'top' stands twice (first in line 9). "
        "Give each its own id"
    )


@pytest.mark.parametrize(
    ("how", "hold"),
    [
        ("hold: true", Hold(src="idle", max=seconds(20))),
        ("hold: {src: own}", Hold(src="own", max=seconds(60))),
        ("hold: false", None),
        ("accessible: {extend: 2.5x}", Hold(src="idle", max=seconds(0))),
    ],
)
def test_a_hold_is_the_decision_s_own_or_that_of_the_defaults(how: str, hold: Hold | None) -> None:
    text = WAITS.replace("DEFAULTS", "defaults: {hold: {src: idle, max: 20s}}").replace("HOW", how)
    story = load_story(text.replace("{id: top, label: Again}", "{id: c, label: C}"), "story.yaml")

    assert story.scenes["a"].decisions[0].hold == hold
    assert hold_sources(story) == ((hold.src,) if hold else ())


def test_a_default_by_rule_needs_a_choice_that_is_always_offered() -> None:
    text = SAMPLE.replace("default: onward", "default: first").replace("to: tunnel}", "to: tunnel, when: may_turn}", 1)

    _, findings = read_story(text, "story.yaml")

    assert [str(each) for each in findings] == [
        (
            "story.yaml:54:7: error: scenes.turntable.decision.choices: every choice has a 'when', so that none may be"
            " offered. Let one of them have no 'when'"
        )
    ]


def test_a_scene_whose_choices_may_all_be_missing_goes_on_nowhere() -> None:
    text = (
        "story: 1\nid: a\ntitle: A\nstart: a\nstate: {n: {type: int, default: 0}}\nscenes:\n  a:\n    media: {src: a}\n"
        "    decision: {id: d, timeout: b, choices: [{id: c, label: C, to: b, when: state.n > 0}]}\n"
        "  b: {media: {src: b}, end: {id: b}}\n"
    )

    assert [error.field for error in errors_of(text)] == ["scenes.a"]
    assert errors_of(text.replace("    decision", "    next: [{to: b}]\n    decision")) == []
    assert errors_of(text.replace(", when: state.n > 0", "")) == []
