"""Packaging with the real ffmpeg: joins without a seam, nothing twice, nothing half-made."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.errors import PackagingError
from streamer.library.filesystem import Library
from streamer.media.index import AUDIO_FRAME_SAMPLES, ClipIndex, Package
from streamer.media.mp4 import decode_time_of, duration_of, read_samples, shift_decode_time
from streamer.packager.process import run
from streamer.packager.tools import Tools
from tests.packager.conftest import CONTIGUOUS, LADDER, SECONDS, TONE, Bench

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
RATE = 48_000
CODING_NOISE = 0.02  # full scale 1; ffmpeg's encoder leaves 0.01 of a sine of 0.25 anywhere, a bad join 0.1 and more
HELD = (
    "a: {media: {src: tone}, decision: {id: d, prompt: Which?, default: b, hold: {src: loop, max: 20s},"
    " closes_at: -1s, opens_at: -4s, lock: immediate, choices: [{id: b, label: B, to: b}]}}"
    "\n  b: {media: {src: silent}, end: {id: b}}"
)
DIFFERENT = "a: {media: {src: square}, next: [{to: b}]}\n  b: {media: {src: silent}, end: {id: b}}"


def other(clip: ClipIndex, rendition: str, wanted: bool) -> int:
    """Gives the AAC frames of the last segment's other length; 0: it is not wanted."""
    return clip.renditions[rendition].others[-1][0].duration // AUDIO_FRAME_SAMPLES if wanted else 0


async def segments(bench: Bench, clip: ClipIndex, rendition: str, *, short: bool = False) -> list[bytes]:
    """Gives all segments of a clip's rendition; `short`: the last is the shorter one."""
    last = len(clip.renditions[rendition].segments) - 1
    return [
        await bench.library.read_segment(clip.id, rendition, number, other(clip, rendition, short and number == last))
        for number in range(last + 1)
    ]


async def sound(bench: Bench, package: Package, *clips: tuple[str, bool]) -> NDArray[np.float64]:
    """Gives what a decoder makes of scenes played one after the other: left channel, full scale 1."""
    stream = [await bench.library.read_init(package.audio.init)]
    offset = 0
    for scene, short in clips:
        found = await segments(bench, package.scenes[scene][0], "a0", short=short)
        stream += [shift_decode_time(segment, offset) for segment in found]
        offset = decode_time_of(stream[-1]) + duration_of(stream[-1])
    command = [bench.tools.ffmpeg, "-v", "warning", "-i", "pipe:0", "-f", "s16le", "-ac", "2", "pipe:1"]
    finished = await run(command, feed=[b"".join(stream)])
    assert (finished.code, finished.complaints) == (0, "")
    return np.frombuffer(finished.output, "<i2")[::2] / 32768


async def pictures(bench: Bench, package: Package, rendition: str, *scenes: str) -> tuple[int, str]:
    """Gives how many pictures a decoder makes of scenes played one after the other, and what it says."""
    video = next(video for video in package.video if video.id == rendition)
    stream = [await bench.library.read_init(video.init)]
    offset = 0
    for scene in scenes:
        found = await segments(bench, package.scenes[scene][0], rendition)
        stream += [shift_decode_time(segment, offset) for segment in found]
        offset = decode_time_of(stream[-1]) + duration_of(stream[-1])
    command = [bench.tools.ffmpeg, "-v", "warning", "-i", "pipe:0", "-fps_mode", "passthrough"]
    finished = await run([*command, "-f", "framecrc", "pipe:1"], feed=[b"".join(stream)])
    lines = [line for line in finished.output.decode().splitlines() if not line.startswith("#")]
    times = [int(line.split(",")[2]) for line in lines]
    assert all(later > earlier for earlier, later in pairwise(times))
    return len(times), finished.complaints


def sine(start: int, count: int) -> NDArray[np.float64]:
    return 0.25 * np.sin(2 * np.pi * TONE * (start + np.arange(count)) / RATE)


