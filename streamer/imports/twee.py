"""From passages to a story: Twee 3 and the HTML of Twine 2, written for SugarCube or Harlowe."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.errors import Finding
from streamer.imports import harlowe, sugarcube
from streamer.imports.conditions import Assignment, Expr, Untranslatable
from streamer.imports.gathering import (
    OPEN,
    SHUT,
    Effect,
    Gathered,
    Way,
    assignments_in,
    branches_in,
    in_turn,
    is_automatic,
)
from streamer.imports.markup import ALWAYS, LEFT_OUT, Branch, Goto, If, Link, Markup, Node, Plain, Prose, Set, cut
from streamer.imports.naming import Ids, by_name, one_line, printable, story_id
from streamer.imports.passages import Document, Passage, Report, named, read_document, refusal
from streamer.imports.translating import NEUTRAL, Translator, find_types
from streamer.imports.writing import Flow, Rules, Written, story_text
from streamer.story.codec import load_story
from streamer.story.expressions import Failure, Reading
from streamer.story.file import MAX_PROSE, MAX_WORDS
from streamer.story.model import MAX_TEXT, Value
from streamer.story.shape import closest

MAX_CHOICES = 16
MAX_PROMPT = 120  # characters: more is no question to be read in ten seconds
NEUTRAL_PROMPT = "What now?"
GO_ON = "go-on"  # id of a choice that had to be added
_DIALECTS: Mapping[str, type[Markup]] = {"sugarcube": sugarcube.SugarCube, "harlowe": harlowe.Harlowe}
_STYLES = {sugarcube.SugarCube: sugarcube.STYLES, harlowe.Harlowe: harlowe.STYLES}
_HARLOWE = re.compile(r"\(\s*(?:set|if|unless|else-?if|else|link-goto|link|go-?to|print|put)\s*:", re.IGNORECASE)
_SPECIAL = frozenset(
    [
        "PassageDone",
        "PassageFooter",
        "PassageHeader",
        "PassageReady",
        "StoryAuthor",
        "StoryBanner",
        "StoryCaption",
        "StoryDisplayTitle",
        "StoryIncludes",
        "StoryInterface",
        "StoryMenu",
        "StorySettings",
        "StoryShare",
        "StorySubtitle",
        "UserScript",
        "UserStylesheet",
    ]
)
_SPECIAL_TAGS = frozenset(
    [
        "script",
        "stylesheet",
        "widget",
        "init",
        "header",
        "footer",
        "debug-header",
        "debug-footer",
        "debug-startup",
        "Twine.private",
        "Twine.audio",
        "Twine.image",
        "Twine.video",
        "Twine.vtt",
        "annotation",
    ]
)
_LABEL = re.compile(f"{OPEN}[^{OPEN}{SHUT}]*{SHUT}")
_LAST_SENTENCE = re.compile(r"(?:.*[.!?…]\W*\s)?(\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A story file, and what it does not hold of what was imported."""

    text: str
    scenes: int
    decisions: int
    findings: tuple[Finding, ...]  # in the order of the file that was imported


def import_twee(text: str, file: str, story: str | None = None) -> Imported:
    """Reads a story written with Twine or as Twee 3.

    Args:
        text: Twee 3, or HTML as Twine 2 publishes or archives it.
        file: its name, for messages.
        story: the title of the one to take from an archive of several.

    Raises:
        StoryError: it cannot be read, or has no passage to start with.
    """
    report = Report(file)
    document = read_document(text, report, story)
    importing = _Importing(document, report)
    written = tuple(importing.scenes())
    told = story_text(importing.heading(), importing.head(), written)
    load_story(told, f"{file} (as a story)")
    return Imported(
        text=told,
        scenes=len(written),
        decisions=sum("decision" in each.scene for each in written),
        findings=tuple(sorted(report.findings, key=lambda finding: (finding.line, finding.column))),
    )


