"""The command line: check a story, walk it, package it, serve it."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamer.config import checked_settings, load_settings
from streamer.drawing.engine import bounded
from streamer.drawing.layout import layout_of
from streamer.drawing.page import page_of
from streamer.drawing.svg import svg_of
from streamer.drawing.thumbnails import pictures_of_footage, pictures_of_library
from streamer.errors import (
    BranchlineError,
    MalformedRequest,
    PackagingError,
    StoryError,
    findings_github,
    findings_json,
)
from streamer.imports.naming import story_id
from streamer.imports.twee import import_twee
from streamer.library.filesystem import Library, write_new
from streamer.media.ladder import DEFAULT_LADDER, Ladder, at_rate
from streamer.packager.plan import FASTEST, SLOWEST
from streamer.packager.rates import read_rate
from streamer.packager.tools import find_tools
from streamer.reports import report_tables
from streamer.story.answers import read_answers
from streamer.story.codec import read_story
from streamer.story.file import Mistake, read_length, schema_text
from streamer.story.graph import graph_of
from streamer.story.model import Story, Value
from streamer.story.profile import read_inputs
from streamer.story.rules import Opening, failures_of
from streamer.story.simulate import Report, Simulation
from streamer.story.starter import starter_story
from streamer.story.walk import Plan, Policy, Walk, WalkError, lengths_of, told, walk
from streamer.terminal import err, out, tell_warnings
from streamer.units import TICKS_PER_SECOND, Ticks

if TYPE_CHECKING:
    from streamer.packager import pipeline, slates

app = typer.Typer(
    name="branchline",
    help="Branching video over plain HLS: check a story, walk it, package its footage, serve it to any player.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
imports = typer.Typer(no_args_is_help=True, help="Make a story file of a story written with another tool.")
app.add_typer(imports, name="import")
ProfileOption = Annotated[list[str] | None, typer.Option(help="An input, name=value; as often as needed.")]
ViewerOption = Annotated[str, typer.Option(help="Who watches: the same viewer has the same arms of experiments.")]
ClockOption = Annotated[
    datetime | None,
    typer.Option(
        help="When the viewing begins, by the viewer's clock.",
        formats=["%Y-%m-%dT%H:%M"],
        show_default="2020-01-01T00:00",
    ),
]
FrameRate = Annotated[
    str, typer.Option(help="auto: that of the footage, where all of it has one; else 25, 24000/1001, 23.976 …")
]
WithSlates = Annotated[
    bool, typer.Option("--slates", help="Scenes without footage get a slate: their text, a counter, a tone.")
]
SlateLength = Annotated[str, typer.Option(help="Length of slates of scenes that have no 'out'.")]
SlateFont = Annotated[
    Path | None, typer.Option(help="Font of slates, .ttf or .otf.", exists=True, dir_okay=False, show_default="Inter")
]
StoryPath = Annotated[Path, typer.Argument(help="The story file (YAML or JSON).", show_default=False)]


def main() -> None:
    """Runs the command line; errors of the product are sentences, not traces."""
    with _plain_errors():
        app()


@app.command()
def check(
    story: StoryPath,
    form: Annotated[
        Literal["text", "json", "github"],
        typer.Option("--format", help="text: a line each; json: one object; github: annotations of a workflow."),
    ] = "text",
) -> None:
    """Tell the mistakes of a story file; needs no footage. Exit status 1 if there are any."""
    loaded, findings = read_story(_text_of(story), str(story))
    if form != "text":
        sys.stdout.write((findings_json if form == "json" else findings_github)(findings))
        if loaded is None:
            raise typer.Exit(1)
        return
    for finding in findings:
        if finding.level != "error":
            err.print(str(finding), markup=False)
    if loaded is None:
        raise StoryError(tuple(finding for finding in findings if finding.level == "error"))
    decisions = sum(1 for _ in loaded.decisions)
    out.print(f"{story}: well; {len(loaded.scenes)} scenes, {decisions} decisions", markup=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of story files, for editors: see docs/story-format.md."""
    sys.stdout.write(schema_text())


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="Folder to write story.yaml in; made if need be.", show_default=False)],
    name: Annotated[str | None, typer.Option("--id", help="Id of the story; else after the folder.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title; else after the folder.")] = None,
) -> None:
    """Write a small story to begin with: it checks, walks and plays as it is."""
    called = folder.resolve().name
    text = starter_story(
        story_id(called) if name is None else name,
        (called.replace("-", " ").replace("_", " ").capitalize() or "Story") if title is None else title,
    )
    path = folder / "story.yaml"
    schema_path = folder / "story.schema.json"
    write_new(path, text)
    if not schema_path.exists():
        write_new(schema_path, schema_text())
    out.print(f"{path} is a story. What can be done with it now:", markup=False)
    quoted = shlex.quote(str(path))
    for command, meaning in (
        (f"check {quoted}", "tells its mistakes"),
        (f"walk {quoted}", "tells what a viewer sees"),
        (f"package {quoted} --slates", "makes it playable, without footage"),
        ("serve", "plays it, in a browser and on any HLS player"),
    ):
        out.print(f"  branchline {command:<{len(quoted) + 17}}  {meaning}", markup=False)


