"""Links, macros and text of SugarCube, Harlowe and other formats; what is left out is told where it stands."""

from __future__ import annotations

import pytest

from tests.imports.reading import HARLOWE, SUGARCUBE, data_of, imported, scene_of, told

OTHERS = "\n:: A\n:: B\n"


def choices(text: str, head: str = SUGARCUBE) -> list[tuple[str, str]]:
    """Gives label and target of a passage's choices."""
    decision = scene_of(f"{head}:: Start\n{text}{OTHERS}")["decision"]
    return [(choice["label"], choice["to"]) for choice in decision["choices"]]


def reports(text: str, head: str = SUGARCUBE) -> list[str]:
    """Gives what was reported of the text, which begins in line 5."""
    return told(f"{head}:: Start\n{text}{OTHERS}")


def prose(text: str, head: str = SUGARCUBE) -> str:
    """Gives the words of a scene."""
    found: str = scene_of(f"{head}:: Start\n{text}{OTHERS}").get("text", "")
    return found


@pytest.mark.parametrize("head", [SUGARCUBE, HARLOWE, HARLOWE.replace("Harlowe", "Chapbook")])
def test_links_are_read_in_all_their_spellings(head: str) -> None:
    text = "[[A]] [[Go to A|A]] [[Go -> there->A]] [[B<-Back <- there]] [[ B ]]"

    assert choices(text, head) == [
        ("A", "A"),
        ("Go to A", "A"),
        ("Go -> there", "A"),
        ("Back <- there", "B"),
        ("B", "B"),
    ]


@pytest.mark.parametrize(
    ("text", "label", "sets"),
    [
        ("[[Take it|A][$x to 1]]", "Take it", {"x": 1}),
        ("[[A][$x to 1; $y to true]]", "A", {"x": 1, "y": True}),
        ("[[A->A][$x to 1", "A", {"x": 1}),
        ('<<link "Take it" "A">><<set $x to 1>><</link>>', "Take it", {"x": 1}),
        ('<<link "Take it">><<set $x to 1>><<goto "A">><</link>>', "Take it", {"x": 1}),
        ("<<button [[Take it|A]]>><<set $x to 1>><</button>>", "Take it", {"x": 1}),
        ("<<link 'It\\'s mine' 'A'>><</link>>", "It's mine", None),
        ("<<link [[A]]>>", "A", None),
    ],
)
def test_links_of_sugarcube_set_what_they_set(text: str, label: str, sets: object) -> None:
    decision = scene_of(f"{SUGARCUBE}:: Start\n[[B]] {text}{OTHERS}")["decision"]

    assert (decision["choices"][1]["label"], decision["choices"][1].get("set")) == (label, sets)
    assert decision["choices"][1]["to"] == "A"


