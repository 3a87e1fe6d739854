"""ISO base media boxes (ISO/IEC 14496-12): enough to index, to offset and to verify segments of one track."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

TRACK_ID = 1  # ffmpeg's number for the only track of a file; segments must name the same one as their init section
_CHUNK = 1 << 20  # bytes asked of a source at once: a box that lies about its size costs no more memory than there is
_MAX_HEADER_BOX = 16 << 20  # bytes; no ftyp, moov or moof of ours comes near
_MAX_MDAT = 1 << 30  # bytes of one fragment; ours hold a few seconds

# Sample flags (14496-12, 8.8.3.1): sync = depends on no other; the rest depends on others and is no sync sample.
_SYNC_FLAGS = 0x02000000
_DELTA_FLAGS = 0x01010000
_NON_SYNC_BIT = 0x00010000

_TFHD_BASE_DATA_OFFSET = 0x000001
_TFHD_DESCRIPTION_INDEX = 0x000002
_TFHD_DEFAULT_DURATION = 0x000008
_TFHD_DEFAULT_SIZE = 0x000010
_TFHD_DEFAULT_FLAGS = 0x000020
_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000

_TRUN_DATA_OFFSET = 0x000001
_TRUN_FIRST_FLAGS = 0x000004
_TRUN_DURATION = 0x000100
_TRUN_SIZE = 0x000200
_TRUN_FLAGS = 0x000400
_TRUN_COMPOSITION = 0x000800

_HEADER_BYTES = 8  # size and kind
# Descriptors of MPEG-4 systems (ISO/IEC 14496-1, 7.2.2.1) and the object type that escapes to six more bits.
_ES_DESCRIPTOR = 3
_DECODER_CONFIG = 4
_DECODER_INFO = 5
_ESCAPED_OBJECT_TYPE = 31


ID3_SCHEME = b"https://aomedia.org/emsg/ID3"


class BoxError(ValueError):
    """Bytes that are no MP4 of the expected form; `box` names where."""

    def __init__(self, box: str, problem: str) -> None:
        super().__init__(f"{box}: {problem}")
        self.box = box


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One coded picture or sound frame."""

    duration: int  # units of the track's timescale
    is_sync: bool
    composition_offset: int  # units; presentation time minus decode time
    data: bytes


@dataclass(frozen=True, slots=True)
class _Box:
    kind: str
    start: int  # of the header
    body: int  # of what follows the header
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What a run says nothing about (`tfhd`, else `trex`); None: said nowhere."""

    duration: int | None
    size: int | None
    flags: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A `trun`: its fields, and where the table of its samples lies."""

    count: int
    flags: int
    version: int
    data_offset: int | None
    first_flags: int | None
    table: int
    entry: int  # bytes an entry; 0: every sample is as the defaults say


def read_samples(read: Callable[[int], bytes]) -> tuple[bytes, Iterator[Sample]]:
    """Reads a fragmented file of one track, one fragment in memory at a time.

    `read(n)` gives up to n bytes and none at the end. Gives the Media Initialization Section (`ftyp` and `moov`)
    at once and the samples in decode order as they are asked for.

    Raises:
        BoxError: the bytes are no such file; also while the samples are asked for.
    """
    kept: dict[str, bytes] = {}
    while "moov" not in kept:
        kind, header, size = _next_header(read)
        if kind is None or kind in {"moof", "mdat"}:
            raise BoxError("moov", "missing before the media" if kind else "missing")
        body = _read_exactly(read, size, kind, _MAX_HEADER_BOX)
        if kind in {"ftyp", "moov"}:
            kept[kind] = header + body
    if "ftyp" not in kept:
        raise BoxError("ftyp", "missing")
    init = kept["ftyp"] + kept["moov"]
    if len(_children(init, _found(init, "moov")[0], "trak")) != 1:
        raise BoxError("moov", "holds more or fewer than one track")
    return init, _samples(read, _track_defaults(init))


