"""gzip made ready piece by piece."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.hls.zipped import RUN, Zipped
from streamer.pieces import Pieces

PIECES = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=3 * RUN)


@given(PIECES, st.data())
def test_every_version_unpacks_to_its_pieces(pieces: list[bytes], data: st.DataObject) -> None:
    zipped = Zipped()
    for count in sorted(data.draw(st.lists(st.integers(1, len(pieces)), min_size=1, max_size=5))):
        whole = b"".join(pieces[:count])

        assert gzip.decompress(zipped.joined(Pieces(pieces), count, pieces[0], b"")) == whole
        assert gzip.decompress(zipped.joined(Pieces(pieces), count, b"another head", b"end")) == (
            b"another head" + whole[len(pieces[0]) :] + b"end"
        )


@given(PIECES, PIECES, st.data())
def test_a_list_that_leaves_another_has_its_beginning(
    pieces: list[bytes], others: list[bytes], data: st.DataObject
) -> None:
    parent = Zipped()
    parent.joined(Pieces(pieces), len(pieces), pieces[0], b"")
    kept = data.draw(st.integers(1, len(pieces)))
    mixed = [*pieces[:kept], *others]

    child = parent.following(kept)

    assert gzip.decompress(child.joined(Pieces(mixed), len(mixed), mixed[0], b"")) == b"".join(mixed)
    assert gzip.decompress(parent.joined(Pieces(pieces), len(pieces), pieces[0], b"")) == b"".join(pieces)


def test_a_list_is_half_its_size_and_one_member() -> None:
    pieces = [
        b"#EXTM3U\n",
        *(b"#EXTINF:2.00000,\n../m/666f-v0-%d-0-0-%08x.m4s\n" % (n, n * 2654435761 % 2**32) for n in range(999)),
    ]

    packed = Zipped().joined(Pieces(pieces), 1000, pieces[0], b"")

    assert len(packed) < len(b"".join(pieces)) / 2
    unpacker = zlib.decompressobj(31)
    assert unpacker.decompress(packed) == b"".join(pieces)
    assert unpacker.eof
    assert unpacker.unused_data == b""


@pytest.mark.skipif(shutil.which("gzip") is None, reason="NOT TESTED: no gzip program here")
def test_the_gzip_program_takes_it() -> None:
    packed = Zipped().joined(Pieces([b"head", b"one", b"two"]), 3, b"head", b"end")

    assert subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, check=True).stdout == b"headonetwoend"
