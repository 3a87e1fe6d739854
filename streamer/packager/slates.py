"""Slates: what stands in for footage that is not there yet, drawn from the story's own words."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import ffmpeg
import msgspec

from streamer.media.index import AUDIO_SAMPLE_RATE
from streamer.packager.commands import Given
from streamer.packager.lettering import Font, own_font, plain
from streamer.packager.plan import Rate, sample_at
from streamer.story.labels import label_for_all
from streamer.story.lint import OPENING, SHORTEST_SCENE
from streamer.story.model import Decision, Media, Scene, Story, hold_sources, text_in
from streamer.story.rules import scenes_of
from streamer.units import TICKS_PER_SECOND, Ticks, decimal_seconds

FORMAT = 1  # of what is drawn; another one draws everything anew
DEFAULT_LENGTH = Ticks(12 * TICKS_PER_SECOND)
LOOP_SECONDS = 4

# The canvas that is scaled to every rendition; at 360 lines everything is half as large.
WIDTH, HEIGHT = 1280, 720
MARGIN = 60
INNER = WIDTH - 2 * MARGIN
SMALL = 28  # pixels of the title, the counter and what is decided: 14 at 360 lines
HEADING = range(92, 39, -4)
PASSAGE = (44, 38, 32, SMALL)
COUNTER_WIDTH = 240
TITLE_AT, HEADING_AT, PASSAGE_AT, BOTTOM = 64, 168, 246, 676  # baselines, but for BOTTOM: the last one
LEADING = Fraction(4, 3)  # of a line, in ems
VARIANT_AT, BELOW_VARIANT = 216, 36  # baseline of which variant it is, and how much lower the passage begins then
PROMPT_LINES = 2
MOST_SHOWN = 2500  # characters of a passage that are laid out; no slate has room for so many
DECISION_LINES = 11  # of all prompts and choices
DECISION_LINES_BELOW = 7  # where a passage stands above them
BULLET, GAP = "• ", "    "
STRIP_HEIGHT = 12
RUNNER_WIDTH = 160  # of what runs through a loop

# A picture that hardly moves needs no search, and no better quality than can be seen: a third less work.
_X264 = ":qpmin=22:rc-lookahead=0:mbtree=0:subme=0:me=dia:aq-mode=0:trellis=0:partitions=none"

COLOURS = 48  # hues, two brightnesses each in turn
LOUDNESS = 0.04  # of full scale: -28 dBFS
LOWEST_TONE, TONE_STEPS = 196.0, 24  # Hz, and tones an octave


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text on a slate."""

    text: str
    size: int  # pixels
    baseline: int  # pixels from the top
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slate:
    """One picture with something that moves, and one tone."""

    lines: tuple[Line, ...]
    font: Path
    font_digest: str
    slot: int  # its colour and its tone
    frames: int
    rate: Rate
    loops: bool

    @property
    def seconds(self) -> Fraction:
        """Its length."""
        return self.rate.seconds(self.frames)

    @property
    def digest(self) -> str:
        """What its picture and sound depend on, as hex."""
        rate = (self.rate.numerator, self.rate.denominator)
        inputs = (FORMAT, self.lines, self.font_digest, self.slot, self.frames, rate, self.loops)
        return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()

    @property
    def colour(self) -> str:
        """Its ground, as RRGGBB; dark enough for white letters."""
        hue, brightness = self.slot / COLOURS, (0.42, 0.30)[self.slot % 2]
        return "".join(f"{round(255 * part):02X}" for part in colorsys.hsv_to_rgb(hue, 0.65, brightness))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateSetting:
    """How slates are to be made."""

    length: Ticks = DEFAULT_LENGTH  # of scenes that do not say theirs
    font: Path | None = None  # None: the one that comes with the packages


Use = tuple[str, Media | None]  # what shows a clip: a scene's id and one of its takes, or a hold's source and None


def where_of(use: Use) -> str:
    """Names what shows a clip, for messages."""
    name, take = use
    return f"hold {name!r}" if take is None else f"scene {name!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slates:
    """All slates of a story."""

    slates: Mapping[Use, Slate]
    notes: tuple[str, ...]  # what the author should know


