"""The story as nodes and edges: scenes, the ways between them, and what is known of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from streamer.errors import Finding
from streamer.story.expressions import Expression
from streamer.story.model import (
    FIRST,
    Choice,
    Decision,
    Effects,
    Happening,
    Rule,
    Scene,
    Story,
    Target,
    Text,
    Value,
    Variant,
    text_in,
)
from streamer.story.rules import always_leads, goes_by_itself, scenes_of, ways_on
from streamer.story.simulate import Report
from streamer.units import Ticks, decimal_seconds

Badge = Literal["start", "ending", "checkpoint", "decision", "hold", "immediate", "menu", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way from a scene to a scene, as the file has it.

    By a choice, by the `timeout` of a decision (which has no choice then), by a rule of what follows by itself (no
    decision either), or by the `fallback`.
    """

    before: str  # scene
    after: str  # scene
    decision: str | None = None
    choice: str | None = None
    label: str = ""  # the choice's
    is_default: bool = False  # whoever does not answer the decision goes here
    conditions: tuple[str, ...] = ()  # that have to hold, in the order they are met; empty: it is always open
    groups: tuple[str, ...] = ()  # that lead here, outermost first
    weight: Fraction | None = None  # of the rule; None: it is not drawn
    is_fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """All ways from one scene to another."""

    before: str
    after: str
    ways: tuple[Way, ...]  # never empty
    share: float  # of the simulated viewers who went it, of 1

    @property
    def is_conditional(self) -> bool:
        """Tells whether it may be closed."""
        return all(way.conditions or way.is_fallback for way in self.ways)

    @property
    def is_default(self) -> bool:
        """Tells whether whoever does not answer goes here."""
        return any(way.is_default for way in self.ways)

    @property
    def is_fallback(self) -> bool:
        """Tells whether it is gone only where no rule holds."""
        return all(way.is_fallback for way in self.ways)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A choice, as the story offers it."""

    id: str
    label: str
    is_default: bool
    condition: str | None  # None: always offered
    effects: tuple[str, ...]  # "name = expression"
    notes: tuple[str, ...]  # what else it does
    share: float | None  # of the decision's answers, of 1; None: it was never asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A decision, as the story asks it."""

    id: str
    prompt: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A scene."""

    id: str
    length: Ticks
    is_assumed: bool  # the file does not say how long it is
    source: str  # of its media
    text: str  # its prose; empty: it has none
    badges: tuple[Badge, ...]
    ending: str | None
    is_goal: bool  # it is the ending that the author hopes for
    checkpoint: str | None  # its label
    questions: tuple[Question, ...]
    notes: tuple[str, ...]  # its events and variants
    share: float  # of the simulated viewers who saw it, of 1
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A story's scenes and ways, in the order of the file."""

    story: str  # its id
    title: str
    language: str
    viewers: int  # simulated
    starts: tuple[str, ...]  # scenes that it may begin with
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    findings: tuple[str, ...]  # of no scene


def graph_of(story: Story, assumed: Ticks, report: Report, findings: Sequence[Finding]) -> Graph:
    """Gives the graph.

    Args:
        story: the story.
        assumed: length of scenes whose own the file does not say.
        report: of its simulation.
        findings: of its file; each is told with the scene that it is of.
    """
    told = _by_scene(story, findings)
    order = {name: number for number, name in enumerate(story.scenes)}
    starts = sorted(scenes_of(story, story.start), key=order.__getitem__)
    menu = {name for item in story.menu for name in scenes_of(story, item.to)}
    edges = _edges(story, report)
    reached = _reached({*starts, *menu}, edges)
    nodes = tuple(
        Node(
            id=name,
            length=assumed if scene.media.end is None else Ticks(scene.media.end - scene.media.start),
            is_assumed=scene.media.end is None,
            source=scene.media.src,
            text=_said(story, scene.text),
            badges=tuple(_badges(scene, is_start=name in starts, is_in_menu=name in menu, is_reached=name in reached)),
            ending=None if scene.end is None else scene.end.id,
            is_goal=scene.end is not None and scene.end.goal,
            checkpoint=None if scene.checkpoint is None else text_in(scene.checkpoint.label, story.language),
            questions=tuple(_question(story, decision, report) for decision in scene.decisions),
            notes=(*map(_event, scene.events), *map(_variant, scene.variants)),
            share=report.scenes.get(name, 0.0),
            findings=tuple(told.get(name, ())),
        )
        for name, scene in story.scenes.items()
    )
    return Graph(
        story=story.id,
        title=text_in(story.title, story.language),
        language=story.language,
        viewers=report.viewers,
        starts=tuple(starts),
        nodes=nodes,
        edges=edges,
        findings=tuple(told.get(None, ())),
    )