async def test_clips_of_any_source_share_the_initialization_sections_of_their_renditions(bench: Bench) -> None:
    bench.write(DIFFERENT.replace("end: {id: b}", "next: [{to: c}]") + "\n  c: {media: {src: tone}, end: {id: c}}")

    package = await bench.package()

    stored = {path.stem for path in (bench.library.root / "init").iterdir()}
    assert stored == {*(video.init for video in package.video), package.audio.init}
    assert len(stored) == 3
    assert [video.codecs for video in package.video] == ["avc1.64001f"] * 2
    assert package.audio.codecs == "mp4a.40.2"
    assert package.target_duration == 2
    assert package.scenes["b"][0].frames == 83  # 80 pictures at 23.976 a second are 3.337 s
    count, said = await pictures(bench, package, "v1", "a", "b", "c", "a")
    assert (count, said) == (sum(package.scenes[scene][0].frames for scene in "abca"), "")


async def test_segments_begin_with_key_frames_at_exact_frames_and_lie_end_to_end(bench: Bench) -> None:
    package = await bench.package()

    expected = {"a": [50, 30], "b": [50, 56]}
    for scene, lengths in expected.items():
        clip = package.scenes[scene][0]
        for video in package.video:
            init = await bench.library.read_init(video.init)
            at = 0
            for number, data in enumerate(await segments(bench, clip, video.id)):
                known = clip.renditions[video.id].segments[number]
                _, samples = read_samples(io.BytesIO(init + data).read)
                found = list(samples)
                assert found[0].is_sync
                assert not any(sample.composition_offset for sample in found)
                assert len(found) == lengths[number]
                assert decode_time_of(data) == at
                assert (duration_of(data), len(data)) == (known.duration, known.size)
                assert hashlib.sha256(data).hexdigest() == known.sha256
                at += known.duration
            assert at == clip.frames * 3600
        assert len(clip.renditions["a0"].segments) == len(lengths)


async def test_the_sound_of_contiguous_clips_of_one_source_joins_as_if_it_had_never_been_cut(bench: Bench) -> None:
    package = await bench.package()

    played = await sound(bench, package, ("a", False), ("b", True))

    assert package.scenes["a"][0].renditions["a0"].others[-1] == ()  # 3.2 s are 150 AAC frames
    join = int(3.2 * RATE)
    around = slice(join - 4800, join + 4800)
    assert np.abs(played[around] - sine(around.start, 9600)).max() < CODING_NOISE
    inside = slice(1024, int(7.2 * RATE))
    assert np.abs(played[inside] - sine(1024, inside.stop - 1024)).max() < CODING_NOISE


async def test_a_clip_sounds_as_its_source_from_the_first_frame_that_a_decoder_can_know(bench: Bench) -> None:
    package = await bench.package()

    first, second = [await sound(bench, package, (scene, False)) for scene in "ab"]

    # A decoder that starts here lacks the frame before: the first one is half there, the next whole.
    assert np.abs(first[1024:9000] - sine(1024, 7976)).max() < CODING_NOISE
    start = int(3.2 * RATE) + AUDIO_FRAME_SAMPLES
    assert np.abs(second[1024:9000] - sine(start, 7976)).max() < CODING_NOISE


async def test_the_last_sound_segment_exists_a_frame_shorter_where_the_length_does_not_fit(bench: Bench) -> None:
    package = await bench.package()
    clip = package.scenes["b"][0]
    index = clip.renditions["a0"]

    long, short = [(await segments(bench, clip, "a0", short=short))[-1] for short in (False, True)]

    (known,) = index.others[-1]
    assert duration_of(long) - duration_of(short) == AUDIO_FRAME_SAMPLES
    assert (duration_of(short), len(short)) == (known.duration, known.size)
    assert decode_time_of(long) == decode_time_of(short)
    played = await sound(bench, package, ("b", True), ("b", False))
    assert len(played) == (198 + 199) * AUDIO_FRAME_SAMPLES  # 4.24 s are 198.75 frames
    assert short in long or long.startswith(short[:8])


