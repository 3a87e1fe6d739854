"""Takes a passage's parts out of the ifs that they stand in: words, ways on and effects, with what each depends on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamer.imports.conditions import Assignment, Expr, negated
from streamer.imports.markup import ALWAYS, LEFT_OUT, Branch, Goto, If, Link, Node, Prose, Set, cut
from streamer.imports.passages import Passage, Report

OPEN, SHUT = "\x01", "\x02"  # around the label of a link within prose; no text has them
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A link or a jump, and what it depends on."""

    node: Link | Goto
    guards: tuple[Expr, ...] = ()
    branches: tuple[tuple[If, int], ...] = ()  # the ifs around it, and in which of their branches it is

    @property
    def sets(self) -> tuple[Assignment, ...]:
        """Gives what changes when it is taken."""
        return self.node.sets if isinstance(self.node, Link) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What changes when a passage is entered, and what that depends on."""

    sets: tuple[Assignment, ...]
    guards: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class _Around:
    """The ifs around a part; `guards` are None where nobody knows whether they hold."""

    guards: tuple[Expr, ...] | None = ()
    branches: tuple[tuple[If, int], ...] = ()


class Gathered:
    """What one passage holds."""

    def __init__(self, passage: Passage, nodes: Sequence[Node], report: Report) -> None:
        self._passage = passage
        self._report = report
        self._prose: list[str] = []
        self.ways: list[Way] = []
        self.effects: list[Effect] = []
        self._take(nodes, _Around())

    @property
    def prose(self) -> str:
        """Gives the words that are always there; labels of links stand between OPEN and SHUT."""
        return "".join(self._prose)

    def _take(self, nodes: Sequence[Node], around: _Around) -> None:
        lost: list[Prose] = []
        for node in nodes:
            match node:
                case Prose():
                    self._take_prose(node, around, lost)
                case If():
                    self._take_if(node, around)
                case Link():
                    self._take_link(node, around)
                case _ if around.guards is None:
                    pass  # it was said that what is not known is left out
                case Goto():
                    self.ways.append(Way(node=node, guards=around.guards, branches=around.branches))
                case _:
                    self.effects.append(Effect(sets=node.sets, guards=around.guards))
        for each in lost[:1]:
            at = each.at + len(each.text) - len(each.text.lstrip())
            problem = f"the text {cut(each.text)!r} depends on a condition; a scene's text is always the same"
            self._report.within(self._passage, at, problem, LEFT_OUT)

    def _take_prose(self, node: Prose, around: _Around, lost: list[Prose]) -> None:
        if not around.branches:
            self._prose.append(_without_marks(node.text))
        elif _WORD.search(node.text):
            lost.append(node)

    def _take_link(self, node: Link, around: _Around) -> None:
        if around.guards is None:
            self.ways.append(Way(node=node))
        else:
            self.ways.append(Way(node=node, guards=around.guards, branches=around.branches))
        if not around.branches:
            self._prose.append(f"{OPEN}{_without_marks(node.label)}{SHUT}")

    def _take_if(self, node: If, around: _Around) -> None:
        before = around.guards
        for number, branch in enumerate(node.branches):
            inner = before
            if before is not None and branch.condition is not ALWAYS:
                inner = None if branch.condition is None else (*before, branch.condition)
                before = None if branch.condition is None else (*before, negated(branch.condition))
            self._take(branch.body, _Around(inner, (*around.branches, (node, number))))


def assignments_in(nodes: Sequence[Node]) -> Iterator[Assignment]:
    """Gives every assignment in order."""
    for node in nodes:
        if isinstance(node, Set | Link):
            yield from node.sets
        elif isinstance(node, If):
            for branch in node.branches:
                yield from assignments_in(branch.body)


def branches_in(nodes: Sequence[Node]) -> Iterator[Branch]:
    """Gives every branch of an if in order."""
    for node in nodes:
        if isinstance(node, If):
            for branch in node.branches:
                yield branch
                yield from branches_in(branch.body)


def is_automatic(ways: Sequence[Way]) -> bool:
    """Tells whether a reader sees one way at a time, so that there is nothing to choose."""
    if isinstance(ways[0].node, Goto):
        return True
    if any(way.sets for way in ways):
        return False
    if len(ways) == 1:
        return True
    outer = [way.branches[0] for way in ways if len(way.branches) == 1]
    return len(outer) == len(ways) == len({number for _, number in outer}) and len({id(each) for each, _ in outer}) == 1


def in_turn(ways: Sequence[Way]) -> Iterator[tuple[Way, tuple[Expr, ...]]]:
    """Gives ways and conditions, so that the first that holds is the first of the ways that a reader sees.

    Where every branch of one if leads on, each needs its own condition only.
    """
    outer = {id(way.branches[0][0]) if len(way.branches) == 1 else 0: way for way in ways}
    first = {way.branches[0][1]: way for way in reversed(ways) if way.branches}
    branches = ways[0].branches[0][0].branches if ways[0].branches else []
    if len(outer) > 1 or 0 in outer or len(first) < len(branches):
        yield from ((way, way.guards) for way in ways)
        return
    for number, branch in enumerate(branches):
        condition = branch.condition
        yield first[number], () if condition is None or condition is ALWAYS else (condition,)


def _without_marks(text: str) -> str:
    return text.replace(OPEN, " ").replace(SHUT, " ")
