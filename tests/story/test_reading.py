"""YAML is read strictly: what programs read differently is refused, and everything knows its place."""

from __future__ import annotations

import json

import pytest

from streamer.errors import StoryError
from streamer.story.codec import read_story
from streamer.story.tree import MAX_FINDINGS, parse, spelled

BASE = "story: 1\nid: t\ntitle: T\nstart: a\nscenes:\n  a: {media: {src: a}, end: {id: e}}\n"


def told(text: str) -> list[str]:
    return [str(finding) for finding in read_story(text, "s.yaml")[1]]


def refusal(text: str) -> str:
    """Gives the one finding of a text that could not be read at all."""
    with pytest.raises(StoryError) as caught:
        parse(text, "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("1.5", 1.5),
        ("-2.5e3", -2500.0),
        ("'12'", "12"),
        ('"yes"', "yes"),
        ("012", "012"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("1:30", "1:30"),
        ("00:01:02.640", "00:01:02.640"),
        ("2026-11-24", "2026-11-24"),
        ("=", "="),
        ("nulls", "nulls"),
        ("yesterday", "yesterday"),
        ("|\n  two\n  lines", "two\nlines"),
    ],
)
def test_a_scalar_is_read_as_yaml_1_2_reads_it(written: str, read: object) -> None:
    tree = parse(f"a: {written}", "s.yaml")

    assert tree.data == {"a": read}
    assert type(tree.data["a"]) is type(read)
    assert tree.findings == []


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off", "y", "N", "True", "FALSE"])
def test_a_word_that_programs_read_differently_is_one_finding_wherever_it_stands(word: str) -> None:
    as_text = BASE.replace("title: T", f"title: {word}")
    as_truth = BASE + f"state: {{lamp: {{type: bool, default: {word}}}}}\n"

    for text, place in ((as_text, "3:8"), (as_truth, "7:37")):
        (line,) = told(text)
        assert line.startswith(f"s.yaml:{place}: error:")
        assert f"'{word}' is read as a truth value by some programs" in line
        assert f'or "{word}" in quotes for the text' in line


def test_a_key_is_always_a_text() -> None:
    assert parse("1: a\nyes: b\n? ~\n: c", "s.yaml").data == {"1": "a", "yes": "b", "~": "c"}


def test_a_merge_key_is_a_key_like_any_other() -> None:
    (line,) = told(BASE + "<<: {id: u}\n")

    assert line.startswith("s.yaml:7:1: error: <<: unknown key '<<'.")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x 1", "s.yaml:1:4: error: anchors and aliases are not read. Write the value out"),
        ("a: *x", "s.yaml:1:4: error: anchors and aliases are not read. Write the value out"),
        ("a: !!python/name:os.system", "s.yaml:1:4: error: tags are not read."),
        ("a: !mine {b: 1}", "s.yaml:1:4: error: tags are not read."),
        (
            "a:\n\tb: 1",
            "s.yaml:2:1: error: while scanning for the next token, found character that cannot start any token.",
        ),
        ("a: 1\n---\nb: 1", "s.yaml:2:1: error: expected a single document in the stream, but found another document."),
        ("a: 1\nb\x00: 1", r"s.yaml:2:2: error: the character '\x00' is not allowed. Remove it"),
        ("a: \x1b[31m", r"s.yaml:1:4: error: the character '\x1b' is not allowed. Remove it"),
        ("a: \ud800", r"s.yaml:1:4: error: the character '\ud800' is not allowed. Remove it"),
        ("\ud800" * 9_000_000, "s.yaml:1:1: error: the file is larger than 8388608 bytes. Split the story"),
        ("é" * 5_000_000, "s.yaml:1:1: error: the file is larger than 8388608 bytes. Split the story"),
        ("# nothing\n", "s.yaml:1:1: error: the file is empty."),
        ("[" * 100_000, "s.yaml:1:33: error: is nested more than 32 deep. Flatten it"),
        ("- " * 100_000, "s.yaml:1:65: error: is nested more than 32 deep. Flatten it"),
        (
            "%YAML x\n---\na: 1",
            "s.yaml:1:7: error: while scanning a %YAML directive, did not find expected version number",
        ),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str, line: str) -> None:
    assert refusal(text).startswith(line)


