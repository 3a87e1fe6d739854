#!/usr/bin/env python3
"""Fetches hls.js for the page from npm, checks its hash and puts it below streamer/web/static/vendor.

    python3 tools/vendor.py

What it writes is committed: only who changes the version runs it. Needs npm.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "1.7.4"
PACKAGE_SHA512 = "3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg=="
SCRIPT_SHA256 = "cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe"
TARGET = ROOT / "streamer" / "web" / "static" / "vendor" / f"hls-{VERSION}"
README = f"""\
# hls.js {VERSION}

The library that plays HLS in browsers without HLS of their own. Apache License 2.0, see LICENSE.

Origin: the npm package `hls.js@{VERSION}`, files `dist/hls.min.js` and `LICENSE`, unchanged. The full build: the light
one lacks subtitles and alternate sound.

- sha512 of the package: `{PACKAGE_SHA512}` (base64)
- sha256 of hls.min.js: `{SCRIPT_SHA256}`

`tools/vendor.py` fetches it; a new version needs its hashes there.
"""


def main() -> int:
    """Fetches, checks, writes."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["npm", "pack", f"hls.js@{VERSION}", "--silent", "--ignore-scripts"]
        try:
            subprocess.run(fetch, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"vendor: {error}", file=sys.stderr)
            return 1
        package = Path(folder) / f"hls.js-{VERSION}.tgz"
        found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if found != PACKAGE_SHA512:
            print(f"vendor: hls.js@{VERSION} has sha512 {found}, not {PACKAGE_SHA512}", file=sys.stderr)
            return 1
        with tarfile.open(package) as archive:
            script, terms = contents(archive, "package/dist/hls.min.js"), contents(archive, "package/LICENSE")
    if hashlib.sha256(script).hexdigest() != SCRIPT_SHA256:
        print("vendor: hls.min.js is not the one recorded in SCRIPT_SHA256", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "hls.min.js").write_bytes(script)
    (TARGET / "LICENSE").write_bytes(terms)
    (TARGET / "README.md").write_text(README, encoding="utf-8")
    print(f"vendor: {TARGET.relative_to(ROOT)}")
    return 0


def contents(archive: tarfile.TarFile, name: str) -> bytes:
    """Gives one file of an archive."""
    member = archive.extractfile(name)
    if member is None:
        raise FileNotFoundError(name)
    return member.read()


if __name__ == "__main__":
    sys.exit(main())
