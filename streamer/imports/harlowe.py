"""The markup of Harlowe."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from streamer.imports.conditions import after_quotes, constant_text, negated, parted
from streamer.imports.markup import ALWAYS, MAX_NESTED, Branch, Goto, If, Link, Markup, Node, Prose, Set, cut
from streamer.imports.passages import Passage, Report

_STYLES = frozenset(
    [
        "align",
        "background",
        "bg",
        "box",
        "charstyle",
        "color",
        "colour",
        "css",
        "font",
        "hook",
        "hoverstyle",
        "linestyle",
        "matchstyle",
        "opacity",
        "size",
        "t8n",
        "t8narrive",
        "t8ndelay",
        "t8ndepart",
        "t8nskip",
        "t8ntime",
        "text",
        "textcolor",
        "textcolour",
        "textindent",
        "textopacity",
        "textrotate",
        "textrotatex",
        "textrotatey",
        "textrotatez",
        "textsize",
        "textstyle",
        "transition",
        "transitionarrive",
        "transitiondelay",
        "transitiondepart",
        "transitionskip",
        "transitiontime",
    ]
)
_REVEALING = frozenset(("link", "linkreplace", "linkreveal", "linkrepeat", "linkrerun", "linkrevealgoto"))
_BRANCHING = frozenset(("if", "unless", "elseif", "else"))
_NAME = re.compile(r"\(\s*([A-Za-z][\w-]*|[$_]\w+):")
_ATTACHED = re.compile(r"\s*(?=\[)")
_PLUS = re.compile(r"\s*\+\s*(?=\(\s*[A-Za-z$_])")
_INTO = re.compile(r"\A(.*)\binto\s+(\$\w+)\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Macro:
    name: str  # without dashes, small
    spelled: str
    arguments: str
    begins: int  # of the arguments
    at: int


class Harlowe(Markup):
    """Reads macros in `(name: …)` and hooks in `[…]`."""

    token = re.compile(
        r"(?P<comment><!--.*?-->|\\\n)|(?P<ticks>`+)(?P<verbatim>.*?)(?P=ticks)|(?P<link>\[\[(?!\[))|(?P<rest>\[=+)"
        r"|(?P<hook>(?:\|[\w-]+[>)])?\[)|(?P<close>\](?:[<(][\w-]+\|)?)|(?P<macro>\((?=\s*(?:[A-Za-z][\w-]*|[$_]\w+):))"
        r"|(?P<code><script\b.*?</script>|<style\b.*?</style>)|(?P<tag></?[A-Za-z][^<>]*>)"
        r"|(?P<variable>\$[^\W\d]\w*)",
        re.DOTALL | re.IGNORECASE,
    )

    def __init__(self, passage: Passage, report: Report) -> None:
        super().__init__(passage, report)
        self._depth = 0
        self._does: dict[str, Callable[[list[Node], _Macro], None]] = {
            "set": self._set,
            "put": self._put,
            "goto": self._goto,
            "linkgoto": self._link_goto,
        }
        self._encloses: dict[str, Callable[[list[Node], _Macro, list[Node]], None]] = {
            "if": self._if,
            "unless": self._if,
            "elseif": self._branch,
            "else": self._branch,
            **dict.fromkeys(_REVEALING, self._reveal),
        }

    def read(self) -> list[Node]:
        """Gives the passage's parts in order."""
        nodes: list[Node] = []
        index = 0
        while index < len(self.text):
            index = self._parts(nodes, index)
            if index < len(self.text):  # a bracket that closes nothing
                nodes.append(Prose(text="]", at=index))
                index += 1
        return nodes

    def _parts(self, nodes: list[Node], index: int) -> int:
        """Reads parts until a hook's end or the text's; gives where."""
        while found := self.token.search(self.text, index):
            self._prose(nodes, index, found.start())
            if found["close"] is not None:
                return found.start()
            index = self._token(nodes, found)
        self._prose(nodes, index, len(self.text))
        return len(self.text)

    def _prose(self, nodes: list[Node], start: int, end: int) -> None:
        if start < end:
            nodes.append(Prose(text=self.text[start:end], at=start))

    def _token(self, nodes: list[Node], found: re.Match[str]) -> int:
        at = found.start()
        match found.lastgroup:
            case "macro":
                return self._macro(nodes, at)
            case "link":
                return self.link(nodes, at)
            case "hook":
                return self._hook(nodes, found.end() - 1)
            case "rest":
                return self._hook(nodes, at)
            case "verbatim":
                self._prose(nodes, found.start("verbatim"), found.end("verbatim"))
            case "variable":
                self.leave(at, f"the text shows {found[0]}", "A scene's text is always the same: the name stays in it")
                self._prose(nodes, at, found.end())
            case "code":
                self.leave(at, f"{cut(found[0])!r} is not shown in a video")
            case "tag":
                self.tag(nodes, at, found[0])
            case _:
                pass  # a comment
        return found.end()

    def _hook(self, nodes: list[Node], index: int) -> int:
        """Reads a hook that begins with the bracket at an index; gives where it ends."""
        if self.text.startswith("[[", index) and not self.text.startswith("[[[", index):
            return self.link(nodes, index)
        if self._depth == MAX_NESTED:
            self.leave(index, f"is nested more than {MAX_NESTED} deep", "What is within is left out")
            return _matching(self.text, index)
        rest = self.text.startswith("[=", index)
        index += 1
        while rest and self.text.startswith("=", index):
            index += 1
        self._depth += 1
        end = self._parts(nodes, index)
        self._depth -= 1
        if rest or end == len(self.text):
            return end
        closing = self.token.match(self.text, end)
        assert closing is not None  # _parts stopped at it
        return closing.end()

    def _macro(self, nodes: list[Node], at: int) -> int:
        macros, end = self._chain(at)
        if not macros:
            self.leave(at, f"{cut(self.text[at:])!r} is not closed with )", "It stays in the text")
            self._prose(nodes, at, at + 1)
            return at + 1
        known = [macro for macro in macros if macro.name in self._encloses]
        plain = [macro for macro in macros if macro.name not in self._encloses]
        attached = self._attached(macros, end)
        if attached is None:
            for macro in macros:
                self._alone(nodes, macro)
            return end
        body: list[Node] = []
        end = self._hook(body, attached)
        for macro in plain:
            if macro.name in _STYLES:
                self.leave(macro.at, f"({macro.spelled}:) cannot be carried over", "Its text is kept without it")
            else:
                self.leave(macro.at, f"{_shown(macro)} cannot be carried over", "It is left out, and all within")
                return end
        if not known:
            nodes.extend(body)
        for macro in known[:1]:
            self._encloses[macro.name](nodes, macro, body)
        return end

    def _attached(self, macros: list[_Macro], end: int) -> int | None:
        """Gives where the hook begins that belongs to macros; None: they stand alone."""
        found = _ATTACHED.match(self.text, end)
        if found is None or (len(macros) == 1 and macros[0].name in self._does):
            return None
        is_link = self.text.startswith("[[", found.end()) and not self.text.startswith("[[[", found.end())
        takes_links = all(macro.name in _STYLES or macro.name in _BRANCHING for macro in macros)
        return None if is_link and not takes_links else found.end()

    def _chain(self, at: int) -> tuple[list[_Macro], int]:
        """Reads macros that are added up with `+`; none where the first is not closed."""
        macros: list[_Macro] = []
        index = end = at
        while (name := _NAME.match(self.text, index)) is not None:
            closed = _matching(self.text, index)
            if self.text[closed - 1] != ")":
                break
            macros.append(
                _Macro(
                    name=name[1].lower().replace("-", "").replace("_", ""),
                    spelled=name[1],
                    arguments=self.text[name.end() : closed - 1],
                    begins=name.end(),
                    at=index,
                )
            )
            end = closed
            plus = _PLUS.match(self.text, end)
            if plus is None:
                break
            index = plus.end()
        return macros, end

    def _alone(self, nodes: list[Node], macro: _Macro) -> None:
        if macro.name in self._does:
            self._does[macro.name](nodes, macro)
        elif macro.name == "linkrevealgoto":
            self._reveal(nodes, macro, [])
        else:
            self.leave(macro.at, f"{_shown(macro)} cannot be carried over")

    # ── what macros do ───────────────────────────────────────────────────────────────────────────────────────────

    def _set(self, nodes: list[Node], macro: _Macro) -> None:
        if sets := self.assignments(macro.arguments, macro.begins):
            nodes.append(Set(sets=sets, at=macro.at))

    def _put(self, nodes: list[Node], macro: _Macro) -> None:
        for start, part in parted(macro.arguments, ","):
            into = _INTO.match(part)
            if into is None:
                self.leave(
                    macro.begins + start, f"{cut(part)!r} is no assignment: 'value into $name'", "It sets nothing"
                )
            elif sets := self.assignments(f"{into[2]} to {into[1]}", macro.begins + start):
                nodes.append(Set(sets=sets, at=macro.at))

    def _goto(self, nodes: list[Node], macro: _Macro) -> None:
        target = constant_text(macro.arguments)
        if target is None:
            self.leave(macro.at, f"{cut(macro.arguments)!r} names no passage")
        else:
            nodes.append(Goto(target=target.strip(), at=macro.at))

    def _link_goto(self, nodes: list[Node], macro: _Macro) -> None:
        texts = _texts(macro)
        if None in texts:
            self.leave(macro.at, f"{_shown(macro)} is no link to a passage")
            return
        label, target = str(texts[0]), str(texts[-1])
        nodes.append(Link(label=label, target=target.strip(), at=macro.at))

    def _if(self, nodes: list[Node], macro: _Macro, body: list[Node]) -> None:
        condition = self.condition(macro.arguments, macro.begins)
        if macro.name == "unless" and condition is not None:
            condition = negated(condition)
        nodes.append(If(branches=[Branch(condition=condition, at=macro.at, body=body)]))

    def _branch(self, nodes: list[Node], macro: _Macro, body: list[Node]) -> None:
        before = [node for node in nodes if isinstance(node, If)]
        if not before:
            self.leave(macro.at, "there is no (if:) that this belongs to", "It is left out, and all within")
            return
        condition = ALWAYS if macro.name == "else" else self.condition(macro.arguments, macro.begins)
        before[-1].branches.append(Branch(condition=condition, at=macro.at, body=body))

    def _reveal(self, nodes: list[Node], macro: _Macro, body: list[Node]) -> None:
        """Reads a link with a hook: what happens when it is taken."""
        texts = _texts(macro)
        gotos: list[str | None] = [node.target for node in body if isinstance(node, Goto)]
        target = texts[-1] if macro.name == "linkrevealgoto" else next(iter(gotos), None)
        sets = tuple(each for node in body if isinstance(node, Set) for each in node.sets)
        rest = [node for node in body if not isinstance(node, Set | Goto)]
        if texts[0] is None or (target is None and macro.name == "linkrevealgoto"):
            self.leave(macro.at, f"{_shown(macro)} is no link to a passage", "It is left out, and all within")
            return
        if target is None:
            self.reveal(nodes, Link(label=texts[0], target=self.passage.name, at=macro.at, sets=sets), rest)
            return
        if any(not isinstance(node, Prose) or node.text.strip() for node in rest):
            self.leave(macro.at, f"the link {cut(texts[0])!r} does more than set and go", "The rest is left out")
        nodes.append(Link(label=texts[0], target=target.strip(), at=macro.at, sets=sets))


def _texts(macro: _Macro) -> list[str | None]:
    return [constant_text(part) for _, part in parted(macro.arguments, ",")]


def _shown(macro: _Macro) -> str:
    return cut(f"({macro.spelled}:{macro.arguments})")


def _matching(text: str, index: int) -> int:
    """Gives where the bracket that opens at an index has been closed, outside of quotes; else the text's end."""
    opens, closes = text[index], {"(": ")", "[": "]"}[text[index]]
    depth = 0
    while index < len(text):
        depth += (text[index] == opens) - (text[index] == closes)
        index = after_quotes(text, index) if opens == "(" else index + 1
        if not depth:
            return index
    return len(text)


STYLES = (
    (re.compile(r"''(.+?)''"), r"\1"),
    (re.compile(r"(?<!:)//(.+?)(?<!:)//"), r"\1"),
    (re.compile(r"\*\*(.+?)\*\*"), r"\1"),
    (re.compile(r"(?<![*\n])\*(?=\S)([^*\n]+?)\*"), r"\1"),
    (re.compile(r"(?m)^[ \t]*#{1,6}[ \t]*"), ""),
    (re.compile(r"[{}]"), ""),
)
