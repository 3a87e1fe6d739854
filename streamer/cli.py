"""The command line: check a story, package it, serve it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop
from aiohttp import web
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streamer.config import Settings, checked_settings, load_settings
from streamer.errors import BranchlineError, PackagingError, StoryError
from streamer.library.filesystem import Library
from streamer.media.ladder import DEFAULT_LADDER
from streamer.packager import pipeline
from streamer.packager.tools import find_tools
from streamer.story.codec import read_story
from streamer.story.model import Story
from streamer.web.app import make_app

app = typer.Typer(
    name="branchline",
    help="Branching video over plain HLS: check a story, package its footage, serve it to any player.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
StoryPath = Annotated[Path, typer.Argument(help="The story file (YAML or JSON).", show_default=False)]


def main() -> None:
    """Runs the command line; errors of the product are sentences, not traces."""
    with _plain_errors():
        app()


@app.command()
def check(story: StoryPath) -> None:
    """Tell the mistakes of a story file; needs no footage. Exit status 1 if there are any."""
    loaded, _ = _read(story)
    decisions = sum(scene.decision is not None for scene in loaded.scenes.values())
    out.print(f"{story}: well; {len(loaded.scenes)} scenes, {decisions} decisions", markup=False)


@app.command()
def package(
    story: StoryPath,
    library: Annotated[Path, typer.Option(help="Folder that packaged stories lie in.")] = Path("library"),
) -> None:
    """Encode a story's footage for streaming. What has not changed is not encoded again."""
    loaded, text = _read(story)
    tools = find_tools()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=not err.is_terminal) as bar:
        tasks: dict[str, int] = {}

        def tell(progress: pipeline.Progress) -> None:
            if progress.source not in tasks:
                tasks[progress.source] = bar.add_task(progress.source, total=None)
            task = next(task for task in bar.tasks if task.id == tasks[progress.source])
            bar.update(
                task.id,
                description=f"{progress.stage} {progress.source}",
                completed=progress.done,
                total=progress.total,
            )

        made = asyncio.run(pipeline.package(loaded, story, text, Library(library), DEFAULT_LADDER, tools, tell))
    out.print(f"{loaded.id}: revision {made.revision} in {library}; {len(made.scenes)} scenes", markup=False)


@app.command()
def serve(  # noqa: PLR0917 - typer makes options of them
    config: Annotated[Path | None, typer.Option(help="Configuration file; see config/branchline.yaml.")] = None,
    library: Annotated[Path | None, typer.Option(help="Folder that packaged stories lie in. (library.path)")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of sessions and secret. (state.path)")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. (server.host)")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0: any free one. (server.port)")] = None,
    media_base: Annotated[str | None, typer.Option(help="Address in front of media names. (media.base)")] = None,
    browser: Annotated[
        bool, typer.Option("--open", help="Open the first story in a browser, where there is a display.")
    ] = False,
) -> None:
    """Serve packaged stories to any HLS player."""
    settings = load_settings(config)
    given: dict[str, dict[str, object]] = {
        "library": {"path": library},
        "state": {"path": state},
        "server": {"host": host, "port": port},
        "media": {"base": media_base},
    }
    data = settings.model_dump()
    for section, values in given.items():
        data[section] |= {name: value for name, value in values.items() if value is not None}
    settings = checked_settings(data, "command line")
    _configure_logging()
    uvloop.run(_serve(settings, browser=browser))


async def _serve(settings: Settings, *, browser: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    runner = web.AppRunner(
        await make_app(settings),
        access_log=None,
        shutdown_timeout=settings.server.shutdown_seconds,
        handle_signals=False,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.server.host, settings.server.port, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            where = f"{settings.server.host}:{settings.server.port}"
            raise BranchlineError(f"cannot listen on {where}: {error.strerror}; choose another --port") from error
        port = runner.addresses[0][1]
        await _welcome(settings, port, browser=browser)
        await stop.wait()
    finally:
        await runner.cleanup()


async def _welcome(settings: Settings, port: int, *, browser: bool) -> None:
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host  # noqa: S104
    base = settings.server.public_url or f"http://{host}:{port}"
    names = await asyncio.to_thread(Library(settings.library.path).stories)
    out.print(f"Branchline serves {len(names)} {'story' if len(names) == 1 else 'stories'} at {base}/", markup=False)
    for name in names:
        out.print(f"  watch in a browser   {base}/watch/{name}", markup=False)
        out.print(f"  any HLS player       {base}/play/{name}.m3u8", markup=False)
    if not names:
        out.print("  no story is packaged yet: branchline package STORY", markup=False)
    out.print("Stop with Ctrl-C.", markup=False)
    sys.stdout.flush()
    if browser and names and _has_display():
        await asyncio.to_thread(webbrowser.open, f"{base}/watch/{names[0]}")


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _read(path: Path) -> tuple[Story, str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BranchlineError(f"{path}: the story cannot be read: {error}") from error
    story, findings = read_story(text, str(path))
    for finding in findings:
        if finding.level != "error":
            err.print(str(finding), markup=False)
    if story is None:
        raise StoryError(tuple(finding for finding in findings if finding.level == "error"))
    return story, text


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except StoryError as error:
        err.print(str(error), markup=False)
        count = len(error.findings)
        err.print(f"{count} {'mistake' if count == 1 else 'mistakes'}", markup=False)
        sys.exit(1)
    except BranchlineError as error:
        err.print(f"branchline: {error}", markup=False)
        sys.exit(2 if not isinstance(error, PackagingError) else 1)


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


if __name__ == "__main__":
    main()
