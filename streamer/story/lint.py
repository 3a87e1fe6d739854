"""Mistakes that only the whole graph, or the lengths of its scenes, can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from streamer.errors import Finding
from streamer.story.file import shown
from streamer.story.holding import Trying
from streamer.story.labels import WHO, places_in
from streamer.story.model import Decision, Rule, Scene, Story, Target, Text, instant_within
from streamer.story.rules import always_leads, goes_by_itself, possible_successors, scenes_of, ways_on
from streamer.story.shape import closest
from streamer.story.tree import Path, Tree, spelled
from streamer.story.visit import Lengths
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

OPENING = Ticks(6 * TICKS_PER_SECOND)  # three segments are listed at first: nothing in them can still be decided
SHORTEST_SCENE = Ticks(2 * TICKS_PER_SECOND)
SHORT_WINDOW = Ticks(5 * TICKS_PER_SECOND)  # hardly anybody answers in less; the shortest of a known film is 6.7 s

Mistake = tuple[Path, str, str]  # where, what, and what to do


def check_graph(story: Story, tree: Tree) -> None:
    """Notes what the graph shows: errors a viewer would meet, and warnings of what is hardly meant."""
    places = {id(decision): path for path, decision in decisions_of(story)}
    reached = _reached(story)
    for name, scene in story.scenes.items():
        path: Path = ("scenes", name)
        if name not in reached:
            asks = ", nor to what it asks" if scene.decisions else ""
            tree.add(
                path, f"no way leads to scene {name!r}{asks}", "Lead to it, or remove it", key=True, level="warning"
            )
        _check_takes(tree, path, scene)
        _check_way_on(story, tree, path, scene)
        for decision in scene.decisions:
            _check_window(story, tree, places[id(decision)], decision)
        _check_several(tree, scene, places)
    if story.fallback is None:
        for place, target in (("start",), story.start), *((("menu", n), each.to) for n, each in enumerate(story.menu)):
            if not always_leads(story, (Rule(to=target),)):
                problem = "no rule of the start may hold" if place == ("start",) else "no rule of its target may hold"
                tree.add(place, problem, "Let its last rule have no 'when', or name a 'fallback' scene")
    _check_circles(story, tree)
    _check_texts(story, tree)
    _check_conditions(story, tree, reached)
    _check_use(story, tree)


def decisions_of(story: Story) -> Iterator[tuple[Path, Decision]]:
    """Gives every decision with its place in the file, as an author who asks once or more often a scene wrote it."""
    for name, scene in story.scenes.items():
        for index, decision in enumerate(scene.decisions):
            own: Path = ("decision",) if scene.asks_once else ("decisions", index)
            yield ("scenes", name, *own), decision


def check_lengths(story: Story, lengths: Lengths, file: str) -> tuple[Finding, ...]:
    """Finds what is wrong with the times of decisions once the lengths of the scenes' takes (by id) are known."""
    return tuple(
        Finding(file=file, line=0, column=0, field=spelled(path), problem=problem, remedy=remedy)
        for path, problem, remedy in _length_mistakes(story, lengths)
    )


def check_known_lengths(story: Story, tree: Tree) -> None:
    """Notes the same as far as the file itself says how long scenes are, from `in` to `out`."""
    lengths = {
        name: tuple(Ticks(take.end - take.start) for take in scene.takes if take.end is not None)
        for name, scene in story.scenes.items()
    }
    for path, problem, remedy in _length_mistakes(story, lengths):
        tree.add(path, problem, remedy)


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _length_mistakes(story: Story, lengths: Lengths) -> Iterator[Mistake]:
    openings = scenes_of(story, story.start)
    places = {id(decision): path for path, decision in decisions_of(story)}
    for name, of_takes in lengths.items():
        scene = story.scenes[name]
        told: dict[Path, None] = {}
        for length in of_takes:
            for path, problem, remedy in _mistakes_of(story, scene, length, places, opens=name in openings):
                if path not in told:  # of one place one take is enough
                    told[path] = None
                    yield path, problem, remedy


