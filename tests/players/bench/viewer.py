"""The viewer's phone: hears the server's countdown, as every second surface does, and chooses by it."""

from __future__ import annotations

import asyncio

from tests.e2e.client import Opened
from tests.players.bench.scenarios import Scenario

HAIR = 0.15  # s before the lock that a choice at the lock is sent: it takes a moment to come


class Viewer:
    """Chooses `b` so much before each join, or once in a hold; notes the locks told, and what was committed."""

    def __init__(self, session: Opened, scenario: Scenario) -> None:
        self._session = session
        self._scenario = scenario
        self._decision: dict[str, object] = {}
        self._choosing: asyncio.Task[None] | None = None
        self.locks: dict[int, float] = {}  # by visit: s on the timeline, as the server tells viewers

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
        scenario = self._scenario
        if scenario.choice_before is not None:
            wait = closes_in - (scenario.choice_before - scenario.plot.lead) - HAIR
        elif scenario.answer_after is not None and data.get("holding"):
            wait = scenario.answer_after
        else:
            return
        self._choosing = asyncio.create_task(self._choose(max(wait, 0)))

    async def _choose(self, wait: float) -> None:
        await asyncio.sleep(wait)
        decision = self._decision
        await self._session.choose(str(decision["decision"]), int(str(decision["visit"])), "b")

    def _stop(self) -> None:
        if self._choosing is not None:
            self._choosing.cancel()
            self._choosing = None
