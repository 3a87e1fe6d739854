"""What a story knows of its viewer: language, inputs, what is kept, arms; and what of that stands in texts."""

from __future__ import annotations

import pytest

from streamer.errors import MalformedRequest
from streamer.story.codec import load_story
from streamer.story.labels import best_language, label, link, places_in
from streamer.story.model import Story
from streamer.story.profile import checked_profile, fitting, language_of, looked_up, read_inputs, with_language
from streamer.story.rules import Opening, arm_of, begin, begun_again, failures_of, led_to, picture_of

TEXT = """
story: 1
id: viewers
title: {en: Viewers, sv: Tittare}
start: a
profile:
  lang: {type: enum, values: [en, sv], default: en}
  name: {type: string, default: "", pii: true}
  plan: {type: enum, values: [basic, pro], default: basic, source: token}
  seats: {type: int, min: 1, max: 9, default: 2}
  share: {type: number, default: 0.5}
  tier: {type: enum, values: [low, high], default: low, source: crm}
  points: {type: int, max: 100, default: 0, source: crm}
  hour: {type: int, default: 0, source: clock}
state:
  met: {type: bool, default: false, scope: viewer}
  count: {type: int, max: 5, default: 0, scope: story}
  ratio: {type: number, default: 1.5, scope: viewer}
  mood: {type: enum, values: [good, bad], default: good, scope: viewer}
  here: {type: int, default: 0}
experiments:
  opener: {arms: {short: 1, long: 1}}
  each: {arms: {x: 1, y: 1}, assign: session}
artwork: [{image: a/pro.png, when: profile.plan == 'pro'}, {image: a/late.png, when: 10 / state.here > 1}]
scenes:
  a:
    media: {src: a}
    next: [{to: b, when: profile.hour > 12 && hour() < 24 && weekday() == 3}, {to: c}]
  b: {media: {src: b}, end: {id: b}}
  c: {media: {src: c}, end: {id: c}}
"""


@pytest.fixture(scope="module")
def story() -> Story:
    return load_story(TEXT, "viewers.yaml")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ((), ""),
        (("sv-FI",), "sv"),
        (("de", "EN-us"), "en"),
        (("de",), ""),
        (("pt-BR",), "pt-br"),
        (("PT-br",), "pt-br"),
    ],
)
def test_the_best_language_is_the_first_that_is_known(wanted: tuple[str, ...], found: str) -> None:
    assert best_language(wanted, ["en", "sv", "pt-br"]) == found


def test_texts_have_their_values_and_tell_personal_ones_to_the_viewer_alone(story: Story) -> None:
    memory = begin(story, Opening(profile={"name": "Ann"}, kept={"met": True}))
    text = {
        "en": "{profile.name|you}, {profile.seats} {state.met} {state.here|none}",
        "sv": "{profile.name}! {viewer.token}",
    }

    assert label(story, memory, text, "", private=True) == "Ann, 2 true 0"
    assert label(story, memory, text, "", private=False) == "you, 2 true 0"
    assert label(story, memory, text, "sv", private=True) == "Ann! "
    assert label(story, begin(story, Opening()), text, "en", private=True) == "you, 2 false 0"
    assert [(place.section, place.name, place.instead) for place in places_in(text["en"])] == [
        ("profile", "name", "you"), ("profile", "seats", None), ("state", "met", None), ("state", "here", "none"),
    ]  # fmt: skip


def test_links_have_their_values_as_parts_of_an_address(story: Story) -> None:
    memory = begin(story, Opening(profile={"plan": "pro"}))
    url = "https://shop.example/?u={viewer.token}&p={profile.plan}&n={state.here}&m={state.mood|x y}"

    assert link(memory, url, token="a/b") == "https://shop.example/?u=a%2Fb&p=pro&n=0&m=good"
    assert link(memory, "https://a.example/{profile.name|no one}", token="") == "https://a.example/no%20one"