def _mistakes_of(
    story: Story, scene: Scene, length: Ticks, places: Mapping[int, Path], *, opens: bool
) -> Iterator[Mistake]:
    path: Path = ("scenes", scene.id)
    seconds = decimal_seconds(length, 3)
    if length < SHORTEST_SCENE:
        yield (*path, "media"), f"the scene is {seconds} s long", "Make it 2 s at least"
    for index, event in enumerate(scene.events):
        if not 0 <= instant_within(event.at, length) < length:
            yield (*path, "events", index, "at"), f"lies outside the scene, which is {seconds} s long", "Move it"
    if (
        scene.end is not None
        and scene.end.credits is not None
        and not 0 <= instant_within(scene.end.credits, length) < length
    ):
        yield (*path, "end", "credits"), f"begin outside the scene, which is {seconds} s long", "Move them"
    for decision in scene.decisions:
        yield from _decision_mistakes(story, decision, places[id(decision)], length, opens=opens)
    for before, after in pairwise(scene.decisions):
        if instant_within(after.opens_at, length) < instant_within(before.closes_at, length):
            place = (*places[id(after)], "opens_at")
            yield place, f"opens before {before.id!r} locks; one is asked at a time", f"Open it after {before.id!r}"


def _decision_mistakes(
    story: Story, decision: Decision, place: Path, length: Ticks, *, opens: bool
) -> Iterator[Mistake]:
    seconds = decimal_seconds(length, 3)
    begins, closes = (instant_within(at, length) for at in (decision.opens_at, decision.closes_at))
    if begins < 0:
        yield (*place, "opens_at"), f"opens before the scene (of {seconds} s) begins", "Open it later"
    if closes <= max(begins, 0):
        yield (*place, "closes_at"), "the lock does not come after the opening", "Lock it later"
    if closes > length:
        yield (*place, "closes_at"), f"the lock comes after the scene's end ({seconds} s)", "Lock it earlier"
    elif closes > length - story.lead and not decision.immediate:
        lead = decimal_seconds(story.lead, 3)
        problem = f"the lock is less than {lead} s before the scene's end ({seconds} s)"
        yield (*place, "closes_at"), problem, "Lock it earlier"
    if closes < OPENING and opens:
        yield (*place, "closes_at"), "the first lock comes within 6 s of the story's start", "Lock it later"


def _check_takes(tree: Tree, path: Path, scene: Scene) -> None:
    for take in scene.takes if scene.variants else ():
        if take.end is not None and take.end <= take.start:
            tree.add((*path, "variants"), "laid over each other they make an 'out' before its 'in'", "Mend the times")
            return


def _check_window(story: Story, tree: Tree, path: Path, decision: Decision) -> None:
    opens, closes = decision.opens_at, decision.closes_at
    if (opens < 0) == (closes < 0):
        if closes <= opens:
            tree.add(path, "the decision locks before it opens", "Let closes_at come after opens_at")
        elif closes - opens < SHORT_WINDOW and decision.extend == 1:
            tree.add(
                path,
                f"viewers have {decimal_seconds(closes - opens, 3)} s to answer, which is short",
                "Give them 5 s, or more to who asks: accessible: {extend: 3x}",
                level="warning",
            )
    if -story.lead < closes < 0 and not decision.immediate:
        lead = decimal_seconds(story.lead, 3)
        tree.add(
            (*path, "closes_at"),
            f"locks {decimal_seconds(-closes, 3)} s before the scene's end; players need {lead} s to fetch the branch",
            f"Write closes_at: -{lead}s or earlier",
        )


def _check_several(tree: Tree, scene: Scene, places: Mapping[int, Path]) -> None:
    for before, after in pairwise(scene.decisions):
        if (before.opens_at < 0) == (after.opens_at < 0) and after.opens_at <= before.opens_at:
            problem = f"opens no later than {before.id!r}, which stands before it"
            tree.add((*places[id(after)], "opens_at"), problem, "Put decisions in the order of their opening")
        if before.hold is not None:
            tree.add(
                places[id(before)],
                f"only the last decision of a scene can be held open, and {after.id!r} comes after",
                "Remove its 'hold' and 'extend', or give it a scene of its own",
                key=True,
            )


