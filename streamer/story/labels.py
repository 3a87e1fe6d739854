"""Texts with places for values: `{profile.first_name|you}`, `{state.skill}`, and in links `{viewer.token}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from streamer.story.model import Story, Text, Value, text_in
from streamer.story.rules import Memory

_PLACE = re.compile(r"\{(profile|state|viewer)\.([A-Za-z0-9_][A-Za-z0-9_.-]*)(?:\|([^{}]*))?\}")
WHO = "token"  # of `{viewer.token}`: tells the same viewer by the same word, and nothing else of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place for a value in a text."""

    section: str  # "profile", "state" or "viewer"
    name: str
    instead: str | None  # what stands there where the value must not, or is empty; None: nothing
    at: int  # characters from the text's start


def places_in(text: str) -> Iterator[Place]:
    """Gives the places of a text."""
    for found in _PLACE.finditer(text):
        yield Place(section=found[1], name=found[2], instead=found[3], at=found.start())


def best_language(wanted: tuple[str, ...], known: Sequence[str]) -> str:
    """Gives the first language wanted that is known, or known but for its region; empty: none is."""
    for language in wanted:
        short = language.partition("-")[0].lower()
        for form in (language.lower(), short):
            found = next((each for each in known if each.lower() == form), None)
            if found is not None:
                return found
    return ""


def label(story: Story, memory: Memory, text: Text, language: str, *, private: bool) -> str:
    """Gives a text in a viewer's language, else the story's, with its values.

    Args:
        story: the story.
        memory: holds the values.
        text: by language.
        language: that the viewer reads; empty: the story's.
        private: only this viewer reads it. Elsewhere personal inputs are not told, only what stands in their place.
    """

    def filled(found: re.Match[str]) -> str:
        value = _value(story, memory, found[1], found[2], private=private)
        return _spelled(value) or found[3] or ""

    return _PLACE.sub(filled, text_in(text, language or story.language))


def label_for_all(story: Story, text: Text) -> str:
    """Gives a text as no viewer's own: its places hold what stands after `|`, else what their values are at first."""

    def filled(found: re.Match[str]) -> str:
        known = story.state if found[1] == "state" else story.profile
        return found[3] or _spelled(known[found[2]].default)

    return _PLACE.sub(filled, text_in(text, story.language))


def link(memory: Memory, url: str, *, token: str) -> str:
    """Gives a link with its values, spelled as parts of an address; `token` is what stands for the viewer."""

    def filled(found: re.Match[str]) -> str:
        if found[1] == "viewer":
            return quote(token, safe="")
        values = memory.state if found[1] == "state" else memory.given.profile
        return quote(_spelled(values[found[2]]) or found[3] or "", safe="")

    return _PLACE.sub(filled, url)


def _value(story: Story, memory: Memory, section: str, name: str, *, private: bool) -> Value:
    if section == "state":
        return memory.state[name]
    if section == "viewer" or (story.profile[name].personal and not private):
        return ""
    return memory.given.profile[name]


def _spelled(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
