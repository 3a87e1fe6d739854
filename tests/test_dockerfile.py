"""The Dockerfile, checked without Docker: its builder's steps run for real, against a fresh copy of this tree."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
BINARIES = Path(sys.executable).parent
IMAGE_ENVIRONMENT = "/opt/branchline"
BARE = ("--no-header", "--no-annotate")
NO_NETWORK = ("Failed to establish a new connection", "name resolution", "dns error", "error sending request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    keyword: str
    text: str

    def words(self) -> list[str]:
        """Splits the instruction as a list in JSON or as words of a shell."""
        words = json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)
        return [str(word) for word in words]


def stages() -> list[list[Instruction]]:
    """Reads the Dockerfile: a list of instructions for each FROM."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        keyword, text = line.split(maxsplit=1)
        if keyword == "FROM":
            found.append([])
        found[-1].append(Instruction(keyword=keyword, text=text))
    return found


def the(keyword: str) -> Instruction:
    """Gives the last stage's one instruction of a kind."""
    (found,) = (instruction for instruction in stages()[-1] if instruction.keyword == keyword)
    return found


def sources() -> list[Path]:
    """Lists the files that git keeps, or would keep."""
    if not (ROOT / ".git").exists():
        pytest.skip("this tree is no git checkout")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [Path(name) for name in dict.fromkeys(names) if name and (ROOT / name).is_file()]


def build_context() -> Iterator[Path]:
    """Gives what `docker build` would see: the sources, less what .dockerignore names."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    for path in sources():
        places = [str(place) for place in (path, *path.parents)]
        if not any(fnmatch(place, pattern.removeprefix("**/")) for place in places for pattern in ignored):
            yield path


def copy(instruction: Instruction, directory: Path) -> None:
    """Does what COPY does, and fails as it does when a source is not in the build context."""
    *copied, target = instruction.words()
    for source in copied:
        matching = [path for path in build_context() if path == Path(source) or Path(source) in path.parents]
        assert matching, f"COPY {source}: the build context has no such file"
        for path in matching:
            base = Path(source) if source.endswith("/") else Path(source).parent
            place = directory / target / path.relative_to(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, place)


def run(step: str, directory: Path, environment: Path) -> None:
    """Does what RUN does, but in a directory of our own and into an environment of our own."""
    path = os.pathsep.join(place for place in os.environ["PATH"].split(os.pathsep) if Path(place) != BINARIES)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        ["/bin/sh", "-ec", step.replace(IMAGE_ENVIRONMENT, str(environment))],
        cwd=directory,
        env=variables | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode and any(sign in done.stdout for sign in NO_NETWORK) and not os.environ.get("CI"):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, f"RUN {step}\n{done.stdout}"


def uv(*arguments: str) -> str:
    """Gives what the environment's own uv prints."""
    return output_of(str(BINARIES / "uv"), "--quiet", *arguments)


def output_of(*command: str) -> str:
    """Gives what a program prints, and fails with its message if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds what the builder stage builds, and gives the environment that the image would hold."""
    place = tmp_path_factory.mktemp("image")
    directory, environment = place / "src", place / "environment"
    directory.mkdir()
    for instruction in stages()[0]:
        match instruction.keyword:
            case "COPY":
                copy(instruction, directory)
            case "RUN":
                run(instruction.text, directory, environment)
            case "FROM" | "ENV" | "WORKDIR":
                pass
            case other:
                pytest.fail(f"this test does not know what {other} does")
    return environment


@pytest.mark.timeout(90)
def test_the_builders_steps_install_what_the_lock_file_names_and_nothing_else(image: Path) -> None:
    named = uv("export", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes", *BARE)

    installed = uv("pip", "freeze", "--python", str(image / "bin" / "python")).splitlines()

    requirements = map(Requirement, named.splitlines())
    for_this_machine = {f"{one.name}{one.specifier}" for one in requirements if not one.marker or one.marker.evaluate()}
    assert {line for line in installed if "==" in line} == for_this_machine
    assert [line.split(" @ ")[0] for line in installed if " @ " in line] == ["branchline"]


@pytest.mark.timeout(90)
def test_the_image_holds_every_file_of_the_package(image: Path) -> None:
    (package,) = image.glob("lib/python3.*/site-packages/streamer")

    missing = [path for path in sources() if path.parts[0] == "streamer" and not (package.parent / path).exists()]

    assert missing == []


@pytest.mark.timeout(90)
def test_the_entry_point_takes_the_options_that_the_image_gives_it(image: Path) -> None:
    program, *arguments = the("ENTRYPOINT").words()

    said = output_of(str(image / "bin" / program), arguments[0], "--help")

    for option in (argument for argument in arguments if argument.startswith("--")):
        assert option in re.sub(r"\x1b\[[0-9;]*m", "", said)


def test_the_image_serves_on_all_interfaces_as_an_ordinary_user_and_stops_on_sigterm() -> None:
    assert " ".join(the("ENTRYPOINT").words()).startswith("branchline serve --host 0.0.0.0 ")
    assert the("USER").text not in ("0", "root")
    assert the("STOPSIGNAL").text == "SIGTERM"
    assert "/healthz" in the("HEALTHCHECK").text
    assert stages()[0][0].text == "python:3.11-slim-bookworm AS builder"
    assert stages()[-1][0].text == "python:3.11-slim-bookworm"


def test_the_image_and_the_makefile_bootstrap_alike() -> None:
    steps = " ".join(instruction.text for instruction in stages()[0] if instruction.keyword == "RUN")
    makefile = (ROOT / "Makefile").read_text()

    assert "tools/bootstrap.py" in steps
    assert "tools/bootstrap.py" in makefile
    assert "--require-hashes requirements.lock" in steps


@pytest.mark.parametrize(
    ("exported", "choice"),
    [
        ("requirements.lock", ["--no-default-groups", "--no-emit-project"]),
        ("tools/uv.lock.txt", ["--only-group", "environment"]),
    ],
    ids=["requirements.lock", "uv.lock.txt"],
)
def test_the_exported_lock_files_are_those_of_uv_lock(exported: str, choice: list[str]) -> None:
    assert (ROOT / exported).read_text() == uv("export", "--frozen", *BARE, *choice), "run: make lock"


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    hadolint = BINARIES / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")

    said = subprocess.run([hadolint, "Dockerfile"], check=False, capture_output=True, text=True, cwd=ROOT)

    assert (said.returncode, said.stdout) == (0, "")
