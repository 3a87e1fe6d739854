"""What a page is told, and when."""

from __future__ import annotations

from typing import Any

from streamer.session.cues import Cue, Told, cues_since, next_cue_ms
from streamer.session.events import Answered, Committed, Event, Register, Restarted, WentBack
from streamer.session.pacing import Course, Policy, course_of
from streamer.session.timeline import Timeline, follow, memory_at, start_timeline
from streamer.units import Ticks
from tests.builders import seconds, staged, staged_text

FORK = "fork 12.52 -> left | right\nleft 7.36 -> fork\nright 8 ."


def timeline() -> Timeline:
    return start_timeline(staged(FORK))


def right() -> Committed:
    return Committed(visit=1, decision="after-fork", choice="right", by="viewer", at=Ticks(0))


def said(choice: str) -> Answered:
    return Answered(visit=1, decision="after-fork", choice=choice, answer_id=choice, at=Ticks(0))


def course(path: Timeline, at: str = "0") -> Course:
    return course_of(path, (), Register(), seconds(at), published=0, extended=False, policy=Policy())


def tell(
    path: Timeline, at: str, told: Told, events: tuple[Event, ...] = (), *, running: bool = True
) -> tuple[list[Cue], Told]:
    cues = list(cues_since(course(path, at), events, told, seconds(at), running=running))
    return cues, cues[-1].told if cues else told


def kinds(cues: list[Cue]) -> list[str]:
    return [cue.kind for cue in cues]


def test_a_viewing_is_told_in_order() -> None:
    start, told = tell(timeline(), "0", Told())
    window, told = tell(timeline(), "4", told)
    nothing, told = tell(timeline(), "5", told)
    path = follow(timeline(), right())
    lock, told = tell(path, "8.6", told, (said("right"), right()))
    scene, told = tell(path, "13", told, (said("right"), right()))
    end, told = tell(path, "20.52", told, (said("right"), right()))
    after, told = tell(path, "21", told, (said("right"), right()))

    assert [kinds(cues) for cues in (start, window, nothing, lock, scene, end, after)] == [
        ["scene"], ["decision"], [], ["committed"], ["scene"], ["ended"], [],
    ]  # fmt: skip
    assert window[0].data["closes_in_ms"] == 4520
    assert window[0].data["window_ms"] == 5000
    assert lock[0].data == {"visit": 1, "decision": "after-fork", "choice": "right", "by": "viewer"}
    assert end[0].data == {"ending": "right", "goal": False, "score": 0, "visit": 2}


def test_who_comes_late_hears_how_things_stand() -> None:
    cues, _ = tell(timeline(), "6", Told(), (said("right"),), running=False)
    path = follow(timeline(), right())
    later, _ = tell(path, "13", Told(), (right(),))

    assert kinds(cues) == ["scene", "decision"]
    assert (cues[1].data["choice"], cues[1].data["running"]) == ("right", False)
    assert kinds(later) == ["scene"]


def test_an_answer_given_elsewhere_is_told_and_so_is_a_change_of_mind() -> None:
    _, told = tell(timeline(), "4", Told())
    first, told = tell(timeline(), "5", told, (said("left"),))
    second, told = tell(timeline(), "6", told, (said("left"), said("right")))

    assert (first[0].kind, first[0].data["choice"]) == ("answered", "left")
    assert second[0].data["choice"] == "right"


def test_a_clock_that_stops_is_told() -> None:
    _, told = tell(timeline(), "4", Told())
    stopped, told = tell(timeline(), "5", told, running=False)
    again, told = tell(timeline(), "5", told, running=False)
    runs, _ = tell(timeline(), "5", told)

    assert stopped[0].data == {"running": False, "holding": False, "closes_in_ms": 3520}
    assert again == []
    assert runs[0].data["running"] is True


def test_the_next_cue_of_the_clock_is_known() -> None:
    path = follow(timeline(), right())

    assert next_cue_ms(course(timeline()), Told(visit=1), seconds(3)) == 520
    assert next_cue_ms(course(timeline()), Told(visit=1), seconds(4)) == 4520
    assert next_cue_ms(course(timeline()), Told(visit=1), seconds(9)) is None
    assert next_cue_ms(course(path), Told(visit=1), seconds(9)) == 3520
    assert next_cue_ms(course(path), Told(visit=2), seconds(13)) == 7520
    assert next_cue_ms(course(path), Told(visit=2, ended=True), seconds(13)) is None


