"""Measures all that is measured and writes build/bench.json.

python -m tests.bench.run
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.bench import lists, served, stories

COLUMNS = ("ours", "baseline", "ratio")


def main() -> int:
    """Measures and writes."""
    found = [*asyncio.run(lists.figures()), *stories.figures(), *asyncio.run(served.figures())]
    target = Path(__file__).parents[2] / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for each in found:
        ours, baseline, ratio = (f"{each[name]:>11}" if each[name] is not None else " " * 11 for name in COLUMNS)
        print(f"{each['name']:45}{ours}{baseline}{ratio}  {each['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
