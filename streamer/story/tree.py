"""Reads YAML strictly, by the scalar rules of YAML 1.2, and remembers where everything stood."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from streamer.errors import Finding, StoryError

Path = tuple[str | int, ...]

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?$")
_QUOTED = ("'", '"', "|", ">")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TRAPS = {"yes", "no", "on", "off", "y", "n"}


@dataclass(slots=True)
class Tree:
    """Plain data and the place (line, column; from 1) of every key and value in it."""

    file: str
    data: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Gives where a path stands, or the nearest thing around it that the file holds."""
        if key and path in self.keys:
            return self.keys[path]
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path, (1, 1))

    def add(
        self, path: Path, problem: str, remedy: str, *, key: bool = False, level: str = "error", shift: int = 0
    ) -> None:
        """Notes a finding at a path; `shift` moves its column to the right, within a text."""
        line, column = self.place(path, key=key)
        self._note((line, column + shift), path, problem, remedy, level)

    def _note(self, place: tuple[int, int], path: Path, problem: str, remedy: str, level: str = "error") -> None:
        self.findings.append(
            Finding(
                file=self.file,
                line=place[0],
                column=place[1],
                field=spelled(path),
                problem=problem,
                remedy=remedy,
                level=level,
            )
        )

    def read(self, node: yaml.Node, path: Path) -> Any:
        """Turns a YAML node into plain data, noting what is wrong with it."""
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.values[path] = place
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # there is no fourth kind
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(place, path, "has a key that is no plain word", "Write a word before the colon")
                continue
            key = key_node.value
            if key in found:
                first = self.keys[(*path, key)][0]
                self._note(
                    place, (*path, key), f"the key {key!r} stands twice (first in line {first})", "Keep one of them"
                )
                continue
            self.keys[(*path, key)] = place
            found[key] = self.read(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        if node.style in _QUOTED:
            return text
        if text.lower() in _TRAPS or text in ("True", "False", "TRUE", "FALSE"):
            self.add(
                path,
                f"{text!r} is read as a truth value by some programs and as a text by others",
                f'Write true or false, or "{text}" in quotes for the text',
            )
        if text in _WORDS:
            return _WORDS[text]
        if _INT.match(text):
            return int(text)
        return float(text) if _FLOAT.match(text) else text


def spelled(path: Path) -> str:
    """Spells a path as an author would: scenes.intro.decision.choices[0].to."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse(text: str, file: str) -> Tree:
    """Reads a YAML (or JSON) text into plain data with places.

    Raises:
        StoryError: the text is no YAML, too large, or uses anchors.
    """
    tree = Tree(file)
    if len(text.encode()) > MAX_BYTES:
        raise _refusal(file, 1, 1, f"the file is larger than {MAX_BYTES} bytes", "Split the story")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            mark = event.start_mark
            place = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
            if depth > MAX_DEPTH:  # before it is composed: the composer calls itself for each level
                raise _refusal(file, *place, f"is nested more than {MAX_DEPTH} deep", "Flatten it")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _refusal(file, *place, "anchors and aliases are not read", "Write the value out")
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "the text is no YAML"
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        remedy = "Indent with spaces" if "'\\t'" in problem else "Mend the line, or put the text in quotes"
        raise _refusal(file, line, column, problem, remedy) from error
    if node is None:
        raise _refusal(file, 1, 1, "the file is empty", "Write at least story, id, title, start and scenes")
    tree.data = tree.read(node, ())
    return tree


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refusal(file: str, line: int, column: int, problem: str, remedy: str) -> StoryError:
    return StoryError((Finding(file=file, line=line, column=column, field="", problem=problem, remedy=remedy),))
