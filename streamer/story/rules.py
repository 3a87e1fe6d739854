"""What a story does next: pure steps over its memory, in the order that docs/story-format.md lays down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import takewhile

from streamer.errors import LibraryError
from streamer.story.chance import pick
from streamer.story.expressions import Expression, Failure, Reading
from streamer.story.model import (
    FIRST,
    MAX_TEXT,
    RANDOM,
    Choice,
    Decision,
    Rule,
    Scene,
    Story,
    Target,
    Value,
    Variable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The story's memory at one place of one path. Mappings are never changed, only replaced."""

    state: Mapping[str, Value]
    profile: Mapping[str, Value]
    visits: Mapping[str, int]  # by scene; a scene not met is absent
    chosen: Mapping[str, str]  # by decision, the choice last taken; one not met is absent
    seed: int = 0  # of all draws
    draws: int = 0  # made so far


def begin(story: Story, profile: Mapping[str, Value], seed: int = 0) -> Memory:
    """Gives the memory before the first scene; `seed` is that of the session's draws."""
    defaults = {name: variable.default for name, variable in story.profile.items()}
    return Memory(
        state={name: variable.default for name, variable in story.state.items()},
        profile={**defaults, **profile},
        visits={},
        chosen={},
        seed=seed,
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


def default_of(memory: Memory, decision: Decision, choices: tuple[Choice, ...]) -> tuple[Choice, Memory]:
    """Gives the choice taken without an answer, of those offered, and the memory with the draw that it took."""
    if decision.default_is(FIRST):
        return choices[0], memory
    if decision.default_is(RANDOM):
        drawn, memory = _drawn(memory, [choice.weight for choice in choices])
        return choices[drawn], memory
    return next(choice for choice in choices if choice.id == decision.default), memory


def successor(story: Story, memory: Memory, scene: Scene, choice: Choice | None) -> tuple[Scene, Memory]:
    """Gives the scene after this one, where the choice leads, else by the rules of `next`; and the memory then."""
    rules = (Rule(to=choice.to),) if choice is not None and choice.to is not None else scene.next
    return _led(story, memory, rules, f"no rule holds after scene {scene.id!r}")


def opening(story: Story, memory: Memory) -> tuple[Scene, Memory]:
    """Gives the first scene, and the memory then."""
    return _led(story, memory, (Rule(to=story.start),), "no rule of its start holds")


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


@dataclass(slots=True, kw_only=True)
class _Resolving:
    """A way on as it is looked for: what holds is asked once, however many rules and groups ask for it."""

    story: Story
    memory: Memory
    reading: Reading
    leading: dict[Target, bool] = field(default_factory=dict)  # whether some rule of a group holds

    def scene_of(self, rules: tuple[Rule, ...]) -> str | None:
        """Gives the scene that rules lead to; None: none of them holds.

        The first that holds is taken; where it carries a weight, one is drawn among it and those that hold next after
        it, as far as they carry weights and have its priority.
        """
        holding = [rule for rule in rules if self._holds(rule)]
        if not holding:
            return None
        rule = holding[0]
        if rule.weight is not None:
            run = list(takewhile(lambda each: each.weight is not None and each.priority == rule.priority, holding))
            rule = self._drawn(run)
        return self.scene_of(self.story.groups[rule.to[1:]]) if rule.to.startswith("@") else rule.to

    def _drawn(self, rules: list[Rule]) -> Rule:
        drawn, self.memory = _drawn(self.memory, [weight for rule in rules if (weight := rule.weight) is not None])
        return rules[drawn]

    def _holds(self, rule: Rule) -> bool:
        """Tells whether a rule holds; one that leads to a group, whether one of the group's does too."""
        if not _holds(self.story, self.reading, rule.when):
            return False
        if not rule.to.startswith("@"):
            return True
        if rule.to not in self.leading:  # groups that share groups would else cost twice as much with each level
            self.leading[rule.to] = any(self._holds(inner) for inner in self.story.groups[rule.to[1:]])
        return self.leading[rule.to]


def _led(story: Story, memory: Memory, rules: tuple[Rule, ...], otherwise: str) -> tuple[Scene, Memory]:
    resolving = _Resolving(story=story, memory=memory, reading=_reading(memory))
    found = resolving.scene_of(rules) or story.fallback
    if found is None:
        raise LibraryError(f"story {story.id!r}: {otherwise} and there is no 'fallback'")
    return story.scenes[found], resolving.memory


def _drawn(memory: Memory, weights: list[Fraction]) -> tuple[int, Memory]:
    """Gives what was drawn; of one there is no draw."""
    if len(weights) == 1:
        return 0, memory
    return pick(memory.seed, memory.draws, weights), replace(memory, draws=memory.draws + 1)


def _holds(story: Story, reading: Reading, condition: Expression | None) -> bool:
    return condition is None or story.expressions.evaluate(condition, reading, story.conditions) is True


def _evaluated(story: Story, memory: Memory, expression: Expression) -> Value | Failure:
    return story.expressions.evaluate(expression, _reading(memory), story.conditions)


def _reading(memory: Memory) -> Reading:
    """Gives what expressions read of a memory: named conditions are settled once for all that is asked of it."""
    values: dict[str, object] = {f"state.{name}": value for name, value in memory.state.items()}
    values |= {f"profile.{name}": value for name, value in memory.profile.items()}
    return Reading(values=values, visits=memory.visits, chosen=memory.chosen)