def test_a_hold_is_told_with_the_time_that_it_lasts() -> None:
    held = start_timeline(staged(FORK.replace("fork ", "fork? ", 1)))
    window, told = tell(held, "4", Told())
    hold, _ = tell(held, "8.52", told)

    assert (window[-1].data["hold_ms"], window[-1].data["holding"], window[-1].data["closes_in_ms"]) == (
        8000, False, 4520,
    )  # fmt: skip
    assert hold[0].data == {"running": True, "holding": True, "closes_in_ms": 9040}


def test_going_back_is_told_and_so_is_a_new_run() -> None:
    marked = start_timeline(staged(FORK.replace("fork ", "fork* ", 1)))
    _, told = tell(marked, "4", Told())
    back = follow(marked, WentBack(checkpoint="fork", answer_id="a", cut=4))
    gone, _ = tell(back, "5", told)
    again, _ = tell(back, "9", Told())
    ended = follow(follow(marked, right()), Restarted(checkpoint="fork", answer_id="b"))
    anew, _ = tell(ended, "0", told)

    assert (gone[0].kind, gone[0].data) == ("back", {"checkpoint": "fork", "start": "8.000"})
    assert kinds(again) == ["scene"]
    assert again[0].data["checkpoints"] == [{"id": "fork", "label": "fork"}]
    assert kinds(anew) == ["run", "scene"]
    assert anew[0].data == {"run": 2}


EVENTS = """
story: 1
id: test
title: Events
start: s
state: {n: {type: int, default: 0}}
scenes:
  s:
    media: {src: s}
    events:
      - {at: 1s, cue: early, when: state.n == 0}
      - {at: 1s, set: {n: 1}}
      - {at: 1s, cue: same, when: state.n == 1}
      - {at: 7s, cue: always}
      - {at: 8s, cue: likes, when: chose('d') == 'b', track: {mood: good}}
      - {at: 8.5s, cue: never, when: state.n == 7}
      - {at: 9s, cue: after}
      - {at: -1s, cue: last, when: state.n == 5}
    decision:
      {id: d, opens_at: 6s, closes_at: 14s, default: a, choices: [
        {id: a, label: A, to: t}, {id: b, label: B, to: t, set: {n: 5}}]}
  t: {media: {src: t}, events: [{at: 0s, cue: begun}], end: {id: t}}
"""


def eventful() -> Timeline:
    return start_timeline(staged_text(EVENTS, {"s": seconds(20), "t": seconds(8)}))


def liked() -> Committed:
    return Committed(visit=1, decision="d", choice="b", by="viewer", at=seconds(14))


def test_an_event_is_told_in_its_time_once_what_it_goes_by_is_settled() -> None:
    start, told = tell(eventful(), "0", Told())
    one, told = tell(eventful(), "1", told)
    window, told = tell(eventful(), "7.5", told)
    waits, told = tell(eventful(), "10", told)
    lock, told = tell(follow(eventful(), liked()), "14", told, (liked(),))
    # The clock jumps over the scene's end.
    leap, told = tell(follow(eventful(), liked()), "21", told, (liked(),))
    late, _ = tell(follow(eventful(), liked()), "19.5", Told(), (liked(),))

    assert kinds(start) == ["scene"]
    assert [cue.data["cue"] for cue in one] == ["early", "same"]
    assert [cue.data.get("cue") for cue in window] == ["always", None]
    assert waits == []
    assert [cue.data.get("cue") for cue in lock] == ["likes", "after", None]
    assert lock[0].data == {"cue": "likes", "visit": 1, "scene": "s", "at": "8.000", "track": {"mood": "good"}}
    assert [cue.data.get("cue") for cue in leap] == ["last", None, "begun"]
    assert [cue.data["cue"] for cue in late[1:-1]] == ["early", "same", "always", "likes", "after", "last"]


def test_the_next_event_is_waited_for() -> None:
    _, told = tell(eventful(), "0", Told())

    assert next_cue_ms(course(eventful()), told, seconds("0.4")) == 600


