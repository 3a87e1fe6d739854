"""How wide texts are in a font, and how they are broken into lines that fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from importlib import resources
from itertools import accumulate, takewhile
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError

from streamer.errors import PackagingError

_CUT = "…"
_TAB = "    "


class Font:
    """A font file, measured as drawtext draws it: its ordinary weight, a glyph beside the other."""

    def __init__(self, path: Path) -> None:
        """Reads the file.

        Raises:
            PackagingError: it is no font.
        """
        self.path = path.absolute()
        try:
            with path.open("rb") as file, TTFont(file, lazy=True, fontNumber=0) as font:
                names = font.getBestCmap() or {}
                advances = font["hmtx"].metrics
                units = font["head"].unitsPerEm
                self._widths: dict[int, float] = {
                    code: advances[name][0] / units for code, name in names.items() if name in advances
                }
                self._width_of_others: float = advances[font.getGlyphOrder()[0]][0] / units
        except (OSError, TTLibError, KeyError, AssertionError) as error:
            raise PackagingError(f"{path}: is no font that can be read ({error}). Name a .ttf or .otf file") from error

    def width(self, text: str, size: int) -> float:
        """Gives the pixels that a line takes at `size` pixels an em."""
        return size * sum(self._widths.get(ord(character), self._width_of_others) for character in text)

    def lacks(self, text: str) -> set[str]:
        """Gives the characters of a text that the font does not have."""
        return {mark for mark in text if ord(mark) not in self._widths and not _is_silent(mark)}

    def cut(self, text: str, size: int, width: int) -> str:
        """Gives as much of a line as fits, with an ellipsis where something is left out."""
        if self.width(text, size) <= width:
            return text
        ends = accumulate(self.width(mark, size) for mark in text)
        fits = sum(1 for _ in takewhile(lambda end: end <= width - self.width(_CUT, size), ends))
        return text[:fits].rstrip() + _CUT

    def lines(self, text: str, size: int, width: int) -> list[str]:
        """Breaks a text into lines that fit, at spaces where there are any; its own line breaks stay."""
        found: list[str] = []
        for paragraph in plain(text).split("\n"):
            line = ""
            for word in paragraph.split(" "):
                longer = f"{line} {word}" if line else word
                if self.width(longer, size) <= width:
                    line = longer
                    continue
                found += [line] if line else []
                *whole, line = self._pieces(word, size, width)
                found += whole
            found.append(line)
        return found

    def _pieces(self, word: str, size: int, width: int) -> Iterable[str]:
        """Breaks what is wider than a line: long words, and scripts that put no spaces."""
        piece = ""
        for mark in word:
            if piece and self.width(piece + mark, size) > width and not unicodedata.combining(mark):
                yield piece
                piece = ""
            piece += mark
        yield piece


def own_font() -> Path:
    """Gives the font that comes with the packages."""
    return Path(str(resources.files("fontpkg_inter") / "files" / "Inter[opsz,wght].ttf"))


def plain(text: str) -> str:
    """Gives a text with nothing in it that a font cannot draw as a mark or a space, but for line breaks."""
    text = text.replace("\r\n", "\n").replace("\t", _TAB).replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(mark for mark in text if mark == "\n" or unicodedata.category(mark) not in {"Cc", "Cs"})


def _is_silent(mark: str) -> bool:
    return mark.isspace() or unicodedata.category(mark) in {"Cc", "Cf", "Mn", "Me"}
