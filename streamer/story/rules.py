"""What a story does next: pure steps over its memory, in the order that docs/story-format.md lays down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streamer.errors import LibraryError
from streamer.story.expressions import Expression, Failure, Reading
from streamer.story.model import MAX_TEXT, Choice, Decision, Rule, Scene, Story, Target, Value, Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The story's memory at one place of one path. Mappings are never changed, only replaced."""

    state: Mapping[str, Value]
    profile: Mapping[str, Value]
    visits: Mapping[str, int]  # by scene; a scene not met is absent
    chosen: Mapping[str, str]  # by decision, the choice last taken; one not met is absent


def begin(story: Story, profile: Mapping[str, Value]) -> Memory:
    """Gives the memory before the first scene."""
    defaults = {name: variable.default for name, variable in story.profile.items()}
    return Memory(
        state={name: variable.default for name, variable in story.state.items()},
        profile={**defaults, **profile},
        visits={},
        chosen={},
    )


def enter(memory: Memory, scene: Scene) -> Memory:
    """Counts the visit of a scene."""
    return replace(memory, visits={**memory.visits, scene.id: memory.visits.get(scene.id, 0) + 1})


def offered(story: Story, memory: Memory, decision: Decision) -> tuple[Choice, ...]:
    """Gives the choices whose condition holds, in the story's order."""
    reading = _reading(memory)
    return tuple(choice for choice in decision.choices if _holds(story, reading, choice.when))


def take(story: Story, memory: Memory, decision: Decision, choice: Choice) -> Memory:
    """Takes a choice: it is remembered, and its effects apply, each seeing those before it; a failing one does not."""
    memory = replace(memory, chosen={**memory.chosen, decision.id: choice.id})
    state = dict(memory.state)
    for name, effect in choice.set:
        value = _evaluated(story, replace(memory, state=state), effect) if isinstance(effect, Expression) else effect
        variable = story.state[name]
        if not isinstance(value, Failure) and _is_kept(variable, value):
            state[name] = fitted(variable, value)
    return replace(memory, state=state)


def _is_kept(variable: Variable, value: Value) -> bool:
    if not isinstance(value, str):
        return True
    return value in variable.values if variable.type == "enum" else len(value) <= MAX_TEXT


def successor(story: Story, memory: Memory, scene: Scene, choice: Choice | None) -> Scene:
    """Gives the scene after this one: where the choice leads, else the first rule of `next` that holds."""
    rules = (Rule(to=choice.to),) if choice is not None and choice.to is not None else scene.next
    found = _first(story, _reading(memory), rules) or story.fallback
    if found is None:
        raise LibraryError(f"story {story.id!r}: no rule holds after scene {scene.id!r} and there is no 'fallback'")
    return story.scenes[found]


def opening(story: Story, memory: Memory) -> Scene:
    """Gives the first scene."""
    found = _first(story, _reading(memory), (Rule(to=story.start),)) or story.fallback
    if found is None:
        raise LibraryError(f"story {story.id!r}: no rule of its start holds and there is no 'fallback'")
    return story.scenes[found]


def holds(story: Story, memory: Memory, condition: Expression | None) -> bool:
    """Tells whether a condition holds; one that fails to give a value does not."""
    return _holds(story, _reading(memory), condition)


def fitted(variable: Variable, value: Value) -> Value:
    """Gives a value of the variable's type within its bounds."""
    if isinstance(value, str | bool):
        return value
    bounded: int | float = value
    if variable.minimum is not None:
        bounded = max(bounded, variable.minimum)
    if variable.maximum is not None:
        bounded = min(bounded, variable.maximum)
    return float(bounded) if variable.type == "number" else bounded


def possible_successors(story: Story, scene: Scene) -> frozenset[str]:
    """Gives the scenes that may come after this one on some path, whatever the memory."""
    targets = [rule.to for rule in scene.next]
    if scene.decision is not None:
        targets += [choice.to for choice in scene.decision.choices if choice.to is not None]
    found = {name for target in targets for name in scenes_of(story, target)}
    return frozenset(found | {story.fallback} if story.fallback and scene.end is None else found)


def scenes_of(story: Story, target: Target) -> frozenset[str]:
    """Gives the scenes that a target may mean."""
    seen = {target}
    todo = [target]
    while todo:
        name = todo.pop()
        if name.startswith("@"):
            new = {rule.to for rule in story.groups[name[1:]]} - seen
            seen |= new
            todo.extend(new)
    return frozenset(name for name in seen if not name.startswith("@"))


def _first(story: Story, reading: Reading, rules: tuple[Rule, ...], tried: set[Target] | None = None) -> str | None:
    # A nested group with no rule that holds falls through to the next rule of the outer one, and is not tried again:
    # groups that share groups would else cost twice as much with each level.
    tried = set() if tried is None else tried
    for rule in rules:
        if rule.to in tried or not _holds(story, reading, rule.when):
            continue
        if not rule.to.startswith("@"):
            return rule.to
        tried.add(rule.to)
        if (found := _first(story, reading, story.groups[rule.to[1:]], tried)) is not None:
            return found
    return None


def _holds(story: Story, reading: Reading, condition: Expression | None) -> bool:
    return condition is None or story.expressions.evaluate(condition, reading, story.conditions) is True


def _evaluated(story: Story, memory: Memory, expression: Expression) -> Value | Failure:
    return story.expressions.evaluate(expression, _reading(memory), story.conditions)


def _reading(memory: Memory) -> Reading:
    """Gives what expressions read of a memory: named conditions are settled once for all that is asked of it."""
    values: dict[str, object] = {f"state.{name}": value for name, value in memory.state.items()}
    values |= {f"profile.{name}": value for name, value in memory.profile.items()}
    return Reading(values=values, visits=memory.visits, chosen=memory.chosen)
