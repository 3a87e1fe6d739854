"""Reads story files that were spoilt by chance: nothing but findings comes of them, soon, and in little memory.

    python -m tests.fuzz --count 100000 --seed 1

Each case follows from the seed and its number alone. What loads in spite of all is walked as well. Cases that fail are
written to build/fuzz/, figures to build/fuzz.json; the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import json
import multiprocessing
import random
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from streamer.errors import BranchlineError
from streamer.story.codec import compiled, load_compiled, read_story
from streamer.story.model import Story
from streamer.story.rules import Opening
from streamer.story.walk import Plan, Walk, lengths_of, told, walk
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.film import film_text

ROOT = Path(__file__).parents[1]
MOST_SECONDS = 10.0  # of CPU for one read: the film takes one, and a machine may be slow
HANGS_SECONDS = 300  # after so long a worker tells where it is, and ends
MOST_MEMORY_MIB = 256  # of a worker, with the interpreter and all that it imports
AT_A_TIME = 250  # cases that a worker is given
SHORT_FILM = 24  # scenes
COMPILED_EVERY = 20  # of the cases that load, one in so many is compiled too

MARKS = [
    *"[]{}:,#&*!|>'\"%@`-?~^\\/.=<>()+ \t\n\r",
    "\x00",
    "\x85",
    "\ufeff",
    "\u2028",
    "\ud800",
    "é",
    "😀",
    "٣",
    ": ",
    "- ",
    "<<: ",
    "'''",
]
WORDS = [
    "true",
    "no",
    "~",
    "null",
    "0",
    "-1",
    "1e3",
    "1.5",
    ".inf",
    ".nan",
    "0x1f",
    "1_000",
    "01:30",
    "2024-01-01",
    "-4s",
    "99h",
    "00:00:61",
    "9999999999999999999999",
    "@x",
    "@@",
    "intro",
    "first",
    "random",
    "when",
    "to",
    "set",
    "id",
    "scenes",
    "decision",
    "decisions",
    "choices",
    "default",
    "timeout",
    "next",
    "end",
    "events",
    "variants",
    "media",
    "in",
    "out",
    "src",
    "state",
    "profile",
    "groups",
    "conditions",
    "type",
    "bool",
    "int",
    "number",
    "string",
    "enum",
    "min",
    "max",
    "values",
    "hold",
    "lock",
    "immediate",
    "weight",
    "priority",
    "checkpoint",
    "menu",
    "reset",
    "input",
    "code",
    "length",
    "<<",
    "&a",
    "*a",
    "!!str",
    "---",
    "...",
    "und",
    "en",
]
EXPRESSIONS = [
    "1 / 0 > 0",
    "true",
    "!" * 60 + "true",
    "(" * 40 + "true" + ")" * 40,
    "1" + " + 1" * 40 + " > 2",
    "'" + "a" * 1100 + "' == ''",
    "state.x.y.z",
    "visits('intro') < 9223372036854775807",
    "[1, 2].map(x, x * 2) == []",
    "size([[[]]]) == 1",
    "a.b(c)",
    "chose(chose('lamp')) == 'x'",
    "'a'.matches('(a+)+$')",
    "9223372036854775807 + 1 > 0",
    "-9223372036854775808 / -1 == 0",
    "b'abc' == b'abc'",
    "{'a': 1}['a'] == 1",
    "true ? 1 : 2",
    "conditions['x']",
    '"\\u0041" == "A"',
    "r'\\d' == '' // note",
]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    10**39,
    0.1,
    1e300,
    float("inf"),
    float("nan"),
    "",
    " ",
    "a" * 65,
    "a" * 5001,
    "\n",
    "{profile.x|}",
    "{state.seen}",
    [],
    {},
    [[]],
    {"": ""},
    "-0s",
    "86400s",
    "1e9",
    "../../etc/passwd",
    "https://a.example/{viewer.token}",
]


@functools.cache
def bases() -> tuple[str, ...]:
    """Gives the stories that are spoilt: the sample, the example of the documentation, the film, short and whole."""
    sample = (ROOT / "media" / "sample" / "story.yaml").read_text("utf-8")
    page = (ROOT / "docs" / "story-format.md").read_text("utf-8")
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    return sample, example[1], film_text(scenes=SHORT_FILM), film_text()


@functools.cache
def _data_of(base: str) -> str:
    return json.dumps(yaml.load(base, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)))


def spoilt(seed: int, number: int, *, whole_film: bool = True) -> str:
    """Gives a case."""
    rng = random.Random(f"{seed}/{number}")
    base = rng.choices(bases(), (600, 370, 29, whole_film))[0]
    if rng.random() < 0.35:
        return _rebuilt(rng, base)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        base = rng.choice(_BY_TEXT)(rng, base)
    return base


# ── of the text ──────────────────────────────────────────────────────────────────────────────────────────────────


def _characters(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    kept = at + rng.choice((0, 0, 1, 1, 2, 9))
    return text[:at] + "".join(rng.choices(MARKS, k=rng.choice((0, 1, 1, 2)))) + text[kept:]


def _tokens(rng: random.Random, text: str) -> str:
    found = [*re.finditer(r"[\w.@-]+", text)]
    if not found:
        return text
    one, other = rng.choice(found), rng.choice(found)
    word = rng.choice((other[0], other[0], rng.choice(WORDS), rng.choice(WORDS), "", one[0] * 2, one[0][:-1]))
    return text[: one.start()] + word + text[one.end() :]


def _lines(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = rng.choice((" ", "  ", "\t", "- ", "")) + lines[at].lstrip(" " * rng.randrange(3))
        case 4:
            low, high = sorted((at, other))
            lines[low : min(high, low + 12)] = []
        case _:
            low = min(at, other)
            lines[at:at] = lines[low : low + rng.randrange(12)]
    return "\n".join(lines)


def _values(rng: random.Random, text: str) -> str:
    """Puts an odd value behind one of the colons."""
    places = [found.end() for found in re.finditer(r": ", text)]
    if not places:
        return text
    at = rng.choice(places)
    end = min((place for place in (text.find(mark, at) for mark in (",", "}", "\n")) if place >= 0), default=len(text))
    value = rng.choice((*WORDS, json.dumps(rng.choice(ODD)), json.dumps(rng.choice(EXPRESSIONS))))
    return text[:at] + value + text[end:]


_BY_TEXT: tuple[Callable[[random.Random, str], str], ...] = (_characters, _tokens, _tokens, _lines, _values, _values)


# ── of the data ──────────────────────────────────────────────────────────────────────────────────────────────────


def _rebuilt(rng: random.Random, base: str) -> str:
    """Gives the story with its data changed, spelled anew: as JSON, or as YAML."""
    data = _typed(json.loads(_data_of(base)))
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change(rng, data)
    if rng.random() < 0.5 or len(base) > 100_000:
        return json.dumps(data, ensure_ascii=rng.random() < 0.5)
    return yaml.dump(data, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True)


def _typed(value: Any) -> Any:
    """Gives scalars, all texts, the types that they have in the file."""
    if isinstance(value, dict):
        return {key: _typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_typed(each) for each in value]
    if value in ("true", "false"):
        return value == "true"
    if re.fullmatch(r"-?[0-9]{1,6}", value):
        return int(value)
    return float(value) if re.fullmatch(r"-?[0-9]{1,6}\.[0-9]+", value) else value


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(inner, dict | list):
            _places(inner, found)
    return found


def _change(rng: random.Random, data: Any) -> None:
    places = _places(data, [])
    if not places:
        return
    around, key = rng.choice(places)
    other, its = rng.choice(places)
    match rng.randrange(8):
        case 0:
            del around[key]
        case 1 if isinstance(around, dict):
            around[rng.choice((*WORDS, f"{key}x", str(key)[:-1], its))] = around.pop(key)
        case 2:
            around[key] = _copied(other[its])
        case 3:
            around[key] = [around[key]]
        case 4:
            around[key] = {rng.choice((*WORDS, key)) if isinstance(key, str) else "x": around[key]}
        case 5:
            around[key] = rng.choice(EXPRESSIONS)
        case 6 if isinstance(around, list):
            around.insert(key, _copied(around[key]))
        case _:
            around[key] = _copied(rng.choice(ODD))  # the next change may go into it


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


# ── a case, and many ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Told:
    """What came of some cases."""

    cases: int = 0
    loaded: int = 0
    walked: int = 0  # of those, to an end or as far as they may
    errors: int = 0  # findings
    slowest: float = 0  # seconds of CPU for one read
    slowest_case: int = 0
    memory_mib: int = 0  # peak of the worker so far
    failed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Told) -> None:
        """Takes in what came of others."""
        self.cases += other.cases
        self.loaded += other.loaded
        self.walked += other.walked
        self.errors += other.errors
        if other.slowest > self.slowest:
            self.slowest, self.slowest_case = other.slowest, other.slowest_case
        self.memory_mib = max(self.memory_mib, other.memory_mib)
        self.failed += other.failed


def memory_mib() -> int:
    """Gives the most memory that this process had at one time."""
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024


def viewing(story: Story) -> Walk:
    """Walks a story as who never answers does."""
    lengths = lengths_of(story, Ticks(30 * TICKS_PER_SECOND))
    segment = Ticks(2 * TICKS_PER_SECOND)
    return walk(story, lengths, Plan(), opening=Opening(), segment=segment, most_scenes=60)


def read_case(text: str, number: int, found: Told) -> None:
    """Reads a case, and walks it if it loads.

    Raises:
        Exception: whatever it was not to raise.
    """
    begins = time.process_time()
    story, findings = read_story(text, "story.yaml")
    seconds = time.process_time() - begins
    found.cases += 1
    if seconds > found.slowest:
        found.slowest, found.slowest_case = seconds, number
    errors = [each for each in findings if each.level == "error"]
    found.errors += len(errors)
    assert (story is None) == bool(errors), "a story without errors loads, and no other"
    assert seconds <= MOST_SECONDS, f"reading took {seconds:.1f} s"
    if story is None:
        return
    found.loaded += 1
    try:
        walked = viewing(story)
    except BranchlineError:
        return
    found.walked += 1
    if number % COMPILED_EVERY == 0:
        again = viewing(load_compiled(compiled(text, "story.yaml")))
        assert told(again) == told(walked), "the compiled story goes another way"


def read_cases(seed: int, first: int, after: int, *, whole_film: bool = True) -> Told:
    """Reads some cases and tells what came of them."""
    faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
    found = Told()
    for number in range(first, after):
        text = spoilt(seed, number, whole_film=whole_film)
        try:
            read_case(text, number, found)
        except Exception:  # noqa: BLE001 - that is what is looked for
            found.failed.append((number, traceback.format_exc()))
    faulthandler.cancel_dump_traceback_later()
    found.memory_mib = memory_mib()
    return found


def main() -> int:
    """Reads many cases in processes of their own."""
    parser = argparse.ArgumentParser(description="Read story files that were spoilt by chance.")
    parser.add_argument("--count", type=int, default=100_000, help="cases")
    parser.add_argument("--seed", type=int, default=1, help="of all of them")
    parser.add_argument("--processes", type=int, default=2, help="workers")
    asked = parser.parse_args()
    begins, found = time.monotonic(), Told()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.processes, mp_context=context) as pool:
        jobs = [
            pool.submit(read_cases, asked.seed, first, min(first + AT_A_TIME, asked.count))
            for first in range(0, asked.count, AT_A_TIME)
        ]
        for job in as_completed(jobs):
            found.add(job.result())
            print(f"\r{found.cases:,} of {asked.count:,}, {len(found.failed)} failed", end="", file=sys.stderr)
    print(file=sys.stderr)
    return _report(found, asked, time.monotonic() - begins)


def _report(found: Told, asked: argparse.Namespace, seconds: float) -> int:
    build = ROOT / "build"
    (build / "fuzz").mkdir(parents=True, exist_ok=True)
    for number, trace in sorted(found.failed):
        path = build / "fuzz" / f"{asked.seed}-{number}.yaml"
        path.write_text(spoilt(asked.seed, number), "utf-8", errors="replace")
        print(f"case {number}, {path}:\n{trace}")
    figures = {
        "seed": asked.seed,
        "cases": found.cases,
        "failed": len(found.failed),
        "loaded": found.loaded,
        "walked": found.walked,
        "errors_told": found.errors,
        "seconds": round(seconds, 1),
        "slowest_read_seconds": round(found.slowest, 2),
        "slowest_case": found.slowest_case,
        "peak_memory_mib": found.memory_mib,
    }
    (build / "fuzz.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    for name, value in figures.items():
        print(f"{name:22} {value:>12,}")
    if found.memory_mib > MOST_MEMORY_MIB:
        print(f"a worker took more than {MOST_MEMORY_MIB} MiB")
        return 1
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
