"""The library: what is there is whole, what is not is named, and no id leads out of the folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from streamer.errors import LibraryError
from streamer.library.filesystem import PACKAGE_FORMAT, Encoded, Library, SourceHash, content_id, revision_of
from streamer.media.index import AudioRendition, ClipIndex, Mark, Package, RenditionIndex, Segment, VideoRendition
from streamer.units import Ticks

INIT = b"ftyp and moov"
KEY = "ab" * 32

FORMAT = f'"format":{PACKAGE_FORMAT}'.encode()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Gives an empty library."""
    return Library(tmp_path / "library")


def segment(data: bytes) -> Segment:
    return Segment(duration=1, size=len(data), sha256=hashlib.sha256(data).hexdigest(), independent=True)


def long_segment(data: bytes) -> Segment:
    return Segment(duration=2 * 1024, size=len(data), sha256=hashlib.sha256(data).hexdigest(), independent=True)


CLIP = ClipIndex(
    id="c" * 24,
    frames=50,
    duration=Ticks(2),
    renditions={
        "v0": RenditionIndex(timescale=90_000, segments=(segment(b"one"), segment(b"two"))),
        "a0": RenditionIndex(
            timescale=48_000, segments=(segment(b"la"), segment(b"lala")), others=((), (long_segment(b"lal"),))
        ),
    },
)
FILES = {"v0-0": b"one", "v0-1": b"two", "a0-0": b"la", "a0-1": b"lala", "a0-1-2": b"lal"}
AUDIO = AudioRendition(id="a0", codecs="mp4a.40.2", timescale=48_000, init=content_id(INIT), name="Sound", channels=2)
VIDEO = VideoRendition(
    id="v0",
    codecs="avc1.64001f",
    timescale=90_000,
    init=content_id(INIT),
    width=640,
    height=360,
    frame_rate=(25, 1),
)
ENCODED = Encoded(clip=CLIP.id, video=(VIDEO,), audio=AUDIO)


def package(story_id: str = "sample", text: str = "story: 1") -> Package:
    draft = Package(
        format=PACKAGE_FORMAT,
        revision="",
        story_id=story_id,
        story_file="story.yaml",
        story_text=text,
        story=msgspec.Raw(b"{}"),
        target_duration=2,
        video=(VIDEO,),
        audio=AUDIO,
        scenes={"yard": (CLIP,)},
    )
    return msgspec.structs.replace(draft, revision=revision_of(draft))


async def store(library: Library, name: str = "clip") -> None:
    async with library.writing(lambda: None) as work:
        folder = work / name
        folder.mkdir()
        for file, data in FILES.items():
            (folder / f"{file}.m4s").write_bytes(data)
        library.store_clip(folder, CLIP)
        library.store_init(INIT)
        library.remember_encoded(KEY, ENCODED)


async def test_what_is_stored_is_read_back(library: Library) -> None:
    await store(library)

    assert await library.read_segment(CLIP.id, "v0", 1) == b"two"
    assert await library.read_segment(CLIP.id, "a0", 1, 2) == b"lal"
    assert await library.read_init(content_id(INIT)) == INIT
    assert await library.read_clip(CLIP.id) == CLIP
    assert library.encoded(KEY) == (ENCODED, CLIP)


async def test_a_clips_index_is_read_once(library: Library) -> None:
    await store(library)
    first = await library.read_clip(CLIP.id)
    (library.root / "clips" / CLIP.id / "index.json").unlink()

    assert await library.read_clip(CLIP.id) is first


def test_the_newest_revision_is_current_and_the_former_stays(library: Library) -> None:
    former, newer = package(), package(text="story: 1 # mended")

    library.publish(former)
    library.publish(newer)
    library.publish(package("another"))

    assert library.stories() == ("another", "sample")
    assert library.current("sample") == newer.revision
    assert library.load("sample", newer.revision) == newer
    assert library.load("sample", former.revision) == former


def test_an_empty_or_missing_library_has_no_stories(library: Library) -> None:
    assert library.stories() == ()
    with pytest.raises(LibraryError, match=r"story 'sample' is not packaged: .*current is missing\. Package it with"):
        library.current("sample")


def test_a_revision_is_that_of_its_content(library: Library) -> None:
    with pytest.raises(LibraryError, match="is not that of its content"):
        library.publish(msgspec.structs.replace(package(), revision="0" * 16))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: data[:-9], "is damaged: .*Package the story again"),
        (lambda data: data.replace(b"story: 1", b"story: 2"), "is damaged: its content is not that of its name"),
        (
            lambda data: data.replace(FORMAT, b'"format":9'),
            f"has format 9, not {PACKAGE_FORMAT}",
        ),
    ],
)
def test_a_damaged_package_is_named(library: Library, damage: object, problem: str) -> None:
    made = package()
    library.publish(made)
    path = library.root / "stories" / "sample" / f"{made.revision}.json"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]

    with pytest.raises(LibraryError, match=problem) as caught:
        library.load("sample", made.revision)
    assert str(path) in str(caught.value)


def test_a_damaged_current_is_named(library: Library) -> None:
    library.publish(package())
    (library.root / "stories" / "sample" / "current").write_bytes(b"\xff\n")

    with pytest.raises(LibraryError, match=r"current names no revision\. Package the story again"):
        library.current("sample")


