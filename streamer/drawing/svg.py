"""A placed graph as an SVG document, which needs nothing else to be looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import hypot
from pathlib import Path
from xml.sax.saxutils import escape

from streamer.drawing.layout import (
    LABEL_LINE,
    PADDING,
    PICTURE_HEIGHT,
    PICTURE_WIDTH,
    PROMPT_LINE,
    SMALL_SIZE,
    TEXT_SIZE,
    TITLE_SIZE,
    Layout,
    Placed,
    Point,
    Route,
    percent,
)
from streamer.drawing.text import broken, shortened, width_of
from streamer.story.graph import Badge, Node, Way
from streamer.units import TICKS_PER_SECOND

STYLE = (Path(__file__).parent / "static" / "picture.css").read_text("utf-8")
MARGIN = 24
_LEGEND_LINES = 3
_CORNER = 8.0  # radius of a way's bends
_ARROW = 8.0  # length of an arrow's head
_BOLD = 1.08  # times as wide
_PILL = 9  # a badge is so much wider than its word
_MORE = 16  # room for how many badges have none
_LONG = 10_000  # from here on no tenths
_MINUTE = 60  # seconds
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2
_WORDS: Mapping[Badge, str] = {
    "start": "start",
    "ending": "end",
    "checkpoint": "checkpoint",
    "hold": "hold",
    "immediate": "immediate",
    "menu": "menu",
    "unreachable": "no way here",
}
_LEGEND = (
    "Width and number: share of the simulated viewers · dashed: under a condition · dotted: where no rule holds · "
    "dot: taken without an answer · brown: back · faint: nobody went"
)


def svg_of(layout: Layout, pictures: Mapping[str, str], *, style: str = STYLE) -> str:
    """Gives the document; `pictures` are addresses (data URIs) by scene."""
    return "".join(_document(layout, pictures, style))


def escaped(text: str) -> str:
    """Gives a text for an XML or HTML document, also within quotes; what XML cannot hold becomes U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", text), {'"': "&quot;", "'": "&#39;"})


def _document(layout: Layout, pictures: Mapping[str, str], style: str) -> Iterator[str]:
    graph = layout.graph
    summary = (
        f"{len(graph.nodes):,} scenes · {len(graph.edges):,} ways · {graph.viewers:,} simulated viewers, "
        "who answer at random"
    )
    inner = max(layout.width, width_of(summary, TEXT_SIZE))
    said = (summary, *broken(_LEGEND, TEXT_SIZE, inner, _LEGEND_LINES))
    top = MARGIN + 30 + 16 * len(said)
    width, height = _number(inner + 2 * MARGIN), _number(layout.height + top + MARGIN)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="story-graph" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" lang="{escaped(graph.language)}">\n'
        f"<title>{escaped(graph.title)}</title>\n<style>{style}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}"/>\n'
    )
    title = shortened(graph.title, 18, inner)
    yield f'<g class="head"><text class="heading" x="{MARGIN}" y="{MARGIN + 16}">{escaped(title)}</text>\n'
    for number, line in enumerate(said):
        yield f'<text class="soft" x="{MARGIN}" y="{MARGIN + 36 + number * 16}">{escaped(line)}</text>\n'
    left = _number(MARGIN + (inner - layout.width) / 2)
    yield f'</g>\n<g class="graph" transform="translate({left} {top})">\n'
    for number, route in enumerate(layout.routes):
        yield from _way(number, route)
    for number, route in enumerate(layout.routes):
        yield from _label(number, route)
    for number, placed in enumerate(layout.scenes):
        yield from _scene(number, placed, pictures.get(placed.node.id))
    yield "</g>\n</svg>\n"


# ── ways ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _classes(route: Route) -> str:
    edge = route.edge
    said = {
        "conditional": edge.is_conditional and not edge.is_fallback,
        "fallback": edge.is_fallback,
        "back": route.is_back,
        "never": not edge.share,
        "default": edge.is_default,
    }
    return "".join(f" {name}" for name, holds in said.items() if holds)


