"""What is played: stories, networks, choices, pauses and faults, as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.players.bench.proxy import Network
from tests.players.bench.stories import INTRO, MEDIA_BITS_PER_SECOND, SCENE, Plot

OPEN = Network()
SLOW = Network(name="RTT 150 ms, 1.5 times the media rate", rtt_ms=150, bits_per_second=MEDIA_BITS_PER_SECOND * 3 // 2)
LEADS = (8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5)
FIRST_JOIN = INTRO + SCENE
PAUSE = 60.0  # s
SLACK = 25.0  # s that a run may take longer than its media,
SLOWEST = 1.75  # and how many times as long on a slow link


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A viewer's pause."""

    at: float  # s of media
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run's plan. The viewer chooses `b`, which is never the default, so much before each join."""

    name: str
    plot: Plot
    choice_before: float | None  # s before each join; None: nothing is chosen
    network: Network = OPEN
    pauses: tuple[Pause, ...] = ()
    beacon: bool = False  # the page tells where it is
    changes_at: tuple[float, ...] = ()  # s of media: the player is told to take another quality
    answer_after: float | None = None  # s of hold: one answer
    fails: Callable[[], Callable[[str], int | None]] = lambda: lambda path: None

    @property
    def seconds(self) -> float:
        """Gives how long it takes, about."""
        waits = sum(pause.seconds for pause in self.pauses)
        return self.plot.seconds + waits + (self.answer_after or 0)

    @property
    def limit(self) -> float:
        """Gives how long a run may take, in seconds: ffmpeg needs 1.45 times the media's length on the slow link."""
        return self.seconds * (SLOWEST if self.network.bits_per_second else 1) + SLACK


def once(pattern: str, status: int, number: int = 1) -> Callable[[], Callable[[str], int | None]]:
    """Gives what fails the request whose path matches, the `number`-th time, and no other."""

    def begin() -> Callable[[str], int | None]:
        seen = 0

        def fails(path: str) -> int | None:
            nonlocal seen
            seen += re.search(pattern, path) is not None
            if seen == number and re.search(pattern, path):
                seen += 1
                return status
            return None

        return fails

    return begin


def joins(lead: float, network: Network = OPEN, count: int = 8) -> Scenario:
    """Gives joins in a row, each chosen so long before it; below 4 s the story's lock is as late (contract 22)."""
    plot = Plot(lead=min(lead, 4.0), joins=count)
    return Scenario(name=f"{count} joins", plot=plot, choice_before=lead, network=network)


def in_parts(lead: float) -> Scenario:
    """Gives three joins of a story that is listed in Partial Segments."""
    return Scenario(name="in parts", plot=Plot(lead=lead, joins=3, parts=True), choice_before=lead)


def all_scenarios(count: int = 8) -> tuple[Scenario, ...]:
    """Gives the whole table, the most telling first."""
    short = Plot(lead=4, joins=2)
    picture_after_lock = rf"/v\d\.m3u8.*_HLS_msn={int(FIRST_JOIN // 2)}|/v\d\.m3u8$"
    pauses = [
        Scenario(
            name=f"60 s pause {when} the window{' with a beacon' if beacon else ''}",
            plot=short,
            choice_before=4.5,
            pauses=(Pause(at=at, seconds=PAUSE),),
            beacon=beacon,
        )
        for beacon in (True, False)
        for when, at in (("before", 4.0), ("within", FIRST_JOIN - 7), ("after", FIRST_JOIN - 2))
    ]
    return (
        *(joins(lead, count=count) for lead in LEADS),
        joins(4.0, SLOW, count),
        Scenario(
            name="60 s hold by loop",
            plot=Plot(lead=4, joins=1, hold=80),
            choice_before=None,
            answer_after=60.0,
        ),
        *pauses,
        in_parts(1.0),
        Scenario(
            name="rung switch at the join", plot=short, choice_before=4, changes_at=(FIRST_JOIN - 5, FIRST_JOIN - 1)
        ),
        Scenario(name="one failed segment", plot=short, choice_before=4, fails=once(r"-v\d-2-", 503, 2)),
        Scenario(name="one 503 playlist", plot=short, choice_before=4, fails=once(picture_after_lock, 503, 6)),
    )
