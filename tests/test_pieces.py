"""A growing list in blocks is a list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.pieces import BLOCK, Pieces


@given(st.integers(0, 3 * BLOCK), st.integers(0, 3 * BLOCK), st.integers(0, 3 * BLOCK), st.integers(0, 2 * BLOCK))
def test_it_reads_as_a_list_and_a_copy_goes_its_own_way(size: int, start: int, stop: int, more: int) -> None:
    items = list(range(size))
    pieces = Pieces(items)

    copy = pieces.first(start)
    for item in range(more):
        copy.append(-item)
        pieces.append(item)

    assert [*pieces.between(0, size)] == items
    assert [*pieces.between(start, stop)] == [*items, *range(more)][start:stop]
    assert [*pieces] == [*items, *range(more)]
    assert len(pieces) == size + more
    if len(copy):
        last = copy[-1]
        copy.replace_last(-9)
        assert copy[-1] == -9
        copy.replace_last(last)
    assert [*pieces] == [*items, *range(more)]
    assert [copy[index] for index in range(len(copy))] == items[:start] + [-item for item in range(more)]
    assert not size + more or pieces[-1] == [*items, *range(more)][-1]
