"""Sessions as they live in this process: loaded, kept true to the store, settled, woken.

The only place where story time meets a clock.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
import structlog

from streamer.clock import Clock
from streamer.config import Settings
from streamer.errors import Conflict, NotFound, SessionGone, StoreError
from streamer.identity import Identity, Ticket, seed_of
from streamer.media.names import Namer
from streamer.metrics import Metrics
from streamer.playlists import Addresses
from streamer.session.events import Answered, Committed, Register, SessionRecord, Step, steps_of
from streamer.session.pacing import (
    Course,
    Edge,
    Policy,
    Word,
    advanced,
    after_a_stop,
    course_of,
    due,
    may_be_cut,
    merged,
    playhead,
    still_from_ms,
    taken_over,
    with_lock,
    with_sign,
    with_word,
)
from streamer.session.timeline import Timeline
from streamer.shelf import Edition, Shelf
from streamer.spelled import Paths, Spelled
from streamer.store.base import LOST, Change, Store, Stored
from streamer.story.model import Story, Value
from streamer.story.rules import Opening, failures_of
from streamer.story.visit import VIEWER
from streamer.units import Ticks

log = structlog.get_logger("branchline.sessions")

RESERVE_SEGMENTS = 3  # published ahead of a write, so that not every poll writes
MAX_SAVES = 8  # tries of one compare-and-swap before the request is given up
KEEP_ALIVE_MS = 15_000
RUN_MARK = 10_000_000  # segments that one run cannot have: a mark is run * RUN_MARK + segments
EVERYBODY = ""  # in place of a viewer, where a variable belongs to the story
NOTHING_KEPT: dict[str, Value] = {}
PROFILES = 1024  # of which one copy is kept for all sessions that were opened with them
Seen = tuple[Ticks, Course]  # the playhead, and how far the path may be listed, at one moment


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

    @property
    def all_listed(self) -> bool:
        """Tells whether nothing is left to list."""
        return self.timeline.complete and self.edge.published == self.timeline.settled and not self.edge.parts


class LiveSessions:
    """The sessions of this process that are in memory, and what keeps them so."""

    def __init__(
        self, *, store: Store, shelf: Shelf, identity: Identity, clock: Clock, settings: Settings, metrics: Metrics
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._identity = identity
        self._clock = clock
        self._settings = settings
        self._metrics = metrics
        self._by_id: OrderedDict[str, Live] = OrderedDict()
        self.policy: Policy = settings.policy()
        self.paths = Paths()
        self.spelled = Spelled(Addresses(namer=Namer(identity.media_key), base=settings.media.base or "../m/"))
        self.closing = False
        metrics.sessions.set_function(lambda: len(self._by_id))

    def in_memory(self, session_id: str) -> Live | None:
        """Gives a session as it was left; no store is read."""
        return self._by_id.get(session_id)

    # ── coming in ────────────────────────────────────────────────────────────────────────────────────────────────

    def ticket(self, session_id: str) -> Ticket:
        """Gives what a session's id says.

        Raises:
            NotFound: it is none of ours.
            SessionGone: its life is over.
        """
        ticket = self._identity.read_id(session_id)
        if ticket is None:
            raise NotFound("there is no such session")
        if self._clock.now_ms() >= self.expiry_ms(ticket.created_s):
            raise SessionGone("the session has expired; open a new one")
        return ticket

    def expiry_ms(self, created_s: int) -> int:
        """Gives when a session expires that began then."""
        return created_s * 1000 + round(self._settings.sessions.max_age_seconds * 1000)

    async def entered(self, session_id: str, known: int | None = None) -> Live:
        """Gives a session as it is now, also where other processes serve it.

        Args:
            session_id: its id.
            known: segments that the player can know of, as its blocking request says; None: any number. While no less
                are listed here, no list comes out shorter than one before it, and the store need not be asked.
        """
        live = self._by_id.get(session_id)
        if live is not None and self._clock.now_ms() < live.expires_ms:
            self._by_id.move_to_end(session_id)
            if self._store.shared and (known is None or known > live.edge.published or live.old):
                await self._refreshed(live)
            return live
        ticket = self.ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        stored = await self._store.load(session_id)
        if stored is None:
            record = _fresh(ticket, await self.kept(edition.story, EVERYBODY))
            stored = await self._store.create(session_id, record, self.expiry_ms(ticket.created_s))
        found = self._by_id.get(session_id)  # another request may have been faster
        if found is None:
            found = self._derived(session_id, edition, stored.record, stored)
            self._by_id[session_id] = found
            while len(self._by_id) > self._settings.sessions.kept_in_memory:
                self._drop_idle()
        return found

    async def glimpsed(self, session_id: str) -> Live:
        """Gives a session as it is, or as it would begin; stores nothing, and moves nothing.

        Raises:
            NotFound, SessionGone: there is no such session, or no more.
        """
        ticket = self.ticket(session_id)
        live = await self._here(session_id)
        if live is not None:
            return live
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        stored = await self._store.load(session_id)
        if stored is not None:
            return self._derived(session_id, edition, stored.record, stored)
        return self._derived(session_id, edition, _fresh(ticket, await self.kept(edition.story, EVERYBODY)), None)

    async def _here(self, session_id: str) -> Live | None:
        """Gives a session if it is in memory, as it is now."""
        live = self._by_id.get(session_id)
        if live is not None and self._store.shared:
            await self._refreshed(live)
        return live

    async def _refreshed(self, live: Live) -> None:
        try:
            await self._refresh(live)
        except StoreError as error:  # what is known here serves as long as nothing has to be stored
            log.warning("store", problem=str(error))
            live.old = True
            self.list_what_is_reserved(live)

    async def kept(self, story: Story, viewer: str) -> dict[str, Value]:
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

    def _drop_idle(self) -> None:
        for live in self._by_id.values():
            if live.wake is None and not live.streams:
                del self._by_id[live.id]
                return
        self._by_id.popitem(last=False)

    def _derived(self, session_id: str, edition: Edition, record: SessionRecord, stored: Stored | None) -> Live:
        timeline = self.paths.of(edition.stage, opening_of(session_id, record), record.steps)
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
            register=after_a_stop(register, self._clock.now_ms(), self.policy),
            # What was reserved may have been published: it counts as this moment's step.
            edge=Edge(published=reserved, base=max(reserved - RESERVE_SEGMENTS, 0), since_ms=self._clock.now_ms()),
            reserved=reserved,
            timeline=timeline,
            written_ms=register.sign_ms,
            expires_ms=self.expiry_ms(record.created_ms // 1000),
        )

    # ── where the viewer is ──────────────────────────────────────────────────────────────────────────────────────────

    def sign(self, live: Live, *, requested: int = 0, starts: bool, idle_ms: int | None = None) -> None:
        """Notes a sign of life; see pacing.with_sign."""
        before = live.register
        seen = before.requested if self.policy.requests_seen else live.edge.published
        live.register = with_sign(
            before,
            self._clock.now_ms(),
            self.policy,
            live.edge,
            most=live.timeline.end_of(seen - 1) if seen else Ticks(0),
            requested=requested,
            starts=starts,
            idle_ms=idle_ms,
        )
        if live.register.since_ms != before.since_ms or live.register.requested != before.requested:
            wake(live)

    async def told(self, live: Live, word: Word) -> None:
        """Takes the word of a page or player for where the viewer is."""
        published = live.edge.published
        most = live.timeline.end_of(published - 1) if published else Ticks(0)
        was_paused = live.register.paused
        live.register = with_word(live.register, self._clock.now_ms(), self.policy, live.edge, word=word, most=most)
        if live.register.paused != was_paused:
            live.written_ms = 0  # worth a write now
        wake(live)
        await self.settle(live)

    def play(self, live: Live) -> Ticks:
        """Gives where the viewer is, estimated."""
        if live.all_listed:  # nothing is left to decide: the player may go on without asking again
            passed = replace(self.policy, patience_ms=KEEP_ALIVE_MS * 1000)
            return min(playhead(live.register, self._clock.now_ms(), passed), live.timeline.end)
        return playhead(live.register, self._clock.now_ms(), self.policy, live.edge)

    def seen(self, live: Live) -> Seen:
        """Gives where the viewer is, and how far their path may be listed."""
        play = self.play(live)
        return play, self.course(live, play)

    def course(self, live: Live, play: Ticks) -> Course:
        """Gives how far a path may be listed; what it says of a lock may be told to viewers, and stays."""
        course = self.looked_at(live, play)
        placed = live.timeline.open
        if placed is not None and course.lock is not None and play >= placed.opens:
            live.register = with_lock(live.register, placed, course.lock)  # whoever asks may tell it to viewers
        return course

    def looked_at(self, live: Live, play: Ticks) -> Course:
        """Gives the same, and nothing follows from it."""
        return course_of(
            live.timeline,
            live.record.events,
            live.register,
            play,
            published=live.reserved,
            extended=live.record.extended,
            policy=self.policy,
        )

    def running(self, live: Live) -> bool:
        """Tells whether the viewer's time passes."""
        patient_until = still_from_ms(live.register, self.policy, live.edge)
        alive = live.all_listed or self._clock.now_ms() < patient_until
        return live.register.since_ms > 0 and not live.register.paused and alive

    # ── settling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def settle(self, live: Live) -> None:
        """Commits what is due, moves the edge as far as it may be, and stores both before anybody is told."""
        if live.old:
            await self._refresh(live)
        seen = self.seen(live)
        for _ in range(MAX_SAVES):
            if self.due(live, seen) is None:
                break
            if not live.alone:  # an answer or a pause may have been told to another process
                await self._refresh(live)
            async with changing(live):
                seen = self.seen(live)
                commit = self.due(live, seen)  # again: an answer may have been stored while this waited
                if commit is None:
                    continue
                record = msgspec.structs.replace(live.record, events=(*live.record.events, commit))
                saved = await self.saved(live, record)
            if not saved:
                await self.reload(live)
            seen = self.seen(live)
        await self._move_edge(live, seen)

    def due(self, live: Live, seen: Seen) -> Committed | None:
        """Gives the commit that is due, or None."""
        play, course = seen
        return due(course, live.record.events, live.register, play, published=live.reserved, policy=self.policy)

    async def _move_edge(self, live: Live, seen: Seen) -> None:
        edge = self._advanced(live, seen)
        tries = MAX_SAVES
        while edge.published > live.reserved:
            async with changing(live):
                edge = self._advanced(live, self.seen(live))  # again: the path may have changed while this waited
                reserved = self._reserving(live, edge.published)
                if reserved <= live.reserved:
                    break
                mark = live.timeline.run * RUN_MARK + reserved
                if await self._store.advance(live.id, mark, live.register, live.version):
                    live.reserved, live.written_ms = reserved, self._clock.now_ms()
                    break
            if not (tries := tries - 1):
                raise Conflict("the session changes too fast; try again")
            await self.reload(live)
            edge = self._advanced(live, self.seen(live))
        if edge.published < live.edge.published:  # another process has listed more while this waited
            edge = live.edge
        listed, live.edge = live.edge, edge
        if live.branch is not None and edge.published > live.branch:
            self._metrics.listed.observe((self._clock.now_ms() - live.chosen_ms) / 1000)
            live.branch, live.chosen_ms = None, 0
        if (edge.published, edge.parts) != (listed.published, listed.parts):
            wake(live)
        if live.register.sign_ms - live.written_ms >= self._settings.sessions.register_seconds * 1000:
            live.written_ms = self._clock.now_ms()
            await self._note(live)
            if self._store.shared:
                await self._refresh(live)

    def _advanced(self, live: Live, seen: Seen) -> Edge:
        play, course = seen
        return advanced(course, live.edge, live.register, play, now_ms=self._clock.now_ms(), policy=self.policy)

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

    async def saved(self, live: Live, record: SessionRecord) -> bool:
        """Stores the events that a record has more; False: another was faster, and nothing has changed."""
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

    async def _note(self, live: Live) -> None:
        """Writes down where the viewer is."""
        await self._store.advance(live.id, live.timeline.run * RUN_MARK + live.reserved, live.register, live.version)

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
            grown = self.paths.follow(timeline, step)
            if grown.run == timeline.run:
                self.spelled.carry(timeline, grown)
            timeline = grown
        if timeline.run != live.timeline.run:
            live.register, live.edge, live.reserved = Register(run=timeline.run), Edge(), 0
            live.written_ms = live.answered_ms = 0
        live.record, live.version, live.timeline = record, version, timeline
        for finding in failures_of(timeline.stage.story):
            log.warning("expression", finding=str(finding))
        wake(live)

    # ── other processes ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _refresh(self, live: Live) -> None:
        """Takes over what other processes have done to a session."""
        live.old = False  # before asking: what is told meanwhile is news again
        try:
            found = await self._store.glance(live.id)
            if found is None or found.version != live.version:
                await self.reload(live)
        except StoreError:
            live.old = True
            raise
        if found is None:
            return
        live.alone = live.alone and found.alone
        async with changing(live):
            self._take_over(live, found.version, found.reserved)
            if live.register.run == found.register.run:
                live.register = merged(live.register, found.register)

    async def reload(self, live: Live) -> None:
        """Reads a session from the store again."""
        stored = await self._store.load(live.id)
        if stored is None or stored.version < live.version:
            stored = await self._stored_again(live, stored)
        async with changing(live):
            if stored.version > live.version:
                self._adopt(live, stored.record, stored.version)
            live.reserved = max(live.reserved, _reserved(stored, live.record))

    async def _stored_again(self, live: Live, stored: Stored | None) -> Stored:
        """Stores what a store has lost, as it is known here: viewers go on with what was told them."""
        if self._clock.now_ms() >= live.expires_ms:
            raise SessionGone("the session has expired; open a new one")
        log.warning("the store has lost events; they are stored again")
        async with changing(live):
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
            self.list_what_is_reserved(live)

    def list_what_is_reserved(self, live: Live) -> None:
        """Lists what another process may have listed: no answer may hold less than one before it."""
        if not live.alone and live.edge.published < live.reserved:
            live.edge = taken_over(live.edge, live.register, live.reserved, self._clock.now_ms())
            wake(live)

    async def hear_changes(self) -> None:
        """Hears what other processes do to sessions that this one has in memory, until the store is closed."""
        async for change in self._store.changes():
            if change == LOST:
                for live in self._by_id.values():
                    live.old = True
                    wake(live)
            elif (heard := self._by_id.get(change.session_id)) is not None:
                self._heard(heard, change)

    def _heard(self, live: Live, change: Change) -> None:
        live.alone, live.old = False, True
        self._take_over(live, change.version, change.reserved)
        wake(live)

    # ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def changed(self, live: Live, at_most_ms: int) -> bool:
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

    async def forget_expired(self) -> int:
        """Drops sessions whose life is over, from memory and store."""
        now_ms = self._clock.now_ms()
        for live in [live for live in self._by_id.values() if live.expires_ms < now_ms]:
            del self._by_id[live.id]
            wake(live)
        return await self._store.forget(now_ms)

    async def stop(self) -> None:
        """Answers whoever waits, and writes down where every viewer is."""
        self.closing = True
        for live in list(self._by_id.values()):
            wake(live)
            if live.register.sign_ms > live.written_ms:
                await self._note(live)

    @property
    def count(self) -> int:
        """Gives how many sessions are in memory."""
        return len(self._by_id)


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


def _reserved(stored: Stored | None, record: SessionRecord) -> int:
    """Gives the segments of the present run that may have been published."""
    run, segments = divmod(stored.reserved, RUN_MARK) if stored is not None else (0, 0)
    return segments if run == record.run else 0


@lru_cache(PROFILES)
def _one_copy(profile: bytes) -> dict[str, Value]:
    return msgspec.msgpack.decode(profile, type=dict[str, bool | int | float | str])


def wake(live: Live) -> None:
    """Wakes whoever waits for news of a session."""
    if live.wake is not None:
        live.wake.set()
        live.wake = None


@asynccontextmanager
async def changing(live: Live) -> AsyncIterator[None]:
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