def write_segment(
    samples: Sequence[Sample], decode_time: int, sequence_number: int, parts: Sequence[int] = ()
) -> bytes:
    """Gives one CMAF segment (styp, and a moof and mdat for each part) of a track that has the id 1.

    `decode_time` is in units of the track's timescale, below 2**64; `parts` counts the samples of each part, empty:
    one part has them all.

    Raises:
        ValueError: there is no sample, or the parts have more or fewer samples than there are.
    """
    if not samples:
        raise ValueError("a segment needs a sample")
    if parts and (min(parts) < 1 or sum(parts) != len(samples)):
        raise ValueError(f"parts of {parts} samples are no {len(samples)}")
    written = [_box(b"styp", b"msdh" + struct.pack(">I", 0) + b"msdhcmfs")]
    begin = 0
    for count in parts or (len(samples),):
        part = samples[begin : begin + count]
        written.append(_fragment_of(part, decode_time, sequence_number))
        decode_time += sum(sample.duration for sample in part)
        begin += count
    return b"".join(written)


def part_of(segment: bytes, number: int) -> bytes:
    """Gives one part of a segment, from 0: a moof and its mdat, with what stands before them.

    Raises:
        BoxError: the segment is malformed, or has no such part.
    """
    begin = 0
    for box in _boxes(segment, 0, len(segment), "segment"):
        if box.kind != "mdat":
            continue
        if number == 0:
            return segment[begin : box.end]
        number, begin = number - 1, box.end
    raise BoxError("mdat", "is missing: there are fewer parts")


def _fragment_of(samples: Sequence[Sample], decode_time: int, sequence_number: int) -> bytes:
    tfhd, run_flags, first, table = _run_tables(samples)

    def moof(data_offset: int) -> bytes:
        run = struct.pack(">II", len(samples), data_offset) + first + table
        traf = tfhd + _full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time)) + _full_box(b"trun", 1, run_flags, run)
        return _box(b"moof", _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number)) + _box(b"traf", traf))

    head = moof(len(moof(0)) + 8)
    size = 8 + sum(len(sample.data) for sample in samples)
    return b"".join([head, struct.pack(">I4s", size, b"mdat"), *(sample.data for sample in samples)])


def with_event(segment: bytes, event: bytes, at: int, *, duration: int, timescale: int, event_id: int) -> bytes:
    """Puts timed ID3 metadata into a segment: an `emsg` of version 1 before its first `moof`.

    `at` and `duration` are in units of `timescale`, the track's; `at` counts as the segment's decode time does, and
    `shift_decode_time` moves it likewise. The scheme is that of AOMedia's "Carriage of ID3 Timed Metadata in CMAF".

    Raises:
        BoxError: there is no `moof`.
    """
    moof = next((box for box in _boxes(segment, 0, len(segment), "segment") if box.kind == "moof"), None)
    if moof is None:
        raise BoxError("moof", "missing")
    fields = struct.pack(">IQII", timescale, at, duration, event_id)
    emsg = _full_box(b"emsg", 1, 0, fields + ID3_SCHEME + b"\0" + b"\0" + event)
    return segment[: moof.start] + emsg + segment[moof.start :]


