"""What is read of Twee 3 and of Twine's HTML, and where it stood."""

from __future__ import annotations

import pytest

from streamer.errors import StoryError
from streamer.imports import passages
from streamer.imports.passages import Document, Report, read_document
from tests.imports.reading import data_of, imported

PAGE = """<html>
<tw-storydata name="One &amp; two" startnode="7" format="Harlowe" format-version="3.3.8" ifid="ID"><tw-passagedata
 pid="7" name="A &quot;b&quot;" tags="x y">1 &lt; 2&#x21;
&amp;co <b>bold</b> &unknown; end
</tw-passagedata>
<style>b {}</style><script> </script><tw-passagedata pid="8" name="Empty"></tw-passagedata></tw-storydata></html>"""


def read(text: str, wanted: str | None = None) -> tuple[Document, list[str]]:
    report = Report("f")
    document = read_document(text, report, wanted)
    return document, [str(finding) for finding in report.findings]


def refused(text: str, wanted: str | None = None) -> str:
    with pytest.raises(StoryError) as caught:
        read(text, wanted)
    return str(caught.value)


def test_a_header_names_tags_and_metadata_apart() -> None:
    document, told = read(
        '\ufeff:: StoryTitle\nA tale\r\n\r\n:: One [a  b-c] {"position": "1,2"}\r\nText\n\n\n'
        '::Two\n:: Three {"size":"1,1"}\n:: Four [x]'
    )

    assert told == []
    assert document.title == "A tale"
    assert [(each.name, each.tags, each.text) for each in document.passages] == [
        ("One", ("a", "b-c"), "Text"),
        ("Two", (), ""),
        ("Three", (), ""),
        ("Four", ("x",), ""),
    ]


def test_escaped_brackets_and_braces_are_part_of_names_and_tags() -> None:
    document, told = read(":: A \\[1\\] \\{x\\} \\\\ end [t\\]g u]\nText")

    assert told == []
    assert (document.passages[0].name, document.passages[0].tags) == ("A [1] {x} \\ end", ("t]g", "u"))


