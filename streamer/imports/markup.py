"""What passages are made of, whatever format they were written for, and how each format finds it in their text."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamer.imports.conditions import Assignment, Expr, Literal, Untranslatable, read_assignments, read_condition
from streamer.imports.passages import Passage, Report

MAX_NESTED = 24  # ifs within ifs
LEFT_OUT = "It is left out"
MAX_SHOWN = 40  # characters of what was found, in a message
ALWAYS = Literal(value=True)
_SILENT_TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "big",
        "blockquote",
        "body",
        "center",
        "cite",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
_BREAKING = frozenset(["br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "blockquote"])
_TAG_NAME = re.compile(r"</?([A-Za-z][\w-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Words to read."""

    text: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A way to another passage that a reader may take."""

    label: str
    target: str
    at: int
    sets: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Goto:
    """A way to another passage that is taken at once."""

    target: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """What changes when a passage is entered."""

    sets: tuple[Assignment, ...]
    at: int


@dataclass(slots=True, kw_only=True)
class Branch:
    """What is there while a condition holds."""

    condition: Expr | None  # None: nobody knows, and it was reported
    at: int
    body: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class If:
    """Branches: the first whose condition holds is there."""

    branches: list[Branch]


Node = Prose | Link | Goto | Set | If


def cut(text: str) -> str:
    """Shows what was found in few characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1] + "…"


def split_link(body: str) -> tuple[str, str]:
    """Parts what stands in a link's brackets into label and target: `A`, `label|A`, `label->A`, `A<-label`."""
    if "->" in body:
        label, _, target = body.rpartition("->")
    elif "<-" in body:
        target, _, label = body.partition("<-")
    else:
        label, bar, target = body.partition("|")
        target = target if bar else label
    return label.strip(), target.strip()


class Markup(ABC):
    """Reads one passage; what cannot be carried over is reported where it stands."""

    token: re.Pattern[str]

    def __init__(self, passage: Passage, report: Report) -> None:
        self.passage = passage
        self.text = passage.text
        self._report = report

    @abstractmethod
    def read(self) -> list[Node]:
        """Gives the passage's parts in order."""

    def leave(self, at: int, problem: str, became: str = LEFT_OUT) -> None:
        """Reports what is left out."""
        self._report.within(self.passage, at, problem, became)

    def link(self, nodes: list[Node], at: int) -> int:
        """Reads `[[…]]` or `[[…][…]]` that begins at an index; gives where it ends."""
        inner = self.text.find("]", at)
        body = self.text[at + 2 : inner]
        if inner < 0 or "\n" in body or self.text[inner + 1 : inner + 2] not in ("]", "["):
            self.leave(at, "a link is not closed with ]]", "It stays in the text")
            nodes.append(Prose(text="[[", at=at))
            return at + 2
        end, sets = inner + 2, tuple[Assignment, ...]()
        if self.text[inner + 1] == "[":
            closed = self.text.find("]]", inner)
            closed = len(self.text) if closed < 0 else closed
            sets = self.assignments(self.text[inner + 2 : closed], inner + 2)
            end = closed + 2
        label, target = split_link(body)
        nodes.append(Link(label=label, target=target, at=at, sets=sets))
        return end

    def reveal(self, nodes: list[Node], link: Link, revealed: Sequence[Node]) -> None:
        """Takes a link that leads to no passage: what it reveals is there at once, what it sets a choice may set."""
        problem = f"the link {cut(link.label)!r} leads to no passage"
        if link.sets:
            self.leave(link.at, problem, "It leads back to its own passage; what it reveals is there at once")
            nodes += (link, Prose(text="\n", at=link.at))
        else:
            self.leave(link.at, problem, "What it reveals is there at once")
        nodes.extend(revealed)

    def assignments(self, text: str, at: int) -> tuple[Assignment, ...]:
        """Reads assignments; none, with a report, if one of them cannot be carried over."""
        try:
            return read_assignments(text, at)
        except Untranslatable as error:
            self.leave(error.index, f"{cut(text)!r}: {error.problem}", "It sets nothing")
            return ()

    def condition(self, text: str, at: int) -> Expr | None:
        """Reads a condition; None, with a report, if it cannot be carried over."""
        try:
            return read_condition(text, at)
        except Untranslatable as error:
            self.leave(error.index, f"{cut(text)!r}: {error.problem}", UNKNOWN)
            return None

    def tag(self, nodes: list[Node], at: int, text: str) -> None:
        """Takes an HTML tag: those that only shape text are dropped without a word."""
        found = _TAG_NAME.match(text)
        name = found[1].lower() if found else ""
        if name in _BREAKING:
            nodes.append(Prose(text="\n", at=at))
        elif name not in _SILENT_TAGS and not text.startswith("</"):
            self.leave(at, f"<{name}> is not shown in a video")
        if name == "a" and "data-passage" in text:
            self.leave(at, "a link is written in HTML", "Its words stay in the text; write it as [[label->passage]]")


UNKNOWN = "Links that depend on it are always offered; text, effects and jumps that depend on it are left out"


class Plain(Markup):
    """Formats whose code is not read: Chapbook, Snowman and whatever there may be."""

    token = re.compile(
        r"(?P<link>\[\[)|(?P<code>\A(?:[^\n]*\n)*?--[ \t]*(?:\n|\Z)|<%.*?%>|^\[[^\[\]\n]+\][ \t]*$|<!--.*?-->"
        r"|<script\b.*?</script>|<style\b.*?</style>|\$?\{[^{}\n]+\})"
        r"|(?P<tag></?[A-Za-z][^<>]*>)",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    )

    def read(self) -> list[Node]:
        """Gives text and links."""
        nodes: list[Node] = []
        index = 0
        while found := self.token.search(self.text, index):
            nodes.append(Prose(text=self.text[index : found.start()], at=index))
            index = found.end()
            if found["link"] is not None:
                index = self.link(nodes, found.start())
            elif found["tag"] is not None:
                self.tag(nodes, found.start(), found[0])
            elif not found[0].startswith("<!--"):
                self.leave(found.start(), f"{cut(found[0])!r} is code")
        nodes.append(Prose(text=self.text[index:], at=index))
        return nodes
