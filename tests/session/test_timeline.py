"""A path bound to media."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from streamer.playlists import Rendered
from streamer.session.events import Committed, WentBack
from streamer.session.timeline import (
    MAX_AUTOMATIC_VISITS,
    checkpoint_passed,
    fold,
    follow,
    memory_at,
    start_timeline,
)
from streamer.story.rules import Opening
from streamer.units import Ticks
from tests.builders import ADDRESSES, lengths_of, seconds, staged, staged_text, story_text

ALIKE = """
story: 1
id: test
title: Test
start: ask
state: {key: {type: bool, default: false}}
scenes:
  ask:
    media: {src: ask}
    decision:
      {id: take, prompt: Take it?, opens_at: -9s, closes_at: -4s, default: "no",
       choices: [{id: "yes", label: "Yes", to: hall, set: {key: true}}, {id: "no", label: "No", to: hall}]}
  hall: {media: {src: hall}, next: [{to: open, when: state.key}, {to: shut}]}
  open: {media: {src: open}, end: {id: open}}
  shut: {media: {src: shut}, end: {id: shut}}
"""
MENU = "start: ask\nmenu: [{id: away, label: Away, to: hall}]"
LENGTHS = {"ask": seconds("12.52"), "hall": seconds("7.36"), "open": seconds(6), "shut": seconds(8)}


def commit(choice: str, visit: int = 1, decision: str = "take") -> Committed:
    return Committed(visit=visit, decision=decision, choice=choice, by="viewer", at=Ticks(0))


def test_automatic_scenes_are_followed_at_once() -> None:
    timeline = start_timeline(staged("a 6 -> b\nb 7.36 -> c\nc 12 -> a | b"))

    assert [visit.scene.id for visit in timeline.visits] == ["a", "b", "c"]
    assert [visit.first for visit in timeline.visits] == [0, 3, 7]
    assert timeline.visits[2].start == seconds("13.36")


def test_a_scene_is_listed_before_the_lock_where_every_answer_leads_there() -> None:
    timeline = start_timeline(staged_text(ALIKE, LENGTHS))

    assert timeline.preview is not None
    assert timeline.preview.scene.id == "hall"
    assert timeline.listable == timeline.settled + 4
    assert timeline.stretch_at(timeline.settled).visit == 2


@pytest.mark.parametrize(("choice", "ending"), [("yes", "open"), ("no", "shut")])
def test_what_was_listed_before_the_lock_stays_as_it_was_after_it(choice: str, ending: str) -> None:
    before = start_timeline(staged_text(ALIKE, LENGTHS))
    after = follow(before, commit(choice))
    rendition = before.stage.package.audio

    early = Rendered(before, rendition, ADDRESSES).version(before.listable).body
    late = Rendered(after, rendition, ADDRESSES).version(after.settled).body

    assert late.startswith(early)
    assert after.last.scene.id == ending
    assert b"test.take.1.result" in late
    assert b"test.take.1.result" not in early


def test_an_ending_that_every_answer_leads_to_keeps_its_last_segment_for_the_lock() -> None:
    text = ALIKE.replace("next: [{to: open, when: state.key}, {to: shut}]", "end: {id: hall}")
    timeline = start_timeline(staged_text(text, LENGTHS))

    assert timeline.preview_segments == 3
    assert b"ENDLIST" not in Rendered(timeline, timeline.stage.package.audio, ADDRESSES).version(timeline.listable).body


def test_a_scene_listed_early_stops_before_its_own_decision() -> None:
    decision = ALIKE[ALIKE.index("    decision:") : ALIKE.index("  hall:")].replace("id: take", "id: again")
    text = ALIKE.replace(
        "  hall: {media: {src: hall}, next", "  hall:\n    media: {src: hall}\n" + decision + "    next"
    )
    text = text.replace("shut}]}", "shut}]")
    timeline = start_timeline(staged_text(text, {**LENGTHS, "hall": seconds("12.52")}))

    assert timeline.preview_segments == 1


def test_a_commit_of_another_decision_is_refused() -> None:
    timeline = start_timeline(staged_text(ALIKE, LENGTHS))

    for wrong in (commit("perhaps"), commit("yes", visit=2), commit("yes", decision="other")):
        with pytest.raises(ValueError, match="does not answer"):
            follow(timeline, wrong)


def test_a_story_that_goes_round_by_itself_for_ever_is_cut_off() -> None:
    lines = "a 6 -> b\nb 6 -> c\nc 12 -> a | b"
    text = story_text(lines).replace("next: [{to: c}]", "next: [{to: c, when: \"visits('a') > 9999\"}, {to: a}]")

    timeline = start_timeline(staged_text(text, lengths_of(lines)))

    assert len(timeline.visits) == MAX_AUTOMATIC_VISITS
    assert timeline.complete


def test_an_immediate_answer_drops_what_comes_after_its_cut() -> None:
    before = start_timeline(staged("fork! 12.52 -> left | right\nleft 7.36 .\nright 8 ."))

    after = follow(before, replace(commit("right", decision="after-fork"), cut=4))

    assert [(stretch.scene, stretch.first, stretch.after) for stretch in after.stretches] == [
        ("fork", 0, 4), ("right", 4, 8),
    ]  # fmt: skip
    assert after.visits[1].start == seconds(8)
    assert [told.choice for told in after.outcomes_told_in(4)] == ["right"]
    assert after.parted == 3


def test_what_an_immediate_answer_set_stays_where_the_viewer_leaves_before_its_branch_is_listed() -> None:
    text = ALIKE.replace("opens_at: -9s", "lock: immediate, opens_at: -9s").replace("start: ask", MENU)
    before = start_timeline(staged_text(text, LENGTHS))
    answer = Committed(visit=1, decision="take", choice="yes", by="viewer", at=Ticks(0), cut=3)

    after = follow(before, answer)

    assert memory_at(after, 3).state == {"key": True}
    left = follow(after, WentBack(item="away", answer_id="1", cut=3))
    assert left.memory.state == {"key": True}
    assert [visit.scene.id for visit in left.visits] == ["ask", "hall", "open"]


def test_going_back_restores_the_memory_and_keeps_what_was_listed_early() -> None:
    text = ALIKE.replace("media: {src: ask}", "media: {src: ask}\n    checkpoint: {id: top, label: Top}")
    before = start_timeline(staged_text(text, LENGTHS))
    taken = follow(before, commit("yes"))

    early = follow(before, WentBack(checkpoint="top", answer_id="a", cut=before.settled + 2))
    late = follow(taken, WentBack(checkpoint="top", answer_id="a", cut=3))

    assert [stretch.scene for stretch in early.stretches] == ["ask", "hall", "ask"]
    assert [visit.number for visit in early.visits] == [1, 2, 3]
    assert early.stretches[2].first == before.settled + 2
    assert early.memory.visits == {"ask": 1}
    assert [stretch.scene for stretch in late.stretches] == ["ask", "ask"]
    assert late.memory.state == {"key": False}
    assert checkpoint_passed(late, "top", 3) == checkpoint_passed(before, "top", 3)


def test_a_checkpoint_that_was_not_passed_is_refused() -> None:
    timeline = start_timeline(staged("a* 12 -> b\nb* 12 ."))

    assert checkpoint_passed(timeline, "b", 6) is None
    with pytest.raises(ValueError, match="has not passed"):
        follow(timeline, WentBack(checkpoint="b", answer_id="a", cut=6))


def test_what_begins_at_a_place_is_found_on_the_path_in_its_preview_and_in_its_hold() -> None:
    early = start_timeline(staged_text(ALIKE, LENGTHS))
    held = start_timeline(staged("fork? 12.52 -> left | right\nleft 7.36 .\nright 8 ."))
    second = held.stretch_from(Ticks(held.last.end + seconds("5.04")))

    assert early.stretch_from(Ticks(0)) == early.stretches[0]
    assert early.preview is not None
    assert early.stretch_from(early.last.end) == early.preview.stretch
    assert early.stretch_from(seconds(1)) is None
    assert second is not None
    assert second.loop == 2
    assert held.stretch_from(Ticks(held.last.end + seconds(1))) is None
    ended = start_timeline(staged("only 8 ."))
    assert ended.stretch_from(ended.last.end) is None


DRAWN = ALIKE.replace("hall, set: {key: true}", "hall").replace(
    "next: [{to: open, when: state.key}, {to: shut}]", "next: [{to: open, weight: 1}, {to: shut, weight: 1}]"
)


def test_what_is_left_to_chance_follows_the_seed_and_nothing_else() -> None:
    on = staged_text(DRAWN, LENGTHS)

    ways = {seed: fold(on, Opening(seed=seed), (commit("no"),)) for seed in range(32)}

    assert {timeline.last.scene.id for timeline in ways.values()} == {"open", "shut"}
    assert ways[3].last.scene == fold(on, Opening(seed=3), (commit("no"),)).last.scene
    assert len({timeline.key for timeline in ways.values()}) == 32


def test_without_chance_every_seed_has_the_same_path() -> None:
    on = staged_text(ALIKE, LENGTHS)

    assert start_timeline(on, Opening(seed=1)).key == start_timeline(on, Opening(seed=2)).key


def test_a_default_that_is_drawn_takes_a_draw_and_an_answer_does_not() -> None:
    on = staged_text(DRAWN.replace('default: "no"', "default: random"), LENGTHS)
    timeline = start_timeline(on, Opening(seed=5))
    assert timeline.open is not None
    assert timeline.open.default is None

    by_default = follow(timeline, replace(commit("no"), by="default"))
    by_viewer = follow(timeline, commit("no"))

    assert (by_default.memory.draws, by_viewer.memory.draws) == (2, 1)


@pytest.mark.parametrize("seed", range(16))
def test_what_is_listed_before_the_lock_holds_whatever_is_drawn_after_it(seed: int) -> None:
    text = DRAWN.replace('default: "no"', "default: random").replace("to: hall", '"to": "@way"')
    text += "groups: {way: [{to: hall, weight: 1}, {to: shut, weight: 1}]}\n"
    timeline = start_timeline(staged_text(text, LENGTHS), Opening(seed=seed))

    after = [
        follow(timeline, replace(commit(choice), by=by)) for choice in ("yes", "no") for by in ("viewer", "default")
    ]

    for each in after:
        assert timeline.preview is None or each.visits[1].scene == timeline.preview.scene
    assert (timeline.preview is None) == (len({each.visits[1].scene.id for each in after}) > 1)
