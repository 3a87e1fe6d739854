"""Runs cells of the table and keeps their results; `python -m tests.players.bench.run --help` says how by hand."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import Browser

from tests.e2e.client import Opened, open_session
from tests.players.bench import browser, native
from tests.players.bench.measure import Watched, frame_gap_ms, skipped_s, stall_ms
from tests.players.bench.proxy import Proxy, proxied
from tests.players.bench.scenarios import Scenario, all_scenarios
from tests.players.bench.stories import packaged
from tests.players.bench.viewer import Viewer
from tests.serving import ROOT, Server, starter

FOLDER = ROOT / "build" / "players"
RESULTS = ROOT / "build" / "players.json"
PLAYERS = (*browser.PLAYERS, *native.PLAYERS)
ADDRESSINGS = ("requests", "cdn")
OPTIONS: dict[str, tuple[str, ...]] = {"requests": (), "cdn": ("--media-base", "../../../m/")}

Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place in the table."""

    player: str
    addressing: str
    scenario: Scenario

    @property
    def key(self) -> tuple[str, ...]:
        """Gives what tells it from all others."""
        scenario = self.scenario
        return (self.player, self.addressing, scenario.name, str(scenario.choice_before), scenario.network.name)


def can_play(player: str, scenario: Scenario) -> bool:
    """Tells whether a player is there and can be told to do what a scenario does."""
    if scenario.changes_at and player not in browser.SWITCHED:
        return False
    if player in browser.PLAYERS:
        return True
    if scenario.pauses and (scenario.beacon or not native.can_pause(player)):
        return False
    return native.is_installed(player)


class Bench:
    """Servers for both addressings and a browser, ready to run cells."""

    def __init__(self, servers: dict[str, Server], stage: tuple[Browser, str] | None, http: ClientSession) -> None:
        self._servers = servers
        self._stage = stage
        self._http = http
        self._commit = _commit()

    async def run(self, cell: Cell) -> Result:
        """Runs one cell once."""
        scenario, server = cell.scenario, self._servers[cell.addressing]
        session = await open_session(self._http, server.url, scenario.plot.id)
        viewer = Viewer(session, scenario)
        following = asyncio.create_task(viewer.follow())
        async with proxied(server.url, scenario.network, scenario.fails()) as proxy:
            url = session.playback_url.replace(server.url, proxy.url)
            if cell.player in browser.PLAYERS:
                assert self._stage is not None
                watched = await browser.watch(*self._stage, cell.player, url=url, session=session, scenario=scenario)
            else:
                watched = await native.watch(cell.player, url=url, scenario=scenario)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        result = self._figures(cell, watched, session, proxy)
        if scenario.answer_after is None:
            leads = [join - lock for join, lock in zip(scenario.plot.joins_at, viewer.locks.values(), strict=False)]
            result["lock_before_join_s"] = round(max(leads, default=0), 2)
        result["refused"] = sum(choice.status != 200 for choice in viewer.choices)
        log = FOLDER / "logs" / ("-".join(cell.key).replace(" ", "_").replace("/", "_") + ".json")
        log.parent.mkdir(parents=True, exist_ok=True)
        seen = [[round(each.at, 3), round(each.took, 3), each.status, each.size, each.path[-60:]] for each in proxy.log]
        chosen = [[each.visit, round(each.sent, 3), round(each.answered, 3), each.status] for each in viewer.choices]
        kept = {"result": result, "requests": seen, "choices": chosen, "samples": watched.samples}
        log.write_text(json.dumps(kept), "utf-8")
        return result

    def _figures(self, cell: Cell, watched: Watched, session: Opened, proxy: Proxy) -> Result:
        scenario = cell.scenario
        joins = scenario.plot.joins_at
        first = next((seen.path for seen in proxy.log if ".m4s" in seen.path and seen.status < 400), "")
        held = scenario.answer_after is not None
        chosen = sum(by == "viewer" for _, by in session.commits)
        wanted = scenario.plot.joins if scenario.choice_before or held else 0
        return {
            "player": cell.player,
            "version": watched.version,
            "addressing": cell.addressing,
            "scenario": scenario.name,
            "network": scenario.network.name,
            "choice_before_join_s": scenario.choice_before,
            "joins": scenario.plot.joins,
            "stall_ms": stall_ms(watched, None if held else joins),
            "stall_anywhere_ms": stall_ms(watched, None),
            "frame_gap_ms": frame_gap_ms(watched, joins),
            "counted": chosen,
            "wanted": wanted,
            "started_at_s": round(watched.samples[0][1], 2) if watched.samples else None,
            "started_with_first_segment": "-0-0-" in first,
            "skipped_s": skipped_s(watched),
            "ended": watched.ended,
            "metadata": sorted(set(map(tuple, watched.metadata))),
            "errors": watched.errors,
            "resolution_ms": watched.resolution_ms,
            "date": datetime.now(UTC).date().isoformat(),
            "commit": self._commit,
        }