def shift_decode_time(segment: bytes, units: int, timescale: int | None = None) -> bytes:
    """Moves a segment on the timeline: adds to the decode time of every track fragment.

    The times in `sidx`, `prft` and `emsg` (version 1) move likewise. `units` are of the track's timescale; only
    where `timescale` names that can a `sidx` or `emsg` with a clock of its own be told apart from one without.
    Touches the boxes around the media alone and copies the bytes once.

    Raises:
        BoxError: the segment is malformed, has no `tfdt`, or the new time does not fit its field.
    """
    patches: list[tuple[int, bytes]] = []
    for box in _boxes(segment, 0, len(segment), "segment"):
        if box.kind == "moof":
            for traf in _children(segment, box, "traf"):
                for tfdt in _children(segment, traf, "tfdt"):
                    version = _at(segment, tfdt, ">B", 0)
                    patches.append(_moved(segment, tfdt, 4, ">Q" if version else ">I", units))
        elif box.kind == "sidx":
            wide = _at(segment, box, ">B", 0) > 0
            own = _at(segment, box, ">I", 8)
            patches.append(_moved(segment, box, 12, ">Q" if wide else ">I", _in_clock(units, own, timescale, box)))
        elif box.kind == "prft":
            wide = _at(segment, box, ">B", 0) > 0
            patches.append(_moved(segment, box, 16, ">Q" if wide else ">I", units))
        elif box.kind == "emsg" and _at(segment, box, ">B", 0) == 1:
            own = _at(segment, box, ">I", 4)
            patches.append(_moved(segment, box, 8, ">Q", _in_clock(units, own, timescale, box)))
    if not patches:
        raise BoxError("tfdt", "missing")

    view = memoryview(segment)
    parts: list[bytes | memoryview] = []
    position = 0
    for offset, value in patches:
        parts += [view[position:offset], value]
        position = offset + len(value)
    parts.append(view[position:])
    return b"".join(parts)


def codecs_of(init: bytes) -> str:
    """Gives the RFC 6381 name of an initialization section's only track, e.g. "avc1.64001f" or "mp4a.40.2".

    Raises:
        BoxError: malformed, or neither H.264 nor MPEG-4 sound.
    """
    table = _descend(init, "moov", "trak", "mdia", "minf", "stbl", "stsd")
    entry = next(_boxes(init, table.body + 8, table.end, "stsd"), None)
    if entry is None:
        raise BoxError("stsd", "holds no sample entry")
    if entry.kind == "avc1":
        configuration = _inside(init, entry, 78, "avcC")
        profile, compatible, level = (_at(init, configuration, ">B", place) for place in (1, 2, 3))
        return f"avc1.{profile:02x}{compatible:02x}{level:02x}"
    if entry.kind == "mp4a":
        return _sound_codec(init, _inside(init, entry, 28, "esds"))
    raise BoxError("stsd", f"holds {entry.kind!r}, neither 'avc1' nor 'mp4a'")


def timescale_of(init: bytes) -> int:
    """Gives the units a second of an initialization section's only track.

    Raises:
        BoxError: malformed.
    """
    header = _descend(init, "moov", "trak", "mdia", "mdhd")
    timescale = _at(init, header, ">I", 20 if _at(init, header, ">B", 0) else 12)
    if timescale == 0:
        raise BoxError("mdhd", "has a timescale of 0")
    return timescale


def decode_time_of(segment: bytes) -> int:
    """Gives the decode time of a segment's first sample, in units of its track's timescale.

    Raises:
        BoxError: malformed.
    """
    tfdt = _descend(segment, "moof", "traf", "tfdt")
    return _at(segment, tfdt, ">Q" if _at(segment, tfdt, ">B", 0) else ">I", 4)


def duration_of(segment: bytes) -> int:
    """Gives the length of a segment, in units of its track's timescale.

    Raises:
        BoxError: malformed, or a run leaves its durations to the initialization section.
    """
    nothing = _Defaults(duration=None, size=None, flags=None)
    moofs = _found(segment, "moof")
    if not moofs:
        raise BoxError("moof", "missing")
    total = 0
    for moof in moofs:
        for traf in _children(segment, moof, "traf"):
            defaults = _fragment_defaults(segment, traf, nothing)
            for trun in _children(segment, traf, "trun"):
                total += _run_duration(segment, _run(segment, trun), defaults)
    return total