async def test_every_sound_segment_exists_as_the_last_of_a_scene_that_is_cut(bench: Bench) -> None:
    package = await bench.package()
    clip = package.scenes["b"][0]
    picture, index = clip.renditions["v0"], clip.renditions["a0"]
    begins, end = 0, Fraction(0)
    for number, others in enumerate(index.others):
        end += Fraction(picture.segments[number].duration, picture.timescale)
        exact = end * RATE / AUDIO_FRAME_SAMPLES
        ordinary = index.segments[number].duration // AUDIO_FRAME_SAMPLES
        lengths = {begins + length.duration // AUDIO_FRAME_SAMPLES for length in others} | {begins + ordinary}
        assert {math.floor(exact), math.ceil(exact)} <= lengths
        for length in others:
            frames = length.duration // AUDIO_FRAME_SAMPLES
            data = await bench.library.read_segment(clip.id, "a0", number, frames)
            assert (duration_of(data), len(data)) == (length.duration, length.size)
            assert decode_time_of(data) == begins * AUDIO_FRAME_SAMPLES
        begins += ordinary


async def test_a_loop_follows_itself_without_a_seam(bench: Bench) -> None:
    bench.write(HELD)
    package = await bench.package()
    clip = package.holds["loop"]

    data = [await bench.library.read_init(package.audio.init)]
    offset = 0
    for _ in range(3):
        found = await segments(bench, clip, "a0")
        data += [shift_decode_time(segment, offset) for segment in found]
        offset = decode_time_of(data[-1]) + duration_of(data[-1])
    command = [bench.tools.ffmpeg, "-v", "warning", "-i", "pipe:0", "-f", "s16le", "-ac", "2", "pipe:1"]
    finished = await run(command, feed=[b"".join(data)])
    played = np.frombuffer(finished.output, "<i2")[::2] / 32768

    assert (finished.code, finished.complaints) == (0, "")
    assert len(played) == 3 * 240 * AUDIO_FRAME_SAMPLES
    inside = slice(1024, len(played))
    wanted = 0.25 * np.sin(2 * np.pi * 250 * np.arange(inside.start, inside.stop) / RATE)
    assert np.abs(played[inside] - wanted).max() < CODING_NOISE


async def test_times_between_two_frames_move_to_the_nearer_where_the_scene_says_so(bench: Bench) -> None:
    exact = await bench.package()
    bench.write(CONTIGUOUS.replace("out: 3.2s}", "out: 3.219s, snap: true}").replace("3.2s}", "3.181s, snap: true}"))

    package = await bench.package()

    assert package.scenes == exact.scenes


async def test_times_of_variants_lie_on_frames_too_or_move_with_those_of_their_scene(bench: Bench) -> None:
    scene = "a: {media: {src: tone, out: 3.2s}, variants: [{in: 0.401s}, {out: 5.219s}], end: {id: a}}"
    bench.write(scene)

    with pytest.raises(PackagingError) as told:
        await bench.package()
    bench.write(scene.replace("src: tone,", "src: tone, snap: true,"))
    package = await bench.package()

    first, problem = str(told.value).splitlines()
    assert first.startswith("scene 'a': variants: in: 0.401s falls between two frames, of 25 a second.")
    assert problem.startswith("scene 'a': variants: out: 5.219s falls between two frames, of 25 a second.")
    assert problem.endswith("Write 5.200s or 5.240s, or 'snap: true' in its media for the nearer one")
    assert [clip.frames for clip in package.scenes["a"]] == [80, 70, 130, 120]


async def test_a_loop_without_footage_is_told(bench: Bench) -> None:
    bench.write(HELD.replace("src: loop, max", "src: nothing, max"))

    with pytest.raises(PackagingError, match="hold 'nothing': there is no footage"):
        await bench.package()


async def test_a_source_without_sound_is_silent_and_one_with_too_little_ends_in_silence(bench: Bench) -> None:
    bench.write(DIFFERENT)

    package = await bench.package()

    loud, silent = [await sound(bench, package, (scene, False)) for scene in "ab"]
    assert not silent.any()
    assert np.abs(loud[: int(2.9 * RATE)]).max() > 0.05
    assert np.abs(loud[int(3.1 * RATE) :]).max() < 0.001
    assert len(loud) == -(-int(package.scenes["a"][0].frames * RATE / 25) // AUDIO_FRAME_SAMPLES) * AUDIO_FRAME_SAMPLES


async def test_what_is_unchanged_is_not_encoded_again(bench: Bench) -> None:
    first = await bench.package()
    assert "encoding" in bench.stages

    second = await bench.package()
    assert "encoding" not in bench.stages
    assert second == first

    bench.write(CONTIGUOUS.replace("out: 3.2s", "out: 4s").replace("in: 3.2s", "in: 3.2s, out: 7.4s"))
    third = await bench.package()
    assert "encoding" in bench.stages  # another span, another clip
    assert third.revision != first.revision
    assert bench.library.load("tested", first.revision) == first  # the former stays


async def test_the_same_input_gives_the_same_names_everywhere(bench: Bench, tmp_path: Path) -> None:
    first = await bench.package()
    bench.library = Library(tmp_path / "another")

    assert await bench.package() == first


async def test_a_source_of_the_same_content_is_known_by_it_whatever_its_date(bench: Bench) -> None:
    await bench.package()
    source = bench.folder / "footage" / "tone.mkv"
    os.utime(source, ns=(1, 1))

    await bench.package()

    assert "encoding" not in bench.stages


async def test_a_damaged_clip_is_encoded_again(bench: Bench) -> None:
    package = await bench.package()
    damaged = bench.library.root / "clips" / package.scenes["a"][0].id / "v1-0.m4s"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])

    assert (await bench.package()).scenes["a"] == package.scenes["a"]
    assert damaged.read_bytes() == whole


