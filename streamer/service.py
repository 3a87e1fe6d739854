"""Playback sessions: load, fold, settle what is due, save, wake. The only place where story time meets a clock."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import structlog

from streamer.clock import Clock
from streamer.config import Settings
from streamer.errors import Conflict, MalformedRequest, NotAllowed, NotFound, SessionGone, TooMany
from streamer.identity import Identity, Ticket
from streamer.media.names import Namer
from streamer.playlists import Addresses, rendition_of
from streamer.session.choosing import Answer, answered
from streamer.session.cues import Cue, Told, cues_since, next_cue_ms
from streamer.session.events import Committed, Register, SessionRecord
from streamer.session.pacing import (
    Edge,
    Policy,
    advanced,
    after_a_stop,
    due,
    next_change_ms,
    playhead,
    with_position,
    with_sign,
)
from streamer.session.timeline import Timeline
from streamer.shelf import Edition, Shelf
from streamer.spelled import Paths, Spelled
from streamer.store.base import Store, Stored
from streamer.story.profile import checked_profile
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

log = structlog.get_logger("branchline.sessions")

RESERVE_SEGMENTS = 3  # published ahead of a write, so that not every poll writes
MAX_SAVES = 8  # tries of one compare-and-swap before the request is given up

KEEP_ALIVE_MS = 15_000


@dataclass(slots=True, kw_only=True)
class Live:
    """A session in memory: the stored record and what is derived from it."""

    id: str
    edition: Edition
    record: SessionRecord
    version: int
    register: Register
    edge: Edge
    reserved: int
    timeline: Timeline
    written_ms: int
    expires_ms: int
    wake: asyncio.Event | None = None  # made by who waits; set and dropped by who changes something
    streams: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was just opened."""

    id: str
    token: str
    expires_ms: int
    edition: Edition


