"""Mistakes that only the whole graph, or the lengths of its scenes, can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from streamer.errors import Finding
from streamer.story.model import Decision, Rule, Scene, Story, Target, instant_within
from streamer.story.rules import possible_successors, scenes_of
from streamer.story.tree import Path, Tree, spelled
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

OPENING = Ticks(6 * TICKS_PER_SECOND)  # three segments are listed at first: nothing in them can still be decided
SHORTEST_SCENE = Ticks(2 * TICKS_PER_SECOND)


def check_graph(story: Story, tree: Tree) -> None:
    """Notes scenes no viewer reaches, ways that may end nowhere, circles without a decision and locks at odds."""
    reached = _reached(story)
    for name in story.scenes:
        if name not in reached:
            tree.add(
                ("scenes", name),
                f"no way leads to scene {name!r}",
                "Lead to it, or remove it",
                key=True,
                level="warning",
            )
    for name, scene in story.scenes.items():
        _check_way_on(story, tree, ("scenes", name), scene)
        if scene.decision is not None:
            _check_window(story, tree, ("scenes", name, "decision"), scene.decision)
    if story.fallback is None and not _always_leads(story, (Rule(to=story.start),)):
        tree.add(
            ("start",), "no rule of the start may hold", "Let its last rule have no 'when', or name a 'fallback' scene"
        )
    _check_circles(story, tree)


def check_lengths(story: Story, lengths: Mapping[str, Ticks], file: str) -> tuple[Finding, ...]:
    """Finds what is wrong with the times of decisions once the lengths of the scenes (by id) are known."""
    return tuple(
        Finding(file=file, line=0, column=0, field=spelled(path), problem=problem, remedy=remedy)
        for path, problem, remedy in _length_mistakes(story, lengths)
    )


def check_known_lengths(story: Story, tree: Tree) -> None:
    """Notes the same as far as the file itself says how long scenes are, from `in` to `out`."""
    lengths = {
        name: Ticks(scene.media.end - scene.media.start)
        for name, scene in story.scenes.items()
        if scene.media.end is not None
    }
    for path, problem, remedy in _length_mistakes(story, lengths):
        tree.add(path, problem, remedy)


def _length_mistakes(story: Story, lengths: Mapping[str, Ticks]) -> Iterator[tuple[Path, str, str]]:
    openings = scenes_of(story, story.start)
    for name, length in lengths.items():
        decision, path = story.scenes[name].decision, ("scenes", name)
        seconds = decimal_seconds(length, 3)
        if length < SHORTEST_SCENE:
            yield (*path, "media"), f"the scene is {seconds} s long", "Make it 2 s at least"
        if decision is None:
            continue
        place = (*path, "decision")
        opens, closes = (instant_within(at, length) for at in (decision.opens_at, decision.closes_at))
        if opens < 0:
            yield (*place, "opens_at"), f"opens before the scene (of {seconds} s) begins", "Open it later"
        if closes <= max(opens, 0):
            yield (*place, "closes_at"), "the lock does not come after the opening", "Lock it later"
        if closes > length - story.lead and not decision.immediate:
            lead = decimal_seconds(story.lead, 3)
            problem = f"the lock is less than {lead} s before the scene's end ({seconds} s)"
            yield (*place, "closes_at"), problem, "Lock it earlier"
        if closes < OPENING and name in openings:
            yield (*place, "closes_at"), "the first lock comes within 6 s of the story's start", "Lock it later"


def _check_window(story: Story, tree: Tree, path: Path, decision: Decision) -> None:
    opens, closes = decision.opens_at, decision.closes_at
    if (opens < 0) == (closes < 0) and closes <= opens:
        tree.add(path, "the decision locks before it opens", "Let closes_at come after opens_at")
    if -story.lead < closes < 0 and not decision.immediate:
        lead = decimal_seconds(story.lead, 3)
        tree.add(
            (*path, "closes_at"),
            f"locks {decimal_seconds(-closes, 3)} s before the scene's end; players need {lead} s to fetch the branch",
            f"Write closes_at: -{lead}s or earlier",
        )


def _check_way_on(story: Story, tree: Tree, path: Path, scene: Scene) -> None:
    if scene.end is not None or story.fallback is not None:
        return
    choices = scene.decision.choices if scene.decision is not None else ()
    uses_next = scene.decision is None
    for index, choice in enumerate(choices):
        place = (*path, "decision", "choices", index)
        if choice.to is not None:
            _check_rules(story, tree, place, (Rule(to=choice.to),))
        elif scene.next:
            uses_next = True
        else:
            tree.add(place, "the choice leads nowhere: it has no 'to' and the scene no 'next'", "Add one of them")
    if uses_next:
        _check_rules(story, tree, (*path, "next"), scene.next)


def _check_rules(story: Story, tree: Tree, path: Path, rules: tuple[Rule, ...]) -> None:
    if not _always_leads(story, rules):
        tree.add(
            path,
            "there may be no rule that holds, and then no scene to go on with",
            "Let the last rule have no 'when', or name a 'fallback' scene",
        )


def _always_leads(story: Story, rules: tuple[Rule, ...]) -> bool:
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


def _check_circles(story: Story, tree: Tree) -> None:
    """A circle of scenes that no decision can leave would play for ever."""
    quiet = {
        name: possible_successors(story, scene)
        for name, scene in story.scenes.items()
        if scene.decision is None and scene.end is None
    }
    before: dict[str, list[str]] = {}
    for name, successors in quiet.items():
        for successor in successors:
            before.setdefault(successor, []).append(name)
    # Whoever can reach a decision or an ending is not stuck; what is left after that goes round for ever.
    free = story.scenes.keys() - quiet.keys()
    todo = list(free)
    while todo:
        new = set(before.get(todo.pop(), ())) - free
        free |= new
        todo.extend(new)
    for name in quiet:
        if name not in free:
            tree.add(
                ("scenes", name),
                f"from scene {name!r} the story never ends and nothing can be decided",
                "Add a way out",
                key=True,
            )


def _reached(story: Story) -> set[str]:
    seen: set[str] = set()
    todo = list(scenes_of(story, story.start))
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(possible_successors(story, story.scenes[name]))
    return seen
