"""Texts fit where they are drawn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.drawing.text import broken, shortened, width_of


@given(st.text(max_size=60), st.integers(min_value=20, max_value=200))
def test_a_shortened_text_is_never_wider_than_asked(text: str, width: int) -> None:
    found = shortened(text, 11, width)

    assert width_of(found, 11) <= width
    assert found == text or found.endswith("…")


@given(st.text(max_size=120), st.integers(min_value=20, max_value=200))
def test_lines_are_never_wider_or_more_than_asked(text: str, width: int) -> None:
    lines = broken(text, 11, width, 2)

    assert len(lines) <= 2
    assert all(width_of(line, 11) <= width for line in lines)


def test_a_text_is_broken_between_words_and_its_rest_cut_off() -> None:
    lines = broken("Do you tell them what you saw in the archive", 11, 100, 2)

    assert lines == ("Do you tell them", "what you saw i…")


def test_wide_scripts_count_as_wide_and_marks_upon_letters_not_at_all() -> None:
    assert width_of("駅", 10) > 2 * width_of("i", 10)
    assert width_of("é", 10) == width_of("e\u0301", 10)