def _run_tables(samples: Sequence[Sample]) -> tuple[bytes, int, bytes, bytes]:
    """Gives the `tfhd`, and the flags, the first sample's flags and the table of the `trun`.

    What all samples share stands in the `tfhd` once.
    """
    flags = [_SYNC_FLAGS if sample.is_sync else _DELTA_FLAGS for sample in samples]
    columns: list[Sequence[int]] = []
    tfhd_flags, tfhd = _TFHD_DEFAULT_BASE_IS_MOOF, struct.pack(">I", TRACK_ID)
    run_flags, first = _TRUN_DATA_OFFSET | _TRUN_SIZE, b""
    if all(sample.duration == samples[0].duration for sample in samples):
        tfhd_flags |= _TFHD_DEFAULT_DURATION
        tfhd += struct.pack(">I", samples[0].duration)
    else:
        run_flags |= _TRUN_DURATION
        columns.append([sample.duration for sample in samples])
    columns.append([len(sample.data) for sample in samples])
    if all(flag == flags[-1] for flag in flags[1:]):
        tfhd_flags |= _TFHD_DEFAULT_FLAGS
        tfhd += struct.pack(">I", flags[-1])
        if flags[0] != flags[-1]:
            run_flags |= _TRUN_FIRST_FLAGS
            first = struct.pack(">I", flags[0])
    else:
        run_flags |= _TRUN_FLAGS
        columns.append(flags)
    if any(sample.composition_offset for sample in samples):
        run_flags |= _TRUN_COMPOSITION
        columns.append([sample.composition_offset & 0xFFFFFFFF for sample in samples])  # signed: version 1
    table = b"".join(struct.pack(f">{len(row)}I", *row) for row in zip(*columns, strict=True))
    return _full_box(b"tfhd", 0, tfhd_flags, tfhd), run_flags, first, table


def _run_duration(data: bytes, run: _Run, defaults: _Defaults) -> int:
    if not run.flags & _TRUN_DURATION:
        if defaults.duration is None:
            raise BoxError("trun", "says no sample durations, and neither does tfhd")
        return run.count * defaults.duration
    return sum(struct.unpack_from(">I", data, run.table + i * run.entry)[0] for i in range(run.count))


def _samples(read: Callable[[int], bytes], defaults: _Defaults) -> Iterator[Sample]:
    moof: bytes | None = None
    while True:
        kind, header, size = _next_header(read)
        if kind is None:
            break
        if kind == "mdat" and moof is not None:
            yield from _fragment(moof, len(header), _read_exactly(read, size, kind, _MAX_MDAT), defaults)
            moof = None
        elif kind == "moof":
            if moof is not None:
                raise BoxError("moof", "is not followed by its mdat")
            moof = header + _read_exactly(read, size, kind, _MAX_HEADER_BOX)
        else:
            _skip(read, size, kind)
    if moof is not None:
        raise BoxError("mdat", "missing at the end")


def _fragment(moof: bytes, mdat_header: int, media: bytes, defaults: _Defaults) -> Iterator[Sample]:
    for traf in _children(moof, _found(moof, "moof")[0], "traf"):
        fragment = _fragment_defaults(moof, traf, defaults)
        position = 0
        for trun in _children(moof, traf, "trun"):
            run = _run(moof, trun)
            if run.data_offset is not None:
                position = run.data_offset - len(moof) - mdat_header
            for sample in _run_samples(moof, run, media, position, fragment):
                position += len(sample.data)
                yield sample


def _run_samples(moof: bytes, run: _Run, media: bytes, position: int, defaults: _Defaults) -> Iterator[Sample]:
    if not run.flags & _TRUN_SIZE and not defaults.size and run.count:
        raise BoxError("trun", "says no sample sizes")  # also keeps a lying count from looping over nothing
    for number in range(run.count):
        place = run.table + number * run.entry
        duration, size, flags, composition = defaults.duration, defaults.size, defaults.flags, 0
        if number == 0 and run.first_flags is not None:
            flags = run.first_flags
        if run.flags & _TRUN_DURATION:
            (duration,) = struct.unpack_from(">I", moof, place)
            place += 4
        if run.flags & _TRUN_SIZE:
            (size,) = struct.unpack_from(">I", moof, place)
            place += 4
        if run.flags & _TRUN_FLAGS:
            (flags,) = struct.unpack_from(">I", moof, place)
            place += 4
        if run.flags & _TRUN_COMPOSITION:
            (composition,) = struct.unpack_from(">i" if run.version else ">I", moof, place)
        assert duration is not None  # the track's defaults know both
        assert size is not None
        if position < 0 or position + size > len(media):
            raise BoxError("trun", f"sample {number} lies outside the mdat")
        yield Sample(
            duration=duration,
            is_sync=not (flags or 0) & _NON_SYNC_BIT,
            composition_offset=composition,
            data=media[position : position + size],
        )
        position += size


