"""The picture of a story: all of it is there, nothing lies upon anything, and it is the same every time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.drawing.engine import bounded
from streamer.drawing.layout import Box, Layout, layout_of, percent
from streamer.drawing.page import page_of
from streamer.drawing.svg import escaped, svg_of
from streamer.errors import BranchlineError
from streamer.story.graph import Graph
from tests.builders import story_text
from tests.drawing.film import film
from tests.drawing.graphs import MORE, WHOLE, graphed
from tests.serving import ROOT

SVG = "{http://www.w3.org/2000/svg}"
SAMPLE = (ROOT / "media" / "sample" / "story.yaml").read_text("utf-8")


def of_class(document: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in document.iter() if name in each.get("class", "").split()]


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def film_graph() -> Graph:
    return graphed(film(), viewers=20)


@pytest.fixture(scope="module")
def film_layout(film_graph: Graph) -> Layout:
    return layout_of(film_graph)


def test_every_scene_and_every_way_is_drawn(film_graph: Graph, film_layout: Layout) -> None:
    document = ET.fromstring(svg_of(film_layout, {}))

    assert [each.get("data-id") for each in of_class(document, "scene")] == [node.id for node in film_graph.nodes]
    ways = [(each.get("data-from"), each.get("data-to")) for each in of_class(document, "way")]
    assert ways == [(edge.before, edge.after) for edge in film_graph.edges]
    assert len(of_class(document, "label")) == len(film_graph.edges)


def overlaps(layout: Layout) -> list[tuple[Box, Box]]:
    boxes = [placed.box for placed in layout.scenes] + [route.label for route in layout.routes]
    return [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]


def crossed(layout: Layout) -> list[tuple[str, str, str]]:
    """Gives the ways that lead through a scene, even one of their own, and the scene; a border may be touched."""
    inner = [
        (
            each.node.id,
            replace(each.box, x=each.box.x + 1, y=each.box.y + 1, width=each.box.width - 2, height=each.box.height - 2),
        )
        for each in layout.scenes
    ]
    found = []
    for route in layout.routes:
        for (x, y), (to_x, to_y) in pairwise(route.points):
            line = Box(x=min(x, to_x), y=min(y, to_y), width=abs(x - to_x) + 0.01, height=abs(y - to_y) + 0.01)
            found += [(route.edge.before, route.edge.after, name) for name, box in inner if box.meets(line)]
    return found


def test_no_scene_lies_upon_another_and_no_label_upon_a_scene_or_a_label(film_layout: Layout) -> None:
    assert overlaps(film_layout) == []


def test_no_way_leads_through_a_scene(film_layout: Layout) -> None:
    assert crossed(film_layout) == []


def test_everything_lies_within_the_picture(film_layout: Layout) -> None:
    boxes = [placed.box for placed in film_layout.scenes] + [route.label for route in film_layout.routes]
    points = [point for route in film_layout.routes for point in route.points]

    assert min(box.x for box in boxes) >= 0
    assert max(box.x + box.width for box in boxes) <= film_layout.width
    assert all(0 <= x <= film_layout.width and 0 <= y <= film_layout.height for x, y in points)


def test_the_same_story_gives_the_same_bytes() -> None:
    first, second = (layout_of(graphed(film(), viewers=5)) for _ in range(2))

    assert svg_of(first, {}) == svg_of(second, {})
    assert page_of(first, {}) == page_of(second, {})


def test_ways_show_how_they_are_gone() -> None:
    layout = layout_of(graphed(SAMPLE, viewers=100))

    document = ET.fromstring(svg_of(layout, {}))

    kinds = {
        (each.get("data-from"), each.get("data-to")): set(each.get("class", "").split())
        for each in of_class(document, "way")
    }
    assert kinds["turntable", "turntable"] == {"way", "conditional", "back"}
    assert kinds["junction", "viaduct"] == {"way", "default"}
    assert kinds["tunnel", "lamplight"] == {"way", "conditional"}
    widths = {(route.edge.before, route.edge.after): route.width for route in layout.routes}
    assert widths["turntable", "tunnel"] > widths["junction", "viaduct"]
    labels = of_class(document, "label")
    assert texts(labels[0])[0] == "Take the lantern"
    assert all(re.fullmatch(r"\d+ %", texts(label)[-1]) for label in labels)


def test_what_nobody_saw_is_faint_and_what_was_found_is_marked() -> None:
    layout = layout_of(graphed(WHOLE, viewers=3))

    document = ET.fromstring(svg_of(layout, {}))

    (tower,) = [each for each in of_class(document, "scene") if each.get("data-id") == "tower"]
    assert {"never", "unreachable"} <= set(tower.get("class", "").split())
    (mark,) = of_class(tower, "finding")
    assert mark.findtext(f"{SVG}title") == "warning: no way leads to scene 'tower'"
    titles = [each.findtext(f"{SVG}title") or "" for each in of_class(document, "way")]
    assert any("through group out, through group deep, if state.lamp, if state.coins > 3" in t for t in titles)
    assert any("“No”, without an answer too, if state.coins > 0, drawn with weight 2" in t for t in titles)
    assert any("where no rule holds" in title for title in titles)
    fallbacks = [each for each in of_class(document, "way") if "fallback" in each.get("class", "")]
    assert {each.get("data-to") for each in fallbacks} == {"lost"}


def test_a_scene_tells_its_length_and_its_badges() -> None:
    text = WHOLE.replace("out: 20s", "in: 1s, out: 76.48s").replace("{src: sea}", "{src: sea, in: 0s, out: 60s}")
    layout = layout_of(graphed(text))

    document = ET.fromstring(svg_of(layout, {}))

    shown = {each.get("data-id"): texts(each) for each in of_class(document, "scene")}
    assert shown["hall"][:3] == ["hall", "1:15.5", "Which door?"]
    assert shown["hall"][-3:] == ["start", "checkpoint", "hold"]
    assert "~ 30 s" in shown["yard"]
    assert "1:00" in shown["sea.side"]
    assert shown["sea.side"][-1] == "end: free"


def test_a_scene_that_asks_nothing_shows_its_prose_and_the_goal_is_called_so() -> None:
    layout = layout_of(graphed(MORE.replace("prompt: Tea?, ", "")))

    document = ET.fromstring(svg_of(layout, {}))

    shown = {each.get("data-id"): texts(each) for each in of_class(document, "scene")}
    assert shown["quay"][2] == "Fog. A bell rings twice."
    assert shown["pier"][-2:] == ["goal: home", "hold"]
    titles = [each.findtext(f"{SVG}title") or "" for each in of_class(document, "way")]
    assert any("\nwithout an answer" in title for title in titles)


def test_a_label_that_stands_apart_is_tied_to_its_way() -> None:
    layout = layout_of(graphed(MORE))

    tied = [route for route in layout.routes if route.leader is not None]

    assert [(route.edge.before, route.edge.after) for route in tied] == [("pier", "quay")]
    (start, stop) = tied[0].leader or ((0, 0), (0, 0))
    box = tied[0].label
    assert start == (box.x + box.width / 2, box.y + box.height / 2)
    assert any(x == stop[0] or y == stop[1] for x, y in tied[0].points)
    document = ET.fromstring(svg_of(layout, {}))
    assert len(of_class(document, "leader")) == 1


def test_badges_that_have_no_room_are_counted() -> None:
    text = WHOLE.replace("default: first", "default: first\n      lock: immediate")
    layout = layout_of(graphed(text))

    document = ET.fromstring(svg_of(layout, {}))

    (hall,) = [each for each in of_class(document, "scene") if each.get("data-id") == "hall"]
    assert texts(hall)[-3:] == ["start", "checkpoint", "+2"]


def test_many_ways_between_two_scenes_are_one_with_a_short_label() -> None:
    choices = ", ".join(f"{{id: c{number}, label: Choice {number}, to: b}}" for number in range(5))
    head = "story: 1\nid: t\ntitle: T\nstart: a\nscenes:\n"
    decision = f"{{id: d, prompt: P, default: c0, choices: [{choices}]}}"
    text = f"{head}  a: {{media: {{src: a}}, decision: {decision}}}\n  b: {{media: {{src: b}}, end: {{id: e}}}}\n"

    (route,) = layout_of(graphed(text)).routes

    assert route.lines == ("Choice 0", "Choice 1", "and 3 more", "100 %")


def test_pictures_stand_in_their_scenes() -> None:
    graph = graphed(story_text("a 20 -> b\nb 12 ."))
    pictures = {"a": "data:image/jpeg;base64,AAAA"}

    layout = layout_of(graph, pictures)
    document = ET.fromstring(svg_of(layout, pictures))

    (image,) = document.iter(f"{SVG}image")
    assert image.get("href") == pictures["a"]
    assert layout.scenes[0].box.width > layout.scenes[1].box.width


EVIL = "</script><script>alert(1)</script>\" onload='x' & ]]> <!-- \u202e\u2028 駅"


@pytest.mark.parametrize("place", ["label", "prompt", "title"])
def test_texts_of_the_story_are_never_markup(place: str) -> None:
    quoted = '"' + EVIL.replace('"', '\\"').replace("\u2028", "") + '"'
    wanted = EVIL.replace("\u2028", "")
    text = {
        "label": WHOLE.replace("label: Left", f"label: {quoted}"),
        "prompt": WHOLE.replace("prompt: Which door?", f"prompt: {quoted}"),
        "title": WHOLE.replace("{en: All there is, sv: Allt}", f"{{en: {quoted}}}"),
    }[place]
    layout = layout_of(graphed(text))

    page = page_of(layout, {})
    document = ET.fromstring(svg_of(layout, {}))

    assert len(re.findall("<script", page)) == 2  # its data and its own
    assert page.count("</script>") == 2
    assert "<!--" not in page
    elements = {each.tag.removeprefix(SVG) for each in document.iter()}
    assert elements <= {"svg", "title", "style", "rect", "g", "text", "path", "polygon", "circle"}
    assert any(wanted in (each.text or "") for each in document.iter(f"{SVG}title"))


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert escaped("a\x00b\ufffec<&\"'") == "a\ufffdb\ufffdc&lt;&amp;&quot;&#39;"


def test_a_story_beyond_the_bounds_is_refused_with_its_numbers() -> None:
    lines = "\n".join(f"s{number} 10 -> s{number + 1}" for number in range(2001)) + "\ns2001 10 ."
    graph = graphed(story_text(lines), viewers=1, most_scenes=3)

    with pytest.raises(BranchlineError, match="has 2,002 scenes and 2,001 ways"):
        layout_of(graph)


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.004, "<1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.999, "99 %"), (1, "100 %")]
)
def test_shares_are_spelled_so_that_some_is_not_none_and_most_is_not_all(share: float, text: str) -> None:
    assert percent(share) == text


def test_where_the_better_layout_takes_too_long_the_quick_one_is_taken() -> None:
    asked: list[str] = []

    def slow(request: str) -> str:
        asked.append(json.loads(request)["options"]["effort"])
        if asked == ["balanced"]:
            raise TimeoutError
        return bounded(request)

    layout = layout_of(graphed(SAMPLE), engine=slow)

    assert asked == ["balanced", "fast"]
    assert len(layout.scenes) == 10


def test_a_layout_that_is_not_found_in_time_is_told() -> None:
    def endless(request: str) -> str:
        return bounded(request, seconds=0.001)

    with pytest.raises(BranchlineError, match="'sample': no layout was found in time"):
        layout_of(graphed(SAMPLE), engine=endless)


def test_the_engine_says_the_same_in_a_process_of_its_own() -> None:
    graph = graphed(film(), viewers=2)

    assert layout_of(graph) == layout_of(graph, engine=bounded)


def test_what_the_engine_refuses_is_told() -> None:
    with pytest.raises(BranchlineError, match=r"the layout failed: .*unknown field"):
        bounded('{"nothing": 1}')


@given(st.lists(st.sets(st.integers(0, 11), max_size=3), max_size=11))
@settings(max_examples=60, deadline=None)
def test_no_story_is_drawn_with_anything_upon_anything(ways: list[set[int]]) -> None:
    lines = []
    for number, targets in enumerate(ways):
        names = sorted({f"s{target % (len(ways) + 1)}" for target in targets} | {f"s{number + 1}"})
        lines.append(f"s{number} 30 -> {' | '.join(names)}")
    graph = graphed(story_text("\n".join([*lines, f"s{len(ways)} 30 ."])), viewers=2, most_scenes=9)

    layout = layout_of(graph)

    assert overlaps(layout) == []
    assert crossed(layout) == []