def test_a_viewer_s_language_is_an_input_where_the_story_asks_for_it(story: Story) -> None:
    assert with_language(story, {}, ("sv-SE",)) == {"lang": "sv"}
    assert with_language(story, {"lang": "en"}, ("sv",)) == {"lang": "en"}
    assert with_language(story, {}, ("de",)) == {}
    assert language_of(story, {"lang": "sv"}, ("en",)) == "sv"
    assert language_of(story, {}, ("sv", "en")) == "sv"
    assert language_of(story, {}, ("en", "sv")) == ""
    assert language_of(story, {}, ()) == ""


def test_of_a_query_a_story_takes_what_fits(story: Story) -> None:
    given = {"lang": "sv", "seats": "12", "share": "x", "name": "Ann", "plan": "pro", "tier": "high", "other": "1"}

    assert fitting(story, given) == {"lang": "sv", "seats": 9}


def test_inputs_that_the_server_finds_itself_are_not_given(story: Story) -> None:
    for name, words in (("tier", "looked up by the server"), ("hour", "read off the clock")):
        with pytest.raises(MalformedRequest, match=words):
            checked_profile(story, {name: "low"}, trusted=True)


def test_of_what_a_look_up_finds_the_story_takes_what_fits(story: Story) -> None:
    assert looked_up(story, {"tier": "high", "points": 1000}) == ({"tier": "high", "points": 100}, ())
    assert looked_up(story, {"tier": 5, "plan": "pro", "x": 1}) == ({}, ("plan", "tier", "x"))
    assert read_inputs(story, {"points": "7", "seats": "3"}) == {"points": 7, "seats": 3}
    with pytest.raises(MalformedRequest, match=r"profile\.points|no int"):
        read_inputs(story, {"points": "many"})


def test_what_was_kept_is_there_again_as_far_as_it_still_fits(story: Story) -> None:
    fits = begin(story, Opening(kept={"met": True, "count": 9, "ratio": 2, "mood": "bad", "here": 3}))
    wrong = begin(story, Opening(kept={"met": 1, "count": True, "ratio": True, "mood": "odd"}))

    assert fits.state == {"met": True, "count": 5, "ratio": 2.0, "mood": "bad", "here": 0}
    assert wrong.state == {"met": False, "count": 0, "ratio": 1.5, "mood": "good", "here": 0}
    assert begin(story, Opening(kept={"count": "many"})).state["count"] == 0


def test_a_story_that_begins_anew_keeps_what_outlives_sessions(story: Story) -> None:
    memory = begin(story, Opening(kept={"count": 2}))
    again = begun_again(story, memory)

    assert again == memory
    assert story.remembers
    assert [variable.name for variable in story.kept] == ["met", "count", "ratio", "mood"]


def test_an_arm_is_the_viewer_s_or_the_session_s(story: Story) -> None:
    opener, each = story.experiments
    by_viewer = {arm_of(story, opener, Opening(viewer="ann", seed=seed)) for seed in range(20)}
    by_session = {arm_of(story, each, Opening(viewer="ann", seed=seed)) for seed in range(20)}
    unknown = {arm_of(story, opener, Opening(seed=seed)) for seed in range(20)}
    several = {arm_of(story, opener, Opening(viewer=f"v{number}")) for number in range(20)}

    assert len(by_viewer) == 1
    assert by_session == {"x", "y"}
    assert unknown == several == {"short", "long"}


def test_the_way_goes_by_the_clock_of_the_opening(story: Story) -> None:
    found = {
        hour: led_to(story, begin(story, Opening(hour=hour, weekday=3)), "a")[1].given.profile["hour"]
        for hour in (9, 20)
    }

    assert found == {9: 9, 20: 20}
    assert story.asks_the_clock


def test_the_first_picture_that_holds_is_shown_and_one_that_fails_does_not(story: Story) -> None:
    failures_of(story)
    pro = picture_of(story, begin(story, Opening(profile={"plan": "pro"})), story.artwork)
    basic = picture_of(story, begin(story, Opening()), story.artwork)
    (failure,) = failures_of(story)

    assert (pro, basic) == ("a/pro.png", None)
    assert (failure.level, failure.file) == ("warning", "viewers.yaml")
    assert "failed as the story ran" in failure.problem
    assert failures_of(story) == ()
