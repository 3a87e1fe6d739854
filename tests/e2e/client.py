"""A viewer's second surface: opens sessions, listens to their events, chooses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import ClientSession, ClientTimeout


@dataclass(slots=True, kw_only=True)
class Opened:
    """A session as the API gave it, and what its events told."""

    http: ClientSession
    id: str
    playback_url: str
    control_url: str
    events_url: str
    token: str
    scenes: list[str] = field(default_factory=list)
    commits: list[tuple[str, str]] = field(default_factory=list)  # choice, by
    ending: str | None = None

    async def choose(self, decision: str, visit: int, choice: str) -> int:
        """Answers a decision; gives the status."""
        body = {"decision": decision, "visit": visit, "choice": choice, "answer_id": uuid4().hex}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(self.control_url, json=body, headers=headers) as response:
            return response.status

    async def listen(self) -> AsyncIterator[tuple[str, dict[str, object]]]:
        """Gives the session's events, names and data, until it ends."""
        async with self.http.get(self.events_url, timeout=ClientTimeout(total=None)) as response:
            assert response.status == 200
            name = ""
            async for raw in response.content:
                line = raw.decode().strip()
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    async def follow(self, plan: Sequence[Sequence[str]]) -> None:
        """Answers each decision as its window opens: each with the choices planned for it, the last of them counts."""
        answers = list(plan)
        async for name, data in self.listen():
            match name:
                case "scene":
                    self.scenes.append(str(data["scene"]))
                case "decision":
                    for choice in answers.pop(0) if answers else ():
                        status = await self.choose(str(data["decision"]), int(str(data["visit"])), choice)
                        assert status == 200
                case "committed":
                    self.commits.append((str(data["choice"]), str(data["by"])))
                case "ended":
                    self.ending = str(data["ending"])
                    return
                case _:
                    pass


async def open_session(
    http: ClientSession, url: str, story: str = "sample", *, profile: dict[str, object] | None = None
) -> Opened:
    """Opens a session through the API."""
    asked = {"story": story, "profile": profile or {}}
    async with http.post(f"{url}/api/v1/sessions", json=asked) as response:
        assert response.status == 201, await response.text()
        body = await response.json()
    return Opened(
        http=http,
        id=body["id"],
        playback_url=body["playback_url"],
        control_url=body["control_url"],
        events_url=body["events_url"],
        token=body["token"],
    )


async def wait_for(task: asyncio.Task[None], seconds: float) -> None:
    """Waits for a task, but not for ever."""
    async with asyncio.timeout(seconds):
        await task
