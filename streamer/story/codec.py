"""From a story file to a Story: every mistake found at once, each with its place and its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.errors import Finding, StoryError
from streamer.story.expressions import KEYWORDS, UNDECLARED, Expression, ExpressionError, Language, Reading
from streamer.story.file import (
    BARE,
    IDENTIFIER,
    TARGET,
    ChoiceFile,
    DecisionFile,
    HoldFile,
    NextFile,
    ProfileFile,
    RuleFile,
    SceneFile,
    StoryFile,
    VariableFile,
    is_extension,
    shown,
)
from streamer.story.lint import check_graph, check_known_lengths
from streamer.story.model import (
    FIRST,
    MAX_NUMBER,
    MAX_TEXT,
    RANDOM,
    Checkpoint,
    Choice,
    Decision,
    Hold,
    Media,
    Rule,
    Scene,
    Story,
    Value,
    Variable,
)
from streamer.story.shape import check_shape, closest
from streamer.story.tree import Path, Tree, in_order, parse
from streamer.units import Ticks

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "number": (int, float),
    "string": (str,),
    "enum": (str,),
}
_WAYS_ON = ["next", "decision", "end"]
MAX_NESTED = 32  # conditions that rest on conditions, groups that lead to groups
_FITS = {"bool": {"bool"}, "int": {"int"}, "number": {"number", "int"}, "string": {"string"}, "enum": {"string"}}


def load_story(text: str, file: str) -> Story:
    """Reads a story.

    Args:
        text: YAML or JSON, as docs/story-format.md says.
        file: its name, for messages.

    Raises:
        StoryError: with every mistake found, in the order of the file. Warnings alone do not raise.
    """
    story, findings = read_story(text, file)
    if story is None:
        raise StoryError(findings)
    return story


def read_story(text: str, file: str) -> tuple[Story | None, tuple[Finding, ...]]:
    """Reads a story and gives it (None if it has mistakes) with all findings, warnings too."""
    try:
        story, tree = _read(text, file)
    except StoryError as error:
        return None, error.findings
    return (None if _has_errors(tree) else story), in_order(tree.findings)


def _read(text: str, file: str) -> tuple[Story | None, Tree]:
    tree = parse(text, file)
    read = check_shape(tree)
    language = _language(tree)
    _check_variables(tree)
    _check_references(tree)
    conditions = _check_expressions(tree, language)
    story = None
    if read is not None and not _has_errors(tree):
        story = _build(read, language, conditions)
        check_graph(story, tree)
        if not _has_errors(tree):
            check_known_lengths(story, tree)
    return story, tree


def _has_errors(tree: Tree) -> bool:
    return any(finding.level == "error" for finding in tree.findings)


# ── names and types, on the plain data, so that one mistake does not hide another ────────────────────────────────


def _mapping(data: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _items(data: Any, key: str) -> list[tuple[int, dict[str, Any]]]:
    found = data.get(key) if isinstance(data, dict) else None
    return (
        [(index, item) for index, item in enumerate(found) if isinstance(item, dict)] if isinstance(found, list) else []
    )


def _scenes(tree: Tree) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name, scene in _mapping(tree.data, "scenes").items():
        if isinstance(scene, dict):
            yield ("scenes", name), scene


def _rules(tree: Tree) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Gives everything that has a `to` or a `when`."""
    for path, scene in _scenes(tree):
        for index, rule in _items(scene, "next"):
            yield (*path, "next", index), rule
        for index, choice in _items(scene.get("decision"), "choices"):
            yield (*path, "decision", "choices", index), choice
    for name in _mapping(tree.data, "groups"):
        for index, rule in _items(_mapping(tree.data, "groups"), name):
            yield ("groups", name, index), rule


def _language(tree: Tree) -> Language:
    def is_sound(name: str) -> bool:
        return re.match(IDENTIFIER, name) is not None and name not in KEYWORDS

    variables = {
        f"{section}.{name}": str(variable.get("type"))
        for section in ("state", "profile")
        for name, variable in _mapping(tree.data, section).items()
        if isinstance(variable, dict)
    }
    conditions = tuple(name for name in _mapping(tree.data, "conditions") if is_sound(name))
    return Language(variables, conditions)


