"""Inputs that a session is opened with, checked against what the story declares."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from streamer.errors import MalformedRequest
from streamer.story.file import shown
from streamer.story.labels import best_language
from streamer.story.model import MAX_NUMBER, MAX_TEXT, Story, Value, Variable
from streamer.story.rules import fitted

LANGUAGE_INPUTS = ("lang", "language")  # that take the viewer's language where no request gives them
NOT_GIVEN = {"crm": "looked up by the server", "clock": "read off the clock"}  # inputs that no request gives


def checked_profile(story: Story, given: Mapping[str, object], *, trusted: bool) -> dict[str, Value]:
    """Gives the inputs as values of their types.

    Args:
        story: declares them.
        given: by name; from a query they are texts.
        trusted: they come from an app, which may also give inputs of `source: token`.

    Raises:
        MalformedRequest: names the input.
    """
    return {name: _checked(story, name, value, trusted=trusted) for name, value in given.items()}


def looked_up(story: Story, found: Mapping[str, object]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Gives what a look-up found as values of their types, and the names of what it found that fits none."""
    wanted = {name: variable for name, variable in story.profile.items() if variable.source == "crm"}
    fit = {name: value for name, value in found.items() if name in wanted and _fits(wanted[name], value)}
    values = {name: fitted(wanted[name], value) for name, value in fit.items()}  # type: ignore[arg-type]  # they fit
    return values, tuple(sorted(found.keys() - fit.keys()))


def fitting(story: Story, given: Mapping[str, str]) -> dict[str, Value]:
    """Gives those of some inputs from a query that the story takes from there; others are another story's."""
    read = {name: _read(story.profile[name], text) for name, text in given.items() if name in story.profile}
    return {
        name: fitted(variable, value)  # type: ignore[arg-type]  # _fits has seen to it
        for name, value in read.items()
        for variable in (story.profile[name],)
        if variable.source == "request" and not variable.personal and _fits(variable, value)
    }


def with_language(story: Story, values: dict[str, Value], languages: tuple[str, ...]) -> dict[str, Value]:
    """Adds the viewer's language where the story asks for it and no request says it: an enum, `lang` or `language`."""
    for name, variable in story.profile.items():
        wanted = name in LANGUAGE_INPUTS and variable.type == "enum" and variable.source == "request"
        if wanted and name not in values and (found := best_language(languages, variable.values)):
            values = {**values, name: found}
    return values


def language_of(story: Story, values: Mapping[str, Value], languages: tuple[str, ...]) -> str:
    """Gives the language of a viewer's texts: that of the input, else the best that the story has; empty: its own."""
    given = tuple(str(values[name]) for name in LANGUAGE_INPUTS if name in values)
    found = best_language((*given, *languages), sorted(story.languages))
    return "" if found == story.language else found


def read_inputs(story: Story, given: Mapping[str, str]) -> dict[str, Value]:
    """Gives inputs that an author typed, of whatever source, as values of their types.

    Raises:
        MalformedRequest: names the input.
    """
    read = {name: _read(story.profile[name], text) if name in story.profile else text for name, text in given.items()}
    looked = {name for name in read if name in story.profile and story.profile[name].source == "crm"}
    found, wrong = looked_up(story, {name: read[name] for name in looked})
    if wrong:
        raise MalformedRequest(f"profile.{wrong[0]}", f"{shown(read[wrong[0]])} is no {story.profile[wrong[0]].type}")
    return {**checked_profile(story, {n: v for n, v in read.items() if n not in looked}, trusted=True), **found}


def _checked(story: Story, name: str, value: object, *, trusted: bool) -> Value:
    variable = story.profile.get(name)
    field = f"profile.{name}"
    if variable is None:
        match = difflib.get_close_matches(name, story.profile, n=1)
        hint = f"; did you mean {match[0]!r}?" if match else ""
        raise MalformedRequest(field, f"the story has no profile input {name!r}{hint}")
    if variable.source in NOT_GIVEN:
        raise MalformedRequest(field, f"profile input {name!r} is {NOT_GIVEN[variable.source]}, not given")
    if not trusted and (variable.source == "token" or variable.personal):
        raise MalformedRequest(
            field, f"profile input {name!r} is given by an app when it opens a session, not in an address"
        )
    found = _read(variable, value) if isinstance(value, str) and not trusted else value
    if not _fits(variable, found):
        wanted = f"one of {', '.join(variable.values)}" if variable.values else variable.type
        raise MalformedRequest(field, f"{shown(value)} is no {variable.type}; expected {wanted}")
    return fitted(variable, found)  # type: ignore[arg-type]  # _fits has seen to it


def _read(variable: Variable, text: str) -> object:
    match variable.type:
        case "bool":
            return {"true": True, "false": False}.get(text, text)
        case "int" | "number":
            try:
                return int(text) if variable.type == "int" else float(text)
            except ValueError:  # no number, or one of thousands of digits
                return text
        case _:
            return text


def _fits(variable: Variable, value: object) -> bool:
    match variable.type:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and -MAX_NUMBER <= value < MAX_NUMBER
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER
        case "enum":
            return value in variable.values
        case _:
            return isinstance(value, str) and len(value) <= MAX_TEXT
