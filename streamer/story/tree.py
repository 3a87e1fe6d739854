"""Reads YAML strictly, by the scalar rules of YAML 1.2, and remembers where everything stood."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from streamer.errors import Finding, StoryError

Path = tuple[str | int, ...]

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32
MAX_FINDINGS = 100  # errors: a file with more is hardly a story, and looking for look-alikes costs time; warnings
MAX_DIGITS = 40
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?)?")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2, 5.1
# JSON spells a character beyond 16 bits as two; YAML does not know that.
_PAIR = re.compile(r"\\\\|\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_QUOTED = ("'", '"', "|", ">")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TRAPS = {"yes", "no", "on", "off", "y", "n", "true", "false"}


@dataclass(slots=True)
class Tree:
    """Plain data and the place (line, column; from 1) of every key and value in it."""

    file: str
    data: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _quotes: dict[Path, int | None] = field(default_factory=dict)  # columns before a text; None: on several lines
    _counts: dict[str, int] = field(default_factory=dict)  # of findings, by level
    _misread: set[Path] = field(default_factory=set)  # scalars found wrong before anything was known of their meaning

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Gives where a path stands, or the nearest thing around it that the file holds."""
        if key and path in self.keys:
            return self.keys[path]
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path, (1, 1))

    def value(self, path: Path) -> Any:
        """Gives the data at a path; None: there are none."""
        found = self.data
        for part in path:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def add(
        self,
        path: Path,
        problem: str,
        remedy: str,
        *,
        key: bool = False,
        level: str = "error",
        within: int | None = None,
    ) -> None:
        """Notes a finding at a path; `within` counts characters from the start of its text.

        What was read wrong is told once: further findings about the same value are dropped.
        """
        if path in self._misread and not key:
            return
        line, column = self.place(path, key=key)
        quotes = self._quotes.get(path)
        if within is not None and quotes is not None:
            column += quotes + within
        self.note((line, column), spelled(path), problem, remedy, level)

    def note(self, place: tuple[int, int], where: str, problem: str, remedy: str, level: str = "error") -> None:
        """Notes a finding at a line and column."""
        count = self._counts[level] = self._counts.get(level, 0) + 1
        if count > MAX_FINDINGS:
            if level == "warning":
                return
            more = Finding(
                file=self.file,
                line=0,
                column=0,
                field="",
                problem=f"there are more mistakes than these {MAX_FINDINGS}",
                remedy="Mend these first",
            )
            raise StoryError((*in_order(self.findings), more))
        self.findings.append(
            Finding(
                file=self.file,
                line=place[0],
                column=place[1],
                field=where,
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
                self.note(place, spelled(path), "has a key that is no plain word", "Write a word before the colon")
                continue
            key = key_node.value
            if key in found:
                first = self.keys[(*path, key)][0]
                self.note(
                    place,
                    spelled((*path, key)),
                    f"the key {key!r} stands twice (first in line {first})",
                    "Keep one of them",
                )
                continue
            self.keys[(*path, key)] = place
            found[key] = self.read(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        one_line = node.start_mark.line == node.end_mark.line
        self._quotes[path] = int(node.style in _QUOTED) if one_line else None
        if node.style in _QUOTED:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text.lower() in _TRAPS:
            self.add(
                path,
                f"{text!r} is read as a truth value by some programs and as a text by others",
                f'Write true or false, or "{text}" in quotes for the text',
            )
            self._misread.add(path)
        elif _NUMBER.fullmatch(text):
            if len(text) <= MAX_DIGITS:
                return float(text) if "." in text else int(text)
            self.add(path, f"the number has more than {MAX_DIGITS} digits", "Write a shorter one, or a text in quotes")
            self._misread.add(path)
        return text


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Gives findings in the order of the file."""
    return tuple(sorted(findings, key=lambda finding: (finding.line, finding.column)))


def spelled(path: Path) -> str:
    """Spells a path as an author would: scenes.intro.decision.choices[0].to."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse(text: str, file: str) -> Tree:
    """Reads a YAML (or JSON) text into plain data with places.

    Raises:
        StoryError: the text is no YAML, too large, uses anchors or tags, or has more mistakes than can be told.
    """
    tree = Tree(file)
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise _refusal(file, 1, 1, f"the file is larger than {MAX_BYTES} bytes", "Split the story")
    if found := _UNPRINTABLE.search(text):
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise _refusal(file, line, column, f"the character {found[0]!r} is not allowed", "Remove it")
    if text.lstrip().startswith("{"):
        text = _PAIR.sub(_joined, text)
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
            if getattr(event, "tag", None):
                raise _refusal(file, *place, "tags are not read", "Remove what begins with '!', or put it in quotes")
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        parts = (getattr(error, "context", None), getattr(error, "problem", None) or "the text is no YAML")
        is_tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        remedy = "Indent with spaces, not tabs" if is_tab else "Mend the line, or put the text in quotes"
        raise _refusal(file, line, column, ", ".join(filter(None, parts)), remedy) from error
    if node is None:
        raise _refusal(file, 1, 1, "the file is empty", "Write at least story, id, title, start and scenes")
    tree.data = tree.read(node, ())
    return tree


def _joined(pair: re.Match[str]) -> str:
    if pair[1] is None:  # a backslash, spelled out
        return pair[0]
    return f"\\U{0x10000 + (int(pair[1], 16) - 0xD800) * 0x400 + int(pair[2], 16) - 0xDC00:08x}"


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refusal(file: str, line: int, column: int, problem: str, remedy: str) -> StoryError:
    return StoryError((Finding(file=file, line=line, column=column, field="", problem=problem, remedy=remedy),))
