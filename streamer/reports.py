"""Reports as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from streamer.story.simulate import Report, Spread


def report_tables(report: Report) -> Iterator[Table]:
    """Gives the tables of a simulation: lengths and times, endings, choices, and what nobody came to."""
    yield _figures(report)
    yield _shares("ending", report.endings)
    choices = Table("decision", "choice", "share of its answers")
    for decision, found in report.choices.items():
        for choice, share in found.items():
            choices.add_row(decision, choice, _percent(share))
    yield choices
    missed = Table("never reached", "what")
    for name, share in report.scenes.items():
        if not share:
            missed.add_row("scene", name)
    for way in report.transitions:
        if not way.share:
            missed.add_row("transition", f"{way.before} to {way.after}")
    if not missed.row_count:
        missed.add_row("nothing", "every scene and every transition was reached")
    yield missed


def _figures(report: Report) -> Table:
    table = Table("", "shortest", "median", "longest")
    table.add_row("length of a viewing, s", *_spelled(report.length_seconds))
    table.add_row("between decisions, s", *_spelled(report.seconds_between_decisions))
    for seconds, share in report.share_of_time_with_less_ahead.items():
        table.add_row(f"time with less than {seconds} s settled ahead", "", _percent(share), "")
    if report.stopped:
        table.add_row("viewings that came to no end", "", str(report.stopped), "")
    return table


def _shares(name: str, shares: dict[str, float]) -> Table:
    table = Table(name, "share of viewers")
    for key, share in shares.items():
        table.add_row(key, _percent(share))
    return table


def _spelled(spread: Spread) -> tuple[str, str, str]:
    first, middle, last = (
        "-" if value is None else f"{value:.3f}" for value in (spread.shortest, spread.median, spread.longest)
    )
    return first, middle, last


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