@pytest.mark.parametrize(
    ("scenes", "prepare", "problem"),
    [
        (
            "a: {media: {src: gone}, end: {id: a}}",
            None,
            r"scene 'a': there is no footage 'gone' in .*footage\. Put it there as gone\.mp4, .* with --slates",
        ),
        (
            "a: {media: {src: tone}, end: {id: a}}",
            lambda folder: shutil.copy(folder / "silent.mp4", folder / "tone.mp4"),
            r"footage 'tone' is in .* more than once: tone\.mkv and tone\.mp4\. Leave one of them",
        ),
        (
            "a: {media: {src: broken}, end: {id: a}}",
            lambda folder: (folder / "broken.mp4").write_bytes(b"no film" * 999),
            r"broken\.mp4, the footage of scene 'a', is no video that ffmpeg can read .*Export it again",
        ),
        (
            "a: {media: {src: picture-less}, end: {id: a}}",
            None,
            r"picture-less\.wav, the footage of scene 'a', holds no picture",
        ),
        (
            "a: {media: {src: cut}, end: {id: a}}",
            lambda folder: (folder / "cut.mkv").write_bytes((folder / "tone.mkv").read_bytes()[:400_000]),
            r"cut\.mkv, the footage of scene 'a', (breaks off after|cannot be decoded whole)",
        ),
        (
            "a: {media: {src: tone, in: 0.01s, out: 3.21s}, end: {id: a}}",
            None,
            r"(?s)media\.in: 0\.010s falls between two frames, of 25 .* 0\.000s or 0\.040s, or 'snap.*out: 3\.210s",
        ),
        (
            "a: {media: {src: tone, out: 9s}, end: {id: a}}",
            None,
            r"scene 'a': media\.out: 9\.000 s lies beyond the end of its footage, which is 7\.440 s long",
        ),
        (
            "a: {media: {src: tone, out: 7.52s}, end: {id: a}}",
            None,
            r"scene 'a': media\.out: 7\.520 s lies beyond the end of its footage, which is 7\.440 s long",
        ),
        (
            "a: {media: {src: tone, in: 6s}, end: {id: a}}",
            None,
            r"scene 'a' is 1\.440 s long, shorter than one segment of 2 s\. Make it longer",
        ),
    ],
)
async def test_unfit_footage_is_refused_by_name_with_a_remedy(
    bench: Bench, scenes: str, prepare: Callable[[Path], object] | None, problem: str
) -> None:
    bench.write(scenes)
    if prepare is not None:
        prepare(bench.folder / "footage")

    with pytest.raises(PackagingError, match=problem):
        await bench.package()

    assert bench.library.stories() == ()
    assert not (bench.library.root / ".work").exists()