@imports.command()
def twee(
    file: Annotated[
        Path, typer.Argument(help="Twee 3, or HTML that Twine 2 published or archived.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option(help="Story file to write, where there is none yet; else it is printed.")
    ] = None,
    story: Annotated[str | None, typer.Option(help="Title of the story to take from an archive of several.")] = None,
) -> None:
    """Import a Twine story (SugarCube or Harlowe); tell what a story cannot hold. See docs/import.md."""
    made = import_twee(_text_of(file), str(file), story)
    for finding in made.findings:
        err.print(str(finding), markup=False)
    if output is None:
        sys.stdout.write(made.text)
    else:
        write_new(output, made.text)
        out.print(f"{output}: {made.scenes} scenes, {made.decisions} decisions", markup=False)
    if made.findings:
        count = len(made.findings)
        err.print(f"{count} {'thing' if count == 1 else 'things'} not carried over as written", markup=False)


@app.command(name="walk")
def walk_story(  # noqa: PLR0917 - typer makes options of them
    story: StoryPath,
    answers: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="JSON list of {decision, choice, at?} in order: a file, or - for standard input."),
    ] = None,
    each: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="One such list a line, one walk a line out: a file, or - for standard input."),
    ] = None,
    policy: Annotated[Policy, typer.Option(help="Who answers when the list is over.")] = "default",
    seed: Annotated[
        int, typer.Option(help="Of all that is drawn; with --each one more a line.", min=0, max=2**64 - 1)
    ] = 0,
    assume: Annotated[str, typer.Option(help="Length of scenes that have no 'out'.")] = "30s",
    profile: ProfileOption = None,
    viewer: ViewerOption = "",
    clock: ClockOption = None,
    max_scenes: Annotated[int, typer.Option(help="A walk is stopped after so many scenes.", min=1)] = 10_000,
) -> None:
    """Tell what one viewer with these answers sees, as JSON; needs no footage. See docs/walk.md."""
    if answers is not None and each is not None:
        raise BranchlineError("--answers and --each are given; choose one")
    loaded, _ = _read(story)
    go = _walker(loaded, assume, _opening(loaded, profile or [], viewer, clock), max_scenes)
    if each is None:
        given = () if answers is None else read_answers(answers.read(), answers.name)
        found = go(Plan(answers=given, policy=policy, seed=seed))
        sys.stdout.buffer.write(told(found) + b"\n")
        if found.taken < len(given):
            err.print(f"answers[{found.taken}] and what follows was not asked for", markup=False)
        _tell_failures(loaded)
        return
    failed = 0
    for number, line in enumerate(each):
        try:
            given = read_answers(line, f"{each.name}:{number + 1}")
            text = told(go(Plan(answers=given, policy=policy, seed=(seed + number) % 2**64)))
        except WalkError as error:
            text = msgspec.json.encode({"error": error.problem, "index": error.index})
            failed += 1
        sys.stdout.buffer.write(text + b"\n")
    _tell_failures(loaded)
    if failed:
        raise BranchlineError(f"{failed} of the walks came upon an answer that the story cannot take")


@app.command()
def simulate(  # noqa: PLR0917 - typer makes options of them
    story: StoryPath,
    viewers: Annotated[int, typer.Option(help="How many viewings.", min=1, max=10_000_000)] = 1000,
    policy: Annotated[Policy, typer.Option(help="How they answer.")] = "uniform",
    seed: Annotated[int, typer.Option(help="Of the first viewer; one more each.", min=0, max=2**64 - 1)] = 0,
    assume: Annotated[str, typer.Option(help="Length of scenes that have no 'out'.")] = "30s",
    profile: ProfileOption = None,
    clock: ClockOption = None,
    max_scenes: Annotated[int, typer.Option(help="A viewing is stopped after so many scenes.", min=1)] = 10_000,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "text",
) -> None:
    """Let many viewers watch, without footage: what is never reached, how long it takes, how it ends."""
    loaded, _ = _read(story)
    go = _walker(loaded, assume, _opening(loaded, profile or [], "", clock), max_scenes)
    report = _simulated(loaded, go, viewers, seed, policy)
    if form == "json":
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        return
    for table in report_tables(report):
        out.print(table)


