"""Says in an author's words where a story file has not the shape that `file.py` asks for."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from streamer.story.file import BARE, FORMS, Mistake, StoryFile, shown
from streamer.story.tree import Path, Tree

_REMEDIES = {
    "string_type": ("is no text", "Write a text; put it in quotes if it looks like a number or true/false"),
    "bool_type": ("is neither true nor false", "Write true or false"),
    "int_type": ("is no whole number", "Write a whole number"),
    "float_type": ("is no number", "Write a number"),
    "list_type": ("is no list", "Write a list: [a, b], or one '- ' line an item"),
    "dict_type": ("is no mapping", "Write 'key: value' pairs"),
    "model_type": ("is no mapping", "Write 'key: value' pairs"),
    "model_attributes_type": ("is no mapping", "Write 'key: value' pairs"),
    "too_short": ("is empty", "Write at least one entry"),
    "string_too_short": ("is empty", "Write at least one character"),
    "too_long": ("has too many entries", "Use fewer: see the bounds in docs/story-format.md"),
}


def check_shape(tree: Tree) -> StoryFile | None:
    """Reads the tree as a story file; None, with findings in the tree, if it is not one."""
    try:
        return StoryFile.model_validate(tree.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        mistyped = _mistyped(details)
        for detail in details:
            if detail["type"] != "missing" or detail["loc"] not in mistyped:
                _note(tree, detail)
        return None


def closest(name: str, known: list[str]) -> str:
    """Gives the start of a remedy: the known name that looks most like this one."""
    match = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {match[0]!r}? " if match else ""


def _mistyped(details: list[Any]) -> set[Path]:
    """Gives the missing keys that stand there under a name that looks like theirs."""
    missing: dict[Path, list[str]] = {}
    for detail in details:
        if detail["type"] == "missing":
            missing.setdefault(detail["loc"][:-1], []).append(detail["loc"][-1])
    found: set[Path] = set()
    for detail in details:
        around, name = detail["loc"][:-1], detail["loc"][-1:]
        if detail["type"] == "extra_forbidden" and around in missing:
            found.update((*around, match) for match in difflib.get_close_matches(name[0], missing[around], n=1))
    return found


def _note(tree: Tree, detail: Any) -> None:
    kind: str = detail["type"]
    path: Path = tuple(part for part in detail["loc"] if not str(part).startswith("["))
    if path[-1:] == (BARE,) and path not in tree.values:
        path = path[:-1]
    value = detail["input"]
    if kind == "extra_forbidden":
        known = _keys_at(path[:-1])
        remedy = f"{closest(str(path[-1]), known)}Known here: {', '.join(known)}"
        tree.add(path, f"unknown key {str(path[-1])!r}", remedy, key=True)
    elif kind == "missing":
        tree.add(path[:-1], f"the key {str(path[-1])!r} is missing", f"Add '{path[-1]}: …'")
    elif kind == "literal_error":
        tree.add(path, f"{shown(value)} is not one of {detail['ctx']['expected']}", "Write one of them")
    elif kind == "value_error":
        mistake: Mistake = detail["ctx"]["error"]
        tree.add(path, str(mistake), mistake.remedy)
    elif kind == "string_pattern_mismatch":
        on_key = detail["loc"][-1:] == ("[key]",)
        remedy = FORMS[detail["ctx"]["pattern"]]
        tree.add(path, f"{shown(value)} has a form that is not allowed here", remedy, key=on_key)
    elif kind == "string_too_long":
        tree.add(path, f"{shown(value)} is too long", f"Write {detail['ctx']['max_length']:,} characters at most")
    else:
        problem, remedy = _REMEDIES.get(kind, (f"is refused: {detail['msg']}", "See docs/story-format.md"))
        tree.add(path, f"{shown(value)} {problem}", remedy)


def _keys_at(path: Path) -> list[str]:
    model: type[BaseModel] = StoryFile
    for part in path:
        field = next((info for name, info in model.model_fields.items() if (info.alias or name) == part), None)
        if field is not None:
            model = _model_in(field.annotation) or model
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
