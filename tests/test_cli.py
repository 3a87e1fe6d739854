"""The command line, as it is typed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.serving import BRANCHLINE, ROOT


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BRANCHLINE, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


def test_the_sample_story_is_well() -> None:
    done = run("check", "media/sample/story.yaml")

    assert (done.returncode, done.stdout) == (0, "media/sample/story.yaml: well; 10 scenes, 3 decisions\n")


def test_mistakes_are_counted_and_named_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "story: 1\nid: bad\ntitle: Bad\nstart: a\nscenes: {b: {media: {src: b}}}\n", "utf-8"
    )

    done = run("check", "bad.yaml", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "bad.yaml:4:8: error: start: there is no scene 'a'. Declare it under 'scenes', or name another",
        "bad.yaml:5:10: error: scenes.b: the story stops here: no 'next', 'decision' or 'end'. Add one of them",
        "2 mistakes",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("check", "missing.yaml"), 2, "missing.yaml"),
        (("check",), 2, "Missing argument"),
        (("serve", "--port", "abc"), 2, "--port"),
        (("serve", "--port", "99999"), 2, "server.port"),
        (("serve", "--config", "missing.yaml"), 2, "missing.yaml"),
        (("serve", "--media-base", "no-slash"), 2, "media.base"),
        (("sevre",), 2, "sevre"),
    ],
)
def test_wrong_arguments_are_told_in_words(tmp_path: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    done = run(*arguments, cwd=tmp_path)

    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("sample_library")  # its footage
def test_footage_too_short_for_its_decision_is_told_and_nothing_is_published(tmp_path: Path) -> None:
    text = """
story: 1
id: late
title: Late
start: yard
scenes:
  yard:
    media: {src: yard}
    decision:
      {id: d, prompt: "?", opens_at: 6s, closes_at: 7s, default: go, choices: [{id: go, label: Go, to: yard}]}
"""
    (tmp_path / "story.yaml").write_text(text, "utf-8")
    (tmp_path / "footage").symlink_to(ROOT / "media" / "sample" / "footage")

    done = run("package", "story.yaml", "--library", "library", cwd=tmp_path)

    assert done.returncode == 1
    assert "story.yaml: error: scenes.yard.decision.closes_at: the lock is less than 4.000 s before" in done.stderr
    assert not list((tmp_path / "library").glob("stories/*/current"))


def test_help_names_every_command() -> None:
    done = run("--help")

    assert all(name in done.stdout for name in ("check", "package", "serve"))
