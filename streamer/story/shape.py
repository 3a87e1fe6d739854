"""Says in an author's words where a story file has not the shape that `file.py` asks for."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from streamer.story.file import Mistake, StoryFile
from streamer.story.tree import Path, Tree

MAX_SHOWN = 60  # characters of a wrong value in a message
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
}


def check_shape(tree: Tree) -> StoryFile | None:
    """Reads the tree as a story file; None, with findings in the tree, if it is not one."""
    try:
        return StoryFile.model_validate(tree.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _note(tree, detail)
        return None


def closest(name: str, known: list[str]) -> str:
    """Gives the start of a remedy: the known name that looks most like this one."""
    match = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {match[0]!r}? " if match else ""


def _note(tree: Tree, detail: Any) -> None:
    kind: str = detail["type"]
    path: Path = tuple(part for part in detail["loc"] if part != "[key]")
    value = detail["input"]
    if kind == "extra_forbidden":
        known = _keys_at(path[:-1])
        remedy = f"{closest(str(path[-1]), known)}Known here: {', '.join(known)}"
        tree.add(path, f"unknown key {str(path[-1])!r}", remedy, key=True)
    elif kind == "missing":
        tree.add(path[:-1], f"the key {str(path[-1])!r} is missing", f"Add '{path[-1]}: …'")
    elif path[-1:] == ("story",) and kind == "literal_error":
        tree.add(path, f"format {value!r} is not known", "Write 'story: 1'")
    elif kind == "literal_error":
        tree.add(path, f"{value!r} is not one of {detail['ctx']['expected']}", "Write one of them")
    elif kind == "value_error":
        mistake: Mistake = detail["ctx"]["error"]
        tree.add(path, str(mistake), mistake.remedy)
    elif kind == "string_pattern_mismatch":
        on_key = detail["loc"][-1:] == ("[key]",)
        tree.add(
            path,
            f"{value!r} has a form that is not allowed here",
            f"Use letters, digits, '_', '-' and '.' only (pattern {detail['ctx']['pattern']})",
            key=on_key,
        )
    else:
        problem, remedy = _REMEDIES.get(kind, (detail["msg"], "See docs/story-format.md"))
        tree.add(path, f"{_short(value)} {problem}", remedy)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


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
