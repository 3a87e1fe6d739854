"""What a story does next, and what it remembers."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from streamer.errors import LibraryError, MalformedRequest
from streamer.story.codec import load_story, read_story
from streamer.story.expressions import Failure, Reading
from streamer.story.lint import check_lengths
from streamer.story.model import Story, text_in
from streamer.story.profile import checked_profile, read_inputs
from streamer.story.rules import (
    Memory,
    Opening,
    begin,
    default_of,
    enter,
    fitted,
    holds,
    offered,
    opening_scene,
    possible_successors,
    scenes_of,
    successor,
    take,
)
from tests.builders import seconds

TEXT = """\
story: 1
id: rules
title: {sv: Regler, en: Rules}
start: "@first"
fallback: lost
defaults: {lead: 5s, window: 8s, labels: en}
profile:
  plan: {type: enum, values: [basic, pro], default: basic}
  age: {type: int, min: 0, max: 120, default: 30}
  factor: {type: number, default: 1.5}
  member: {type: bool, default: false}
  name: {type: string, default: "", source: token, pii: true}
state:
  skill: {type: int, min: 0, max: 3, default: 0}
  share: {type: number, min: 0.0, max: 1.0, default: 0.5}
  word: {type: string, default: none}
conditions:
  is_pro: profile.plan == 'pro'
  expert: is_pro && state.skill >= 2
  broken: 1 / state.skill > 0
groups:
  first: [{to: "@inner"}, {to: ask}]
  inner: [{to: pro, when: is_pro}]
  never: [{to: pro, when: "false"}]
scenes:
  ask:
    media: {src: ask, in: 1.5s, out: "00:00:21.500"}
    decision:
      id: d
      prompt: Well?
      default: up
      choices:
        - {id: up, label: {en: Up}, to: ask, set: {skill: state.skill + 2, share: 0.25, word: "'up'"}}
        - id: twice
          label: Twice
          to: "@never"
          set: {skill: state.skill + 1, share: state.share + double(state.skill)}
        - {id: expert, label: Expert, to: pro, when: expert}
        - {id: along, label: Go on, set: {skill: 10 / (state.skill - state.skill)}}
    next: [{to: pro, when: broken}, {to: plain, when: visited('ask')}]
  plain: {media: {src: plain}, next: [{to: "@never"}]}
  pro: {media: {src: pro}, end: {id: pro}}
  lost: {media: {src: lost}, end: {id: lost}}
