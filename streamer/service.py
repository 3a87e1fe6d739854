"""Playback sessions: load, fold, settle what is due, save, wake. The only place where story time meets a clock."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import msgspec
import structlog

from streamer.clock import Clock
from streamer.config import Settings
from streamer.errors import Conflict, MalformedRequest, NotAllowed, NotFound, SessionGone, StoreError, TooMany
from streamer.hls.cmcd import Cmcd
from streamer.hls.delivery import NOTHING_ASKED, Directives
from streamer.identity import Identity, Ticket, seed_of
from streamer.media.names import Namer
from streamer.metrics import Metrics
from streamer.playlists import PLAIN, Addresses, Form, Version, rendition_of
from streamer.session.choosing import Answer, answered, gone_back, taken_from_the_menu
from streamer.session.cues import Cue, Told, cues_since, next_cue_ms
from streamer.session.events import Answered, Committed, Register, SessionRecord, Source, Step, steps_of
from streamer.session.pacing import (
    Course,
    Edge,
    Policy,
    Word,
    advanced,
    after_a_stop,
    answer_to,
    course_of,
    due,
    lists,
    may_be_cut,
    merged,
    needed_ms,
    next_change_ms,
    playhead,
    still_from_ms,
    too_far,
    with_lock,
    with_sign,
    with_word,
    within_seconds,
)
from streamer.session.timeline import Timeline
from streamer.session.waiting import waiting
from streamer.shelf import Edition, Shelf
from streamer.spelled import Paths, Spelled
from streamer.store.base import LOST, Change, Store, Stored
from streamer.story.model import Story, Value
from streamer.story.profile import checked_profile, language_of, looked_up, with_language
from streamer.story.rules import Opening, failures_of
from streamer.story.visit import VIEWER
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, ticks_of_milliseconds

log = structlog.get_logger("branchline.sessions")

RESERVE_SEGMENTS = 3  # published ahead of a write, so that not every poll writes
HELD_PART_TARGETS = 2.5  # how long a part is waited for: hls.js gives up a list after 3 PART-TARGETs
MAX_SAVES = 8  # tries of one compare-and-swap before the request is given up

KEEP_ALIVE_MS = 15_000
STORE_AGAIN_MS = 1000  # until a store is asked again that did not answer
RUN_MARK = 10_000_000  # segments that one run cannot have: a mark is run * RUN_MARK + segments


@dataclass(slots=True, kw_only=True)
class Live:
    """A session in memory: the stored record and what is derived from it."""

    id: str
    edition: Edition
    record: SessionRecord
    version: int
    register: Register
    edge: Edge
    reserved: int  # segments of this run that may have been published
    timeline: Timeline
    written_ms: int
    expires_ms: int
    alone: bool = True  # no other process has asked for the session
    old: bool = False  # another process has changed it: what is here is to be read again
    wake: asyncio.Event | None = None  # made by who waits; set and dropped by who changes something
    streams: int = 0
    answered_ms: int = 0  # when a picture's list was last given
    lock: asyncio.Lock | None = None  # there only while somebody changes the session
    changing: int = 0  # who hold it, or wait for it
    chosen_ms: int = 0  # when the viewer last answered here; 0: the path has gone on since
    branch: int | None = None  # first segment of where the answer leads, from its commit until it is listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """What is known of who opens a session, besides the story's inputs."""

    extended: bool = False  # asks for more time
    viewer: str = ""  # as the app names them
    consent: bool = False  # what the story remembers of the viewer may be kept
    languages: tuple[str, ...] = ()  # that the viewer reads, the best first
    offset_minutes: int = 0  # of the viewer's clock from UTC

    @property
    def is_kept(self) -> bool:
        """Tells whether it has to be stored: not all of it stands in the session's id."""
        return self.extended or bool(self.viewer) or self.offset_minutes != 0


NOTHING = Asks()
NOTHING_KEPT: dict[str, Value] = {}
PROFILES = 1024  # of which one copy is kept for all sessions that were opened with them
Seen = tuple[Ticks, Course]  # the playhead, and how far the path may be listed, at one moment
EVERYBODY = ""  # in place of a viewer, where a variable belongs to the story
LookUp = Callable[[str, str, Mapping[str, Value]], Awaitable[Mapping[str, object]]]  # story, viewer, inputs: inputs


