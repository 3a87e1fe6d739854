"""Names and types in a story file, looked at on the plain data, so that one mistake does not hide another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamer.story.expressions import KEYWORDS, UNDECLARED, Expression, ExpressionError, Language, Reading
from streamer.story.file import IDENTIFIER, TARGET, is_extension, shown
from streamer.story.model import FIRST, MAX_NUMBER, MAX_TEXT, RANDOM, Spot
from streamer.story.shape import closest
from streamer.story.tree import Path, Tree, spelled

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "number": (int, float),
    "string": (str,),
    "enum": (str,),
}
_WAYS_ON = ["next", "decision", "decisions", "end"]
OF_THE_CLOCK = ("hour", "weekday")  # inputs that it gives: 0 to 23; 1 (Monday) to 7
_FOOTAGE = {"src", "in", "out"}  # what a variant may change
MAX_TAKES = 64  # footages that the variants of one scene make
MAX_NESTED = 32  # conditions that rest on conditions, groups that lead to groups
_NO_WAYS_ON = {"media", "variants", "text", "events", "checkpoint", "track"}  # the other keys of a scene
_FITS = {"bool": {"bool"}, "int": {"int"}, "number": {"number", "int"}, "string": {"string"}, "enum": {"string"}}


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


def _decisions(path: Path, scene: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Gives the decisions of a scene, of whichever spelling."""
    if isinstance(scene.get("decision"), dict):
        yield (*path, "decision"), scene["decision"]
    for index, decision in _items(scene, "decisions"):
        yield (*path, "decisions", index), decision