def test_tabs_are_told_apart_from_other_marks() -> None:
    assert refusal("a:\n\tb: 1").endswith("Indent with spaces, not tabs")
    assert refusal("a: @b").endswith("Mend the line, or put the text in quotes")


def test_a_key_that_stands_twice_names_the_first() -> None:
    (line,) = told(BASE + "id: u\n")

    assert line == "s.yaml:7:1: error: id: the key 'id' stands twice (first in line 2). Keep one of them"


def test_the_passage_of_a_scene_may_have_many_lines_and_languages() -> None:
    long = "x" * 4988 + "\n\n\tindented"
    scenes = {
        "a": {"media": {"src": "a"}, "text": "One.\n\nTwo: 50 % of “it”.", "next": [{"to": "b"}]},
        "b": {"media": {"src": "b"}, "text": {"sv": "Två.", "en": long}, "next": [{"to": "c"}]},
        "c": {"media": {"src": "c"}, "end": {"id": "e"}},
    }
    data = {"story": 1, "id": "t", "title": "T", "start": "a", "scenes": scenes}

    story, findings = read_story(json.dumps(data), "s.json")

    assert story is not None
    assert findings == ()
    texts = [scene.text for scene in story.scenes.values()]
    assert texts == [{"en": "One.\n\nTwo: 50 % of “it”."}, {"en": long, "sv": "Två."}, None]


def test_a_list_at_the_top_is_no_story() -> None:
    assert told("- a\n- b\n") == ["s.yaml:1:1: error: a list is no mapping. Write 'key: value' pairs"]


@pytest.mark.parametrize("digits", ["9" * 41, "9" * 10_000, "1." + "0" * 100])
def test_a_number_of_very_many_digits_is_one_finding(digits: str) -> None:
    (line,) = told(BASE + f"state: {{x: {{type: number, default: {digits}}}}}\n")

    assert line.startswith("s.yaml:7:36: error: state.x.default: the number has more than 40 digits")


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    story, findings = read_story("\ufeff" + BASE.replace("\n", "\r\n"), "s.yaml")

    assert story is not None
    assert findings == ()


def test_json_may_be_indented_with_tabs() -> None:
    data = {
        "story": 1,
        "id": "t",
        "title": "T",
        "start": "a",
        "scenes": {"a": {"media": {"src": "a"}, "end": {"id": "e"}}},
    }

    assert read_story(json.dumps(data, indent="\t"), "s.json")[1] == ()


@pytest.mark.parametrize("title", ["🎬 A film", "é ü", "\\ud83d\\ude00", 'a/b "c" \\ d', "\U0010ffff\U00010000"])
def test_json_means_what_a_json_reader_reads(title: str) -> None:
    data = {
        "story": 1,
        "id": "t",
        "title": title,
        "start": "a",
        "scenes": {"a": {"media": {"src": "a"}, "end": {"id": "e"}}},
    }

    for ascii_only in (True, False):
        story, _ = read_story(json.dumps(data, ensure_ascii=ascii_only), "s.json")
        assert story is not None
        assert story.title == {"en": title}


def test_a_file_with_very_many_mistakes_tells_the_first_of_them() -> None:
    lines = told(BASE + "".join(f"key{index}: 1\n" for index in range(5000)))

    assert len(lines) == MAX_FINDINGS + 1
    assert lines[-1] == f"s.yaml: error: there are more mistakes than these {MAX_FINDINGS}. Mend these first"


def test_a_path_is_spelled_as_an_author_would() -> None:
    assert spelled(("scenes", "a", "decision", "choices", 0, "to")) == "scenes.a.decision.choices[0].to"
    assert spelled(()) == ""


def test_data_are_found_by_their_path_and_what_is_not_there_is_none() -> None:
    tree = parse("a: {b: [1, {c: x}]}", "story.yaml")

    assert tree.value(("a", "b", 1, "c")) == "x"
    assert [tree.value(path) for path in (("z",), ("a", "b", 7), ("a", "b", "c"), ("a", "b", 0, "c"))] == [None] * 4