def test_story_data_tells_format_start_and_ifid() -> None:
    data = '{"ifid": "ID", "format": "SugarCube", "format-version": "2.36", "start": "X", "zoom": 1}'
    document, _ = read(f":: StoryData\n{data}\n:: X\nHi")

    assert (document.ifid, document.format, document.format_version, document.start) == ("ID", "SugarCube", "2.36", "X")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello\n:: A\n", "f:1:1: warning: there is text before the first passage. It is left out"),
        (":: A\n:: B {x\nb", "f:2:1: warning: the passage's header is not of the form"),
        (":: A\n:: B\\\nb", "f:2:1: warning: the passage's header is not of the form"),
        (":: A\n:: B {x}\nb", "f:2:6: warning: passage 'B': the metadata is no JSON. It is left out"),
        (":: A\n:: StoryData\n[1]", "f:3:1: warning: passage 'StoryData': StoryData is no JSON object"),
        (":: A\n:: StoryData\n" + "[" * 100_000, "StoryData is no JSON object"),
        (":: A\n:: [x]\nlost", "f:2:1: warning: a passage has no name. It is left out"),
        (":: A\nfirst\n:: A\nlast", "f:1:1: warning: passage 'A': there is another passage of this name in line 3"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(text: str, words: str) -> None:
    (told,) = read(text)[1]

    assert told.startswith(words) or words in told


def test_of_two_passages_of_a_name_the_last_counts() -> None:
    document, _ = read(":: A\nfirst\n:: B\n:: A\nlast")

    assert [(each.name, each.text) for each in document.passages] == [("B", ""), ("A", "last")]


def test_html_is_read_as_a_browser_reads_it() -> None:
    document, told = read(PAGE)

    assert (document.title, document.start, document.format) == ("One & two", 'A "b"', "Harlowe")
    assert [(each.name, each.tags, each.text) for each in document.passages] == [
        ('A "b"', ("x", "y"), "1 < 2!\n&co <b>bold</b> &unknown; end"),
        ("Empty", (), ""),
    ]
    assert told == ["f:6:1: warning: the story has a style sheet. It is left out"]


def test_every_character_of_a_page_knows_its_place() -> None:
    passage = read(PAGE)[0].passages[0]

    spelled = {
        "1": "1 &lt;",
        "<": "&lt; 2",
        "2": "2&#",
        "!": "&#x21;",
        "&co": "&amp;co",
        "co": "co <b",
        "bold": "bold",
        "end": "end",
    }
    for word, raw in spelled.items():
        line = PAGE.count("\n", 0, PAGE.index(raw)) + 1
        column = PAGE.splitlines()[line - 1].index(raw) + 1
        assert (word, passage.place(passage.text.index(word))) == (word, (line, column))


def test_the_place_of_what_stands_in_the_first_line_counts_from_the_files_own() -> None:
    (passage,) = read("<p><tw-storydata><tw-passagedata name='A'>xy")[0].passages

    assert passage.place(1) == (1, 44)


def test_a_story_is_chosen_from_an_archive_by_its_title() -> None:
    archive = "".join(
        f"<tw-storydata name='{name}'><tw-passagedata name='Start'>{name}</tw-storydata>" for name in "ab"
    )

    assert read(archive, "b")[0].passages[0].text == "b"
    assert "there are 2 stories: 'a', 'b'. Name the one to import with --story" in refused(archive)
    assert "there is no story 'c'; there is: 'a', 'b'" in refused(archive, "c")
    assert "there is no story 'c'; there is: 'T'" in refused(":: StoryTitle\nT\n:: Start\n", "c")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no passage. Give a Twee 3 file"),
        ("just text", "there is no passage"),
        (":: StoryTitle\nx", "there is no passage"),
        ("<tw-storydata></tw-storydata>", "there is no passage"),
        ("<tw-storydata><![if IE]x", "there is no passage"),
        ("<tw-storydata><![x[ y", "this is no HTML: unknown status keyword 'x' in marked section"),
    ],
)
def test_a_file_without_passages_is_refused(text: str, words: str) -> None:
    assert words in refused(text)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "more than 33554432 characters" in refused("x" * (passages.MAX_CHARACTERS + 1))


def test_what_stands_around_passages_is_no_part_of_them() -> None:
    page = (
        "<script>lost</script><tw-storydata startnode='9'>lost<script>let a = 1 < 2;</script></p>"
        "<tw-passagedata pid='1' name='Start'>x<script>in</script>y</tw-passagedata>lost</tw-storydata></script>"
        "<tw-passagedata name='late'>z"
    )
    document, told = read(page)

    assert [(each.name, each.text) for each in document.passages] == [
        ("Start", "x<script>in</script>y"),
        ("late", "z"),
    ]
    assert document.start == ""
    assert told == [f"f:1:{page.index('<script>let') + 1}: warning: the story has a script. It is left out"]


def test_the_heading_tells_where_a_story_comes_from() -> None:
    twee = imported(':: StoryData\n{"format":"SugarCube","ifid":"X\\nY"}\n:: Start\n', "a/b.twee").text.splitlines()
    bare = imported(":: Start\n", "b.twee").text.splitlines()

    assert twee[0] == "# yaml-language-server: $schema=story.schema.json"
    assert (twee[1], bare[1]) == ("# Imported from b.twee, SugarCube, IFID X Y", "# Imported from b.twee")
    assert (bare[3], bare[4]) == ("id: b", "title: b")


def test_a_story_without_a_title_or_a_name_in_letters_has_one_all_the_same() -> None:
    assert data_of(":: Start\nHi")["title"] == "story"
    assert imported(":: Start\nHi", "").text.splitlines()[3:5] == ["id: story", "title: Story"]
    assert imported(":: StoryTitle\n物語\n:: Start\nHi").text.splitlines()[3:5] == ["id: story", "title: 物語"]
