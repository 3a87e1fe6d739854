"""The markup of SugarCube."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.imports.conditions import after_quotes, constant_text
from streamer.imports.markup import (
    ALWAYS,
    MAX_NESTED,
    Branch,
    Goto,
    If,
    Link,
    Markup,
    Node,
    Prose,
    Set,
    cut,
    split_link,
)
from streamer.imports.passages import Passage, Report

_OPENING = re.compile(r"<<(/?[A-Za-z][\w-]*|[=-])")
_ALIASES = {
    "else if": "elseif",
    "endif": "/if",
    "button": "link",
    "=": "print",
    "-": "print",
    "silent": "silently",
    **dict.fromkeys(("linkappend", "linkprepend", "linkreplace"), "link"),
}
_KEPT = {  # macros whose content is there after all, and what is lost
    "nobr": "",
    "silently": "",
    "done": "",
    "capture": "",
    "timed": "What comes later is there at once",
    "next": "",
}
_ARGUMENT = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[\[[^\]]*\]\]|\S+)""", re.DOTALL)
_MOST_ARGUMENTS = 2  # of a link: label and target


@dataclass(slots=True, kw_only=True)
class _Frame:
    """A macro that is still open."""

    name: str
    at: int
    nodes: list[Node]  # where what comes next belongs
    found: If | None = None  # of an if
    arguments: list[str] = field(default_factory=list)  # of a link
    silent: bool = False


class SugarCube(Markup):
    """Reads macros in `<<…>>`."""

    token = re.compile(
        r"(?P<comment>/\*.*?\*/|/%.*?%/|<!--.*?-->|\\\n)"
        r'|"{3}(?P<verbatim>.*?)"{3}|(?P<macro><<(?=/?[A-Za-z]|[=-]))|(?P<image>\[[<>]?img\[.*?\]\])|(?P<link>\[\[)'
        r"|(?P<code><script\b.*?</script>|<style\b.*?</style>)|(?P<tag></?[A-Za-z][^<>]*>)"
        r"|(?P<variable>\$[A-Za-z_]\w*)",
        re.DOTALL | re.IGNORECASE,
    )

    def __init__(self, passage: Passage, report: Report) -> None:
        super().__init__(passage, report)
        self._frames = [_Frame(name="", at=0, nodes=[])]
        self._does: dict[str, Callable[[int, str, int], None]] = {
            "if": self._if,
            "elseif": self._branch,
            "else": self._branch,
            "set": self._set,
            "run": self._set,
            "goto": self._goto,
        }

    def read(self) -> list[Node]:
        """Gives the passage's parts in order."""
        index = 0
        while found := self.token.search(self.text, index):
            self._prose(self.text[index : found.start()], index)
            index = self._token(found)
        self._prose(self.text[index:], index)
        while len(self._frames) > 1:
            self._unclosed()
        return self._frames[0].nodes

    def _prose(self, text: str, at: int) -> None:
        if text and not any(frame.silent for frame in self._frames):
            self._frames[-1].nodes.append(Prose(text=text, at=at))

    def _token(self, found: re.Match[str]) -> int:
        at, nodes = found.start(), self._frames[-1].nodes
        match found.lastgroup:
            case "macro":
                return self._macro(at)
            case "link":
                return self.link(nodes, at)
            case "verbatim":
                self._prose(found["verbatim"], found.start("verbatim"))
            case "variable":
                self.leave(at, f"the text shows {found[0]}", "A scene's text is always the same: the name stays in it")
                self._prose(found[0], at)
            case "image" | "code":
                self.leave(at, f"{cut(found[0])!r} is not shown in a video")
            case "tag":
                self.tag(nodes, at, found[0])
            case _:
                pass  # a comment
        return found.end()

    def _macro(self, at: int) -> int:
        opening = _OPENING.match(self.text, at)
        assert opening is not None  # the token looked ahead
        end = _end(self.text, opening.end())
        arguments, begins = self.text[opening.end() : end].rstrip(), opening.end()
        name = opening[1]
        if name == "else" and (rest := arguments.lstrip()).startswith("if") and not rest[2:3].isalnum():
            begins += len(arguments) - len(rest) + 2
            name, arguments = "else if", rest[2:]
        name = _ALIASES.get(name, name)
        end = min(end + 2, len(self.text))
        if len(self._frames) > MAX_NESTED and name in ("if", "link", *_KEPT):
            self.leave(at, f"<<{name}>> is nested more than {MAX_NESTED} deep", "It is left out, and all within")
            return self._closing(opening[1], end) or end
        if name.startswith("/"):
            self._ended(at, _ALIASES.get(name[1:], name[1:]))
        elif name in self._does:
            self._does[name](at, arguments, begins)
        elif name == "link":
            self._link(at, arguments, end, opening[1])
        elif name in _KEPT:
            self._keep(at, name)
        else:
            return self._unknown(at, opening[1], end)
        return end

    def _unknown(self, at: int, name: str, end: int) -> int:
        """Reports a macro, and leaves out what it encloses."""
        closed = self._closing(name, end)
        whole = " and all within" if closed else ""
        self.leave(at, f"{cut(self.text[at:end])} cannot be carried over", f"It is left out{whole}")
        return closed or end

    def _closing(self, name: str, index: int) -> int:
        """Gives where the macro that was opened before is closed; 0: nowhere."""
        depth = 1
        for found in re.finditer(rf"<<(/?){re.escape(name)}(?![\w-])[^>]*>>", self.text[index:]):
            depth += -1 if found[1] else 1
            if not depth:
                return index + found.end()
        return 0

    def _ended(self, at: int, name: str) -> None:
        if any(frame.name == name for frame in self._frames):
            while self._frames[-1].name != name:
                self._unclosed()
            self._close()
        elif name in self._does or name in _KEPT or name == "link":  # others were reported as they began
            self.leave(at, f"<</{name}>> closes nothing that is open")

    def _unclosed(self) -> None:
        frame = self._frames[-1]
        self.leave(frame.at, f"<<{frame.name}>> is not closed", "It is taken to end with what it stands in")
        self._close()

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.name == "link":
            self._finish_link(frame)

    # ── what macros do ───────────────────────────────────────────────────────────────────────────────────────────

    def _if(self, at: int, arguments: str, begins: int) -> None:
        branch = Branch(condition=self.condition(arguments, begins), at=at)
        found = If(branches=[branch])
        self._frames[-1].nodes.append(found)
        self._frames.append(_Frame(name="if", at=at, nodes=branch.body, found=found))

    def _branch(self, at: int, arguments: str, begins: int) -> None:
        frame = self._frames[-1]
        if frame.found is None:
            self.leave(at, "there is no <<if>> that this belongs to")
            return
        condition = self.condition(arguments, begins) if arguments.strip() else ALWAYS
        branch = Branch(condition=condition, at=at)
        frame.found.branches.append(branch)
        frame.nodes = branch.body

    def _set(self, at: int, arguments: str, begins: int) -> None:
        if sets := self.assignments(arguments, begins):
            self._frames[-1].nodes.append(Set(sets=sets, at=at))

    def _goto(self, at: int, arguments: str, begins: int) -> None:
        del begins
        _, target = _label_and_target(arguments)
        if target is None:
            self.leave(at, f"{cut(arguments)!r} names no passage")
            return
        self._frames[-1].nodes.append(Goto(target=target, at=at))

    def _keep(self, at: int, name: str) -> None:
        if _KEPT[name]:
            self.leave(at, f"<<{name}>> cannot be carried over", _KEPT[name])
        if name != "next":
            self._frames.append(_Frame(name=name, at=at, nodes=self._frames[-1].nodes, silent=name == "silently"))

    def _link(self, at: int, arguments: str, end: int, spelled: str) -> None:
        frame = _Frame(name="link", at=at, nodes=[], arguments=[arguments])
        self._frames.append(frame)
        if not self._closing(spelled, end):
            self._close()

    def _finish_link(self, frame: _Frame) -> None:
        label, target = _label_and_target(frame.arguments[0], is_link=True)
        sets = tuple(each for node in frame.nodes if isinstance(node, Set) for each in node.sets)
        gotos = [node.target for node in frame.nodes if isinstance(node, Goto)]
        rest = [node for node in frame.nodes if not isinstance(node, Set | Goto)]
        around = self._frames[-1].nodes
        target = target or next(iter(gotos), None)
        if label is None:
            self.leave(frame.at, f"{cut(frame.arguments[0])!r} is no link to a passage")
            return
        if target is None:
            self.reveal(around, Link(label=label, target=self.passage.name, at=frame.at, sets=sets), rest)
            return
        if any(not isinstance(node, Prose) or node.text.strip() for node in rest):
            self.leave(frame.at, f"the link {cut(label)!r} does more than set and go", "The rest is left out")
        around.append(Link(label=label, target=target, at=frame.at, sets=sets))


