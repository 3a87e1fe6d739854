"""What a session remembers: a few events in order, and one small register of where the viewer is."""

from __future__ import annotations

from enum import IntEnum

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
    """A decision that can no longer change."""

    visit: int
    decision: str
    choice: str | None  # None: none was taken (by "timeout")
    by: str  # "viewer", "default" or "timeout"
    at: Ticks  # the lock: the moment it was due, whenever it was noticed
    cut: int | None = None  # Media Sequence Number of the branch's first segment; None: the one after the scene


class WentBack(msgspec.Struct, frozen=True, kw_only=True, tag="back"):
    """A viewer went to a checkpoint, or by the menu; what was published stays, the rest of the path is dropped."""

    checkpoint: str = ""  # empty: by the menu
    item: str = ""  # of the menu
    answer_id: str
    cut: int  # Media Sequence Number of the first segment of where they went


class Restarted(msgspec.Struct, frozen=True, kw_only=True, tag="restarted"):
    """A viewer went so after the end: a new run, with a playlist of its own, begins there."""

    checkpoint: str = ""
    item: str = ""
    answer_id: str


Step = Committed | WentBack | Restarted  # the path of a session is the fold of these
Event = Answered | Step


def steps_of(events: tuple[Event, ...]) -> tuple[Step, ...]:
    """Gives the steps among some events."""
    return tuple(event for event in events if not isinstance(event, Answered))


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A session as stored; everything else about it is derived."""

    story: str
    revision: str  # pinned: a story loaded anew never rewrites a published playlist
    created_ms: int
    profile: dict[str, bool | int | float | str]
    extended: bool = False  # the viewer asked for more time
    viewer: str = ""  # who watches, as the app names them
    consent: bool = False  # what the story remembers of the viewer may be kept
    kept: dict[str, bool | int | float | str] = {}  # what was kept of earlier sessions, as this one began
    language: str = ""  # that the viewer reads; empty: the story's
    offset_minutes: int = 0  # of the viewer's clock from UTC
    events: tuple[Event, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Gives what the path follows from, of all runs."""
        return steps_of(self.events)

    def steps_of_runs(self, run: int) -> tuple[Step, ...]:
        """Gives the steps of the first `run` runs, and what began each but the first."""
        steps = self.steps
        begins = [index for index, step in enumerate(steps) if isinstance(step, Restarted)]
        return steps[: begins[run - 1]] if run <= len(begins) else steps

    @property
    def run(self) -> int:
        """Gives the number of the present run, from 1."""
        return 1 + sum(isinstance(event, Restarted) for event in self.events)


class Source(IntEnum):
    """What says where a viewer is; a greater one is believed more."""

    CLOCK = 0  # the time since the first request
    POLLS = 1  # playlists asked for
    REQUESTS = 2  # segments asked for
    BUFFER = 3  # CMCD: what lies in the player's buffer (bl)
    PLAYER = 4  # CMCD: the player's own playhead (pt)
    BEACON = 5  # the page or app


class Register(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where the viewer is, as far as the server can tell: lossy, small, written now and then.

    Losing its last seconds costs pacing, never truth.
    """

    position: Ticks = Ticks(0)  # playhead at `since_ms`
    since_ms: int = 0  # store time; 0: play has not begun
    sign_ms: int = 0  # last sign of life: a playlist or segment request, or a word from the page
    requested: int = 0  # segments up to the newest one asked for (its Media Sequence Number + 1)
    paused: bool = False  # the page or player said so: time stands still whatever it asks for
    rate: float = 1.0  # of play, as the page or player says
    source: Source = Source.CLOCK  # what `position` comes from
    source_ms: int = 0  # when that source last spoke
    asked_ms: int = 0  # when `requested` last rose
    run: int = 1
    blocks: bool = False  # the player waits for news with _HLS_msn
    poll_ms: int = 0  # longest time between two looks at a list, of late
    react_ms: int = 0  # longest time from listing a segment to its request, of late
    fetch_ms: int = 0  # time between requests of two segments that were both listed, of late
    lock_serial: int = 0  # of the decision whose lock was told to viewers,
    lock: Ticks = Ticks(0)  # and that lock
