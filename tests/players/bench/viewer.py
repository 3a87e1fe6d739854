"""The viewer's phone: hears the server's countdown, as every second surface does, and chooses by it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.e2e.client import Opened
from tests.players.bench.scenarios import Scenario

HAIR = 0.15  # s before the lock that a choice at the lock is sent: it takes a moment to come


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One choice as the viewer made it: how long before the lock they were told of it was sent and answered, in s."""

    visit: int
    sent: float
    answered: float
    status: int  # 200: it counts


class Viewer:
    """Chooses `b` so much before each join, or once in a hold; notes the locks told, and what came of each choice."""

    def __init__(self, session: Opened, scenario: Scenario) -> None:
        self._session = session
        self._scenario = scenario
        self._decision: dict[str, object] = {}
        self._choosing: asyncio.Task[None] | None = None
        self.locks: dict[int, float] = {}  # by visit: s on the timeline, as the server tells viewers
        self.choices: list[Choice] = []

    async def follow(self) -> None:
        """Listens until the story ends."""
        async for name, data in self._session.listen():
            match name:
                case "decision":
                    self._decision = data
                    self.locks[int(str(data["visit"]))] = float(str(data["locks"]))
                    self._plan(data)
                case "clock":
                    self._plan({**self._decision, **data})
                case "committed":
                    self._session.commits.append((str(data["choice"]), str(data["by"])))
                case _:
                    pass
        self._stop()

    def _plan(self, data: dict[str, object]) -> None:
        self._stop()
        if not data.get("running"):
            return
        closes_in = float(str(data["closes_in_ms"])) / 1000
        closes_at = time.monotonic() + closes_in
        scenario = self._scenario
        if scenario.choice_before is not None:
            wait = closes_in - (scenario.choice_before - scenario.plot.lead) - HAIR
        elif scenario.answer_after is not None and data.get("holding"):
            wait = scenario.answer_after
        else:
            return
        self._choosing = asyncio.create_task(self._choose(max(wait, 0), closes_at))

    async def _choose(self, wait: float, closes_at: float) -> None:
        await asyncio.sleep(wait)
        decision, visit = str(self._decision["decision"]), int(str(self._decision["visit"]))
        sent = time.monotonic()
        status = await self._session.choose(decision, visit, "b")
        answered = closes_at - time.monotonic()
        self.choices.append(Choice(visit=visit, sent=closes_at - sent, answered=answered, status=status))

    def _stop(self) -> None:
        if self._choosing is not None:
            self._choosing.cancel()
            self._choosing = None