def ways_of(story: Story) -> tuple[Way, ...]:
    """Gives every way that the story has, the menu aside; through groups that lead there twice, the first way."""
    return tuple(way for scene in story.scenes.values() for way in _ways_from(story, scene))


def _ways_from(story: Story, scene: Scene) -> Iterator[Way]:
    goes = scene.end is None and goes_by_itself(scene)
    alone = ways_on(story, scene) if goes else ()
    asked = False  # whether a choice says already that the story goes on by itself
    targets: list[tuple[Rule, ...]] = [alone] if goes else []
    for decision in scene.decisions:
        for choice in decision.choices:
            rules = alone if choice.to is None else (Rule(to=choice.to),)
            asked |= choice.to is None
            targets.append(rules)
            yield from _ways_by(story, scene, decision, choice, rules)
        if decision.timeout is not None:
            rules = (Rule(to=decision.timeout),)
            targets.append(rules)
            yield from _ways_by(story, scene, decision, None, rules)
    if not asked:
        for after, conditions, groups, weight in _led(story, alone):
            yield Way(before=scene.id, after=after, conditions=conditions, groups=groups, weight=weight)
    if story.fallback is not None and scene.end is None and not all(always_leads(story, each) for each in targets):
        yield Way(before=scene.id, after=story.fallback, is_fallback=True)


def _ways_by(
    story: Story, scene: Scene, decision: Decision, choice: Choice | None, rules: tuple[Rule, ...]
) -> Iterator[Way]:
    asked = () if choice is None or choice.when is None else (choice.when.text,)
    for after, conditions, groups, weight in _led(story, rules):
        yield Way(
            before=scene.id,
            after=after,
            decision=decision.id,
            choice=None if choice is None else choice.id,
            label="" if choice is None else text_in(choice.label, story.language),
            is_default=choice is None or (decision.timeout is None and _is_default(decision, choice)),
            conditions=(*asked, *conditions),
            groups=groups,
            weight=weight,
        )


_Led = tuple[str, tuple[str, ...], tuple[str, ...], Fraction | None]  # scene, conditions, groups, weight


def _led(story: Story, rules: Iterable[Rule]) -> Iterator[_Led]:
    """Gives the scenes that rules lead to, each once a rule, with what has to hold and the groups between."""
    for rule in rules:
        seen: set[Target] = set()
        todo: list[tuple[Rule, tuple[str, ...], tuple[str, ...]]] = [(rule, _and((), rule.when), ())]
        while todo:
            each, conditions, groups = todo.pop(0)
            if each.to in seen:
                continue
            seen.add(each.to)
            if not each.to.startswith("@"):
                yield each.to, conditions, groups, each.weight
                continue
            name = each.to[1:]
            todo += [(inner, _and(conditions, inner.when), (*groups, name)) for inner in story.groups[name]]


def _and(conditions: tuple[str, ...], when: Expression | None) -> tuple[str, ...]:
    return conditions if when is None else (*conditions, when.text)


def _is_default(decision: Decision, choice: Choice) -> bool:
    return choice.id == decision.default or (decision.default_is(FIRST) and choice is decision.choices[0])


