"""The session API: open, choose, ask, listen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from streamer.errors import LibraryError, MalformedRequest, NotAllowed, NotFound, SessionError, TooLate
from streamer.service import Asks
from streamer.session.choosing import Answer
from streamer.session.cues import Cue
from streamer.shelf import Edition
from streamer.story.model import Value, text_in
from streamer.story.profile import checked_profile, fitting, language_of, with_language
from streamer.story.rules import Opening, begin, picture_of
from streamer.units import ticks_of_milliseconds
from streamer.web.caching import FOR_EVER, NO_STORE, sent
from streamer.web.keys import LIBRARY, METRICS, SESSIONS, SETTINGS, SHELF, WATCH
from streamer.web.languages import languages_of
from streamer.web.limiting import Limited, limited
from streamer.web.middleware import CORS, body_of
from streamer.web.playlists import FIRST_RUN

MAX_WORD = 64  # characters of an id
MAX_OFFSET_MINUTES = 14 * 60  # of a clock from UTC
PICTURE_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
}
RECONNECT_MS = 1000  # after which a browser opens a stream again that has ended
MAX_RATE = 16  # of play; browsers allow no more
MAX_POSITION_SECONDS = 7 * 24 * 3600


async def create(request: web.Request) -> web.Response:
    """Opens a session for an app."""
    await limited(request, Limited.SESSIONS)
    known = {"story", "profile", "extended_time", "viewer", "consent", "language", "utc_offset_minutes"}
    body = await _body(request, known)
    story = _word(body, "story")
    profile = body.get("profile", {})
    if not isinstance(profile, dict):
        raise MalformedRequest("profile", "profile is an object of inputs by name")
    offset = body.get("utc_offset_minutes", 0)
    if isinstance(offset, bool) or not isinstance(offset, int) or abs(offset) > MAX_OFFSET_MINUTES:
        raise MalformedRequest(
            "utc_offset_minutes", f"utc_offset_minutes is a whole number, {MAX_OFFSET_MINUTES} at most either way"
        )
    language = (_word(body, "language"),) if "language" in body else ()
    asks = Asks(
        extended=_flag(body, "extended_time"),
        viewer=_word(body, "viewer") if "viewer" in body else "",
        consent=_flag(body, "consent"),
        languages=(*language, *languages_of(request)),
        offset_minutes=offset,
    )
    opened = await request.app[SESSIONS].open(story, profile, trusted=True, asks=asks)
    base = public_url(request)
    control = f"{base}/api/v1/sessions/{opened.id}"
    found = opened.edition.story
    read = opened.opening.language or found.language
    return web.json_response(
        {
            "id": opened.id,
            "playback_url": f"{base}/s/{opened.id}/{FIRST_RUN}/index.m3u8",
            "control_url": f"{control}/choices",
            "back_url": f"{control}/back",
            "menu_url": f"{control}/menu",
            "position_url": f"{control}/position",
            "events_url": f"{control}/events",
            "token": opened.token,
            "expires_at": datetime.fromtimestamp(opened.expires_ms / 1000, UTC).isoformat().replace("+00:00", "Z"),
            "story": {
                "id": found.id,
                "title": text_in(found.title, read),
                "language": read,
                "poster_url": _poster(request, opened.edition, opened.opening),
            },
        },
        status=201,
        headers={**NO_STORE, "Location": control},
    )


async def choose(request: web.Request) -> web.Response:
    """Takes an answer."""
    await limited(request, Limited.CHOICES)
    token = _token(request)
    body = await _body(request, {"decision", "visit", "choice", "code", "answer_id"})
    visit = body.get("visit")
    if isinstance(visit, bool) or not isinstance(visit, int) or not 1 <= visit < 2**31:
        raise MalformedRequest("visit", "visit is a whole number from 1")
    code = _word(body, "code") if "code" in body else None
    if code is not None and "choice" in body:
        raise MalformedRequest("code", "an answer has a choice, or the code that was typed; not both")
    answer = Answer(
        visit=visit,
        decision=_word(body, "decision"),
        choice=_word(body, "choice") if code is None else "",
        code=code,
        answer_id=_word(body, "answer_id"),
    )
    answers = request.app[METRICS].answers
    try:
        taken = await request.app[SESSIONS].choose(request.match_info["session"], token, answer)
    except SessionError as error:
        answers.labels(outcome="too_late" if isinstance(error, TooLate) else "refused").inc()
        raise
    answers.labels(outcome="taken").inc()
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
    return await _gone(request, request.app[SESSIONS].go_back, "checkpoint")


async def take_from_menu(request: web.Request) -> web.Response:
    """Takes a viewer where a menu item leads."""
    return await _gone(request, request.app[SESSIONS].take_from_menu, "item")


async def _gone(
    request: web.Request, going: Callable[[str, str, str, str], Awaitable[int]], where: str
) -> web.Response:
    token = _token(request)
    body = await _body(request, {where, "answer_id"})
    session = request.match_info["session"]
    place, answer_id = _word(body, where), _word(body, "answer_id")
    run = await going(session, token, place, answer_id)
    told = {"run": run, "playback_url": f"{public_url(request)}/s/{session}/{run}/index.m3u8"}
    return web.json_response(told, headers=NO_STORE)


async def state(request: web.Request) -> web.Response:
    """Tells how things stand."""
    found = await request.app[SESSIONS].state(request.match_info["session"])
    if "decision" in found:
        found = {**found, "decision": _with_pictures(request, found["decision"])}
    return web.json_response(found, headers=NO_STORE)


async def events(request: web.Request) -> web.StreamResponse:
    """Tells what happens as it happens."""
    session = request.match_info["session"]
    cues = request.app[SESSIONS].cues(session)
    try:
        first = await anext(cues)  # an error is answered as one, before the stream begins
        async with sse_response(request, headers=CORS) as stream:
            await _tell(request, stream, first, retry_ms=RECONNECT_MS)
            async for cue in cues:
                await _tell(request, stream, cue)
        return stream
    finally:
        await cues.aclose()


async def _tell(
    request: web.Request, stream: EventSourceResponse, cue: Cue | None, *, retry_ms: int | None = None
) -> None:
    if cue is not None:
        data = cue.data
        if cue.kind == "run":
            place = f"{public_url(request)}/s/{request.match_info['session']}"
            data = {**data, "playback_url": f"{place}/{data['run']}/index.m3u8"}
        if cue.kind == "decision":
            data = _with_pictures(request, data)
        with suppress(ConnectionResetError):  # the page has gone; the stream notices by itself
            await stream.send(_text(data), event=cue.kind, retry=retry_ms)


def _with_pictures(request: web.Request, data: Any) -> dict[str, object]:
    """Gives a decision with the addresses of its pictures in place of their names."""
    base = public_url(request)
    choices = [
        {**choice, "image": f"{base}/art/{choice['image']}"} if "image" in choice else choice
        for choice in data["choices"]
    ]
    return {**data, "choices": choices}


async def stories(request: web.Request) -> web.Response:
    """Lists the stories, each with the poster for those inputs of the query that it takes, in the viewer's language."""
    editions = await request.app[SHELF].stories()
    found = [_described(request, edition, fitting(edition.story, request.query)) for edition in editions]
    return web.json_response({"stories": found, **_watched(request)}, headers={**NO_STORE, "Vary": "Accept-Language"})


