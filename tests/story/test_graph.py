"""A story's graph: scenes and ways as the file has them, with what was found and what viewers did."""

from __future__ import annotations

from fractions import Fraction

from streamer.errors import Finding
from streamer.story.codec import load_story
from streamer.story.graph import Edge, Graph, graph_of, ways_of
from streamer.story.simulate import Simulation
from streamer.story.walk import Plan, lengths_of, walk
from tests.builders import seconds, story_text
from tests.drawing.graphs import WHOLE, graphed
from tests.film import film


def edge(graph: Graph, before: str, after: str) -> Edge:
    return next(each for each in graph.edges if (each.before, each.after) == (before, after))


def test_a_scene_says_what_it_is() -> None:
    graph = graphed(WHOLE)

    badges = {node.id: node.badges for node in graph.nodes}
    assert badges == {
        "hall": ("start", "checkpoint", "decision", "hold"),
        "yard": ("start", "decision", "immediate"),
        "tower": ("unreachable",),
        "sea.side": ("ending",),
        "lost": ("ending",),
    }
    hall = graph.nodes[0]
    assert (hall.length, hall.is_assumed, hall.source, hall.checkpoint) == (seconds(20), False, "hall", "The hall")
    assert graph.nodes[1].is_assumed
    assert (graph.title, graph.language, graph.starts) == ("All there is", "en", ("hall", "yard"))


def test_a_question_shows_its_choices_with_conditions_and_effects() -> None:
    graph = graphed(WHOLE)

    (question,) = graph.nodes[0].questions
    left, right, _ = question.options
    assert (question.id, question.prompt) == ("door", "Which door?")
    assert (left.label, left.is_default, left.condition) == ("Left", True, None)
    assert left.effects == ("lamp = true", "coins = state.coins + 1")
    assert (right.is_default, right.condition) == (False, "state.lamp")
    assert sum(option.share or 0 for option in question.options) == 1


def test_a_way_through_groups_names_them_and_all_that_has_to_hold() -> None:
    graph = graphed(WHOLE)

    (way,) = [way for way in edge(graph, "hall", "hall").ways if way.choice == "right"]
    assert way.groups == ("out", "deep")
    assert way.conditions == ("state.lamp", "state.coins > 3")


def test_ways_of_rules_have_their_weight_and_choices_without_a_target_take_them() -> None:
    graph = graphed(WHOLE)

    ways = edge(graph, "yard", "sea.side").ways
    assert [(way.choice, way.weight, way.is_default) for way in ways] == [
        ("yes", None, False),
        ("no", Fraction(2), True),
    ]
    assert edge(graph, "yard", "sea.side").is_default
    assert not edge(graph, "yard", "sea.side").is_conditional
    assert edge(graph, "yard", "hall").is_conditional


def test_the_fallback_is_a_way_where_no_rule_need_hold() -> None:
    graph = graphed(WHOLE)

    assert {each.before for each in graph.edges if each.is_fallback} == {"hall", "yard"}
    assert edge(graph, "hall", "lost").is_conditional


def test_shares_of_scenes_and_ways_are_those_of_the_viewers() -> None:
    graph = graphed(story_text("a 20 -> b | c\nb 12 -> d\nc 12 -> d\nd 8 ."), viewers=200)

    shares = {node.id: node.share for node in graph.nodes}
    assert (shares["a"], shares["d"], graph.viewers) == (1, 1, 200)
    assert 0.4 < shares["b"] < 0.6
    assert edge(graph, "a", "b").share == shares["b"]


def test_findings_go_with_the_scene_that_they_are_of() -> None:
    text = WHOLE.replace("sea.side", "sea.side.two")
    story = load_story(text, "story.yaml")
    report = Simulation(story)
    lengths = lengths_of(story, seconds(30))
    report.add(walk(story, lengths, Plan(), profile={}, segment=seconds(2), most_scenes=9))
    fields = ("scenes.hall.decision.choices[0].to", "scenes.sea.side.two.media", "scenes.gone.media", "title")
    findings = tuple(
        Finding(file="f", line=1, column=1, field=field, problem=field, remedy="", level="warning") for field in fields
    )

    graph = graph_of(story, lengths, report.report(), findings)

    found = {node.id: node.findings for node in graph.nodes if node.findings}
    assert found == {"hall": (f"warning: {fields[0]}",), "sea.side.two": (f"warning: {fields[1]}",)}
    assert graph.findings == ("warning: scenes.gone.media", "warning: title")


def test_a_decision_that_was_never_asked_has_no_shares() -> None:
    graph = graphed(story_text("a 20 -> b\nb 12 .\nc 30 -> b | a"))

    assert [option.share for option in graph.nodes[2].questions[0].options] == [None, None]


def test_the_film_has_the_shape_of_a_film() -> None:
    story = load_story(film(), "film.yaml")

    decisions = [scene.decision for scene in story.scenes.values() if scene.decision is not None]
    assert (len(story.scenes), len(decisions)) == (250, 174)
    assert all(len(decision.choices) == 2 for decision in decisions)
    assert sum(scene.end is not None for scene in story.scenes.values()) >= 5
    assert any(way.groups for way in ways_of(story))