def _rules(tree: Tree) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Gives everything that has a `to`, a `when` or a `set`."""
    for path, scene in _scenes(tree):
        for key in ("next", "events", "variants"):
            yield from _entries(path, scene, key)
        for place, decision in _decisions(path, scene):
            for at, choice in _entries(place, decision, "choices"):
                yield at, choice
                yield from _entries(at, choice, "image")
    groups = _mapping(tree.data, "groups")
    for name in groups:
        yield from _entries(("groups",), groups, name)
    for key in ("menu", "artwork"):
        yield from _entries((), tree.data, key)


def _entries(path: Path, data: Any, key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for index, entry in _items(data, key):
        yield (*path, key, index), entry


def language_of(tree: Tree, *, asked: Iterable[str] | None = None) -> Language:
    """Gives the language of a file's expressions: the names that it declares, as far as they are sound.

    `asked`: of a file that was checked, the functions of the session that its expressions call.
    """

    def is_sound(name: str) -> bool:
        return re.match(IDENTIFIER, name) is not None and name not in KEYWORDS

    variables = {
        f"{section}.{name}": str(variable.get("type"))
        for section in ("state", "profile")
        for name, variable in _mapping(tree.data, section).items()
        if isinstance(variable, dict)
    }
    variables |= {f"arm.{name}": "string" for name in _mapping(tree.data, "experiments")}
    conditions = tuple(name for name in _mapping(tree.data, "conditions") if is_sound(name))
    return Language(variables, conditions, asked=asked)


def check_variables(tree: Tree) -> None:
    """Notes variables and inputs whose types, bounds and defaults do not go together."""
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
    if variable.get("source") == "clock" and (path[-1] not in OF_THE_CLOCK or kind != "int"):
        tree.add(
            (*path, "source"),
            f"the clock gives no {path[-1]!r} of type {kind}",
            f"Name it {' or '.join(map(repr, OF_THE_CLOCK))}, of type int",
        )


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


def check_references(tree: Tree) -> None:
    """Notes names that nothing has, ids that stand twice, and entries that are at odds with each other."""
    for key in ("start", "fallback"):
        if isinstance(_mapping(tree.data).get(key), str):
            _check_target(tree, (key,), tree.data[key], groups=key == "start")
    for path, rule in _rules(tree):
        if isinstance(rule.get("to"), str):
            _check_target(tree, (*path, "to"), rule["to"], groups=True)
    _check_groups(tree)
    _check_checkpoints(tree)
    _check_menu(tree)
    seen: dict[str, Path] = {}
    named = (_mapping(scene, "checkpoint").get("id") for _, scene in _scenes(tree))
    checkpoints = [name for name in named if isinstance(name, str)]
    for path, scene in _scenes(tree):
        for place, decision in _decisions(path, scene):
            if isinstance(decision.get("timeout"), str):
                _check_target(tree, (*place, "timeout"), decision["timeout"], groups=True)
            _check_decision(tree, place, decision, seen)
            _check_input(tree, place, decision)
            _check_hold(tree, place, decision)
        _check_ways_on(tree, path, scene)
        _check_offers(tree, path, scene, checkpoints)
        _check_variants(tree, path, scene)


def _check_ways_on(tree: Tree, path: Path, scene: dict[str, Any]) -> None:
    if "decision" in scene and "decisions" in scene:
        tree.add((*path, "decision"), "'decision' and 'decisions' are both there", "Keep 'decisions'", key=True)
    if "end" in scene and "next" in scene:
        tree.add((*path, "end"), "an ending has no 'next'", "Remove it, or the 'end'", key=True)
    is_mistyped = any(closest(key, _WAYS_ON) for key in scene.keys() - {*_WAYS_ON, *_NO_WAYS_ON})
    stops = all(scene.get(key) in (None, []) for key in _WAYS_ON) and path[-1] not in _mapping(tree.data, "groups")
    if stops and not is_mistyped:
        remedy = f"Add one of them, or a group named {path[-1]!r}"
        tree.add(path, "the story stops here: no 'next', 'decision' or 'end'", remedy, key=True)


def _check_menu(tree: Tree) -> None:
    seen: dict[str, int] = {}
    for index, item in _items(tree.data, "menu"):
        name = item.get("id", item.get("to"))
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            place: Path = ("menu", index, "id" if "id" in item else "to")
            tree.add(place, f"menu item {name!r} stands twice", "Give each its own id", key=True)


def _check_offers(tree: Tree, path: Path, scene: dict[str, Any], names: list[str]) -> None:
    offers = _mapping(scene, "end").get("offer_checkpoints")
    for index, name in enumerate(offers if isinstance(offers, list) else ()):
        if isinstance(name, str) and name not in names:
            place = (*path, "end", "offer_checkpoints", index)
            tree.add(place, f"there is no checkpoint {name!r}", f"{closest(name, names)}Name a scene's checkpoint")


def _check_variants(tree: Tree, path: Path, scene: dict[str, Any]) -> None:
    variants = _items(scene, "variants")
    for index, variant in variants:
        if not variant.keys() & _FOOTAGE:
            tree.add((*path, "variants", index), "the variant changes nothing", "Give it a 'src', 'in' or 'out'")
    takes: set[tuple[tuple[str, str], ...]] = {()}
    for _, variant in variants:
        changed = {key: str(variant[key]) for key in _FOOTAGE & variant.keys()}
        takes |= {tuple(sorted({**dict(take), **changed}.items())) for take in takes}
        if len(takes) > MAX_TAKES:
            problem = f"the variants make more than {MAX_TAKES} different footages"
            tree.add((*path, "variants"), problem, "Use fewer, or scenes of their own", key=True)
            return


def _check_input(tree: Tree, path: Path, decision: dict[str, Any]) -> None:
    """A code that is typed leads to the choice that has it, any other to the one choice that has none."""
    typed = isinstance(decision.get("input"), dict)
    length = _mapping(decision, "input").get("length")
    seen: dict[str, int] = {}
    without = 0
    for index, choice in _items(decision, "choices"):
        place = (*path, "choices", index, "code")
        code = choice.get("code")
        without += code is None
        if code is not None and not typed:
            tree.add(place, "the decision takes no code", "Add 'input: {type: code, length: 5}'", key=True)
        elif isinstance(code, str):
            if isinstance(length, int) and len(code) != length:
                tree.add(place, f"{shown(code)} has not the length of the input, {length}", "Write one that has")
            if seen.setdefault(code.casefold(), index) != index:
                tree.add(place, f"code {shown(code)} stands twice", "Give each its own code")
    if typed and without != 1 and _items(decision, "choices"):
        problem = f"{without} choices have no 'code'; a code that fits none leads to the one that has none"
        tree.add((*path, "choices"), problem, "Leave the code out of exactly one choice", key=True)


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
    if "default" not in decision and "timeout" not in decision:
        tree.add(path, "the key 'default' is missing", "Add 'default: …': a choice's id, first or random")
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


def check_expressions(tree: Tree, language: Language) -> dict[str, Expression]:
    """Notes expressions that do not compile, and gives the named conditions that do."""
    asked = (decision.get("id") for path, scene in _scenes(tree) for _, decision in _decisions(path, scene))
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
    profile = _mapping(tree.data, "profile")
    for name in sorted(expression.names):
        if name.startswith("profile.") and _mapping(profile, name.partition(".")[2]).get("pii") is True:
            problem = f"{shown(text)} reads {name!r}, which is personal: the way would tell it"
            tree.add(path, problem, "Use it in labels only, or let the app give what follows from it")
    for word, known, named in (
        ("scene", checked.scenes, expression.scenes),
        ("decision", checked.decisions, expression.decisions),
    ):
        for name in (name for name in sorted(named) if name not in known):
            problem = f"{shown(text)} asks for {word} {name!r}, which is not there"
            tree.add(path, problem, f"{closest(name, list(known))}Name a {word}")
    return expression


def spots(tree: Tree) -> dict[str, Spot]:
    """Gives where each expression stands first, by its text."""
    found: dict[str, Spot] = {}

    def note(path: Path, text: object) -> None:
        if isinstance(text, str):
            found.setdefault(text, (*tree.place(path), spelled(path)))

    for name, text in _mapping(tree.data, "conditions").items():
        note(("conditions", name), text)
    for path, rule in _rules(tree):
        note((*path, "when"), rule.get("when"))
        for name, effect in _mapping(rule, "set").items():
            note((*path, "set", name), effect)
    return found
