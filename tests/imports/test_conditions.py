"""Expressions of SugarCube and Harlowe in the words of a story."""

from __future__ import annotations

import pytest

from tests.imports.reading import HARLOWE, SUGARCUBE, data_of, scene_of, told

DECLARED = (
    ":: StoryInit\n<<set $n to 1, $m to 2, $f to 1.5, $s to 'x', $b to true>>\n:: Cave\n<<set $n to 2>>\n:: Other\n"
)


def condition(text: str) -> str:
    """Gives what becomes of a condition of SugarCube."""
    rules = scene_of(f"{SUGARCUBE}{DECLARED}:: Start\n<<if {text}>>[[Cave]]<<else>>[[Other]]<</if>>")["next"]
    return str(rules[0]["when"])


def refusal(text: str, macro: str = "<<if {}>>[[Cave]]<<else>>[[Other]]<</if>>", head: str = SUGARCUBE) -> str:
    """Gives what is reported of a condition, without its place."""
    found = told(f"{head}{DECLARED if head == SUGARCUBE else ':: Cave'}\n:: Start\n{macro.format(text)}\n:: Other\n")
    return " | ".join(each for each in found if "[[" not in each)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("$b", "state.b"),
        ("not $b", "!state.b"),
        ("!$b", "!state.b"),
        ("$n", "state.n != 0"),
        ("$f", "state.f != 0.0"),
        ("$s", "state.s != ''"),
        ("not $n", "!(state.n != 0)"),
        ("$b is true", "state.b"),
        ("$b is false", "!state.b"),
        ("$b isnot true", "!state.b"),
        ("$b is not false", "state.b"),
        ("$n eq 3", "state.n == 3"),
        ("$n === 3", "state.n == 3"),
        ("$n neq 3", "state.n != 3"),
        ("$n !== 3", "state.n != 3"),
        ("$n is not 3", "state.n != 3"),
        ("$n gt 1 and $n lte 3", "state.n > 1 && state.n <= 3"),
        ("$n lt 1 or $n gte 3", "state.n < 1 || state.n >= 3"),
        ("$b && ($n == 1 || $m == 2)", "state.b && (state.n == 1 || state.m == 2)"),
        ("$n > 1.5", "double(state.n) > 1.5"),
        ("$f > 1", "state.f > 1.0"),
        ("$f is $n", "state.f == double(state.n)"),
        ("$n + 1 == $m * 2 - 3", "state.n + 1 == state.m * 2 - 3"),
        ("($n + 1) * 2 > 3", "(state.n + 1) * 2 > 3"),
        ("$n - ($m - 1) > 0", "state.n - (state.m - 1) > 0"),
        ("$n / 2 is 1", "double(state.n) / 2.0 == 1.0"),
        ("$n % 2 is 0", "state.n % 2 == 0"),
        ("-$n < -1", "-state.n < -1"),
        ("-($n + 1) < -1.5", "double(-(state.n + 1)) < -1.5"),
        ("-1 < $f", "-1.0 < state.f"),
        ("$s is 'it\\'s'", "state.s == 'it\\'s'"),
        ('$s is "a\\nb\\t"', "state.s == 'a\\nb '"),
        ("$s + $n is 'x1'", "state.s + string(state.n) == 'x1'"),
        ("1 + $s is 'x1'", "string(1) + state.s == 'x1'"),
        ("$s < 'y'", "state.s < 'y'"),
        ("visited('Cave')", "visited('Cave')"),
        ("visited('Cave') > 0", "visited('Cave')"),
        ("not visited('Cave')", "!visited('Cave')"),
        ("hasVisited('Cave')", "visited('Cave')"),
        ("visited('Cave') gte 2", "visits('Cave') >= 2"),
        ("visited() is 1", "visits('Start') == 1"),
        ("visited()", "visited('Start')"),
        ("not hasVisited('Cave') and $b", "!visited('Cave') && state.b"),
    ],
)
def test_a_condition_is_said_in_the_storys_words(theirs: str, ours: str) -> None:
    assert condition(theirs) == ours


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ("random(1, 6) is 6", "'random(1, 6) is 6': random() cannot be carried over"),
        ("Math.max(1) is 6", "'Math' cannot be carried over"),
        ("$list[0] is 1", "$list is a list or an object, and a story has none"),
        ("$o.x is 1", "$o is a list or an object"),
        ("$n ?", "'?' cannot be carried over"),
        ("$n is", "it ends too early"),
        ("($n is 1", "it ends too early"),
        ("$n is 1)", "')' cannot be carried over"),
        ("$n is # 1", "'#' cannot be carried over"),
        ("undefined", "'undefined' cannot be carried over"),
        ("it is 1", "'it' cannot be carried over"),
        ("visited('Cave', 'Other')", "visited() cannot be carried over"),
        ("visited($s)", "visited() cannot be carried over"),
        ("visited('Nowhere')", "there is no passage 'Nowhere'"),
        ("(history:)", "lists cannot be carried over"),
        ("$n contains 'x'", "lists cannot be carried over"),
        ("$n is in $m", "lists cannot be carried over"),
        ("$n is 'x'", "state.n is of type int, 'x' of type string"),
        ("$b > true", "truth values have no order: state.b > true"),
        ("$b + 1 > 1", "state.b is of type bool, 1 of type int"),
        ("$s - $s is 'x'", "state.s - state.s: string does not fit"),
        ("$f % 2 is 0", "state.f % 2.0: number does not fit"),
        ("-$s is 1", "state.s is no number"),
        ("$n < 1" + "0" * 20, "a number has more than 18 digits"),
        ("$f < 1e999", "a number is too large"),
        ("(" * 30 + "$b" + ")" * 30, "is nested more than 24 deep"),
        ("$n" + " + 1" * 150, "has more than 200 words and signs"),
        ("$n" + " + 1" * 60 + " is 1", "is nested too deep, or a chain of too many operators"),
        ("$s is '" + "x" * 1100 + "'", "1024 are allowed"),
        ("", "it ends too early"),
    ],
)
def test_a_condition_that_a_story_cannot_say_is_told(theirs: str, words: str) -> None:
    assert words in refusal(theirs)