# ── ways ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_way_on(story: Story, tree: Tree, path: Path, scene: Scene) -> None:
    if story.fallback is not None:
        return
    rules = ways_on(story, scene)
    for index, decision in enumerate(scene.decisions):
        place = (*path, "decision") if scene.asks_once else (*path, "decisions", index)
        for number, choice in enumerate(decision.choices):
            if choice.to is not None:
                _check_rules(story, tree, (*place, "choices", number), (Rule(to=choice.to),))
            elif not rules and scene.end is None and not _leads_later(scene, index):
                problem = "the choice leads nowhere: it has no 'to' and the scene no 'next'"
                tree.add((*place, "choices", number), problem, "Add one of them")
        if decision.timeout is not None:
            _check_rules(story, tree, (*place, "timeout"), (Rule(to=decision.timeout),))
    leads = all(choice.to is not None for decision in scene.decisions for choice in decision.choices)
    if scene.end is None and scene.decisions and not rules and leads and goes_by_itself(scene):
        problem = "every choice has a 'when': where none holds, nothing is asked and there is no scene to go on with"
        tree.add(path, problem, "Give the scene a 'next', or one choice no 'when'")
    if scene.end is None and rules and goes_by_itself(scene):
        _check_rules(story, tree, (*path, "next") if scene.next else ("groups", scene.id), rules)


def _leads_later(scene: Scene, index: int) -> bool:
    return not goes_by_itself(scene) and any(
        all(choice.to is not None for choice in decision.choices) for decision in scene.decisions[index + 1 :]
    )


def _check_rules(story: Story, tree: Tree, path: Path, rules: tuple[Rule, ...]) -> None:
    if not always_leads(story, rules):
        tree.add(
            path,
            "there may be no rule that holds, and then no scene to go on with",
            "Let the last rule have no 'when', or name a 'fallback' scene",
        )


def _check_circles(story: Story, tree: Tree) -> None:
    """A circle of scenes that no decision can leave would play for ever; one that has no ending is hardly meant."""
    after = {name: possible_successors(story, scene) for name, scene in story.scenes.items()}
    ends = {name for name, scene in story.scenes.items() if scene.end is not None}
    asks = {name for name, scene in story.scenes.items() if scene.decisions}
    free = _leading_to(ends | asks, after)
    for name in story.scenes:
        if name not in free:
            problem = f"from scene {name!r} the story never ends and nothing can be decided"
            tree.add(("scenes", name), problem, "Add a way out", key=True)
    if not ends:
        tree.add(("scenes",), "the story has no ending", "Give a scene an 'end'", key=True, level="warning")
        return
    stuck = free - _leading_to(ends, after)
    for name in story.scenes:
        if name in stuck:
            problem = f"from scene {name!r} no way leads to an ending"
            tree.add(("scenes", name), problem, "Add a way out, or an 'end'", key=True, level="warning")


def _leading_to(found: set[str], after: Mapping[str, frozenset[str]]) -> set[str]:
    """Gives the scenes from which some way leads to one of those found."""
    before: dict[str, list[str]] = {}
    for name, successors in after.items():
        for successor in successors:
            before.setdefault(successor, []).append(name)
    reaching = set(found)
    todo = list(found)
    while todo:
        new = set(before.get(todo.pop(), ())) - reaching
        reaching |= new
        todo.extend(new)
    return reaching


def _reached(story: Story) -> frozenset[str]:
    seen: set[str] = set()
    todo = [name for target in (story.start, *(item.to for item in story.menu)) for name in scenes_of(story, target)]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(possible_successors(story, story.scenes[name]))
    return frozenset(seen)


# ── names and texts ──────────────────────────────────────────────────────────────────────────────────────────────


def _check_conditions(story: Story, tree: Tree, reached: frozenset[str]) -> None:
    """Notes conditions that never hold, each where it stands."""
    trying = Trying(story, frozenset(_written(story)), reached)
    for text, (line, column, where) in story.places.items():
        expression = story.expressions.known(text)
        is_condition = where.endswith(".when") or where.startswith("conditions.")
        if is_condition and expression is not None and trying.never_holds(expression):
            problem = f"{shown(text)} can never hold"
            tree.note((line, column), where, problem, "Mend it, or remove what rests on it", level="warning")


def _written(story: Story) -> set[str]:
    happenings = (event.set for scene in story.scenes.values() for event in scene.events)
    choices = (choice.set for decision in story.decisions for choice in decision.choices)
    return {name for effects in (*happenings, *choices) for name, _ in effects}


