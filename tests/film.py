"""A story of the size and shape of the best-known interactive film, made by chance from a seed, and longer ones.

250 scenes of one shared source, 174 decisions, 111 conditional groups, 62 variables; every scene leads to every other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import yaml

from streamer.media.index import ClipIndex, Package
from streamer.packager.plan import Rate
from streamer.session.timeline import Stage, stage
from streamer.story.codec import load_story
from streamer.story.model import Media, Story, hold_sources
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds
from tests.builders import LOOP_SECONDS, clip, packaged

Data = dict[str, Any]

SCENES, DECISIONS, GROUPS, VARIABLES = 250, 174, 111, 62
FILM_RATE = Rate(numerator=24, denominator=1)
STEP = 3  # frames: an eighth of a second, which decimals spell exactly
LONGEST_SOURCE = 20 * 3600 * 24 // STEP  # steps; a time in a file is a day at most
LONG = 950  # characters of the longest conditions
NESTED = 6  # how deep they are
CANDIDATES = 34  # of the widest group
SEVERAL = (2, 3, 2, 2, 3, 2, 2, 3, 2, 2)  # decisions of the scenes that ask more than once
LOOP = "waiting"  # the source of the one hold loop


@dataclass(slots=True, kw_only=True)
class _Film:
    """What is known of the film as it is made."""

    rng: random.Random
    names: list[str]  # of its scenes
    lengths: list[int]  # likewise, in steps
    decisions: list[tuple[str, list[str]]] = field(default_factory=list)  # with their choices
    groups: dict[str, list[Data]] = field(default_factory=dict)
    home: dict[int, str] = field(default_factory=dict)  # by scene: the group that leads on from it
    state: Data = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    chance: bool = True


def film_text(seed: int = 1, *, scenes: int = SCENES, chance: bool = True) -> str:
    """Gives the film as a story file.

    Args:
        seed: of all that is drawn as it is made.
        scenes: how many; decisions and groups keep their share.
        chance: whether weights and random defaults are among it.
    """
    data = film_data(seed, scenes=scenes, chance=chance)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000)


def film_data(seed: int = 1, *, scenes: int = SCENES, chance: bool = True) -> Data:
    """Gives the film as plain data, as film_text() does."""
    rng = random.Random(seed)
    lengths = [round(rng.triangular(25, 180, 50) * 8) for _ in range(scenes)]
    film = _Film(rng=rng, names=[_name(number) for number in range(scenes)], lengths=lengths, chance=chance)
    film.state = dict(map(_variable, range(VARIABLES)))
    asking = _asking(film, scenes)
    ids = (f"{number}Q" if number % 3 else f"q{number}.a-B" for number in range(10 * scenes))
    film.decisions = [
        (next(ids), _choices_of(rng, most=_ends(number, scenes)))
        for number in range(scenes)
        for _ in range(asking[number])
    ]
    _add_conditions(film)
    _add_groups(film, asking)
    rest = iter(film.decisions)
    places = _places(lengths)
    told: dict[str, Data] = {}
    for number, name in enumerate(film.names):
        questions = [next(rest) for _ in range(asking[number])]
        told[name] = _scene(film, number, questions, places[number])
    return {
        "story": 1,
        "id": "film",
        "title": {"en": "The film", "sv": "Filmen"},
        "start": film.names[0],
        "defaults": {"hold": {"src": LOOP, "max": "20s"}, "window": "9s", "labels": "en"},
        "profile": {
            "lang": {"type": "enum", "values": ["en", "sv"], "default": "en"},
            "cut": {"type": "enum", "values": ["long", "short"], "default": "long"},
        },
        "state": film.state,
        "conditions": film.conditions,
        "groups": film.groups,
        "menu": [
            {"id": "again", "label": {"en": "From the start", "sv": "Från början"}, "to": film.names[0], "reset": True},
            {"id": "Back2", "label": {"en": "Recap", "sv": "Repris"}, "to": film.names[scenes // 3]},
        ],
        "scenes": told,
    }


# ── names and numbers ────────────────────────────────────────────────────────────────────────────────────────────


def _name(number: int) -> str:
    forms = (f"{number}A", f"{number}b-{number % 7}.x", f"SC{number:03}", f"{number}E{number % 9}", str(number))
    return forms[number % len(forms)]


def _variable(number: int) -> tuple[str, Data]:
    match number % 6:
        case 0:
            return f"{number}a-b", {"type": "int", "min": 0, "max": 3 + number % 4, "default": 0}
        case 1:
            values = ["none", "Some", "all-of-it"]
            return f"mood.{number}", {"type": "enum", "values": values, "default": values[number % 3]}
        case _:
            return f"p_{number:02}" if number % 2 else f"{number}P", {"type": "bool", "default": number % 5 == 0}


def _choices_of(rng: random.Random, *, most: bool) -> list[str]:
    """Gives the ids of a decision's choices: two of ten have more than two, and endings have four."""
    count = 4 if most else 2 if rng.random() < 0.8 else 3
    return [f"{number}c" if number % 2 else f"C{number}" for number in range(count)]