def _edges(story: Story, report: Report) -> tuple[Edge, ...]:
    shares = {(each.before, each.after): each.share for each in report.transitions}
    found: dict[tuple[str, str], list[Way]] = {}
    for way in ways_of(story):
        found.setdefault((way.before, way.after), []).append(way)
    return tuple(
        Edge(before=before, after=after, ways=tuple(ways), share=shares.get((before, after), 0.0))
        for (before, after), ways in found.items()
    )


def _reached(starts: Iterable[str], edges: Iterable[Edge]) -> set[str]:
    after: dict[str, list[str]] = {}
    for edge in edges:
        after.setdefault(edge.before, []).append(edge.after)
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += after.get(name, ())
    return seen


def _badges(scene: Scene, *, is_start: bool, is_in_menu: bool, is_reached: bool) -> Iterator[Badge]:
    holding: tuple[tuple[Badge, bool], ...] = (
        ("start", is_start),
        ("ending", scene.end is not None),
        ("checkpoint", scene.checkpoint is not None),
        ("menu", is_in_menu),
        ("decision", bool(scene.decisions)),
        ("hold", any(decision.hold is not None for decision in scene.decisions)),
        ("immediate", any(decision.immediate for decision in scene.decisions)),
        ("unreachable", not is_reached),
    )
    return (badge for badge, holds in holding if holds)


def _said(story: Story, text: Text | None) -> str:
    return "" if text is None else text_in(text, story.language)


def _event(event: Happening) -> str:
    happens = [*_effects(event.set), *([] if event.cue is None else [f"cue {event.cue}"])]
    happens += [f"{name}: {value}" for name, value in event.track.items()]
    asked = "" if event.when is None else f", if {event.when.text}"
    return f"at {_seconds(event.at)}{asked}: {', '.join(happens)}"


def _variant(variant: Variant) -> str:
    shown = [] if variant.src is None else [f"footage {variant.src}"]
    shown += [] if variant.start is None else [f"from {_seconds(variant.start)}"]
    shown += [] if variant.end is None else [f"to {_seconds(variant.end)}"]
    return f"{'always' if variant.when is None else f'if {variant.when.text}'}: {', '.join(shown)}"


def _seconds(at: Ticks) -> str:
    return f"{decimal_seconds(at, 3).rstrip('0').rstrip('.')} s"


def _question(story: Story, decision: Decision, report: Report) -> Question:
    shares = report.choices.get(decision.id)
    options = tuple(
        Option(
            id=choice.id,
            label=text_in(choice.label, story.language),
            is_default=_is_default(decision, choice),
            condition=None if choice.when is None else choice.when.text,
            effects=_effects(choice.set),
            notes=_notes(choice),
            share=None if shares is None else shares.get(choice.id, 0.0),
        )
        for choice in decision.choices
    )
    return Question(id=decision.id, prompt=_said(story, decision.prompt), options=options)


def _effects(effects: Effects) -> tuple[str, ...]:
    return tuple(f"{name} = {_spelled(value)}" for name, value in effects)


def _notes(choice: Choice) -> tuple[str, ...]:
    notes = [] if choice.url is None else [f"opens {choice.url}"]
    notes += [f"score {choice.score:+}"] if choice.score else []
    return (*notes, *([] if choice.code is None else [f"typed as {choice.code}"]))


def _spelled(value: Value | Expression) -> str:
    if isinstance(value, Expression):
        return value.text
    return str(value).lower() if isinstance(value, bool) else str(value)


def _by_scene(story: Story, findings: Sequence[Finding]) -> dict[str | None, list[str]]:
    """Gives what was found, by scene; None: of no scene."""
    told: dict[str | None, list[str]] = {}
    for finding in findings:
        told.setdefault(_scene_of(story, finding.field), []).append(f"{finding.level}: {finding.problem}")
    return told


def _scene_of(story: Story, field: str) -> str | None:
    """Gives the scene that a field is of; ids may hold dots, so the longest one that fits."""
    parts = field.split(".")
    if parts[0] != "scenes":
        return None
    ids = (".".join(parts[1:end]).partition("[")[0] for end in range(len(parts), 1, -1))
    return next((each for each in ids if each in story.scenes), None)
