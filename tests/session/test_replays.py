"""What a session remembers is enough: its path comes out the same again, in bounds, and as it was committed."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streamer.media.names import SegmentName
from streamer.playlists import Rendered, rendition_of
from streamer.session.events import WentBack
from streamer.session.timeline import Stage, Timeline, fold, follow
from streamer.story.model import Story, Value
from streamer.story.rules import Memory, Opening
from tests.builders import ADDRESSES
from tests.film import film_stage
from tests.readers import read_media
from tests.watching import Watching

pytestmark = pytest.mark.film

SEEDS_ALONE = (Phase.explicit, Phase.reuse, Phase.generate)  # there is no simpler seed
SCENES = 25
RENDITIONS = ("v0", "v1", "a0")


@cache
def film() -> Stage:
    return film_stage()


def watched(seed: int, *, leaves: float = 0.02) -> Watching:
    watching = Watching(film(), Opening(seed=seed), seed, leaves=leaves, answers=0.8)
    watching.watch(SCENES)
    return watching


def listed(timeline: Timeline, rendition_id: str, edge: int) -> bytes:
    rendition = rendition_of(timeline.stage.package, rendition_id)
    assert rendition is not None
    return Rendered(timeline, rendition, ADDRESSES).version(edge).body


def is_allowed(story: Story, name: str, value: Value) -> bool:
    variable = story.state[name]
    match variable.type:
        case "bool":
            return isinstance(value, bool)
        case "enum":
            return value in variable.values
        case _:
            assert variable.minimum is not None
            assert variable.maximum is not None
            return isinstance(value, int) and variable.minimum <= value <= variable.maximum


@settings(max_examples=3, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32))
def test_the_same_events_give_the_same_path_and_the_same_lists_to_the_byte(seed: int) -> None:
    watching = watched(seed)

    again = fold(film(), watching.opening, watching.record.steps)

    assert again.key == watching.timeline.key
    assert again.memory == watching.timeline.memory
    for name in RENDITIONS:
        edge = watching.edge.published
        assert listed(again, name, edge) == listed(watching.timeline, name, edge)


@settings(max_examples=3, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32))
def test_at_every_step_every_variable_is_of_its_type_and_within_its_bounds(seed: int) -> None:
    watching = watched(seed)
    story = film().story

    memories: list[Memory] = []
    for visit in watching.timeline.visits:
        memories += (visit.progress.entered, visit.progress.memory, *(placed.memory for placed in visit.placed))

    assert len(memories) > SCENES
    for memory in memories:
        assert memory.state.keys() == story.state.keys()
        assert [name for name, value in memory.state.items() if not is_allowed(story, name, value)] == []


@settings(max_examples=3, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 100))
def test_a_checkpoint_gives_back_the_memory_that_it_kept_all_of_it(seed: int, which: int) -> None:
    watching = watched(seed, leaves=0)
    timeline, published = watching.timeline, watching.edge.published
    passed = [each for each in timeline.passed if each.first < published]
    wanted = passed[which % len(passed)]
    kept = [each for each in passed if each.checkpoint == wanted.checkpoint][-1].memory
    cut = timeline.cut_from(published)

    back = follow(timeline, WentBack(checkpoint=wanted.checkpoint, answer_id="back", cut=cut))

    entered = next(visit for visit in back.visits if visit.first >= cut)
    assert entered.progress.entered == kept
    assert (entered.first, entered.start) == (cut, timeline.end_of(cut - 1))


@settings(max_examples=3, deadline=None, phases=SEEDS_ALONE)
@given(seed=st.integers(0, 2**32))
def test_every_branch_that_is_listed_is_the_one_that_was_committed(seed: int) -> None:
    watching = watched(seed)
    timeline = watching.timeline

    uris = read_media(listed(timeline, "v0", watching.edge.published).decode()).uris
    names = [ADDRESSES.namer.read(uri.rpartition("/")[2]) for uri in uris]

    stretches = [timeline.stretch_at(number) for number in range(len(uris))]
    assert [(name.clip, name.offset) for name in names if isinstance(name, SegmentName)] == [
        (stretch.clip.id, stretch.start) for stretch in stretches
    ]
    for outcome in timeline.outcomes:
        visit = timeline.visits[outcome.visit - 1]
        made = next(each for each in visit.progress.answers if each.asked.decision == outcome.placed.decision)
        assert (made.choice.id if made.choice is not None else None, made.by) == (outcome.choice, outcome.by)
        assert outcome.told_in >= outcome.placed.opens_in
