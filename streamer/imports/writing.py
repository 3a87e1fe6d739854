"""Writes a story file as an author would: keys in the order of the format, short things on one line, texts wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from streamer.imports.naming import printable
from streamer.story.starter import SCHEMA_LINE

_WIDTH = 100
_NUMBER = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9]+")
_TRAPS = frozenset(("yes", "no", "on", "off", "y", "n", "true", "false", "null", "~", ""))


class Flow(dict[str, Any]):
    """A mapping that stands on one line."""


class Rules(list[Any]):
    """A list that stands on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A scene as it is to be written."""

    id: str
    scene: dict[str, Any]
    comment: str = ""  # of one line


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indents lists too."""
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Writes everything out: story files have no anchors."""
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    style = None
    if "\n" in text:
        style = "|" if all(len(line) <= _WIDTH for line in text.split("\n")) else ">"
    elif text.lower() in _TRAPS or _NUMBER.fullmatch(text):
        style = '"'
    else:
        found = dumper.analyze_scalar(text)
        if "'" in text and not (found.allow_flow_plain and found.allow_block_plain):
            style = '"'
        elif len(text) > _WIDTH:
            style = ">"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(
    Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)
)
_Dumper.add_representer(
    Rules, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


def story_text(heading: Iterable[str], head: dict[str, Any], scenes: Iterable[Written]) -> str:
    """Gives a story file.

    Args:
        heading: comments that come first, a line each.
        head: everything but the scenes.
        scenes: in order.
    """
    parts = [SCHEMA_LINE, *(_comment(line) for line in heading), _dumped(head), "scenes:\n"]
    for each in scenes:
        if each.comment:
            parts.append(f"  {_comment(each.comment)}")
        parts += (
            f"  {line}\n" if line else "\n" for line in _dumped({each.id: each.scene}).removesuffix("\n").split("\n")
        )
    return "".join(parts)


def _comment(line: str) -> str:
    return f"# {' '.join(printable(line).split())}\n"


def _dumped(data: dict[str, Any]) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text