@app.command()
def graph(  # noqa: PLR0917 - typer makes options of them
    story: StoryPath,
    output: Annotated[
        str, typer.Option(help="Where to: a page (.html), a picture (.svg), or - for the picture on standard output.")
    ] = "graph.html",
    viewers: Annotated[int, typer.Option(help="How many simulated viewers.", min=1, max=10_000_000)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the first viewer; one more each.", min=0, max=2**64 - 1)] = 0,
    assume: Annotated[str, typer.Option(help="Length of scenes that have no 'out'.")] = "30s",
    profile: ProfileOption = None,
    clock: ClockOption = None,
    max_scenes: Annotated[int, typer.Option(help="A viewing is stopped after so many scenes.", min=1)] = 1_000,
    footage: Annotated[
        Path | None, typer.Option(help="Folder to take pictures of scenes from; else footage beside the story.")
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="Folder of packaged stories to take them from instead.", show_default=False)
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Show a picture of each scene.")] = True,
) -> None:
    """Draw the story: scenes, the ways between them, and how many simulated viewers go each. See docs/graph.md."""
    suffix = ".svg" if output == "-" else Path(output).suffix.lower()
    if suffix not in {".svg", ".html"}:
        raise BranchlineError(f"--output: {output!r} ends neither in .svg nor in .html; name a file that does, or -")
    if footage is not None and library is not None:
        raise BranchlineError("--footage and --library are given; choose one")
    loaded, findings = read_story(_text_of(story), str(story))
    if loaded is None:
        raise StoryError(tuple(finding for finding in findings if finding.level == "error"))
    go = _walker(loaded, assume, _opening(loaded, profile or [], "", clock), max_scenes)
    found = _simulated(loaded, go, viewers, seed)
    taken = _pictures(loaded, footage or story.absolute().parent / "footage", library) if pictures else {}
    drawn = layout_of(graph_of(loaded, _length("--assume", assume), found, findings), taken, bounded)
    text = page_of(drawn, taken) if suffix == ".html" else svg_of(drawn, taken)
    if output == "-":
        sys.stdout.buffer.write(text.encode())
        return
    try:
        Path(output).write_text(text, "utf-8")
    except OSError as error:
        raise BranchlineError(f"--output: {output} cannot be written: {error.strerror}") from error
    parts = [f"{len(drawn.scenes)} scenes", f"{len(drawn.routes)} ways", f"{len(taken)} pictures"]
    out.print(f"{output}: {', '.join(parts)}", markup=False)


def _simulated(story: Story, go: Callable[[Plan], Walk], viewers: int, seed: int, policy: Policy = "uniform") -> Report:
    found = Simulation(story)
    columns = (TextColumn("viewers"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        for number in bar.track(range(viewers)):
            found.add(go(Plan(policy=policy, seed=(seed + number) % 2**64)))
    _tell_failures(story)
    return found.report()


def _pictures(story: Story, footage: Path, library: Path | None) -> dict[str, str]:
    """Gives a picture of each scene that there is one of; none where there is neither footage nor library."""
    if library is None and not footage.is_dir():
        return {}
    try:
        tools = find_tools()
    except PackagingError as error:
        err.print(f"no pictures of scenes: {error}", markup=False)
        return {}
    columns = (TextColumn("pictures"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("pictures", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if library is not None:
            return asyncio.run(pictures_of_library(story, Library(library), tools, tell))
        return asyncio.run(pictures_of_footage(story, footage, tools, tell))


def _walker(story: Story, assume: str, opening: Opening, most_scenes: int) -> Callable[[Plan], Walk]:
    lengths = lengths_of(story, _length("--assume", assume))
    segment = Ticks(DEFAULT_LADDER.segment_seconds * TICKS_PER_SECOND)

    def go(plan: Plan) -> Walk:
        opened = replace(opening, seed=plan.seed)
        return walk(
            story, lengths, plan, opening=opened, segment=segment, most_scenes=min(most_scenes, story.max_steps)
        )

    return go


def _opening(story: Story, profile: list[str], viewer: str, clock: datetime | None) -> Opening:
    at = clock or datetime(2020, 1, 1)  # noqa: DTZ001 - the viewer's own clock, wherever that is
    return Opening(profile=_inputs(story, profile), viewer=viewer, hour=at.hour, weekday=at.isoweekday())


def _tell_failures(story: Story) -> None:
    for finding in failures_of(story):
        err.print(str(finding), markup=False)


def _slate_setting(length: str, font: Path | None) -> slates.SlateSetting:
    from streamer.packager import slates  # noqa: PLC0415 - as with the server: see `serve`

    return slates.SlateSetting(length=_length("--slate-length", length), font=font)


def _ladder_at(text: str) -> Ladder:
    rate = read_rate(text)
    if rate is None:
        raise BranchlineError(
            f"--frame-rate: {text!r} is no frame rate that can be packaged. "
            f"Write auto, or one between {SLOWEST} and {FASTEST}: 25, 24000/1001, 23.976"
        )
    return at_rate(DEFAULT_LADDER, (rate.numerator, rate.denominator))


def _length(option: str, text: str) -> Ticks:
    try:
        return read_length(text)
    except Mistake as error:
        raise BranchlineError(f"{option}: {error}. {error.remedy}") from error


def _inputs(story: Story, given: list[str]) -> dict[str, Value]:
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise BranchlineError(f"--profile: {each!r} is no input; write name=value")
        pairs[name] = text
    try:
        return read_inputs(story, pairs)
    except MalformedRequest as error:
        raise BranchlineError(f"--profile: {error.detail}") from error


@app.command()
def package(  # noqa: PLR0917 - typer makes options of them
    story: StoryPath,
    library: Annotated[Path, typer.Option(help="Folder that packaged stories lie in.")] = Path("library"),
    frame_rate: FrameRate = "auto",
    with_slates: WithSlates = False,
    slate_length: SlateLength = "12s",
    slate_font: SlateFont = None,
) -> None:
    """Encode a story's footage for streaming. What has not changed is not encoded again."""
    from streamer.packager import pipeline  # noqa: PLC0415 - as with the server: see `serve`

    loaded, text = _read(story)
    tools = find_tools()
    setting = _slate_setting(slate_length, slate_font)
    options = pipeline.Options(
        slates=setting if with_slates else None,
        rate_of_footage=frame_rate == "auto",
        on_note=lambda note: err.print(f"{story}: {note}", markup=False),
    )
    ladder = DEFAULT_LADDER if frame_rate == "auto" else _ladder_at(frame_rate)
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

        run = pipeline.package(loaded, story, text, Library(library), ladder, tools, tell, options)
        made = asyncio.run(run)
    out.print(f"{loaded.id}: revision {made.revision} in {library}; {len(made.scenes)} scenes", markup=False)


@app.command()
def serve(  # noqa: PLR0917 - typer makes options of them
    stories: Annotated[
        list[Path] | None,
        typer.Argument(help="Story files to --watch.", metavar="STORY", exists=True, dir_okay=False),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; see config/branchline.yaml.")] = None,
    library: Annotated[Path | None, typer.Option(help="Folder that packaged stories lie in. (library.path)")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of sessions and secret. (state.path)")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. (server.host)")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0: any free one. (server.port)")] = None,
    media_base: Annotated[str | None, typer.Option(help="Address in front of media names. (media.base)")] = None,
    browser: Annotated[
        bool, typer.Option("--open", help="Open the first story in a browser, where there is a display.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check and package the named stories, now and whenever they change.")
    ] = False,
    frame_rate: FrameRate = "auto",
    with_slates: WithSlates = False,
    slate_length: SlateLength = "12s",
    slate_font: SlateFont = None,
) -> None:
    """Serve packaged stories to any HLS player. With --watch, for their author as they are written."""
    if watch != bool(stories):
        raise BranchlineError("--watch goes with the story files to watch: branchline serve --watch STORY …")
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
    # The server, and what it takes to package, are half a second of imports that no other command needs.
    from streamer.running import run  # noqa: PLC0415
    from streamer.watching import Workshop  # noqa: PLC0415

    workshop = None
    if stories:
        workshop = Workshop(
            library=Library(settings.library.path),
            ladder=DEFAULT_LADDER if frame_rate == "auto" else _ladder_at(frame_rate),
            tools=find_tools(),
            slates=_slate_setting(slate_length, slate_font) if with_slates else None,
            rate_of_footage=frame_rate == "auto",
        )
    run(settings, stories or [], workshop, browser=browser)


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BranchlineError(f"{path}: the story cannot be read: {error}") from error


def _read(path: Path) -> tuple[Story, str]:
    """Reads a story that is to be worked with: mistakes end it, warnings are only counted."""
    text = _text_of(path)
    story, findings = read_story(text, str(path))
    if story is None:
        raise StoryError(tuple(finding for finding in findings if finding.level == "error"))
    if findings:
        tell_warnings(str(path), len(findings))
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


if __name__ == "__main__":
    main()