def slates_of(story: Story, missing: frozenset[str], setting: SlateSetting, rate: Rate) -> Slates:
    """Gives the slates of all takes and loops whose source is missing.

    Raises:
        PackagingError: the font cannot be read.
    """
    font = Font(setting.font or own_font())
    digest = hashlib.sha256(font.path.read_bytes()).hexdigest()
    scenes = [scene for scene in story.scenes.values() if any(take.src in missing for take in scene.takes)]
    takes = [(scene, take) for scene in scenes for take in scene.takes if take.src in missing]
    holds = [src for src in hold_sources(story) if src in missing]
    openings = scenes_of(story, story.start)
    lengths = {scene.id: _length(story, scene, setting.length, opens=scene.id in openings) for scene in scenes}
    slots = _slots([*(_slot_name(scene, take) for scene, take in takes), *(f"hold {src}" for src in holds)])
    slate = partial(Slate, font=font.path, font_digest=digest, rate=rate)
    found: dict[Use, Slate] = {}
    for scene, take in takes:
        length = lengths[scene.id] if take.end is None else Ticks(take.end - take.start)
        found[scene.id, take] = slate(
            lines=_scene_lines(story, scene, take, font),
            slot=slots[_slot_name(scene, take)],
            frames=_frames(length, rate),
            loops=False,
        )
    for src in holds:
        found[src, None] = slate(
            lines=_loop_lines(story, src, font),
            slot=slots[f"hold {src}"],
            frames=_frames(Ticks(LOOP_SECONDS * TICKS_PER_SECOND), rate),
            loops=True,
        )
    used = {scene.id: lengths[scene.id] for scene, take in takes if take.end is None}
    return Slates(slates=found, notes=(*_of_other_length(used, setting.length), *_undrawn(story, scenes, font)))


def given(slate: Slate, folder: Path) -> Given:
    """Gives a slate's streams for ffmpeg; the texts are written into `folder`, for no filter takes any text as it is.

    The still picture is drawn once; only the counter and the strip at the bottom are drawn for each frame.
    """
    rate = f"{slate.rate.numerator}/{slate.rate.denominator}"
    picture = ffmpeg.input(f"color=c=0x{slate.colour}:s={WIDTH}x{HEIGHT}:r={rate}", format="lavfi")
    picture = picture.filter("trim", end_frame=1)
    for number, line in enumerate(slate.lines):
        path = folder / f"line-{number}.txt"
        path.write_text(line.text, "utf-8")
        picture = picture.filter(
            "drawtext",
            **_lettered(slate, line.size, line.opacity),
            textfile=str(path),
            expansion="none",
            x=MARGIN,
            y=f"{line.baseline}-ascent",
        )
    frame = f"{slate.rate.denominator}/{slate.rate.numerator}"
    picture = picture.filter("loop", loop=-1, size=1, start=0).filter("settb", frame).filter("setpts", "N")
    width = RUNNER_WIDTH if slate.loops else WIDTH
    way = WIDTH + width if slate.loops else WIDTH
    strip = ffmpeg.input(f"color=c=white@0.8:s={width}x{STRIP_HEIGHT}:r={rate},format=yuva420p", format="lavfi")
    # It fills the edge while the scene goes by. In a loop it leaves as it came: the last picture leads to the first.
    place = f"n*{way}/{slate.frames}-{width}"
    picture = ffmpeg.overlay(picture, strip, x=place, y=HEIGHT - STRIP_HEIGHT, shortest=1)
    if not slate.loops:
        picture = picture.filter(
            "drawtext",
            **_lettered(slate, SMALL, 0.75),
            text=f"%{{frame_num}} / {slate.frames}",
            x=f"w-{MARGIN}-tw",
            y=f"{TITLE_AT}-ascent",
        )
    return Given(picture=picture.filter("trim", end_frame=slate.frames), sound=_tone(slate), matrix="bt709", x264=_X264)


def _lettered(slate: Slate, size: int, opacity: float) -> dict[str, object]:
    return {"fontfile": str(slate.font), "fontsize": size, "fontcolor": f"white@{opacity}"}


def _tone(slate: Slate) -> Any:
    """A whole number of periods, so that it neither begins nor ends with a click, and a loop of it has no seam."""
    samples = sample_at(slate.frames, slate.rate)
    hertz = LOWEST_TONE * 2 ** (slate.slot / TONE_STEPS)
    periods = round(hertz * float(slate.seconds))
    wave = f"{LOUDNESS}*sin(2*PI*{periods}*n/{samples})"
    sound = ffmpeg.input(f"aevalsrc={wave}|{wave}:s={AUDIO_SAMPLE_RATE}", format="lavfi")
    return sound.filter("atrim", end_sample=samples)