def test_a_missing_revision_is_named(library: Library) -> None:
    with pytest.raises(LibraryError, match=f"revision {'0' * 16} of story 'sample' is not packaged"):
        library.load("sample", "0" * 16)


async def test_missing_and_damaged_media_are_named(library: Library) -> None:
    await store(library)
    (library.root / "clips" / CLIP.id / "index.json").write_bytes(b"{")

    with pytest.raises(LibraryError, match=r"v0-7\.m4s is missing\. Package the story again"):
        await library.read_segment(CLIP.id, "v0", 7)
    with pytest.raises(LibraryError, match=r"index\.json is damaged"):
        await library.read_clip(CLIP.id)
    with pytest.raises(LibraryError, match=r"is missing"):
        await library.read_init("0" * 24)


async def test_what_cannot_be_read_is_named(library: Library) -> None:
    await store(library)
    path = library.root / "init" / f"{content_id(INIT)}.mp4"
    path.unlink()
    path.mkdir()
    (library.root / "stories" / "sample" / "current").mkdir(parents=True)

    with pytest.raises(LibraryError, match=r"cannot be read: Is a directory"):
        await library.read_init(content_id(INIT))
    with pytest.raises(LibraryError, match=r"current cannot be read: Is a directory"):
        library.current("sample")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "x" * 65, "sample\n", "samp\0le"])
def test_no_story_id_leads_out_of_the_library(library: Library, name: str) -> None:
    with pytest.raises(LibraryError, match="is no story's id"):
        library.current(name)
    with pytest.raises(LibraryError, match="is no story's id"):
        library.load(name, "0" * 16)
    with pytest.raises(LibraryError, match="is no revision's id"):
        library.load("sample", name)


@pytest.mark.parametrize("name", ["", "..", "../" * 8, "c" * 23, "C" * 24, "c" * 24 + "\n", "/etc/passwd"])
async def test_no_media_id_leads_out_of_the_library(library: Library, name: str) -> None:
    with pytest.raises(LibraryError, match="is no clip's id"):
        await library.read_segment(name, "v0", 0)
    with pytest.raises(LibraryError, match="is no clip's id"):
        await library.read_clip(name)
    with pytest.raises(LibraryError, match="is no initialization section's id"):
        await library.read_init(name)
    with pytest.raises(LibraryError, match="is no rendition's id"):
        await library.read_segment(CLIP.id, name or "../v0", 0)


@pytest.mark.parametrize("number", [-1, 1_000_000])
async def test_a_number_that_no_segment_has_is_refused(library: Library, number: int) -> None:
    with pytest.raises(LibraryError, match=f"there is no segment number {number}"):
        await library.read_segment(CLIP.id, "v0", number)


@pytest.mark.parametrize("lost", ["clips/{clip}/a0-1-2.m4s", "clips/{clip}/index.json", "init/{init}.mp4"])
async def test_what_is_not_all_there_counts_as_not_encoded(library: Library, lost: str) -> None:
    await store(library)
    (library.root / lost.format(clip=CLIP.id, init=content_id(INIT))).unlink()

    assert library.encoded(KEY) is None


async def test_a_clip_stored_twice_stays_and_a_damaged_one_is_replaced(library: Library) -> None:
    await store(library)
    path = library.root / "clips" / CLIP.id / "v0-0.m4s"
    path.write_bytes(b"ONE")  # of the right length: nobody would notice

    await store(library)
    assert path.read_bytes() == b"ONE"

    path.write_bytes(b"cut")
    path.unlink()
    await store(library)
    assert path.read_bytes() == b"one"


def test_a_source_is_known_until_it_changes(library: Library, tmp_path: Path) -> None:
    source = tmp_path / "yard.mkv"
    source.write_bytes(b"film")
    status = source.stat()
    known = SourceHash(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="f" * 64)

    assert library.source_hash(source) is None
    library.remember_source_hash(source, known)
    assert library.source_hash(source) == "f" * 64
    os.utime(source, ns=(5, 5))
    assert library.source_hash(source) is None


async def test_one_run_writes_at_a_time_and_what_a_killed_one_left_is_removed(library: Library) -> None:
    (library.root / ".work" / "left" / "over").mkdir(parents=True)
    waited = asyncio.Event()
    order: list[str] = []

    async def second() -> None:
        async with library.writing(waited.set) as work:
            order.append("second")
            assert work.is_dir()

    async with library.writing(lambda: pytest.fail("there is nobody to wait for")) as work:
        assert list(work.iterdir()) == []
        task = asyncio.create_task(second())
        await waited.wait()
        order.append("first")
    await task

    assert order == ["first", "second"]
    assert not (library.root / ".work").exists()


async def test_readers_never_see_a_file_half_written(library: Library) -> None:
    library.publish(package())
    library.publish(package(text="story: 1 # mended"))

    assert [path.name for path in (library.root / "stories" / "sample").iterdir() if path.name.startswith(".")] == []


async def test_metadata_are_found_by_their_id_alone(library: Library) -> None:
    mark = Mark(id="0123456789ab", clip="c" * 24, number=1, at=Ticks(7), duration=Ticks(9), value="{}")
    draft = msgspec.structs.replace(package(), marks={"a": (mark,)}, revision="")

    library.publish(msgspec.structs.replace(draft, revision=revision_of(draft)))

    assert await library.read_mark(mark.id) == mark
    for unknown in ("ba9876543210", "../stories"):
        with pytest.raises(LibraryError):
            await library.read_mark(unknown)
