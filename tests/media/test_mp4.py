"""Boxes: what is written is read back, garbage is refused by name, and a move in time changes nothing else."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.mp4 import (
    BoxError,
    Sample,
    codecs_of,
    decode_time_of,
    duration_of,
    part_of,
    read_samples,
    shift_decode_time,
    timescale_of,
    write_segment,
)

SAMPLES = st.builds(
    Sample,
    duration=st.integers(0, 2**32 - 1),
    is_sync=st.booleans(),
    composition_offset=st.integers(-(2**31), 2**31 - 1),
    data=st.binary(max_size=40),
)


def box(kind: str, *body: bytes) -> bytes:
    content = b"".join(body)
    return struct.pack(">I4s", 8 + len(content), kind.encode()) + content


def full(kind: str, *body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *body)


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def descriptor(tag: int, *body: bytes, long: bool = False) -> bytes:
    content = b"".join(body)
    size = bytes((0x80, 0x80, 0x80, len(content))) if long else bytes((len(content),))
    return bytes((tag,)) + size + content


PICTURE = box("avc1", bytes(78), box("pasp", words(1, 1)), box("avcC", bytes((1, 0x64, 0, 0x1F, 255))))


def sound(*, flags: int = 0, extra: bytes = b"", specific: bytes = b"\x11\x90", long: bool = False) -> bytes:
    config = descriptor(4, b"\x40\x15", bytes(11), descriptor(5, specific, long=long), long=long)
    return box("mp4a", bytes(28), full("esds", descriptor(3, b"\0\1", bytes((flags,)), extra, config, long=long)))


def moov(
    entry: bytes = PICTURE, *, timescale: int = 90_000, version: int = 0, defaults: tuple[int, int, int] = (0, 0, 0)
) -> bytes:
    times = bytes(16) if version else bytes(8)
    table = full("stsd", words(1), entry)
    media = box("mdia", full("mdhd", times, words(timescale, 0), version=version), box("minf", box("stbl", table)))
    return box("moov", box("trak", media), box("mvex", full("trex", words(1, 1, *defaults))))


def init(entry: bytes = PICTURE, **options: int) -> bytes:
    return box("ftyp", b"iso6", words(0)) + moov(entry, **options)  # type: ignore[arg-type]


def fragment(*traf: bytes, media: bytes = b"", header: bytes = b"") -> bytes:
    return box("moof", header, box("traf", *traf)) + box("mdat", media)


TFHD = full("tfhd", words(1), flags=0x020000)


def read(data: bytes) -> tuple[bytes, list[Sample]]:
    head, samples = read_samples(io.BytesIO(data).read)
    return head, list(samples)


def sample(data: bytes, *, duration: int = 10, is_sync: bool = True, offset: int = 0) -> Sample:
    return Sample(duration=duration, is_sync=is_sync, composition_offset=offset, data=data)


@given(st.lists(SAMPLES, min_size=1, max_size=6), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_a_written_segment_is_read_back_whole(samples: list[Sample], decode_time: int, number: int) -> None:
    segment = write_segment(samples, decode_time, number)

    assert read(init() + segment)[1] == samples
    assert decode_time_of(segment) == decode_time
    assert duration_of(segment) == sum(sample.duration for sample in samples)


@given(st.lists(SAMPLES, min_size=1, max_size=4), st.integers(0, 2**63), st.integers(0, 2**63 - 1))
def test_a_move_in_time_changes_the_decode_time_and_nothing_else(samples: list[Sample], at: int, by: int) -> None:
    moved = shift_decode_time(write_segment(samples, at, 7), by)

    assert moved == write_segment(samples, at + by, 7)


def test_a_picture_segment_says_once_what_all_its_samples_share() -> None:
    samples = [sample(b"key"), sample(b"p", is_sync=False), sample(b"q", is_sync=False)]

    segment = write_segment(samples, 0, 1)

    assert len(segment) == 24 + 8 + 16 + 8 + 24 + 20 + (24 + 12) + 8 + 5  # a size for each sample and no more
    assert segment[4:12] == b"stypmsdh"


def test_a_segment_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a sample"):
        write_segment([], 0, 1)


@given(st.lists(SAMPLES, min_size=1, max_size=4), st.integers(0, 2**60), st.data())
def test_parts_are_the_segment_in_pieces(samples: list[Sample], at: int, data: st.DataObject) -> None:
    begins = sorted(data.draw(st.sets(st.integers(1, len(samples) - 1)))) if len(samples) > 1 else []
    sizes = [after - before for before, after in pairwise((0, *begins, len(samples)))]

    segment = write_segment(samples, at, 1, sizes)
    parts = [part_of(segment, number) for number in range(len(sizes))]

    assert b"".join(parts) == segment
    assert read(init() + segment)[1] == samples
    for number, part in enumerate(parts):
        first = sum(sizes[:number])
        assert read(init() + part)[1] == samples[first : first + sizes[number]]
        assert decode_time_of(part) == at + sum(each.duration for each in samples[:first])
    with pytest.raises(BoxError, match="there are fewer parts"):
        part_of(segment, len(sizes))


@pytest.mark.parametrize("parts", [(1,), (2, 0), (1, 2)])
def test_parts_that_are_not_the_segment_are_refused(parts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="are no 2"):
        write_segment([sample(b"a"), sample(b"b")], 0, 1, parts)


def test_the_initialization_section_is_ftyp_and_moov_alone() -> None:
    stream = box("free", b"x") + init() + box("sidx", b"") + write_segment([sample(b"a")], 0, 1) + box("mfra", b"end")

    head, samples = read(stream)

    assert head == init()
    assert samples == [sample(b"a")]


def test_samples_come_fragment_by_fragment_whatever_a_read_gives() -> None:
    data = init() + write_segment([sample(b"a"), sample(b"b")], 0, 1) + write_segment([sample(b"c")], 20, 2)
    source = io.BytesIO(data)

    _, samples = read_samples(lambda size: source.read(min(size, 3)))

    assert next(samples) == sample(b"a")
    assert source.tell() < len(data)
    assert [found.data for found in samples] == [b"b", b"c"]


def test_what_a_run_leaves_out_comes_from_the_fragment_and_then_from_the_track() -> None:
    by_track = fragment(TFHD, full("trun", words(2)), media=b"abcdef")
    tfhd = full("tfhd", words(1), bytes(8), words(9, 5, 2, 0x01010000), flags=0x3B)
    by_fragment = fragment(tfhd, full("trun", words(2), flags=0), full("trun", words(1)), media=b"abcdef")

    _, samples = read(init(defaults=(7, 3, 0)) + by_track + by_fragment)  # type: ignore[arg-type]

    assert samples[:2] == [sample(b"abc", duration=7), sample(b"def", duration=7)]
    assert samples[2:] == [sample(part, duration=5, is_sync=False) for part in (b"ab", b"cd", b"ef")]
    assert duration_of(by_fragment) == 15


def test_a_run_may_begin_anywhere_in_the_media_and_count_offsets_from_zero() -> None:
    run = full("trun", words(1, 0, 4, 2, 0x02000000, 0xFFFFFFFF), flags=0xF01)
    media = fragment(TFHD, run, media=b"....ab")
    place = len(media) - 2
    run = full("trun", words(1, place, 4, 2, 0x02000000, 0xFFFFFFFF), flags=0xF01)

    _, samples = read(init() + fragment(TFHD, run, media=b"....ab"))

    assert samples == [sample(b"ab", duration=4, offset=0xFFFFFFFF)]


def test_a_box_may_have_a_size_of_64_bits() -> None:
    whole = write_segment([sample(b"media")], 3, 1)
    moof, media = whole[24 : whole.index(b"mdat") - 4], b"media"
    moof = moof.replace(words(0x01000201, 1, len(moof) + 8), words(0x01000201, 1, len(moof) + 16))
    wide = moof + struct.pack(">I4sQ", 1, b"mdat", 16 + len(media)) + media

    assert read(init() + wide)[1] == [sample(b"media")]
    assert shift_decode_time(wide, 4)[len(moof) :] == wide[len(moof) :]
    assert decode_time_of(shift_decode_time(wide, 4)) == 7


def test_the_last_box_of_a_segment_may_reach_to_its_end() -> None:
    whole = write_segment([sample(b"media")], 3, 1)
    place = whole.index(b"mdat") - 4

    assert decode_time_of(whole[:place] + words(0) + whole[place + 4 :]) == 3


@pytest.mark.parametrize(
    ("entry", "codecs"),
    [
        (PICTURE, "avc1.64001f"),
        (sound(), "mp4a.40.2"),
        (sound(long=True), "mp4a.40.2"),
        (sound(flags=0xA0, extra=bytes(4)), "mp4a.40.2"),
        (sound(flags=0x40, extra=b"\3url"), "mp4a.40.2"),
        (sound(specific=bytes((0xF9, 0x40))), "mp4a.40.42"),
    ],
)
def test_codecs_are_named_as_playlists_name_them(entry: bytes, codecs: str) -> None:
    assert codecs_of(init(entry)) == codecs


def test_the_timescale_is_found_in_both_versions_of_the_header() -> None:
    assert timescale_of(init(timescale=48_000)) == 48_000
    assert timescale_of(init(timescale=30_000, version=1)) == 30_000


def test_a_move_takes_index_event_and_clock_boxes_along() -> None:
    sidx = [full("sidx", words(1, 90_000, 500, 0)), full("sidx", words(1, 90_000, 0, 500), bytes(8), version=1)]
    prft = [full("prft", words(1), bytes(8), words(500)), full("prft", words(1), bytes(8), words(0, 500), version=1)]
    event = full("emsg", words(1000, 0, 500, 0, 0), b"x\0y\0", version=1)
    elder = full("emsg", b"x\0y\0", words(1000, 500, 0, 0))
    segment = b"".join([*sidx, *prft, event, elder, write_segment([sample(b"a")], 500, 1)])

    moved = shift_decode_time(segment, 90, timescale=90_000)

    expected = segment.replace(words(500, 0, 0), words(501, 0, 0), 1)  # the event's own clock runs 90 times slower
    assert moved[-9:] == expected[-9:]
    assert decode_time_of(moved) == 590
    assert moved[len(b"".join([*sidx, *prft])) :][: len(event)] == full(
        "emsg", words(1000, 0, 501, 0, 0), b"x\0y\0", version=1
    )
    assert elder in moved
    assert moved.startswith(
        full("sidx", words(1, 90_000, 590, 0)) + full("sidx", words(1, 90_000, 0, 590), bytes(8), version=1)
    )
    assert full("prft", words(1), bytes(8), words(590)) in moved
    assert full("prft", words(1), bytes(8), words(0, 590), version=1) in moved


def test_without_a_timescale_all_clocks_count_as_the_tracks() -> None:
    event = full("emsg", words(1000, 0, 500, 0, 0), b"x\0y\0", version=1)

    moved = shift_decode_time(event + write_segment([sample(b"a")], 0, 1), 5)

    assert moved.startswith(full("emsg", words(1000, 0, 505, 0, 0), b"x\0y\0", version=1))


def test_a_move_that_does_not_fit_is_refused() -> None:
    old = fragment(TFHD, full("tfdt", words(2**32 - 5)), full("trun", words(0)))
    event = full("emsg", words(1000, 0, 500, 0, 0), version=1) + write_segment([sample(b"a")], 0, 1)

    assert decode_time_of(shift_decode_time(old, 4)) == 2**32 - 1
    with pytest.raises(BoxError, match="tfdt: has no room for the time 4294967296"):
        shift_decode_time(old, 5)
    with pytest.raises(BoxError, match="tfdt: has no room"):
        shift_decode_time(write_segment([sample(b"a")], 3, 1), -4)
    with pytest.raises(BoxError, match="emsg: 1/90000 s is no whole number"):
        shift_decode_time(event, 1, timescale=90_000)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "moov: missing"),
        (b"junk", "file: ends within the header"),
        (box("ftyp"), "moov: missing"),
        (moov(), "ftyp: missing"),
        (box("ftyp") + box("mdat"), "moov: missing before the media"),
        (words(7) + b"moov", "moov: claims 7 bytes, less than its header"),
        (words(0) + b"moov", "moov: claims 0 bytes"),
        (words(2**31) + b"moov", "moov: claims 2147483640 bytes; 16777216 are allowed"),
        (words(90) + b"moov" + bytes(9), "moov: ends after 9 of 82 bytes"),
        (words(1) + b"moov" + bytes(3), "moov: ends after 3 of 8 bytes"),
        (box("ftyp") + box("moov", box("mvex")), "moov: holds more or fewer than one track"),
        (box("ftyp") + box("moov", box("trak")), "trex: missing"),
        (box("ftyp") + box("moov", box("trak"), box("mvex")), "trex: missing"),
        (box("ftyp") + box("moov", box("trak"), box("mvex", full("trex", words(1)))), "trex: is too short"),
        (box("ftyp") + box("moov", box("trak"), b"1234"), "moov: ends within the header of a box"),
        (box("ftyp") + box("moov", box("trak"), words(1) + b"mvex" + bytes(4)), "moov: ends within the header"),
        (box("ftyp") + box("moov", box("trak"), words(99) + b"mvex"), "mvex: claims 99 bytes where 8 are left"),
        (init() + box("moof") + box("moof"), "moof: is not followed by its mdat"),
        (init() + box("moof"), "mdat: missing at the end"),
        (init() + words(99) + b"free", "free: is cut off"),
        (init() + box("moof") + words(2**31) + b"mdat", "mdat: claims"),
        (init() + fragment(), "tfhd: missing or there twice"),
        (init() + fragment(TFHD, TFHD), "tfhd: missing or there twice"),
        (init() + fragment(full("tfhd", flags=8)), "tfhd: is too short"),
        (init() + fragment(TFHD, full("trun")), "trun: is too short"),
        (init() + fragment(TFHD, full("trun", words(2**32 - 1))), "trun: says no sample sizes"),
        (init() + fragment(TFHD, full("trun", words(2**32 - 1, 1), flags=0x200)), "trun: is too short for its 42949"),
        (init() + fragment(TFHD, full("trun", words(1, 9), flags=0x200)), "trun: sample 0 lies outside the mdat"),
        (
            init() + fragment(TFHD, full("trun", words(1, 2**32 - 9, 9), flags=0x201), media=bytes(9)),
            "trun: sample 0 lies outside the mdat",
        ),
        (init() + fragment(full("tfhd", words(1, 1), flags=16), full("trun", words(2**32 - 1))), "lies outside"),
    ],
)
def test_what_is_no_fragmented_file_is_refused_by_the_name_of_the_box(data: bytes, problem: str) -> None:
    with pytest.raises(BoxError, match=problem):
        read(data)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (b"", "stsd: holds no sample entry"),
        (box("hvc1"), "stsd: holds 'hvc1'"),
        (box("avc1", bytes(78)), "avcC: missing in avc1"),
        (box("avc1", bytes(78), box("avcC", b"\1")), "avcC: is too short"),
        (box("mp4a", bytes(28), full("esds")), "esds: ends within a descriptor"),
        (box("mp4a", bytes(28), full("esds", b"\3")), "esds: holds a descriptor whose size does not fit"),
        (box("mp4a", bytes(28), full("esds", b"\3\x80\x80\x80\x80\1")), "whose size does not fit"),
        (box("mp4a", bytes(28), full("esds", b"\3\x09")), "esds: holds a descriptor whose size does not fit"),
        (box("mp4a", bytes(28), full("esds", descriptor(4))), "does not begin with an ES descriptor"),
        (box("mp4a", bytes(28), full("esds", descriptor(3, b"\0\1\x40"))), "esds: ends within a descriptor"),
        (
            box("mp4a", bytes(28), full("esds", descriptor(3, b"\0\1\0", descriptor(4)))),
            "holds no decoder configuration",
        ),
        (sound(specific=b""), "esds: holds no AudioSpecificConfig"),
    ],
)
def test_an_unknown_codec_is_refused_by_the_name_of_the_box(entry: bytes, problem: str) -> None:
    with pytest.raises(BoxError, match=problem):
        codecs_of(init(entry))


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: timescale_of(init(timescale=0)), "mdhd: has a timescale of 0"),
        (lambda: timescale_of(box("moov")), "moov/trak/mdia/mdhd: missing"),
        (lambda: decode_time_of(b""), "moof/traf/tfdt: missing"),
        (lambda: shift_decode_time(box("mdat"), 1), "tfdt: missing"),
        (lambda: shift_decode_time(box("emsg"), 1), "emsg: is too short"),
        (lambda: duration_of(fragment(TFHD, full("trun", words(1)))), "trun: says no sample durations"),
        (lambda: read(init() + init() + fragment(TFHD, full("trun", words(1, 0), flags=0x200))), None),
    ],
)
def test_what_is_missing_is_named(call: Callable[[], object], problem: str | None) -> None:
    if problem is None:
        call()  # a second initialization section says nothing new
        return
    with pytest.raises(BoxError, match=problem) as caught:
        call()
    assert caught.value.box == problem.partition(":")[0]


@given(st.binary(max_size=200))
def test_garbage_ends_in_an_error_and_nothing_else(data: bytes) -> None:
    for attempt in (read, codecs_of, timescale_of, decode_time_of, duration_of, lambda d: shift_decode_time(d, 1)):
        with pytest.raises(BoxError):
            attempt(data)


@given(st.data())
def test_damage_anywhere_is_refused_or_read_but_never_out_of_bounds(data: st.DataObject) -> None:
    whole = init(sound()) + write_segment([sample(b"abc"), sample(b"de", is_sync=False, offset=3)], 9, 1)
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] = data.draw(st.integers(0, 255))
    cut = bytes(damaged)[: data.draw(st.integers(place, len(whole)))]

    for attempt in (read, codecs_of, timescale_of, decode_time_of, duration_of, lambda d: shift_decode_time(d, 1)):
        with suppress(BoxError):
            attempt(cut)


def test_a_move_costs_the_same_for_short_and_long_media() -> None:
    moves = [shift_decode_time(write_segment([sample(bytes(size))], 0, 1), 1) for size in (10, 10_000)]

    first, second = (move.partition(b"mdat")[0][:-4] for move in moves)

    assert [len(first), *(len(b) - len(a) for a, b in pairwise(moves))] == [len(second), 9_990]