async def test_a_frame_rate_that_cannot_be_packaged_is_refused(bench: Bench) -> None:
    bench.ladder = msgspec.structs.replace(LADDER, frame_rate=(23, 1))

    with pytest.raises(PackagingError, match="a frame rate of 23/1 cannot be packaged"):
        await bench.package()


async def test_a_failing_ffmpeg_is_quoted_with_the_source_it_failed_on(bench: Bench, tmp_path: Path) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho 'moov atom eaten by mice' >&2\nexit 1\n", "ascii")
    fake.chmod(0o755)
    bench.tools = replace(bench.tools, ffmpeg=str(fake))

    with pytest.raises(PackagingError, match=r"(?s)tone\.mkv, the footage of scene 'a', .*eaten by mice"):
        await bench.package()


async def test_a_killed_run_leaves_nothing_half_made_and_the_next_one_finishes(bench: Bench) -> None:
    first = await bench.package()
    bench.write(DIFFERENT)
    await _killed_once_it_encodes(bench)

    assert bench.library.current("tested") == first.revision
    assert list((bench.library.root / ".work").iterdir())  # it was in the middle

    second = await bench.package()

    assert bench.library.current("tested") == second.revision != first.revision
    assert not (bench.library.root / ".work").exists()
    for clip in (bench.library.root / "clips").iterdir():
        assert (clip / "index.json").exists()


async def _killed_once_it_encodes(bench: Bench) -> None:
    async with _packaging(bench, stop_at="encoding") as process:
        process.send_signal(signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def _packaging(bench: Bench, stop_at: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Packages the story in a process of its own; gives it once it tells of a stage."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from streamer.library.filesystem import Library\nfrom streamer.packager.pipeline import package\n"
        "from streamer.packager.tools import find_tools\nfrom streamer.story.codec import load_story\n"
        "from tests.packager.conftest import LADDER\n"
        "story, library = map(Path, sys.argv[1:])\ntext = story.read_text()\n"
        "tell = lambda progress: print(progress.stage, flush=True)\n"
        "loaded = load_story(text, 'story.yaml')\n"
        "asyncio.run(package(loaded, story, text, Library(library), LADDER, find_tools(), tell))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(bench.story), str(bench.library.root)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while (await process.stdout.readline()).decode().strip() != stop_at:
                assert not process.stdout.at_eof()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # its pipe, before the loop is gone


async def test_a_second_run_waits_for_the_first(bench: Bench) -> None:
    async with _packaging(bench, stop_at="encoding") as process:
        os.kill(process.pid, signal.SIGSTOP)
        second = asyncio.create_task(bench.package())
        async with asyncio.timeout(30):
            await bench.is_waiting.wait()
        assert set(bench.stages) == {"reading", "waiting"}
        os.kill(process.pid, signal.SIGCONT)

        await second

    assert "encoding" not in bench.stages  # the first had done it


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Gives a folder on a disk of its own, of 800 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED: a small disk needs root to mount it ({mounted.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_is_said_and_the_former_package_still_served(bench: Bench, small_disk: Path) -> None:
    bench.library = Library(small_disk / "library")
    bench.write("a: {media: {src: silent}, end: {id: a}}")
    first = await bench.package()
    bench.write(CONTIGUOUS)

    with pytest.raises(PackagingError, match=r"disk of .*library is full; .* Make room .*, then package again"):
        await bench.package()

    assert not (small_disk / "library" / ".work").exists()
    reader = Library(small_disk / "library")
    assert reader.load("tested", reader.current("tested")) == first
    assert await sound(bench, first, ("a", False)) is not None


async def test_ffmpeg_ended_by_a_signal_is_said(bench: Bench, tmp_path: Path, tools: Tools) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\nkill -9 $$\n", "ascii")
    fake.chmod(0o755)
    bench.tools = replace(tools, ffmpeg=str(fake))

    with pytest.raises(PackagingError, match=r"was not decoded: ffmpeg was ended by signal 9"):
        await bench.package()


def test_the_footage_is_as_long_as_these_tests_believe() -> None:
    assert SECONDS * 25 == 186
