"""Expressions are compiled and type-checked when a story is read; what fails later does not hold."""

from __future__ import annotations

import pytest

from streamer.story.expressions import ExpressionError, Failure, Language

TYPES = {
    "state.skill": "int",
    "state.share": "number",
    "state.word": "string",
    "state.lamp": "bool",
    "profile.plan": "enum",
}
VALUES: dict[str, object] = {
    "state.skill": 2,
    "state.share": 0.5,
    "state.word": "blå",
    "state.lamp": True,
    "profile.plan": "pro",
    "expert": True,
}


@pytest.fixture(scope="module")
def language() -> Language:
    return Language(TYPES, ("expert",))


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
    ],
)
def test_an_expression_has_a_value(language: Language, text: str, value: object) -> None:
    found = language.evaluate(language.compile(text), VALUES, {"hall": 3})

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
    found = language.evaluate(language.compile(text), VALUES, {})

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
        ("state['skill'] == 2", 1, "undeclared reference to 'state'"),
        ("state.skill + 1.0", 13, "no matching overload for '_+_' applied to '(int, double)'"),
        ("state.skill == 'a'", 13, "no matching overload for '_==_' applied to '(int, string)'"),
        ("expert && 1", 8, "no matching overload for '_&&_'"),
        ("visits(1) > 0", 7, "no matching overload for 'visits'"),
        ("1 < 2 < 3", 7, "no matching overload"),
        ("state.skill >", 14, "Syntax error: mismatched input '<EOF>'"),
        ("'a", 1, "Syntax error"),
        ("", 1, "Syntax error"),
        ("state.skill and true", 13, "Syntax error"),
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
        ("x" * 1001, 1, "is 1001 characters long; 1000 are allowed"),
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

    assert found.names == {"expert", "state.skill", "state.word"}
    assert found.scenes == {"hall", "a-b.c"}
    assert found.type == "bool"


def test_an_expression_of_900_characters_works(language: Language) -> None:
    text = "(" * 10 + "state.skill == 2" + ")" * 10
    while len(text) < 900:
        text += " && (state.skill < 9 || (visits('hall') > 0))"

    assert 900 <= len(text) <= 1000
    assert language.evaluate(language.compile(text), VALUES, {}) is True


def test_expressions_are_equal_when_their_texts_are(language: Language) -> None:
    assert language.compile("state.skill > 1") == Language(TYPES).compile("state.skill > 1")
    assert language.compile("state.skill > 1") != language.compile("state.skill > 2")


def test_a_message_of_the_evaluator_without_a_place_is_kept() -> None:
    with pytest.raises(ExpressionError, match="ALREADY_EXISTS"):
        Language({}, ("int",)).compile("true")