def test_events_after_a_cut_are_not_told() -> None:
    path = start_timeline(
        staged_text(EVENTS.replace("{id: d, ", "{id: d, lock: immediate, "), {"s": seconds(20), "t": seconds(8)})
    )
    cut = Committed(visit=1, decision="d", choice="b", by="viewer", at=seconds(7), cut=5)
    gone = follow(path, cut)
    cues, _ = tell(gone, "12", Told(run=1, visit=1, happened=3, steps=1), (cut,))

    assert [cue.data.get("cue") for cue in cues] == ["likes", "after", None, "begun"]
    assert gone.visits[0].progress.answers[0].choice is not None


def test_a_going_back_after_a_cut_keeps_what_the_answer_set() -> None:
    path = start_timeline(
        staged_text(EVENTS.replace("{id: d, ", "{id: d, lock: immediate, "), {"s": seconds(20), "t": seconds(8)})
    )
    cut = Committed(visit=1, decision="d", choice="b", by="viewer", at=seconds(7), cut=5)

    assert memory_at(follow(path, cut), 5).state == {"n": 5}
    assert memory_at(path, 5).state == {"n": 1}


SHOWN = """
story: 1
id: test
title: Shown
start: s
profile: {plan: {type: string, default: a b}}
scenes:
  s:
    media: {src: s}
    track: {chapter: one}
    decisions:
      - id: way
        prompt: Which?
        opens_at: 1s
        closes_at: 7s
        default: a
        layout: cards
        accessible: {speak: true, keys: [left, right]}
        choices:
          - {id: a, label: A, image: art/a.png, url: "https://a.example/{viewer.token}/{profile.plan}", track: {k: v}}
          - {id: b, label: B, image: [{image: art/b.png, when: "false"}]}
      - {id: code, opens_at: 14s, closes_at: -4s, default: other, input: {type: code, length: 3}, choices: [
          {id: right, label: Right, code: abc, to: t}, {id: other, label: Other, to: t}]}
  t: {media: {src: t}, end: {id: t, credits: -3s}}
"""


def shown() -> Timeline:
    return start_timeline(staged_text(SHOWN, {"s": seconds(24), "t": seconds(8)}))


def test_a_decision_tells_what_shows_it_and_a_code_what_is_typed_and_no_more() -> None:
    path = shown()
    first = list(cues_since(course(path, "1"), (), Told(), seconds(1), running=True, token="who"))
    later = follow(path, Committed(visit=1, decision="way", choice="a", by="viewer", at=seconds(7)))
    typed = Answered(visit=1, decision="code", choice="right", answer_id="1", at=seconds(15))
    second, told = tell(later, "15", first[-1].told, (typed,))
    again, told = tell(later, "16", told, (typed,))
    other, _ = tell(later, "16", told, (typed, Answered(**{**_fields(typed), "answer_id": "2"})))

    way, code = first[-1].data, next(cue.data for cue in second if cue.kind == "decision")
    assert first[0].data["track"] == {"chapter": "one"}
    assert (way["layout"], way["speak"], way["keys"]) == ("cards", True, ["left", "right"])
    assert way["choices"] == [
        {
            "id": "a",
            "label": "A",
            "image": f"{b'art/a.png'.hex():0<24.24}.png",
            "url": "https://a.example/who/a%20b",
            "track": {"k": "v"},
        },
        {"id": "b", "label": "B"},
    ]
    assert code["prompt"] is None
    assert (code["choices"], code["choice"], code["default"]) == ([], None, None)
    assert code["input"] == {"type": "code", "length": 3, "given": True}
    assert again == []
    assert [(cue.kind, cue.data["choice"]) for cue in other] == [("answered", None)]


def _fields(answer: Answered) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in answer.__struct_fields__}


def test_an_ending_tells_when_its_credits_begin() -> None:
    steps = [
        Committed(visit=1, decision=name, choice=choice, by="viewer", at=Ticks(0))
        for name, choice in (("way", "a"), ("code", "right"))
    ]
    cues, _ = tell(follow(follow(shown(), steps[0]), steps[1]), "25", Told())

    assert (cues[0].data["end"], cues[0].data["credits"], cues[0].data["goal"]) == ("t", "29.000", False)