def _check_use(story: Story, tree: Tree) -> None:
    """Notes what is declared and never used."""
    read, written = _read(story), _written(story)
    for name in story.state:
        if f"state.{name}" not in read:
            _unused(tree, ("state", name), f"variable {name!r} is never read", "Read it, or remove it")
        elif name not in written:
            _unused(tree, ("state", name), f"variable {name!r} is never set", "Set it, or write its value instead")
    for name in story.profile:
        if f"profile.{name}" not in read:
            _unused(tree, ("profile", name), f"input {name!r} is never read", "Read it, or remove it")
    for experiment in story.experiments:
        if f"arm.{experiment.name}" not in read:
            problem = f"the arms of experiment {experiment.name!r} are never asked for"
            _unused(tree, ("experiments", experiment.name), problem, f"Ask for arm.{experiment.name}, or remove it")
    _check_names_of_rules(story, tree)


def _check_names_of_rules(story: Story, tree: Tree) -> None:
    for name in story.conditions.keys() - story.expressions.rested_on:
        _unused(tree, ("conditions", name), f"condition {name!r} is never asked for", "Use it, or remove it")
    targets = _targets(story)
    for name in story.groups:
        if f"@{name}" not in targets:
            _unused(tree, ("groups", name), f"no way leads to group {name!r}", "Lead to it, or remove it")


def _read(story: Story) -> set[str]:
    """Gives the full names that expressions, texts and links read."""
    words = [words for _, text in _texts(story) for words in text.values()]
    words += [choice.url for decision in story.decisions for choice in decision.choices if choice.url is not None]
    placed = {f"{place.section}.{place.name}" for each in words for place in places_in(each)}
    return placed | story.expressions.read


def _targets(story: Story) -> set[Target | None]:
    """Gives everything that something leads to."""
    found: set[Target | None] = {rule.to for rules in story.groups.values() for rule in rules}
    found |= {story.start, *(item.to for item in story.menu)}
    found |= {rule.to for scene in story.scenes.values() for rule in ways_on(story, scene)}
    found |= {choice.to for decision in story.decisions for choice in decision.choices}
    return found | {decision.timeout for decision in story.decisions}


def _unused(tree: Tree, path: Path, problem: str, remedy: str) -> None:
    tree.add(path, problem, remedy, key=True, level="warning")


def _texts(story: Story) -> Iterator[tuple[Path, Text]]:
    """Gives every text that viewers may read, with its place."""
    yield ("title",), story.title
    for index, item in enumerate(story.menu):
        yield ("menu", index, "label"), item.label
    for name, scene in story.scenes.items():
        if scene.checkpoint is not None:
            yield ("scenes", name, "checkpoint", "label"), scene.checkpoint.label
    for path, decision in decisions_of(story):
        if decision.prompt is not None:
            yield (*path, "prompt"), decision.prompt
        for index, choice in enumerate(decision.choices):
            yield (*path, "choices", index, "label"), choice.label


def _check_texts(story: Story, tree: Tree) -> None:
    texts = tuple(_texts(story))
    languages = story.languages | {story.language}
    for path, text in texts:
        missing = sorted(languages - text.keys())
        if missing and isinstance(tree.value(path), dict):  # a bare text may be a name, the same everywhere
            problem = f"the text is missing in {', '.join(missing)}"
            tree.add(path, problem, "Translate it", key=True, level="warning")
        for language, words in text.items():
            place = (*path, language) if (*path, language) in tree.values else path
            _check_places(story, tree, place, words, links=False)
    for path, decision in decisions_of(story):
        for index, choice in enumerate(decision.choices):
            if choice.url is not None:
                _check_places(story, tree, (*path, "choices", index, "url"), choice.url, links=True)


def _check_places(story: Story, tree: Tree, path: Path, words: str, *, links: bool) -> None:
    for place in places_in(words):
        full = f"{place.section}.{place.name}"
        known: Sequence[str] = [f"profile.{name}" for name in story.profile] + [f"state.{name}" for name in story.state]
        known = [*known, f"viewer.{WHO}"] if links else known
        if full not in known:
            remedy = f"{closest(full, list(known))}Name an input or a variable"
            tree.add(path, f"there is no {full!r} to put here", remedy, within=place.at)
            continue
        personal = place.section == "profile" and story.profile[place.name].personal
        if personal and links:
            tree.add(path, f"{full!r} is personal, and addresses are not", "Use {viewer.token}", within=place.at)
        elif personal and not place.instead:
            remedy = f"Write what stands there for everybody else: {{{full}|you}}"
            tree.add(
                path, f"{full!r} is personal: playlists, which others may see, leave it out", remedy, within=place.at
            )
