"""Ids and texts that a story file takes, made from what other tools allow."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_ID = 64  # characters
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.]+")
_NOT_FIRST = re.compile(r"^[.-]+")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class Ids:
    """Gives ids that differ, in upper and lower case too: files are named after them."""

    def __init__(self, otherwise: str) -> None:
        """`otherwise` is the id of a name that has no letter or digit."""
        self._otherwise = otherwise
        self._taken: set[str] = set()

    def made(self, name: str) -> str:
        """Gives an id that resembles a name and was not given before."""
        wanted = slug(name) or self._otherwise
        number, found = 1, wanted
        while found.lower() in self._taken:
            number += 1
            suffix = f"-{number}"
            found = wanted[: MAX_ID - len(suffix)] + suffix
        self._taken.add(found.lower())
        return found


def by_name(names: Iterable[str], otherwise: str) -> dict[str, str]:
    """Gives each name an id of its own."""
    ids = Ids(otherwise)
    return {name: ids.made(name) for name in names}


def slug(name: str) -> str:
    """Gives a name in letters, digits, `_`, `-` and `.`; empty if nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = plain.replace("'", "")
    return _NOT_FIRST.sub("", _NOT_IN_IDS.sub("-", plain))[:MAX_ID].rstrip("-.")


def story_id(title: str) -> str:
    """Gives a title as a story's id: small letters, digits and `-`."""
    return re.sub(r"[^a-z0-9]+", "-", slug(title).lower()).strip("-") or "story"


def printable(text: str) -> str:
    """Gives a text without characters that a story file does not take."""
    return _UNPRINTABLE.sub(" ", text)


def one_line(text: str, most: int) -> str:
    """Gives a text on one line, cut to so many characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
