"""From a story file to a Story: every mistake found at once, each with its place and its remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streamer.building import without_collections
from streamer.errors import Finding, StoryError
from streamer.story.checks import check_expressions, check_references, check_variables, language_of, spots
from streamer.story.expressions import Expression, Language
from streamer.story.file import (
    BARE,
    ChoiceFile,
    DecisionFile,
    HoldFile,
    MenuFile,
    NextFile,
    PictureFile,
    ProfileFile,
    RuleFile,
    SceneFile,
    StateFile,
    StoryFile,
    VariableFile,
)
from streamer.story.lint import check_graph, check_known_lengths
from streamer.story.model import (
    Checkpoint,
    Choice,
    Decision,
    Effects,
    Ending,
    Experiment,
    Happening,
    Hold,
    Media,
    MenuItem,
    Picture,
    Rule,
    Scene,
    Spot,
    Story,
    Value,
    Variable,
    Variant,
)
from streamer.story.shape import check_shape
from streamer.story.tree import Tree, in_order, parse
from streamer.units import Ticks


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
        with without_collections():
            story, tree = _read(text, file)
    except StoryError as error:
        return None, error.findings
    return (None if _has_errors(tree) else story), in_order(tree.findings)


def _read(text: str, file: str) -> tuple[Story | None, Tree]:
    tree = parse(text, file)
    read = check_shape(tree)
    language = language_of(tree)
    check_variables(tree)
    check_references(tree)
    conditions = check_expressions(tree, language)
    story = None
    if read is not None and not _has_errors(tree):
        story = _build(read, language, conditions, file=tree.file, places=spots(tree))
        check_graph(story, tree)
        if not _has_errors(tree):
            check_known_lengths(story, tree)
    return story, tree


class _Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A story file that was read and checked, as plain data."""

    file: str
    data: dict[str, Any]
    spots: dict[str, Spot]
    asked: tuple[str, ...]


def compiled(text: str, file: str) -> bytes:
    """Reads and checks a story and gives it in the form that is quick to load: JSON.

    Raises:
        StoryError: with every mistake found.
    """
    with without_collections():
        story, tree = _read(text, file)
    if story is None or _has_errors(tree):
        raise StoryError(in_order(tree.findings))
    asked = tuple(sorted(story.expressions.asked))
    return msgspec.json.encode(_Compiled(file=file, data=tree.data, spots=dict(story.places), asked=asked))


def load_compiled(data: bytes | msgspec.Raw) -> Story:
    """Gives a story from what `compiled` made of it; nothing is checked again, expressions are compiled when needed.

    Raises:
        msgspec.DecodeError, pydantic.ValidationError: it is none of ours.
    """
    with without_collections():
        found = msgspec.json.decode(data, type=_Compiled)
        read = StoryFile.model_validate(found.data)
        language = language_of(Tree(found.file, data=found.data), asked=found.asked)
        conditions = {name: language.compile(text) for name, text in read.conditions.items()}
        return _build(read, language, conditions, file=found.file, places=found.spots)


def _has_errors(tree: Tree) -> bool:
    return any(finding.level == "error" for finding in tree.findings)


# ── from the checked file to the model ───────────────────────────────────────────────────────────────────────────


def _build(
    read: StoryFile,
    language: Language,
    conditions: dict[str, Expression],
    *,
    file: str,
    places: Mapping[str, Spot],
) -> Story:
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
        menu=tuple(_menu_item(item, read, language) for item in read.menu),
        experiments=tuple(
            Experiment(name=name, arms=each.arms, by_viewer=each.assign == "viewer")
            for name, each in read.experiments.items()
        ),
        artwork=_pictures(read.artwork, language),
        max_steps=read.limits.max_steps,
        low_latency=read.low_latency,
        file=file,
        places=places,
    )


def _menu_item(read: MenuFile, story: StoryFile, language: Language) -> MenuItem:
    return MenuItem(
        id=read.to if read.id is None else read.id,
        label=_text(read.label, story.defaults.labels),
        to=read.to,
        when=_expression(read.when, language),
        reset=read.reset,
    )


def _pictures(read: str | Sequence[PictureFile] | None, language: Language) -> tuple[Picture, ...]:
    if read is None or isinstance(read, str):
        return () if read is None else (Picture(image=read),)
    return tuple(Picture(image=each.image, when=_expression(each.when, language)) for each in read)


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
        scope=read.scope if isinstance(read, StateFile) else "session",
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
    asked = [read.decision] if read.decision is not None else read.decisions or []
    return Scene(
        id=name,
        media=Media(src=read.media.src, start=read.media.start, end=read.media.end, snap=read.media.snap),
        variants=tuple(
            Variant(when=_expression(each.when, language), src=each.src, start=each.start, end=each.end)
            for each in read.variants
        ),
        text=None if read.text is None else _text(read.text, story.defaults.labels),
        events=tuple(
            Happening(
                at=each.at,
                when=_expression(each.when, language),
                set=_effects(each.set, story, language),
                cue=each.cue,
                track=each.track,
            )
            for each in read.events
        ),
        decisions=tuple(_decision(each, story, language) for each in asked),
        asks_once=read.decision is not None,
        next=_built_rules(read.next, language),
        end=None
        if read.end is None
        else Ending(
            id=read.end.id,
            goal=read.end.goal,
            offers=tuple(read.end.offer_checkpoints),
            credits=read.end.credits,
        ),
        checkpoint=None
        if read.checkpoint is None
        else Checkpoint(id=read.checkpoint.id, label=_text(read.checkpoint.label, story.defaults.labels)),
        track=read.track,
    )


def _decision(read: DecisionFile, story: StoryFile, language: Language) -> Decision:
    closes_at = read.closes_at if read.closes_at is not None else Ticks(-story.defaults.lead)
    opens_at = read.opens_at if read.opens_at is not None else Ticks(closes_at - story.defaults.window)
    if read.opens_at is None and opens_at < 0 <= closes_at:
        opens_at = Ticks(0)  # the window is longer than what is before the lock
    return Decision(
        id=read.id,
        prompt=None if read.prompt is None else _text(read.prompt, story.defaults.labels),
        opens_at=opens_at,
        closes_at=closes_at,
        default=read.default,
        timeout=read.timeout,
        choices=tuple(_choice(choice, story, language) for choice in read.choices),
        immediate=read.lock == "immediate",
        hold=_hold(read, story),
        extend=read.accessible.extend,
        speak=read.accessible.speak,
        keys=tuple(read.accessible.keys),
        layout=read.layout,
        code_length=0 if read.input is None else read.input.length,
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
    return Choice(
        id=read.id,
        label=_text(read.label, story.defaults.labels),
        to=read.to,
        when=_expression(read.when, language),
        set=_effects(read.set, story, language),
        weight=read.weight,
        pictures=_pictures(read.image, language),
        url=read.url,
        score=read.score,
        code=None if read.code is None else read.code.casefold(),
        track=read.track,
    )


def _effects(read: Mapping[str, Value], story: StoryFile, language: Language) -> Effects:
    def effect(name: str, value: Value) -> Value | Expression:
        if isinstance(value, str):
            return language.compile(value)
        return float(value) if story.state[name].type == "number" else value

    return tuple((name, effect(name, value)) for name, value in read.items())
