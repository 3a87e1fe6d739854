"""Every player, with both ways of addressing media: three joins chosen at the lock, 4 s before each.

Those that know Partial Segments play them too, chosen 1 s before each join.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.players.bench import browser, native
from tests.players.bench.run import ADDRESSINGS, PLAYERS, Cell, Result, run_all
from tests.players.bench.scenarios import in_parts, joins

pytestmark = [pytest.mark.players, pytest.mark.timeout(600)]

AT_ONCE = 4
STALL_MS = {"browser": 50, "native": 150, "vlc": 800}  # VLC waits at nearly every segment: docs/players.md
HEARD = ("hls.js", "hls.js lowLatencyMode false", "shaka")  # who hand timed ID3 to apps, and how is known here
FRAME_GAP_MS = 60  # 1.5 frames
PARTS = {
    (player, "in parts"): Cell(player=player, addressing="requests", scenario=in_parts(1.0))
    for player in ("hls.js", "shaka", "video.js")
}
CELLS = {
    (player, addressing): Cell(player=player, addressing=addressing, scenario=joins(4.0, count=3))
    for player in PLAYERS
    for addressing in ADDRESSINGS
} | PARTS
IDS = [f"{player}, {how}" for player, how in CELLS]


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], Result]:
    return {}


def hears(result: Result) -> bool:
    """Tells whether an app was told of each decision as its window opens."""
    plot = CELLS[_place(result)].scenario.plot
    opens = [join + plot.opens for join in plot.joins_at]
    told = result["metadata"]
    return len(told) == len(opens) and all(
        abs(at - wanted) < 0.1 and json.loads(value)["decision"] in ("way-a", "way-b")
        for (at, value), wanted in zip(told, opens, strict=True)
    )


def wrong(result: Result) -> Sequence[str]:
    """Gives what a run missed."""
    player = result["player"]
    most = STALL_MS.get(player, STALL_MS["browser" if player in browser.PLAYERS else "native"])
    return [
        words
        for words, is_right in {
            "it started elsewhere": result["started_with_first_segment"] and (result["started_at_s"] or 0) <= 0.1,
            "nothing was seen of it": result["stall_ms"] is not None,
            "a join was seen": (result["stall_ms"] or 0) <= most,
            "a frame was missing": (result["frame_gap_ms"] or 0) <= FRAME_GAP_MS,
            "media were skipped": result["skipped_s"] == 0,
            "a choice did not count": result["counted"] == result["wanted"] == 3,
            "it did not end": result["ended"],
            "timed metadata were not heard": result["player"] not in HEARD or hears(result),
            "there was an error": result["errors"] == [],
        }.items()
        if not is_right
    ]


def _place(result: Result) -> tuple[str, str]:
    return result["player"], result["scenario"] if result["scenario"] == "in parts" else result["addressing"]


@pytest.mark.parametrize("cell", list(CELLS.values()), ids=IDS)
async def test_nobody_sees_a_join(cell: Cell, results: dict[tuple[str, str], Result]) -> None:
    if cell.player in browser.PLAYERS and browser.CHROMIUM is None:
        pytest.skip("NOT TESTED: no Chromium is installed; run make players as root, or apt-get install chromium")
    if cell.player in native.PLAYERS and not native.is_installed(cell.player):
        pytest.skip(f"NOT TESTED: {cell.player} is not installed; run make players as root, or install it")
    if not results:  # all are run side by side, once
        runnable = [
            each
            for each in CELLS.values()
            if (each.player in browser.PLAYERS and browser.CHROMIUM is not None)
            or (each.player in native.PLAYERS and native.is_installed(each.player))
        ]
        for found in await run_all(runnable, AT_ONCE):
            results[_place(found)] = found
    result = results[next(place for place, each in CELLS.items() if each is cell)]
    if wrong(result):  # the others may have been in its way: once more, alone
        (result,) = await run_all([cell], 1)
    assert wrong(result) == [], result
