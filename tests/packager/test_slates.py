"""Slates: a written story is packaged before any of it is filmed, and says what it holds."""

from __future__ import annotations

import shutil
import unicodedata
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.errors import Finding, PackagingError
from streamer.library.filesystem import Library
from streamer.media.index import ClipIndex, Package
from streamer.media.ladder import VideoRung
from streamer.packager.lettering import Font, own_font
from streamer.packager.pipeline import Options
from streamer.packager.plan import Rate
from streamer.packager.process import run
from streamer.packager.slates import (
    BOTTOM,
    DEFAULT_LENGTH,
    HEIGHT,
    INNER,
    LOUDNESS,
    MARGIN,
    SMALL,
    STRIP_HEIGHT,
    WIDTH,
    Line,
    Slate,
    Slates,
    SlateSetting,
    slates_of,
)
from streamer.story.codec import load_story, read_story
from streamer.story.lint import check_lengths
from streamer.story.model import Story, hold_sources
from tests.builders import seconds
from tests.packager.conftest import LADDER, Bench
from tests.packager.test_pipeline import pictures, segments, sound

PAL = Rate(numerator=25, denominator=1)
FILM = Rate(numerator=24_000, denominator=1001)
FONT = Font(own_font())
PASSAGE = "It's 50% of \"all\": {so} she says; [he] counts, \\n and %{pts} isn't 'it'.\n\nЖизнь, Ελένη: Éva.\tEnd"
WRITTEN = f"""
story: 1
id: tested
title: "It's: a 100% {{written}} \\"story\\""
start: a
defaults: {{hold: {{src: idle, max: 20s}}}}
scenes:
  a:
    media: {{src: a}}
    text: {msgspec.json.encode(PASSAGE).decode()}
    decision:
      {{id: d, prompt: "Whom: do you follow, 100%?", default: b, hold: true,
       choices: [{{id: b, label: "'B', then", to: b}}, {{id: c, label: "C; or %{{n}}", to: b}}]}}
  b: {{media: {{src: film, in: 1s, out: 6.04s}}, end: {{id: b}}}}
"""


def told(text: str, *, length: str = "12", rate: Rate = PAL, font: Path | None = None) -> tuple[Story, Slates]:
    story = load_story(text, "story.yaml")
    sources = {take.src for scene in story.scenes.values() for take in scene.takes} | {*hold_sources(story)}
    return story, slates_of(story, frozenset(sources), SlateSetting(length=seconds(length), font=font), rate)


def of_scenes(found: Slates) -> dict[str, Slate]:
    """Gives the slate of each scene, by its id; of the last of its takes."""
    return {name: slate for (name, take), slate in found.slates.items() if take is not None}


def two_scenes(rest: str, before: str = "") -> str:
    """Gives a story whose second scene is `a`."""
    return (
        f"story: 1\nid: t\ntitle: T\nstart: b\n{before}"
        f"scenes: {{b: {{media: {{src: b}}, next: [{{to: a}}]}}, a: {{{rest}}}}}"
    )


def one_scene(rest: str, before: str = "") -> Slate:
    """Gives the slate of the scene `a` of a story of two."""
    return of_scenes(told(two_scenes(rest, before))[1])["a"]


def texts(slate: Slate) -> list[str]:
    return [line.text for line in slate.lines]


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300),
    st.sampled_from([28, 44]),
    st.integers(100, 1160),
)
@settings(deadline=None)
def test_a_text_of_any_script_is_broken_into_lines_that_fit_and_nothing_is_lost(
    text: str, size: int, width: int
) -> None:
    lines = FONT.lines(text, size, width)

    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        letters = "".join(mark for mark in line if not unicodedata.combining(mark))
        assert FONT.width(letters, size) <= width or len(letters) == 1


def test_lines_break_at_spaces_and_where_the_author_broke_them() -> None:
    assert FONT.lines("one two three\n\nfour", 40, round(FONT.width("one two", 40)) + 1) == [
        "one two",
        "three",
        "",
        "four",
    ]
    assert FONT.cut("one two three", 40, round(FONT.width("one t…", 40)) + 1) == "one t…"


