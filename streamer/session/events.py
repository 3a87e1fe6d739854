"""What a session remembers: a few events in order, and one small register of where the viewer is."""

from __future__ import annotations

import msgspec

from streamer.units import Ticks


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="answered"):
    """A viewer said a choice; it may still be changed until the lock."""

    visit: int
    decision: str
    choice: str
    answer_id: str  # made by the client; one seen before changes nothing
    at: Ticks  # playhead, estimated


class Committed(msgspec.Struct, frozen=True, kw_only=True, tag="committed"):
    """A decision that can no longer change. The path of a session is the fold of these."""

    visit: int
    decision: str
    choice: str
    by: str  # "viewer" or "default"
    at: Ticks  # the lock: the moment it was due, whenever it was noticed


Event = Answered | Committed


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A session as stored; everything else about it is derived."""

    story: str
    revision: str  # pinned: a story loaded anew never rewrites a published playlist
    created_ms: int
    profile: dict[str, bool | int | float | str]
    run: int = 1
    events: tuple[Event, ...] = ()

    @property
    def commits(self) -> tuple[Committed, ...]:
        """Gives the commits alone: all that the playlist depends on."""
        return tuple(event for event in self.events if isinstance(event, Committed))


class Register(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where the viewer is, as far as the server can tell: lossy, small, written now and then.

    Losing its last seconds costs pacing, never truth.
    """

    position: Ticks = Ticks(0)  # playhead at `since_ms`
    since_ms: int = 0  # store time; 0: play has not begun
    sign_ms: int = 0  # last sign of life: a playlist or segment request, or a word from the page
    requested: int = 0  # segments up to the newest one asked for (its Media Sequence Number + 1)
    paused: bool = False  # the page said so: time stands still whatever the player asks for
