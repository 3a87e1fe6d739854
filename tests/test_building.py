"""The collector stands still while much is built, and goes on as it was."""

from __future__ import annotations

import gc

import pytest

from streamer.building import without_collections


def test_the_collector_stands_still_and_goes_on_even_after_an_error() -> None:
    seen: list[bool] = []

    def build() -> None:
        with without_collections():
            seen.append(gc.isenabled())
            raise ValueError("half built")

    with pytest.raises(ValueError, match="half built"):
        build()

    assert [*seen, gc.isenabled()] == [False, True]


def test_who_had_it_off_before_has_it_off_after() -> None:
    with without_collections():
        with without_collections():
            pass

        assert not gc.isenabled()
