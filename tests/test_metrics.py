"""The figures that a server counts are those that the documentation and the dashboard name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric

from streamer.metrics import Metrics

ROOT = Path(__file__).parent.parent
OURS = "branchline_"


def families() -> Iterator[Metric]:
    """Gives what a server's registry knows, also what nothing was counted of yet."""
    yield from Metrics().registry.collect()


def documented(family: Metric) -> tuple[str, str]:
    """Gives a family's name and kind as the table of docs/operations.md has them."""
    return family.name + ("_total" if family.type == "counter" else ""), family.type


def samples(family: Metric) -> set[str]:
    """Gives the names that a query may ask for."""
    match family.type:
        case "counter":
            return {f"{family.name}_total"}
        case "histogram":
            return {f"{family.name}_{part}" for part in ("bucket", "count", "sum")}
        case _:
            return {family.name}


def test_the_table_of_metrics_names_all_that_there_are() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")

    rows = re.findall(r"^\| `(branchline_\w+)` \| (\w+) \|", text, re.MULTILINE)

    assert sorted(rows) == sorted(documented(family) for family in families() if family.name.startswith(OURS))


def test_every_metric_that_the_documentation_speaks_of_exists() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")

    named = set(re.findall(r"`((?:branchline|process)_\w+)", text))

    assert named <= {documented(family)[0] for family in families()}


def test_every_metric_of_the_dashboard_exists_and_the_dashboard_shows_every_one_of_ours() -> None:
    dashboard = json.loads((ROOT / "config" / "grafana" / "branchline.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    named = {name for query in queries for name in re.findall(r"\b(?:branchline|process|python)_\w+", query)}

    found = list(families())
    assert named <= set().union(*map(samples, found))
    assert all(named & samples(family) for family in found if family.name.startswith(OURS))


def test_no_label_of_a_metric_is_a_session_a_viewer_or_a_story() -> None:
    labels = {label for name, value in vars(Metrics()).items() if name != "registry" for label in value._labelnames}

    assert labels == {"outcome", "by", "operation", "route", "status"}
