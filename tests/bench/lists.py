"""What a poll costs early and late in a long viewing, in process: the service, SQLite, a clock that is moved by hand.

A poll here is one Media Playlist request without its HTTP: settle, move the edge, spell.
"""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from streamer.config import Settings
from streamer.hls.delivery import Skip
from streamer.live import RUN_MARK
from streamer.playlists import Form
from streamer.session.events import Committed, Register, SessionRecord
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.manual import ManualClock, publish, serving

SCENE_SECONDS = 12
STORY = f"s0 {SCENE_SECONDS} -> s0 | s1\ns1 8 ."
POLLS = 1800  # 20 minutes
RUNS = 5  # taken in turn; the quickest of each counts
EARLY, LATE = 60, 3 * 3600  # s into the viewing
DELTA = Form(skip=Skip.SEGMENTS_AND_RANGES)
FORMS = {
    "delta": DELTA,
    "delta, gzip": Form(skip=DELTA.skip, zipped=True),
    "whole": Form(),
    "whole, gzip": Form(zipped=True),
}


async def measured(
    root: Path, seconds: int, form: Form, counter: cProfile.Profile | None = None
) -> tuple[float, float]:
    """Gives microseconds of CPU and bytes of a poll so far into a viewing, the edge moving at every third poll.

    With a `counter`, the calls made by polls are counted with it.
    """
    clock = ManualClock()
    settings = Settings.model_validate({"media": {"base": "../../../m/"}})
    async with serving(root, clock, settings) as sessions:
        opened = await sessions.open("test", {}, trusted=False)
        visits = seconds // SCENE_SECONDS
        commits = tuple(
            Committed(visit=n, decision="after-s0", choice="s0", by="viewer", at=Ticks(0)) for n in range(1, visits)
        )
        record = SessionRecord(story="test", revision=opened.edition.package.revision, created_ms=clock.ms, profile={})
        await sessions._store.create(opened.id, record, clock.ms + 10**9)
        await sessions._store.append(opened.id, commits, 1, reserved=RUN_MARK)  # as they are stored while one watches
        position = Ticks((visits - 1) * SCENE_SECONDS * TICKS_PER_SECOND)
        register = Register(position=position, since_ms=clock.ms, sign_ms=clock.ms)
        reserved = RUN_MARK + (visits - 1) * SCENE_SECONDS // 2 + 3
        await sessions._store.advance(opened.id, reserved, register, 2)
        await sessions.media_playlist(opened.id, "v0", form=form)
        total, size = 0.0, 0
        for _ in range(POLLS):
            clock.forward(2 / 3)
            begins = time.process_time()
            if counter is not None:
                counter.enable()
            size += len((await sessions.media_playlist(opened.id, "v0", form=form)).version.body)
            if counter is not None:
                counter.disable()
            total += time.process_time() - begins
        return total / POLLS * 1e6, size / POLLS


async def calls(root: Path, seconds: int, form: Form) -> float:
    """Gives the function calls that a poll makes: a cost that what else the machine does leaves as it is."""
    counter = cProfile.Profile()
    await measured(root, seconds, form, counter)
    found: int = pstats.Stats(counter).total_calls  # type: ignore[attr-defined]
    return found / POLLS


async def figures() -> list[dict[str, object]]:
    """Gives all figures."""
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        publish(root, STORY)
        await measured(root, EARLY, DELTA)  # once for the caches of the machine
        for name, form in FORMS.items():
            runs = [(await measured(root, EARLY, form), await measured(root, LATE, form)) for _ in range(RUNS)]
            best = (min(found) for found in zip(*runs, strict=True))  # what else the machine did is not ours
            early, late = [(*found, await calls(root, at, form)) for found, at in zip(best, (EARLY, LATE), strict=True)]
            units = ("", "µs a poll"), (".bytes", "bytes a poll"), (".calls", "function calls a poll")
            for index, (what, unit) in enumerate(units):
                figure = "poll.hour3_vs_minute1" if name == "delta" else f"poll.hour3_vs_minute1, {name}"
                ours, baseline = round(late[index], 1), round(early[index], 1)
                ratio = round(ours / baseline, 3)
                found.append({"name": figure + what, "ours": ours, "baseline": baseline, "ratio": ratio, "unit": unit})
    return found