def _slots(names: list[str]) -> dict[str, int]:
    """Gives each name a colour of its own, and nearly always the same one whatever others there are."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    for name in names:
        slot = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % COLOURS
        while slot in taken:
            slot = (slot + 1) % COLOURS
        found[name] = slot
        taken.add(slot)
        if len(taken) == COLOURS:
            taken.clear()
    return found


def _slot_name(scene: Scene, take: Media) -> str:
    name = f"scene {scene.id}"
    return name if take == scene.media else f"{name} {take.src} {take.start} {take.end}"


def _length(story: Story, scene: Scene, length: Ticks, *, opens: bool) -> Ticks:
    """Gives the length of a scene's slates where they do not say theirs: whole seconds, if they can be.

    Args:
        story: the story.
        scene: one that has a slate.
        length: taken where nothing in the scene needs another.
        opens: the story may begin with this scene.
    """
    least, most = _bounds(story, scene, opens=opens)
    if least <= length and (most is None or length <= most):
        return length
    seconds = Ticks(-(-least // TICKS_PER_SECOND) * TICKS_PER_SECOND)
    return seconds if most is None or seconds <= most else least


def _bounds(story: Story, scene: Scene, *, opens: bool) -> tuple[Ticks, Ticks | None]:
    """Gives how long a scene is at least, and at most (None: as long as you like), for its times to be in order.

    This is what `lint.check_lengths` finds out of a length that is known.
    """
    least, most = [0], []
    for before, gap, after in _order(story, scene, opens=opens):
        if not before.from_end and after.from_end:
            least.append(before.at + gap - after.at)
        elif before.from_end and not after.from_end:
            most.append(after.at - gap - before.at)
    return Ticks(max(least)), Ticks(min(most)) if most else None


@dataclass(frozen=True, slots=True)
class _Instant:
    at: int  # ticks
    from_end: bool  # of the scene; else from its start


_START, _END = _Instant(0, from_end=False), _Instant(0, from_end=True)


def _instant(at: Ticks) -> _Instant:
    return _Instant(at, from_end=at < 0)


def _order(story: Story, scene: Scene, *, opens: bool) -> Iterator[tuple[_Instant, int, _Instant]]:
    """Gives instants of a scene in pairs, with how many ticks the second comes after the first at least."""
    yield _START, SHORTEST_SCENE, _END
    instants = [event.at for event in scene.events]
    if scene.end is not None and scene.end.credits is not None:
        instants.append(scene.end.credits)
    for at in instants:
        yield _START, 0, _instant(at)
        yield _instant(at), 1, _END
    for decision in scene.decisions:
        begins, closes = _instant(decision.opens_at), _instant(decision.closes_at)
        yield _START, 0, begins
        yield begins, 1, closes
        yield _START, OPENING if opens else 1, closes
        yield closes, 0 if decision.immediate else story.lead, _END
    for one, other in pairwise(scene.decisions):
        yield _instant(one.closes_at), 0, _instant(other.opens_at)


def _frames(length: Ticks, rate: Rate) -> int:
    return -(-length // rate.frame)


def _of_other_length(lengths: Mapping[str, Ticks], length: Ticks) -> Iterator[str]:
    for word, found in (
        ("longer", {name: each for name, each in lengths.items() if each > length}),
        ("shorter", {name: each for name, each in lengths.items() if each < length}),
    ):
        if found:
            told = ", ".join(f"{name} {each / TICKS_PER_SECOND:g} s" for name, each in found.items())
            yield f"slates {word} than {length / TICKS_PER_SECOND:g} s, as the times in their scenes need it: {told}"


def _undrawn(story: Story, scenes: Sequence[Scene], font: Font) -> Iterator[str]:
    texts = [label_for_all(story, story.title)]
    for scene in scenes:
        texts.append(text_in(scene.text, story.language) if scene.text is not None else "")
        for decision in scene.decisions:
            texts.append(label_for_all(story, decision.prompt) if decision.prompt is not None else "")
            texts += [label_for_all(story, choice.label) for choice in decision.choices]
    lacking = sorted(font.lacks("".join(texts)))
    if lacking:
        shown = " ".join(lacking[:10]) + (" …" if len(lacking) > 10 else "")  # noqa: PLR2004
        yield f"{font.path.name} lacks characters of the story's texts ({shown}). Name a font that has them"


# ── what is written where ────────────────────────────────────────────────────────────────────────────────────────


def _scene_lines(story: Story, scene: Scene, take: Media, font: Font) -> tuple[Line, ...]:
    passage = plain(text_in(scene.text, story.language)).strip() if scene.text is not None else ""
    asked = _asked(story, scene, DECISION_LINES_BELOW if passage else DECISION_LINES, font)
    first = BOTTOM - (len(asked) - 1) * _leading(SMALL)
    decided = (
        Line(text=text, size=SMALL, baseline=first + number * _leading(SMALL)) for number, text in enumerate(asked)
    )
    variant = _variant_lines(scene, take, font)
    top = PASSAGE_AT + BELOW_VARIANT if variant else PASSAGE_AT
    room = first - _leading(SMALL) if asked else BOTTOM
    return (*_head(story, scene.id, font), *variant, *_passage_lines(passage, top, room, font), *decided)


def _loop_lines(story: Story, src: str, font: Font) -> tuple[Line, ...]:
    waits = "Waiting for an answer"
    return (*_head(story, src, font), Line(text=waits, size=PASSAGE[0], baseline=PASSAGE_AT + PASSAGE[0], opacity=0.9))


def _head(story: Story, name: str, font: Font) -> tuple[Line, ...]:
    title = font.cut(plain(label_for_all(story, story.title)), SMALL, INNER - COUNTER_WIDTH)
    size = next((size for size in HEADING if font.width(name, size) <= INNER), HEADING[-1])
    return (
        Line(text=title, size=SMALL, baseline=TITLE_AT, opacity=0.75),
        Line(text=font.cut(name, size, INNER), size=size, baseline=HEADING_AT),
    )


def _variant_lines(scene: Scene, take: Media, font: Font) -> tuple[Line, ...]:
    """Says which footage of a scene a slate stands in for, where there are several."""
    takes = scene.takes
    if len(takes) == 1:
        return ()
    begins = f" from {decimal_seconds(take.start, 3)} s" if take.start else ""
    ends = f" to {decimal_seconds(take.end, 3)} s" if take.end is not None else ""
    text = f"Variant {takes.index(take) + 1} of {len(takes)}: {take.src}{begins}{ends}"
    return (Line(text=font.cut(text, SMALL, INNER), size=SMALL, baseline=VARIANT_AT, opacity=0.75),)


def _asked(story: Story, scene: Scene, most: int, font: Font) -> list[str]:
    """Gives the lines of a scene's decisions: a choice a line where that fits, else one after the other."""
    lines: list[str] = []
    for flowing in (False, True):
        lines = [
            line for each in scene.decisions for line in _decision_texts(story, scene, each, font, flowing=flowing)
        ]
        if len(lines) <= most:
            return lines
    return [*lines[: most - 1], f"… and {len(lines) - most + 1} more lines"]