async def story(request: web.Request) -> web.Response:
    """Describes a story, likewise; its inputs are those of the query."""
    edition = await request.app[SHELF].current(request.match_info["story"])
    inputs = checked_profile(edition.story, request.query, trusted=False)
    described = {**_described(request, edition, inputs), **_watched(request)}
    return web.json_response(described, headers={**NO_STORE, "Vary": "Accept-Language"})


def _watched(request: web.Request) -> dict[str, bool]:
    return {"watched": True} if WATCH in request.app else {}


def _described(request: web.Request, edition: Edition, inputs: dict[str, Value]) -> dict[str, object]:
    base, found = public_url(request), edition.story
    languages = languages_of(request)
    inputs = with_language(found, inputs, languages)
    language = language_of(found, inputs, languages) or found.language
    return {
        "id": found.id,
        "title": text_in(found.title, language),
        "language": language,
        "poster_url": _poster(request, edition, Opening(profile=inputs)),
        "play_url": f"{base}/play/{found.id}.m3u8",
        "watch_url": f"{base}/watch/{found.id}",
        "extended_time": found.can_extend,
        "remembers": found.remembers,
        "asks": any(found.decisions),
    }


def _poster(request: web.Request, edition: Edition, opening: Opening) -> str | None:
    """Gives the address of a story's poster for what a viewing is opened with, or None."""
    found = edition.story
    picture = picture_of(found, begin(found, opening), found.artwork)
    return None if picture is None else f"{public_url(request)}/art/{edition.package.pictures[picture]}"


async def art(request: web.Request) -> web.Response:
    """Gives a poster or a choice's picture."""
    name = request.match_info["picture"]
    try:
        body = await request.app[LIBRARY].read_picture(name)
    except LibraryError as error:
        raise NotFound("there is no such picture") from error
    tag, _, suffix = name.rpartition(".")  # named by its content
    return sent(request, body, tag, {"Cache-Control": FOR_EVER, "Content-Type": PICTURE_TYPES[suffix]})


def public_url(request: web.Request) -> str:
    """Gives the address that viewers reach this server by."""
    return request.app[SETTINGS].server.public_url or str(request.url.origin())


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAllowed("choosing needs 'Authorization: Bearer' with the session's control token")
    return token.strip()


async def _body(request: web.Request, known: set[str]) -> dict[str, Any]:
    raw = await body_of(request)
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


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise MalformedRequest(name, f"{name} is true or false")
    return value


def _text(data: object) -> str:
    return msgspec.json.encode(data).decode()
