"""What stories cost to read, check, load and walk: the size of an interactive film, and of 10,000 scenes.

Baselines: YAML's own reader over the same text; the whole reading, for what packages hold ready; one condition, for a
transition that looks at all of a group's. Times are CPU seconds, the best of a few; memory is that of a process that
does nothing else.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from streamer.story.codec import compiled, load_compiled, load_story, read_story
from streamer.story.model import Rule, Story
from streamer.story.rules import Opening, begin, holds, opening_scene, successor
from streamer.story.walk import Plan, Walk, lengths_of, told, walk
from streamer.units import TICKS_PER_SECOND, Ticks
from tests.film import CANDIDATES, film_text

RUNS = 3
MANY = 10_000  # scenes
SIZES = (1_000, 2_500, 5_000, MANY)
WALKS = 100
Figure = dict[str, object]


def best(work: Callable[[], object], runs: int = RUNS) -> float:
    """Gives the CPU seconds of the quickest run."""
    found = []
    for _ in range(runs):
        begins = time.process_time()
        work()
        found.append(time.process_time() - begins)
    return min(found)


def composed(text: str) -> object:
    """Reads YAML and does nothing with it."""
    return yaml.compose(text, Loader=yaml.CSafeLoader)


def figure(name: str, ours: float, baseline: float, unit: str) -> Figure:
    """Gives one figure as build/bench.json has it."""
    return {
        "name": name,
        "ours": round(ours, 4),
        "baseline": round(baseline, 4),
        "ratio": round(ours / baseline, 3),
        "unit": unit,
    }


def long_text(scenes: int) -> str:
    """Gives a story of so many scenes, each with a decision between two and a condition."""
    asked = "\n".join(
        f"  s{n}: {{media: {{src: s}}, decision: {{id: d{n}, prompt: Where?, default: a, choices: ["
        f"{{id: a, label: A, to: s{n + 1}}},"
        f" {{id: b, label: B, to: s{(n * 7 + 3) % scenes}, when: \"visits('s{n}') < {n % 5 + 1}\"}}]}}}}"
        for n in range(scenes - 1)
    )
    end = f"  s{scenes - 1}: {{media: {{src: s}}, end: {{id: end}}}}\n"
    return f"story: 1\nid: long\ntitle: Long\nstart: s0\nscenes:\n{asked}\n{end}"


def megabytes(scenes: int) -> float:
    """Gives the most memory that a process takes to read and check a story of so many scenes; 0: none."""
    script = f"from tests.bench.stories import taken; print(taken({scenes}))"
    return float(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)


def taken(scenes: int) -> float:
    """Reads a story of so many scenes and gives the most memory that this process has had, in megabytes."""
    if scenes:
        assert read_story(long_text(scenes), "long.yaml")[0] is not None
    # Not ru_maxrss: a process inherits it from the one that started it.
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def transition(story: Story) -> tuple[float, float]:
    """Gives the seconds of a way on over 34 guarded candidates of which the last holds, and those of one condition."""
    guards = [*story.conditions.values(), *(rule.when for rules in story.groups.values() for rule in rules)]
    guards += [choice.when for decision in story.decisions for choice in decision.choices]
    scene, memory = opening_scene(story, begin(story, Opening()))
    closed = [guard for guard in guards if guard is not None and not holds(story, memory, guard)]
    never = sorted(closed, key=lambda guard: -len(guard.text))[: CANDIDATES - 1]  # the longest of them
    rules = tuple(Rule(to=scene.id, when=never[n % len(never)]) for n in range(CANDIDATES - 1))
    guarded = replace(story.scenes[scene.id], next=(*rules, Rule(to=scene.id)))
    count = 200

    def all_of_them() -> None:
        for _ in range(count):
            successor(story, memory, guarded, None)

    def one_of_them() -> None:
        for _ in range(count):
            holds(story, memory, never[0])

    return best(all_of_them) / count, best(one_of_them) / count


def figures() -> list[Figure]:
    """Gives all figures."""
    text, long = film_text(), long_text(MANY)
    story = load_story(text, "film.yaml")
    ready = compiled(long, "long.yaml")
    read_long, composed_long = best(lambda: read_story(long, "f"), 1), best(lambda: composed(long), 1)
    found = [
        figure("story.check_film", best(lambda: read_story(text, "f")), best(lambda: composed(text)), "s CPU"),
        figure(f"story.check_{MANY}", read_long, composed_long, "s CPU"),
        figure(f"story.load_ready_{MANY}", best(lambda: load_compiled(ready)), read_long, "s CPU"),
    ]
    bare = megabytes(0)
    first, *_ = sizes = [megabytes(scenes) - bare for scenes in SIZES]
    found += [
        figure(f"story.memory_{scenes}", size / scenes * 1000, first / SIZES[0] * 1000, "MB a thousand scenes")
        for scenes, size in zip(SIZES, sizes, strict=True)
    ]
    every, one = transition(story)
    found.append(figure(f"story.transition_{CANDIDATES}", every * 1000, one * 1000, "ms CPU"))
    lengths, segment = lengths_of(story, Ticks(0)), Ticks(2 * TICKS_PER_SECOND)

    def seen(seed: int) -> Walk:
        plan = Plan(policy="uniform", seed=seed)
        return walk(story, lengths, plan, opening=Opening(seed=seed), segment=segment, most_scenes=1000)

    def walks() -> None:
        for seed in range(WALKS):
            told(seen(seed))

    steps = sum(len(seen(seed).scenes) for seed in range(WALKS))
    each = best(walks, 1)
    found.append(
        figure("story.thousand_walks", each / WALKS * 1000, each / steps * 1000, "s CPU, to a thousand scenes")
    )
    return found
