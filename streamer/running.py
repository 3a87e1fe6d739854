"""Runs the server until it is told to stop, and tells the terminal where it is."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog
import uvloop
from aiohttp import web

from streamer import watching
from streamer.config import Settings
from streamer.errors import BranchlineError
from streamer.library.filesystem import Library
from streamer.terminal import err, out, tell_warnings
from streamer.watching import Watch, Workshop
from streamer.web.app import make_app
from streamer.web.keys import DRAINING, SESSIONS

BACKLOG = 4096  # connections that wait to be taken: all of a region may come at once. The kernel's own bound holds too


def run(settings: Settings, stories: Sequence[Path], workshop: Workshop | None, *, browser: bool) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: all of them.
        stories: files to watch.
        workshop: what they are packaged with; None: none is watched.
        browser: whether to open the first story in one.

    Raises:
        BranchlineError: the port is taken, or the store does not answer.
    """
    _configure_logging()
    watched = None if workshop is None else partial(Watch, stories, workshop, _tell_report)
    uvloop.run(_served(settings, watched, browser=browser))


def _tell_report(report: watching.Report) -> None:
    warnings = sum(finding.level != "error" for finding in report.findings)
    if warnings and report.state == watching.PACKAGING:
        tell_warnings(report.file, warnings)
    for finding in report.findings if report.state == watching.REFUSED else ():
        if finding.level == "error":
            err.print(str(finding), markup=False)
    for note in report.notes if report.state == watching.SERVED else ():
        err.print(f"{report.file}: {note}", markup=False)
    if report.problem:
        err.print(report.problem, markup=False)
    match report.state:
        case watching.PACKAGING:
            err.print(f"{report.file}: well; packaging", markup=False)
        case watching.SERVED:
            err.print(f"{report.file}: revision {report.revision} is served at /watch/{report.story}", markup=False)
        case _:
            err.print(f"{report.file}: not packaged; mend it, and it is taken up", markup=False)


async def _served(settings: Settings, watched: Callable[[], Watch] | None, *, browser: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    application = await make_app(settings, watch=None if watched is None else watched())
    runner = web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=settings.server.shutdown_seconds,
        handle_signals=False,
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.server.host, settings.server.port, reuse_address=True, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            where = f"{settings.server.host}:{settings.server.port}"
            raise BranchlineError(f"cannot listen on {where}: {_reason(error)}; choose another --port") from error
        port = runner.addresses[0][1]
        await _welcome(settings, port, browser=browser, is_watching=watched is not None)
        await stop.wait()
        application[DRAINING].set()
        await application[SESSIONS].stop()  # held requests are answered, streams end
        await asyncio.sleep(settings.server.drain_seconds)
    finally:
        await runner.cleanup()


def _reason(error: OSError) -> str:
    """Gives the words of the system alone: uvloop's say the address once more."""
    return os.strerror(error.errno) if error.errno else str(error)


async def _welcome(settings: Settings, port: int, *, browser: bool, is_watching: bool) -> None:
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host  # noqa: S104
    base = settings.server.public_url or f"http://{host}:{port}"
    names = await asyncio.to_thread(Library(settings.library.path).stories)
    out.print(f"Branchline serves {len(names)} {'story' if len(names) == 1 else 'stories'} at {base}/", markup=False)
    for name in names:
        out.print(f"  watch in a browser   {base}/watch/{name}", markup=False)
        out.print(f"  any HLS player       {base}/play/{name}.m3u8", markup=False)
    if not names and not is_watching:
        out.print("  no story is packaged yet: branchline package STORY", markup=False)
    out.print("Stop with Ctrl-C.", markup=False)
    sys.stdout.flush()
    if browser and names and _has_display():
        await asyncio.to_thread(webbrowser.open, f"{base}/watch/{names[0]}")


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _configure_logging() -> None:
    # It would print whatever malformed header came in, tokens too; errors of handlers the middleware logs itself.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