def _track_defaults(init: bytes) -> _Defaults:
    extends = _children(init, _found(init, "moov")[0], "mvex")
    trex = next(iter(_children(init, extends[0], "trex")), None) if extends else None
    if trex is None:
        raise BoxError("trex", "missing: the file is not fragmented")
    duration, size, flags = (_at(init, trex, ">I", place) for place in (12, 16, 20))
    return _Defaults(duration=duration, size=size, flags=flags)


def _fragment_defaults(data: bytes, traf: _Box, defaults: _Defaults) -> _Defaults:
    headers = _children(data, traf, "tfhd")
    if len(headers) != 1:
        raise BoxError("tfhd", "missing or there twice")
    flags = _at(data, headers[0], ">I", 0) & 0xFFFFFF
    place = 8
    place += 8 if flags & _TFHD_BASE_DATA_OFFSET else 0
    place += 4 if flags & _TFHD_DESCRIPTION_INDEX else 0
    values: list[int | None] = [defaults.duration, defaults.size, defaults.flags]
    for number, bit in enumerate((_TFHD_DEFAULT_DURATION, _TFHD_DEFAULT_SIZE, _TFHD_DEFAULT_FLAGS)):
        if flags & bit:
            values[number] = _at(data, headers[0], ">I", place)
            place += 4
    return _Defaults(duration=values[0], size=values[1], flags=values[2])


def _run(data: bytes, trun: _Box) -> _Run:
    word = _at(data, trun, ">I", 0)
    version, flags = word >> 24, word & 0xFFFFFF
    count = _at(data, trun, ">I", 4)
    place = 8
    data_offset = first_flags = None
    if flags & _TRUN_DATA_OFFSET:
        data_offset = _at(data, trun, ">i", place)
        place += 4
    if flags & _TRUN_FIRST_FLAGS:
        first_flags = _at(data, trun, ">I", place)
        place += 4
    entry = 4 * sum(1 for bit in (_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION) if flags & bit)
    if trun.body + place + count * entry > trun.end:
        raise BoxError("trun", f"is too short for its {count} samples")
    return _Run(
        count=count,
        flags=flags,
        version=version,
        data_offset=data_offset,
        first_flags=first_flags,
        table=trun.body + place,
        entry=entry,
    )


def _sound_codec(init: bytes, esds: _Box) -> str:
    tag, place, end = _descriptor(init, esds.body + 4, esds.end)
    if tag != _ES_DESCRIPTOR or place + 3 > end:
        raise BoxError("esds", "does not begin with an ES descriptor")
    flags = init[place + 2]
    place += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
    if flags & 0x40:
        place += 1 + (init[place] if place < end else 0)
    tag, place, end = _descriptor(init, place, end)
    if tag != _DECODER_CONFIG or place + 13 > end:
        raise BoxError("esds", "holds no decoder configuration")
    indication = init[place]
    tag, place, end = _descriptor(init, place + 13, end)
    if tag != _DECODER_INFO or place >= end:
        raise BoxError("esds", "holds no AudioSpecificConfig")
    kind = init[place] >> 3  # 14496-3, 1.6.2.1
    if kind == _ESCAPED_OBJECT_TYPE and place + 1 < end:
        kind = 32 + ((init[place] & 7) << 3 | init[place + 1] >> 5)
    return f"mp4a.{indication:02x}.{kind}"


def _descriptor(data: bytes, place: int, end: int) -> tuple[int, int, int]:
    """Gives tag, start and end of a descriptor's body; its size takes one to four bytes of seven bits."""
    if place >= end:
        raise BoxError("esds", "ends within a descriptor")
    tag = data[place]
    size = 0
    for number in range(1, 5):
        if place + number >= end:
            break
        byte = data[place + number]
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            start = place + number + 1
            if start + size > end:
                break
            return tag, start, start + size
    raise BoxError("esds", "holds a descriptor whose size does not fit")


