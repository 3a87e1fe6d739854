"""Reads Twee 3 and the HTML of Twine 2 into passages that know where in the file every character stood."""

from __future__ import annotations

import html
import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from streamer.errors import Finding, StoryError

MAX_CHARACTERS = 32 * 1024 * 1024  # of a file; published stories carry their pictures within them
MAX_PASSAGES = 10_000
_HEADER = re.compile(r"^::(.*)$", re.MULTILINE)
_PARTS = re.compile(r"((?:\\.|[^\\\[{])*)(?:\[((?:\\.|[^\\\]])*)\])?[ \t]*(\{.*\})?[ \t]*")
_ESCAPED = re.compile(r"\\(.)")
_STORY_TAG = re.compile(r"<tw-storydata\b", re.IGNORECASE)
_CODE = ("script", "style")
Place = tuple[int, int]  # line and column, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage as it was written."""

    name: str
    tags: tuple[str, ...] = ()
    text: str = ""
    at: Place  # of the passage itself
    pieces: tuple[tuple[int, int, int], ...]  # in order; index in `text`, line and column where a piece of it begins

    def place(self, index: int) -> Place:
        """Gives where in the file a character of the text stands."""
        start, line, column = self.pieces[bisect_right(self.pieces, index, key=lambda piece: piece[0]) - 1]
        before = self.text[start:index]
        if lines := before.count("\n"):
            return line + lines, len(before) - before.rfind("\n")
        return line, column + len(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole story as it was written; what has no name or says nothing is empty."""

    title: str = ""
    ifid: str = ""
    format: str = ""  # of the story: SugarCube, Harlowe, …
    format_version: str = ""
    start: str = ""  # name of a passage
    passages: tuple[Passage, ...] = ()


@dataclass(slots=True)
class Report:
    """What was found in a file and could not be carried over."""

    file: str
    findings: list[Finding] = field(default_factory=list)

    def add(self, place: Place, about: str, problem: str, became: str) -> None:
        """Notes what was found, and what became of it."""
        line, column = place
        self.findings.append(
            Finding(
                file=self.file,
                line=line,
                column=column,
                field=about,
                problem=problem,
                remedy=became,
                level="warning",
            )
        )

    def within(self, passage: Passage, index: int, problem: str, became: str) -> None:
        """Notes the same of a character of a passage."""
        self.add(passage.place(index), named(passage.name), problem, became)


def named(passage: str) -> str:
    """Names a passage in a message."""
    return f"passage {passage!r}"


def refusal(file: str, problem: str, remedy: str, place: Place = (0, 0)) -> StoryError:
    """Gives the error of a file that cannot be read at all."""
    line, column = place
    return StoryError((Finding(file=file, line=line, column=column, field="", problem=problem, remedy=remedy),))


def read_document(text: str, report: Report, wanted: str | None = None) -> Document:
    """Reads a file's passages.

    Args:
        text: Twee 3, or HTML as Twine 2 publishes or archives it.
        report: takes what is left out.
        wanted: the title of the story to take from an archive of several.

    Raises:
        StoryError: there is no passage, or more than one story to choose from.
    """
    if len(text) > MAX_CHARACTERS:
        raise refusal(report.file, f"the file has more than {MAX_CHARACTERS} characters", "Import a smaller one")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    html_at = _STORY_TAG.search(text)
    document = _read_twee(text, report) if html_at is None else _read_html(text, html_at.start(), report, wanted)
    if wanted not in (None, document.title):
        raise _no_such_story(report.file, wanted, repr(document.title))
    if not document.passages:
        remedy = "Give a Twee 3 file, whose passages begin with ':: Name', or the HTML that Twine publishes"
        raise refusal(report.file, "there is no passage", remedy)
    if len(document.passages) > MAX_PASSAGES:
        problem = f"there are {len(document.passages)} passages; a story has {MAX_PASSAGES} scenes at most"
        raise refusal(report.file, problem, "Import a part of it")
    return replace(document, passages=_single(document.passages, report))


def _single(passages: tuple[Passage, ...], report: Report) -> tuple[Passage, ...]:
    """Gives the passages without those that have no name, or whose name comes again: the last one counts."""
    last = {passage.name: passage for passage in passages if passage.name}
    for passage in passages:
        kept = last.get(passage.name)
        if kept is None:
            report.add(passage.at, "", "a passage has no name", "It is left out")
        elif kept is not passage:
            problem = f"there is another passage of this name in line {kept.at[0]}"
            report.add(passage.at, named(passage.name), problem, "The last one counts; this one is left out")
    return tuple(passage for passage in passages if last.get(passage.name) is passage)


# ── Twee 3 ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_twee(text: str, report: Report) -> Document:
    headers = list(_HEADER.finditer(text))
    before = text[: headers[0].start()] if headers else ""
    if before.strip():
        report.add((1, 1), "", "there is text before the first passage", "It is left out")
    passages = []
    line = before.count("\n") + 1
    for number, header in enumerate(headers):
        end = headers[number + 1].start() if number + 1 < len(headers) else len(text)
        name, tags = _header(header[1], line, report)
        body = text[header.end() + 1 : end]
        passages.append(Passage(name=name, tags=tags, text=body.rstrip(), at=(line, 1), pieces=((0, line + 1, 1),)))
        line += text.count("\n", header.start(), end)
    special = {passage.name: passage for passage in passages if passage.name in ("StoryTitle", "StoryData")}
    data = _story_data(special["StoryData"], report) if "StoryData" in special else {}
    return Document(
        title=special["StoryTitle"].text if "StoryTitle" in special else "",
        ifid=_text(data, "ifid"),
        format=_text(data, "format"),
        format_version=_text(data, "format-version"),
        start=_text(data, "start"),
        passages=tuple(passage for passage in passages if passage.name not in special),
    )


def _header(header: str, line: int, report: Report) -> tuple[str, tuple[str, ...]]:
    parts = _PARTS.fullmatch(header)
    if parts is None:
        became = "All of it is taken as the name; write \\[ \\] \\{ \\} \\\\ for these characters in a name"
        report.add((line, 1), "", "the passage's header is not of the form ':: Name [tags] {metadata}'", became)
        return header.strip(), ()
    name, tags, metadata = parts.groups(default="")
    if metadata and _json(metadata) is None:
        report.add((line, parts.start(3) + 3), named(_unescaped(name)), "the metadata is no JSON", "It is left out")
    return _unescaped(name), tuple(_unescaped(tag) for tag in tags.split())


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text.strip())


def _story_data(passage: Passage, report: Report) -> Mapping[str, Any]:
    data = _json(passage.text)
    if data is None:
        report.within(passage, 0, "StoryData is no JSON object", "It is left out, and with it format and start")
    return data or {}


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


# ── Twine 2 ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Part:
    """A passage, script or style sheet as it is read."""

    attributes: Mapping[str, str]
    at: Place
    text: str = ""
    pieces: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, place: Place, text: str) -> None:
        self.pieces.append((len(self.text), *place))
        self.text += text

    def passage(self) -> Passage:
        kept = self.text.rstrip()
        pieces = tuple(self.pieces) or ((0, *self.at),)
        tags = tuple(self.attributes.get("tags", "").split())
        return Passage(name=self.attributes.get("name", "").strip(), tags=tags, text=kept, at=self.at, pieces=pieces)


@dataclass(slots=True)
class _Story:
    attributes: Mapping[str, str]
    passages: list[_Part] = field(default_factory=list)


class _Reader(HTMLParser):
    """Gathers the stories of a page; `line` and `column` are where the page begins in its file."""

    def __init__(self, line: int, column: int, report: Report) -> None:
        super().__init__(convert_charrefs=False)
        self._begins = line, column
        self._report = report
        self._passage: _Part | None = None
        self._code: _Part | None = None
        self.stories: list[_Story] = []

    def _place(self) -> Place:
        line, column = self.getpos()
        return line + self._begins[0] - 1, column + 1 + (self._begins[1] - 1 if line == 1 else 0)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begins a story or a passage; other tags within a passage are text."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "tw-storydata":
            self._passage = None
            self.stories.append(_Story(attributes))
        elif tag == "tw-passagedata" and self.stories:
            self._passage = _Part(attributes, self._place())
            self.stories[-1].passages.append(self._passage)
        elif self._passage is not None:
            self._passage.add(self._place(), self.get_starttag_text() or "")
        elif tag in _CODE:
            self._code = _Part(attributes, self._place())

    def handle_endtag(self, tag: str) -> None:
        """Ends a passage or a script."""
        if tag in ("tw-passagedata", "tw-storydata"):
            self._passage = None
        elif self._passage is not None:
            self._passage.add(self._place(), f"</{tag}>")
        elif tag in _CODE and self._code is not None:
            if self._code.text.strip() and self.stories:
                word = "script" if tag == "script" else "style sheet"
                self._report.add(self._code.at, "", f"the story has a {word}", "It is left out")
            self._code = None

    def handle_data(self, data: str) -> None:
        """Takes text as it stands."""
        for part in (self._passage, self._code):
            if part is not None:
                part.add(self._place(), data)

    def handle_charref(self, name: str) -> None:
        """Takes a character written as a number."""
        self.handle_data(html.unescape(f"&#{name};"))

    def handle_entityref(self, name: str) -> None:
        """Takes a character written by name."""
        self.handle_data(html.unescape(f"&{name};"))


def _read_html(text: str, start: int, report: Report, wanted: str | None) -> Document:
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    reader = _Reader(line, column, report)
    try:
        reader.feed(text[start:])
        reader.close()
    except AssertionError as error:  # how the parser refuses what is no declaration
        raise refusal(report.file, f"this is no HTML: {error}", "Publish the story to a file anew") from error
    story = _chosen(reader.stories, report.file, wanted)
    passages = tuple(part.passage() for part in story.passages)
    pid = story.attributes.get("startnode", "")
    starts = [
        passage.name
        for part, passage in zip(story.passages, passages, strict=True)
        if pid and part.attributes.get("pid") == pid
    ]
    return Document(
        title=story.attributes.get("name", ""),
        ifid=story.attributes.get("ifid", ""),
        format=story.attributes.get("format", ""),
        format_version=story.attributes.get("format-version", ""),
        start=starts[0] if starts else "",
        passages=passages,
    )


def _chosen(stories: list[_Story], file: str, wanted: str | None) -> _Story:
    names = [story.attributes.get("name", "") for story in stories]
    fit = [story for story, name in zip(stories, names, strict=True) if wanted in (None, name)]
    if len(fit) == 1:
        return fit[0]
    told = ", ".join(map(repr, names))
    if fit:
        raise refusal(file, f"there are {len(fit)} stories: {told}", "Name the one to import with --story")
    raise _no_such_story(file, wanted, told)


def _no_such_story(file: str, wanted: str | None, told: str) -> StoryError:
    return refusal(file, f"there is no story {wanted!r}; there is: {told}", "Name one of those with --story")
