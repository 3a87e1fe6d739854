"""The path of the wider language: several decisions a scene, time-outs, menus, endings that ask, films."""

from __future__ import annotations

import pytest

from streamer.session.events import Committed, Register, Restarted, WentBack
from streamer.session.pacing import Edge, Policy, advanced, answer_to, course_of, cut_at, due, may_be_cut
from streamer.session.timeline import Timeline, checkpoint_passed, fold, follow, leads_on, memory_at, start_timeline
from streamer.story.model import Choice
from streamer.story.rules import Opening
from streamer.story.visit import TIMEOUT
from streamer.units import Ticks
from tests.builders import seconds, staged_text

HEAD = "story: 1\nid: ways\ntitle: Ways\n"
TWICE = (
    HEAD
    + """start: desk
state: {key: {type: bool, default: false}}
menu: [{id: again, label: Again, to: desk, reset: true}, {id: out, label: Out, to: outside}]
scenes:
  desk:
    media: {src: desk}
    checkpoint: {id: desk, label: Desk}
    decisions:
      - {id: drawer, opens_at: 2s, closes_at: 8s, default: leave, choices: [
          {id: look, label: Look, set: {key: true}}, {id: leave, label: Leave}]}
      - {id: door, opens_at: 14s, closes_at: -4s, default: knock, choices: [
          {id: unlock, label: Unlock, to: inside, when: state.key}, {id: knock, label: Knock, to: outside},
          {id: go, label: Go, to: inside}]}
  inside: {media: {src: inside}, end: {id: inside}}
  outside: {media: {src: outside}, end: {id: outside}}
"""
)
ROOMS = {"desk": seconds(30), "inside": seconds(8), "outside": seconds(8)}


def step(decision: str, choice: str | None, by: str = "viewer", visit: int = 1, cut: int | None = None) -> Committed:
    return Committed(visit=visit, decision=decision, choice=choice, by=by, at=Ticks(0), cut=cut)


def twice() -> Timeline:
    return start_timeline(staged_text(TWICE, ROOMS))


def test_a_second_decision_is_listed_once_the_first_is_committed_and_offers_what_that_allows() -> None:
    before = twice()
    looked, left = (follow(before, step("drawer", choice)) for choice in ("look", "leave"))

    assert before.open is not None
    assert (before.open.decision.id, before.listable, before.settled) == ("drawer", 7, 15)
    for path, offered in ((looked, ["unlock", "knock", "go"]), (left, ["knock", "go"])):
        assert path.open is not None
        assert [choice.id for choice in path.open.choices] == offered
        assert path.open.opens_in == 7
        assert path.open.serial == before.open.serial + 1
        assert path.listable == 15
        assert path.outcomes[0].told_in == 7
    assert follow(looked, step("door", "unlock")).last.scene.id == "inside"


def test_a_scene_may_answer_itself_before_it_asks_again() -> None:
    path = fold(twice().stage, Opening(), (step("drawer", "look"), step("door", "go")))

    assert [visit.scene.id for visit in path.visits] == ["desk", "inside"]
    assert len(path.visits[0].placed) == 2
    assert path.complete


def test_the_menu_goes_on_after_what_was_published_and_begins_a_run_after_the_end() -> None:
    looked = follow(twice(), step("drawer", "look"))
    again = follow(looked, WentBack(item="again", answer_id="a", cut=9))
    out = follow(looked, WentBack(item="out", answer_id="b", cut=9))
    anew = follow(out, Restarted(item="again", answer_id="c"))

    assert (again.last.scene.id, again.last.first, again.memory.state) == ("desk", 9, {"key": False})
    assert (out.last.scene.id, out.memory.state) == ("outside", {"key": True})
    assert (anew.run, anew.last.scene.id, anew.last.first) == (2, "desk", 0)
    with pytest.raises(ValueError, match="no item"):
        follow(looked, WentBack(item="attic", answer_id="d", cut=9))
    with pytest.raises(ValueError, match="not passed"):
        follow(looked, WentBack(checkpoint="attic", answer_id="d", cut=9))
    assert checkpoint_passed(again, "desk", 10) == again.passed[-1]


def test_a_viewer_s_memory_is_that_of_what_was_published() -> None:
    looked = follow(twice(), step("drawer", "look"))

    assert memory_at(looked, 0).visits == {}
    assert memory_at(looked, 5).state == {"key": True}
    assert memory_at(looked, 5).chosen == {"drawer": "look"}


ALIKE = (
    HEAD
    + """start: ask
state: {n: {type: int, default: 0}}
scenes:
  ask:
    media: {src: ask}
    decision:
      {id: d, opens_at: 1s, closes_at: -4s, timeout: over, choices: [
        {id: a, label: A, to: over, set: {n: 1}}, {id: b, label: B, to: over}]}
  over: {media: {src: over}, events: [{at: 1s, set: {n: state.n + 10}}], end: {id: over}}
"""
)