def _end(text: str, index: int) -> int:
    """Gives where a macro's `>>` stands, outside of quotes where they are closed."""
    while index < len(text) and not text.startswith(">>", index):
        index = after_quotes(text, index)
    return min(index, len(text))


def _label_and_target(arguments: str, *, is_link: bool = False) -> tuple[str | None, str | None]:
    """Reads `"label" "target"`, `[[label|target]]`, or for jumps `"target"` alone; None: worked out as it runs."""
    found = [each[1] for each in _ARGUMENT.finditer(arguments)]
    if found and found[0].startswith("[["):
        return split_link(found[0][2:-2])
    texts = [constant_text(each) for each in found[:_MOST_ARGUMENTS]]
    if not is_link:
        return None, texts[0] if len(found) == 1 else None
    label = texts[0] if texts else None
    if len(found) > _MOST_ARGUMENTS or (len(found) == _MOST_ARGUMENTS and texts[1] is None):
        return None, None
    return label, texts[1] if len(texts) == _MOST_ARGUMENTS else None


STYLES = (
    (re.compile(r"@@(?:[^@;\n]*;)*([^@\n]*)@@"), r"\1"),
    (re.compile(r"''(.+?)''"), r"\1"),
    (re.compile(r"(?<!:)//(.+?)(?<!:)//"), r"\1"),
    (re.compile(r"__(.+?)__"), r"\1"),
    (re.compile(r"(?m)^!{1,6}[ \t]*"), ""),
)
