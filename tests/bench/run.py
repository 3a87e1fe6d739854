"""Measures all that is measured and writes build/bench.json.

python -m tests.bench.run
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.bench import lists, stories


def main() -> int:
    """Measures and writes."""
    found = [*asyncio.run(lists.figures()), *stories.figures()]
    target = Path(__file__).parents[2] / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for each in found:
        print(f"{each['name']:45} {each['ours']:>10} {each['baseline']:>10}  {each['ratio']:>7}  {each['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