@pytest.mark.parametrize(
    ("text", "label", "sets"),
    [
        ('(link-goto: "Take it", "A")', "Take it", None),
        ('(link-goto: "A")', "A", None),
        ('(link: "Take it")[(set: $x to 1)(go-to: "A")]', "Take it", {"x": 1}),
        ('(Link_Replace: "Take it") [(put: 1 into $x, 2 into $y)(goto:"A")]', "Take it", {"x": 1, "y": 2}),
        ('(link-reveal-goto: "Take it", "A")[(set: $x to 1)]', "Take it", {"x": 1}),
        ('(link-reveal-goto: "Take it", "A")', "Take it", None),
    ],
)
def test_links_of_harlowe_set_what_they_set(text: str, label: str, sets: object) -> None:
    decision = scene_of(f"{HARLOWE}:: Start\n[[B]] {text}{OTHERS}")["decision"]

    assert (decision["choices"][1]["label"], decision["choices"][1].get("set")) == (label, sets)
    assert decision["choices"][1]["to"] == "A"


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("One.\n\n\n\nTwo.  \n", "One.\n\nTwo."),
        ("You may go [[left|A]] or [[right|B]].", "You may go left or right."),
        ("Choose:\n* [[left|A]]\n* [[right|B]]\n\nNow.", "Choose:\n\nNow."),
        ("''Bold'', //slanted// and __under__; see http://a.b//c", "Bold, slanted and under; see http://a.b//c"),
        ("!Heading\n!!Smaller", "Heading\nSmaller"),
        ("@@.red;Warm@@ and @@color:red;hot@@", "Warm and hot"),
        ("a&mdash;b &amp; c &lt;d&gt;", "a—b & c <d>"),
        ("a<br>b<p>c</p><b>d</b>", "a\nb\nc\nd"),
        ("/* no */a/% no %/b<!-- no -->c\\\nd", "abcd"),
        ('"""[[B]]""" x', "[[B]] x"),
        ("<<silently>>no<<set $x to 1>><</silently>>yes", "yes"),
        ("<<nobr>>yes\nand [[A]]<</nobr>>", "yes\nand A"),
        ("tab\there\x07 and \u2028line \x01mark\x02", "tab here and line mark"),
        ("x" * 6000, "x" * 4999 + "…"),
    ],
)
def test_text_of_sugarcube_is_carried_over_without_its_marks(text: str, ours: str) -> None:
    assert prose(text) == ours


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("''Bold'', //slanted//, **strong** and *soft*", "Bold, slanted, strong and soft"),
        ("# Heading\ntext", "Heading\ntext"),
        ("{one\ntwo}", "one\ntwo"),
        ("`[[A]] $x` and ``a`b``", "[[A]] $x and a`b"),
        ("[in a hook]<name| and |name>[another] [=to the end", "in a hook and another to the end"),
        ("a ] b (not a macro) (x: ", "a ] b (not a macro) (x:"),
        ("<!-- no -->yes<br>no<b>w</b>", "yes\nnow"),
    ],
)
def test_text_of_harlowe_is_carried_over_without_its_marks(text: str, ours: str) -> None:
    assert prose(text, HARLOWE) == ours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a <<audio 'x' play>>", "5:3 <<audio 'x' play>> cannot be carried over. It is left out"),
        (
            "<<widget 'x'>>[[A]] <<widget>><</widget>> [[B]]<</widget>>",
            "5:1 <<widget 'x'>> cannot be carried over. It is left out and all within",
        ),
        ("<<print $x>>", "5:1 <<print $x>> cannot be carried over. It is left out"),
        ("<<= $x > 'a>>'>>", "5:1 <<= $x > 'a>>'>> cannot be carried over"),
        ("<<- 'it\\'s >>' + 'x'>>", "5:1 <<- 'it\\'s >>' + 'x'>> cannot be carried over"),
        ("<<unless $x>>[[A]]", "5:1 <<unless $x>> cannot be carried over. It is left out"),
        (
            "<<timed 2s>>[[A]]<<next>>[[B]]<</timed>>",
            "5:1 <<timed>> cannot be carried over. What comes later is there at once",
        ),
        (
            "<<linkreplace 'x'>><<set $x to 1>>[[A]]<</linkreplace>>",
            "5:1 the link 'x' leads to no passage. It leads back to its own passage; what it reveals is there at once",
        ),
        ("You have $gold.", "5:10 the text shows $gold. A scene's text is always the same: the name stays in it"),
        ("[img[a.png]] x", "5:1 '[img[a.png]]' is not shown in a video"),
        ("<img src='a'>", "5:1 <img> is not shown in a video. It is left out"),
        ("<script>x</script>", "5:1 '<script>x</script>' is not shown in a video"),
        ("<a data-passage='A'>x</a>", "5:1 a link is written in HTML"),
        ("x [[A", "5:3 a link is not closed with ]]. It stays in the text"),
        ("[[A\n]]", "5:1 a link is not closed with ]]"),
        ("[[A] ]", "5:1 a link is not closed with ]]"),
        ("<<if $x>>[[A]]", "5:1 <<if>> is not closed. It is taken to end with what it stands in"),
        ("<<nobr>><<if $x>>[[A]]<</nobr>>", "5:9 <<if>> is not closed"),
        ("<</if>>", "5:1 <</if>> closes nothing that is open. It is left out"),
        ("<</link>>", "5:1 <</link>> closes nothing that is open"),
        ("<<else>>[[A]]", "5:1 there is no <<if>> that this belongs to. It is left out"),
        ("<<goto $x>>", "5:1 '$x' names no passage. It is left out"),
        ("<<goto 'A' 'B'>>", "names no passage"),
        ("<<set $x to either(1, 2)>>", "5:13 '$x to either(1, 2)': either() cannot be carried over. It sets nothing"),
        ("<<goto either('A', 'B')>>", "names no passage"),
        ("<<goto>>", "5:1 '' names no passage"),
        ("<<link $x>><</link>>", "5:1 '$x' is no link to a passage. It is left out"),
        ("<<link>><</link>>", "5:1 '' is no link to a passage"),
        ("<<link 'x' $y>><</link>>", "is no link to a passage"),
        ("<<link 'x' 'A' 'B'>><</link>>", "is no link to a passage"),
        ("<<link 'x'>>[[A]]<</link>>", "5:1 the link 'x' leads to no passage. What it reveals is there at once"),
        ("<<link 'x' 'A'>>Text<</link>>", "5:1 the link 'x' does more than set and go. The rest is left out"),
        ("[[x|http://a.b]]", "5:1 'http://a.b' leads out of the story. The way is left out"),
        ("[[x|$y]]", "5:1 the passage is worked out as the story runs: $y"),
        ("[[Stat]]", "5:1 there is no passage 'Stat'. Did you mean 'Start'? The way is left out"),
        (
            "<<if $x>>Some words.<</if>>",
            "5:10 the text 'Some words.' depends on a condition; a scene's text is always the same. It is left out",
        ),
        ("<<if $x", "5:1 <<if>> is not closed"),
        ("<<foo 'bar>> x", "5:1 <<foo 'bar>> cannot be carried over"),
        ("x" * 6000, "4:1 the text has 6000 characters; 5000 are allowed. What is beyond is left out"),
        ("[[A]] <<goto 'B'>>", "5:1 nobody sees the link: the passage jumps on. It is left out"),
        ("[[A]] <<if $x>><<goto 'B'>><</if>>", "5:16 a jump stands beside links. It is left out"),
    ],
)
def test_what_sugarcube_has_and_a_story_has_not_is_told(text: str, words: str) -> None:
    assert words in "|".join(reports(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('(display: "A") [[B]]', '5:1 (display: "A") cannot be carried over. It is left out'),
        ("(click: ?x)[Text]", "5:1 (click: ?x) cannot be carried over. It is left out, and all within"),
        ("(text-style: 'bold')[Text]", "5:1 (text-style:) cannot be carried over. Its text is kept without it"),
        ("(if: $x)+(click: ?y)[[[A]]]", "5:10 (click: ?y) cannot be carried over. It is left out, and all within"),
        ("($custom: 1)", "5:1 ($custom: 1) cannot be carried over"),
        ("(print: $x", "5:1 '(print: $x' is not closed with ). It stays in the text"),
        ("(go-to: $x)", "5:1 '$x' names no passage"),
        ("(link-goto: $x, 'A')", "5:1 (link-goto: $x, 'A') is no link to a passage. It is left out"),
        ("(link: 'Look')[[[A]]]", "5:1 the link 'Look' leads to no passage. What it reveals is there at once"),
        ("(link-reveal-goto: $x)", "(link-reveal-goto: $x) is no link to a passage. It is left out"),
        ("(link: 'Go')[Text (go-to: 'A')]", "5:1 the link 'Go' does more than set and go. The rest is left out"),
        ("(print: $list's length, 'it''s') then (print: 'a)')", "5:1 (print: $list's length, 'it''s') cannot be"),
        ("(else:)[[[A]]]", "5:1 there is no (if:) that this belongs to. It is left out, and all within"),
        ("(put: 1 in $x)", "5:6 '1 in $x' is no assignment: 'value into $name'. It sets nothing"),
        ("(put: (a: 1) into $x)", "cannot be carried over. It sets nothing"),
        ("(set: $x to (dm: 1))", "(dm:) cannot be carried over. It sets nothing"),
        ("You have $gold.", "5:10 the text shows $gold"),
        ("<style>x</style>", "5:1 '<style>x</style>' is not shown in a video"),
        ("(if: $x)[Some words.]", "5:10 the text 'Some words.' depends on a condition"),
        ("(if: $x is)[[[A]]]", "it ends too early"),
        ("(unless: $x is)[[[A]]]", "it ends too early"),
    ],
)
def test_what_harlowe_has_and_a_story_has_not_is_told(text: str, words: str) -> None:
    assert words in "|".join(reports(text, HARLOWE))


def test_what_closes_a_macro_that_was_reported_is_not_told_again() -> None:
    assert reports("Hi <</foo>>there") == []
    assert len(reports("<<foo>>Hi")) == 1


def test_macros_that_are_added_up_end_with_the_last_that_is_one() -> None:
    assert prose("(text-style: 'bold')+(really) yes", HARLOWE) == "+(really) yes"


def test_a_macro_that_is_left_out_takes_its_links_with_it_and_one_that_reveals_does_not() -> None:
    assert [way for _, way in choices("<<widget 'x'>>[[A]]<</widget>> [[A]] [[B]]")] == ["A", "B"]
    assert [way for _, way in choices("<<timed 2s>>[[A]]<<next>>[[B]]<</timed>>")] == ["A", "B"]
    assert [way for _, way in choices("(click: ?x)[[[A]]] [[A]] [[B]]", HARLOWE)] == ["A", "B"]
    assert [way for _, way in choices("(link: 'Look')[[[A]]] (text-color: red)[[B]]", HARLOWE)] == ["A", "B"]


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (SUGARCUBE, "<<linkreplace 'Take the key'>><<set $key to true>>It is yours. [[A]]<</linkreplace>>"),
        (SUGARCUBE, "<<link 'Take the key'>><<set $key to true>>It is yours. [[A]]<</link>>"),
        (HARLOWE, "(link: 'Take the key')[(set: $key to true)It is yours. [[A]]]"),
    ],
)
def test_a_link_that_sets_something_and_stays_leads_back_to_its_passage(head: str, text: str) -> None:
    scene = scene_of(f"{head}:: Start\n{text}{OTHERS}")

    assert scene["text"] == "It is yours. A"
    assert scene["decision"]["choices"] == [
        {"id": "Start", "label": "Take the key", "to": "Start", "set": {"key": True}},
        {"id": "A", "label": "A", "to": "A"},
    ]