def _asking(film: _Film, scenes: int) -> list[int]:
    """Gives how many decisions each scene asks: one as a rule, several where it is long, none in a third of them."""
    wanted = round(scenes * DECISIONS / SCENES)
    asking = [int(_ends(number, scenes)) for number in range(scenes)]
    long = [number for number, length in enumerate(film.lengths) if length >= 90 * 8 and not asking[number]]
    count = min(max(scenes * len(SEVERAL) // SCENES, 1), len(long))
    several = [SEVERAL[place % len(SEVERAL)] for place in range(count)]
    for number, count in zip(film.rng.sample(long, len(several)), several, strict=True):
        asking[number] = count
    silent = [number for number in range(scenes) if not asking[number]]
    for number in film.rng.sample(silent, wanted - sum(asking)):
        asking[number] = 1
    return asking


def _ends(number: int, scenes: int) -> bool:
    return number == scenes - 1 or (number > 30 and number % 21 == 20)


def _places(lengths: Sequence[int]) -> list[tuple[str, int]]:
    """Gives the source of each scene, and where it begins there in steps: one source, as far as it may be that long."""
    found: list[tuple[str, int]] = []
    source, at = 0, 0
    for length in lengths:
        if at + length > LONGEST_SOURCE:
            source, at = source + 1, 0
        found.append((f"film{source or ''}", at))
        at += length
    return found


def _clock(steps: int) -> str:
    seconds = Fraction(steps * STEP, FILM_RATE.numerator)
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{int(rest):02}.{int(rest % 1 * 1000):03}"


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────


def read(section: str, name: str) -> str:
    """Spells a value as expressions read it."""
    plain = name.isidentifier() and name.isascii()
    return f"{section}.{name}" if plain else f"{section}['{name}']"


def _atoms(film: _Film) -> list[str]:
    """Gives something to ask of each variable, of scenes, decisions and inputs: no two are at odds with each other."""
    rng, found = film.rng, []
    for name, variable in film.state.items():
        value = read("state", name)
        if variable["type"] == "bool":
            found.append(rng.choice((value, f"!{value}")))
        elif variable["type"] == "int":
            at = rng.randint(1, variable["max"])
            found.append(f"{value} {rng.choice(('>=', '<', '==', '!='))} {at}")
        else:
            first, second = rng.sample(variable["values"], 2)
            found.append(
                rng.choice((f"{value} == '{first}'", f"{value} != '{first}'", f"{value} in ['{first}', '{second}']"))
            )
    found += [
        rng.choice((f"visited('{name}')", f"visits('{name}') < {rng.randint(1, 3)}", f"!visited('{name}')"))
        for name in rng.sample(film.names, 12)
    ]
    found += [
        f"chose('{name}') {rng.choice(('==', '!='))} '{rng.choice(choices)}'"
        for name, choices in rng.sample(film.decisions, 12)
    ]
    found += [f"profile.lang == '{rng.choice(('en', 'sv'))}'", "profile.cut != 'short'"]
    found += [name if name.isidentifier() else f"conditions['{name}']" for name in film.conditions]
    rng.shuffle(found)
    return found


def _nested(atoms: list[str], depth: int, *, either: bool) -> str:
    """Joins conditions by turns with `and` and `or`, so many parentheses deep."""
    join = " || " if either else " && "
    if depth == 0 or len(atoms) == 1:
        return join.join(atoms)
    own = max(len(atoms) // (depth + 1), 1)
    rest = atoms[own:]
    if not rest:
        return join.join(atoms)
    return join.join([*atoms[:own], f"({_nested(rest, depth - 1, either=not either)})"])


def condition(film: _Film, most: int, *, either: bool | None = None) -> str:
    """Gives a condition of so many characters at most, and hardly fewer."""
    either = film.rng.random() < 0.5 if either is None else either
    atoms = _atoms(film)
    count = min(most // 18 + 1, len(atoms))
    while len(text := _nested(atoms[:count], NESTED, either=either)) > most and count > 1:
        count -= 1
    return text


def _add_conditions(film: _Film) -> None:
    for number in range(24):
        name = f"{number}k" if number % 3 == 0 else f"knows_{number}"
        film.conditions[name] = condition(film, 60 + 30 * (number % 5))


def _some(film: _Film, *, beside: int = 0) -> str:
    """Gives a condition as authors write them: most are short, a few very long; so many characters stand beside it."""
    return condition(film, film.rng.choice((40, 60, 80, 120, 120, 250, 500, LONG - beside)))


# ── ways ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _near(film: _Film, number: int, *, ahead: bool) -> int:
    last = len(film.names) - 1
    low, high = (number + 1, number + 5) if ahead else (number - 9, number)
    return min(max(film.rng.randint(low, high), 0), last)


def _target(film: _Film, number: int) -> str:
    """Gives the way on from a scene: the next one, or the group that leads there at last."""
    group = film.home.get(number)
    return f"@{group}" if group is not None else film.names[number + 1]


def _back(film: _Film, number: int) -> Data:
    name = film.names[_near(film, number, ahead=False)]
    return {"to": name, "when": f"visits('{name}') < {film.rng.randint(2, 3)} && ({condition(film, 80)})"}


def _add_groups(film: _Film, asking: Sequence[int]) -> None:
    """Puts a group behind every second or third scene; some lead to the group before, some have the scene's name."""
    scenes = len(film.names)
    count = min(round(scenes * GROUPS / SCENES), 1000)
    homes = sorted(film.rng.sample([n for n in range(scenes - 1) if not _ends(n, scenes)], count))
    silent = [number for number in homes if not asking[number]]
    own = set(film.rng.sample(silent, min(len(silent), count // 6)))
    before: list[str] = []
    for place, number in enumerate(homes):
        name = film.names[number] if number in own else f"g{place}" if place % 2 else f"{place}G.{place % 5}"
        rules: list[Data] = []
        if film.rng.random() < 0.6:
            rules.append(_back(film, number))
        if before and film.rng.random() < 0.6:
            inner = f"@{film.rng.choice(before[-3:])}"
            rules.append({"to": inner, "when": f"visits('{film.names[number]}') < 2 && ({_some(film, beside=40)})"})
        rules += [
            {"to": film.names[_near(film, number, ahead=True)], "when": _some(film)}
            for _ in range(film.rng.randint(1, 3))
        ]
        if film.chance and film.rng.random() < 0.2:
            rules.append({"to": film.names[number + 1], "weight": film.rng.choice((1, 2.5))})
            rules.append({"to": film.names[_near(film, number, ahead=True)], "weight": 1})
        else:
            rules.append({"to": film.names[number + 1]})
        film.groups[name] = rules
        film.home[number] = name
        before.append(name)
    widest = film.home[homes[count // 2]]
    number = homes[count // 2]
    guarded = [
        {"to": film.names[_near(film, number, ahead=True)], "when": condition(film, LONG, either=False)}
        for _ in range(CANDIDATES)
    ]
    film.groups[widest] = [*guarded, film.groups[widest][-1]]


# ── scenes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _scene(film: _Film, number: int, questions: list[tuple[str, list[str]]], place: tuple[str, int]) -> Data:
    rng, scenes = film.rng, len(film.names)
    source, begins = place
    ends = _ends(number, scenes)
    length = film.lengths[number]
    scene: Data = {"media": {"src": source, "in": _clock(begins), "out": _clock(begins + length)}}
    if number % 23 == 7:
        scene["variants"] = [{"when": "profile.cut == 'short'", "out": _clock(begins + length - 24)}]
        if number % 2:
            scene["variants"].append({"when": _some(film), "in": _clock(begins + 8)})
    if number % 24 == 0:
        scene["checkpoint"] = {"id": f"{number}Stop", "label": f"Stop {number}"}
    if events := _events(film, number):
        scene["events"] = events
    if len(questions) == 1 and rng.random() < 0.7:
        scene["decision"] = _question(film, number, questions[0], ("-13s", "-4s"))
    elif questions:
        windows = [(f"{8 + 20 * index}s", f"{17 + 20 * index}s") for index in range(len(questions) - 1)]
        scene["decisions"] = [
            _question(film, number, question, window)
            for question, window in zip(questions, [*windows, ("-13s", "-4s")], strict=True)
        ]
    if ends:
        scene["end"] = {"id": f"E{number}", "goal": number == scenes - 1, "credits": "-20s"}
    elif film.home.get(number) != film.names[number]:
        scene["next"] = _next(film, number)
    return scene


def _next(film: _Film, number: int) -> list[Data]:
    rules: list[Data] = []
    if film.rng.random() < 0.2:
        rules.append({"to": film.names[_near(film, number, ahead=True)], "when": _some(film)})
    if film.rng.random() < 0.1:
        rules.append({**_back(film, number), "priority": 3})
    if film.chance and film.rng.random() < 0.1:
        rules.append({"to": film.names[_near(film, number, ahead=True)], "weight": 2})
        return [*rules, {"to": _target(film, number), "weight": 3}]
    return [*rules, {"to": _target(film, number)}]


def _effects(film: _Film, most: int) -> Data:
    found: Data = {}
    for name in film.rng.sample(list(film.state), film.rng.randint(0, most)):
        variable = film.state[name]
        value = read("state", name)
        match variable["type"]:
            case "bool":
                found[name] = film.rng.choice((True, True, False, f"!{value}"))
            case "int":
                found[name] = film.rng.choice((f"{value} + 1", f"{value} + 2", f"{value} - 1", variable["max"]))
            case _:
                found[name] = f"'{film.rng.choice(variable['values'])}'"
    return found


def _events(film: _Film, number: int) -> list[Data]:
    found: list[Data] = []
    if number % 7 == 3:
        found.append({"at": f"{film.rng.randint(16, 160) / 8:.3f}s", "set": _effects(film, 2)})
    if number % 11 == 5:
        found.append({"at": "-2s", "when": _some(film), "set": _effects(film, 3)})
    if number % 13 == 1:
        found.append({"at": "3s", "cue": f"cue{number}", "track": {"chapter": f"chapter {number // 20}"}})
    return found


def _question(film: _Film, number: int, question: tuple[str, list[str]], window: tuple[str, str]) -> Data:
    rng, (name, ids) = film.rng, question
    ends, last = _ends(number, len(film.names)), window[1] == "-4s"
    found: Data = {"id": name, "prompt": {"en": f"What now, {number}?", "sv": f"Vad nu, {number}?"}}
    immediate = last and not ends and film.lengths[number] >= 40 * 8 and rng.random() < 0.07
    if immediate:
        found["lock"] = "immediate"
    found["opens_at"], found["closes_at"] = ("-28s", "-12s") if immediate else window
    choices: list[Data] = []
    for index, each in enumerate(ids):
        choice: Data = {"id": each, "label": {"en": f"Do {each}", "sv": f"Gör {each}"}}
        if effects := _effects(film, 2):
            choice["set"] = effects
        if index and rng.random() < 0.15:
            choice["when"] = _some(film)
        choices.append(choice)
    _lead(film, number, choices, last=last)
    found["choices"] = choices
    free = not ends and not immediate and last
    found["default"] = "random" if film.chance and free and rng.random() < 0.05 else ids[0]
    if found["default"] == ids[0] and free and rng.random() < 0.06:
        found["default"] = "first"
    if free and rng.random() < 0.06:
        found["timeout"] = film.names[_near(film, number, ahead=True)]
    if ends and number % 2:
        found["hold"] = True
    return found


def _lead(film: _Film, number: int, choices: list[Data], *, last: bool) -> None:
    """Says where choices lead: the first one on, or at an ending nowhere; the others elsewhere, back, or nowhere."""
    rng, names = film.rng, film.names
    if _ends(number, len(names)):  # what is asked after an ending: stop, go on, or back to a checkpoint
        on = names[0] if number == len(names) - 1 else names[number + 1]
        choices[1]["to"] = on
        choices[1].pop("when", None)
        for choice in choices[2:]:
            choice["to"] = names[rng.randrange(0, number, 24)]
        return
    if not last:  # what is asked in the midst of a scene: mostly what is only remembered
        return
    for index, choice in enumerate(choices):
        drawn = rng.random()
        if index == 0 and drawn < 0.9:
            choice["to"] = _target(film, number)
        elif index and drawn < 0.2:
            choice["to"] = names[_near(film, number, ahead=False)]
        elif index and drawn < 0.85:
            choice["to"] = names[_near(film, number, ahead=True)]
        # else it makes no difference where the story goes


# ── with media ───────────────────────────────────────────────────────────────────────────────────────────────────


def film_package(story: Story, text: str) -> Package:
    """Gives the film with made-up media, cut at its own frames."""
    takes = {take for scene in story.scenes.values() for take in scene.takes}
    made = _maker()
    clips = {take: made(take) for take in takes}
    scenes = {name: tuple(clips[take] for take in scene.takes) for name, scene in story.scenes.items()}
    return packaged(story, text, scenes, {src: clip(src, LOOP_SECONDS) for src in hold_sources(story)})


def _maker() -> Callable[[Media], ClipIndex]:
    """Gives what makes clips: of the same length they have the same segments."""

    @cache
    def of_length(length: Ticks) -> ClipIndex:
        return clip("", length, rate=FILM_RATE)

    def made(take: Media) -> ClipIndex:
        assert take.end is not None
        found = of_length(Ticks(take.end - take.start))
        name = f"{take.src}{decimal_seconds(take.start, 3)}-{decimal_seconds(take.end, 3)}"
        return ClipIndex(id=_clip_id(name), frames=found.frames, duration=found.duration, renditions=found.renditions)

    return made


def _clip_id(name: str) -> str:
    return f"{int.from_bytes(name.encode()) % 16**24:024x}"


def film_stage(seed: int = 1, *, chance: bool = True) -> Stage:
    """Gives the film with made-up media, ready for a timeline."""
    text = film_text(seed, chance=chance)
    story = load_story(text, "film.yaml")
    return stage(story, film_package(story, text))


def seconds_of(ticks: Ticks) -> Fraction:
    """Gives ticks as seconds."""
    return Fraction(ticks, TICKS_PER_SECOND)
