"""`branchline import`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving import ROOT
from tests.test_cli import run

CAVE = str(ROOT / "tests" / "imports" / "samples" / "cave.twee")
HOUSE = str(ROOT / "tests" / "imports" / "samples" / "house.html")


def test_an_imported_story_checks_and_walks_at_once(tmp_path: Path) -> None:
    made = run("import", "twee", CAVE, "--output", "cave/story.yaml", cwd=tmp_path)
    checked = run("check", "cave/story.yaml", cwd=tmp_path)
    answers = [{"decision": "Mouth-of-the-cave", "choice": "Hall"}, {"decision": "Door", "choice": "Kick-it"}]
    answers.append({"decision": "Round", "choice": "stop"})
    walked = run("walk", "cave/story.yaml", "--answers", "-", given=json.dumps(answers), cwd=tmp_path)

    assert (made.returncode, made.stdout) == (0, "cave/story.yaml: 8 scenes, 3 decisions\n")
    assert f"{CAVE}:18:1: warning: passage 'Mouth of the cave': <<audio \"wind\" play>> cannot be" in made.stderr
    assert made.stderr.splitlines()[-1].endswith(" things not carried over as written")
    assert checked.returncode == 0
    assert [line.partition(" ")[2] for line in checked.stderr.splitlines()] == [
        "warning: state.name: variable 'name' is never read. Read it, or remove it"
    ]
    assert json.loads(walked.stdout)["ending"] == "Round-end"


def test_without_an_output_the_story_alone_is_printed(tmp_path: Path) -> None:
    done = run("import", "twee", HOUSE)
    (tmp_path / "story.yaml").write_text(done.stdout, "utf-8")

    assert done.returncode == 0
    assert done.stdout.startswith("# yaml-language-server: $schema=story.schema.json\n")
    assert run("check", "story.yaml", cwd=tmp_path).stdout == "story.yaml: well; 3 scenes, 2 decisions\n"


def test_one_thing_is_one_thing(tmp_path: Path) -> None:
    (tmp_path / "a.twee").write_text(":: Start\nYou have $gold.", "utf-8")
    (tmp_path / "b.twee").write_text(":: Start\nThe end.", "utf-8")

    assert run("import", "twee", "a.twee", cwd=tmp_path).stderr.endswith("\n1 thing not carried over as written\n")
    assert run("import", "twee", "b.twee", cwd=tmp_path).stderr == ""


def test_a_story_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "story.yaml").write_text("mine", "utf-8")

    done = run("import", "twee", CAVE, "--output", "story.yaml", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "branchline: story.yaml is there already, and is not written over; name another" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["story.yaml"]
    assert (tmp_path / "story.yaml").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("import", "twee"), 2, "Missing argument 'file'"),
        (("import", "twe"), 2, "Did you mean 'twee'?"),
        (("import", "twee", "missing.twee"), 2, "missing.twee: the story cannot be read"),
        (("import", "twee", CAVE, "--story", "Other"), 1, "there is no story 'Other'; there is: 'The Cave'"),
        (("import", "twee", str(ROOT / "README.md")), 1, "there is no passage. Give a Twee 3 file"),
        (("import", "twee", CAVE, "--output", f"{CAVE}/x"), 2, "cannot be written: "),
    ],
)
def test_wrong_arguments_are_told_in_words(tmp_path: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    done = run(*arguments, cwd=tmp_path)

    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr
