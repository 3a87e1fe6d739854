"""Stories in a few words, and packages with made-up sizes, for tests of the core."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import msgspec

from streamer.library.filesystem import PACKAGE_FORMAT, revision_of
from streamer.media.index import (
    AUDIO_FRAME_SAMPLES,
    AUDIO_FRAME_TICKS,
    AudioRendition,
    ClipIndex,
    Package,
    RenditionIndex,
    Segment,
    VideoRendition,
)
from streamer.media.names import Namer
from streamer.packager.pipeline import mark_of
from streamer.packager.plan import Rate
from streamer.packager.plan import cuts as cuts_of
from streamer.playlists import Addresses
from streamer.rates import bit_rates
from streamer.session.timeline import Stage, Timeline, stage, start_timeline
from streamer.story.codec import compiled, load_story
from streamer.story.model import Media, Story, hold_sources, pictures_of
from streamer.units import TICKS_PER_SECOND, Ticks, seconds_to_ticks, units_of

RATE = Rate(numerator=25, denominator=1)
ADDRESSES = Addresses(namer=Namer(b"key of the tests"))


def seconds(value: str | float) -> Ticks:
    """Gives ticks of decimal seconds."""
    return seconds_to_ticks(Fraction(str(value)))


FLAGS = "!?*"
PARTS = "low_latency: true\n"
LOOP_SECONDS = seconds("5.04")


def story_text(lines: str) -> str:
    """Gives a story file: one scene a line, `a 12.52 -> b`, `a 12 -> b | c` (a decision), `a 8 .` (an ending).

    `a! …` locks with the first answer, `a? …` is held by the loop `idle`, `a* …` has a checkpoint of its name.
    """
    scenes = []
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        flagged, _, rest = line.split(maxsplit=2)
        name = flagged.rstrip(FLAGS)
        targets = [target.strip() for target in rest.removeprefix("->").split("|")] if rest != "." else []
        scenes.append(f"  {name}:\n    media: {{src: {name}}}")
        if "*" in flagged:
            scenes.append(f"    checkpoint: {{id: {name}, label: {name}}}")
        lock = ", lock: immediate" if "!" in flagged else ""
        hold = ", hold: true" if "?" in flagged else ""
        if len(targets) == 1:
            scenes.append(f"    next: [{{to: {targets[0]}}}]")
        elif targets:
            choices = ", ".join(f"{{id: {target}, label: Go to {target}, to: {target}}}" for target in targets)
            scenes.append(
                f"    decision: {{id: after-{name}, prompt: 'Where to?', opens_at: -9s, closes_at: -4s,"
                f" default: {targets[0]}{lock}{hold}, choices: [{choices}]}}"
            )
        else:
            scenes.append("    end: {id: " + name + "}")
    start = lines.split(maxsplit=1)[0].rstrip(FLAGS)
    defaults = "defaults: {hold: {src: idle, max: 8s}}\n" if "?" in lines else ""
    return f"story: 1\nid: test\ntitle: Test\nstart: {start}\n{defaults}scenes:\n" + "\n".join(scenes) + "\n"


def lengths_of(lines: str) -> dict[str, Ticks]:
    """Gives the lengths that the lines name."""
    found = {line.split()[0].rstrip(FLAGS): seconds(line.split()[1]) for line in lines.splitlines() if line.strip()}
    return {**found, "idle": LOOP_SECONDS} if "?" in lines else found


def clip(name: str, duration: Ticks, *, in_parts: bool = False, rate: Rate = RATE) -> ClipIndex:
    """Gives a clip of that length, cut as the packager cuts: 2 s, a tail under 0.5 s in its neighbour."""
    a_second, frame = rate.numerator, rate.frame_units
    frames = units_of(duration, a_second)
    parts = cuts_of(frames, rate, 2, parts=in_parts)
    cuts = [*range(0, frames, 2 * a_second), frames]
    if len(cuts) > 2 and cuts[-1] - cuts[-2] < a_second / 2:
        del cuts[-2]
    pictures = tuple(
        _segment((stop - start) * frame, tuple(part * frame for part in parts.parts_of_picture(number, 0)))
        for number, (start, stop) in enumerate(pairwise(cuts))
    )
    total = -(-duration // AUDIO_FRAME_TICKS)
    grid = [round(Fraction(cut * 48000, a_second * AUDIO_FRAME_SAMPLES)) for cut in cuts[:-1]] + [total]

    def sound(number: int, frames: int) -> Segment:
        lengths = tuple(part * AUDIO_FRAME_SAMPLES for part in parts.parts_of_sound(number, frames))
        return _segment(frames * AUDIO_FRAME_SAMPLES, lengths)

    sounds = tuple(sound(number, stop - start) for number, (start, stop) in enumerate(pairwise(grid)))
    others = tuple(
        tuple(sound(number, stop - start) for stop in sorted({math.floor(exact), math.ceil(exact)}) if stop != ordinary)
        for number, (exact, (start, ordinary)) in enumerate(
            zip(
                (Fraction(cut * 48000, a_second * AUDIO_FRAME_SAMPLES) for cut in cuts[1:]), pairwise(grid), strict=True
            )
        )
    )
    video = RenditionIndex(timescale=90_000, segments=pictures)
    return ClipIndex(
        id=name.encode().hex().ljust(24, "0")[:24],
        frames=frames,
        duration=duration,
        renditions={"v0": video, "v1": video, "a0": RenditionIndex(timescale=48_000, segments=sounds, others=others)},
    )


def _segment(duration: int, parts: tuple[int, ...]) -> Segment:
    return Segment(duration=duration, size=1000 + duration // 100, sha256="00" * 32, independent=True, parts=parts)


def clip_name(take: Media) -> str:
    """Gives the name of the made-up clip of a variant: of its source, and its end where it has one, as `intro@20`."""
    return take.src if take.end is None else f"{take.src}@{take.end // TICKS_PER_SECOND}"


def package(story: Story, text: str, lengths: dict[str, Ticks]) -> Package:
    """Gives a package of the story with made-up media."""
    clips = {name: clip(name, length, in_parts=story.low_latency) for name, length in lengths.items()}
    of_takes = {
        name: (clips[name], *(clips[clip_name(take)] for take in scene.takes[1:]))
        for name, scene in story.scenes.items()
    }
    return packaged(story, text, of_takes, {name: clips[name] for name in hold_sources(story)})


def packaged(story: Story, text: str, scenes: dict[str, tuple[ClipIndex, ...]], holds: dict[str, ClipIndex]) -> Package:
    """Gives a package of the story with the clips of its scenes' takes and of its hold loops."""
    videos = tuple(
        VideoRendition(
            id=name,
            codecs="avc1.64001f",
            timescale=90_000,
            init=name[-1] * 24,
            width=width,
            height=height,
            frame_rate=(25, 1),
        )
        for name, width, height in (("v0", 640, 360), ("v1", 1280, 720))
    )
    made = Package(
        format=PACKAGE_FORMAT,
        revision="",
        story_id=story.id,
        story_file="story.yaml",
        story_text=text,
        story=msgspec.Raw(compiled(text, "story.yaml")),
        target_duration=2,
        video=videos,
        audio=AudioRendition(id="a0", codecs="mp4a.40.2", timescale=48_000, init="a" * 24, name="Sound", channels=2),
        scenes=scenes,
        holds=holds,
        marks={
            decision.id: tuple(mark_of(story, decision, each, "v0") for each in scenes[scene.id])
            for scene in story.scenes.values()
            for decision in scene.decisions
        },
        pictures={name: f"{name.encode().hex():0<24.24}{name[name.rindex('.') :]}" for name in pictures_of(story)},
    )
    made = msgspec.structs.replace(made, bit_rates=bit_rates(story, made))
    return msgspec.structs.replace(made, revision=revision_of(made))


def staged(lines: str, *, in_parts: bool = False) -> Stage:
    """Gives a story in a few words with made-up media, ready for a timeline."""
    return staged_text(story_text(lines) + PARTS * in_parts, lengths_of(lines))


def grown(lines: str, *, in_parts: bool = False) -> Timeline:
    """Gives a path without decisions as if one before it had led there: it is listed at the pace of play."""
    return replace(start_timeline(staged(lines, in_parts=in_parts)), whole=False)


def staged_text(text: str, lengths: dict[str, Ticks]) -> Stage:
    """Gives a story file with made-up media, ready for a timeline."""
    story = load_story(text, "story.yaml")
    return stage(story, package(story, text, lengths))