def test_where_a_condition_is_not_known_its_links_are_always_offered() -> None:
    scene = scene_of(
        f"{SUGARCUBE}{DECLARED}:: Start\n"
        "<<if random(1, 2)>>[[Cave]]<<goto 'Other'>><<set $n to 3>><<else>>[[Other]]<</if>>"
    )

    choices = scene["decision"]["choices"]
    assert [(choice["to"], choice.get("when")) for choice in choices] == [("Cave", None), ("Other", None)]
    assert "events" not in scene


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("$b is true and $c is 1", "state.b && state.c == 1"),
        ("(history:) contains 'Cave'", "visited('Cave')"),
        ("'Cave' is in (history:)", "visited('Cave')"),
        ("not ((history:) contains 'Cave')", "!visited('Cave')"),
        ("(history:) contains 'Start'", "visits('Start') - 1 > 0"),
        ("not ((history:) contains 'Start')", "!(visits('Start') - 1 > 0)"),
        ("(visited: 'Cave')", "visited('Cave')"),
        ("visits is 2", "visits('Start') == 2"),
        ("$c", "state.c != 0"),
    ],
)
def test_a_condition_of_harlowe_is_said_in_the_storys_words(theirs: str, ours: str) -> None:
    text = (
        f"{HARLOWE}:: Cave\n(set: $b to true, $c to 1)\n:: Other\n:: Start\n(if: {theirs})[[[Cave]]](else:)[[[Other]]]"
    )

    assert scene_of(text)["next"][0] == {"to": "Cave", "when": ours}


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ("$x is 1 or 2", "2 is of type int, and 'and', 'or' and 'not' want truth values"),
        ("not ($x + 1)", "and 'not' want truth values"),
        ("(random: 1, 2) is 1", "(random:) cannot be carried over"),
        ("(visited: where it is 1)", "(visited:) cannot be carried over"),
        ("$x's length is 1", "$x is a list or an object"),
    ],
)
def test_what_harlowe_means_otherwise_is_told(theirs: str, words: str) -> None:
    assert words in refusal(theirs, "(if: {})[[[Cave]]](else:)[[[Other]]]", HARLOWE)


@pytest.mark.parametrize(
    ("sets", "state"),
    [
        ("<<set $a to 1>>", {"a": {"type": "int", "default": 0}}),
        ("<<set $a = true>>", {"a": {"type": "bool", "default": False}}),
        ("<<set $a to 'x'>>", {"a": {"type": "string", "default": ""}}),
        ("<<set $a to 0.5>>", {"a": {"type": "number", "default": 0.0}}),
        ("<<set $a to 1>><<set $a to 1.5>>", {"a": {"type": "number", "default": 0.0}}),
        ("<<set $a to 1>><<set $a to $a / 2>>", {"a": {"type": "number", "default": 0.0}}),
        ("<<set $a += 1>>", {"a": {"type": "int", "default": 0}}),
        ("<<set $a++>><<set --$b>>", {"a": {"type": "int", "default": 0}, "b": {"type": "int", "default": 0}}),
        (
            "<<set $b to $a; $a to 'x'>>",
            {"b": {"type": "string", "default": ""}, "a": {"type": "string", "default": ""}},
        ),
        ("<<set $a to not $b>>", {"a": {"type": "bool", "default": False}, "b": {"type": "bool", "default": False}}),
        ("<<set $a to visited('Start')>>", {"a": {"type": "int", "default": 0}}),
        ("<<set _t to $a is 1>>", {"_t": {"type": "bool", "default": False}, "a": {"type": "int", "default": 0}}),
        (
            "<<if $a and $b is 'x'>>\n<</if>>",
            {"a": {"type": "bool", "default": False}, "b": {"type": "string", "default": ""}},
        ),
        ("<<if $a > $b>>\n<</if>>", {"a": {"type": "int", "default": 0}, "b": {"type": "int", "default": 0}}),
        (
            "<<if $a is $b>>\n<</if>>",
            {"a": {"type": "bool", "default": False}, "b": {"type": "bool", "default": False}},
        ),
        ("<<if -$a is $b>>\n<</if>>", {"a": {"type": "int", "default": 0}, "b": {"type": "int", "default": 0}}),
        (
            "<<set $a to $b>><<set $b to $c>><<set $c to 'x'>>",
            {name: {"type": "string", "default": ""} for name in "abc"},
        ),
        ("<<run $in to 1>>", {"in": {"type": "int", "default": 0}}),
    ],
)
def test_variables_have_the_type_of_what_they_are_first_set_to(sets: str, state: object) -> None:
    found = data_of(f"{SUGARCUBE}:: Start\n{sets}")["state"]

    assert list(found.items()) == list(state.items())  # type: ignore[attr-defined]


