"""The table of docs/players.md, from the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.players.bench.scenarios import LEADS
from tests.serving import ROOT

PAGE = ROOT / "docs" / "players.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def write_table(results: Sequence[dict[str, Any]]) -> None:
    """Puts the table between its marks."""
    text = PAGE.read_text("utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}\n{table_of(results)}\n{after}", "utf-8")


def table_of(results: Sequence[dict[str, Any]]) -> str:
    """Gives the worst of each cell: stall in ms, and how many choices counted."""
    if not results:
        return "Nothing was run."
    dates, commits = ({result[name] for result in results} for name in ("date", "commit"))
    when = f"Run {' and '.join(sorted(dates))} at {', '.join(sorted(commits))}; {len(results)} runs."
    parts = [f"{when} Each cell: the longest stall near a join in ms, and how many choices counted; `-`: not run."]
    rows = sorted({(result["player"], result["version"], result["addressing"]) for result in results})
    parts.append("\n**Joins, open link, by seconds from choice to join** (the story's lock is there too)\n")
    parts.append("| player | addressing | " + " | ".join(f"{lead:g}" for lead in LEADS) + " | 4, slow link |")
    parts.append("| --- | --- |" + " --- |" * (len(LEADS) + 1))
    for player, version, addressing in rows:
        mine = [each for each in results if (each["player"], each["addressing"]) == (player, addressing)]
        joins = [each for each in mine if each["scenario"].endswith("joins")]
        cells = [
            _cell([each for each in joins if each["choice_before_join_s"] == lead and each["network"] == "open"])
            for lead in LEADS
        ]
        cells.append(_cell([each for each in joins if each["network"] != "open"]))
        parts.append(f"| {player} {version} | {addressing} | " + " | ".join(cells) + " |")
    if frames := _frames(results):
        parts.append(f"\n**Frames at joins**, the longest time between two shown one after the other: {frames}.")
    others = list(dict.fromkeys(each["scenario"] for each in results if not each["scenario"].endswith("joins")))
    if others:
        parts.append("\n**Other scenarios**: longest stall anywhere in ms, choices counted, and what went wrong\n")
        parts.append("| player | addressing | " + " | ".join(others) + " |")
        parts.append("| --- | --- |" + " --- |" * len(others))
        for player, version, addressing in rows:
            mine = [each for each in results if (each["player"], each["addressing"]) == (player, addressing)]
            cells = [_cell([each for each in mine if each["scenario"] == name], "stall_anywhere_ms") for name in others]
            parts.append(f"| {player} {version} | {addressing} | " + " | ".join(cells) + " |")
    return "\n".join(parts)


def _frames(results: Sequence[dict[str, Any]]) -> str:
    """Gives the longest frame gap at joins of each player whose frames are seen."""
    gaps: dict[str, float] = {}
    for each in results:
        if each["scenario"].endswith("joins") and each["frame_gap_ms"] is not None:
            gaps[each["player"]] = max(each["frame_gap_ms"], gaps.get(each["player"], 0))
    return ", ".join(f"{player} {gap:g} ms" for player, gap in sorted(gaps.items()))


def _cell(runs: Sequence[dict[str, Any]], figure: str = "stall_ms") -> str:
    if not runs:
        return "-"
    stalls = [run[figure] for run in runs if run[figure] is not None]
    words = [str(max(stalls)) if stalls else "not seen"]
    words.append(f"{sum(run['counted'] for run in runs)}/{sum(run['wanted'] for run in runs)}")
    skipped = max(run["skipped_s"] for run in runs)
    words += [f"skips {skipped:g} s"] if skipped else []
    words += [] if all(run["ended"] for run in runs) else ["does not end"]
    words += sorted({error for run in runs for error in run["errors"]})
    return ", ".join(words)
