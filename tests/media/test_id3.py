"""Timed metadata: an ID3 tag in an `emsg`, read back by a reader of its own."""

from __future__ import annotations

import struct

import pytest

from streamer.media.id3 import text_tag
from streamer.media.index import Mark
from streamer.media.mp4 import (
    BoxError,
    Sample,
    decode_time_of,
    duration_of,
    shift_decode_time,
    with_event,
    write_segment,
)
from streamer.origin import MARK_DESCRIPTION, marked
from tests.builders import seconds

SEGMENT = write_segment(
    [Sample(data=b"abc", duration=3600, is_sync=True, composition_offset=0) for _ in range(50)], 180_000, 1
)
MARK = Mark(id="00ff00ff0000", clip="c" * 24, number=1, at=seconds("3.52"), duration=seconds(5), value='{"v":1}')


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Gives the outermost boxes: kind and body."""
    found, place = [], 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        found.append((kind, data[place + 8 : place + size]))
        place += size
    return found


def read_tag(tag: bytes) -> tuple[str, str]:
    """Reads a tag with one TXXX frame (id3v2.4.0-structure, section 3)."""
    assert tag[:6] == b"ID3\x04\0\0"
    size = sum(byte << 7 * place for place, byte in enumerate(reversed(tag[6:10])))
    frame = tag[10:]
    assert size == len(frame)
    assert frame[:4] == b"TXXX"
    body = sum(byte << 7 * place for place, byte in enumerate(reversed(frame[4:8])))
    assert body == len(frame) - 10
    assert frame[8:11] == b"\0\0\x03"
    description, _, value = frame[11:].partition(b"\0")
    return description.decode(), value.decode()


@pytest.mark.parametrize("value", ["", "{}", "\u00fcber", "x" * 300])
def test_a_tag_holds_its_text(value: str) -> None:
    assert read_tag(text_tag("io.branchline.decision", value)) == ("io.branchline.decision", value)


def test_metadata_stand_before_the_media_and_move_with_them() -> None:
    moved = shift_decode_time(marked(SEGMENT, MARK, 90_000), 900_000)
    kinds = [kind for kind, _ in boxes(moved)]
    emsg = dict(boxes(moved))[b"emsg"]
    version, timescale, at, duration, event_id = struct.unpack_from(">IIQII", emsg)
    scheme, _, rest = emsg[24:].partition(b"\0")

    assert kinds == [b"styp", b"emsg", b"moof", b"mdat"]
    assert (version, timescale, duration, event_id) == (1 << 24, 90_000, 450_000, 0x00FF00FF)
    assert at == 900_000 + 316_800
    assert scheme == b"https://aomedia.org/emsg/ID3"
    assert rest[:1] == b"\0"
    assert read_tag(rest[1:]) == (MARK_DESCRIPTION, '{"v":1}')
    assert (decode_time_of(moved), duration_of(moved)) == (1_080_000, 180_000)
    assert dict(boxes(moved))[b"mdat"] == b"abc" * 50


def test_a_time_between_two_units_of_a_picture_goes_to_the_nearer() -> None:
    mark = Mark(id="00ff00ff0000", clip="c", number=1, at=seconds("3.52003"), duration=seconds("0.00001"), value="")

    emsg = dict(boxes(marked(SEGMENT, mark, 24_000)))[b"emsg"]

    assert struct.unpack_from(">QI", emsg, 8) == (84_481, 0)


def test_a_segment_without_media_takes_no_metadata() -> None:
    with pytest.raises(BoxError, match="moof"):
        with_event(b"", b"", 0, duration=0, timescale=1, event_id=0)