def _in_clock(units: int, own: int, timescale: int | None, box: _Box) -> int:
    if timescale is None or own == timescale:
        return units
    moved, rest = divmod(units * own, timescale)
    if rest:
        raise BoxError(box.kind, f"{units}/{timescale} s is no whole number of its units of 1/{own} s")
    return moved


def _moved(data: bytes, box: _Box, place: int, form: str, units: int) -> tuple[int, bytes]:
    moved = _at(data, box, form, place) + units
    if not 0 <= moved < 1 << (8 * struct.calcsize(form)):
        raise BoxError(box.kind, f"has no room for the time {moved}")
    return box.body + place, struct.pack(form, moved)


def _at(data: bytes, box: _Box, form: str, place: int) -> int:
    if box.body + place + struct.calcsize(form) > box.end:
        raise BoxError(box.kind, "is too short")
    value: int = struct.unpack_from(form, data, box.body + place)[0]
    return value


def _boxes(data: bytes, start: int, end: int, parent: str) -> Iterator[_Box]:
    while start < end:
        if start + 8 > end:
            raise BoxError(parent, "ends within the header of a box")
        size, name = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            if start + 16 > end:
                raise BoxError(parent, "ends within the header of a box")
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:  # to the end of the file
            size = end - start
        kind = name.decode("latin-1")
        if size < header or start + size > end:
            raise BoxError(kind, f"claims {size} bytes where {end - start} are left")
        yield _Box(kind, start, start + header, start + size)
        start += size


def _found(data: bytes, kind: str) -> list[_Box]:
    return [box for box in _boxes(data, 0, len(data), "file") if box.kind == kind]


def _children(data: bytes, parent: _Box, kind: str) -> list[_Box]:
    return [box for box in _boxes(data, parent.body, parent.end, parent.kind) if box.kind == kind]


def _inside(data: bytes, entry: _Box, fields: int, kind: str) -> _Box:
    """Gives the box of that kind behind the fixed fields of a sample entry."""
    for box in _boxes(data, entry.body + fields, entry.end, entry.kind):
        if box.kind == kind:
            return box
    raise BoxError(kind, f"missing in {entry.kind}")


def _descend(data: bytes, *path: str) -> _Box:
    found = _found(data, path[0])
    for kind in path[1:]:
        if not found:
            break
        found = _children(data, found[0], kind)
    if not found:
        raise BoxError("/".join(path), "missing")
    return found[0]


def _next_header(read: Callable[[int], bytes]) -> tuple[str | None, bytes, int]:
    """Gives the next box's kind, its header's bytes and how many bytes follow; None at the end."""
    header = _read_up_to(read, _HEADER_BYTES)
    if not header:
        return None, b"", 0
    if len(header) < _HEADER_BYTES:
        raise BoxError("file", "ends within the header of a box")
    size, name = struct.unpack(">I4s", header)
    kind: str = name.decode("latin-1")
    if size == 1:
        header += _read_exactly(read, 8, kind, 8)
        (size,) = struct.unpack(">Q", header[8:])
    if size < len(header):
        raise BoxError(kind, f"claims {size} bytes, less than its header")
    return kind, header, size - len(header)


def _read_up_to(read: Callable[[int], bytes], size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = read(min(size, _CHUNK))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _read_exactly(read: Callable[[int], bytes], size: int, kind: str, limit: int) -> bytes:
    if size > limit:
        raise BoxError(kind, f"claims {size} bytes; {limit} are allowed")
    data = _read_up_to(read, size)
    if len(data) < size:
        raise BoxError(kind, f"ends after {len(data)} of {size} bytes")
    return data


def _skip(read: Callable[[int], bytes], size: int, kind: str) -> None:
    while size > 0:
        part = read(min(size, _CHUNK))
        if not part:
            raise BoxError(kind, "is cut off")
        size -= len(part)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, version: int, flags: int, body: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + body)
