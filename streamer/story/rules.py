"""What a story does next: pure steps over its memory, in the order that docs/story-format.md lays down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import takewhile

from streamer.errors import Finding, LibraryError
from streamer.story.chance import pick
from streamer.story.expressions import Expression, Failure, Reading
from streamer.story.model import (
    FIRST,
    MAX_TEXT,
    RANDOM,
    Choice,
    Decision,
    Effects,
    Experiment,
    Happening,
    Picture,
    Rule,
    Scene,
    Story,
    Target,
    Value,
    Variable,
)

MONDAY = 1  # of weekday(); Sunday is 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a viewing is opened with, besides the story; the way follows from this and the answers alone."""

    profile: Mapping[str, Value] = field(default_factory=dict)  # inputs; what is missing has its default
    seed: int = 0  # of all draws; 0 to 2**64 - 1
    viewer: str = ""  # who watches, as an app names them; empty: nobody knows
    kept: Mapping[str, Value] = field(default_factory=dict)  # of variables that outlive a session
    hour: int = 0  # 0 to 23
    weekday: int = MONDAY
    language: str = ""  # that the viewer reads; empty: the story's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An opening as the story sees it: fixed for the whole viewing."""

    profile: Mapping[str, Value]  # every input
    arms: Mapping[str, str]  # by experiment
    kept: Mapping[str, Value]
    seed: int
    hour: int
    weekday: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The story's memory at one place of one path. Mappings are never changed, only replaced."""

    given: Given
    state: Mapping[str, Value]
    visits: Mapping[str, int]  # by scene; a scene not met is absent
    chosen: Mapping[str, str]  # by decision, the choice last taken; one not met is absent
    score: int = 0
    draws: int = 0  # made so far


def begin(story: Story, opening: Opening) -> Memory:
    """Gives the memory before the first scene."""
    defaults = {name: variable.default for name, variable in story.profile.items()}
    clock = {"hour": opening.hour, "weekday": opening.weekday}
    of_the_clock = {name: clock[name] for name, variable in story.profile.items() if variable.source == "clock"}
    given = Given(
        profile={**defaults, **opening.profile, **of_the_clock},
        arms={each.name: arm_of(story, each, opening) for each in story.experiments},
        kept={v.name: fitted(v, opening.kept[v.name]) for v in story.kept if is_kept(v, opening.kept.get(v.name))},
        seed=opening.seed if story.draws else 0,
        hour=opening.hour if story.asks_the_clock else 0,
        weekday=opening.weekday if story.asks_the_clock else MONDAY,
    )
    return _at_first(story, given)


def begun_again(story: Story, memory: Memory) -> Memory:
    """Gives the memory of a story that begins anew within one viewing: what outlives sessions stays as it is."""
    stays = {variable.name: memory.state[variable.name] for variable in story.kept}
    fresh = _at_first(story, memory.given)
    return replace(fresh, state={**fresh.state, **stays}, draws=memory.draws)


def _at_first(story: Story, given: Given) -> Memory:
    state = {name: variable.default for name, variable in story.state.items()}
    return Memory(given=given, state={**state, **given.kept}, visits={}, chosen={})


def arm_of(story: Story, experiment: Experiment, opening: Opening) -> str:
    """Gives the arm of a viewer, or of a session where no viewer is known: always the same one, stored nowhere."""
    who = opening.viewer if experiment.by_viewer and opening.viewer else str(opening.seed)
    digest = hashlib.blake2b(f"{story.id}|{experiment.name}|{who}".encode(), digest_size=8).digest()
    return list(experiment.arms)[pick(int.from_bytes(digest), 0, list(experiment.arms.values()))]


def is_kept(variable: Variable, value: object) -> bool:
    """Tells whether a value can be one of the variable's; one kept by an earlier revision may be none."""
    match variable.type:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str) and _is_writable(variable, value)


def enter(memory: Memory, scene: Scene) -> Memory:
    """Counts the visit of a scene."""
    return replace(memory, visits={**memory.visits, scene.id: memory.visits.get(scene.id, 0) + 1})


def take_of(story: Story, memory: Memory, scene: Scene) -> int:
    """Gives which of its takes a scene is shown with; looked at as the scene is settled, with its visit counted."""
    if not scene.variants:
        return 0
    reading, media = _reading(memory), scene.media
    for variant in scene.variants:
        if _holds(story, reading, variant.when):
            media = variant.over(media)
    return scene.takes.index(media)


def happened(story: Story, memory: Memory, event: Happening) -> Memory:
    """Gives the memory after an event; one whose condition does not hold changes nothing."""
    return _with_effects(story, memory, event.set) if event.set and holds(story, memory, event.when) else memory


def offered(story: Story, memory: Memory, decision: Decision) -> tuple[Choice, ...]:
    """Gives the choices whose condition holds, in the story's order."""
    reading = _reading(memory)
    return tuple(choice for choice in decision.choices if _holds(story, reading, choice.when))


def picture_of(story: Story, memory: Memory, pictures: tuple[Picture, ...]) -> str | None:
    """Gives the first picture that holds, or None."""
    reading = _reading(memory)
    return next((picture.image for picture in pictures if _holds(story, reading, picture.when)), None)


def take(story: Story, memory: Memory, decision: Decision, choice: Choice) -> Memory:
    """Takes a choice: it is remembered, and its effects apply, each seeing those before it; a failing one does not."""
    chosen = {**memory.chosen, decision.id: choice.id}
    return _with_effects(story, replace(memory, chosen=chosen, score=memory.score + choice.score), choice.set)