def _way(number: int, route: Route) -> Iterator[str]:
    edge = route.edge
    (before_x, before_y), (x, y) = route.points[-2:]
    length = hypot(x - before_x, y - before_y) or 1
    along, across = ((x - before_x) / length, (y - before_y) / length), 3 + route.width / 2
    base = (x - along[0] * _ARROW, y - along[1] * _ARROW)
    sides = [(base[0] - sign * along[1] * across, base[1] + sign * along[0] * across) for sign in (1, -1)]
    head = " ".join(f"{_number(a)},{_number(b)}" for a, b in ((x, y), *sides))
    yield (
        f'<g class="way{_classes(route)}" data-way="{number}" data-from="{escaped(edge.before)}" '
        f'data-to="{escaped(edge.after)}"><title>{escaped(told(edge.before, edge.after, edge.ways, edge.share))}'
        f'</title><path stroke-width="{_number(route.width)}" d="{_path((*route.points[:-1], base))}"/>'
        f'<polygon points="{head}"/></g>\n'
    )


def means(way: Way) -> str:
    """Says in words by what a way is gone."""
    if way.choice is not None:
        return f"“{way.label}”"
    if way.decision is not None:
        return "without an answer"
    return "where no rule holds" if way.is_fallback else "by itself"


def told(before: str, after: str, ways: tuple[Way, ...], share: float) -> str:
    """Says in words what ways from a scene to another there are."""
    lines = [f"{before} → {after}: {percent(share)} of the viewers"]
    for way in ways:
        parts = [means(way)]
        parts += ["without an answer too"] * (way.is_default and way.choice is not None)
        parts += [f"through group {name}" for name in way.groups]
        parts += [f"if {condition}" for condition in way.conditions]
        parts += [] if way.weight is None else [f"drawn with weight {float(way.weight):g}"]
        lines.append(", ".join(parts))
    return "\n".join(lines)