class Sessions:
    """All playback sessions of this process."""

    def __init__(self, *, store: Store, shelf: Shelf, identity: Identity, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._shelf = shelf
        self._identity = identity
        self._clock = clock
        self._settings = settings
        self._policy: Policy = settings.policy()
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._paths = Paths()
        self._spelled = Spelled(Addresses(namer=Namer(identity.media_key), base=settings.media.base or "../m/"))
        self._closing = False

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self, story: str, profile: Mapping[str, object], *, trusted: bool) -> Opened:
        """Makes a session id; stores nothing unless the profile holds what must not stand in an address.

        Args:
            story: its id.
            profile: inputs by name; `trusted` ones come from an app, others from a query.
            trusted: whether inputs of `source: token` may be given.

        Raises:
            NotFound: there is no such story.
            MalformedRequest: an input is unknown, of a wrong type, or not to be given this way.
        """
        edition = await self._shelf.current(story)
        values = checked_profile(edition.story, profile, trusted=trusted)
        kept_back = trusted and any(edition.story.profile[name].personal for name in values)
        now_ms = self._clock.now_ms()
        session_id = self._identity.new_id(
            story=story,
            revision=edition.package.revision,
            created_s=now_ms // 1000,
            profile={} if kept_back else values,
        )
        expires_ms = self._expiry_ms(now_ms // 1000)
        if kept_back:
            record = SessionRecord(story=story, revision=edition.package.revision, created_ms=now_ms, profile=values)
            await self._store.create(session_id, record, expires_ms)
        token = self._identity.control_token(session_id)
        return Opened(id=session_id, token=token, expires_ms=expires_ms, edition=edition)

    async def multivariant(self, session_id: str, prefix: str) -> bytes:
        """Gives the session's Multivariant Playlist; stores nothing."""
        ticket = self._ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        return edition.multivariant_at(prefix)

    # ── playing ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def head(self, session_id: str, rendition_id: str) -> int:
        """Gives the length of the playlist as it is now, for HEAD: no sign of life, nothing stored or moved."""
        ticket = self._ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        live = self._live.get(session_id)
        if live is not None:
            return len(
                self._spelled.text(live.timeline, rendition_id, max(live.edge.published, self._policy.first_segments))
            )
        stored = await self._store.load(session_id)
        record = stored.record if stored is not None else _fresh(ticket)
        live = self._derived(session_id, edition, record, stored)
        return len(
            self._spelled.text(live.timeline, rendition_id, max(live.edge.published, self._policy.first_segments))
        )

    async def media_playlist(self, session_id: str, rendition_id: str, segments: int | None) -> bytes:
        """Gives a Media Playlist; with `segments`, holds the answer until so many are listed, or for a while.

        Raises:
            NotFound: no such session or rendition.
            SessionGone: the session has expired.
            MalformedRequest: more segments are asked for than can be coming.
        """
        live = await self._entered(session_id)
        if rendition_of(live.edition.package, rendition_id) is None:
            raise NotFound(f"there is no rendition {rendition_id!r}", rendition=rendition_id)
        self._sign(live, starts=not self._policy.requests_seen)
        await self._settle(live)
        if segments is not None and not self._all_listed(live):
            if segments > live.edge.published + 2:
                raise MalformedRequest("_HLS_msn", f"segment {segments - 1} lies too far ahead")
            await self._hold(live, segments)
        return self._spelled.text(live.timeline, rendition_id, live.edge.published)

    async def segment_requested(self, session_id: str, offset: Ticks, number: int) -> None:
        """Notes that a player fetches a segment below the session's path: the best sign of where it is."""
        live = await self._entered(session_id)
        visit = live.timeline.visit_playing(offset)
        if live.timeline.preview is not None and offset >= live.timeline.preview.start:
            visit = live.timeline.preview
        if visit.start != offset or number >= len(visit.ends):
            return  # of another session's path: it says nothing of this one
        requested = min(visit.first + number + 1, max(live.edge.published, self._policy.first_segments))
        self._sign(live, requested=requested, starts=True)
        await self._settle(live)

    # ── choosing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def choose(self, session_id: str, token: str, answer: Answer) -> dict[str, object]:
        """Takes a viewer's answer; durable when it returns.

        Raises:
            NotAllowed: the token is not the session's.
            NotFound, TooLate, Conflict, TooMany: see streamer.session.choosing.
        """
        self._ticket(session_id)
        if not self._identity.controls(session_id, token):
            raise NotAllowed("the control token is not this session's")
        live = await self._entered(session_id)
        for _ in range(MAX_SAVES):
            await self._settle(live)
            async with live.lock:
                record = answered(live.record, live.timeline, answer, self._play(live))
                if record is live.record or await self._saved(live, record):
                    return self._answer_state(live, answer)
            await self._reload(live)
        raise Conflict("the session changes too fast; try again")

    async def place(self, session_id: str, token: str, position: Ticks, *, paused: bool) -> None:
        """Notes where the page says that its viewer is: better evidence than requests, and the only one of a pause.

        Raises:
            NotAllowed: the token is not the session's.
        """
        self._ticket(session_id)
        if not self._identity.controls(session_id, token):
            raise NotAllowed("the control token is not this session's")
        live = await self._entered(session_id)
        published = live.edge.published
        most = live.timeline.end_of(published - 1) if published else Ticks(0)
        was_paused = live.register.paused
        live.register = with_position(live.register, self._clock.now_ms(), position, paused=paused, most=most)
        if paused != was_paused:
            live.written_ms = 0  # worth a write now
        _wake(live)
        await self._settle(live)

    async def state(self, session_id: str) -> dict[str, object]:
        """Gives where a session is: what plays, what is open, what was committed. Moves nothing."""
        live = await self._entered(session_id)
        await self._settle(live)
        cues = self._cues(live, Told())
        return {"position": decimal_seconds(self._play(live), 3), **{cue.kind: cue.data for cue in cues}}

    async def cues(self, session_id: str) -> AsyncGenerator[Cue | None, None]:
        """Tells what happens as it happens: first how things stand, then each change. None: nothing for a while.

        Raises:
            TooMany: the session has too many open streams.
        """
        live = await self._entered(session_id)
        if live.streams >= self._settings.sessions.event_streams:
            raise TooMany(f"more than {self._settings.sessions.event_streams} event streams of one session")
        live.streams += 1
        told = Told()
        try:
            while not self._closing and self._clock.now_ms() < live.expires_ms:
                await self._settle(live)
                for cue in self._cues(live, told):
                    yield cue
                    told = cue.told
                    if cue.kind == "ended":
                        return
                waited = await self._changed(live, self._next_cue_ms(live, told))
                if not waited:
                    yield None
        finally:
            live.streams -= 1

    # ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────────────

    async def forget_expired(self) -> int:
        """Drops sessions whose life is over, from memory and store."""
        now_ms = self._clock.now_ms()
        for live in [live for live in self._live.values() if live.expires_ms < now_ms]:
            del self._live[live.id]
            _wake(live)
        return await self._store.forget(now_ms)

    async def stop(self) -> None:
        """Answers whoever waits, and writes down where every viewer is."""
        self._closing = True
        for live in list(self._live.values()):
            _wake(live)
            if live.register.sign_ms > live.written_ms:
                await self._store.advance(live.id, live.reserved, live.register)

    @property
    def addresses(self) -> Addresses:
        """Gives how media are named in playlists."""
        return self._spelled.addresses

    @property
    def count(self) -> int:
        """Gives how many sessions are in memory."""
        return len(self._live)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _ticket(self, session_id: str) -> Ticket:
        ticket = self._identity.read_id(session_id)
        if ticket is None:
            raise NotFound("there is no such session")
        if self._clock.now_ms() >= self._expiry_ms(ticket.created_s):
            raise SessionGone("the session has expired; open a new one")
        return ticket

    def _expiry_ms(self, created_s: int) -> int:
        return created_s * 1000 + round(self._settings.sessions.max_age_seconds * 1000)

    async def _entered(self, session_id: str) -> Live:
        live = self._live.get(session_id)
        if live is not None and self._clock.now_ms() < live.expires_ms:
            self._live.move_to_end(session_id)
            return live
        ticket = self._ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        stored = await self._store.load(session_id)
        if stored is None:
            stored = await self._store.create(session_id, _fresh(ticket), self._expiry_ms(ticket.created_s))
        found = self._live.get(session_id)  # another request may have been faster
        if found is None:
            found = self._derived(session_id, edition, stored.record, stored)
            self._live[session_id] = found
            while len(self._live) > self._settings.sessions.kept_in_memory:
                self._drop_idle()
        return found

    def _drop_idle(self) -> None:
        for live in self._live.values():
            if live.wake is None and not live.streams:
                del self._live[live.id]
                return
        self._live.popitem(last=False)

    def _derived(self, session_id: str, edition: Edition, record: SessionRecord, stored: Stored | None) -> Live:
        timeline = self._paths.of(edition.stage, record.profile, record.commits)
        register = stored.register if stored is not None else Register()
        reserved = min(stored.reserved, timeline.listable) if stored is not None else 0
        return Live(
            id=session_id,
            edition=edition,
            record=record,
            version=stored.version if stored is not None else 0,
            register=after_a_stop(register, self._clock.now_ms(), self._policy),
            # What was reserved may have been published: it counts as this moment's step.
            edge=Edge(published=reserved, base=max(reserved - RESERVE_SEGMENTS, 0), since_ms=self._clock.now_ms()),
            reserved=reserved,
            timeline=timeline,
            written_ms=register.sign_ms,
            expires_ms=self._expiry_ms(record.created_ms // 1000),
        )

    def _play(self, live: Live) -> Ticks:
        if self._all_listed(live):  # nothing is left to decide: the player may go on without asking again
            passed = replace(self._policy, patience_ms=KEEP_ALIVE_MS * 1000)
            return min(playhead(live.register, self._clock.now_ms(), passed), live.timeline.last.end)
        return playhead(live.register, self._clock.now_ms(), self._policy)

    def _all_listed(self, live: Live) -> bool:
        return live.timeline.complete and live.edge.published == live.timeline.settled

    def _sign(self, live: Live, *, requested: int = 0, starts: bool) -> None:
        before = live.register
        live.register = with_sign(before, self._clock.now_ms(), self._policy, requested=requested, starts=starts)
        if live.register.since_ms != before.since_ms or live.register.requested != before.requested:
            _wake(live)

    async def _settle(self, live: Live) -> None:
        """Commits what is due, moves the edge as far as it may be, and stores both before anybody is told."""
        for _ in range(MAX_SAVES):
            if self._due(live) is None:
                break
            async with live.lock:
                commit = self._due(live)  # again: an answer may have been stored while this waited
                if commit is None:
                    continue
                record = msgspec.structs.replace(live.record, events=(*live.record.events, commit))
                saved = await self._saved(live, record)
            if not saved:
                await self._reload(live)
        await self._move_edge(live)

    def _due(self, live: Live) -> Committed | None:
        return due(live.timeline, live.record.events, live.register, self._play(live), self._policy)

    async def _move_edge(self, live: Live) -> None:
        now_ms = self._clock.now_ms()
        edge = advanced(live.timeline, live.edge, live.register, self._play(live), now_ms=now_ms, policy=self._policy)
        writes_ms = self._settings.sessions.register_seconds * 1000
        if edge.published > live.reserved:
            async with live.lock:
                reserved = min(edge.published + RESERVE_SEGMENTS, live.timeline.listable)
                if edge.published > live.reserved:
                    await self._store.advance(live.id, reserved, live.register)
                    live.reserved, live.written_ms = max(reserved, live.reserved), now_ms
        elif live.register.sign_ms - live.written_ms >= writes_ms:
            live.written_ms = now_ms
            await self._store.advance(live.id, live.reserved, live.register)
        if edge.published > live.edge.published:
            live.edge = edge
            _wake(live)

    async def _saved(self, live: Live, record: SessionRecord) -> bool:
        if not await self._store.save(live.id, record, live.version):
            return False
        self._adopt(live, record, live.version + 1)
        return True

    def _adopt(self, live: Live, record: SessionRecord, version: int) -> None:
        timeline = live.timeline
        if record.commits[: len(timeline.commits)] != timeline.commits:
            raise Conflict("the stored session contradicts what was published")
        for commit in record.commits[len(timeline.commits) :]:
            grown = self._paths.follow(timeline, commit)
            self._spelled.carry(timeline, grown)
            timeline = grown
        live.record, live.version, live.timeline = record, version, timeline
        _wake(live)

    async def _reload(self, live: Live) -> None:
        stored = await self._store.load(live.id)
        if stored is None:
            raise SessionGone("the session has expired; open a new one")
        async with live.lock:
            if stored.version > live.version:
                self._adopt(live, stored.record, stored.version)

    async def _hold(self, live: Live, segments: int) -> None:
        deadline_ms = self._clock.now_ms() + round(self._settings.pacing.hold_seconds * 1000)
        while live.edge.published < segments and not self._all_listed(live) and not self._closing:
            now_ms = self._clock.now_ms()
            if now_ms >= deadline_ms:
                return
            change_ms = next_change_ms(live.timeline, live.edge, live.register, now_ms, self._policy)
            left_ms = deadline_ms - now_ms
            await self._changed(live, left_ms if change_ms is None else min(change_ms, left_ms))
            await self._settle(live)

    async def _changed(self, live: Live, at_most_ms: int) -> bool:
        """Waits until something changes the session, at most so long; tells whether something did or was due."""
        if live.wake is None:
            live.wake = asyncio.Event()
        wait_ms = min(at_most_ms, KEEP_ALIVE_MS)
        try:
            async with asyncio.timeout(max(wait_ms, 1) / 1000):
                await live.wake.wait()
        except TimeoutError:
            return at_most_ms <= KEEP_ALIVE_MS
        return True

    def _cues(self, live: Live, told: Told) -> tuple[Cue, ...]:
        running = self._running(live)
        return tuple(cues_since(live.timeline, live.record.events, told, self._play(live), running=running))

    def _running(self, live: Live) -> bool:
        patient_until = live.register.sign_ms + self._policy.patience_ms
        alive = self._all_listed(live) or self._clock.now_ms() < patient_until
        return live.register.since_ms > 0 and not live.register.paused and alive

    def _next_cue_ms(self, live: Live, told: Told) -> int:
        if not self._running(live):
            return KEEP_ALIVE_MS + 1
        still_ms = live.register.sign_ms + self._policy.patience_ms - self._clock.now_ms()
        coming = next_cue_ms(live.timeline, told, self._play(live))
        waits = [wait for wait in (coming, still_ms if not self._all_listed(live) else None) if wait is not None]
        return max(min(waits, default=KEEP_ALIVE_MS + 1), 1)

    def _answer_state(self, live: Live, answer: Answer) -> dict[str, object]:
        placed = live.timeline.visits[answer.visit - 1].placed
        commit = next((found for found in live.record.commits if found.visit == answer.visit), None)
        closes_in = 0 if placed is None or commit is not None else max(placed.closes - self._play(live), 0)
        return {
            "visit": answer.visit,
            "decision": answer.decision,
            "choice": answer.choice,
            "committed": commit is not None,
            "closes_in_ms": closes_in * 1000 // TICKS_PER_SECOND,
        }


def _fresh(ticket: Ticket) -> SessionRecord:
    return SessionRecord(
        story=ticket.story, revision=ticket.revision, created_ms=ticket.created_s * 1000, profile=ticket.profile
    )


def _wake(live: Live) -> None:
    if live.wake is not None:
        live.wake.set()
        live.wake = None
