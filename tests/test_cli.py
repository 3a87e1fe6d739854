"""The command line, as it is typed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from streamer.cli import app
from tests.builders import story_text
from tests.serving import BRANCHLINE, ROOT

LINEAR = (("lantern", "leave"), ("points", "main"), ("turn", "onward"))
SAMPLE = str(ROOT / "media" / "sample" / "story.yaml")


def run(*arguments: str, cwd: Path = ROOT, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BRANCHLINE, *arguments], capture_output=True, text=True, input=given, timeout=60, cwd=cwd, check=False
    )


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
        (
            "bad.yaml:5:10: error: scenes.b: the story stops here: no 'next', 'decision' or 'end'. "
            "Add one of them, or a group named 'b'"
        ),
        "2 mistakes",
    ]


def test_mistakes_are_told_to_other_programs_too(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("story: 1\nid: bad\ntitle: 100%\nstart: a\n", "utf-8")

    as_json = run("check", "bad.yaml", "--format", "json", cwd=tmp_path)
    as_github = run("check", "bad.yaml", "--format", "github", cwd=tmp_path)
    well = run("check", SAMPLE, "--format", "json")

    found = json.loads(as_json.stdout)
    assert (as_json.returncode, as_github.returncode, as_json.stderr, as_github.stderr) == (1, 1, "", "")
    assert found["errors"] == len(found["findings"]) == 1
    assert found["findings"][0] == {
        "file": "bad.yaml",
        "line": 1,
        "column": 1,
        "field": "",
        "problem": "the key 'scenes' is missing",
        "remedy": "Add 'scenes: …'",
        "level": "error",
    }
    assert as_github.stdout == (
        "::error file=bad.yaml,title=story,line=1,col=1::the key 'scenes' is missing. Add 'scenes: …'\n"
    )
    assert (well.returncode, json.loads(well.stdout)) == (0, {"errors": 0, "findings": []})


def test_the_schema_that_is_printed_is_the_one_beside_the_settings() -> None:
    assert run("schema").stdout == (ROOT / "config" / "story.schema.json").read_text("utf-8")


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
        (("serve", "--watch"), 2, "--watch goes with the story files to watch"),
        (("serve", SAMPLE), 2, "--watch goes with the story files to watch"),
        (("serve", "--watch", "missing.yaml"), 2, "missing.yaml"),
        (("walk", SAMPLE, "--answers", "missing.json"), 2, "missing.json"),
        (("walk", SAMPLE, "--answers", SAMPLE, "--each", SAMPLE), 2, "choose one"),
        (("walk", SAMPLE, "--assume", "0s"), 2, "--assume: '0s' is no length of time"),
        (("walk", SAMPLE, "--profile", "plan"), 2, "write name=value"),
        (("walk", SAMPLE, "--profile", "plan=pro"), 2, "--profile: the story has no profile input 'plan'"),
        (("walk", SAMPLE, "--policy", "best"), 2, "'uniform'"),
        (("package", SAMPLE, "--frame-rate", "9"), 2, "--frame-rate: '9' is no frame rate that can be packaged"),
        (("package", SAMPLE, "--slate-length", "0s"), 2, "--slate-length: '0s' is no length of time"),
        (("package", SAMPLE, "--slates", "--slate-font", "no.ttf"), 2, "'no.ttf' does not exist"),
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

    assert all(
        name in done.stdout for name in ("check", "schema", "new", "import", "walk", "simulate", "package", "serve")
    )


def test_no_help_holds_what_would_be_taken_for_markup_and_left_out() -> None:
    todo: list[Any] = [get_command(app)]
    helps: list[str] = []
    while todo:
        command = todo.pop()
        todo += getattr(command, "commands", {}).values()
        helps.append(command.help or "")
        helps += [getattr(each, "help", None) or "" for each in command.params]

    shown = run("package", "--help").stdout

    assert len(helps) > 50
    assert not [text for text in helps if "[" in text]
    assert "[default: (Inter)]" in shown
    assert "[default: 12s]" in shown


def test_a_walk_is_told_as_a_line_of_json() -> None:
    done = run("walk", SAMPLE, "--answers", "-", given='[{"decision": "lantern", "choice": "take"}]')

    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["id"] for each in found["scenes"]][:2] == ["platform", "yard"]
    assert found["ending"] == "arrived"


def test_answers_that_nothing_asked_for_are_told() -> None:
    answers = [{"decision": each, "choice": choice} for each, choice in LINEAR] + [{"decision": "x", "choice": "y"}]

    done = run("walk", SAMPLE, "--answers", "-", given=json.dumps(answers))

    assert (done.returncode, done.stderr) == (0, "answers[3] and what follows was not asked for\n")


def test_a_wrong_answer_ends_a_walk_with_its_index() -> None:
    done = run("walk", SAMPLE, "--answers", "-", given='[{"decision": "lantern", "choice": "tak"}]')

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "branchline: answers[0]: decision 'lantern' does not offer 'tak'; it offers take, leave\n"


def test_many_walks_come_a_line_each_in_order(tmp_path: Path) -> None:
    lists = [[], [{"decision": "lantern", "choice": "take"}], [{"decision": "points", "choice": "main"}], []]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lists), "utf-8")

    done = run("walk", SAMPLE, "--each", "lists.jsonl", "--policy", "uniform", cwd=tmp_path)

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2
    assert done.stderr == "branchline: 1 of the walks came upon an answer that the story cannot take\n"
    assert [found[0]["ending"] in ("lost", "arrived"), found[1]["decisions"][0]["choice"]] == [True, "take"]
    assert found[2] == {
        "error": "scene 'platform' asks decision 'lantern'; the answer is for 'points'",
        "index": 0,
    }
    assert found[3] != found[0]  # another seed


def test_a_simulation_is_told_as_tables_or_as_json() -> None:
    as_text = run("simulate", SAMPLE, "--viewers", "50", "--policy", "default")
    as_json = run("simulate", SAMPLE, "--viewers", "50", "--format", "json")

    found = json.loads(as_json.stdout)
    assert (as_text.returncode, as_json.returncode, as_json.stderr) == (0, 0, "")
    assert "transition    │ platform to yard" in as_text.stdout
    assert "lost   │ 100.0 %" in as_text.stdout
    assert found["viewers"] == 50
    assert set(found["endings"]) == {"lost", "arrived"}


def test_a_simulation_tells_that_everything_was_reached_or_came_to_no_end(tmp_path: Path) -> None:
    (tmp_path / "round.yaml").write_text(story_text("a 20 -> a | b\nb 20 ."), "utf-8")

    whole = run("simulate", SAMPLE, "--viewers", "100")
    stopped = run("simulate", "round.yaml", "--viewers", "3", "--policy", "default", "--max-scenes", "5", cwd=tmp_path)

    assert "every scene and every transition was reached" in whole.stdout
    assert "viewings that came to no end" in stopped.stdout


def test_a_story_is_drawn_as_a_picture_and_as_a_page(tmp_path: Path) -> None:
    picture = run("graph", SAMPLE, "--no-pictures", "--output", "points.svg", cwd=tmp_path)
    page = run("graph", SAMPLE, "--no-pictures", cwd=tmp_path)
    shown = run("graph", SAMPLE, "--no-pictures", "--output", "-", cwd=tmp_path)

    assert picture.stdout == "points.svg: 10 scenes, 12 ways, 0 pictures\n"
    assert page.stdout == "graph.html: 10 scenes, 12 ways, 0 pictures\n"
    assert shown.stdout == (tmp_path / "points.svg").read_text("utf-8")
    drawn = shown.stdout.partition("</style>")[2]
    assert drawn in (tmp_path / "graph.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "graph.png"), "'graph.png' ends neither in .svg nor in .html"),
        (("--output", "nowhere/graph.svg"), "nowhere/graph.svg cannot be written: No such file or directory"),
        (("--footage", "a", "--library", "b"), "--footage and --library are given; choose one"),
        (("--library", "nowhere"), "story 'sample' is not packaged"),
        (("--assume", "long"), "--assume: 'long' is no time"),
    ],
)
def test_a_graph_that_cannot_be_drawn_is_told(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = run("graph", SAMPLE, "--viewers", "1", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr


def test_a_story_with_mistakes_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("story: 1\nid: bad\ntitle: Bad\nstart: a\n", "utf-8")

    done = run("graph", "bad.yaml", cwd=tmp_path)

    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "1 mistake")
    assert not (tmp_path / "graph.html").exists()
