"""Names of segments: they verify, and nothing else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.media.names import InitName, Namer, SegmentName
from streamer.units import Ticks

NAMER = Namer(b"key")
names = st.builds(
    SegmentName,
    clip=st.text("0123456789abcdef", min_size=24, max_size=24),
    rendition=st.text("abv0123", min_size=1, max_size=8),
    number=st.integers(0, 999_999),
    offset=st.integers(0, 2**62).map(Ticks),
    frames=st.integers(0, 9999),
    mark=st.sampled_from(("", "0123456789ab", "ffffffffffff")),
    part=st.none() | st.integers(0, 99),
)


@given(names)
def test_a_name_is_read_as_it_was_spelled(name: SegmentName) -> None:
    assert NAMER.read(NAMER.segment(name)) == name


@given(names, st.integers(0, 200), st.characters())
def test_a_name_with_one_character_changed_is_nobody_s(name: SegmentName, index: int, mark: str) -> None:
    spelled = NAMER.segment(name)
    index %= len(spelled)
    altered = spelled[:index] + mark + spelled[index + 1 :]

    assert (NAMER.read(altered) is None) == (altered != spelled)


@given(st.text(max_size=120))
def test_no_text_crashes_the_reader(text: str) -> None:
    assert NAMER.read(text) is None


def test_an_initialization_section_has_a_name_too() -> None:
    assert NAMER.read(NAMER.init("ab" * 12)) == InitName(init="ab" * 12)
    assert Namer(b"other").read(NAMER.init("ab" * 12)) is None


def test_a_sealed_name_of_another_form_is_refused() -> None:
    stem = "hello"
    assert NAMER.read(f"{stem}-{NAMER._seal(stem)}.m4s") is None
