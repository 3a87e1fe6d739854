"""A story of the size and shape of the best-known interactive film is read, walked and simulated."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streamer.story.codec import read_story
from streamer.story.model import Story
from streamer.story.rules import Opening, failures_of, possible_successors
from streamer.story.simulate import Simulation
from streamer.story.visit import VIEWER
from streamer.story.walk import Plan, Policy, Walk, lengths_of, told, walk
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.film import CANDIDATES, LONG, NESTED, film_data, film_text
from tests.naive import naive_walk, seconds_of

pytestmark = pytest.mark.film

SEGMENT = Ticks(2 * TICKS_PER_SECOND)
FRAME = Fraction(1, 24)
POLICIES: tuple[Policy, ...] = ("default", "first", "uniform")
SEEDS_ALONE = (Phase.explicit, Phase.reuse, Phase.generate)  # there is no simpler seed


@cache
def film(*, chance: bool = True) -> Story:
    story, findings = read_story(film_text(chance=chance), "film.yaml")
    assert findings == ()
    assert story is not None
    return story


def viewing(story: Story, policy: Policy, seed: int, most: int = 10_000) -> Walk:
    opening = Opening(seed=seed)
    lengths = lengths_of(story, Ticks(0))
    return walk(story, lengths, Plan(policy=policy, seed=seed), opening=opening, segment=SEGMENT, most_scenes=most)


def reached(start: str, after: dict[str, set[str]]) -> set[str]:
    found, todo = {start}, [start]
    while todo:
        new = after.get(todo.pop(), set()) - found
        found |= new
        todo.extend(new)
    return found


def depth_of(text: str) -> int:
    deepest = depth = 0
    for mark in re.sub(r"'[^']*'|\w+\(", "", text):
        depth += (mark == "(") - (mark == ")")
        deepest = max(deepest, depth)
    return deepest


def test_the_film_has_the_size_and_shape_of_the_best_known_one() -> None:
    story = film()
    scenes = story.scenes.values()
    lengths = lengths_of(story, Ticks(0))
    conditions = [text for text, spot in story.places.items() if spot[2].endswith(".when")]
    rules = [rule for group in story.groups.values() for rule in group]

    assert (len(story.scenes), sum(1 for _ in story.decisions)) == (250, 174)
    assert (len(story.groups), len(story.state)) == (111, 62)
    assert {take.src for scene in scenes for take in scene.takes} == {"film"}
    times = [instant for scene in scenes for take in scene.takes for instant in (take.start, take.end)]
    assert all((Fraction(at or 0, TICKS_PER_SECOND) / FRAME).denominator == 1 for at in times)
    assert all(25 * TICKS_PER_SECOND <= length <= 180 * TICKS_PER_SECOND for (length, *_) in lengths.values())
    assert max(map(len, conditions)) == LONG
    assert max(map(depth_of, conditions)) >= NESTED
    assert max(len([rule for rule in group if rule.when]) for group in story.groups.values()) == CANDIDATES
    assert sum(len(scene.decisions) > 1 for scene in scenes) >= 6
    assert sum(decision.immediate for decision in story.decisions) >= 3
    assert sum(decision.timeout is not None for decision in story.decisions) >= 3
    assert sum(scene.end is not None and bool(scene.decisions) for scene in scenes) >= 5
    assert sum(choice.to is None for decision in story.decisions for choice in decision.choices) >= 10
    assert len(story.groups.keys() & story.scenes.keys()) >= 5
    assert any(rule.to.startswith("@") for rule in rules)
    assert any(rule.weight is not None for rule in rules)
    assert any(name[0].isdigit() and name != name.lower() for name in story.scenes)


def test_every_scene_of_the_film_leads_to_every_other() -> None:
    story = film()
    after = {name: set(possible_successors(story, scene)) for name, scene in story.scenes.items()}
    before: dict[str, set[str]] = {}
    for name, successors in after.items():
        for successor in successors:
            before.setdefault(successor, set()).add(name)

    assert reached(story.start, after) == reached(story.start, before) == story.scenes.keys()


def test_the_same_seed_makes_the_same_film_and_another_another() -> None:
    assert film_text(7) == film_text(7)
    assert film_text(7) != film_text(8)


@settings(max_examples=10, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32), chance=st.booleans())
def test_a_film_made_from_any_seed_is_well(seed: int, *, chance: bool) -> None:
    story, findings = read_story(film_text(seed, chance=chance), "film.yaml")

    assert story is not None
    assert [str(each) for each in findings if each.level == "error"] == []
    assert story.draws == chance


@pytest.mark.parametrize("policy", POLICIES)
def test_the_film_comes_to_an_ending_and_is_walked_the_same_again(policy: Policy) -> None:
    first = viewing(film(), policy, 5)

    assert first.ending in {scene.end.id for scene in film().scenes.values() if scene.end is not None}
    assert told(viewing(film(), policy, 5)) == told(first)


def test_a_hundred_viewers_find_their_ways_through_the_film() -> None:
    story = film()
    simulation = Simulation(story)
    by: Counter[str] = Counter()
    for seed in range(100):
        found = viewing(story, "uniform", seed)
        by.update(each.by for each in found.decisions)
        simulation.add(found)
    report = simulation.report()

    assert report.stopped == 0
    assert len(report.endings) > 2
    assert sum(share > 0 for share in report.scenes.values()) > 100
    assert by["viewer"] > by["rule"] > 0
    assert failures_of(story) == ()


@settings(max_examples=20, deadline=None, phases=SEEDS_ALONE)
@given(
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(POLICIES),
    lang=st.sampled_from(["en", "sv"]),
    cut=st.sampled_from(["long", "short"]),
)
def test_the_film_goes_as_the_rules_read_plainly_say(seed: int, policy: Policy, lang: str, cut: str) -> None:
    story, profile = film(chance=False), {"lang": lang, "cut": cut}
    opening = Opening(profile=profile, seed=seed)
    plan = Plan(policy=policy, seed=seed)

    found = walk(story, lengths_of(story, Ticks(0)), plan, opening=opening, segment=SEGMENT, most_scenes=100)
    given = [(each.decision, each.choice or "") for each in found.decisions if each.by == VIEWER]
    plainly = naive_walk(film_data(chance=False), given, profile, most=100)

    shown = [(seen.scene, Fraction(seen.duration, TICKS_PER_SECOND)) for seen in found.scenes]
    assert shown == plainly.scenes
    assert [(each.decision, each.choice) for each in found.decisions] == plainly.decisions
    assert found.state == plainly.state
    assert found.ending == plainly.ending


def test_times_are_read_plainly_too() -> None:
    assert seconds_of("00:01:02.625") == Fraction(501, 8)
    assert seconds_of("-4s") == -4
