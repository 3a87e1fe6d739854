"""What operators copy from the repository is true of the server."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.session.events import Committed, Register, SessionRecord
from streamer.store.sqlite import SqliteStore
from streamer.units import Ticks
from tests.serving import BRANCHLINE
from tests.valkey import COUNTING, RIGHTS

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "config" / "systemd" / "branchline.service"
GUIDE = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("NOT TESTED: systemd-analyze is not there; apt-get install systemd")
    return found


def test_systemd_reads_the_unit_without_a_complaint(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/branchline/bin/branchline", BRANCHLINE), "utf-8")

    said = subprocess.run([analyze, "verify", unit], check=False, capture_output=True, text=True)

    assert (said.returncode, said.stdout, [line for line in said.stderr.splitlines() if unit.name in line]) == (
        0,
        "",
        [],
    )


def test_the_unit_gives_the_server_little_to_do_harm_with(analyze: str) -> None:
    command = [analyze, "security", "--offline=true", "--threshold=15", str(UNIT)]  # tenths, of 10.0

    said = subprocess.run(command, check=False, capture_output=True, text=True)

    assert said.returncode == 0, said.stdout[-200:] + said.stderr


def test_the_unit_starts_the_server_with_options_that_it_has() -> None:
    found = re.search(r"^ExecStart=/opt/branchline/bin/branchline serve (.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    said = subprocess.run([BRANCHLINE, "serve", "--help"], check=True, capture_output=True, text=True).stdout

    options = re.findall(r"--[a-z-]+", found[1])

    assert options
    assert set(options) <= set(re.findall(r"--[a-z-]+", re.sub(r"\x1b\[[0-9;]*m", "", said)))


def test_systemd_waits_longer_for_the_server_than_the_server_for_its_requests() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text("utf-8"), re.MULTILINE)

    assert found is not None
    assert int(found[1]) > Settings().server.shutdown_seconds


def test_every_setting_that_the_guide_names_is_one() -> None:
    sections = Settings().model_dump()

    named = re.findall(rf"`({'|'.join(sections)})\.([a-z_]+)`", GUIDE)

    assert len(named) > 10
    assert [f"{section}.{name}" for section, name in named if name not in sections[section]] == []


def test_every_variable_that_the_guide_names_is_read() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "streamer").rglob("*.py"))

    named = set(re.findall(r"`(BRANCHLINE_[A-Z_]+)`", GUIDE))

    assert named == {"BRANCHLINE_SECRET", "BRANCHLINE_STORE_URL"}
    assert all(f'"{name}"' in code for name in named)


def test_the_rights_that_the_guide_asks_for_are_those_that_were_tried() -> None:
    assert RIGHTS in GUIDE
    assert COUNTING in GUIDE


async def test_a_copy_made_while_the_server_runs_holds_every_session(tmp_path: Path) -> None:
    live = await SqliteStore.open(tmp_path / "sessions.sqlite")
    record = SessionRecord(story="s", revision="r", created_ms=1, profile={})
    await live.create("a", record, 4_000_000_000_000)
    await live.append("a", (Committed(visit=1, decision="d", choice="x", by="viewer", at=Ticks(5)),), 1, reserved=0)
    await live.advance("a", 7, Register(sign_ms=3), 2)
    assert "VACUUM INTO 'copy.sqlite'" in GUIDE

    copying = sqlite3.connect(tmp_path / "sessions.sqlite")
    copying.execute(f"VACUUM INTO '{tmp_path / 'copy.sqlite'}'")
    copying.close()

    copy = await SqliteStore.open(tmp_path / "copy.sqlite")
    assert await copy.load("a") == await live.load("a")
    await copy.close()
    await live.close()
