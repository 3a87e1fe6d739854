"""A player by its published rules: when it reloads, where it starts, what it buffers, when it gives up.

The rules are those of docs/players.md, read from the players' sources and documentation; links are modelled by a round
trip and a rate, one request after another for media, playlists beside them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from tests.simulated.server import Listed

TARGET_MS = 2000
HOLD_MS = 5000  # a blocked request is answered after so long at the latest


class Lists(Protocol):
    """What a player needs of a server."""

    def list_asked(self, now_ms: int) -> None:
        """Notes a playlist request."""

    def list_at(self, now_ms: int, wanted: int) -> Listed | int:
        """Gives the list once it has so many segments; else for how many milliseconds to look away."""

    def segment_asked(self, now_ms: int, number: int) -> None:
        """Notes a segment request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One player."""

    name: str
    blocks: bool  # waits with _HLS_msn
    unchanged: float  # reload after an unchanged list, in Target Durations
    buffer_s: float  # media ahead that it fetches at most
    start_s: float  # media it needs to begin
    again_s: float  # and to go on after a stall
    stuck_starved: float | None = None  # fatal: starved, and unchanged for so many Target Durations
    stuck: float | None = None  # an error: unchanged for so many Target Durations while it plays
    trims: int | None = None  # fatal: more new segments than this at once


EXOPLAYER = Rules(name="ExoPlayer", blocks=True, unchanged=0.5, buffer_s=50, start_s=1, again_s=2, stuck_starved=3.5)
AVPLAYER = Rules(name="AVPlayer", blocks=True, unchanged=0.5, buffer_s=30, start_s=2, again_s=2, stuck=1.5)
AVPLAYER_HTTP1 = Rules(
    name="AVPlayer, no blocking", blocks=False, unchanged=0.5, buffer_s=30, start_s=2, again_s=2, stuck=1.5
)
SHAKA = Rules(name="Shaka", blocks=True, unchanged=1.0, buffer_s=10, start_s=2, again_s=2)
NATIVE = Rules(name="Chromium's own", blocks=False, unchanged=1.0, buffer_s=10, start_s=2, again_s=2, trims=3)
ALL = (EXOPLAYER, AVPLAYER, AVPLAYER_HTTP1, SHAKA, NATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network: a round trip, a rate in times the media rate, and how much both vary."""

    rtt_ms: float
    rate: float
    jitter: float = 0.1  # of a download's time, either way
    seed: int = 0

    def download_ms(self, number: int, seconds: float) -> int:
        """Gives how long a segment takes; the same for the same segment in every run of a trace."""
        vary = random.Random(self.seed * 1_000_003 + number).uniform(1 - self.jitter, 1 + self.jitter)
        return round(self.rtt_ms + seconds * 1000 / self.rate * vary)