def _decision_texts(
    story: Story,
    scene: Scene,
    decision: Decision,
    font: Font,
    *,
    flowing: bool,
) -> list[str]:
    prompt: list[str] = []
    if decision.prompt is not None:
        prompt = font.lines(label_for_all(story, decision.prompt), SMALL, INNER)
    elif len(scene.decisions) > 1:  # what parts it from the one before
        prompt = [font.cut(decision.id, SMALL, INNER)]
    if len(prompt) > PROMPT_LINES:
        rest = " ".join(prompt[PROMPT_LINES - 1 :])
        prompt[PROMPT_LINES - 1 :] = [font.cut(rest, SMALL, INNER)]
    labels = [
        font.cut(f"{BULLET}{plain(label_for_all(story, choice.label))}", SMALL, INNER) for choice in decision.choices
    ]
    return [*prompt, *(_flowing(labels, font) if flowing else labels)]


def _flowing(labels: Sequence[str], font: Font) -> list[str]:
    """Puts labels one after the other, as many a line as fit."""
    lines: list[str] = []
    for label in labels:
        longer = f"{lines[-1]}{GAP}{label}" if lines else label
        if lines and font.width(longer, SMALL) <= INNER:
            lines[-1] = longer
        else:
            lines.append(label)
    return lines


def _passage_lines(passage: str, first: int, last: int, font: Font) -> tuple[Line, ...]:
    """Gives the passage as large as it fits between two baselines, else as much as fits."""
    if not passage:
        return ()
    if len(passage) > MOST_SHOWN:
        passage = passage[:MOST_SHOWN] + "…"
    for size in PASSAGE:
        lines = font.lines(passage, size, INNER)
        most = 1 + (last - first) // _leading(size)
        if len(lines) <= most:
            break
    else:
        lines = [*lines[: most - 1], font.cut(" ".join(lines[most - 1 :]), size, INNER)]
    return tuple(
        Line(text=text, size=size, baseline=first + number * _leading(size), opacity=0.92)
        for number, text in enumerate(lines)
        if text
    )


def _leading(size: int) -> int:
    return round(size * LEADING)
