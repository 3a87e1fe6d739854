"""Inputs that a system of the operator's own knows of a viewer, asked for as a session opens (`source: crm`)."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import msgspec
import structlog

from streamer.config import LookupSettings
from streamer.story.model import Value

log = structlog.get_logger("branchline.lookup")
MAX_ANSWER_BYTES = 65536


class LookingUp:
    """Asks an address: POST {"story", "viewer", "profile"}; the answer is an object of inputs by name."""

    def __init__(self, settings: LookupSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, story: str, viewer: str, profile: Mapping[str, Value]) -> Mapping[str, object]:
        """Gives what is known of a viewer; nothing where nobody answers in time: the story plays all the same."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds),
                headers={"Authorization": self._settings.authorization} if self._settings.authorization else {},
            )
        try:
            asked = {"story": story, "viewer": viewer, "profile": dict(profile)}
            async with self._session.post(self._settings.url, json=asked) as response:
                response.raise_for_status()
                body = await _whole(response.content)
            return msgspec.json.decode(body, type=dict[str, object])
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("look-up failed", story=story, error=type(error).__name__)
            return {}

    async def close(self) -> None:
        """Lets go of its connections."""
        if self._session is not None:
            await self._session.close()


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Reads an answer, but for what is more than one can be: that is no JSON then."""
    body = b""
    while len(body) < MAX_ANSWER_BYTES and (more := await content.read(MAX_ANSWER_BYTES - len(body))):
        body += more
    return body