"""


@pytest.fixture(scope="module")
def story() -> Story:
    return load_story(TEXT, "rules.yaml")


def test_a_story_reads_as_it_is_written(story: Story) -> None:
    decision = story.scenes["ask"].decisions[0]
    assert (decision.opens_at, decision.closes_at) == (seconds(-13), seconds(-5))
    assert (story.scenes["ask"].media.start, story.scenes["ask"].media.end) == (seconds("1.5"), seconds("21.5"))
    assert text_in(story.title, "sv") == "Regler"
    assert text_in(story.title, "de") == "Rules"
    assert decision.prompt == {"en": "Well?"}
    assert decision.choice("nothing") is None


def test_json_is_read_like_yaml(story: Story) -> None:
    again = load_story(json.dumps(yaml.safe_load(TEXT)), "rules.json")

    assert again.scenes == story.scenes


def test_the_first_rule_that_holds_is_taken_and_an_empty_group_falls_through(story: Story) -> None:
    assert opening_scene(story, begin(story, Opening()))[0].id == "ask"
    assert opening_scene(story, begin(story, Opening(profile={"plan": "pro"})))[0].id == "pro"


def test_effects_apply_in_order_each_seeing_those_before_and_stay_in_bounds(story: Story) -> None:
    memory = begin(story, Opening())
    decision = story.scenes["ask"].decisions[0]
    up, twice = decision.choices[0], decision.choices[1]

    once = take(story, memory, decision, up)
    more = take(story, take(story, once, decision, twice), decision, up)

    assert once.state == {"skill": 2, "share": 0.25, "word": "up"}
    assert memory.state == {"skill": 0, "share": 0.5, "word": "none"}
    assert take(story, once, decision, twice).state == {"skill": 3, "share": 1.0, "word": "up"}
    assert more.state["skill"] == 3


def test_what_cannot_be_computed_changes_nothing_and_does_not_hold(story: Story) -> None:
    memory = begin(story, Opening())
    decision = story.scenes["ask"].decisions[0]

    after = take(story, memory, decision, decision.choices[3])

    assert after.state["skill"] == 0
    assert not holds(story, memory, story.conditions["broken"])
    found = story.expressions.evaluate(story.conditions["broken"], Reading(values={"state.skill": 0}, visits={}), {})
    assert isinstance(found, Failure)
    assert "divide by zero" in found.problem


def test_choices_are_offered_while_their_condition_holds(story: Story) -> None:
    decision = story.scenes["ask"].decisions[0]
    basic = begin(story, Opening())
    expert = take(story, begin(story, Opening(profile={"plan": "pro"})), decision, decision.choices[0])

    assert [choice.id for choice in offered(story, basic, decision)] == ["up", "twice", "along"]
    assert [choice.id for choice in offered(story, expert, decision)] == ["up", "twice", "expert", "along"]


def test_a_choice_without_a_target_goes_on_as_if_nothing_had_been_asked(story: Story) -> None:
    ask = story.scenes["ask"]
    memory = enter(begin(story, Opening()), ask)

    assert successor(story, memory, ask, ask.decisions[0].choices[3].to)[0].id == "plain"
    assert successor(story, memory, ask, ask.decisions[0].choices[0].to)[0].id == "ask"


def test_where_no_rule_holds_the_fallback_is_taken(story: Story) -> None:
    assert successor(story, begin(story, Opening()), story.scenes["plain"], None)[0].id == "lost"


def test_a_story_that_was_not_checked_says_what_it_lacks(story: Story) -> None:
    loose = replace(story, fallback=None, start="@never")

    with pytest.raises(LibraryError, match="no rule holds after scene 'plain'"):
        successor(loose, begin(loose, Opening()), loose.scenes["plain"], None)
    with pytest.raises(LibraryError, match="no rule of its start holds"):
        opening_scene(loose, begin(loose, Opening()))


def test_values_are_kept_within_their_bounds(story: Story) -> None:
    assert fitted(story.state["skill"], -5) == 0
    assert fitted(story.state["share"], 1) == 1.0
    assert fitted(story.state["word"], "x") == "x"


@pytest.mark.parametrize(
    ("given", "trusted", "read"),
    [
        (
            {"plan": "pro", "age": "40", "factor": "2", "member": "true"},
            False,
            {"plan": "pro", "age": 40, "factor": 2.0, "member": True},
        ),
        (
            {"age": 400, "factor": 2, "member": False, "name": "Eve"},
            True,
            {"age": 120, "factor": 2.0, "member": False, "name": "Eve"},
        ),
    ],
)
def test_profile_inputs_are_read_as_their_types(
    story: Story, given: dict[str, object], trusted: bool, read: dict[str, object]
) -> None:
    assert checked_profile(story, given, trusted=trusted) == read


@pytest.mark.parametrize(
    ("given", "trusted", "words"),
    [
        ({"plann": "pro"}, False, "did you mean 'plan'"),
        ({"xyz": "pro"}, True, "no profile input 'xyz'"),
        ({"plan": "gold"}, False, "expected one of basic, pro"),
        ({"age": "old"}, False, "is no int"),
        ({"age": True}, True, "is no int"),
        ({"age": 2**63}, True, "is no int"),
        ({"factor": "much"}, False, "is no number"),
        ({"factor": float("nan")}, True, "is no number"),
        ({"member": "maybe"}, False, "is no bool"),
        ({"member": "true"}, True, "is no bool"),
        ({"name": "Eve"}, False, "given by an app"),
        ({"name": "x" * 65}, True, "is no string"),
        ({"name": 5}, True, "is no string"),
    ],
)
def test_a_wrong_profile_input_is_named(story: Story, given: dict[str, object], trusted: bool, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words) as caught:
        checked_profile(story, given, trusted=trusted)
    assert str(caught.value.members["field"]).startswith("profile.")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("10", "opens before the scene"),
        ("1.5", "Make it 2 s at least"),
        ("20", ""),
        ("10.5", "first lock comes within 6 s"),
    ],
)
def test_times_are_checked_once_lengths_are_known(story: Story, ask: str, words: str) -> None:
    lengths = {name: (seconds(8),) for name in story.scenes} | {"ask": (seconds(ask),)}

    found = "\n".join(str(finding) for finding in check_lengths(story, lengths, "rules.yaml"))

    assert words in found
    assert bool(words) == bool(found)


def test_lengths_that_the_file_itself_knows_are_checked_as_it_is_read() -> None:
    _, findings = read_story(TEXT.replace("00:00:21.500", "00:00:13.000"), "rules.yaml")

    (found,) = (finding for finding in findings if finding.level == "error")
    assert (found.line, found.field) == (29, "scenes.ask.decision.opens_at")  # not written, so that the decision is
    assert found.problem == "opens before the scene (of 11.500 s) begins"


@pytest.mark.parametrize(
    ("opens", "closes", "words"),
    [
        ("2s", "16s", "less than 5.000 s before"),
        ("2s", "21s", "the lock comes after the scene's end"),
        ("10s", "-12s", "the lock does not come after the opening"),
    ],
)
def test_times_from_the_start_are_checked_once_lengths_are_known(opens: str, closes: str, words: str) -> None:
    text = TEXT.replace(
        "      prompt: Well?\n", f"      prompt: Well?\n      opens_at: {opens}\n      closes_at: {closes}\n"
    )
    loaded = load_story(text.replace(', out: "00:00:21.500"', ""), "rules.yaml")
    lengths = {name: (seconds(20),) for name in loaded.scenes}

    assert words in "\n".join(str(finding) for finding in check_lengths(loaded, lengths, "rules.yaml"))


def test_a_condition_that_names_one_in_a_circle_is_found_once_each() -> None:
    text = TEXT.replace("is_pro: profile.plan == 'pro'", "is_pro: expert")

    found = [finding for finding in read_story(text, "rules.yaml")[1] if "leads back" in finding.problem]

    assert [finding.field for finding in found] == ["conditions.is_pro", "conditions.expert"]


def test_what_only_leads_into_a_circle_is_not_blamed_for_it() -> None:
    text = TEXT.replace("  never: [{to: pro", '  never: [{to: "@one"}, {to: pro')
    text = text.replace("scenes:\n", '  one: [{to: "@two"}]\n  two: [{to: "@one"}]\nscenes:\n', 1)

    assert [finding.field for finding in read_story(text, "rules.yaml")[1]] == ["groups.one", "groups.two"]


WORDS = """\
story: 1
id: words
title: {sv: Ord}
start: a
state:
  mood: {type: enum, values: [calm, glad], default: calm}
  said: {type: string, default: "abcdefgh"}
  share: {type: number, default: 0.5}
  count: {type: int, default: 0}