def _with_effects(story: Story, memory: Memory, effects: Effects) -> Memory:
    if not effects:
        return memory
    state = memory.state
    for name, effect in effects:
        value = _evaluated(story, replace(memory, state=state), effect) if isinstance(effect, Expression) else effect
        variable = story.state[name]
        if not isinstance(value, Failure) and _is_writable(variable, value):
            state = {**state, name: fitted(variable, value)}
    return replace(memory, state=state)


def _is_writable(variable: Variable, value: Value) -> bool:
    if not isinstance(value, str):
        return True
    return value in variable.values if variable.type == "enum" else len(value) <= MAX_TEXT


def default_of(memory: Memory, decision: Decision, choices: tuple[Choice, ...]) -> tuple[Choice | None, Memory]:
    """Gives the choice taken without an answer, of those offered, and the memory with the draw that it took.

    None: the decision names none; it leads where its time-out does.
    """
    if decision.default is None:
        return None, memory
    if decision.default_is(FIRST):
        return choices[0], memory
    if decision.default_is(RANDOM):
        drawn, memory = _drawn(memory, [choice.weight for choice in choices])
        return choices[drawn], memory
    return next(choice for choice in choices if choice.id == decision.default), memory


def ways_on(story: Story, scene: Scene) -> tuple[Rule, ...]:
    """Gives the rules of what follows a scene by itself: its `next`, else the group of its own name."""
    return scene.next or ((Rule(to=f"@{scene.id}"),) if scene.id in story.groups else ())


def successor(story: Story, memory: Memory, scene: Scene, target: Target | None) -> tuple[Scene, Memory]:
    """Gives the scene after this one, at `target`, else by its own rules; and the memory then."""
    rules = ways_on(story, scene) if target is None else (Rule(to=target),)
    return _led(story, memory, rules, f"no rule holds after scene {scene.id!r}")


def opening_scene(story: Story, memory: Memory) -> tuple[Scene, Memory]:
    """Gives the first scene, and the memory then."""
    return _led(story, memory, (Rule(to=story.start),), "no rule of its start holds")


def led_to(story: Story, memory: Memory, target: Target) -> tuple[Scene, Memory]:
    """Gives the scene that a target means, and the memory then."""
    return _led(story, memory, (Rule(to=target),), f"no rule of {target!r} holds")


def holds(story: Story, memory: Memory, condition: Expression | None) -> bool:
    """Tells whether a condition holds; one that fails to give a value does not."""
    return condition is None or _holds(story, _reading(memory), condition)


def failures_of(story: Story) -> tuple[Finding, ...]:
    """Gives what failed as the story ran so far, as warnings with their places; forgets it."""
    failures = story.expressions.failures
    found = tuple(_failure(story, text, problem) for text, problem in failures.items())
    failures.clear()
    return found


def _failure(story: Story, text: str, problem: str) -> Finding:
    line, column, where = story.places.get(text, (0, 0, ""))
    return Finding(
        file=story.file,
        line=line,
        column=column,
        field=where,
        problem=f"{text!r} failed as the story ran: {problem}; it did not hold, and set nothing",
        remedy="Mend the expression",
        level="warning",
    )


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


def possible_targets(story: Story, scene: Scene) -> tuple[Target, ...]:
    """Gives where the story may go after a scene, whatever the memory: of its decisions, then by itself."""
    targets = [choice.to for decision in scene.decisions for choice in decision.choices if choice.to is not None]
    targets += [decision.timeout for decision in scene.decisions if decision.timeout is not None]
    if scene.end is None and goes_by_itself(scene):
        targets += [rule.to for rule in ways_on(story, scene)]
    return tuple(dict.fromkeys(targets))


def goes_by_itself(scene: Scene) -> bool:
    """Tells whether a visit may end with no target kept of its decisions."""
    return not any(_has_always_a_target(decision) for decision in scene.decisions)


def _has_always_a_target(decision: Decision) -> bool:
    """Tells whether every way through a decision has a target; one with no choice offered has none."""
    if any(choice.to is None for choice in decision.choices):
        return False
    return any(choice.when is None for choice in decision.choices)


def possible_successors(story: Story, scene: Scene) -> frozenset[str]:
    """Gives the scenes that may come after this one on some path, whatever the memory; the menu aside."""
    found = {name for target in possible_targets(story, scene) for name in scenes_of(story, target)}
    return frozenset(found | {story.fallback} if story.fallback and scene.end is None else found)


def always_leads(story: Story, rules: tuple[Rule, ...]) -> bool:
    """Tells whether some rule holds whatever the memory, and leads to a scene."""
    seen: set[Target] = set()
    todo = [rule.to for rule in rules if rule.when is None]
    while todo:
        target = todo.pop()
        if not target.startswith("@"):
            return True
        if target not in seen:
            seen.add(target)
            todo.extend(rule.to for rule in story.groups[target[1:]] if rule.when is None)
    return False


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
        first = next((index for index, rule in enumerate(rules) if self._holds(rule)), None)
        if first is None:
            return None
        rule = rules[first]
        if rule.weight is not None:
            holding = (each for each in rules[first:] if self._holds(each))
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
    return pick(memory.given.seed, memory.draws, weights), replace(memory, draws=memory.draws + 1)


def _holds(story: Story, reading: Reading, condition: Expression | None) -> bool:
    return condition is None or story.expressions.evaluate(condition, reading, story.conditions) is True


def _evaluated(story: Story, memory: Memory, expression: Expression) -> Value | Failure:
    return story.expressions.evaluate(expression, _reading(memory), story.conditions)


def _reading(memory: Memory) -> Reading:
    """Gives what expressions read of a memory: named conditions are settled once for all that is asked of it."""
    given = memory.given
    return Reading(
        sections=(("state", memory.state), ("profile", given.profile), ("arm", given.arms)),
        visits=memory.visits,
        chosen=memory.chosen,
        score=memory.score,
        hour=given.hour,
        weekday=given.weekday,
    )