def test_a_long_passage_is_shortened_and_stays_above_what_is_decided() -> None:
    choices = ", ".join(f"{{id: c{number}, label: Choice {number}, to: b}}" for number in range(16))
    decision = f"decision: {{id: d, prompt: {'Why? ' * 90}, default: c0, choices: [{choices}]}}"
    long = choices.replace("Choice", "A choice as long as many a line is")

    slate = one_scene(f"media: {{src: a}}, text: {'many words ' * 400}, {decision}")

    assert all(FONT.width(line.text, line.size) <= INNER for line in slate.lines)
    assert all(later.baseline - earlier.baseline >= later.size for earlier, later in pairwise(slate.lines))
    assert slate.lines[-1].baseline == BOTTOM
    passage = [line.text for line in slate.lines if "many" in line.text]
    assert passage[-1].endswith("…")
    assert len(passage) > 4
    assert texts(slate)[-4].endswith("…")
    assert [line.count("•") for line in texts(slate)[-3:]] == [6, 6, 4]
    slate = one_scene(f"media: {{src: a}}, text: {'many words ' * 400}, {decision.replace(choices, long)}")
    assert [line.count("•") for line in texts(slate)[-6:]] == [0, 2, 2, 2, 2, 0]
    assert texts(slate)[-1] == "… and 4 more lines"


def test_a_short_passage_is_written_large_and_a_long_name_small() -> None:
    short = one_scene("media: {src: a}, text: Short., end: {id: e}")
    text = (
        f"story: 1\nid: t\ntitle: T\nstart: {'W' * 64}\nscenes: {{{'W' * 64}: {{media: {{src: a}}, end: {{id: e}}}}}}"
    )
    (long,) = of_scenes(told(text)[1]).values()

    assert [line.size for line in short.lines] == [SMALL, 92, 44]
    assert long.lines[1].size == 40
    assert long.lines[1].text.endswith("W…")
    assert FONT.width(long.lines[1].text, 40) <= INNER


def test_a_slate_lasts_as_the_scene_says_or_as_long_as_its_decision_needs_and_that_is_told() -> None:
    decision = "decision: {id: d, prompt: P, default: x, choices: [{id: x, label: X, to: b}]%s}"
    text = f"""
story: 1
id: t
title: T
start: a
scenes:
  a: {{media: {{src: a}}, {decision % ""}}}
  b: {{media: {{src: a, in: 3s, out: 21.01s}}, {decision.replace("id: d", "id: e") % ""}}}
  c: {{media: {{src: a}}, {decision.replace("id: d", "id: f") % ", opens_at: 20s, closes_at: 31.5s"}}}
  e: {{media: {{src: a}}, end: {{id: e}}}}
"""

    story, found = told(text)
    _, film = told(text, rate=FILM)

    assert {name: slate.frames for name, slate in of_scenes(found).items()} == {"a": 350, "b": 451, "c": 900, "e": 300}
    assert found.notes == ("slates longer than 12 s, as the times in their scenes need it: a 14 s, c 36 s",)
    for slate, least in zip(of_scenes(film).values(), (14, 18.01, 36, 12), strict=True):
        assert least <= float(slate.seconds) < least + 0.05
    assert of_scenes(told(text, length="14.5")[1])["e"].frames == 363
    assert seconds(12) == DEFAULT_LENGTH
    assert story.id == "t"


def test_the_first_scene_lasts_until_its_lock_may_come() -> None:
    text = (
        "story: 1\nid: t\ntitle: T\nstart: a\nscenes: {a: {media: {src: a}, decision: {id: d, prompt: P, default: x,"
        " opens_at: -5s, closes_at: -4s, choices: [{id: x, label: X, to: a}]}}}"
    )

    assert of_scenes(told(text, length="5")[1])["a"].frames == 250  # 6 s before the lock, 4 s after it


EVENTS = st.lists(st.integers(-20, 40).map(lambda at: f"{{at: {at}s, cue: c}}"), max_size=2)


def window(begins: int, length: int, other_end: bool) -> tuple[int, int]:
    """Gives an opening and a lock, in seconds: both from the scene's start or end, or one from the other end."""
    if begins < 0:
        begins = min(begins, -5)
        return begins, length if other_end else min(begins + length, -4)
    return begins, -4 - length if other_end else begins + length


WINDOWS = st.lists(st.builds(window, st.integers(-30, 30), st.integers(1, 12), st.booleans()), max_size=3)


@example([], [(1, 9), (-6, -5)], None, False)  # 15 s at least: the second opens after the first
@example([], [(0, -9), (2, 4)], None, False)  # 11 s at most, likewise
@example([], [(-12, -8)], None, True)  # 14 s: no lock within 6 s
@example(["{at: 30s, cue: c}"], [], -31, False)
@given(EVENTS, WINDOWS, st.one_of(st.none(), st.integers(-20, 40)), st.booleans())
@settings(deadline=None)
def test_where_any_length_gives_all_that_happens_in_a_scene_its_time_a_slate_has_one(
    events: list[str], windows: list[tuple[int, int]], rolls: int | None, opens: bool
) -> None:
    decisions = ", ".join(
        f"{{id: d{number}, opens_at: {begins}s, closes_at: {closes}s, default: x, choices: [{{id: x, label: X}}]}}"
        for number, (begins, closes) in enumerate(sorted(windows, key=lambda times: (times[0] < 0, times[0])))
    )
    end = "{id: e}" if rolls is None else f"{{id: e, credits: {rolls}s}}"
    text = two_scenes(f"media: {{src: a}}, events: [{', '.join(events)}], decisions: [{decisions}], end: {end}")
    story, _ = read_story(text.replace("start: b", "start: a") if opens else text, "story.yaml")
    if story is None:
        return

    slate = of_scenes(slates_of(story, frozenset("a"), SlateSetting(), PAL))["a"]

    def mistakes(half_seconds: int) -> tuple[Finding, ...]:
        return check_lengths(story, {"a": (seconds(half_seconds / 2),)}, "")

    found = check_lengths(story, {"a": (seconds(str(float(slate.seconds))),)}, "")
    assert not found or all(mistakes(half_seconds) for half_seconds in range(200))


def test_a_slate_is_shorter_where_the_times_of_its_scene_leave_no_other_way() -> None:
    decision = "decision: {id: d, opens_at: -5s, closes_at: 5s, default: x, choices: [{id: x, label: X}]}"

    _, found = told(two_scenes(f"media: {{src: a}}, {decision}, end: {{id: e}}"))

    assert of_scenes(found)["a"].seconds == 9
    assert found.notes == ("slates shorter than 12 s, as the times in their scenes need it: a 9 s",)


def test_a_slate_shows_all_that_its_scene_asks() -> None:
    one = "{id: one, prompt: 'Well, {profile.name|you}?', opens_at: 0, closes_at: 6s, default: x, choices: [%s]}"
    two = "{id: two, opens_at: 7s, closes_at: 13s, default: w, choices: [{id: w, label: 'Gold: {state.gold}'}]}"
    choices = "{id: x, label: Aye}, {id: z, label: 'Nay, {profile.name|you}'}"
    before = (
        "profile: {name: {type: string, default: Ann, pii: true, source: token}}\n"
        "state: {gold: {type: int, default: 3}}\n"
    )

    slate = one_scene(f"media: {{src: a}}, decisions: [{one % choices}, {two}], end: {{id: e}}", before)

    assert texts(slate)[2:] == ["Well, you?", "• Aye", "• Nay, you", "two", "• Gold: 3"]
    assert slate.seconds == 17  # four seconds after the last lock


def test_every_variant_without_footage_has_a_slate_that_says_which_it_is() -> None:
    variants = "variants: [{when: visited('b'), src: night}, {out: 6s}]"
    text = two_scenes(f"media: {{src: day, in: 1s, out: 9s}}, {variants}, text: Words., end: {{id: e}}")
    story = load_story(text, "story.yaml")

    found = slates_of(story, frozenset({"night"}), SlateSetting(), PAL).slates
    both = slates_of(story, frozenset({"night", "day"}), SlateSetting(), PAL).slates

    day, night, short_day, short_night = story.scenes["a"].takes
    assert [*found] == [("a", night), ("a", short_night)]
    assert {use: slate.digest for use, slate in found.items()} == {use: both[use].digest for use in found}
    assert [texts(both["a", take])[2] for take in (day, night, short_day, short_night)] == [
        "Variant 1 of 4: day from 1.000 s to 9.000 s",
        "Variant 2 of 4: night from 1.000 s to 9.000 s",
        "Variant 3 of 4: day from 1.000 s to 6.000 s",
        "Variant 4 of 4: night from 1.000 s to 6.000 s",
    ]
    assert [both["a", take].frames for take in (day, night, short_day, short_night)] == [200, 200, 125, 125]
    assert len({slate.colour for slate in both.values()}) == 4
    lines = both["a", day].lines
    assert all(later.baseline - earlier.baseline >= later.size for earlier, later in pairwise(lines))


