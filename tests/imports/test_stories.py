"""What becomes of passages: scenes, decisions, rules and endings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import BranchlineError, StoryError
from streamer.imports.naming import Ids, slug, story_id
from streamer.imports.twee import import_twee
from streamer.story.codec import load_story, read_story
from streamer.story.rules import Opening
from streamer.story.tree import parse
from streamer.story.walk import Given, Plan, lengths_of, walk
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.imports.reading import HARLOWE, SUGARCUBE, data_of, imported, scene_of, told

SAMPLES = Path(__file__).parent / "samples"
OTHERS = "\n:: A\n:: B\n"


def test_a_passage_with_one_link_goes_on_by_itself() -> None:
    assert scene_of(f":: Start\nOnce.\n[[Go|A]]{OTHERS}") == {
        "media": {"src": "Start"},
        "text": "Once.",
        "next": [{"to": "A"}],
    }


def test_a_passage_with_more_links_asks() -> None:
    assert scene_of(f":: Start\nOnce upon a time.\nWhere to?\n[[Left|A]]\n[[Right|B]]{OTHERS}") == {
        "media": {"src": "Start"},
        "text": "Once upon a time.\nWhere to?",
        "decision": {
            "id": "Start",
            "prompt": "Where to?",
            "default": "A",
            "choices": [{"id": "A", "label": "Left", "to": "A"}, {"id": "B", "label": "Right", "to": "B"}],
        },
    }


def test_a_passage_without_a_link_is_an_ending() -> None:
    assert scene_of(":: Start\nThe end.") == {"media": {"src": "Start"}, "text": "The end.", "end": {"id": "Start"}}


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("", "What now?"),
        ("Here you are.", "Here you are."),
        ("First line.\nSecond line?", "Second line?"),
        ("word " * 30 + "end. Where to?", "Where to?"),
        ("word " * 60, "What now?"),
        ("Short. " + "word " * 60, "What now?"),
    ],
)
def test_a_decision_asks_with_the_last_words_of_its_passage(text: str, prompt: str) -> None:
    assert (
        scene_of(f":: Start\n{text}\n[[A]] [[B]]{OTHERS}".replace(" [[B]]", "\n[[B]]"))["decision"]["prompt"] == prompt
    )


def test_the_first_choice_without_a_condition_is_the_default() -> None:
    decision = scene_of(f"{SUGARCUBE}:: Start\n<<if $x>>[[A]]<</if>>[[B]][[Start]]{OTHERS}")["decision"]

    assert decision["default"] == "B"
    assert [choice.get("when") for choice in decision["choices"]] == ["state.x", None, None]


def test_where_every_link_has_a_condition_a_choice_is_added() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x>>[[A]]<</if>><<if $y>>[[B]]<</if>>{OTHERS}"

    data = data_of(text)
    scene = data["scenes"]["Start"]
    assert scene["decision"]["default"] == "go-on"
    assert scene["decision"]["choices"][2] == {"id": "go-on", "label": "Go on"}
    assert scene["next"] == [{"to": "A", "when": "state.x"}, {"to": "B", "when": "state.y"}, {"to": "Start-end"}]
    assert data["scenes"]["Start-end"] == {"media": {"src": "Start-end"}, "end": {"id": "Start-end"}}
    assert told(text) == [
        (
            "5:10 every link depends on a condition, and a decision needs a choice that is always there. "
            "A choice 'Go on' is added, and taken where nobody answers; it leads where the first link does"
        ),
        "5:10 there may be no way on from here, and then a story needs an ending. The scene 'Start-end' is added",
    ]


def test_where_some_branch_always_holds_no_ending_is_added() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x>>[[A]][[Start]]<<else>>[[B]]<</if>>{OTHERS}"

    scene = scene_of(text)
    assert [choice.get("when") for choice in scene["decision"]["choices"]] == ["state.x", "state.x", "!state.x", None]
    assert scene["next"] == [{"to": "A", "when": "state.x"}, {"to": "B"}]


def test_one_link_in_each_branch_is_a_rule_each() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x>>[[A]]<<elseif $y>>[[B]]<<else>>[[Start]]<</if>>{OTHERS}"

    assert scene_of(text)["next"] == [
        {"to": "A", "when": "state.x"},
        {"to": "B", "when": "state.y"},
        {"to": "Start"},
    ]


def test_branches_without_a_link_are_thought_of() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x>>[[A]]<<elseif $y>>-<<else>>[[B]]<</if>>{OTHERS}"

    assert scene_of(text)["next"] == [
        {"to": "A", "when": "state.x"},
        {"to": "B", "when": "!state.x && !state.y"},
        {"to": "Start-end"},
    ]


def test_ifs_within_ifs_hold_together() -> None:
    text = f"{SUGARCUBE}:: Start\n[[Start]]<<if $x is 1>><<if $y>>[[A]]<<else>>[[B]]<</if>><</if>>{OTHERS}"

    choices = scene_of(text)["decision"]["choices"]
    assert [choice.get("when") for choice in choices] == [None, "state.x == 1 && state.y", "state.x == 1 && !state.y"]


def test_links_that_set_something_stay_choices_in_their_branches() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x>>[[A][$x to false]]<<else>>[[B]]<</if>>{OTHERS}"

    assert [choice["id"] for choice in scene_of(text)["decision"]["choices"]] == ["A", "B", "go-on"]


def test_jumps_are_rules() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x>><<goto 'A'>><</if>><<goto [[B]]>><<goto 'Start'>>{OTHERS}"

    assert scene_of(text)["next"] == [{"to": "A", "when": "state.x"}, {"to": "B"}]


def test_a_link_that_is_there_only_at_times_needs_an_ending_besides() -> None:
    assert scene_of(f"{SUGARCUBE}:: Start\n<<if $x>>[[A]]<</if>>{OTHERS}")["next"] == [
        {"to": "A", "when": "state.x"},
        {"to": "Start-end"},
    ]


def test_a_condition_too_long_to_be_said_is_told_and_its_link_is_offered() -> None:
    long = " and ".join(f"$s is '{'x' * 60}{number}'" for number in range(12))
    text = f"{SUGARCUBE}:: Start\n[[B]]<<if {long}>><<if {long}>>[[A]]<<set $n to 1>><</if>><</if>>{OTHERS}"

    assert "when" not in scene_of(text)["decision"]["choices"][1]
    assert any("what this depends on cannot be said: is 1" in each for each in told(text))
    alone = text.replace("[[B]]", "")
    assert scene_of(alone)["next"] == [{"to": "A"}]


def test_no_decision_has_more_choices_than_a_story_allows() -> None:
    many = "".join(f"[[P{number}]]\n" for number in range(20))
    passages = "".join(f":: P{number}\n" for number in range(20))
    text = f"{SUGARCUBE}:: Start\n{many}{passages}"
    conditional = text.replace(many, f"<<if $x>>{many}<</if>>")

    assert len(scene_of(text)["decision"]["choices"]) == 16
    assert told(text) == [
        "21:1 the passage has 20 links; a decision has 16 choices at most. This link and those after it are left out"
    ]
    assert scene_of(conditional)["decision"]["choices"][-1]["id"] == "go-on"
    assert len(scene_of(conditional)["decision"]["choices"]) == 16


def test_a_circle_that_nothing_leaves_gets_a_way_out() -> None:
    text = ":: Start\n[[A]]\n:: A\nRound.\n[[B]]\n:: B\n[[A]]\n:: C\n[[Start]]\n:: D\n[[D]]"

    scenes = data_of(text)["scenes"]
    assert scenes["A"]["decision"] == {
        "id": "A",
        "prompt": "Round.",
        "default": "go-on",
        "choices": [{"id": "go-on", "label": "Go on"}, {"id": "stop", "label": "Stop here", "to": "A-end"}],
    }
    assert scenes["A"]["next"] == [{"to": "B"}]
    assert [name for name, scene in scenes.items() if "decision" in scene] == ["A", "D"]
    assert told(text) == [
        "3:1 from here the story goes round for ever, and nothing can be decided. "
        f"A choice is added, and the scene '{name}-end' that it leads to".replace("3:1", place)
        for name, place in (("A", "3:1"), ("D", "10:1"))
    ]


def test_names_become_ids_that_differ() -> None:
    text = ":: Start\n[[The 'dark' Cave!]] [[the dark cave]] [[Größe]] [[洞]] [[-x.]]\n" + "".join(
        f":: {name}\n" for name in ("The 'dark' Cave!", "the dark cave", "Größe", "洞", "-x.")
    )

    assert list(data_of(text)["scenes"]) == ["Start", "The-dark-Cave", "the-dark-cave-2", "Groe", "scene", "x"]


def test_ids_are_cut_to_their_length_and_differ_all_the_same() -> None:
    ids = Ids("x")
    made = [ids.made("a" * 80) for _ in range(12)]

    assert len(set(made)) == 12
    assert {len(each) for each in made} == {64}
    assert (slug("..-"), story_id("¡Olé, 2!"), story_id("…")) == ("", "ole-2", "story")


def test_two_ways_to_one_passage_are_told_apart_by_their_labels() -> None:
    choices = scene_of(f":: Start\n[[Run|A]] [[Walk slowly|A]]{OTHERS}")["decision"]["choices"]

    assert [choice["id"] for choice in choices] == ["A", "Walk-slowly"]


def test_a_label_that_is_empty_or_too_long_is_made_to_fit() -> None:
    choices = scene_of(f":: Start\n[[|A]] [[{'x' * 600}|B]] [[''Bold'' &amp; //so//|A]]{OTHERS}")["decision"]["choices"]

    assert [choice["label"] for choice in choices] == ["A", "x" * 499 + "…", "Bold & so"]


def test_the_start_is_the_one_named_else_start_else_an_error() -> None:
    named = ':: StoryData\n{"start": "B"}\n:: Start\n:: B\n'

    assert data_of(named)["start"] == "B"
    assert data_of(":: A\n:: Start\n")["start"] == "Start"
    with pytest.raises(StoryError) as caught:
        import_twee(":: A\n:: start\n", "a.twee")
    assert str(caught.value) == (
        "a.twee: error: there is no passage 'Start' to start with. Did you mean 'start'? "
        'Name one in StoryData: {"start": "…"}, or call the first passage Start'
    )


def test_scenes_tell_their_passages_name_and_tags() -> None:
    text = imported(":: Start [dark wet]\n[[The Cave]]\n:: The Cave\n").text

    assert "  # Start [dark wet]\n  Start:\n" in text
    assert "  # The Cave\n  The-Cave:\n" in text


def test_texts_that_look_like_something_else_are_put_in_quotes() -> None:
    names = [
        "yes",
        "No",
        "y",
        "1e3",
        "12",
        "1.5E3",
        "~",
        "null",
        "a: b",
        "# c",
        "'d",
        '"e"',
        "- f",
        "@g",
        "{h}",
        "it's: so",
    ]
    text = ":: Start\n" + "".join(f"[[{name}|A]]\n" for name in names) + OTHERS

    labels = [choice["label"] for choice in scene_of(text)["decision"]["choices"]]
    assert labels == names
    found = parse(imported(text).text, "story.yaml").data["scenes"]["Start"]["decision"]["choices"]
    assert [choice["label"] for choice in found] == names  # as the reader of stories reads them, too


def test_long_texts_are_wrapped_and_read_back_as_they_were() -> None:
    paragraph = 'A long line of many words, and more: it\'s "quoted" # and so on. ' * 4
    text = f":: Start\n{paragraph}\n\nShort.\n{paragraph}\n[[{'long label ' * 12}|A]]\n[[B]]{OTHERS}"

    made = imported(text)
    story = load_story(made.text, "story.yaml")
    assert story.scenes["Start"].text == {"en": f"{paragraph.strip()}\n\nShort.\n{paragraph.strip()}"}
    assert max(len(line) for line in made.text.splitlines()) < 130


def test_what_a_passage_sets_is_set_as_its_scene_begins() -> None:
    text = (
        f"{SUGARCUBE}:: Start\n<<set $x to 1>><<set $y += 1>><<set $x to $x + 1>><<if $y is 2>><<set $x to 5>>"
        f"<</if>>[[A]] [[B]]{OTHERS}"
    )

    assert scene_of(text)["events"] == [
        {"at": "0s", "set": {"x": 1, "y": "state.y + 1"}},
        {"at": "0s", "set": {"x": "state.x + 1"}},
        {"at": "0s", "when": "state.y == 2", "set": {"x": 5}},
    ]


def test_what_the_only_link_sets_is_set_as_its_scene_begins() -> None:
    scene = scene_of(f"{SUGARCUBE}:: Start\n[[A][$x to 1]]{OTHERS}")

    assert (scene["events"], scene["next"]) == ([{"at": "0s", "set": {"x": 1}}], [{"to": "A"}])


def test_an_imported_story_is_walked_as_it_was_written() -> None:
    made = imported((SAMPLES / "cave.twee").read_text("utf-8"), "cave.twee")
    story = load_story(made.text, "story.yaml")

    def walked(*answers: tuple[str, str]) -> list[str]:
        found = walk(
            story,
            lengths_of(story, Ticks(30 * TICKS_PER_SECOND)),
            Plan(answers=[Given(decision=decision, choice=choice) for decision, choice in answers]),
            opening=Opening(),
            segment=Ticks(2 * TICKS_PER_SECOND),
            most_scenes=10,
        )
        return [seen.scene for seen in found.scenes]

    mouth = "Mouth-of-the-cave"
    assert walked((mouth, "Home")) == [mouth, "Home"]
    assert walked((mouth, "Hall"), ("Door", "Kick-it"), ("Round", "stop")) == [
        mouth,
        "Hall",
        "Door",
        "Deep",
        "Round",
        "Round-end",
    ]
    assert walked((mouth, "Go-in-without-it")) == [mouth, "Hall", "Deep", "Deep-end"]
    assert (made.scenes, made.decisions) == (8, 3)


def test_a_page_of_twine_is_imported_whole() -> None:
    made = imported((SAMPLES / "house.html").read_text("utf-8"), "house.html")
    story = load_story(made.text, "story.yaml")

    assert (story.id, story.title, story.start) == ("the-house-the-hill", {"en": "The House & the Hill"}, "Garden")
    assert {name: variable.type for name, variable in story.state.items()} == {
        "coins": "number",
        "key": "bool",
        "lives": "int",
        "visits": "int",
        "x": "int",
    }
    assert all(finding.line and finding.column for finding in made.findings)


def test_every_finding_names_file_place_and_passage() -> None:
    made = imported((SAMPLES / "cave.twee").read_text("utf-8"), "cave.twee")

    assert str(made.findings[-1]) == (
        "cave.twee:41:1: warning: passage 'Styles': the passage is tagged stylesheet. It is left out"
    )
    assert {finding.level for finding in made.findings} == {"warning"}
    assert [finding.line for finding in made.findings] == sorted(finding.line for finding in made.findings)


def test_more_passages_than_a_story_has_scenes_are_refused() -> None:
    many = ":: Start\n" + "".join(f":: P{number}\n" for number in range(10_000))

    with pytest.raises(StoryError, match="there are 10001 passages; a story has 10000 scenes at most"):
        import_twee(many, "many.twee")


WORDS = [
    *("<<if ", "<<else>>", "<<elseif $y is 'a'>>", "<</if>>", "<<set ", ">>", '<<goto "A">>', '<<link "L" "B">>'),
    *(
        "<</link>>",
        "<<nobr>>",
        "<</nobr>>",
        "<<x>>",
        "<<print $x>>",
        "(set: $x to it + 1)",
        "(if: $x is 1)[",
        "(else:)[",
    ),
    *(
        "(else-if: $y)[",
        "(link: 'q')[",
        "(go-to: 'A')",
        "(link-goto: 'a','B')",
        "(unless: $z)[",
        "(a: 1)",
        "|h>[",
        "]<h|",
    ),
    *("[=", "[", "]", "[[", "]]", "|", "->", "<-", "[[A]]", "[[B]]", "[[Start]]", "[[A][$x to 1]]", "(", ")", "{", "}"),
    *("$x", "$y", "_t", " is ", "not ", 'visited("A")', "(history:)", "contains ", "1", "2.5", "'a'", '"b"', "true"),
    *(" + ", " - ", " / ", " % ", " and ", " or ", "to ", "+=", "++", ",", "<", "<=", "'", "`", "//", "''", "!", "\\"),
    *("\n", "\n:: A\n", "\n:: B [x] {}\n", "\n:: Start\n", "\n:: StoryInit\n", "\n:: StoryData\n", '{"start":"A"}'),
    *("<b>", "<!--", "-->", "/*", "*/", "&amp;", "&#0;", "é", "\x00", "\x01", "\u2028", "\ufeff", "word ", "yes"),
]
some_markup = st.lists(st.sampled_from(WORDS), max_size=60).map("".join) | st.text(max_size=60)


def a_page(first: str, second: str, form: str) -> str:
    return (
        f"<tw-storydata name='x' startnode='1' format='{form}'><tw-passagedata pid='1' name='Start'>{first}"
        f"</tw-passagedata><tw-passagedata pid=2 name=A>{second}</tw-passagedata></tw-storydata>"
    )


any_file = st.one_of(
    some_markup,
    st.builds(":: Start\n{}\n:: A\n{}\n:: B\n{}".format, some_markup, some_markup, some_markup),
    st.builds("{}:: Start\n{}\n:: A\n{}\n:: B".format, st.just(HARLOWE), some_markup, some_markup),
    st.builds(a_page, some_markup, some_markup, st.sampled_from(["Harlowe", "SugarCube", "Snowman", ""])),
)


@settings(max_examples=300, deadline=None)
@given(any_file)
def test_any_text_becomes_a_story_or_an_error_in_words(text: str) -> None:
    try:
        made = import_twee(text, "f.twee")
    except BranchlineError as error:
        assert "as a story" not in str(error)  # noqa: PT017 - never one of what was written, but of what was read
        return

    story, findings = read_story(made.text, "story.yaml")
    assert story is not None
    assert all(finding.level == "warning" for finding in findings)
    assert yaml.safe_load(made.text)["scenes"].keys() == story.scenes.keys()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for finding in made.findings:
        assert (
            1 <= finding.column <= len(lines[finding.line - 1]) + 2
            if finding.line <= len(lines)
            else finding.column == 1
        )


words = st.text(
    st.characters(categories=("L", "M", "N", "P", "S", "Z"), exclude_characters="<>[]{}$%-_&"), max_size=200
)


@settings(max_examples=100, deadline=None)
@given(words)
def test_words_are_read_back_as_they_were_written(text: str) -> None:
    made = import_twee(a_page(escaped(text), "", "Snowman"), "f.html")

    found = load_story(made.text, "story.yaml").scenes["Start"].text
    assert (found or {"en": ""})["en"].split() == text.split()


def escaped(text: str) -> str:
    return "".join(f"&#{ord(each)};" for each in text)


@pytest.mark.timeout(30)
def test_a_story_of_200_passages_is_imported_in_seconds() -> None:
    text = SUGARCUBE.replace('"SugarCube"', '"SugarCube", "start": "P0"') + "".join(
        f":: P{number}\nSome words. <<if $x gt {number} and visited('P{number}') lt 2>>[[P{number + 1}]]<</if>>"
        f"[[Back|P{max(number - 1, 0)}][$x += 1]]\n"
        for number in range(200)
    )

    made = imported(f"{text}:: P200\n")

    assert (made.scenes, made.decisions) == (201, 200)
