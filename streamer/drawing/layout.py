"""Where scenes and ways lie in the picture: layers from top to bottom, in the order of the story's flow.

The engine is the library graphlay; it is known to this module alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise, product
from math import dist
from typing import Any

import graphlay._native

from streamer.drawing.text import broken, shortened, width_of
from streamer.errors import BranchlineError
from streamer.story.graph import Edge, Graph, Node

MOST_SCENES = 2_000  # a layout of that many takes a minute; no larger picture can be read
MOST_WAYS = 8_000

# All lengths in CSS pixels.
NODE_WIDTH = 212
PICTURE_WIDTH, PICTURE_HEIGHT = 96, 54  # of a scene's picture, 16 to 9
PADDING = 10
NODE_HEIGHT, PROMPT_LINE = 50, 14
PROMPT_LINES = 2
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 13.0, 11.0, 9.5
LABEL_WIDTH = 150
LABEL_LINE = 14
LABEL_LINES = 3
_LABEL_MARGIN = 4
_BESIDE = 4  # a label no further from its way is taken for its own
_SPACING = {"layer_gap": 52, "node_gap": 28, "dummy_gap": 16, "port_gap": 16, "edge_label_margin": 12}
_EFFORTS = ("balanced", "fast")  # the second where the first takes too long. "thorough" was seen to find no end
_QUICK_FROM = 500  # scenes; from here on at once with less effort
_ONE_PERCENT = 0.01
_CELL = 256  # of the grid that rectangles are looked up by
_PARTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)  # of a segment's length: where a label is tried
_THINNEST, _THICKEST = 1.5, 7.0  # strokes of ways that nobody and everybody goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle; `x` and `y` are its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: Box) -> bool:
        """Tells whether both have a point in common."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


Point = tuple[float, float]
Engine = Callable[[str], str]  # JSON to JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A scene in its place."""

    node: Node
    box: Box
    prompt: tuple[str, ...]  # lines of its first question, else of its prose; may be empty
    has_picture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way in its place."""

    edge: Edge
    points: tuple[Point, ...]  # from border to border, at least two
    width: float  # of the stroke
    is_back: bool  # it leads to a scene that does not lie further down
    lines: tuple[str, ...]  # of its label; the last one is the share
    label: Box

    @property
    def leader(self) -> tuple[Point, Point] | None:
        """Gives a line from the label to its way; None: it stands upon or beside it."""
        reach = replace(
            self.label,
            x=self.label.x - _BESIDE,
            y=self.label.y - _BESIDE,
            width=self.label.width + 2 * _BESIDE,
            height=self.label.height + 2 * _BESIDE,
        )
        if _is_on(reach, self.points):
            return None
        middle = (self.label.x + self.label.width / 2, self.label.y + self.label.height / 2)
        nearest = min(
            (_nearest(middle, *ends) for ends in pairwise(self.points)), key=lambda point: dist(point, middle)
        )
        return middle, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The whole picture; its upper left corner is 0, 0."""

    graph: Graph
    width: float
    height: float
    scenes: tuple[Placed, ...]
    routes: tuple[Route, ...]


def layout_of(graph: Graph, pictures: Collection[str] = (), engine: Engine = graphlay._native.layout) -> Layout:  # noqa: SLF001
    """Places a graph; the same graph always the same way.

    Args:
        graph: what to place.
        pictures: scenes (ids) that have a picture.
        engine: answers the library's requests; TimeoutError: it took too long.

    Raises:
        BranchlineError: there are more scenes or ways than a picture can hold, or it took too long.
    """
    if len(graph.nodes) > MOST_SCENES or len(graph.edges) > MOST_WAYS:
        raise BranchlineError(
            f"story {graph.story!r} has {len(graph.nodes):,} scenes and {len(graph.edges):,} ways between them; "
            f"a picture holds {MOST_SCENES:,} and {MOST_WAYS:,}. Use branchline simulate --format json"
        )
    sizes = {node.id: _size(node, node.id in pictures) for node in graph.nodes}
    labels = [_label(edge) for edge in graph.edges]
    asked = graphlay.Graph()
    for name, (width, height) in sizes.items():
        asked.node(name, width=width, height=height)
    for edge, lines in zip(graph.edges, labels, strict=True):
        width, height = _label_size(lines)
        size = {"width": width, "height": height}
        asked.edge(edge.before, edge.after, weight=1 + edge.share, thickness=_stroke(edge), label_size=size)
    efforts = _EFFORTS if len(graph.nodes) < _QUICK_FROM else _EFFORTS[-1:]
    for effort in efforts:
        options = {
            "direction": "topbottom",
            "cycles": {"strategy": "follow_flow"},
            "effort": effort,
            "spacing": _SPACING,
        }
        request = json.dumps({"preset": "layered", "graph": asked.to_dict(), "options": options})
        try:
            found = json.loads(engine(request))
        except TimeoutError:
            continue
        return _placed(graph, found, sizes, labels, pictures)
    raise BranchlineError(f"story {graph.story!r}: no layout was found in time; use branchline simulate --format json")


def _size(node: Node, has_picture: bool) -> tuple[float, float]:
    height = NODE_HEIGHT + PROMPT_LINE * len(_prompt(node))
    if not has_picture:
        return NODE_WIDTH, height
    return NODE_WIDTH + PICTURE_WIDTH + PADDING, max(height, PICTURE_HEIGHT + 2 * PADDING)


def _prompt(node: Node) -> tuple[str, ...]:
    room = NODE_WIDTH - 2 * PADDING
    asked = next((question.prompt for question in node.questions if question.prompt), node.text)
    return broken(asked, TEXT_SIZE, room, PROMPT_LINES)