@dataclass(slots=True, kw_only=True)
class Player:
    """One viewing, in virtual time (milliseconds)."""

    rules: Rules
    link: Link
    server: Lists
    on_place: Callable[[int, float], None] = lambda now_ms, position: None  # called every half second of wall time
    pauses: list[tuple[float, int]] = field(default_factory=list)  # media s, ms
    on_pause: Callable[[int, float, bool], None] = lambda now_ms, position, paused: None
    now_ms: int = 1_000_000
    position: float = 0.0  # s
    playing: bool = False
    paused_until_ms: int = 0
    ends: tuple[float, ...] = ()
    ended: bool = False
    fetched: int = 0
    stalls: list[tuple[float, int]] = field(default_factory=list)  # media s, ms
    errors: list[str] = field(default_factory=list)
    silence_ms: int = 0  # longest between two changes of the list while it played
    _moved_ms: int = 0
    _starved_ms: int = 0
    _changed_ms: int = 0
    _fetching: bool = False
    _events: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def watch(self, limit_s: float) -> Player:
        """Plays to the end, to an error, or for so long."""
        self._moved_ms = self._changed_ms = self.now_ms
        until_ms = self.now_ms + round(limit_s * 1000)
        self._at(self.now_ms, self._ask)
        self._at(self.now_ms, self._look)
        while self._events and not self.errors:
            when, _, what = heapq.heappop(self._events)
            if when > until_ms:
                self.errors.append("it did not end")
                break
            self._move(when)
            what()
            if self.ended and self.position >= self._buffered - 0.001 and self.fetched == len(self.ends):
                break
        return self

    @property
    def _buffered(self) -> float:
        return self.ends[self.fetched - 1] if self.fetched else 0.0

    def _at(self, when_ms: int, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (max(when_ms, self.now_ms), self._count, what))

    def _move(self, now_ms: int) -> None:
        passed = (now_ms - self._moved_ms) / 1000
        self.now_ms = self._moved_ms = now_ms
        if not self.playing:
            return
        if self.position + passed < self._buffered:
            self.position += passed
            return
        dry_ms = now_ms - round((self.position + passed - self._buffered) * 1000)
        self.position = self._buffered
        if not (self.ended and self.fetched == len(self.ends)):
            self.playing = False
            self._starved_ms = dry_ms

    def _look(self) -> None:
        if self.pauses and self.position >= self.pauses[0][0] and self.playing:
            _, length_ms = self.pauses.pop(0)
            self.playing = False
            self.paused_until_ms = self.now_ms + length_ms
            self.on_pause(self.now_ms, self.position, True)
            self._at(self.paused_until_ms, self._resume)
        self.on_place(self.now_ms, self.position)
        self._at(self.now_ms + 500, self._look)

    def _resume(self) -> None:
        self.paused_until_ms = 0
        self._changed_ms = self.now_ms
        self.playing = self._buffered > self.position
        self.on_pause(self.now_ms, self.position, False)
        if not self.playing:
            self._starved_ms = self.now_ms

    # ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self) -> None:
        wanted = len(self.ends) + 1 if self.rules.blocks and self.ends else 0
        half_ms = round(self.link.rtt_ms / 2)
        asked_ms = self.now_ms

        def arrive() -> None:
            self.server.list_asked(self.now_ms)
            wait(self.now_ms + HOLD_MS)

        def wait(until_ms: int) -> None:
            answer = self.server.list_at(self.now_ms, wanted if self.now_ms < until_ms else 0)
            if isinstance(answer, int):
                self._at(min(self.now_ms + answer, until_ms), lambda: wait(until_ms))
            else:
                self._at(self.now_ms + half_ms, lambda: self._read(answer, asked_ms))

        self._at(self.now_ms + half_ms, arrive)

    def _read(self, listed: Listed, asked_ms: int) -> None:
        new = len(listed.ends) - len(self.ends)
        if listed.ends[: len(self.ends)] != self.ends[: len(listed.ends)] or new < 0:
            self.errors.append("the list changed what it had said")
        if self.rules.trims is not None and self.ends and new > self.rules.trims:
            self.errors.append(f"{new} new segments at once")
        if not self.ends and len(listed.ends) != 3:
            self.errors.append(f"{len(listed.ends)} segments at first")
        changed = new > 0 or listed.ended != self.ended
        if self.playing and self.ends:
            self.silence_ms = max(self.silence_ms, self.now_ms - self._changed_ms)
        quiet_ms = self.now_ms - self._changed_ms
        starved = not self.playing and self._starved_ms > 0 and not self.paused_until_ms
        if not changed and not self.paused_until_ms:
            if self.rules.stuck_starved is not None and starved and quiet_ms > self.rules.stuck_starved * TARGET_MS:
                self.errors.append(f"starved and unchanged for {quiet_ms} ms")
            # The wait itself is no news: a list that a server holds back is young when it comes.
            if self.rules.stuck is not None and self.playing and quiet_ms > self.rules.stuck * TARGET_MS + 500:
                self.errors.append(f"unchanged for {quiet_ms} ms")
        if changed:
            self._changed_ms = self.now_ms
        self.ends, self.ended = listed.ends if new > 0 else self.ends, listed.ended
        self._fetch()
        if not self.ended:
            self._at(self._reload_ms(changed, asked_ms), self._ask)

    def _reload_ms(self, changed: bool, asked_ms: int) -> int:
        if changed and self.rules.blocks:
            return self.now_ms
        pause = 1.0 if changed else self.rules.unchanged
        return max(asked_ms + round(pause * TARGET_MS), self.now_ms)

    # ── media ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _fetch(self) -> None:
        if self._fetching or self.fetched >= len(self.ends):
            return
        ahead = self._buffered - self.position
        if ahead >= self.rules.buffer_s:
            self._at(self.now_ms + 250, self._fetch)
            return
        number = self.fetched
        self._fetching = True
        begins = self.ends[number - 1] if number else 0.0
        took_ms = self.link.download_ms(number, self.ends[number] - begins)
        half_ms = round(self.link.rtt_ms / 2)
        self._at(self.now_ms + half_ms, lambda: self.server.segment_asked(self.now_ms, number))
        self._at(self.now_ms + max(took_ms, half_ms), self._have)

    def _have(self) -> None:
        self._fetching = False
        self.fetched += 1
        ahead = self._buffered - self.position
        if not self.playing and not self.paused_until_ms:
            needed = self.rules.again_s if self._starved_ms else self.rules.start_s
            if ahead >= needed or (self.ended and self.fetched == len(self.ends)):
                if self._starved_ms:
                    self.stalls.append((self.position, self.now_ms - self._starved_ms))
                self.playing, self._starved_ms = True, 0
        self._fetch()


def longest_step(ends: tuple[float, ...]) -> float:
    """Gives the longest segment of a list, in seconds."""
    return max(after - before for before, after in pairwise((0.0, *ends)))