class Going(Protocol):
    """Goes elsewhere: to a checkpoint, or by the menu."""

    def __call__(
        self, record: SessionRecord, timeline: Timeline, where: str, answer_id: str, /, *, published: int
    ) -> SessionRecord:
        """Gives the record with the viewer gone there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was just opened."""

    id: str
    token: str
    expires_ms: int
    edition: Edition
    opening: Opening  # what its path follows from


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A Media Playlist as it was given, and what those on its way may make of it."""

    version: Version
    has_asked: bool = False  # it has the segment or part that was asked for (_HLS_msn, _HLS_part)
    held_ms: int = 0  # for which it was waited
    target_duration: int  # s


class Sessions:
    """All playback sessions of this process."""

    def __init__(
        self,
        *,
        store: Store,
        shelf: Shelf,
        identity: Identity,
        clock: Clock,
        settings: Settings,
        look_up: LookUp | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._look_up = look_up
        self._shelf = shelf
        self._identity = identity
        self._clock = clock
        self._settings = settings
        self._policy: Policy = settings.policy()
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._paths = Paths()
        self._spelled = Spelled(Addresses(namer=Namer(identity.media_key), base=settings.media.base or "../m/"))
        self._closing = False
        self._metrics = metrics or Metrics()
        self._metrics.sessions.set_function(lambda: len(self._live))

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(
        self,
        story: str,
        profile: Mapping[str, object],
        *,
        trusted: bool,
        asks: Asks = NOTHING,
        stores: bool = True,
    ) -> Opened:
        """Makes a session id; stores nothing unless it must know what cannot stand in an address.

        Args:
            story: its id.
            profile: inputs by name; `trusted` ones come from an app, others from a query.
            trusted: whether inputs of `source: token` may be given.
            asks: what else is known of who opens it.
            stores: whether the session is meant; of one that is not (HEAD), nothing is ever stored.

        Raises:
            NotFound: there is no such story.
            MalformedRequest: an input is unknown, of a wrong type, or not to be given this way.
        """
        edition = await self._shelf.current(story)
        values = with_language(edition.story, checked_profile(edition.story, profile, trusted=trusted), asks.languages)
        looked_up = await self._looked_up(edition.story, asks.viewer, values)
        kept = await self._kept(edition.story, asks.viewer if asks.consent else "")
        language = language_of(edition.story, values, asks.languages)
        known = edition.story.profile
        kept_back = bool(looked_up or kept) or (trusted and any(known[name].personal for name in values))
        now_ms = self._clock.now_ms()
        session_id = self._identity.new_id(
            story=story,
            revision=edition.package.revision,
            created_s=now_ms // 1000,
            profile={} if kept_back else values,
            language=language,
        )
        expires_ms = self._expiry_ms(now_ms // 1000)
        record = SessionRecord(
            story=story,
            revision=edition.package.revision,
            created_ms=now_ms,
            profile={**values, **looked_up},
            extended=asks.extended,
            viewer=asks.viewer,
            consent=asks.consent,
            kept=kept,
            language=language,
            offset_minutes=asks.offset_minutes,
        )
        if stores and (kept_back or asks.is_kept):
            await self._store.create(session_id, record, expires_ms)
        self._metrics.sessions_opened.inc()
        return Opened(
            id=session_id,
            token=self._identity.control_token(session_id),
            expires_ms=expires_ms,
            edition=edition,
            opening=opening_of(session_id, record),
        )

    async def _looked_up(self, story: Story, viewer: str, values: Mapping[str, Value]) -> dict[str, Value]:
        """Gives the inputs of `source: crm`; those that nobody could tell keep their defaults."""
        if self._look_up is None or all(variable.source != "crm" for variable in story.profile.values()):
            return {}
        told = {name: value for name, value in values.items() if not story.profile[name].personal}
        found, wrong = looked_up(story, await self._look_up(story.id, viewer, told))
        if wrong:
            log.warning("looked-up inputs that the story does not take", story=story.id, inputs=wrong)
        return found

    async def _kept(self, story: Story, viewer: str) -> dict[str, Value]:
        """Gives what is kept of earlier sessions: of the viewer, if they agreed, and of all."""
        scopes = {variable.scope for variable in story.kept}
        of_all = await self._store.kept(story.id, EVERYBODY) if "story" in scopes else {}
        own = await self._store.kept(story.id, viewer) if "viewer" in scopes and viewer else {}
        return {
            variable.name: found[variable.name]
            for variable in story.kept
            for found in (own if variable.scope == "viewer" else of_all,)
            if variable.name in found
        }

    async def multivariant(self, session_id: str, prefix: str) -> bytes:
        """Gives the session's Multivariant Playlist; stores nothing."""
        ticket = self._ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        return edition.multivariant_at(prefix)

    async def resumes_at(self, session_id: str, run: int) -> Ticks | None:
        """Gives where a viewer goes on who opens the session again, maybe elsewhere; None: at its start.

        Nothing is stored, and nothing moves.
        """
        ticket = self._ticket(session_id)
        live = await self._here(session_id)
        if live is not None:
            return self._resumed(live.register, self._play(live), run)
        stored = await self._store.load(session_id)
        if stored is None:
            return None
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        live = self._derived(session_id, edition, stored.record, stored)
        return self._resumed(live.register, self._play(live), run)

    def _resumed(self, register: Register, play: Ticks, run: int) -> Ticks | None:
        return play if register.run == run and play > self._policy.lead else None

    # ── playing ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def head(
        self,
        session_id: str,
        rendition_id: str,
        asked: Directives = NOTHING_ASKED,
        *,
        run: int | None = None,
        form: Form = PLAIN,
    ) -> Given:
        """Gives the playlist as it is now, for HEAD: not held, no sign of life, nothing stored or moved."""
        ticket = self._ticket(session_id)
        live = await self._here(session_id)
        if live is None:
            edition = await self._shelf.edition(ticket.story, ticket.revision)
            stored = await self._store.load(session_id)
            fresh = _fresh(ticket, {} if stored is not None else await self._kept(edition.story, EVERYBODY))
            live = self._derived(session_id, edition, stored.record if stored is not None else fresh, stored)
        if run is not None and run != live.timeline.run:
            return self._former(live, rendition_id, run, form)
        least = live.timeline.settled if live.timeline.whole else self._policy.first_segments
        edge = replace(live.edge, published=max(live.edge.published, least))
        return self._given(live, rendition_id, asked, edge, form)

    async def media_playlist(
        self,
        session_id: str,
        rendition_id: str,
        asked: Directives = NOTHING_ASKED,
        *,
        run: int | None = None,
        form: Form = PLAIN,
    ) -> Given:
        """Gives a Media Playlist; holds the answer until the segments or parts asked for are listed, or for a while.

        Raises:
            NotFound: no such session, run or rendition.
            SessionGone: the session has expired.
            MalformedRequest: more segments are asked for than can be coming.
        """
        self._metrics.polls.inc()
        live = await self._entered(session_id, None if asked.segments is None else asked.segments - 1)
        if rendition_of(live.edition.package, rendition_id) is None:
            raise NotFound(f"there is no rendition {rendition_id!r}", rendition=rendition_id)
        if run is not None and run != live.timeline.run:
            return self._former(live, rendition_id, run, form)
        picture = rendition_id != live.edition.package.audio.id
        # How often a player looks can be told only where all its requests come here.
        seen = picture and live.alone and live.answered_ms
        idle_ms = self._clock.now_ms() - live.answered_ms if seen else None
        self._sign(live, starts=not self._policy.requests_seen, idle_ms=idle_ms)
        asked_ms = self._clock.now_ms()
        try:
            await self._settle(live)
            if asked.segments is not None and self._waits(live, asked.segments, asked.parts):
                if too_far(live.timeline, live.edge, asked.segments, asked.parts):
                    raise MalformedRequest("_HLS_msn", "such a segment or part lies too far ahead")
                with self._metrics.held.time():
                    await self._hold(live, asked.segments, asked.parts)
        except StoreError as error:  # what was reserved is the viewer's all the same
            log.warning("store", problem=str(error))
            self._list_what_is_reserved(live)
        if picture:
            live.answered_ms = self._clock.now_ms()
        given = self._given(live, rendition_id, asked, live.edge, form)
        return given if asked.segments is None else replace(given, held_ms=self._clock.now_ms() - asked_ms)

    def _given(self, live: Live, rendition_id: str, asked: Directives, edge: Edge, form: Form) -> Given:
        form = replace(form, parts=edge.parts)
        return Given(
            version=self._spelled.version(live.timeline, rendition_id, edge.published, form),
            has_asked=asked.segments is not None and lists(live.timeline, edge, asked.segments, asked.parts),
            target_duration=live.edition.package.target_duration,
        )

    async def segment_requested(self, session_id: str, offset: Ticks, number: int, said: Cmcd | None = None) -> None:
        """Notes that a player fetches a segment below the session's path, and what it says of itself with that."""
        try:
            await self._note_segment(session_id, offset, number, said)
        except StoreError as error:  # it costs pacing; the segment is there all the same
            log.warning("store", problem=str(error))

    async def _note_segment(self, session_id: str, offset: Ticks, number: int, said: Cmcd | None) -> None:
        live = await self._entered(session_id, 0)
        stretch = live.timeline.stretch_from(offset)
        if stretch is None or number >= len(stretch.ends):
            return  # of another session's path: it says nothing of this one
        requested = min(stretch.first + number + 1, max(live.edge.published, self._policy.first_segments))
        self._sign(live, requested=requested, starts=True)
        begins = Ticks(stretch.start + (stretch.ends[number - 1] if number else 0))
        if said is not None and (word := _word_of(said, begins)) is not None:
            await self._told(live, word)
        else:
            await self._settle(live)

    # ── choosing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def choose(self, session_id: str, token: str, answer: Answer) -> dict[str, object]:
        """Takes a viewer's answer; durable when it returns.

        Raises:
            NotAllowed: the token is not the session's.
            NotFound, TooLate, Conflict, TooMany: see streamer.session.choosing.
        """
        live = await self._controlled(session_id, token)
        for _ in range(MAX_SAVES):
            # Whoever comes in time queues for the session before a default that is due later does: however long the
            # store takes, the default then finds the answer there.
            placed = live.timeline.open
            opens = placed is not None and live.reserved <= placed.opens_in
            if opens or self._due(live, self._seen(live)) is not None:
                await self._settle(live)
            async with _changing(live):
                record = answered(live.record, live.timeline, answer, self._play(live), published=live.reserved)
                if record is live.record or await self._saved(live, record):
                    return self._answer_state(live, answer)
            await self._reload(live)
        raise Conflict("the session changes too fast; try again")

    async def go_back(self, session_id: str, token: str, checkpoint: str, answer_id: str) -> int:
        """Takes a viewer back to a checkpoint they have passed, and gives the run that goes on from there.

        Raises:
            NotAllowed: the token is not the session's.
            NotFound, TooMany: see streamer.session.choosing.
        """
        return await self._gone(session_id, token, gone_back, checkpoint, answer_id)

    async def take_from_menu(self, session_id: str, token: str, item: str, answer_id: str) -> int:
        """Takes a viewer where a menu item leads, and gives the run that goes on from there.

        Raises:
            NotAllowed: the token is not the session's.
            NotFound, TooMany: see streamer.session.choosing.
        """
        return await self._gone(session_id, token, taken_from_the_menu, item, answer_id)

    async def _gone(self, session_id: str, token: str, going: Going, where: str, answer_id: str) -> int:
        live = await self._controlled(session_id, token)
        for _ in range(MAX_SAVES):
            await self._settle(live)
            async with _changing(live):
                record = going(live.record, live.timeline, where, answer_id, published=live.reserved)
                if record is live.record or await self._saved(live, record):
                    return live.timeline.run
            await self._reload(live)
        raise Conflict("the session changes too fast; try again")

    async def place(
        self, session_id: str, token: str, position: Ticks, *, paused: bool | None = None, rate: float | None = None
    ) -> None:
        """Notes where the page says that its viewer is: better evidence than requests, and the only one of a pause.

        Raises:
            NotAllowed: the token is not the session's.
        """
        live = await self._controlled(session_id, token)
        await self._told(live, Word(source=Source.BEACON, position=position, paused=paused, rate=rate))

    async def hear(self, session_id: str, said: Cmcd) -> None:
        """Notes what a player says of itself in passing.

        Raises:
            NotFound, SessionGone: there is no such session, or no more.
        """
        if (word := _word_of(said, None)) is None:
            self._ticket(session_id)
            return
        try:
            await self._told(await self._entered(session_id), word)
        except StoreError as error:  # as with a segment
            log.warning("store", problem=str(error))

    async def state(self, session_id: str) -> dict[str, object]:
        """Gives where a session is: what plays, what is open, what was committed, by whichever process."""
        live = await self._entered(session_id)
        await self._reload(live)
        await self._settle(live)
        cues = self._cues(live, Told())
        play = decimal_seconds(self._play(live), 3)
        return {
            "run": live.timeline.run,
            "position": play,
            "playhead": {
                "position": play,
                "source": live.register.source.name.lower(),
                "within": within_seconds(live.register),
                "paused": live.register.paused,
            },
            "arms": dict(live.timeline.memory.given.arms),
            **{cue.kind: cue.data for cue in cues if cue.kind != "cue"},
        }

    async def cues(self, session_id: str) -> AsyncGenerator[Cue | None, None]:
        """Tells what happens as it happens: first how things stand, then each change. None: nothing for a while.

        Raises:
            TooMany: the session has too many open streams.
        """
        live = await self._entered(session_id)
        if live.streams >= self._settings.sessions.event_streams:
            raise TooMany(f"more than {self._settings.sessions.event_streams} event streams of one session")
        live.streams += 1
        self._metrics.event_streams.inc()
        told = Told()
        try:
            while not self._closing and self._clock.now_ms() < live.expires_ms:
                wait_ms = STORE_AGAIN_MS
                with suppress(StoreError):  # what was told stands; the next is told when the store is back
                    await self._settle(live)
                    for cue in self._cues(live, told):
                        yield cue
                        told = cue.told
                        if cue.kind == "ended":
                            return
                    wait_ms = self._next_cue_ms(live, told)
                waited = await self._changed(live, wait_ms)
                if not waited:
                    yield None
        finally:
            live.streams -= 1
            self._metrics.event_streams.dec()

    def explained(self, session_id: str) -> dict[str, object]:
        """Tells why a session's edge is where it is; looks at memory alone, moves nothing, and is no sign of life.

        Nothing of it is personal. Durations are in milliseconds, places on the timeline in seconds.

        Raises:
            NotFound: this process does not have the session in memory.
        """
        live = self._live.get(session_id)
        if live is None:
            raise NotFound("this replica does not have the session in memory; ask one that serves it")
        register, edge, timeline = live.register, live.edge, live.timeline
        now_ms, play = self._clock.now_ms(), self._play(live)
        course = self._looked_at(live, play)
        found = waiting(course, edge, register, play, now_ms=now_ms, policy=self._policy)
        end = timeline.end_of(edge.published - 1) if edge.published else Ticks(0)
        placed, inputs = timeline.open, timeline.stage.story.profile
        return {
            "story": live.record.story,
            "revision": live.record.revision,
            "run": timeline.run,
            "scene": timeline.visit_playing(play).scene.id,
            "expires_in_ms": live.expires_ms - now_ms,
            "inputs": {name: value for name, value in live.record.profile.items() if not inputs[name].personal},
            "waits_for": {
                "cause": found.cause.name.lower(),
                "words": found.cause,
                "until_seconds": _seconds(found.until),
            },
            "playhead": {
                "position_seconds": _seconds(play),
                "source": register.source.name.lower(),
                "within_seconds": within_seconds(register),
                "rate": register.rate,
                "paused": register.paused,
                "stands_still_in_ms": still_from_ms(register, self._policy, edge) - now_ms,
                "last_sign_ms_ago": _ago(register.sign_ms, now_ms),
            },
            "player": {
                "requested_segments": register.requested,
                "requested_ms_ago": _ago(register.asked_ms, now_ms),
                "looks_every_ms": register.poll_ms,
                "reacts_within_ms": register.react_ms,
                "fetches_within_ms": register.fetch_ms,
                "needs_ms": needed_ms(register, self._policy),
            },
            "edge": {
                "published_segments": edge.published,
                "parts_of_the_last": edge.parts,
                "published_seconds": _seconds(end),
                "lead_seconds": _seconds(Ticks(end - play)),
                "listed_ms_ago": _ago(edge.listed_ms, now_ms),
                "reserved_segments": live.reserved,
                "listable_segments": course.listable,
                "settled_segments": timeline.settled,
            },
            "decision": None
            if placed is None
            else {
                "decision": placed.decision.id,
                "visit": timeline.last.number,
                "opens_seconds": _seconds(placed.opens),
                "lock_seconds": _seconds(course.lock),
                "join_seconds": _seconds(placed.join),
                "answered": answer_to(live.record.events, timeline) is not None,
                "holding": course.held > 0,
            },
            "store": {
                "version": live.version,
                "alone": live.alone,
                "to_be_read_again": live.old,
                "written_ms_ago": _ago(live.written_ms, now_ms),
            },
            "listeners": {"held_polls_or_streams": live.wake is not None, "event_streams": live.streams},
        }

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
                await self._note(live)

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

    async def _controlled(self, session_id: str, token: str) -> Live:
        self._ticket(session_id)
        if not self._identity.controls(session_id, token):
            raise NotAllowed("the control token is not this session's")
        return await self._entered(session_id)

    async def _told(self, live: Live, word: Word) -> None:
        published = live.edge.published
        most = live.timeline.end_of(published - 1) if published else Ticks(0)
        was_paused = live.register.paused
        live.register = with_word(live.register, self._clock.now_ms(), self._policy, live.edge, word=word, most=most)
        if live.register.paused != was_paused:
            live.written_ms = 0  # worth a write now
        _wake(live)
        await self._settle(live)

    def _expiry_ms(self, created_s: int) -> int:
        return created_s * 1000 + round(self._settings.sessions.max_age_seconds * 1000)

    async def _entered(self, session_id: str, known: int | None = None) -> Live:
        """Gives a session as it is now, also where other processes serve it.

        Args:
            session_id: its id.
            known: segments that the player can know of, as its blocking request says; None: any number. While no less
                are listed here, no list comes out shorter than one before it, and the store need not be asked.
        """
        live = self._live.get(session_id)
        if live is not None and self._clock.now_ms() < live.expires_ms:
            self._live.move_to_end(session_id)
            if self._store.shared and (known is None or known > live.edge.published or live.old):
                await self._refreshed(live)
            return live
        ticket = self._ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        stored = await self._store.load(session_id)
        if stored is None:
            record = _fresh(ticket, await self._kept(edition.story, EVERYBODY))
            stored = await self._store.create(session_id, record, self._expiry_ms(ticket.created_s))
        found = self._live.get(session_id)  # another request may have been faster
        if found is None:
            found = self._derived(session_id, edition, stored.record, stored)
            self._live[session_id] = found
            while len(self._live) > self._settings.sessions.kept_in_memory:
                self._drop_idle()
        return found

    async def _here(self, session_id: str) -> Live | None:
        """Gives a session if it is in memory, as it is now."""
        live = self._live.get(session_id)
        if live is not None and self._store.shared:
            await self._refreshed(live)
        return live

    async def _refreshed(self, live: Live) -> None:
        try:
            await self._refresh(live)
        except StoreError as error:  # what is known here serves as long as nothing has to be stored
            log.warning("store", problem=str(error))
            live.old = True
            self._list_what_is_reserved(live)

    def _drop_idle(self) -> None:
        for live in self._live.values():
            if live.wake is None and not live.streams:
                del self._live[live.id]
                return
        self._live.popitem(last=False)

    def _derived(self, session_id: str, edition: Edition, record: SessionRecord, stored: Stored | None) -> Live:
        timeline = self._paths.of(edition.stage, opening_of(session_id, record), record.steps)
        register = stored.register if stored is not None else Register()
        if register.run != record.run:
            register = Register(run=record.run)
        reserved = _reserved(stored, record)
        if not timeline.holds:
            reserved = min(reserved, timeline.listable)
        # Of what many sessions were opened with alike, one copy is kept.
        record = msgspec.structs.replace(
            record,
            story=edition.story.id,
            revision=edition.package.revision,
            profile=_one_copy(msgspec.msgpack.encode(record.profile)),
            kept=record.kept or NOTHING_KEPT,
        )
        return Live(
            id=session_id,
            alone=stored is None or stored.alone,
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
            return min(playhead(live.register, self._clock.now_ms(), passed), live.timeline.end)
        return playhead(live.register, self._clock.now_ms(), self._policy, live.edge)

    def _looked_at(self, live: Live, play: Ticks) -> Course:
        return course_of(
            live.timeline,
            live.record.events,
            live.register,
            play,
            published=live.reserved,
            extended=live.record.extended,
            policy=self._policy,
        )

    def _course(self, live: Live, play: Ticks) -> Course:
        course = self._looked_at(live, play)
        placed = live.timeline.open
        if placed is not None and course.lock is not None and play >= placed.opens:
            live.register = with_lock(live.register, placed, course.lock)  # whoever asks may tell it to viewers
        return course

    def _former(self, live: Live, rendition_id: str, run: int, form: Form) -> Given:
        """Gives the whole playlist of a run that has ended."""
        timeline = self._paths.of(live.edition.stage, opening_of(live.id, live.record), live.record.steps_of_runs(run))
        if timeline.run != run:
            raise NotFound(f"there is no run {run} of the session", run=run)
        version = self._spelled.version(timeline, rendition_id, timeline.settled, form)
        return Given(version=version, target_duration=live.edition.package.target_duration)

    def _all_listed(self, live: Live) -> bool:
        return live.timeline.complete and live.edge.published == live.timeline.settled and not live.edge.parts

    def _sign(self, live: Live, *, requested: int = 0, starts: bool, idle_ms: int | None = None) -> None:
        before = live.register
        seen = before.requested if self._policy.requests_seen else live.edge.published
        live.register = with_sign(
            before,
            self._clock.now_ms(),
            self._policy,
            live.edge,
            most=live.timeline.end_of(seen - 1) if seen else Ticks(0),
            requested=requested,
            starts=starts,
            idle_ms=idle_ms,
        )
        if live.register.since_ms != before.since_ms or live.register.requested != before.requested:
            _wake(live)

    async def _settle(self, live: Live) -> None:
        """Commits what is due, moves the edge as far as it may be, and stores both before anybody is told."""
        if live.old:
            await self._refresh(live)
        seen = self._seen(live)
        for _ in range(MAX_SAVES):
            if self._due(live, seen) is None:
                break
            if not live.alone:  # an answer or a pause may have been told to another process
                await self._refresh(live)
            async with _changing(live):
                seen = self._seen(live)
                commit = self._due(live, seen)  # again: an answer may have been stored while this waited
                if commit is None:
                    continue
                record = msgspec.structs.replace(live.record, events=(*live.record.events, commit))
                saved = await self._saved(live, record)
            if not saved:
                await self._reload(live)
            seen = self._seen(live)
        await self._move_edge(live, seen)

    def _seen(self, live: Live) -> Seen:
        """Gives where the viewer is, and how far their path may be listed."""
        play = self._play(live)
        return play, self._course(live, play)

    def _due(self, live: Live, seen: Seen) -> Committed | None:
        play, course = seen
        return due(course, live.record.events, live.register, play, published=live.reserved, policy=self._policy)

    async def _move_edge(self, live: Live, seen: Seen) -> None:
        edge = self._advanced(live, seen)
        tries = MAX_SAVES
        while edge.published > live.reserved:
            async with _changing(live):
                edge = self._advanced(live, self._seen(live))  # again: the path may have changed while this waited
                reserved = self._reserving(live, edge.published)
                if reserved <= live.reserved:
                    break
                mark = live.timeline.run * RUN_MARK + reserved
                if await self._store.advance(live.id, mark, live.register, live.version):
                    live.reserved, live.written_ms = reserved, self._clock.now_ms()
                    break
            if not (tries := tries - 1):
                raise Conflict("the session changes too fast; try again")
            await self._reload(live)
            edge = self._advanced(live, self._seen(live))
        if edge.published < live.edge.published:  # another process has listed more while this waited
            edge = live.edge
        listed, live.edge = live.edge, edge
        if live.branch is not None and edge.published > live.branch:
            self._metrics.listed.observe((self._clock.now_ms() - live.chosen_ms) / 1000)
            live.branch, live.chosen_ms = None, 0
        if (edge.published, edge.parts) != (listed.published, listed.parts):
            _wake(live)
        if live.register.sign_ms - live.written_ms >= self._settings.sessions.register_seconds * 1000:
            live.written_ms = self._clock.now_ms()
            await self._note(live)
            if self._store.shared:
                await self._refresh(live)

    def _advanced(self, live: Live, seen: Seen) -> Edge:
        play, course = seen
        return advanced(course, live.edge, live.register, play, now_ms=self._clock.now_ms(), policy=self._policy)

    def _reserving(self, live: Live, published: int) -> int:
        """Gives how far to reserve: a few segments ahead, but none that an answer may still drop.

        What is reserved counts as published to every other process. So where there is one, none is ahead: a viewer
        whose requests go to several would see the list leap and then stand still.
        """
        reserved = published
        while (
            live.alone
            and reserved < min(published + RESERVE_SEGMENTS, live.timeline.listable)
            and not may_be_cut(live.timeline, reserved)
        ):
            reserved += 1
        return reserved

    async def _note(self, live: Live) -> None:
        """Writes down where the viewer is."""
        await self._store.advance(live.id, live.timeline.run * RUN_MARK + live.reserved, live.register, live.version)

    async def _saved(self, live: Live, record: SessionRecord) -> bool:
        mark = live.timeline.run * RUN_MARK + live.reserved
        added = record.events[len(live.record.events) :]
        if not await self._store.append(live.id, added, live.version, reserved=mark):
            return False
        for event in added:
            if isinstance(event, Answered):
                live.chosen_ms = self._clock.now_ms()
            elif isinstance(event, Committed):
                self._metrics.commits.labels(by=event.by).inc()
        before = live.timeline
        self._adopt(live, record, live.version + 1)
        if before.stage.story.kept:
            await self._keep(live, before.memory.state)
        return True

    async def _keep(self, live: Live, before: Mapping[str, Value]) -> None:
        """Keeps what outlives the session, where it has changed: of the viewer, if they agreed, and of all."""
        record, state = live.record, live.timeline.memory.state
        changed = {v.name: v.scope for v in live.timeline.stage.story.kept if state[v.name] != before[v.name]}
        of_all = {name: state[name] for name, scope in changed.items() if scope == "story"}
        own = {name: state[name] for name, scope in changed.items() if scope == "viewer"}
        if of_all:
            await self._store.keep(record.story, EVERYBODY, of_all)
        if own and record.viewer and record.consent:
            await self._store.keep(record.story, record.viewer, own)

    def _adopt(self, live: Live, record: SessionRecord, version: int) -> None:
        timeline, known = live.timeline, live.record.events
        if record.events[: len(known)] != known:
            raise Conflict("the stored session contradicts what was published")
        for step in steps_of(record.events[len(known) :]):
            live.branch = _branch_of(timeline, step) if live.chosen_ms else None
            live.chosen_ms = 0 if live.branch is None else live.chosen_ms
            grown = self._paths.follow(timeline, step)
            if grown.run == timeline.run:
                self._spelled.carry(timeline, grown)
            timeline = grown
        if timeline.run != live.timeline.run:
            live.register, live.edge, live.reserved = Register(run=timeline.run), Edge(), 0
            live.written_ms = live.answered_ms = 0
        live.record, live.version, live.timeline = record, version, timeline
        for finding in failures_of(timeline.stage.story):
            log.warning("expression", finding=str(finding))
        _wake(live)

    async def _refresh(self, live: Live) -> None:
        """Takes over what other processes have done to a session."""
        live.old = False  # before asking: what is told meanwhile is news again
        try:
            found = await self._store.glance(live.id)
            if found is None or found.version != live.version:
                await self._reload(live)
        except StoreError:
            live.old = True
            raise
        if found is None:
            return
        live.alone = live.alone and found.alone
        async with _changing(live):
            self._take_over(live, found.version, found.reserved)
            if live.register.run == found.register.run:
                live.register = merged(live.register, found.register)

    async def _reload(self, live: Live) -> None:
        stored = await self._store.load(live.id)
        if stored is None or stored.version < live.version:
            stored = await self._stored_again(live, stored)
        async with _changing(live):
            if stored.version > live.version:
                self._adopt(live, stored.record, stored.version)
            live.reserved = max(live.reserved, _reserved(stored, live.record))

    async def _stored_again(self, live: Live, stored: Stored | None) -> Stored:
        """Stores what a store has lost, as it is known here: viewers go on with what was told them."""
        if self._clock.now_ms() >= live.expires_ms:
            raise SessionGone("the session has expired; open a new one")
        log.warning("the store has lost events; they are stored again")
        async with _changing(live):
            known, mark = live.record, live.timeline.run * RUN_MARK + live.reserved
            if stored is None:
                stored = await self._store.create(live.id, known, live.expires_ms, live.version)
            lost = known.events[len(stored.record.events) :]
            if lost and known.events[: -len(lost)] == stored.record.events:
                if await self._store.append(live.id, lost, stored.version, reserved=max(mark, stored.reserved)):
                    live.version = stored.version + 1
                    stored = replace(stored, record=known, version=live.version)
            elif known.events == stored.record.events:
                live.version = stored.version
            await self._store.advance(live.id, mark, live.register, live.version)
        return stored

    def _take_over(self, live: Live, version: int, mark: int) -> None:
        """Notes what another process has reserved: it may have been published."""
        run, reserved = divmod(mark, RUN_MARK)
        if version == live.version and run == live.timeline.run:
            live.reserved = max(live.reserved, reserved)
            self._list_what_is_reserved(live)

    def _list_what_is_reserved(self, live: Live) -> None:
        """Lists what another process may have listed: no answer may hold less than one before it."""
        if not live.alone and live.edge.published < live.reserved:
            now_ms = self._clock.now_ms()
            live.edge = Edge(published=live.reserved, base=live.edge.published, since_ms=now_ms, listed_ms=now_ms)
            _wake(live)

    async def hear_changes(self) -> None:
        """Hears what other processes do to sessions that this one has in memory, until the store is closed."""
        async for change in self._store.changes():
            if change == LOST:
                for live in self._live.values():
                    live.old = True
                    _wake(live)
            elif (heard := self._live.get(change.session_id)) is not None:
                self._heard(heard, change)

    def _heard(self, live: Live, change: Change) -> None:
        live.alone, live.old = False, True
        self._take_over(live, change.version, change.reserved)
        _wake(live)

    async def _hold(self, live: Live, segments: int, parts: int) -> None:
        hold_ms = round(self._settings.pacing.hold_seconds * 1000)
        if parts and live.timeline.stage.part_target_ms:
            hold_ms = min(hold_ms, round(HELD_PART_TARGETS * live.timeline.stage.part_target_ms))
        deadline_ms = self._clock.now_ms() + hold_ms
        while self._waits(live, segments, parts) and not self._closing:
            now_ms = self._clock.now_ms()
            if now_ms >= deadline_ms:
                return
            course = self._course(live, self._play(live))
            change_ms = next_change_ms(course, live.edge, live.register, now_ms, self._policy)
            left_ms = deadline_ms - now_ms
            await self._changed(live, left_ms if change_ms is None else min(change_ms, left_ms))
            await self._settle(live)

    def _waits(self, live: Live, segments: int, parts: int) -> bool:
        return not lists(live.timeline, live.edge, segments, parts) and not self._all_listed(live)

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
        play = self._play(live)
        course = self._course(live, play)
        viewer = live.record.viewer or live.id
        token = self._identity.viewer_token(live.record.story, viewer)
        running = self._running(live)
        return tuple(cues_since(course, live.record.events, told, play, running=running, token=token))

    def _running(self, live: Live) -> bool:
        patient_until = still_from_ms(live.register, self._policy, live.edge)
        alive = self._all_listed(live) or self._clock.now_ms() < patient_until
        return live.register.since_ms > 0 and not live.register.paused and alive

    def _next_cue_ms(self, live: Live, told: Told) -> int:
        if not self._running(live):
            return KEEP_ALIVE_MS + 1
        still_ms = still_from_ms(live.register, self._policy, live.edge) - self._clock.now_ms()
        play = self._play(live)
        coming = next_cue_ms(self._course(live, play), told, play)
        waits = [wait for wait in (coming, still_ms if not self._all_listed(live) else None) if wait is not None]
        return max(min(waits, default=KEEP_ALIVE_MS + 1), 1)

    def _answer_state(self, live: Live, answer: Answer) -> dict[str, object]:
        asked = (answer.visit, answer.decision)
        commit = next((found for found in live.timeline.commits if (found.visit, found.decision) == asked), None)
        play = self._play(live)
        lock = self._course(live, play).lock if commit is None else None
        closes_in = 0 if lock is None else max(lock - play, 0)
        choice: str | None = answer.choice
        if answer.code is not None:  # not before the lock: who guesses would know
            choice = None if commit is None else commit.choice
        return {
            "visit": answer.visit,
            "decision": answer.decision,
            "choice": choice,
            "committed": commit is not None,
            "closes_in_ms": closes_in * 1000 // TICKS_PER_SECOND,
        }


def _word_of(said: Cmcd, asked_from: Ticks | None) -> Word | None:
    """Gives what a player's words mean for where it is.

    Version 1 knows no playhead; what lies in its buffer ends where the segment begins that it asks for.
    """
    paused = {"a": True, "p": False}.get(said.state or "")
    if paused is None and said.rate is not None:
        paused = said.rate == 0
    rate = said.rate or None
    if said.position_ms is not None:
        return Word(source=Source.PLAYER, position=ticks_of_milliseconds(said.position_ms), paused=paused, rate=rate)
    if said.buffer_ms is not None and asked_from is not None:
        position = Ticks(asked_from - ticks_of_milliseconds(said.buffer_ms))
        return Word(source=Source.BUFFER, position=position, paused=paused, rate=rate)
    return None if paused is None else Word(source=Source.BUFFER, paused=paused, rate=rate)


def _ago(then_ms: int, now_ms: int) -> int | None:
    """Gives how long ago a moment was; None: there was none."""
    return now_ms - then_ms if then_ms else None


def _seconds(place: Ticks | None) -> float | None:
    """Gives a place on the timeline in seconds."""
    return None if place is None else round(place / TICKS_PER_SECOND, 3)


def _branch_of(timeline: Timeline, step: Step) -> int | None:
    """Gives the first segment of where a viewer's answer leads; None: the step is none's."""
    if not isinstance(step, Committed) or step.by != VIEWER or timeline.open is None:
        return None
    return timeline.open.barrier if step.cut is None else step.cut


def _fresh(ticket: Ticket, kept: dict[str, Value]) -> SessionRecord:
    return SessionRecord(
        story=ticket.story,
        revision=ticket.revision,
        created_ms=ticket.created_s * 1000,
        profile=ticket.profile,
        kept=kept,
        language=ticket.language,
    )


def opening_of(session_id: str, record: SessionRecord) -> Opening:
    """Gives what a session was opened with, from which its path follows: the same on every replica."""
    at = datetime.fromtimestamp(record.created_ms / 1000, UTC) + timedelta(minutes=record.offset_minutes)
    return Opening(
        profile=record.profile,
        seed=seed_of(session_id),
        viewer=record.viewer,
        kept=record.kept,
        hour=at.hour,
        weekday=at.isoweekday(),
        language=record.language,
    )


def _reserved(stored: Stored | None, record: SessionRecord) -> int:
    """Gives the segments of the present run that may have been published."""
    run, segments = divmod(stored.reserved, RUN_MARK) if stored is not None else (0, 0)
    return segments if run == record.run else 0


@lru_cache(PROFILES)
def _one_copy(profile: bytes) -> dict[str, Value]:
    return msgspec.msgpack.decode(profile, type=dict[str, bool | int | float | str])


def _wake(live: Live) -> None:
    if live.wake is not None:
        live.wake.set()
        live.wake = None


@asynccontextmanager
async def _changing(live: Live) -> AsyncIterator[None]:
    """Lets one at a time change a session."""
    lock = live.lock = live.lock or asyncio.Lock()
    live.changing += 1
    try:
        async with lock:
            yield
    finally:
        live.changing -= 1
        if not live.changing:
            live.lock = None