def _check_variables(tree: Tree) -> None:
    for name in KEYWORDS.intersection(_mapping(tree.data, "conditions")):
        tree.add(("conditions", name), f"{name!r} is a word of the expressions", "Choose another name", key=True)
    for section in ("state", "profile"):
        for name, variable in _mapping(tree.data, section).items():
            if isinstance(variable, dict) and _type_of(variable) is not None and "default" in variable:
                _check_variable(tree, (section, name), variable)


def _type_of(variable: dict[str, Any]) -> str | None:
    kind = variable.get("type")
    return kind if isinstance(kind, str) and kind in _PYTHON_TYPES else None


def _check_variable(tree: Tree, path: Path, variable: dict[str, Any]) -> None:
    kind = variable["type"]
    values = variable.get("values")
    if kind == "enum" and values in (None, []):
        tree.add(path, "an enum needs its values", "Add 'values: [one, two]'")
    elif kind != "enum" and values is not None:
        tree.add(
            (*path, "values"),
            f"only an enum has values, and this is of type {kind}",
            "Write 'type: enum', or remove it",
            key=True,
        )
    bounds = {key: variable[key] for key in ("min", "max") if _is_number(variable.get(key))}
    if bounds and kind not in ("int", "number"):
        tree.add(path, f"only a number has min and max, and this is of type {kind}", "Remove them")
        bounds = {}
    for key, bound in bounds.items():
        if problem := _misfit({"type": kind}, bound):
            tree.add((*path, key), problem, f"Write a {key} of type {kind}")
    if "min" in bounds and "max" in bounds and bounds["min"] > bounds["max"]:
        tree.add((*path, "min"), f"min {bounds['min']} is above max {bounds['max']}", "Swap them")
    elif problem := _misfit({"type": kind, "values": values, **bounds}, variable["default"]):
        tree.add((*path, "default"), problem, f"Write a default of type {kind}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _misfit(variable: dict[str, Any], value: object) -> str | None:
    kind = variable["type"]
    values = variable.get("values")
    known = [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
    if not isinstance(value, _PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        return f"{shown(value)} is no {kind}"
    if kind == "enum" and known and value not in known:
        return f"{shown(value)} is not one of {', '.join(map(repr, known))}"
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{shown(value)} is longer than {MAX_TEXT} characters"
    if _is_number(value):
        return _out_of_bounds(variable, value)
    return None


def _out_of_bounds(variable: dict[str, Any], value: Any) -> str | None:
    if not -MAX_NUMBER <= value < MAX_NUMBER:
        return f"{value} does not fit 64 bits"
    if "min" in variable and value < variable["min"]:
        return f"{value} is below min {variable['min']}"
    if "max" in variable and value > variable["max"]:
        return f"{value} is above max {variable['max']}"
    return None


def _check_references(tree: Tree) -> None:
    for key in ("start", "fallback"):
        if isinstance(_mapping(tree.data).get(key), str):
            _check_target(tree, (key,), tree.data[key], groups=key == "start")
    for path, rule in _rules(tree):
        if isinstance(rule.get("to"), str):
            _check_target(tree, (*path, "to"), rule["to"], groups=True)
    _check_groups(tree)
    seen: dict[str, Path] = {}
    _check_checkpoints(tree)
    for path, scene in _scenes(tree):
        decision = scene.get("decision")
        if isinstance(decision, dict):
            _check_decision(tree, (*path, "decision"), decision, seen)
            _check_hold(tree, (*path, "decision"), decision)
        if "end" in scene and ("next" in scene or "decision" in scene):
            tree.add((*path, "end"), "an ending has no 'next' and no 'decision'", "Remove them, or the 'end'", key=True)
        is_mistyped = any(closest(key, _WAYS_ON) for key in scene.keys() - {*_WAYS_ON, "media"})
        if not is_mistyped and all(scene.get(key) in (None, []) for key in _WAYS_ON):
            tree.add(path, "the story stops here: no 'next', 'decision' or 'end'", "Add one of them", key=True)


def _check_checkpoints(tree: Tree) -> None:
    seen: dict[str, Path] = {}
    for path, scene in _scenes(tree):
        place = (*path, "checkpoint", "id")
        name = _mapping(scene, "checkpoint").get("id")
        if isinstance(name, str) and seen.setdefault(name, place) != place:
            line = tree.place(seen[name])[0]
            tree.add(place, f"checkpoint {name!r} stands twice (first in line {line})", "Give each its own id")


def _check_target(tree: Tree, path: Path, target: str, *, groups: bool) -> None:
    kind, name = ("groups", target[1:]) if target.startswith("@") else ("scenes", target)
    word = kind.removesuffix("s")
    known = _mapping(tree.data, kind)
    if re.match(TARGET, target) is None or (kind == "groups" and not groups):
        return  # the shape says it
    if name not in known and (known or kind == "groups"):
        hint = closest(name, list(known))
        tree.add(path, f"there is no {word} {name!r}", f"{hint}Declare it under '{kind}', or name another")


def _check_groups(tree: Tree) -> None:
    groups = _mapping(tree.data, "groups")
    inner = {
        name: [str(rule["to"])[1:] for _, rule in _items(groups, name) if str(rule.get("to", "")).startswith("@")]
        for name in groups
    }
    _check_nesting(tree, "groups", inner)


def _check_nesting(tree: Tree, section: str, inner: Mapping[str, list[str]]) -> None:
    """Notes circles, else what is nested too deep: only names with names inside are left after each round."""
    left = dict(inner)
    for _ in range(MAX_NESTED):
        left = {name: kept for name, names in left.items() if (kept := [each for each in names if each in left])}
    word = section.removesuffix("s")
    circles = _on_cycles(left)
    for name in circles:
        tree.add((section, name), f"{word} {name!r} leads back to itself", "Break the circle", key=True)
    if left and not circles:
        name = next(iter(left))
        tree.add((section, name), f"{word} {name!r} is nested more than {MAX_NESTED} deep", "Flatten it", key=True)


def _on_cycles(edges: Mapping[str, list[str]]) -> list[str]:
    def reaches(start: str) -> bool:
        seen: set[str] = set()
        todo = list(edges.get(start, ()))
        while todo:
            name = todo.pop()
            if name == start:
                return True
            if name not in seen:
                seen.add(name)
                todo.extend(edges.get(name, ()))
        return False

    return [name for name in edges if reaches(name)]


def _check_decision(tree: Tree, path: Path, decision: dict[str, Any], seen: dict[str, Path]) -> None:
    name = decision.get("id")
    if isinstance(name, str) and seen.setdefault(name, path) != path:
        line = tree.place((*seen[name], "id"))[0]
        tree.add((*path, "id"), f"decision {name!r} stands twice (first in line {line})", "Give each its own id")
    choices = _items(decision, "choices")
    ids = [choice["id"] for _, choice in choices if isinstance(choice.get("id"), str)]
    first: dict[str, int] = {}
    for index, choice in choices:
        if choice.get("id") in ids and first.setdefault(choice["id"], index) != index:
            tree.add((*path, "choices", index, "id"), f"choice {choice['id']!r} stands twice", "Give each its own id")
    default = decision.get("default")
    by_rule = default in (FIRST, RANDOM) and default not in ids
    if by_rule and choices and all("when" in choice for _, choice in choices):
        problem = "every choice has a 'when', so that none may be offered"
        tree.add((*path, "choices"), problem, "Let one of them have no 'when'", key=True)
    if (
        isinstance(default, str)
        and ids
        and default not in (*ids, FIRST, RANDOM)
        and len(ids) == len(decision["choices"])
    ):
        tree.add(
            (*path, "default"),
            f"there is no choice {default!r}",
            f"{closest(default, ids)}Name one of: {', '.join(ids)}",
        )
    for index, choice in choices:
        if default in ids and choice.get("id") == default and "when" in choice:
            tree.add(
                (*path, "choices", index, "when"),
                f"choice {default!r} is the default and may be absent",
                "Remove its 'when', or choose another default",
                key=True,
            )


def _check_hold(tree: Tree, path: Path, decision: dict[str, Any]) -> None:
    inherits = decision.get("hold") is True
    extension = _mapping(decision, "accessible").get("extend")
    extends = is_extension(extension) and not isinstance(decision.get("hold"), dict)
    if (inherits or extends) and "hold" not in _mapping(tree.data, "defaults"):
        place = (*path, "hold") if inherits else (*path, "accessible", "extend")
        tree.add(
            place,
            "there is no loop to hold with",
            "Name one: defaults: {hold: {src: idle, max: 60s}}, or a hold of the decision's own",
            key=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A file whose expressions are checked, and what they may name."""

    tree: Tree
    language: Language
    scenes: Mapping[str, object]
    decisions: Mapping[str, object]


def _check_expressions(tree: Tree, language: Language) -> dict[str, Expression]:
    asked = (_mapping(scene, "decision").get("id") for _, scene in _scenes(tree))
    checked = _Checked(
        tree=tree,
        language=language,
        scenes=_mapping(tree.data, "scenes"),
        decisions={name: None for name in asked if isinstance(name, str)},
    )
    conditions: dict[str, Expression] = {}
    for name, text in _mapping(tree.data, "conditions").items():
        if (found := _compiled(checked, ("conditions", name), text, {"bool"})) is not None:
            conditions[name] = found
    inner = {name: [used for used in found.conditions if used in conditions] for name, found in conditions.items()}
    _check_nesting(tree, "conditions", inner)
    for path, rule in _rules(tree):
        if "when" in rule:
            _compiled(checked, (*path, "when"), rule["when"], {"bool"})
        for name, effect in _mapping(rule, "set").items():
            _check_effect(checked, (*path, "set", name), name, effect)
    return conditions


def _check_effect(checked: _Checked, path: Path, name: str, effect: object) -> None:
    tree = checked.tree
    state = _mapping(tree.data, "state")
    variable = state.get(name)
    if not isinstance(variable, dict):
        tree.add(
            path, f"there is no variable {name!r}", f"{closest(name, list(state))}Declare it under 'state'", key=True
        )
        return
    kind = _type_of(variable)
    if kind is None:
        return
    if not isinstance(effect, str):
        if problem := _misfit({"type": kind}, effect):
            tree.add(path, problem, f"Write a value of type {kind}, or an expression in quotes")
        return
    if not effect:
        tree.add(path, "'' is no expression", f"Write a value of type {kind}, or an expression in quotes")
    expression = _compiled(checked, path, effect, _FITS[kind])
    if expression is not None and expression.is_constant:
        constant = checked.language.evaluate(expression, Reading(values={}, visits={}), {})
        if isinstance(constant, str) and (
            problem := _misfit({"type": kind, "values": variable.get("values")}, constant)
        ):
            tree.add(path, problem, "Write another, as a text in quotes within quotes: \"'word'\"")


def _compiled(checked: _Checked, path: Path, text: object, types: set[str]) -> Expression | None:
    if not isinstance(text, str) or not text:
        return None
    tree, language = checked.tree, checked.language
    try:
        expression = language.compile(text)
    except ExpressionError as error:
        unknown = UNDECLARED.search(error.problem)
        hint = closest(unknown[1], sorted(language.names | language.conditions)) if unknown else ""
        remedy = "Declare the name under 'state' or 'profile'" if unknown else "Mend the expression"
        tree.add(path, f"{shown(text)}: {error.problem}", hint + remedy, within=error.column - 1)
        return None
    if expression.type not in {*types, "dyn"}:
        wanted = " or ".join(sorted(types))
        tree.add(
            path, f"{shown(text)} is of type {expression.type}, not {wanted}", f"Write an expression of type {wanted}"
        )
        return None
    for word, known, named in (
        ("scene", checked.scenes, expression.scenes),
        ("decision", checked.decisions, expression.decisions),
    ):
        for name in sorted(named - known.keys()):
            problem = f"{shown(text)} asks for {word} {name!r}, which is not there"
            tree.add(path, problem, f"{closest(name, list(known))}Name a {word}")
    return expression


# ── from the checked file to the model ───────────────────────────────────────────────────────────────────────────


def _build(read: StoryFile, language: Language, conditions: dict[str, Expression]) -> Story:
    defaults = read.defaults
    return Story(
        id=read.id,
        title=_text(read.title, defaults.labels),
        start=read.start,
        language=defaults.labels,
        lead=defaults.lead,
        state={name: _variable(name, variable) for name, variable in read.state.items()},
        profile={name: _variable(name, variable) for name, variable in read.profile.items()},
        conditions=conditions,
        groups={name: _built_rules(rules, language) for name, rules in read.groups.items()},
        scenes={name: _scene(name, scene, read, language) for name, scene in read.scenes.items()},
        fallback=read.fallback,
        expressions=language,
        low_latency=read.low_latency,
    )


def _text(text: Mapping[str, str], language: str) -> dict[str, str]:
    """Puts the fallback language first; a bare text is in it."""
    named = {language if code == BARE else code: words for code, words in text.items()}
    return {code: named[code] for code in sorted(named, key=lambda code: code != language)}


def _variable(name: str, read: VariableFile) -> Variable:
    return Variable(
        name=name,
        type=read.type,
        default=float(read.default) if read.type == "number" else read.default,
        minimum=read.min,
        maximum=read.max,
        values=tuple(read.values or ()),
        source=read.source if isinstance(read, ProfileFile) else "request",
        personal=read.pii if isinstance(read, ProfileFile) else False,
    )


def _built_rules(rules: Sequence[RuleFile], language: Language) -> tuple[Rule, ...]:
    built = (
        Rule(
            to=rule.to,
            when=_expression(rule.when, language),
            priority=rule.priority if isinstance(rule, NextFile) else 0,
            weight=rule.weight,
        )
        for rule in rules
    )
    return tuple(sorted(built, key=lambda rule: -rule.priority))  # rules of one priority stay in order


def _expression(text: str | None, language: Language) -> Expression | None:
    return None if text is None else language.compile(text)


def _scene(name: str, read: SceneFile, story: StoryFile, language: Language) -> Scene:
    return Scene(
        id=name,
        media=Media(src=read.media.src, start=read.media.start, end=read.media.end),
        decision=None if read.decision is None else _decision(read.decision, story, language),
        next=_built_rules(read.next, language),
        end=None if read.end is None else read.end.id,
        checkpoint=None
        if read.checkpoint is None
        else Checkpoint(id=read.checkpoint.id, label=_text(read.checkpoint.label, story.defaults.labels)),
    )


def _decision(read: DecisionFile, story: StoryFile, language: Language) -> Decision:
    closes_at = read.closes_at if read.closes_at is not None else Ticks(-story.defaults.lead)
    opens_at = read.opens_at if read.opens_at is not None else Ticks(closes_at - story.defaults.window)
    if read.opens_at is None and opens_at < 0 <= closes_at:
        opens_at = Ticks(0)  # the window is longer than what is before the lock
    return Decision(
        id=read.id,
        prompt=_text(read.prompt, story.defaults.labels),
        opens_at=opens_at,
        closes_at=closes_at,
        default=read.default,
        choices=tuple(_choice(choice, story, language) for choice in read.choices),
        immediate=read.lock == "immediate",
        hold=_hold(read, story),
        extend=read.accessible.extend,
    )


def _hold(read: DecisionFile, story: StoryFile) -> Hold | None:
    if isinstance(read.hold, HoldFile):
        return Hold(src=read.hold.src, max=read.hold.max)
    default = story.defaults.hold
    if default is not None and read.hold:
        return Hold(src=default.src, max=default.max)
    if default is not None and read.accessible.extend > 1:
        return Hold(src=default.src, max=Ticks(0))
    return None


def _choice(read: ChoiceFile, story: StoryFile, language: Language) -> Choice:
    def effect(name: str, value: Value) -> Value | Expression:
        if isinstance(value, str):
            return language.compile(value)
        return float(value) if story.state[name].type == "number" else value

    return Choice(
        id=read.id,
        label=_text(read.label, story.defaults.labels),
        to=read.to,
        when=_expression(read.when, language),
        set=tuple((name, effect(name, value)) for name, value in read.set.items()),
        weight=read.weight,
    )