def test_every_scene_has_a_colour_of_its_own_that_stays_when_others_come() -> None:
    def story(names: list[str]) -> str:
        scenes = ", ".join(f"{name}: {{media: {{src: x}}, end: {{id: {name}}}}}" for name in names)
        return f"story: 1\nid: t\ntitle: T\nstart: {names[0]}\nscenes: {{{scenes}}}"

    thirty, seventy = ([f"{kind}{number}" for number in range(many)] for kind, many in (("s", 30), ("t", 70)))
    before = of_scenes(told(story(thirty))[1])
    after = of_scenes(told(story([*thirty, *seventy]))[1])

    assert len({slate.colour for slate in before.values()}) == 30
    assert {name: after[name].digest for name in before} == {name: slate.digest for name, slate in before.items()}
    assert len({slate.colour for slate in after.values()}) == 48


def test_characters_that_the_font_lacks_are_told(tmp_path: Path) -> None:
    text = "story: 1\nid: t\ntitle: T日\nstart: a\nscenes: {a: {media: {src: a}, text: 'é 本 👋', end: {id: e}}}"
    (tmp_path / "no.ttf").write_bytes(b"no font")

    assert told(text)[1].notes == (
        "Inter[opsz,wght].ttf lacks characters of the story's texts (日 本 👋). Name a font that has them",
    )
    with pytest.raises(PackagingError, match=r"no\.ttf: is no font that can be read .* Name a \.ttf or \.otf file"):
        told(text, font=tmp_path / "no.ttf")
    with pytest.raises(PackagingError, match=r"gone\.ttf: is no font"):
        told(text, font=tmp_path / "gone.ttf")


# ── with the real ffmpeg ─────────────────────────────────────────────────────────────────────────────────────────

LARGE = msgspec.structs.replace(
    LADDER,
    video=(VideoRung(id="v0", width=640, height=360, bitrate_kbps=600, max_bitrate_kbps=900, level="3.1"),),
)
INK = 70  # levels of luma that letters are brighter than their ground


