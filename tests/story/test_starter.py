"""The starter story is a story, whatever it is called."""

from __future__ import annotations

import pytest
import yaml

from streamer.errors import BranchlineError
from streamer.story.codec import read_story
from streamer.story.file import MAX_WORDS
from streamer.story.starter import SCHEMA_LINE, starter_story


@pytest.mark.parametrize("title", ["The ferry", 'Say "when": {now}', "Färjan 🚢", "yes", "x" * MAX_WORDS])
def test_the_starter_is_a_story_without_findings_under_any_title(title: str) -> None:
    text = starter_story("ferry", title)

    story, findings = read_story(text, "story.yaml")
    assert findings == ()
    assert story is not None
    assert (story.id, story.title) == ("ferry", {"en": title})
    assert text.startswith(SCHEMA_LINE)


def test_the_starter_has_two_endings_a_choice_and_something_to_remember() -> None:
    data = yaml.safe_load(starter_story("ferry", "The ferry"))

    scenes = data["scenes"]
    assert [name for name, scene in scenes.items() if "end" in scene] == ["lighthouse", "shore"]
    assert len(scenes["harbour"]["decision"]["choices"]) == 2
    assert scenes["island"]["next"] == [{"to": "lighthouse", "when": "state.map"}, {"to": "shore"}]
    assert all(scene["text"] for scene in scenes.values())


@pytest.mark.parametrize(
    ("story_id", "title", "words"),
    [
        ("My Story", "A", "'My Story' is no id of a story. Use small letters"),
        ("", "A", "'' is no id of a story"),
        ("a\n", "A", "is no id of a story"),
        ("a", "", "'' is no title. Write one line"),
        ("a", "two\nlines", "is no title"),
        ("a", "a\u2028b", "is no title"),
        ("a", "x" * (MAX_WORDS + 1), "500 at most"),
    ],
)
def test_an_id_or_a_title_that_no_story_may_have_is_refused(story_id: str, title: str, words: str) -> None:
    with pytest.raises(BranchlineError, match="is no") as caught:
        starter_story(story_id, title)

    assert words in str(caught.value)