scenes:
  a:
    media: {src: a, in: 1, out: 31s}
    decision:
      id: d
      prompt: Vad?
      closes_at: 6s
      default: glad
      choices:
        - {id: glad, label: {en: Glad}, to: b, set: {mood: "'glad'", count: visits('a')}}
        - {id: said, label: {en: Said}, to: b, set: {mood: state.said}}
        - {id: twice, label: {en: Twice}, to: b, set: {said: state.said + state.said}}
        - {id: endless, label: {en: Endless}, to: b, set: {share: state.share / 0.0, count: state.count + 1}}
        - {id: most, label: {en: Most}, to: b, set: {count: "9223372036854775807 + visits('a')"}}
        - {id: whole, label: {en: Whole}, to: b, set: {share: 2}}
  b: {media: {src: b}, end: {id: b}}
"""


def test_a_bare_text_is_in_the_fallback_language() -> None:
    loaded = load_story(WORDS.replace("start: a", "start: a\ndefaults: {labels: sv}", 1), "words.yaml")
    decision = loaded.scenes["a"].decisions[0]

    assert decision.prompt == {"sv": "Vad?"}
    assert text_in(decision.prompt, "en") == "Vad?"
    assert loaded.language == "sv"


def test_times_may_be_numbers_seconds_or_a_clock() -> None:
    for written, read in [
        ("1", "1"),
        ("1.25", "1.25"),
        ("1.25s", "1.25"),
        ("'1'", "1"),
        ("00:01.5", "1.5"),
        ("0:00:01.040", "1.04"),
    ]:
        media = load_story(WORDS.replace("in: 1,", f"in: {written},"), "words.yaml").scenes["a"].media
        assert (media.start, media.end) == (seconds(read), seconds(31))
    negative = WORDS.replace("closes_at: 6s", "opens_at: -00:00:14.5\n      closes_at: -4.25")
    decision = load_story(negative, "words.yaml").scenes["a"].decisions[0]
    assert (decision.opens_at, decision.closes_at) == (seconds("-14.5"), seconds("-4.25"))
    assert load_story(WORDS.replace("31s", "24:00:00"), "words.yaml").scenes["a"].media.end == seconds(24 * 3600)


def test_a_window_longer_than_what_is_before_the_lock_opens_with_the_scene() -> None:
    decision = load_story(WORDS, "words.yaml").scenes["a"].decisions[0]

    assert (decision.opens_at, decision.closes_at) == (0, seconds(6))


@pytest.mark.parametrize(
    ("choice", "after"),
    [
        ("glad", {"mood": "glad", "count": 1}),
        ("said", {}),
        ("twice", {"said": "abcdefgh" * 2}),
        ("endless", {"count": 1}),
        ("most", {}),
        ("whole", {"share": 2.0}),
    ],
)
def test_what_an_effect_may_not_be_it_does_not_become(choice: str, after: dict[str, object]) -> None:
    loaded = load_story(WORDS, "words.yaml")
    scene = loaded.scenes["a"]
    found = scene.decisions[0].choice(choice)
    assert found is not None
    memory = enter(begin(loaded, Opening()), scene)

    changed = take(loaded, memory, scene.decisions[0], found).state

    assert changed == {**memory.state, **after}
    assert {name: type(value) for name, value in changed.items()} == {
        name: type(value) for name, value in memory.state.items()
    }


def test_a_text_grows_no_longer_than_64_characters() -> None:
    loaded = load_story(WORDS, "words.yaml")
    twice = loaded.scenes["a"].decisions[0].choice("twice")
    assert twice is not None
    memory = begin(loaded, Opening())

    for _ in range(20):
        memory = take(loaded, memory, loaded.scenes["a"].decisions[0], twice)

    assert memory.state["said"] == "abcdefgh" * 8


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\"'glad'\"", "\"'sad'\"", "'sad' is not one of 'calm', 'glad'"),
        ("\"'glad'\"", "glad", "undeclared reference to 'glad'"),
        ("{mood: state.said}", "{said: \"'" + "x" * 65 + "'\"}", "is longer than 64 characters"),
        ("share: 2}", "share: 2.5, count: 2.5}", "2.5 is no int"),
        ("share: 2}", "mood: 2}", "2 is no enum"),
        ("share: 2}", f"share: {10**30}}}", "does not fit 64 bits"),
    ],
)
def test_an_effect_that_can_never_be_is_a_finding(old: str, new: str, words: str) -> None:
    assert old in WORDS

    (finding,) = read_story(WORDS.replace(old, new, 1), "words.yaml")[1]

    assert words in finding.problem


def test_a_visit_is_counted_before_anything_is_asked() -> None:
    text = WORDS.replace("label: {en: Said},", "label: {en: Said}, when: visits('a') == 2,")
    loaded = load_story(text, "words.yaml")
    scene = loaded.scenes["a"]
    once = enter(begin(loaded, Opening()), scene)
    twice = enter(once, scene)

    assert "said" not in [choice.id for choice in offered(loaded, once, scene.decisions[0])]
    assert "said" in [choice.id for choice in offered(loaded, twice, scene.decisions[0])]
    assert (once.visits, twice.visits) == ({"a": 1}, {"a": 2})


def test_the_next_scene_is_chosen_by_what_the_choice_has_set() -> None:
    text = TEXT.replace("{to: pro, when: broken}", "{to: pro, when: state.word == 'up'}").replace(
        "to: ask, set: {skill: state.skill + 2", "set: {skill: state.skill + 2"
    )
    loaded = load_story(text, "rules.yaml")
    ask = loaded.scenes["ask"]
    memory = enter(begin(loaded, Opening()), ask)
    up = ask.decisions[0].choices[0]

    assert successor(loaded, memory, ask, up.to)[0].id == "plain"
    assert successor(loaded, take(loaded, memory, ask.decisions[0], up), ask, up.to)[0].id == "pro"


def test_the_end_of_a_chain_of_conditions_is_reached() -> None:
    chain = "".join(f"  c{level}: c{level - 1}\n" for level in range(1, 32)) + "  c0: state.count > 0\n"
    loaded = load_story(WORDS + "conditions:\n" + chain, "words.yaml")
    memory = begin(loaded, Opening())

    assert not holds(loaded, memory, loaded.conditions["c31"])
    assert holds(loaded, replace(memory, state={**memory.state, "count": 1}), loaded.conditions["c31"])


@pytest.mark.timeout(10)
def test_groups_that_share_groups_are_each_tried_once() -> None:
    rules = '[{to: "@INNER"}, {to: "@INNER", when: visited(\'b\')}, {to: "@INNER"}, {to: "@g0"}]'
    groups = "".join(f"  g{level}: {rules.replace('INNER', f'g{level - 1}')}\n" for level in range(1, 30))
    text = WORDS.replace("start: a", 'start: "@g29"\nfallback: a', 1)
    loaded = load_story(text + f"groups:\n{groups}  g0: [{{to: b, when: state.count > 0}}]\n", "words.yaml")
    memory = begin(loaded, Opening())

    assert opening_scene(loaded, memory)[0].id == "a"
    assert opening_scene(loaded, replace(memory, state={**memory.state, "count": 1}))[0].id == "b"
    assert scenes_of(loaded, "@g29") == {"b"}


def test_the_fallback_may_follow_any_scene_but_an_ending(story: Story) -> None:
    assert possible_successors(story, story.scenes["ask"]) == {"ask", "pro", "plain", "lost"}
    assert possible_successors(story, story.scenes["pro"]) == set()


def test_a_wrong_input_of_any_length_gives_a_short_message(story: Story) -> None:
    with pytest.raises(MalformedRequest) as caught:
        checked_profile(story, {"age": "9" * 10_000}, trusted=False)

    assert len(str(caught.value)) < 200


CHANCE = """\
story: 1
id: chance
title: Chance
start: "@first"
groups:
  first: [{to: a, weight: 1}, {to: b, weight: 3}]
  empty: [{to: d, when: "false", weight: 1000}]
