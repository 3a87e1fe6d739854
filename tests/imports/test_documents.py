"""What docs/import.md says is true."""

from __future__ import annotations

import re
from pathlib import Path

from streamer.imports.passages import MAX_CHARACTERS
from streamer.imports.twee import MAX_CHOICES, MAX_PROMPT, NEUTRAL_PROMPT
from streamer.story.file import MAX_PROSE
from tests.imports.reading import imported, told

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text("utf-8")


def test_the_example_of_the_page_becomes_what_the_page_shows() -> None:
    found = re.search(r"<!-- import: begin -->\n```twee\n(.*?)```\n\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None

    made = imported(found[1], "cave.twee")

    assert made.text == found[2]
    assert made.findings == ()


def test_the_finding_of_the_page_is_one_that_is_told() -> None:
    found = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert found is not None
    text = "\n" * 16 + ':: Start\n:: Hall\nOh, <<audio "wind" play>>'

    assert [str(each) for each in imported(text, "cave.twee").findings] == [found[1]]


def test_every_bound_of_the_page_is_that_of_the_importer() -> None:
    assert (MAX_CHOICES, "more than 16 links" in PAGE) == (16, True)
    assert (MAX_PROMPT, "longer than 120 characters" in PAGE) == (120, True)
    assert (MAX_PROSE, "more than 5,000 characters" in PAGE) == (5000, True)
    assert f"`{NEUTRAL_PROMPT}`" in PAGE
    assert MAX_CHARACTERS == 32 * 2**20


def test_every_link_of_the_page_is_read() -> None:
    links = re.findall(r"`(\[\[.*?\]\](?:\]\])?)`", PAGE)
    spelled = [link.replace("\\|", "|") for link in links]
    text = ":: Start\n" + "\n".join(spelled) + "\n:: A\n"

    assert len(spelled) == 5
    assert told(text) == []
    assert imported(text).text.count("to: A\n") == 5
