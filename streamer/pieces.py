"""A list that only grows, in blocks: a copy of its beginning shares all full ones, and costs the same however long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

BLOCK = 64

Item = TypeVar("Item")


class Pieces(Generic[Item]):
    """Items in order."""

    __slots__ = ("_full", "_rest")

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._full: list[list[Item]] = []  # blocks
        self._rest: list[Item] = []  # fewer than a block
        for item in items:
            self.append(item)

    def __len__(self) -> int:
        """Gives how many items there are."""
        return len(self._full) * BLOCK + len(self._rest)

    def __getitem__(self, index: int) -> Item:
        """Gives the item at an index, from the end if that is negative."""
        block, place = divmod(index if index >= 0 else len(self) + index, BLOCK)
        return self._full[block][place] if block < len(self._full) else self._rest[place]

    def __iter__(self) -> Iterator[Item]:
        """Gives the items in order."""
        return self.between(0, len(self))

    def append(self, item: Item) -> None:
        """Adds an item."""
        self._rest.append(item)
        if len(self._rest) == BLOCK:
            self._full.append(self._rest)
            self._rest = []

    def replace_last(self, item: Item) -> None:
        """Puts another item in the place of the last."""
        self._rest = self._rest or [*self._full.pop()]
        self._rest.pop()
        self.append(item)

    def between(self, start: int, stop: int) -> Iterator[Item]:
        """Gives the items from `start` on and before `stop`."""
        block, place = divmod(min(start, len(self)), BLOCK)
        found = chain.from_iterable((*self._full[block:], self._rest))
        return islice(found, place, place + max(stop - start, 0))

    def first(self, count: int) -> Pieces[Item]:
        """Gives a list of its own that begins with the first `count` items."""
        copy: Pieces[Item] = Pieces()
        block, place = divmod(min(count, len(self)), BLOCK)
        copy._full = self._full[:block]
        copy._rest = (self._full[block] if block < len(self._full) else self._rest)[:place]
        return copy