scenes:
  a:
    media: {src: a}
    next:
      - {to: d}
      - {to: b, priority: 2, when: "visits('a') == 1"}
      - {to: c, priority: 1, weight: 0.5}
      - {to: d, priority: 1, weight: 1, when: "false"}
      - {to: "@empty", priority: 1, weight: 1000}
      - {to: a, priority: 1, weight: 0.5}
      - {to: b, priority: 1, when: "visits('a') < 100"}
      - {to: d, priority: 1, weight: 1000}
  b:
    media: {src: b}
    decision:
      {id: q, prompt: "?", default: first, choices: [
        {id: one, label: One, to: d, when: "false"}, {id: two, label: Two, to: d}, {id: three, label: Three, to: c}]}
  c:
    media: {src: c}
    decision:
      {id: r, prompt: "?", default: random, choices: [
        {id: one, label: One, to: d}, {id: two, label: Two, to: d, weight: 3}]}
  d: {media: {src: d}, end: {id: d}}
"""


def chance() -> Story:
    return load_story(CHANCE, "chance.yaml")


def test_a_group_draws_among_the_rules_that_carry_a_weight() -> None:
    story = chance()

    found = Counter(opening_scene(story, begin(story, Opening(seed=seed)))[0].id for seed in range(800))

    assert found.keys() == {"a", "b"}
    assert 540 < found["b"] < 660  # of 600


def test_rules_go_by_priority_and_one_is_drawn_among_neighbours_that_hold() -> None:
    story = chance()
    first = enter(begin(story, Opening()), story.scenes["a"])
    second = enter(first, story.scenes["a"])

    def at(seed: int) -> Memory:
        return replace(second, given=replace(second.given, seed=seed))

    found = Counter(successor(story, at(seed), story.scenes["a"], None)[0].id for seed in range(400))

    assert successor(story, first, story.scenes["a"], None) == (story.scenes["b"], first)  # nothing is drawn
    assert found.keys() == {"c", "a"}  # b, which carries none, parts them from d
    assert 150 < found["a"] < 250


def test_each_draw_is_another_and_all_can_be_repeated() -> None:
    story = chance()
    scene = story.scenes["a"]
    memory = replace(begin(story, Opening(seed=5)), visits={"a": 2})
    ways = []

    for _ in range(20):
        to, memory = successor(story, memory, scene, None)
        ways.append(to.id)

    assert memory.draws == 20
    assert set(ways) == {"a", "c"}
    again = replace(begin(story, Opening(seed=5)), visits={"a": 2}, draws=7)
    assert successor(story, again, scene, None)[0].id == ways[7]


def test_a_default_may_be_the_first_offered_or_drawn_by_weight() -> None:
    story = chance()
    first, drawn = story.scenes["b"].decisions[0], story.scenes["c"].decisions[0]
    memory = begin(story, Opening(seed=1))

    choice, after = default_of(memory, first, offered(story, memory, first))
    drawn_each = (default_of(replace(memory, draws=n), drawn, offered(story, memory, drawn))[0] for n in range(400))
    found = Counter(each.id for each in drawn_each if each is not None)

    assert (choice, after) == (first.choice("two"), memory)
    assert 60 < found["one"] < 140  # a quarter
    assert default_of(memory, drawn, drawn.choices)[1].draws == 1
    assert default_of(memory, drawn, drawn.choices[:1]) == (drawn.choices[0], memory)  # of one there is no draw


def test_a_choice_called_first_is_a_choice() -> None:
    story = load_story(CHANCE.replace("id: two", "id: first"), "chance.yaml")
    decision = story.scenes["b"].decisions[0]

    found, _ = default_of(begin(story, Opening()), decision, decision.choices)

    assert not decision.default_is("first")
    assert found == decision.choice("first")


def test_a_story_knows_whether_chance_has_a_say(story: Story) -> None:
    unweighted = re.sub(r", weight: [0-9.]+", "", CHANCE)

    assert load_story(unweighted, "chance.yaml").draws  # by a default
    assert chance().draws
    assert not story.draws


def test_an_author_may_give_inputs_of_any_source_as_texts(story: Story) -> None:
    found = read_inputs(story, {"plan": "pro", "age": "200", "factor": "2", "member": "true", "name": "Ada"})

    assert found == {"plan": "pro", "age": 120, "factor": 2.0, "member": True, "name": "Ada"}
    with pytest.raises(MalformedRequest, match="did you mean 'plan'"):
        read_inputs(story, {"plam": "pro"})
    with pytest.raises(MalformedRequest, match="'old' is no int"):
        read_inputs(story, {"age": "old"})
