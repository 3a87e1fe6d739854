"""Ten thousand decisions on random networks: does branching make anybody stall, and do our lists trip any player?

    python -m tests.simulated.decisions [--decisions 10000]

A stall is caused by branching where it is there and not in the same trace with every choice made as its window opens
(same player, network, pauses). Writes build/simulated.json.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from streamer.session.pacing import Policy
from streamer.session.timeline import Stage
from tests.builders import staged
from tests.serving import ROOT
from tests.simulated.player import ALL, Link, Player, Rules
from tests.simulated.server import Server

DECISIONS = 10  # of one viewing
RATES = (1.2, 1.5, 3.0, 10.0)
NEAR_S = 4.0  # stalls further apart are different ones
COUNTED_MS = 50  # shorter standstills are not seen
STORY = "\n".join(
    ["open 12.52 -> s0", *(f"s{n} {length} -> s{n + 1} | t{n + 1}" for n, length in enumerate(("12.52", "21.04") * 5))]
    + [f"t{n} {length} -> s{n + 1} | t{n + 1}" for n, length in enumerate(("10.96", "16.2") * 5) if n]
    + ["s10 8 .", "t10 7.36 ."]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What chance decides of one viewing."""

    rules: Rules
    link: Link
    seen: bool  # segment requests
    beacon: bool
    pauses: tuple[tuple[float, int], ...]
    answers: tuple[float | None, ...]  # of the window, 0 to 1; None: no answer


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of it."""

    stalls: list[tuple[float, int]]
    errors: list[str]
    in_time: int = 0
    lost: int = 0  # answers that were in time, and another choice taken
    silence_ms: int = 0
    position: float = 0.0
    choices: list[str] = field(default_factory=list)


def traces(count: int, seed: int = 7) -> Iterator[Trace]:
    """Gives random viewings."""
    chance = random.Random(seed)
    for number in range(count):
        rules = ALL[number % len(ALL)]
        paused = chance.random() < 0.3
        yield Trace(
            rules=rules,
            link=Link(
                rtt_ms=chance.uniform(20, 150),
                rate=RATES[number // len(ALL) % len(RATES)],
                seed=number,
            ),
            seen=chance.random() < 0.5,
            beacon=paused and chance.random() < 0.7,
            pauses=((chance.uniform(8, 90), chance.choice((3_000, 30_000, 90_000))),) if paused else (),
            answers=tuple(None if chance.random() < 0.2 else chance.uniform(0, 1.02) for _ in range(DECISIONS)),
        )


def viewed(trace: Trace, *, early: bool = False) -> Outcome:
    """Simulates one viewing; `early`: every choice comes as its window opens."""
    server = Server(_stage(), Policy(requests_seen=trace.seen))
    asked: dict[int, str | None] = {}
    chance = random.Random(trace.link.seed)
    planned: dict[int, float] = {}

    def look(now_ms: int, position: float) -> None:
        if trace.beacon and now_ms % 5000 < 500 and player.playing:
            server.told(now_ms, position, paused=False)
        window = server.window(now_ms)
        if window is None:
            return
        visit, opens_s, locks_s = window
        if visit in asked or opens_s > 0:
            return
        index = len(asked)
        share = trace.answers[index % len(trace.answers)]
        if share is None:
            asked[visit] = None
            return
        share = 0.0 if early else share
        planned.setdefault(visit, now_ms / 1000 + share * max(locks_s, 0))
        if now_ms / 1000 >= planned[visit]:
            choice = chance.randrange(2)
            placed = server.timeline.open
            assert placed is not None
            asked[visit] = placed.choices[choice].id if server.choose(now_ms, choice) else None

    def paused(now_ms: int, position: float, yes: bool) -> None:
        if trace.beacon:
            server.told(now_ms, position, paused=yes)

    player = Player(
        rules=trace.rules, link=trace.link, server=server, on_place=look, on_pause=paused, pauses=list(trace.pauses)
    )
    player.watch(900)
    commits = {commit.visit: commit.choice for commit in server.timeline.commits}
    return Outcome(
        stalls=[stall for stall in player.stalls if stall[1] >= COUNTED_MS],
        errors=player.errors,
        in_time=sum(choice is not None for choice in asked.values()),
        lost=sum(choice is not None and commits.get(visit) not in (None, choice) for visit, choice in asked.items()),
        silence_ms=player.silence_ms,
        position=player.position,
        choices=[choice for choice in commits.values() if choice is not None],
    )


def caused_ms(late: Outcome, early: Outcome) -> list[int]:
    """Gives the stalls that are there with late choices and not with early ones."""
    found = []
    for at, length in late.stalls:
        if not any(abs(at - other) <= NEAR_S for other, _ in early.stalls):
            found.append(length)
    return found


def run(decisions: int) -> dict[str, object]:
    """Simulates so many decisions and gives the figures."""
    made = 0
    per_rate: dict[float, list[int]] = {rate: [] for rate in RATES}
    errors: list[str] = []
    lost, silence = 0, {rules.name: 0 for rules in ALL}
    for trace in traces(10**9):
        if made >= decisions:
            break
        late, early = viewed(trace), viewed(trace, early=True)
        made += len(late.choices)
        caused = caused_ms(late, early)
        per_rate[trace.link.rate] += [*caused, *([0] * (len(late.choices) - len(caused)))]
        errors += [f"{trace.rules.name} at {trace.link.rate}: {error}" for error in late.errors]
        lost += late.lost
        silence[trace.rules.name] = max(silence[trace.rules.name], late.silence_ms)
    return {
        "decisions": made,
        "stalls_caused_by_branching": {str(rate): sum(ms > 0 for ms in found) for rate, found in per_rate.items()},
        "p99.9_ms": {str(rate): _quantile(found, 0.999) for rate, found in per_rate.items()},
        "answers_in_time_but_lost": lost,
        "longest_silence_ms": silence,
        "errors": errors[:20],
        "error_count": len(errors),
    }


def _quantile(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0


@cache
def _stage() -> Stage:
    return staged(STORY)


def main() -> int:
    """Runs and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=10_000)
    found = run(parser.parse_args().decisions)
    target = ROOT / "build" / "simulated.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