def test_branches_of_harlowe_are_those_of_one_if() -> None:
    text = f"{HARLOWE}:: Start\n(if: $x is 1)[[[A]]] (else-if: $x is 2)[[[B]]]\n(else:)[[[Start]]]{OTHERS}"

    assert scene_of(text)["next"] == [
        {"to": "A", "when": "state.x == 1"},
        {"to": "B", "when": "state.x == 2"},
        {"to": "Start"},
    ]
    assert scene_of(text.replace("(if:", "(unless:"))["next"][0] == {"to": "A", "when": "state.x != 1"}


def test_an_if_may_stand_before_a_link_or_a_hook_without_an_end() -> None:
    assert scene_of(f"{HARLOWE}:: Start\n(if: $x)[[A]](else:)[=[[B]]{OTHERS}")["next"] == [
        {"to": "A", "when": "state.x"},
        {"to": "B"},
    ]


def test_else_if_may_be_spelled_apart() -> None:
    text = f"{SUGARCUBE}:: Start\n<<if $x is 1>>[[A]]<<else if $x is 2>>[[B]]<<else>>[[Start]]<<endif>>{OTHERS}"

    assert [rule.get("when") for rule in scene_of(text)["next"]] == ["state.x == 1", "state.x == 2", None]


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (SUGARCUBE, "<<if $x>>" * 30 + "[[A]]" + "<</if>>" * 30 + "[[B]]"),
        (SUGARCUBE, "<<if $x>>" * 30 + "[[A]]"),
        (HARLOWE, "(if: $x)[" * 30 + "[[A]]" + "]" * 30 + "[[B]]"),
    ],
)
def test_what_is_nested_too_deep_is_left_out(head: str, text: str) -> None:
    made = imported(f"{head}:: Start\n{text}{OTHERS}")

    assert any("is nested more than 24 deep" in each.problem for each in made.findings)


def test_the_format_is_guessed_where_none_is_named() -> None:
    harlowe = f":: Start\n(if: $x)[[[A]]](else:)[[[B]]]{OTHERS}"
    sugarcube = f":: Start\n<<if $x>>[[A]]<<else>>[[B]]<</if>> (if: it is){OTHERS}"

    assert [rule["to"] for rule in scene_of(harlowe)["next"]] == ["A", "B"]
    assert [rule["to"] for rule in scene_of(sugarcube)["next"]] == ["A", "B"]


def test_of_a_format_that_is_not_known_text_and_links_are_read() -> None:
    snowman = HARLOWE.replace("Harlowe", "Snowman")
    chapbook = HARLOWE.replace("Harlowe", "Chapbook")
    text = "<% s.x = 1 %>Hello <b>you</b>. ${s.x}\n[[A]]\n<!-- no -->[[B]]<img>"

    assert prose(text, snowman) == "Hello you."
    assert reports(text, snowman) == [
        "1:1 the format Snowman is not known. Only its text and links are read",
        "5:1 '<% s.x = 1 %>' is code. It is left out",
        "5:32 '${s.x}' is code. It is left out",
        "7:17 <img> is not shown in a video. It is left out",
    ]
    assert prose("x: 1\n--\n[if x]\nHello\n[continue]\nyou", chapbook) == "Hello\n\nyou"
    assert [each.partition(" ")[0] for each in reports("x: 1\n--\n[if x]\nHello", chapbook)] == ["1:1", "5:1", "7:1"]


def test_special_passages_are_no_scenes() -> None:
    text = (
        ":: StoryCaption\nGold\n:: Code [script]\nx\n:: Look [stylesheet x]\ny\n:: Top [header]\nz\n"
        f":: Setup [startup]\n(set: $x to 3)\n:: Start\n(set: $x to 1){OTHERS}"
    )

    data = data_of(HARLOWE + text)
    assert list(data["scenes"]) == ["Start", "A", "B"]
    assert data["state"] == {"x": {"type": "int", "default": 3}}
    assert told(HARLOWE + text)[:4] == [
        "4:1 the passage is for the program, not the story. It is left out",
        "6:1 the passage is tagged script. It is left out",
        "8:1 the passage is tagged stylesheet. It is left out",
        "10:1 the passage is tagged header. It is left out",
    ]
