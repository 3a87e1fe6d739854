"""Story files spoilt by chance give findings and nothing else; `make fuzz` reads many more of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fuzz import MOST_MEMORY_MIB, ROOT, bases, read_cases, spoilt

pytestmark = pytest.mark.film

SEED = 2  # another than that of `make fuzz`


@pytest.mark.parametrize("part", range(6))
def test_a_spoilt_story_gives_findings_or_loads_and_is_walked(part: int) -> None:
    found = read_cases(SEED, part * 400, (part + 1) * 400, whole_film=part == 0)

    assert [f"case {number}: {trace}" for number, trace in found.failed] == []
    assert found.cases == 400
    assert found.walked > 0
    assert found.errors > found.cases


def test_a_case_follows_from_its_number_and_spoils_a_story() -> None:
    assert spoilt(SEED, 7) == spoilt(SEED, 7)
    assert sum(spoilt(SEED, number, whole_film=False) in bases() for number in range(100)) < 20


def test_the_memory_of_who_reads_many_stays_small() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--count", "150", "--seed", "3", "--processes", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout  # it fails above MOST_MEMORY_MIB
    peak = next(line.split()[1] for line in ran.stdout.splitlines() if line.startswith("peak_memory_mib"))
    assert 0 < int(peak) <= MOST_MEMORY_MIB