def _path(points: tuple[Point, ...]) -> str:
    """Gives a line with round bends."""
    commands = [f"M{_number(points[0][0])} {_number(points[0][1])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        start, stop = _towards(here, before), _towards(here, after)
        commands.append(f"L{_pair(start)}Q{_pair(here)} {_pair(stop)}")
    commands.append(f"L{_pair(points[-1])}")
    return "".join(commands)


def _towards(corner: Point, other: Point) -> Point:
    """Gives the point a bend begins at: as far from the corner as its radius, half the way at most."""
    length = hypot(other[0] - corner[0], other[1] - corner[1])
    part = min(_CORNER, length / 2) / length if length else 0
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part


def _label(number: int, route: Route) -> Iterator[str]:
    box, edge = route.label, route.edge
    never = "" if edge.share else " never"
    yield f'<g class="label{never}" data-way="{number}">'
    if route.leader is not None:
        start, stop = route.leader
        yield f'<path class="leader" d="M{_pair(start)}L{_pair(stop)}"/>'
    yield (
        f'<rect x="{_number(box.x)}" y="{_number(box.y)}" '
        f'width="{_number(box.width)}" height="{_number(box.height)}" rx="3"/>'
    )
    middle = box.x + box.width / 2
    *labels, share = route.lines
    for line, text in enumerate(labels):
        yield f'<text text-anchor="middle" x="{_number(middle)}" y="{_number(box.y + 11 + line * LABEL_LINE)}">'
        yield f"{escaped(text)}</text>"
    baseline = box.y + 11 + len(labels) * LABEL_LINE
    if edge.is_default:
        dot = middle - width_of(share, TEXT_SIZE) / 2 - 8
        yield f'<circle cx="{_number(dot)}" cy="{_number(baseline - 4)}" r="3"/>'
    yield f'<text class="share" text-anchor="middle" x="{_number(middle)}" y="{_number(baseline)}">'
    yield f"{escaped(share)}</text></g>\n"


# ── scenes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _scene(number: int, placed: Placed, picture: str | None) -> Iterator[str]:
    node, box = placed.node, placed.box
    classes = "".join(f" {badge}" for badge in node.badges) + ("" if node.share else " never")
    yield (
        f'<g class="scene{classes}" data-scene="{number}" data-id="{escaped(node.id)}" '
        f'transform="translate({_number(box.x)} {_number(box.y)})"><title>{escaped(_title(node))}</title>'
        f'<rect class="body" width="{_number(box.width)}" height="{_number(box.height)}" rx="6"/>'
        f'<rect class="stripe" width="5" height="{_number(box.height)}" rx="2.5"/>'
    )
    left = PADDING + 2
    if picture is not None:
        top = _number((box.height - PICTURE_HEIGHT) / 2)
        yield (
            f'<image x="{left}" y="{top}" width="{PICTURE_WIDTH}" height="{PICTURE_HEIGHT}" '
            f'preserveAspectRatio="xMidYMid meet" href="{escaped(picture)}"/>'
        )
    if placed.has_picture:
        left += PICTURE_WIDTH + PADDING
    right = box.width - PADDING
    yield from _top_line(node, left, right)
    for line, text in enumerate(placed.prompt):
        yield f'<text class="soft" x="{left}" y="{33 + line * PROMPT_LINE}">{escaped(text)}</text>'
    yield from _bottom_line(node, left, right, box.height)
    yield "</g>\n"


def _top_line(node: Node, left: float, right: float) -> Iterator[str]:
    length = length_of(node)
    room = right - left - width_of(length, TEXT_SIZE) - 8
    if node.findings:
        yield (
            f'<g class="finding"><title>{escaped(chr(10).join(node.findings))}</title>'
            f'<path d="M{_number(left)} 19l7 -12l7 12z"/>'
            f'<text text-anchor="middle" x="{_number(left + 7)}" y="17.5">!</text></g>'
        )
        left, room = left + 18, room - 18
    yield f'<text class="name" x="{_number(left)}" y="18">{escaped(shortened(node.id, TITLE_SIZE, room))}</text>'
    yield f'<text class="soft" text-anchor="end" x="{_number(right)}" y="18">{escaped(length)}</text>'


def _bottom_line(node: Node, left: float, right: float, height: float) -> Iterator[str]:
    share = percent(node.share)
    baseline = height - 10
    yield f'<text class="soft" text-anchor="end" x="{_number(right)}" y="{_number(baseline)}">{escaped(share)}</text>'
    room = right - width_of(share, TEXT_SIZE) - 6
    shown = [badge for badge in node.badges if badge in _WORDS]
    for number, badge in enumerate(shown):
        word = _WORDS[badge]
        if badge == "ending" and node.ending is not None:
            word = shortened(
                f"{'goal' if node.is_goal else word}: {node.ending}", SMALL_SIZE, (room - left - _PILL) / _BOLD
            )
        width = width_of(word, SMALL_SIZE) * _BOLD + _PILL
        rest = len(shown) - number - 1
        if left + width + (rest > 0) * _MORE > room:
            yield f'<text class="soft" x="{_number(left)}" y="{_number(baseline)}">+{rest + 1}</text>'
            break
        yield (
            f'<g class="badge {badge}"><rect x="{_number(left)}" y="{_number(baseline - 11)}" '
            f'width="{_number(width)}" height="15" rx="7.5"/><text text-anchor="middle" '
            f'x="{_number(left + width / 2)}" y="{_number(baseline)}">{escaped(word)}</text></g>'
        )
        left += width + 3


def length_of(node: Node) -> str:
    """Spells how long a scene is; with a tilde where that is assumed."""
    seconds = node.length / TICKS_PER_SECOND
    tenths = f"{seconds:.1f} s" if seconds < _MINUTE else f"{seconds // _MINUTE:.0f}:{seconds % _MINUTE:04.1f}"
    text = tenths.replace(".0", "")
    return f"~ {text}" if node.is_assumed else text


def _title(node: Node) -> str:
    lines = [f"{node.id}, {length_of(node)}, seen by {percent(node.share)} of the viewers"]
    lines += [question.prompt for question in node.questions if question.prompt]
    lines += [node.text] * bool(node.text)
    lines += [f"checkpoint: {node.checkpoint}"] * (node.checkpoint is not None)
    lines += [f"ending: {node.ending}"] * (node.ending is not None)
    return "\n".join((*lines, *node.findings))


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    """Spells a length, to a tenth: finer cannot be seen, and there are thousands of them."""
    return f"{round(value, 1) + 0.0:g}" if abs(value) < _LONG else f"{value:.0f}"