class _Importing:
    """One story on its way."""

    def __init__(self, document: Document, report: Report) -> None:
        self._document = document
        self._report = report
        self._dialect = self._chosen_dialect()
        self._passages, first = self._parted()
        self._names = [passage.name for passage in self._passages]
        self._start = self._chosen_start()
        self._ids = Ids("scene")
        self._scene_ids = {name: self._ids.made(name) for name in self._names}
        read = [(passage, self._dialect(passage, report).read()) for passage in (*first, *self._passages)]
        sets = [each for _, nodes in read for each in assignments_in(nodes)]
        branches = [(passage, branch) for passage, nodes in read for branch in branches_in(nodes)]
        types = find_types(sets, [branch.condition for _, branch in branches if branch.condition is not None])
        self._variables = by_name((name.removeprefix("$") for name in types), "variable")
        self._translator = Translator(
            types,
            {name: self._variables[name.removeprefix("$")] for name in types},
            self._scene_ids,
            strict=self._dialect is harlowe.Harlowe,
        )
        for passage, branch in branches:
            self._settle(passage, branch)
        self._defaults = {name: NEUTRAL[kind] for name, kind in types.items()}
        for passage, nodes in read[: len(first)]:
            self._begin(passage, nodes)
        self._nodes = {passage.name: nodes for passage, nodes in read[len(first) :]}

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────────────

    def _chosen_dialect(self) -> type[Markup]:
        name = self._document.format
        known = _DIALECTS.get(name.lower())
        if known is not None:
            return known
        if name:
            self._report.add((1, 1), "", f"the format {cut(name)} is not known", "Only its text and links are read")
            return Plain
        text = "\n".join(passage.text for passage in self._document.passages)
        return harlowe.Harlowe if _HARLOWE.search(text) and "<<" not in text else sugarcube.SugarCube

    def _parted(self) -> tuple[list[Passage], list[Passage]]:
        """Gives the passages of the story, and those that run before it begins."""
        story, first = [], []
        for passage in self._document.passages:
            special = _SPECIAL_TAGS.intersection(passage.tags)
            if passage.name == "StoryInit" or "startup" in passage.tags:
                first.append(passage)
            elif passage.name in _SPECIAL or special:
                why = f"is tagged {', '.join(sorted(special))}" if special else "is for the program, not the story"
                self._report.add(passage.at, named(passage.name), f"the passage {why}", LEFT_OUT)
            else:
                story.append(passage)
        return story, first

    def _chosen_start(self) -> str:
        wanted = self._document.start or "Start"
        if wanted in self._names:
            return wanted
        hint = closest(wanted, self._names)
        remedy = f'{hint}Name one in StoryData: {{"start": "…"}}, or call the first passage Start'
        raise refusal(self._report.file, f"there is no passage {wanted!r} to start with", remedy)

    def _settle(self, passage: Passage, branch: Branch) -> None:
        """Makes sure that a story can say a branch's condition; else nobody knows whether it holds."""
        if branch.condition is None or branch.condition is ALWAYS:
            return
        try:
            self._translator.condition((branch.condition,), passage.name)
        except Untranslatable as error:
            branch.condition = None
            became = "Links that depend on it are always offered; all else that depends on it is left out"
            self._report.within(passage, branch.at, f"the condition cannot be carried over: {error.problem}", became)

    def _begin(self, passage: Passage, nodes: list[Node]) -> None:
        """Takes what is set before the story begins as defaults."""
        for node in nodes:
            if isinstance(node, Set):
                for each in node.sets:
                    self._default(passage, each)
            elif not isinstance(node, Prose):
                at = node.branches[0].at if isinstance(node, If) else node.at
                self._report.within(passage, at, "only <<set>> and (set:) count before the story begins", LEFT_OUT)

    def _default(self, passage: Passage, assignment: Assignment) -> None:
        value = self._value(passage, assignment)
        if isinstance(value, str):
            language = self._translator.language
            values = {f"state.{self._variable(name)}": held for name, held in self._defaults.items()}
            found = language.evaluate(language.compile(value), Reading(values=values, visits={}), {})
            if isinstance(found, Failure) or (isinstance(found, str) and len(found) > MAX_TEXT):
                problem = f"{assignment.name} cannot be worked out before the story begins"
                self._report.within(passage, assignment.at, problem, "It is not set")
                return
            value = found
        if value is not None:
            is_number = self._translator.types[assignment.name] == "number"
            self._defaults[assignment.name] = float(value) if is_number else value

    def _variable(self, name: str) -> str:
        return self._variables[name.removeprefix("$")]

    def _value(self, passage: Passage, assignment: Assignment) -> Value | None:
        """Gives what a variable becomes; None, with a report, if a story cannot say it."""
        try:
            return self._translator.value(assignment, passage.name)
        except Untranslatable as error:
            self._report.within(passage, assignment.at, f"{assignment.name}: {error.problem}", "It is not set")
            return None

    # ── the head of the file ─────────────────────────────────────────────────────────────────────────────────────

    def heading(self) -> Iterator[str]:
        """Gives what the file says of where it comes from."""
        document = self._document
        made = f"{document.format} {document.format_version}".strip()
        told = (self._report.file.replace("\\", "/").rpartition("/")[2], made, f"IFID {document.ifid}")
        yield "Imported from " + ", ".join(part for part in told[: 3 if document.ifid else 2] if part)

    def head(self) -> dict[str, Any]:
        """Gives everything of the story but its scenes."""
        stem = self._report.file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
        title = one_line(self._document.title, MAX_WORDS) or one_line(stem, MAX_WORDS) or "Story"
        head: dict[str, Any] = {
            "story": 1,
            "id": story_id(title),
            "title": title,
            "start": self._scene_ids[self._start],
        }
        if self._defaults:
            types = self._translator.types
            head["state"] = {
                self._variable(name): Flow(type=types[name], default=value) for name, value in self._defaults.items()
            }
        return head

    # ── scenes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def scenes(self) -> Iterator[Written]:
        """Gives the scenes in order, and endings that had to be added."""
        made: dict[str, dict[str, Any]] = {}
        for passage in self._passages:
            made |= self._scene(passage)
        self._leave_circles(made)
        passages = {self._scene_ids[passage.name]: passage for passage in self._passages}
        for name, scene in made.items():
            comment = "Added by the import"
            if name in passages:
                passage = passages[name]
                tags = f" [{' '.join(passage.tags)}]" if passage.tags else ""
                comment = f"{passage.name}{tags}" if tags or passage.name != name else ""
            yield Written(id=name, scene=scene, comment=comment)

    def _scene(self, passage: Passage) -> dict[str, dict[str, Any]]:
        found = Gathered(passage, self._nodes[passage.name], self._report)
        prose = self._prose(passage, found.prose)
        ways = self._usable(passage, found.ways)
        scene: dict[str, Any] = {"media": Flow(src=self._scene_ids[passage.name])}
        if prose:
            scene["text"] = prose
        effects = found.effects
        if len(ways) == 1 and not ways[0].guards:
            effects = [*effects, Effect(sets=ways[0].sets)]  # nothing of the scene asks for them any more
            ways = [Way(node=Goto(target=ways[0].node.target, at=ways[0].node.at))]
        self._enter(passage, scene, effects)
        return {self._scene_ids[passage.name]: scene, **self._ways_on(passage, scene, ways, prose)}

    def _usable(self, passage: Passage, found: Sequence[Way]) -> list[Way]:
        """Gives the ways that lead to a passage, all links or all jumps."""
        ways = [way for way in found if self._is_there(passage, way.node)]
        gotos = [way for way in ways if isinstance(way.node, Goto)]
        links = [way for way in ways if isinstance(way.node, Link)]
        if not gotos or not links:
            return ways
        always = any(not way.branches for way in gotos)
        for way in links if always else gotos:
            problem = "nobody sees the link: the passage jumps on" if always else "a jump stands beside links"
            self._report.within(passage, way.node.at, problem, LEFT_OUT)
        return gotos if always else links

    def _is_there(self, passage: Passage, node: Link | Goto) -> bool:
        target = node.target
        if target in self._scene_ids:
            return True
        if "://" in target:
            problem = f"{cut(target)!r} leads out of the story"
        elif target.startswith(("$", "_")):
            problem = f"the passage is worked out as the story runs: {cut(target)}"
        else:
            problem = f"there is no passage {cut(target)!r}"
        hint = closest(target, self._names)
        self._report.within(passage, node.at, problem, f"{hint}The way is left out")
        return False

    def _enter(
        self,
        passage: Passage,
        scene: dict[str, Any],
        effects: Sequence[Effect],
    ) -> None:
        """Writes what changes as a scene begins."""
        events = self._events(passage, effects)
        scene |= {"events": events} if events else {}

    def _events(self, passage: Passage, effects: Sequence[Effect]) -> list[dict[str, Any]]:
        """Gives what changes as a scene begins."""
        events: list[dict[str, Any]] = []
        for effect in effects:
            when = self._when(passage, effect.guards, effect.sets[0].at) if effect.sets else None
            for each in effect.sets:
                value = self._value(passage, each)
                if value is None or when is _UNSAYABLE:
                    continue
                name = self._variable(each.name)
                if not events or events[-1].get("when") != when or name in events[-1]["set"]:
                    events.append(Flow(at="0s", **({"when": when} if when else {}), set=Flow()))
                events[-1]["set"][name] = value
        return events

    def _when(self, passage: Passage, guards: tuple[Expr, ...], at: int) -> str | None:
        """Gives a condition; None: always."""
        if not guards:
            return None
        try:
            return self._translator.condition(guards, passage.name)
        except Untranslatable as error:
            self._report.within(passage, at, f"what this depends on cannot be said: {error.problem}", "See above")
            return _UNSAYABLE

    # ── ways on ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _ways_on(
        self, passage: Passage, scene: dict[str, Any], ways: list[Way], prose: str
    ) -> dict[str, dict[str, Any]]:
        """Writes how a scene goes on; gives scenes that are needed besides."""
        name = self._scene_ids[passage.name]
        if not ways:
            scene["end"] = Flow(id=name)
            return {}
        if is_automatic(ways):
            scene["next"], added = self._rules(passage, ways)
            return added
        if len(ways) > MAX_CHOICES:
            problem = f"the passage has {len(ways)} links; a decision has {MAX_CHOICES} choices at most"
            self._report.within(
                passage, ways[MAX_CHOICES].node.at, problem, "This link and those after it are left out"
            )
            ways = ways[:MAX_CHOICES]
        choices = self._choices(passage, ways)
        default = next((choice["id"] for choice in choices if "when" not in choice), None)
        if default is not None:
            scene["decision"] = self._decision(name, prose, default, choices)
            return {}
        choices = [*choices[: MAX_CHOICES - 1], {"id": GO_ON, "label": "Go on"}]
        problem = "every link depends on a condition, and a decision needs a choice that is always there"
        became = "A choice 'Go on' is added, and taken where nobody answers; it leads where the first link does"
        self._report.within(passage, ways[0].node.at, problem, became)
        scene["decision"] = self._decision(name, prose, GO_ON, choices)
        scene["next"], added = self._rules(passage, ways)
        return added

    def _decision(self, name: str, prose: str, default: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": name, "prompt": _prompt(prose), "default": default, "choices": choices}

    def _choices(self, passage: Passage, ways: list[Way]) -> list[dict[str, Any]]:
        ids = Ids("choice")
        ids.made(GO_ON)
        choices: list[dict[str, Any]] = []
        for way in ways:
            target = self._scene_ids[way.node.target]
            label = way.node.label if isinstance(way.node, Link) else ""
            label = one_line(self._plain(label), MAX_WORDS) or one_line(way.node.target, MAX_WORDS)
            is_known = any(choice["to"] == target for choice in choices)
            choice: dict[str, Any] = {"id": ids.made(label if is_known else target), "label": label, "to": target}
            when = self._when(passage, way.guards, way.node.at)
            if when is not None and when is not _UNSAYABLE:
                choice["when"] = when
            values = {self._variable(each.name): self._value(passage, each) for each in way.sets}
            if kept := {key: value for key, value in values.items() if value is not None}:
                choice["set"] = Flow(kept)
            choices.append(choice)
        return choices

    def _rules(self, passage: Passage, ways: list[Way]) -> tuple[Rules, dict[str, dict[str, Any]]]:
        """Gives the rules of `next`, and an ending where none of them may hold."""
        rules = Rules()
        for way, guards in in_turn(ways):
            when = self._when(passage, guards, way.node.at)
            to = self._scene_ids[way.node.target]
            if when is None or when is _UNSAYABLE:
                return Rules([*rules, Flow(to=to)]), {}
            rules.append(Flow(to=to, when=when))
        ending = self._ids.made(f"{self._scene_ids[passage.name]}-end")
        self._report.within(
            passage,
            ways[0].node.at,
            "there may be no way on from here, and then a story needs an ending",
            f"The scene '{ending}' is added",
        )
        return Rules([*rules, Flow(to=ending)]), {ending: _ending(ending)}

    def _leave_circles(self, scenes: dict[str, dict[str, Any]]) -> None:
        """Adds a way out of circles that nobody could leave: a reader stops reading, a video would play for ever."""
        passages = {self._scene_ids[passage.name]: passage for passage in self._passages}
        ways = {name: [rule["to"] for rule in scene.get("next", ())] for name, scene in scenes.items()}
        before: dict[str, list[str]] = {}
        for name, targets in ways.items():
            for target in targets:
                before.setdefault(target, []).append(name)
        free: set[str] = set()
        _spread([name for name, scene in scenes.items() if "end" in scene or "decision" in scene], before, free)
        for name in ways:
            if name in free:
                continue
            seen: set[str] = set()
            while name not in seen:  # on the circle, not only on the way there
                seen.add(name)
                name = ways[name][0]  # noqa: PLW2901
            passage, scene = passages[name], scenes[name]
            ending = self._ids.made(f"{name}-end")
            choices = [{"id": GO_ON, "label": "Go on"}, {"id": "stop", "label": "Stop here", "to": ending}]
            following = scene.pop("next")
            scene["decision"] = self._decision(name, scene.get("text", ""), GO_ON, choices)
            scene["next"] = following
            scenes[ending] = _ending(ending)
            problem = "from here the story goes round for ever, and nothing can be decided"
            became = f"A choice is added, and the scene {ending!r} that it leads to"
            self._report.add(passage.at, named(passage.name), problem, became)
            _spread([name], before, free)

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _plain(self, text: str) -> str:
        """Gives a text without the marks that shape it."""
        for pattern, instead in _STYLES.get(self._dialect, ()):
            text = pattern.sub(instead, text)
        return html.unescape(text)

    def _prose(self, passage: Passage, text: str) -> str:
        """Gives a passage's words: lines that hold nothing but links are no part of them."""
        lines: list[str] = []
        for line in printable_lines(self._plain(text)):
            is_link = _LABEL.search(line) and not re.search(r"\w", _LABEL.sub("", line))
            words = "" if is_link else " ".join(line.replace(OPEN, "").replace(SHUT, "").split())
            if words or (lines and lines[-1]):
                lines.append(words)
        prose = "\n".join(lines).strip()
        if len(prose) > MAX_PROSE:
            problem = f"the text has {len(prose)} characters; {MAX_PROSE} are allowed"
            self._report.add(passage.at, named(passage.name), problem, "What is beyond is left out")
            prose = prose[: MAX_PROSE - 1].rstrip() + "…"
        return prose


_UNSAYABLE = "?"  # no condition is spelled so


def printable_lines(text: str) -> list[str]:
    """Gives the lines of a text; marks around links stay in it."""
    return [
        "".join(each if each in (OPEN, SHUT) else printable(each) for each in re.split(f"([{OPEN}{SHUT}])", line))
        for line in text.split("\n")
    ]


def _ending(name: str) -> dict[str, Any]:
    return {"media": Flow(src=name), "end": Flow(id=name)}


def _spread(names: list[str], before: Mapping[str, list[str]], free: set[str]) -> None:
    """Notes that these can end or decide, and all from which they can be reached."""
    todo = list(names)
    free.update(todo)
    while todo:
        for name in before.get(todo.pop(), ()):
            if name not in free:
                free.add(name)
                todo.append(name)


def _prompt(prose: str) -> str:
    """Gives the last line of a text as a question, or its last sentence, or a neutral one."""
    line = prose.rpartition("\n")[2]
    if len(line) > MAX_PROMPT:
        sentence = _LAST_SENTENCE.fullmatch(line)
        line = sentence[1] if sentence is not None else line
    return line if 0 < len(line) <= MAX_PROMPT else NEUTRAL_PROMPT
