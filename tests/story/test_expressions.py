"""Expressions are compiled and type-checked when a story is read; what fails later does not hold."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest

from streamer.story.expressions import MAX_FAILURES, ExpressionError, Failure, Language, Reading

TYPES = {
    "state.skill": "int",
    "state.share": "number",
    "state.word": "string",
    "state.lamp": "bool",
    "profile.plan": "enum",
    "state.1a-b": "bool",
    "profile.first.name": "string",
}
CONDITIONS = {"expert": "state.skill > 1", "2-b": "not expert", "int": "state['1a-b']", "a.b": "2-b"}

VALUES: dict[str, object] = {
    "state.skill": 2,
    "state.share": 0.5,
    "state.word": "blå",
    "state.lamp": True,
    "profile.plan": "pro",
    "state.1a-b": True,
    "profile.first.name": "Ada",
}
READING = Reading(values=VALUES, visits={"hall": 3}, chosen={"way": "left"})


@pytest.fixture(scope="module")
def language() -> Language:
    return Language(TYPES, CONDITIONS)


def evaluated(language: Language, text: str, reading: Reading = READING) -> object:
    conditions = {name: language.compile(text) for name, text in CONDITIONS.items()}
    return language.evaluate(language.compile(text), replace(reading, settled={}), conditions)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("state.skill + 1", 3),
        ("state.skill * 3 - 7 % 4", 3),
        ("-7 / 2", -3),
        ("state.share / 2.0", 0.25),
        ("double(state.skill) + 0.5", 2.5),
        ("int(2.9)", 2),
        ("string(state.skill) + '!'", "2!"),
        ("state.word + 'tt'", "blått"),
        ("state.word == 'blå'", True),
        ("'a' < 'b' && 'b' <= 'b' && 'b' > 'a' && 'b' >= 'a'", True),
        ("size(state.word) == 3", True),
        ("state.word.size() == 3", True),
        ("state.skill in [1, 2, 3]", True),
        ("profile.plan in ['basic']", False),
        ("!(state.lamp || expert) ? 'no' : 'yes'", "yes"),
        ("expert && profile.plan == 'pro'", True),
        ("visits('hall') + visits(\"cellar\")", 3),
        ("visited('hall') && !visited('cellar')", True),
        ("visits(state.word) == 0", True),
        ("state . skill == 2", True),
        ("state.skill == 2 // so far", True),
        ("state.skill ==\n 2", True),
        ("'in [1].map(x, x)' != 'has(y)'", True),
        ("1 / 0 > 0 || true", True),
        ("state['1a-b'] && profile[ 'first.name' ] == 'Ada'", True),
        ("profile.first.name.size()", 3),
        ("2-b", False),
        (" 2-b ", False),
        ("int", True),
        ("int && int(2.5) == 2", True),
        ("a.b || conditions['2-b'] || conditions[\"expert\"]", True),
        ("expert and not conditions['2-b'] or false", True),
        ("chose('way') == 'left' && chose('other') == ''", True),
        ("'and' == \"and\"  // or not", True),
        (" || ".join(f"state.skill == {number}" for number in range(45)), True),
    ],
)
def test_an_expression_has_a_value(language: Language, text: str, value: object) -> None:
    found = evaluated(language, text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 / (state.skill - 2)", "divide by zero"),
        ("state.skill % 0 == 0", "modulus by zero"),
        ("9223372036854775807 + state.skill", "overflow"),
        ("-9223372036854775807 - state.skill", "overflow"),
        ("[1][state.skill] == 1", "index"),
        ("int(state.word)", "cannot convert"),
        ("state.share / 0.0", "gave inf"),
        ("0.0 / 0.0 * state.share", "gave nan"),
        ("1 / 0 > 0", "divide by zero"),
    ],
)
def test_what_fails_when_the_story_runs_says_why(language: Language, text: str, problem: str) -> None:
    found = evaluated(language, text)

    assert isinstance(found, Failure)
    assert found.text == text
    assert problem in found.problem.lower()


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("state.skil > 1", 1, "undeclared reference to 'state.skil'"),
        ("state.skill > 1 && lamp", 20, "undeclared reference to 'lamp'"),
        ("true &&\n  x.y.z", 11, "undeclared reference to 'x.y.z'"),
        ("arm.opener == 'short'", 1, "undeclared reference to 'arm.opener'"),
        ("expert && state['skil'] == 2", 11, "undeclared reference to 'state.skil'"),
        ("expert && conditions['2-c']", 11, "undeclared reference to '2-c'"),
        ("state['1a-b'] + state.skill", 15, "no matching overload for '_+_' applied to '(bool, int)'"),
        ("expert and  stat.x > 1", 13, "undeclared reference to 'stat.x'"),
        ("not state['1a-b'] == 1", 19, "no matching overload for '_==_'"),
        ("chose(1) == ''", 6, "no matching overload for 'chose'"),
        ("state.skill + 1.0", 13, "no matching overload for '_+_' applied to '(int, double)'"),
        ("state.skill == 'a'", 13, "no matching overload for '_==_' applied to '(int, string)'"),
        ("expert && 1", 8, "no matching overload for '_&&_'"),
        ("visits(1) > 0", 7, "no matching overload for 'visits'"),
        ("1 < 2 < 3", 7, "no matching overload"),
        ("state.skill >", 14, "Syntax error: mismatched input '<EOF>'"),
        ("'a", 1, "Syntax error"),
        ("", 1, "Syntax error"),
        ("state.skill and true", 13, "no matching overload for '_&&_'"),
        ("state.skill and and true", 17, "Syntax error"),
        ("for", 1, "reserved identifier: for"),
        ("[1].all(x, x > 0)", 5, "'all' is no part of the story's expressions"),
        ("[1] . exists (x, true)", 7, "'exists' is no part"),
        ("has(state.skill)", 1, "'has' is no part"),
        ("state.word.matches('a')", 12, "'matches' is no part"),
        ("matches(state.word, 'a')", 1, "'matches' is no part"),
        ("dyn(1) == 'a'", 1, "'dyn' is no part"),
        ("timestamp('2026-11-24T00:00:00Z') == 1", 1, "'timestamp' is no part"),
        ("state.word.startsWith('b')", 12, "'startsWith' is no part"),
        ("null", 1, "gives a null, not a truth value, number or text"),
        ("[1, 2]", 1, "gives a list"),
        ("b'abc'", 1, "gives a bytes"),
        ("1u", 1, "gives a uint"),
        ("(" * 40 + "1" + ")" * 40, 1, "is nested too deep"),
        ("0" + " + 1" * 40, 1, "is nested too deep, or a chain of too many operators"),
        ("x" * 1025, 1, "is 1025 characters long; 1024 are allowed"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(language: Language, text: str, column: int, problem: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        language.compile(text)

    assert problem in caught.value.problem
    assert caught.value.column == column


def test_an_expression_knows_what_it_reads(language: Language) -> None:
    found = language.compile(
        "expert && state . skill > 1 && visits('hall') > visits(\"a-b.c\") && visited(state.word)"
        " && state.word.size() > 1 && 'profile.plan' != ''  // profile.plan"
    )

    assert found.names == {"state.skill", "state.word"}
    assert found.conditions == ("expert",)
    assert language.compile("chose('way') == 'left'").decisions == {"way"}
    assert language.compile("1 + 1 == 2").is_constant
    assert not found.is_constant
    assert found.scenes == {"hall", "a-b.c"}
    assert found.type == "bool"


def test_an_expression_of_900_characters_works(language: Language) -> None:
    text = "(" * 10 + "state.skill == 2" + ")" * 10
    while len(text) < 900:
        text += " && (state.skill < 9 || (visits('hall') > 0))"

    assert 900 <= len(text) <= 1000
    assert evaluated(language, text) is True


def test_expressions_are_equal_when_their_texts_are(language: Language) -> None:
    assert language.compile("state.skill > 1") == Language(TYPES).compile("state.skill > 1")
    assert language.compile("state.skill > 1") != language.compile("state.skill > 2")


def test_a_condition_is_looked_at_once_for_all_that_is_asked(language: Language) -> None:
    reading = replace(READING, settled={"expert": False})

    assert language.evaluate(language.compile("expert"), reading, {}) is False  # what was settled stands


def test_a_language_that_nobody_uses_any_more_is_freed_with_all_that_it_compiled() -> None:
    language = Language(TYPES, CONDITIONS)
    assert evaluated(language, "expert && visits('hall') == 3") is True
    kept = weakref.ref(language)

    del language

    assert kept() is None  # at once: the collector does not see what the evaluator holds


def test_of_a_checked_story_an_expression_is_compiled_when_it_is_first_evaluated() -> None:
    language = Language(TYPES, CONDITIONS, asked=("hour",))

    expression = language.compile("state.skill +")  # nobody looks at it yet
    assert language.asked == {"hour"}
    assert [evaluated(language, "expert") for _ in range(2)] == [True, True]
    with pytest.raises(ExpressionError):
        language.evaluate(expression, READING, {})


def test_of_very_many_failures_the_first_are_remembered(language: Language) -> None:
    language.failures.clear()

    for number in range(MAX_FAILURES + 5):
        assert isinstance(evaluated(language, f"{number} / (state.skill - 2) > 0"), Failure)

    assert list(language.failures) == [f"{number} / (state.skill - 2) > 0" for number in range(MAX_FAILURES)]
    language.failures.clear()


def test_values_that_stay_are_handed_over_once_and_others_anew() -> None:
    language = Language({"state.n": "int", "profile.n": "int"})
    both = language.compile("state.n * 10 + profile.n")
    profile: dict[str, object] = {"n": 1}
    arms: dict[str, object] = {}
    first: dict[str, object] = {"n": 2}

    def given(state: dict[str, object]) -> object:
        sections = (("state", state), ("profile", profile), ("arm", arms))
        return language.evaluate(both, Reading(sections=sections), {})

    assert [given(first), given(first), given({"n": 3}), given(first)] == [21, 21, 31, 21]
