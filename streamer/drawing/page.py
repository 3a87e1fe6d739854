"""A placed graph as one HTML page: the picture, and what is needed to find one's way in it; it fetches nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from string import Template

import msgspec

from streamer.drawing.layout import Layout, percent
from streamer.drawing.svg import STYLE, escaped, length_of, means, svg_of
from streamer.story.graph import Node, Way

_STATIC = Path(__file__).parent / "static"
_PAGE = Template((_STATIC / "page.html").read_text("utf-8"))
_PAGE_STYLE = (_STATIC / "page.css").read_text("utf-8")
_SCRIPT = (_STATIC / "page.js").read_text("utf-8")
# Were a text of the story ever taken for markup, the browser would still run none of it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'"
_IN_SCRIPTS = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def page_of(layout: Layout, pictures: Mapping[str, str]) -> str:
    """Gives the page; `pictures` are data URIs by scene."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return _PAGE.substitute(
        title=escaped(layout.graph.title),
        policy=_POLICY.format(digest),
        style=STYLE + _PAGE_STYLE,
        picture=svg_of(layout, pictures, style=""),  # the page has it
        data=_data(layout),
        script=_SCRIPT,
    )


def _data(layout: Layout) -> str:
    """Gives what the script reads, as JSON that may stand within a script element."""
    numbers = {node.id: number for number, node in enumerate(layout.graph.nodes)}
    data = {
        "width": layout.width,
        "height": layout.height,
        "starts": [numbers[name] for name in layout.graph.starts],
        "nodes": [
            _node(placed.node) | {"box": [placed.box.x, placed.box.y, placed.box.width, placed.box.height]}
            for placed in layout.scenes
        ],
        "edges": [
            {
                "from": numbers[edge.before],
                "to": numbers[edge.after],
                "share": edge.share,
                "percent": percent(edge.share),
                "ways": [_way(way) for way in edge.ways],
            }
            for edge in layout.graph.edges
        ],
    }
    return msgspec.json.encode(data).decode().translate(_IN_SCRIPTS)


def _node(node: Node) -> dict[str, object]:
    return {
        "id": node.id,
        "length": length_of(node),
        "assumed": node.is_assumed,
        "source": node.source,
        "text": node.text,
        "notes": node.notes,
        "goal": node.is_goal,
        "share": node.share,
        "percent": percent(node.share),
        "badges": node.badges,
        "ending": node.ending,
        "checkpoint": node.checkpoint,
        "findings": node.findings,
        "questions": [
            {
                "id": question.id,
                "prompt": question.prompt,
                "options": [
                    {
                        "id": option.id,
                        "label": option.label,
                        "default": option.is_default,
                        "condition": option.condition,
                        "effects": option.effects,
                        "notes": option.notes,
                        "percent": None if option.share is None else percent(option.share),
                    }
                    for option in question.options
                ],
            }
            for question in node.questions
        ],
    }


def _way(way: Way) -> dict[str, object]:
    return {
        "means": means(way),
        "default": way.is_default and way.choice is not None,
        "conditions": way.conditions,
        "groups": way.groups,
        "weight": None if way.weight is None else float(way.weight),
    }
