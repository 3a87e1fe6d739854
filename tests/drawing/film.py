"""Writes a story of the shape of an interactive film: hundreds of scenes, most of them deciding, with ways back."""

from __future__ import annotations

import random

STRANDS = 3  # a, b and c: ways side by side through a chapter
STEPS = 8  # scenes of a strand; a chapter begins with one scene that all strands come from
CHAPTER = STRANDS * STEPS + 1
PROMPTS = ("Open the letter?", "Who do you call first?", "Do you tell them what you saw in the archive last night?")
LABELS = ("Open it", "Leave it", "Call the station", "Say nothing", "Tell her the whole truth about the tapes", "Run")


def film(scenes: int = 250, decisions: int = 174, seed: int = 4) -> str:
    """Gives the story file, the same for the same numbers; `scenes` are whole chapters, with two choices a decision."""
    draw = random.Random(seed)
    places = ["hub", *(f"{strand}{step}" for strand in "abc" for step in range(1, STEPS + 1))]
    names = [f"{chapter + 1}{place}" for chapter in range(scenes // CHAPTER) for place in places]
    endings = {number for number in range(len(names)) if number % (2 * CHAPTER) == CHAPTER - 2}
    endings.add(len(names) - 1)
    deciding = set(draw.sample(sorted(set(range(len(names))) - endings), decisions))
    groups, lines = ["  recap: [{to: 1hub, when: \"visits('1hub') < 3\"}, {to: 1a1}]"], []
    for number, name in enumerate(names):
        chapter, place = divmod(number, CHAPTER)
        first, after = chapter * CHAPTER, min((chapter + 1) * CHAPTER, len(names) - 1)
        lines.append(f"  {name}:")
        lines.append(f"    media: {{src: reel, in: {number * 40}s, out: {number * 40 + draw.randrange(20, 40)}s}}")
        if place == 0:
            lines.append(f"    checkpoint: {{id: c{name}, label: Chapter {chapter + 1}}}")
        if number in endings:
            lines.append(f"    end: {{id: end-{name}}}")
            continue
        one, other = _ahead(draw, place, first, after, names)
        if place % 7 == 6:
            groups.append(f"  g{name}: [{{to: {other}, when: \"visits('{other}') < 2\"}}, {{to: {one}}}]")
            other = f'"@g{name}"'
        elif place == CHAPTER - 1:
            other = '"@recap"'
        if number in deciding:
            labels = draw.sample(LABELS, 2)
            lines.append(f'    decision: {{id: d{name}, prompt: "{draw.choice(PROMPTS)}", default: one, choices: [')
            lines.append(f'      {{id: one, label: "{labels[0]}", to: {one}}},')
            lines.append(f'      {{id: other, label: "{labels[1]}", to: {other}}}]}}')
        else:
            lines.append(f"    next: [{{to: {other}, when: \"visits('{name}') == 2\"}}, {{to: {one}}}]")
    head = [f"story: 1\nid: film\ntitle: A film\nstart: {names[0]}\ngroups:", *groups, "scenes:"]
    return "\n".join([*head, *lines]) + "\n"


def _ahead(draw: random.Random, place: int, first: int, after: int, names: list[str]) -> tuple[str, str]:
    """Gives where two ways from a scene lead: on along its strand; and to another one, on to the end, or back."""
    if place == 0:
        return names[first + 1], names[first + 1 + STEPS * draw.randrange(1, STRANDS)]
    strand, step = divmod(place - 1, STEPS)
    on = after if step == STEPS - 1 else first + place + 1
    if step == 1 and strand == 0:
        return names[on], names[first + 1 + STEPS]  # every strand is led to
    if step == 2 and strand == 0:
        return names[on], names[first + 1 + 2 * STEPS]
    if draw.random() < 0.12:
        return names[on], names[first]
    across = first + 1 + (strand + 1) % STRANDS * STEPS + min(step + 1, STEPS - 1)
    return names[on], names[draw.choice((across, across, min(on + 1, after)))]