def test_what_follows_in_any_case_is_listed_before_the_lock_time_outs_too() -> None:
    lengths = {"ask": seconds(14), "over": seconds(8), "late": seconds(8)}
    alike = start_timeline(staged_text(ALIKE, lengths))
    late = ALIKE.replace("timeout: over", "timeout: late") + "  late: {media: {src: late}, end: {id: late}}\n"
    drawn = ALIKE.replace("timeout: over", "timeout: over, default: random")
    asks = ALIKE.replace(
        "end: {id: over}}",
        """decision: {id: e, opens_at: 1s, closes_at: -4s, default: x, choices: [
    {id: x, label: X, to: last}, {id: z, label: Z, to: ask}]}}
  last: {media: {src: last}, end: {id: last}}""",
    )

    assert alike.preview is not None
    assert alike.preview_segments == 3  # the last comes with ENDLIST
    assert start_timeline(staged_text(late, lengths)).preview is None
    assert start_timeline(staged_text(drawn, lengths)).preview is not None
    found = start_timeline(staged_text(asks, {**lengths, "last": seconds(8)}))
    assert (found.preview is not None, found.preview_segments) == (True, 0)  # up to what it asks
    # What it follows from was never decided.
    assert memory_at(alike, alike.settled + 2).state == {"n": 10}
    gone = follow(alike, step("d", None, TIMEOUT))
    assert (gone.memory.state, gone.memory.chosen) == ({"n": 10}, {})


AFTER = (
    HEAD
    + """start: last
defaults: {hold: {src: idle, max: 20s}}
scenes:
  last:
    media: {src: last}
    end: {id: over}
    decision:
      {id: more, opens_at: 2s, closes_at: -4s, hold: true, default: enough, choices: [
        {id: extra, label: More, to: bonus}, {id: enough, label: Enough}]}
  bonus: {media: {src: bonus}, end: {id: bonus}}
"""
)


def after(text: str = AFTER) -> Timeline:
    return start_timeline(staged_text(text, {"last": seconds(14), "bonus": seconds(8), "idle": seconds(4)}))


def test_an_ending_that_asks_is_left_by_an_answer_and_ends_with_a_last_segment_without() -> None:
    path = after()
    register = Register(since_ms=1, sign_ms=40_000, requested=12)
    course = course_of(path, (), register, seconds(34), published=16, extended=False, policy=Policy())
    extra, enough = (path.last.scene.decisions[0].choice(name) for name in ("extra", "enough"))
    commit = due(course, (), register, seconds(34), published=16, policy=Policy())

    assert (leads_on(path, extra), leads_on(path, enough), leads_on(path, None)) == (True, False, False)
    assert commit is not None
    assert (commit.choice, commit.by, commit.cut) == ("enough", "default", 17)
    ended = follow(path, commit)
    assert (ended.complete, ended.settled) == (True, 17)
    assert follow(path, step("more", "extra", cut=9)).last.scene.id == "bonus"
    assert answer_to((), ended) is None


def test_an_immediate_answer_at_an_ending_ends_or_leads_on() -> None:
    path = after(AFTER.replace("hold: true", "hold: true, lock: immediate"))
    decision = path.last.scene.decisions[0]

    def cut(name: str, published: int) -> int | None:
        choice = decision.choice(name)
        assert isinstance(choice, Choice)
        return cut_at(path, choice, published)

    assert [cut("extra", 4), cut("enough", 4)] == [4, None]
    assert [cut("extra", 9), cut("enough", 9)] == [9, 10]


def test_a_film_is_published_whole_and_never_cut() -> None:
    text = HEAD + "start: a\nscenes:\n  a: {media: {src: a}, next: [{to: b}]}\n  b: {media: {src: b}, end: {id: b}}\n"
    path = start_timeline(staged_text(text, {"a": seconds(20), "b": seconds(8)}))
    course = course_of(path, (), Register(), Ticks(0), published=0, extended=False, policy=Policy())
    edge = advanced(course, Edge(), Register(), Ticks(0), now_ms=5, policy=Policy())

    assert path.whole
    assert edge.published == path.settled == 14
    assert advanced(course, edge, Register(), Ticks(0), now_ms=9, policy=Policy()) is edge
    assert not may_be_cut(path, 3)


def test_an_ending_that_asks_without_a_loop_keeps_its_last_segment_for_the_end_of_the_list() -> None:
    path = after(AFTER.replace("hold: true, ", ""))

    assert path.open is not None
    assert path.listable == path.settled - 1
    assert follow(path, step("more", "enough")).complete
    assert follow(path, step("more", "extra")).last.scene.id == "bonus"


def test_a_decision_that_offers_nothing_is_passed_over_and_more_time_is_only_where_it_is_given() -> None:
    text = ALIKE.replace("label: A,", "label: A, when: state.n > 5,").replace(
        "label: B,", "label: B, when: state.n > 5,"
    )
    text = text.replace("media: {src: ask}\n", "media: {src: ask}\n    next: [{to: over}]\n")
    path = start_timeline(staged_text(text, {"ask": seconds(14), "over": seconds(8)}))
    more = AFTER.replace("hold: true, ", "accessible: {extend: 3x}, ")

    assert path.whole
    assert [visit.scene.id for visit in path.visits] == ["ask", "over"]
    assert path.memory.state == {"n": 10}
    assert not path.stage.story.can_extend
    assert after(more).stage.story.can_extend