def _label(edge: Edge) -> tuple[str, ...]:
    labels = [shortened(label, TEXT_SIZE, LABEL_WIDTH) for label in dict.fromkeys(w.label for w in edge.ways) if label]
    if len(labels) > LABEL_LINES:
        labels = [*labels[: LABEL_LINES - 1], f"and {len(labels) - LABEL_LINES + 1} more"]
    return (*labels, percent(edge.share))


def _label_size(lines: tuple[str, ...]) -> tuple[float, float]:
    width = max(width_of(line, TEXT_SIZE) for line in lines)
    return width + 2 * _LABEL_MARGIN, LABEL_LINE * len(lines)


def percent(share: float) -> str:
    """Spells a share of 1."""
    if share in {0, 1}:
        return f"{share * 100:.0f} %"
    return "<1 %" if share < _ONE_PERCENT else f"{min(share * 100, 99):.0f} %"


def _stroke(edge: Edge) -> float:
    return _THINNEST + (_THICKEST - _THINNEST) * edge.share


def _placed(
    graph: Graph,
    found: Any,
    sizes: dict[str, tuple[float, float]],
    labels: list[tuple[str, ...]],
    pictures: Collection[str],
) -> Layout:
    boxes = {
        node.id: _centred(place["center"], sizes[node.id])
        for node, place in zip(graph.nodes, found["nodes"], strict=True)
    }
    points = [tuple((point["x"], point["y"]) for point in way["points"]) for way in found["edges"]]
    taken = _Taken(boxes.values())
    anchors = [
        _centred(way["label_anchor"], _label_size(lines)) for way, lines in zip(found["edges"], labels, strict=True)
    ]
    settled = taken.settle(anchors, points)
    everything = (*boxes.values(), *settled)
    left = min(*(box.x for box in everything), *(x for way in points for x, _ in way), 0)
    top = min(*(box.y for box in everything), *(y for way in points for _, y in way), 0)
    right = max(*(box.x + box.width for box in everything), *(x for way in points for x, _ in way), 0)
    bottom = max(*(box.y + box.height for box in everything), *(y for way in points for _, y in way), 0)

    def moved(box: Box) -> Box:
        return replace(box, x=box.x - left, y=box.y - top)

    return Layout(
        graph=graph,
        width=right - left,
        height=bottom - top,
        scenes=tuple(
            Placed(node=node, box=moved(boxes[node.id]), prompt=_prompt(node), has_picture=node.id in pictures)
            for node in graph.nodes
        ),
        routes=tuple(
            Route(
                edge=edge,
                points=tuple((x - left, y - top) for x, y in along),
                width=_stroke(edge),
                is_back=boxes[edge.after].y <= boxes[edge.before].y,
                lines=lines,
                label=moved(label),
            )
            for edge, along, lines, label in zip(graph.edges, points, labels, settled, strict=True)
        ),
    )


def _centred(centre: dict[str, float], size: tuple[float, float]) -> Box:
    width, height = size
    return Box(x=centre["x"] - width / 2, y=centre["y"] - height / 2, width=width, height=height)


class _Taken:
    """The rectangles that are taken: what the engine put upon one of them is put elsewhere along its way."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = {}
        for box in boxes:
            self._take(box)

    def settle(self, labels: Sequence[Box], ways: Sequence[tuple[Point, ...]]) -> list[Box]:
        """Gives each label a free place: those well placed stay, then the others choose in their order."""
        found = dict(enumerate(labels))
        moving = []
        for number, (label, along) in enumerate(zip(labels, ways, strict=True)):
            if _is_on(label, along) and not self._is_taken(label):
                self._take(label)
            else:
                moving.append(number)
        for number in moving:
            label = next(box for box in _places(labels[number], ways[number]) if not self._is_taken(box))
            self._take(label)
            found[number] = label
        return list(found.values())

    def _is_taken(self, box: Box) -> bool:
        return any(box.meets(other) for cell in _cells(box) for other in self._cells.get(cell, ()))

    def _take(self, box: Box) -> None:
        for cell in _cells(box):
            self._cells.setdefault(cell, []).append(box)


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    for column in range(int(box.x // _CELL), int((box.x + box.width) // _CELL) + 1):
        for row in range(int(box.y // _CELL), int((box.y + box.height) // _CELL) + 1):
            yield column, row


def _is_on(label: Box, along: tuple[Point, ...]) -> bool:
    return any(label.meets(_between(*ends)) for ends in pairwise(along))


def _places(label: Box, along: tuple[Point, ...]) -> Iterator[Box]:
    """Gives places to try, without an end: upon and beside the way's segments, the longest first, then around."""
    width, height = label.width, label.height
    segments = sorted(pairwise(along), key=lambda ends: -abs(ends[0][0] - ends[1][0]) - abs(ends[0][1] - ends[1][1]))
    for side in (0, 1, -1):  # upon the line, then beside it
        for (x, y), (to_x, to_y) in segments:
            for part in _PARTS:
                yield replace(
                    label,
                    x=x + (to_x - x) * part - width / 2 + (side * width / 2 if x == to_x else 0),
                    y=y + (to_y - y) * part - height / 2 + (side * height / 2 if x != to_x else 0),
                )
    yield from (
        replace(label, x=label.x + right * ring * width / 2, y=label.y + down * ring * height)
        for ring in count(1)
        for right, down in product((0, 1, -1), repeat=2)
    )


def _nearest(point: Point, start: Point, stop: Point) -> Point:
    """Gives the point of a level or upright segment that is nearest."""
    box = _between(start, stop)
    return min(max(point[0], box.x), box.x + box.width), min(max(point[1], box.y), box.y + box.height)


def _between(start: Point, stop: Point) -> Box:
    left, right = sorted((start[0], stop[0]))
    top, bottom = sorted((start[1], stop[1]))
    return Box(x=left, y=top, width=right - left, height=bottom - top)