async def looked_at(bench: Bench, package: Package, clip: ClipIndex, frame: int) -> NDArray[np.int16]:
    """Gives a decoded picture as RGB, 360 lines."""
    stream = [await bench.library.read_init(package.video[0].init), *await segments(bench, clip, "v0")]
    argv = [bench.tools.ffmpeg, "-v", "warning", "-i", "pipe:0", "-vf", f"select=eq(n\\,{frame})", "-frames:v", "1"]
    finished = await run([*argv, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], feed=[b"".join(stream)])
    assert (finished.code, finished.complaints) == (0, "")
    return np.frombuffer(finished.output, "u1").reshape(HEIGHT // 2, WIDTH // 2, 3).astype("i2")


def ink_of(picture: NDArray[np.int16], line: Line) -> tuple[float, float]:
    """Gives where the letters of a line begin and end, in pixels of the canvas."""
    rows = picture[(line.baseline - line.size) // 2 : line.baseline // 2, :, 1]
    columns = np.flatnonzero((rows - np.median(rows) > INK * line.opacity).any(axis=0))
    return float(columns[0]) * 2, float(columns[-1] + 1) * 2


async def test_a_story_without_any_footage_is_packaged_and_its_pictures_hold_its_words(
    bench: Bench, tmp_path: Path
) -> None:
    notes: list[str] = []
    bench.ladder = LARGE
    bench.library = Library(tmp_path / "it's: [a] library, 100%; \\ of it")
    bench.story.write_text(WRITTEN, "utf-8")
    bench.options = Options(slates=SlateSetting(), on_note=notes.append)
    shutil.rmtree(bench.folder / "footage")
    _, expected = told(WRITTEN)

    package = await bench.package()

    assert notes == ["slates longer than 12 s, as the times in their scenes need it: a 14 s"]
    assert {name: clip.frames for name, (clip,) in package.scenes.items()} == {"a": 350, "b": 126}
    assert package.holds["idle"].frames == 100
    for slate, (clip,) in (*zip(of_scenes(expected).values(), package.scenes.values(), strict=True),):
        picture = await looked_at(bench, package, clip, 60)
        ground = [int(slate.colour[at : at + 2], 16) for at in (0, 2, 4)]
        assert np.abs(picture[200, 630] - ground).max() <= 12
        for line in slate.lines[1:]:  # the counter stands beside the title
            begins, ends = ink_of(picture, line)
            # Kerning and the sides of letters aside, a line is as wide as its characters, each drawn as it is.
            assert abs(begins - MARGIN) <= 12
            assert abs(ends - MARGIN - FONT.width(line.text, line.size)) <= 0.1 * line.size + 0.02 * (ends - begins)
    assert of_scenes(expected)["a"].lines[2].text.startswith('It\'s 50% of "all": {so} she says;')
    assert texts(of_scenes(expected)["a"])[-3:] == ["Whom: do you follow, 100%?", "• 'B', then", "• C; or %{n}"]


async def test_a_slate_moves_and_sounds_and_nothing_else_of_it_changes(bench: Bench) -> None:
    bench.ladder = LARGE
    bench.story.write_text(WRITTEN, "utf-8")
    bench.options = Options(slates=SlateSetting())
    _, expected = told(WRITTEN)

    package = await bench.package()

    early, later = [await looked_at(bench, package, package.scenes["a"][0], frame) for frame in (10, 340)]
    moved = np.abs(early - later).max(axis=2) > INK
    strip = HEIGHT // 2 - STRIP_HEIGHT // 2
    assert moved[:40, 520:].any()  # the counter
    assert moved[strip:].mean() > 0.8  # the strip has filled
    assert not moved[40:strip].any()
    loop = [await looked_at(bench, package, package.holds["idle"], frame) for frame in (0, 50, 99)]
    shown = [(picture[strip + 2, :, 1] - np.median(picture[strip + 2, :, 1]) > INK).sum() for picture in loop]
    assert 70 <= shown[1] <= 90
    assert max(shown[0], shown[2]) <= 10  # gone at the end, as it is not yet there at the beginning
    heard = await sound(bench, package, ("a", False))
    spectrum = np.abs(np.fft.rfft(heard[48_000:96_000]))
    tones = [round(196 * 2 ** (slate.slot / 24)) for slate in of_scenes(expected).values()]
    assert abs(int(spectrum.argmax()) - tones[0]) <= 1
    assert abs(np.abs(heard[4800:]).max() - LOUDNESS) < 0.01
    assert tones[0] != tones[1]


async def test_slates_join_with_footage_without_a_seam(bench: Bench) -> None:
    bench.write("a: {media: {src: tone, out: 3.2s}, next: [{to: b}]}\n  b: {media: {src: gone, out: 3s}, end: {id: b}}")
    bench.options = Options(slates=SlateSetting())

    package = await bench.package()

    assert len({path.stem for path in (bench.library.root / "init").iterdir()}) == 3
    assert await pictures(bench, package, "v1", "a", "b", "a", "b") == (2 * (80 + 75), "")
    joined = await sound(bench, package, ("a", False), ("b", False), ("b", False))
    steps = np.abs(np.diff(joined[int(3.1 * 48_000) :]))
    assert steps.max() < 0.06  # a tone of 441 Hz at 0.25 has steps of 0.015; its end may lie anywhere


async def test_what_is_filmed_of_a_scene_is_shown_and_slates_stand_in_for_its_other_variants(bench: Bench) -> None:
    bench.write(
        "a: {media: {src: tone, out: 3.2s}, end: {id: a},"
        " variants: [{when: visited('a'), src: gone}, {when: visits('a') > 1, out: 5s}]}"
    )
    bench.options = Options(slates=SlateSetting())

    package = await bench.package()

    assert [clip.frames for clip in package.scenes["a"]] == [80, 80, 125, 125]
    assert len({clip.id for clip in package.scenes["a"]}) == 4
    shutil.copy(bench.folder / "footage" / "tone.mkv", bench.folder / "footage" / "gone.mkv")
    filmed = await bench.package()
    (bench.folder / "footage" / "gone.mkv").unlink()
    day, night, short_day, short_night = filmed.scenes["a"]
    assert (day, short_day) == (night, short_night) == package.scenes["a"][::2]


async def test_a_slate_is_drawn_once_and_gives_way_to_footage(bench: Bench) -> None:
    bench.story.write_text(WRITTEN, "utf-8")
    bench.options = Options(slates=SlateSetting())

    first = await bench.package()
    drawn = bench.stages.copy()
    again = await bench.package()
    unchanged = bench.stages.copy()
    bench.story.write_text(WRITTEN.replace("she says", "he says"), "utf-8")
    changed = await bench.package()
    shutil.copy(bench.folder / "footage" / "tone.mkv", bench.folder / "footage" / "film.mkv")
    filmed = await bench.package()
    (bench.folder / "footage" / "film.mkv").unlink()

    assert "drawing" in drawn
    assert "drawing" not in unchanged
    assert again == first
    assert changed.scenes["a"][0].id != first.scenes["a"][0].id
    assert changed.scenes["b"] == first.scenes["b"]
    assert filmed.scenes["a"] == changed.scenes["a"]
    assert "drawing" not in bench.stages
    assert filmed.scenes["b"][0].id != first.scenes["b"][0].id
    bench.options = Options()
    with pytest.raises(PackagingError, match=r"no footage 'a' .*, or package with --slates"):
        await bench.package()
