"""What players, pages and apps ask of playback sessions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from streamer.clock import Clock
from streamer.config import Settings
from streamer.errors import Conflict, MalformedRequest, NotAllowed, NotFound, StoreError, TooMany
from streamer.explained import explained
from streamer.hls.cmcd import Cmcd
from streamer.hls.delivery import NOTHING_ASKED, Directives
from streamer.identity import Identity
from streamer.live import KEEP_ALIVE_MS, MAX_SAVES, Live, LiveSessions, changing, opening_of
from streamer.metrics import Metrics
from streamer.playlists import PLAIN, Addresses, Form, Version, rendition_of
from streamer.session.choosing import Answer, answered, gone_back, taken_from_the_menu
from streamer.session.cues import Cue, Told, cues_since, next_cue_ms
from streamer.session.events import Register, SessionRecord, Source
from streamer.session.pacing import (
    Edge,
    Word,
    lists,
    next_change_ms,
    still_from_ms,
    too_far,
    within_seconds,
)
from streamer.session.timeline import Timeline
from streamer.shelf import Edition, Shelf
from streamer.store.base import Store
from streamer.story.model import Story, Value
from streamer.story.profile import checked_profile, language_of, looked_up, with_language
from streamer.story.rules import Opening
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds, ticks_of_milliseconds

log = structlog.get_logger("branchline.sessions")

HELD_PART_TARGETS = 2.5  # how long a part is waited for: hls.js gives up a list after 3 PART-TARGETs

STORE_AGAIN_MS = 1000  # until a store is asked again that did not answer


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
        self._metrics = metrics or Metrics()
        self._live = LiveSessions(
            store=store, shelf=shelf, identity=identity, clock=clock, settings=settings, metrics=self._metrics
        )

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
        kept = await self._live.kept(edition.story, asks.viewer if asks.consent else "")
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
        expires_ms = self._live.expiry_ms(now_ms // 1000)
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
        if stores:
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

    async def multivariant(self, session_id: str, prefix: str) -> bytes:
        """Gives the session's Multivariant Playlist; stores nothing."""
        ticket = self._live.ticket(session_id)
        edition = await self._shelf.edition(ticket.story, ticket.revision)
        return edition.multivariant_at(prefix)

    async def resumes_at(self, session_id: str, run: int) -> Ticks | None:
        """Gives where a viewer goes on who opens the session again, maybe elsewhere; None: at its start.

        Nothing is stored, and nothing moves.
        """
        live = await self._live.glimpsed(session_id)
        return self._resumed(live.register, self._live.play(live), run)

    def _resumed(self, register: Register, play: Ticks, run: int) -> Ticks | None:
        return play if register.run == run and play > self._live.policy.lead else None

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
        live = await self._live.glimpsed(session_id)
        if run is not None and run != live.timeline.run:
            return self._former(live, rendition_id, run, form)
        least = live.timeline.settled if live.timeline.whole else self._live.policy.first_segments
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
        live = await self._live.entered(session_id, None if asked.segments is None else asked.segments - 1)
        if rendition_of(live.edition.package, rendition_id) is None:
            raise NotFound(f"there is no rendition {rendition_id!r}", rendition=rendition_id)
        if run is not None and run != live.timeline.run:
            return self._former(live, rendition_id, run, form)
        picture = rendition_id != live.edition.package.audio.id
        # How often a player looks can be told only where all its requests come here.
        seen = picture and live.alone and live.answered_ms
        idle_ms = self._clock.now_ms() - live.answered_ms if seen else None
        self._live.sign(live, starts=not self._live.policy.requests_seen, idle_ms=idle_ms)
        asked_ms = self._clock.now_ms()
        try:
            await self._live.settle(live)
            if asked.segments is not None and self._waits(live, asked.segments, asked.parts):
                if too_far(live.timeline, live.edge, asked.segments, asked.parts):
                    raise MalformedRequest("_HLS_msn", "such a segment or part lies too far ahead")
                with self._metrics.held.time():
                    await self._hold(live, asked.segments, asked.parts)
        except StoreError as error:  # what was reserved is the viewer's all the same
            log.warning("store", problem=str(error))
            self._live.list_what_is_reserved(live)
        if picture:
            live.answered_ms = self._clock.now_ms()
        given = self._given(live, rendition_id, asked, live.edge, form)
        return given if asked.segments is None else replace(given, held_ms=self._clock.now_ms() - asked_ms)

    def _given(self, live: Live, rendition_id: str, asked: Directives, edge: Edge, form: Form) -> Given:
        form = replace(form, parts=edge.parts)
        return Given(
            version=self._live.spelled.version(live.timeline, rendition_id, edge.published, form),
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
        live = await self._live.entered(session_id, 0)
        stretch = live.timeline.stretch_from(offset)
        if stretch is None or number >= len(stretch.ends):
            return  # of another session's path: it says nothing of this one
        requested = min(stretch.first + number + 1, max(live.edge.published, self._live.policy.first_segments))
        self._live.sign(live, requested=requested, starts=True)
        begins = Ticks(stretch.start + (stretch.ends[number - 1] if number else 0))
        if said is not None and (word := _word_of(said, begins)) is not None:
            await self._live.told(live, word)
        else:
            await self._live.settle(live)

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
            if opens or self._live.due(live, self._live.seen(live)) is not None:
                await self._live.settle(live)
            async with changing(live):
                record = answered(live.record, live.timeline, answer, self._live.play(live), published=live.reserved)
                if record is live.record or await self._live.saved(live, record):
                    return self._answer_state(live, answer)
            await self._live.reload(live)
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
            await self._live.settle(live)
            async with changing(live):
                record = going(live.record, live.timeline, where, answer_id, published=live.reserved)
                if record is live.record or await self._live.saved(live, record):
                    return live.timeline.run
            await self._live.reload(live)
        raise Conflict("the session changes too fast; try again")

    async def place(
        self, session_id: str, token: str, position: Ticks, *, paused: bool | None = None, rate: float | None = None
    ) -> None:
        """Notes where the page says that its viewer is: better evidence than requests, and the only one of a pause.

        Raises:
            NotAllowed: the token is not the session's.
        """
        live = await self._controlled(session_id, token)
        await self._live.told(live, Word(source=Source.BEACON, position=position, paused=paused, rate=rate))

    async def hear(self, session_id: str, said: Cmcd) -> None:
        """Notes what a player says of itself in passing.

        Raises:
            NotFound, SessionGone: there is no such session, or no more.
        """
        if (word := _word_of(said, None)) is None:
            self._live.ticket(session_id)
            return
        try:
            await self._live.told(await self._live.entered(session_id), word)
        except StoreError as error:  # as with a segment
            log.warning("store", problem=str(error))

    async def state(self, session_id: str) -> dict[str, object]:
        """Gives where a session is: what plays, what is open, what was committed, by whichever process."""
        live = await self._live.entered(session_id)
        await self._live.reload(live)  # also where another process writes the same file
        await self._live.settle(live)
        cues = self._cues(live, Told())
        play = decimal_seconds(self._live.play(live), 3)
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
        live = await self._live.entered(session_id)
        if live.streams >= self._settings.sessions.event_streams:
            raise TooMany(f"more than {self._settings.sessions.event_streams} event streams of one session")
        live.streams += 1
        self._metrics.event_streams.inc()
        told = Told()
        try:
            while not self._live.closing and self._clock.now_ms() < live.expires_ms:
                wait_ms = STORE_AGAIN_MS
                with suppress(StoreError):  # what was told stands; the next is told when the store is back
                    await self._live.settle(live)
                    for cue in self._cues(live, told):
                        yield cue
                        told = cue.told
                        if cue.kind == "ended":
                            return
                    wait_ms = self._next_cue_ms(live, told)
                waited = await self._live.changed(live, wait_ms)
                if not waited:
                    yield None
        finally:
            live.streams -= 1
            self._metrics.event_streams.dec()

    def explained(self, session_id: str) -> dict[str, object]:
        """Tells why a session's edge is where it is; looks at memory alone, moves nothing, and is no sign of life.

        Raises:
            NotFound: this process does not have the session in memory.
        """
        live = self._live.in_memory(session_id)
        if live is None:
            raise NotFound("this replica does not have the session in memory; ask one that serves it")
        play = self._live.play(live)
        course = self._live.looked_at(live, play)
        return explained(live, course, play, now_ms=self._clock.now_ms(), policy=self._live.policy)

    async def hear_changes(self) -> None:
        """Hears what other processes do to sessions that this one has in memory, until the store is closed."""
        await self._live.hear_changes()

    async def forget_expired(self) -> int:
        """Drops sessions whose life is over, from memory and store."""
        return await self._live.forget_expired()

    async def stop(self) -> None:
        """Answers whoever waits, and writes down where every viewer is."""
        await self._live.stop()

    @property
    def addresses(self) -> Addresses:
        """Gives how media are named in playlists."""
        return self._live.spelled.addresses

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _controlled(self, session_id: str, token: str) -> Live:
        self._live.ticket(session_id)
        if not self._identity.controls(session_id, token):
            raise NotAllowed("the control token is not this session's")
        return await self._live.entered(session_id)

    def _former(self, live: Live, rendition_id: str, run: int, form: Form) -> Given:
        """Gives the whole playlist of a run that has ended."""
        timeline = self._live.paths.of(
            live.edition.stage, opening_of(live.id, live.record), live.record.steps_of_runs(run)
        )
        if timeline.run != run:
            raise NotFound(f"there is no run {run} of the session", run=run)
        version = self._live.spelled.version(timeline, rendition_id, timeline.settled, form)
        return Given(version=version, target_duration=live.edition.package.target_duration)

    async def _hold(self, live: Live, segments: int, parts: int) -> None:
        hold_ms = round(self._settings.pacing.hold_seconds * 1000)
        if parts and live.timeline.stage.part_target_ms:
            hold_ms = min(hold_ms, round(HELD_PART_TARGETS * live.timeline.stage.part_target_ms))
        deadline_ms = self._clock.now_ms() + hold_ms
        while self._waits(live, segments, parts) and not self._live.closing:
            now_ms = self._clock.now_ms()
            if now_ms >= deadline_ms:
                return
            course = self._live.course(live, self._live.play(live))
            change_ms = next_change_ms(course, live.edge, live.register, now_ms, self._live.policy)
            left_ms = deadline_ms - now_ms
            await self._live.changed(live, left_ms if change_ms is None else min(change_ms, left_ms))
            await self._live.settle(live)

    def _waits(self, live: Live, segments: int, parts: int) -> bool:
        return not lists(live.timeline, live.edge, segments, parts) and not live.all_listed

    def _cues(self, live: Live, told: Told) -> tuple[Cue, ...]:
        play = self._live.play(live)
        course = self._live.course(live, play)
        viewer = live.record.viewer or live.id
        token = self._identity.viewer_token(live.record.story, viewer)
        running = self._live.running(live)
        return tuple(cues_since(course, live.record.events, told, play, running=running, token=token))

    def _next_cue_ms(self, live: Live, told: Told) -> int:
        if not self._live.running(live):
            return KEEP_ALIVE_MS + 1
        still_ms = still_from_ms(live.register, self._live.policy, live.edge) - self._clock.now_ms()
        play = self._live.play(live)
        coming = next_cue_ms(self._live.course(live, play), told, play)
        waits = [wait for wait in (coming, still_ms if not live.all_listed else None) if wait is not None]
        return max(min(waits, default=KEEP_ALIVE_MS + 1), 1)

    def _answer_state(self, live: Live, answer: Answer) -> dict[str, object]:
        asked = (answer.visit, answer.decision)
        commit = next((found for found in live.timeline.commits if (found.visit, found.decision) == asked), None)
        play = self._live.play(live)
        lock = self._live.course(live, play).lock if commit is None else None
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
