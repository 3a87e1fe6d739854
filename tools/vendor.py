#!/usr/bin/env python3
"""Fetches scripts from npm, checks their hashes and puts them where they are used: hls.js for the page, all for tests.

    python3 tools/vendor.py

What it writes is committed: only who changes a version runs it. Needs npm.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "streamer" / "web" / "static" / "vendor"
TESTS = ROOT / "tests" / "players" / "vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One script of one npm package."""

    package: str
    version: str
    file: str  # below the package's dist/
    what: str
    package_sha512: str  # base64
    script_sha256: str
    target: Path

    @property
    def readme(self) -> str:
        """Gives the words beside the script."""
        return f"""\
# {self.package} {self.version}

{self.what} Apache License 2.0, see LICENSE.

Origin: the npm package `{self.package}@{self.version}`, files `dist/{self.file}` and `LICENSE`, unchanged.

- sha512 of the package: `{self.package_sha512}` (base64)
- sha256 of {self.file}: `{self.script_sha256}`

`tools/vendor.py` fetches it; a new version needs its hashes there.
"""


SCRIPTS = (
    Script(
        package="hls.js",
        version="1.7.4",
        file="hls.min.js",
        what="The library that plays HLS in browsers without HLS of their own. The full build: the light one lacks"
        " subtitles and alternate sound.",
        package_sha512="3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg==",
        script_sha256="cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe",
        target=PAGE / "hls-1.7.4",
    ),
    Script(
        package="shaka-player",
        version="5.2.12",
        file="shaka-player.compiled.js",
        what="A player of the players' test bench.",
        package_sha512="vEsuVDI3+oLh+yqpjXexQZlg2XMUBI0VrqatDuKWacPaxAud6Uph5uCowUPLhUgNG5XKWCpoM4l1r8qYzWH+zg==",
        script_sha256="b22dfdba631104c48a654cb623b08b0f79e2d52c83c0e9b4b7cff54730b55894",
        target=TESTS / "shaka-player-5.2.12",
    ),
    Script(
        package="video.js",
        version="8.24.1",
        file="video.min.js",
        what="A player of the players' test bench.",
        package_sha512="Qh2WxVyiw6BEvpS95KCoZM8wt10r2iDvembOjHPftVcxY4QR53WVTDQlJEuI1J46Yo9Zw+6rRDIe62C+J+edfQ==",
        script_sha256="22394426b1c285f77afd575cd9cd63ae84f033ef08d39b315c2a5c6726d3f8b7",
        target=TESTS / "video.js-8.24.1",
    ),
)


def main() -> int:
    """Fetches, checks, writes."""
    return max(fetched(script) for script in SCRIPTS)


def fetched(script: Script) -> int:
    """Puts one script in its place; gives 1 if it could not be had."""
    name = f"{script.package}@{script.version}"
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["npm", "pack", name, "--silent", "--ignore-scripts"]
        try:
            subprocess.run(fetch, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"vendor: {error}", file=sys.stderr)
            return 1
        package = Path(folder) / f"{script.package}-{script.version}.tgz"
        found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if found != script.package_sha512:
            print(f"vendor: {name} has sha512 {found}, not {script.package_sha512}", file=sys.stderr)
            return 1
        with tarfile.open(package) as archive:
            body, terms = contents(archive, f"package/dist/{script.file}"), contents(archive, "package/LICENSE")
    digest = hashlib.sha256(body).hexdigest()
    if digest != script.script_sha256:
        print(f"vendor: {script.file} has sha256 {digest}, not {script.script_sha256}", file=sys.stderr)
        return 1
    script.target.mkdir(parents=True, exist_ok=True)
    (script.target / script.file).write_bytes(body)
    (script.target / "LICENSE").write_bytes(terms)
    (script.target / "README.md").write_text(script.readme, encoding="utf-8")
    print(f"vendor: {script.target.relative_to(ROOT)}")
    return 0


def contents(archive: tarfile.TarFile, name: str) -> bytes:
    """Gives one file of an archive."""
    member = archive.extractfile(name)
    if member is None:
        raise FileNotFoundError(name)
    return member.read()


if __name__ == "__main__":
    sys.exit(main())
