"""Runs the layout in a process of its own, which can be ended: native code that finds no end cannot be interrupted."""

from __future__ import annotations

import subprocess
import sys

from streamer.errors import BranchlineError

_CODE = "import sys; from graphlay import _native; sys.stdout.write(_native.layout(sys.stdin.read()))"


def bounded(request: str, seconds: float = 60) -> str:
    """Answers one request of the layout library.

    Raises:
        TimeoutError: it took longer.
        BranchlineError: the library refused it.
    """
    argv = [sys.executable, "-I", "-c", _CODE]
    try:
        done = subprocess.run(argv, input=request, capture_output=True, encoding="utf-8", timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no layout within {seconds:g} s") from error
    if done.returncode:
        said = done.stderr.splitlines()[-1:] or ["it said nothing"]
        raise BranchlineError(f"the layout failed: {said[0]}")
    return done.stdout
