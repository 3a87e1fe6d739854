"""The session API: open, choose, ask, listen."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from streamer.errors import MalformedRequest, NotAllowed
from streamer.session.choosing import Answer
from streamer.session.cues import Cue
from streamer.story.model import text_in
from streamer.units import ticks_of_milliseconds
from streamer.web.keys import SESSIONS, SETTINGS, SHELF
from streamer.web.playlists import FIRST_RUN, NO_STORE

MAX_WORD = 64  # characters of an id
MAX_RATE = 16  # of play; browsers allow no more
MAX_POSITION_SECONDS = 7 * 24 * 3600


async def create(request: web.Request) -> web.Response:
    """Opens a session for an app."""
    body = await _body(request, {"story", "profile", "extended_time"})
    story = _word(body, "story")
    profile = body.get("profile", {})
    if not isinstance(profile, dict):
        raise MalformedRequest("profile", "profile is an object of inputs by name")
    extended = body.get("extended_time", False)
    if not isinstance(extended, bool):
        raise MalformedRequest("extended_time", "extended_time is true or false")
    opened = await request.app[SESSIONS].open(story, profile, trusted=True, extended=extended)
    base = public_url(request)
    control = f"{base}/api/v1/sessions/{opened.id}"
    found = opened.edition.story
    return web.json_response(
        {
            "id": opened.id,
            "playback_url": f"{base}/s/{opened.id}/{FIRST_RUN}/index.m3u8",
            "control_url": f"{control}/choices",
            "back_url": f"{control}/back",
            "position_url": f"{control}/position",
            "events_url": f"{control}/events",
            "token": opened.token,
            "expires_at": datetime.fromtimestamp(opened.expires_ms / 1000, UTC).isoformat().replace("+00:00", "Z"),
            "story": {"id": found.id, "title": text_in(found.title, found.language)},
        },
        status=201,
        headers={**NO_STORE, "Location": control},
    )


async def choose(request: web.Request) -> web.Response:
    """Takes an answer."""
    token = _token(request)
    body = await _body(request, {"decision", "visit", "choice", "answer_id"})
    visit = body.get("visit")
    if isinstance(visit, bool) or not isinstance(visit, int) or not 1 <= visit < 2**31:
        raise MalformedRequest("visit", "visit is a whole number from 1")
    answer = Answer(
        visit=visit, decision=_word(body, "decision"), choice=_word(body, "choice"), answer_id=_word(body, "answer_id")
    )
    taken = await request.app[SESSIONS].choose(request.match_info["session"], token, answer)
    return web.json_response(taken, headers=NO_STORE)


async def place(request: web.Request) -> web.Response:
    """Takes a page's word on where its viewer is."""
    token = _token(request)
    body = await _body(request, {"position", "paused", "rate"})
    position, paused, rate = body.get("position"), body.get("paused"), body.get("rate", 1)
    if isinstance(position, bool) or not isinstance(position, int | float) or not 0 <= position <= MAX_POSITION_SECONDS:
        raise MalformedRequest("position", f"position is a number of seconds from 0 to {MAX_POSITION_SECONDS}")
    if not isinstance(paused, bool):
        raise MalformedRequest("paused", "paused is true or false")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= MAX_RATE:
        raise MalformedRequest("rate", f"rate is a number above 0, at most {MAX_RATE}")
    ticks = ticks_of_milliseconds(round(position * 1000))
    await request.app[SESSIONS].place(request.match_info["session"], token, ticks, paused=paused, rate=float(rate))
    return web.Response(status=204, headers=NO_STORE)


async def go_back(request: web.Request) -> web.Response:
    """Takes a viewer back to a checkpoint."""
    token = _token(request)
    body = await _body(request, {"checkpoint", "answer_id"})
    session = request.match_info["session"]
    checkpoint, answer_id = _word(body, "checkpoint"), _word(body, "answer_id")
    run = await request.app[SESSIONS].go_back(session, token, checkpoint, answer_id)
    told = {"run": run, "playback_url": f"{public_url(request)}/s/{session}/{run}/index.m3u8"}
    return web.json_response(told, headers=NO_STORE)


async def state(request: web.Request) -> web.Response:
    """Tells how things stand."""
    return web.json_response(await request.app[SESSIONS].state(request.match_info["session"]), headers=NO_STORE)


async def events(request: web.Request) -> web.StreamResponse:
    """Tells what happens as it happens."""
    session = request.match_info["session"]
    cues = request.app[SESSIONS].cues(session)
    try:
        first = await anext(cues)  # an error is answered as one, before the stream begins
        async with sse_response(request, headers={"Access-Control-Allow-Origin": "*"}) as stream:
            place = f"{public_url(request)}/s/{session}"
            await _tell(stream, first, place)
            async for cue in cues:
                await _tell(stream, cue, place)
        return stream
    finally:
        await cues.aclose()


async def _tell(stream: EventSourceResponse, cue: Cue | None, place: str) -> None:
    if cue is not None:
        data = cue.data
        if cue.kind == "run":
            data = {**data, "playback_url": f"{place}/{data['run']}/index.m3u8"}
        with suppress(ConnectionResetError):  # the page has gone; the stream notices by itself
            await stream.send(_text(data), event=cue.kind)


async def stories(request: web.Request) -> web.Response:
    """Lists the stories."""
    base = public_url(request)
    found = [
        {
            "id": edition.story.id,
            "title": text_in(edition.story.title, edition.story.language),
            "play_url": f"{base}/play/{edition.story.id}.m3u8",
            "watch_url": f"{base}/watch/{edition.story.id}",
            "extended_time": edition.story.can_extend,
        }
        for edition in await request.app[SHELF].stories()
    ]
    return web.json_response({"stories": found}, headers=NO_STORE)


def public_url(request: web.Request) -> str:
    """Gives the address that viewers reach this server by."""
    return request.app[SETTINGS].server.public_url or str(request.url.origin())


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAllowed("choosing needs 'Authorization: Bearer' with the session's control token")
    return token.strip()


async def _body(request: web.Request, known: set[str]) -> dict[str, Any]:
    raw = await request.read()
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest("body", "the body is no JSON") from error
    if not isinstance(body, dict):
        raise MalformedRequest("body", "the body is a JSON object")
    for name in body:
        if name not in known:
            raise MalformedRequest(str(name)[:MAX_WORD], f"unknown field; known are {', '.join(sorted(known))}")
    return body


def _word(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_WORD:
        raise MalformedRequest(name, f"{name} is a text of 1 to {MAX_WORD} characters")
    return value


def _text(data: object) -> str:
    return msgspec.json.encode(data).decode()
