"""A story's graph: scenes and ways as the file has them, with what was found and what viewers did."""

from __future__ import annotations

from fractions import Fraction

from streamer.errors import Finding
from streamer.story.codec import load_story
from streamer.story.graph import Edge, Graph, graph_of, ways_of
from streamer.story.rules import Opening
from streamer.story.simulate import Simulation
from streamer.story.walk import Plan, lengths_of, walk
from tests.builders import seconds, story_text
from tests.drawing.film import film
from tests.drawing.graphs import MORE, WHOLE, graphed


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


def ways(graph: Graph, before: str) -> list[tuple[str, str | None, str | None, bool]]:
    return [(w.after, w.decision, w.choice, w.is_default) for e in graph.edges if e.before == before for w in e.ways]


def test_several_decisions_of_a_scene_are_all_ways_on() -> None:
    graph = graphed(MORE)

    assert ways(graph, "quay") == [
        ("boat", "cup", "tea", True),
        ("boat", "cup", "none", False),
        ("boat", "way", "boat", False),
        ("boat", "way", "stay", False),
        ("pier", "cup", "tea", True),
        ("pier", "cup", "none", False),
        ("pier", "way", "stay", False),
        ("pier", "way", None, True),  # its timeout
    ]
    assert [each.ways[0].groups for each in graph.edges if each.before == "quay"] == [("quay",), ("quay",)]


def test_an_ending_that_asks_leads_on_by_its_choices_alone() -> None:
    graph = graphed(MORE)

    assert ways(graph, "pier") == [("quay", "more", "yes", False)]


def test_what_the_menu_leads_to_is_reached() -> None:
    graph = graphed(MORE)

    assert {node.id: node.badges for node in graph.nodes} == {
        "quay": ("start", "menu", "decision"),
        "boat": ("decision",),
        "pier": ("ending", "decision", "hold"),
        "help": ("menu",),
    }


def test_a_scene_tells_its_prose_its_events_its_variants_and_whether_it_is_the_goal() -> None:
    quay, _, pier, _ = graphed(MORE).nodes

    assert (quay.text, pier.text) == ("Fog. A bell rings\ntwice.\n", "")
    assert quay.notes == (
        "at 2 s, if !state.tea: tea = true, cue kettle",
        "at -1.5 s: chapter: fog",
        "if state.tea: footage quay_tea, from 1 s, to 36.5 s",
        "always: footage quay",
    )
    assert (pier.ending, pier.is_goal, quay.ending, quay.is_goal) == ("home", True, None, False)


def test_a_choice_tells_what_else_it_does() -> None:
    quay, boat, _, _ = graphed(MORE).nodes

    assert [option.notes for option in quay.questions[0].options] == [("score +2",), ("opens https://shop.example/",)]
    assert [option.notes for option in boat.questions[0].options] == [("typed as 4b",), ()]
    assert quay.questions[1].prompt == ""


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
    report.add(walk(story, lengths, Plan(), opening=Opening(), segment=seconds(2), most_scenes=9))
    fields = ("scenes.hall.decision.choices[0].to", "scenes.sea.side.two.media", "scenes.gone.media", "title")
    findings = tuple(
        Finding(file="f", line=1, column=1, field=field, problem=field, remedy="", level="warning") for field in fields
    )

    graph = graph_of(story, seconds(30), report.report(), findings)

    found = {node.id: node.findings for node in graph.nodes if node.findings}
    assert found == {"hall": (f"warning: {fields[0]}",), "sea.side.two": (f"warning: {fields[1]}",)}
    assert graph.findings == ("warning: scenes.gone.media", "warning: title")


def test_a_decision_that_was_never_asked_has_no_shares() -> None:
    graph = graphed(story_text("a 20 -> b\nb 12 .\nc 30 -> b | a"))

    assert [option.share for option in graph.nodes[2].questions[0].options] == [None, None]


def test_the_film_has_the_shape_of_a_film() -> None:
    story = load_story(film(), "film.yaml")

    decisions = list(story.decisions)
    assert (len(story.scenes), len(decisions)) == (250, 174)
    assert all(len(decision.choices) == 2 for decision in decisions)
    assert sum(scene.end is not None for scene in story.scenes.values()) >= 5
    assert any(way.groups for way in ways_of(story))
