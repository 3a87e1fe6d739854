#!/usr/bin/env python3
"""Makes .venv from a bare Python: the committed pip brings uv by its hash, and uv brings what uv.lock names.

    python3 tools/bootstrap.py [GROUP ...]      the runtime, and these groups of pyproject.toml
    python3 tools/bootstrap.py --only-uv        uv alone, which then installs elsewhere (the Dockerfile does)

A run with nothing to do takes a few hundredths of a second, so that every
make target may begin with one. Needs Python 3.11, but neither pip, ensurepip, uv nor root.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "branchline-environment"
PIP_WHEEL = ROOT / "tools" / "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
UV_LOCK = ROOT / "tools" / "uv.lock.txt"
INPUTS = (Path(__file__).resolve(), ROOT / "pyproject.toml", ROOT / "uv.lock", UV_LOCK)
MACHINE_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # of Debian; where it is missing, uv's own serve
OLDEST_PYTHON = (3, 11)
OLDEST_FFMPEG = (5, 1)  # Debian 12 ships it; what is older lacks options that the packager passes.


def main(arguments: list[str]) -> int:
    """Brings .venv up to date with the lock file, for the named groups and those it already had."""
    only_uv = arguments == ["--only-uv"]
    if not only_uv and any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.version_info[:2] < OLDEST_PYTHON:
        print("Branchline needs Python 3.11 or newer; choose one: make PYTHON=/path/to/python3.11", file=sys.stderr)
        return 1
    with (ROOT / "pyproject.toml").open("rb") as lock:
        # Two runs at once would spoil each other: the second waits, then finds nothing to do.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if only_uv:
                install_uv()
                return 0
            digest, groups = fingerprint(), set(arguments)
            recorded_digest, recorded_groups = read_stamp()
            if digest == recorded_digest and groups <= recorded_groups:
                return 0
            install_uv()
            install_packages(sorted(groups | recorded_groups))
        except subprocess.CalledProcessError as error:
            print(f"bootstrap: {' '.join(map(str, error.cmd[:3]))} … failed; its message is above.", file=sys.stderr)
            return error.returncode
        STAMP.write_text("\n".join([digest, *sorted(groups | recorded_groups)]) + "\n", encoding="utf-8")
    return 0


def fingerprint() -> str:
    """Says what the environment depends on: the inputs' content, this directory, and the ffmpeg on PATH."""
    digest = hashlib.sha256()
    for path in INPUTS:
        digest.update(path.read_bytes())
    # Scripts in .venv carry the absolute path of their interpreter.
    digest.update(repr((ENVIRONMENT, shutil.which("ffmpeg"), shutil.which("ffprobe"))).encode())
    return digest.hexdigest()


def read_stamp() -> tuple[str, set[str]]:
    """Reads the fingerprint and the groups of the last run; empty if there was none."""
    if not (ENVIRONMENT / "bin" / "python").exists() or not STAMP.exists():
        return "", set()
    digest, *groups = STAMP.read_text(encoding="utf-8").splitlines()
    return digest, set(groups)


def install_uv() -> None:
    """Makes the environment if there is none that works here, and installs the locked uv."""
    python = ENVIRONMENT / "bin" / "python"
    if not works_here(python):
        say(f"making {ENVIRONMENT.name} with Python {'.'.join(map(str, sys.version_info[:3]))}")
        venv.create(ENVIRONMENT, clear=True, symlinks=True, with_pip=False)
    if hashlib.sha256(PIP_WHEEL.read_bytes()).hexdigest() != PIP_SHA256:
        sys.exit(f"bootstrap: {PIP_WHEEL.name} is not the file it should be; restore it from git.")
    say("installing uv")
    # The last option is for root: .venv belongs to whoever makes it, so that is no danger here.
    quietly = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--root-user-action=ignore"]
    locked = ["--require-hashes", "--only-binary=:all:", "--requirement", str(UV_LOCK)]
    subprocess.run([str(python), str(PIP_WHEEL / "pip"), "install", *quietly, *locked], check=True)


def install_packages(groups: list[str]) -> None:
    """Installs the locked packages: the runtime's, the groups', and ffmpeg if this machine lacks it."""
    wanted = ["environment", *groups]
    if not ffmpeg_is_fit():
        say("PATH has no ffmpeg and ffprobe that will do: taking them as packages (150 MB)")
        wanted.append("ffmpeg")
    say("installing the packages of uv.lock")
    binaries = ENVIRONMENT / "bin"
    sync = [str(binaries / "uv"), "sync", "--quiet", "--frozen", "--no-default-groups"]
    chosen = ["--python", str(binaries / "python"), *(f"--group={group}" for group in wanted)]
    subprocess.run([*sync, *chosen], check=True, cwd=ROOT, env=environment_for_uv())


def works_here(python: Path) -> bool:
    """Says whether an environment stands, was made in this directory, and has a Python that will do."""
    settings = ENVIRONMENT / "pyvenv.cfg"
    if not settings.exists() or str(ENVIRONMENT) not in settings.read_text(encoding="utf-8"):
        return False
    check = f"import sys; sys.exit(sys.version_info[:2] < {OLDEST_PYTHON})"
    try:
        return subprocess.run([python, "-c", check], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def ffmpeg_is_fit() -> bool:
    """Says whether PATH has ffmpeg and ffprobe, new enough and with x264."""
    if not all(map(shutil.which, ("ffmpeg", "ffprobe"))):
        return False
    versions = [re.search(r"version n?(\d+)\.(\d+)", output_of(name, "-version")) for name in ("ffmpeg", "ffprobe")]
    new_enough = all(found and (int(found[1]), int(found[2])) >= OLDEST_FFMPEG for found in versions)
    return new_enough and "libx264" in output_of("ffmpeg", "-encoders")


def output_of(*command: str) -> str:
    """Runs a program and gives what it printed; nothing if it cannot run."""
    try:
        return subprocess.run([*command, "-hide_banner"], check=False, capture_output=True, text=True).stdout
    except OSError:
        return ""


def environment_for_uv() -> dict[str, str]:
    """Gives uv the caller's environment, but for what would lead it to another Python or directory."""
    ours = {"UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT), "UV_PYTHON_DOWNLOADS": "never"}
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # uv brings certificates of its own; a machine behind a company's proxy has more. pip looks at the machine's too.
    certificates = {"UV_SYSTEM_CERTS": "1"} if MACHINE_CERTIFICATES.exists() else {}
    return certificates | inherited | ours


def say(text: str) -> None:
    """Tells the person who waits what is going on."""
    print(f"bootstrap: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
