"""A story of the size of an interactive film, played through the session, shows what `walk` tells of it."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streamer.session.timeline import Stage
from streamer.story.rules import Opening
from streamer.story.visit import RULE
from streamer.story.walk import Plan, Walk, walk
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.film import film_stage
from tests.watching import Watching

pytestmark = pytest.mark.film

SEGMENT = Ticks(2 * TICKS_PER_SECOND)
PROFILES: tuple[dict[str, str], ...] = ({}, {"lang": "sv"}, {"cut": "short"}, {"lang": "sv", "cut": "short"})
MOST = 120  # scenes of one viewing
SEEDS_ALONE = (Phase.explicit, Phase.reuse, Phase.generate)  # there is no simpler seed


@cache
def film(*, chance: bool) -> Stage:
    return film_stage(chance=chance)


def walked(watching: Watching) -> Walk:
    stage, path = watching.timeline.stage, watching.path()
    return walk(
        stage.story,
        stage.lengths,
        Plan(answers=watching.given()),
        opening=watching.opening,
        segment=SEGMENT,
        most_scenes=len(path),
    )


def assert_same(watching: Watching) -> None:
    """Fails unless the viewing shows what the walk with its answers tells."""
    path, told = watching.path(), walked(watching)
    whole = watching.is_over
    count = len(path) if whole else len(path) - 1  # the last visit is not over
    assert [each.scene for each in path] == [seen.scene for seen in told.scenes]
    assert [each.shown for each in path][:count] == [seen.duration for seen in told.scenes][:count]
    made = [decision for each in path[:count] for decision in each.decisions]
    found = [(each.decision, each.offered, each.choice) for each in told.decisions]
    assert [each[:3] for each in made] == found[: len(made)]
    rules = [each[3] == RULE for each in made]
    assert rules == [each.by == RULE for each in told.decisions][: len(made)]
    if whole:
        assert watching.timeline.last.scene.end is not None
        assert told.ending == watching.timeline.last.scene.end.id
        assert told.state == watching.timeline.memory.state
        assert told.taken == len(watching.given())


def assert_whole(watching: Watching) -> None:
    """Fails unless the path is one piece: each stretch begins where the one before ends."""
    stretches = [*watching.timeline.stretches]
    for before, after in pairwise(stretches):
        assert (after.start, after.first) == (before.end, before.after)


@settings(max_examples=6, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32), profile=st.sampled_from(PROFILES), chance=st.booleans())
def test_a_viewing_of_the_film_is_what_walk_tells_with_the_same_answers(
    seed: int, profile: dict[str, str], *, chance: bool
) -> None:
    watching = Watching(film(chance=chance), Opening(profile=profile, seed=seed), seed)

    watching.watch(MOST)

    assert_same(watching)
    assert_whole(watching)


@settings(max_examples=4, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32), chance=st.booleans())
def test_who_goes_back_goes_on_as_if_what_came_after_had_not_been(seed: int, *, chance: bool) -> None:
    watching = Watching(film(chance=chance), Opening(seed=seed), seed, leaves=0.03)

    watching.watch(MOST)
    if watching.is_over and len(watching.timeline.passed):
        watching.leave()  # a run of its own
        watching.watch(MOST)

    assert_same(watching)


@settings(max_examples=3, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32), scenes=st.integers(2, 30))
def test_who_begins_again_by_the_menu_sees_the_story_anew(seed: int, scenes: int) -> None:
    watching = Watching(film(chance=False), Opening(seed=seed), seed)
    watching.watch(scenes)

    watching.leave("again")
    watching.watch(MOST)

    assert watching.path()[0].scene == watching.timeline.stage.story.start
    assert_same(watching)


@pytest.mark.timeout(300)
def test_a_few_viewings_meet_all_that_the_language_has() -> None:
    met: Counter[str] = Counter()
    for seed in range(6):
        watching = Watching(film(chance=True), Opening(profile=PROFILES[seed % 4], seed=seed), seed, leaves=0.005)
        watching.watch(MOST)
        assert_same(watching)
        met += watching.met

    wanted = {"viewer", "default", "timeout", "cut", "moot", "several", "variant", "back"}
    assert {kind for kind, count in met.items() if count} >= wanted