def test_what_is_set_before_the_story_begins_are_defaults() -> None:
    text = (
        ":: StoryInit\n<<set $a to 2; $b to $a * 3 + 1>><<set $c to 'x' + $b>><<set $f to $a>>"
        "<<set $d to 1 % 0>><<set $g to $c + '%s'>><<set $a to 'x'>>"
        "<<if $a>><<set $a to 9>><</if>> [[Start]] words\n:: Start\n<<set $f to 0.5>>"
    )
    text = text.replace("%s", "x" * 63)

    state = data_of(SUGARCUBE + text)["state"]
    assert {name: entry["default"] for name, entry in state.items()} == {
        "a": 2,
        "b": 7,
        "c": "x7",
        "f": 2.0,
        "d": 0,
        "g": "",
    }
    assert [each.partition(" ")[2] for each in told(SUGARCUBE + text)][:5] == [
        "$d cannot be worked out before the story begins. It is not set",
        "$g cannot be worked out before the story begins. It is not set",
        "$a: $a is of type int, and this is of type string. It is not set",
        "only <<set>> and (set:) count before the story begins. It is left out",
        "only <<set>> and (set:) count before the story begins. It is left out",
    ]


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ("$a to 1; $a to 'x'", "$a: $a is of type int, and this is of type string"),
        (f"$a to '{'x' * 65}'", "$a: the text is longer than 64 characters"),
        ("$a to [1, 2]", "'[' cannot be carried over"),
        ("$a.b to 1", "$a is a list or an object"),
        ("a to 1", "is no assignment: '$name to value'"),
        ("$a", "is no assignment: '$name to value'"),
        ("$a to 1 2", "'2' cannot be carried over"),
        ("$a to random(1, 2)", "random() cannot be carried over"),
        ("$a to (1, 2)", "',' cannot be carried over"),
        ("++1", "is no assignment"),
        ("$a ** 2", "is no assignment"),
        ("", ""),
    ],
)
def test_what_cannot_be_set_is_told(sets: str, words: str) -> None:
    assert words in "|".join(told(f"{SUGARCUBE}:: Start\n[[Go|End][{sets}]] [[End]]\n:: End\n"))


@pytest.mark.parametrize(
    ("sets", "ours"),
    [
        ("$a to 5", {"a": 5}),
        ("$a to it + 1", {"a": "state.a + 1"}),
        ("$a += 2; $b to false", {"a": "state.a + 2", "b": False}),
        ("$a -= 2, $b to $a > 1", {"a": "state.a - 2", "b": "state.a > 1"}),
        ("$a *= 2", {"a": "state.a * 2"}),
        ("$a %= 2", {"a": "state.a % 2"}),
        ("$a--", {"a": "state.a - 1"}),
        ("$f to 1", {"f": 1.0}),
        ("$f to $a", {"f": "state.a"}),
        ("$f /= 2", {"f": "state.f / 2.0"}),
        ("$s to 'it\\'s \"so\"; or, else'", {"s": "'it\\'s \"so\"; or, else'"}),
        ("$in to 3", {"in": 3}),
        ("$in to $in + 3", {"in": "state['in'] + 3"}),
        ("$a to 1;", {"a": 1}),
    ],
)
def test_what_a_link_sets_is_set_by_its_choice(sets: str, ours: object) -> None:
    text = f"{SUGARCUBE}:: StoryInit\n<<set $a to 1, $f to 1.5>>\n:: Start\n[[Go|End][{sets}]] [[Stay|Start]]\n:: End\n"

    assert scene_of(text)["decision"]["choices"][0]["set"] == ours


def test_names_in_other_letters_have_ids_in_plain_ones() -> None:
    text = f"{SUGARCUBE}:: Start\n[[Go|End][$été to 1; $变量 to 2; $Ete to 3]] [[End]]\n:: End\n"

    assert scene_of(text)["decision"]["choices"][0]["set"] == {"ete": 1, "variable": 2, "Ete-2": 3}


def test_conditions_within_more_than_a_few_others_are_not_said() -> None:
    ifs = "".join(f"<<elseif $n is {number}>>-" for number in range(40))
    text = f"{SUGARCUBE}:: Start\n<<if $b>>-{ifs}<<else>>[[Start]]<</if>> [[End]]\n:: End\n"

    assert "8:" not in "".join(told(text))
    assert any("depends on more than 32 conditions" in each for each in told(text))