@asynccontextmanager
async def bench(cells: Sequence[Cell]) -> AsyncIterator[Bench]:
    """Makes ready what the cells need."""
    plots = list({cell.scenario.plot.id: cell.scenario.plot for cell in cells}.values())
    library = await packaged(plots, FOLDER)
    start = starter(FOLDER)
    async with (
        start(library, *OPTIONS["requests"], state=FOLDER / "state-requests") as requests,
        start(library, *OPTIONS["cdn"], state=FOLDER / "state-cdn") as cdn,
        ClientSession() as http,
    ):
        servers = {"requests": requests, "cdn": cdn}
        if any(cell.player in browser.PLAYERS for cell in cells):
            async with browser.stage() as stage:
                yield Bench(servers, stage, http)
        else:
            yield Bench(servers, None, http)


async def run_all(cells: Sequence[Cell], at_once: int) -> list[Result]:
    """Runs cells, some at once, and gives their results in order; each is kept as it comes."""
    free = asyncio.Semaphore(at_once)
    async with bench(cells) as ready:

        async def one(cell: Cell) -> Result:
            async with free:
                result = await ready.run(cell)
            keep(result)
            print(told(result), flush=True)
            return result

        return await asyncio.gather(*(one(cell) for cell in cells))


def keep(result: Result) -> None:
    """Adds a result to build/players.json."""
    found = [*results(), result]
    RESULTS.parent.mkdir(exist_ok=True)
    draft = RESULTS.with_suffix(".new")
    draft.write_text("[\n" + ",\n".join(json.dumps(each) for each in found) + "\n]\n", "utf-8")
    draft.replace(RESULTS)


def results() -> list[Result]:
    """Gives what is kept."""
    found: list[Result] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    return found


def told(result: Result) -> str:
    """Gives a result in a line."""
    lead = "-" if result["choice_before_join_s"] is None else f"{result['choice_before_join_s']:g} s"
    words = [] if result["ended"] else ["NOT ENDED"]
    words += [f"SKIPPED {result['skipped_s']} s"] if result["skipped_s"] else []
    words += result["errors"]
    return (
        f"{result['player']:27} {result['addressing']:8} {result['scenario']:34} {lead:>6}"
        f"  stall {result['stall_ms']} ms"
        f" ({result['stall_anywhere_ms']} anywhere)  frame gap {result['frame_gap_ms']} ms"
        f"  lock {result.get('lock_before_join_s', '-')} s"
        f"  counted {result['counted']}/{result['wanted']}  {' '.join(words)}"
    )


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is asked for and not there yet; then writes the table of docs/players.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--player", action="append", choices=PLAYERS, help="only this one; may stand more than once")
    parser.add_argument("--addressing", action="append", choices=ADDRESSINGS)
    parser.add_argument("--scenario", action="append", help="only scenarios whose name holds this")
    parser.add_argument("--lead", action="append", type=float, help="only choices so many seconds before the join")
    parser.add_argument("--joins", type=int, default=8, help="joins in a row, where joins are what is tried")
    parser.add_argument("--network", action="append", choices=("open", "slow"))
    parser.add_argument("--runs", type=int, default=1, help="runs a cell")
    parser.add_argument("--at-once", type=int, default=1, help="cells at once; more disturb one another")
    parser.add_argument("--table", action="store_true", help="only write the table")
    asked = parser.parse_args(arguments)
    if not asked.table:
        cells = [
            Cell(player=player, addressing=addressing, scenario=scenario)
            for scenario in all_scenarios(asked.joins)
            for player in asked.player or PLAYERS
            for addressing in asked.addressing or ADDRESSINGS
            if not asked.scenario or any(word in scenario.name for word in asked.scenario)
            if not asked.network or ("open" if scenario.network.name == "open" else "slow") in asked.network
            if not asked.lead or scenario.choice_before in asked.lead
            if can_play(player, scenario)
        ]
        commit, known = _commit(), results()
        done = [_key(result) for result in known if result["commit"] == commit]
        todo = [cell for cell in cells for _ in range(asked.runs - done.count(cell.key))]
        print(f"{len(todo)} of {len(cells) * asked.runs} runs to do", flush=True)
        if todo:
            asyncio.run(run_all(todo, asked.at_once))
    from tests.players.bench.table import write_table

    write_table(results())
    return 0


def _key(result: Result) -> tuple[str, ...]:
    return (
        result["player"],
        result["addressing"],
        result["scenario"],
        str(result["choice_before_join_s"]),
        result["network"],
    )


if __name__ == "__main__":
    sys.exit(main())
