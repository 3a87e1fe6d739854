"""Stories served over real sockets by a clock that tests move, and viewers who watch them as players do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streamer.config import Settings
from streamer.web.app import make_app
from tests.manual import ManualClock, publish
from tests.readers import Read, read_media

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def served(root: Path, clock: ManualClock, **sections: object) -> AsyncIterator[Client]:
    """Serves a library; `sections` are settings."""
    settings = {"library": {"path": root}, "state": {"path": root / "state"}, **sections}
    async with TestClient(TestServer(await make_app(Settings.model_validate(settings), clock))) as client:
        yield client


@asynccontextmanager
async def serving_story(root: Path, lengths: str, text: str, **sections: object) -> AsyncIterator[Client]:
    """Publishes a story with made-up media and serves it by a clock of its own."""
    publish(root, lengths, text)
    async with served(root, ManualClock(), **sections) as client:
        yield client


def path_of(url: str) -> str:
    """Gives the path of an address of this server."""
    return "/" + url.split("/", 3)[3]


@dataclass(slots=True, kw_only=True)
class Viewer:
    """One who opened a session by the API and plays it."""

    client: Client
    clock: ManualClock
    opened: dict[str, Any]
    run: int = 1
    fetched: set[str] = field(default_factory=set)

    @classmethod
    async def open(cls, client: Client, clock: ManualClock, **body: object) -> Viewer:
        """Opens a session."""
        headers = {"Accept-Language": str(body.pop("reads"))} if "reads" in body else {}
        async with client.post("/api/v1/sessions", json={"story": "test", **body}, headers=headers) as response:
            assert response.status == 201, await response.text()
            return cls(client=client, clock=clock, opened=await response.json())

    @property
    def id(self) -> str:
        """Gives the session's id."""
        return str(self.opened["id"])

    async def text(self, rendition: str = "v0") -> str:
        """Gives a Media Playlist."""
        async with self.client.get(f"/s/{self.id}/{self.run}/{rendition}.m3u8") as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def poll(self) -> Read:
        """Asks for the list, and for every segment of it that was not asked for before."""
        read = read_media(await self.text())
        for uri in read.uris:
            if uri not in self.fetched:
                self.fetched.add(uri)
                async with self.client.get(f"/s/{self.id}/{self.run}/{uri}"):
                    pass
        return read

    async def watch(self, seconds: float) -> Read:
        """Plays on for so long, polling each second."""
        read = await self.poll()
        for _ in range(round(seconds)):
            self.clock.forward(1)
            read = await self.poll()
        return read

    async def state(self) -> dict[str, Any]:
        """Asks how things stand."""
        async with self.client.get(f"/api/v1/sessions/{self.id}") as response:
            assert response.status == 200, await response.text()
            found: dict[str, Any] = await response.json()
            return found

    async def post(self, what: str, *, token: str | None = None, **body: object) -> tuple[int, dict[str, Any]]:
        """Says something with the control token, or another."""
        auth = {"Authorization": f"Bearer {self.opened['token'] if token is None else token}"}
        async with self.client.post(f"/api/v1/sessions/{self.id}/{what}", json=body, headers=auth) as response:
            return response.status, await response.json()

    async def choose(self, decision: str, visit: int = 1, **body: Any) -> dict[str, Any]:
        """Answers a decision, which must be taken."""
        body = {"answer_id": f"{decision}.{visit}", **body}
        status, taken = await self.post("choices", decision=decision, visit=visit, **body)
        assert status == 200, taken
        return taken

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """Opens the stream of events."""
        async with self.client.get(f"/api/v1/sessions/{self.id}/events") as response:
            assert response.status == 200
            yield Listener(content=response.content)

    async def hear(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Gives the events from how things stand to the first of a kind."""
        async with self.listening() as heard:
            return await heard.until(kind)


@dataclass(slots=True, kw_only=True)
class Listener:
    """A stream of server-sent events."""

    content: Any  # a StreamReader

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Waits for the next event."""
        kind = ""
        while True:
            line = (await self.content.readline()).decode().strip()
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))

    async def until(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Gives the events up to the first of a kind."""
        found = [await self.next()]
        while found[-1][0] != kind:
            found.append(await self.next())
        return found
