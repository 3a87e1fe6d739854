"""`branchline new`, as it is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from tests.serving import ROOT
from tests.test_cli import run


def test_a_new_story_checks_and_walks_at_once(tmp_path: Path) -> None:
    made = run("new", "my-story", cwd=tmp_path)
    checked = run("check", "my-story/story.yaml", cwd=tmp_path)
    walks = [
        json.loads(run("walk", "my-story/story.yaml", "--answers", "-", cwd=tmp_path, given=json.dumps(answers)).stdout)
        for answers in ([{"decision": "map", "choice": "take"}], [])
    ]

    assert (made.returncode, made.stderr) == (0, "")
    assert (checked.returncode, checked.stdout) == (0, "my-story/story.yaml: well; 4 scenes, 1 decisions\n")
    assert [walk["ending"] for walk in walks] == ["found", "lost"]
    assert [walk["state"] for walk in walks] == [{"map": True}, {"map": False}]


def test_the_next_commands_are_told_and_can_be_typed(tmp_path: Path) -> None:
    done = run("new", "my story", cwd=tmp_path)

    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    commands = [shlex.split(line.partition("  ")[0]) for line in lines]
    assert commands[0] == ["branchline", "check", "my story/story.yaml"]
    assert [command[1] for command in commands] == ["check", "walk", "package", "serve"]
    assert run(*commands[0][1:], cwd=tmp_path).returncode == 0


def test_a_new_story_is_called_after_its_folder_or_as_it_is_told(tmp_path: Path) -> None:
    run("new", "My Story", cwd=tmp_path)
    run("new", "other", "--id", "ferry", "--title", "The “last” ferry", cwd=tmp_path)

    folder = (tmp_path / "My Story" / "story.yaml").read_text("utf-8")
    told = (tmp_path / "other" / "story.yaml").read_text("utf-8")
    assert 'id: "my-story"\ntitle: "My story"\n' in folder
    assert 'id: "ferry"\ntitle: "The “last” ferry"\n' in told


def test_editors_find_the_schema_that_the_first_line_names(tmp_path: Path) -> None:
    run("new", "a", cwd=tmp_path)

    first = (tmp_path / "a" / "story.yaml").read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=story.schema.json"
    schema = (tmp_path / "a" / "story.schema.json").read_text("utf-8")
    assert schema == (ROOT / "config" / "story.schema.json").read_text("utf-8")


def test_a_story_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "story.yaml").write_text("mine", "utf-8")

    done = run("new", ".", cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == (
        "branchline: story.yaml is there already, and is not written over; name another, or move it away\n"
    )
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"story.yaml": "mine"}


def test_a_folder_with_footage_and_a_schema_of_its_own_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "footage").mkdir()
    (tmp_path / "story.schema.json").write_text("{}", "utf-8")

    done = run("new", str(tmp_path))

    assert done.returncode == 0
    assert (tmp_path / "story.schema.json").read_text("utf-8") == "{}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["footage", "story.schema.json", "story.yaml"]


def test_what_cannot_be_written_is_told_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")

    within = run("new", "file", cwd=tmp_path)
    bad_id = run("new", "a", "--id", "Bad Id", cwd=tmp_path)
    bad_title = run("new", "a", "--title", "", cwd=tmp_path)
    no_folder = run("new", cwd=tmp_path)

    assert [done.returncode for done in (within, bad_id, bad_title, no_folder)] == [2, 2, 2, 2]
    assert "file/story.yaml cannot be written: " in within.stderr
    assert "'Bad Id' is no id of a story. Use small letters" in bad_id.stderr
    assert "'' is no title" in bad_title.stderr
    assert "Missing argument 'folder'" in no_folder.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
