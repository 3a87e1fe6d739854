"""A simulation tells what many viewings have in common."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.story.codec import load_story
from streamer.story.rules import Opening
from streamer.story.simulate import Report, Simulation, Spread, Transition
from streamer.story.walk import Plan, walk
from tests.builders import lengths_of, seconds, story_text

LINES = """
a 20 -> b | c
b 12 -> d
c 30 -> a | d
d 8 .
"""


def simulated(plans: Iterable[Plan], lines: str = LINES, most: int = 50) -> Report:
    story = load_story(story_text(lines), "story.yaml")
    simulation = Simulation(story)
    for plan in plans:
        lengths = {name: (length,) for name, length in lengths_of(lines).items()}
        opening = Opening(seed=plan.seed)
        found = walk(story, lengths, plan, opening=opening, segment=seconds(2), most_scenes=most)
        simulation.add(found)
    return simulation.report()


def test_what_nobody_did_is_told() -> None:
    report = simulated([Plan()])

    assert (report.viewers, report.stopped) == (1, 0)
    assert report.scenes == {"a": 1, "b": 1, "c": 0, "d": 1}
    assert report.transitions == (
        Transition(before="a", after="b", share=1),
        Transition(before="a", after="c", share=0),
        Transition(before="b", after="d", share=1),
        Transition(before="c", after="a", share=0),
        Transition(before="c", after="d", share=0),
    )
    assert report.length_seconds == Spread(40.0, 40.0, 40.0)
    assert report.seconds_between_decisions == Spread()
    assert report.choices == {"after-a": {"b": 1}}


def test_many_viewers_share_scenes_endings_and_choices() -> None:
    report = simulated(Plan(policy="uniform", seed=seed) for seed in range(200))

    assert report.endings == {"d": 1}
    assert 0.5 < report.scenes["b"] < 0.8  # 2 of 3
    assert report.length_seconds.shortest == 40
    assert report.seconds_between_decisions.shortest == 20  # from c's lock, 4 s before its end, to a's
    assert sum(report.choices["after-a"].values()) == 1


def test_time_with_little_ahead_is_counted_up_to_each_lock() -> None:
    report = simulated([Plan()])

    # a is 20 s long and locks at 16: less than 6 s lie ahead from 14 to 16, less than 10 from 10, of 40 s in all.
    assert report.share_of_time_with_less_ahead == {"6": 0.05, "10": 0.15, "18": 0.35, "30": 0.4}


def test_viewings_that_come_to_no_end_are_counted() -> None:
    report = simulated([Plan(), Plan()], "a 20 -> a | b\nb 8 .", most=5)

    assert (report.stopped, report.endings) == (2, {})
    assert report.length_seconds.longest == 100


def test_a_decision_that_left_nothing_to_decide_is_told_and_takes_no_time() -> None:
    text = story_text("a 20 -> b\nb 20 .").replace(
        "    next: [{to: b}]",
        "    decision: {id: only, default: go, choices: [{id: go, label: Go, to: b},"
        " {id: stay, label: Stay, to: a, when: visits('b') > 0}]}",
    )
    story = load_story(text, "story.yaml")
    simulation = Simulation(story)
    lengths = {"a": (seconds(20),), "b": (seconds(20),)}

    simulation.add(walk(story, lengths, Plan(), opening=Opening(), segment=seconds(2), most_scenes=9))
    report = simulation.report()

    assert report.choices == {"only": {"go": 1}}
    assert set(report.share_of_time_with_less_ahead.values()) == {0}
    assert report.seconds_between_decisions == Spread()
