"""gzip made ready piece by piece: a new version of a list costs a join, not a compression.

RFC 1951 lets a stream be flushed after each piece, RFC 1952 puts a check sum and a length after it. Pieces are
compressed in runs: within a run each knows those before it; a list that leaves another in the middle of a run
compresses the run's beginning again.
"""

from __future__ import annotations

import struct
import zlib

from streamer.pieces import Pieces

RUN = 32  # pieces
LEVEL = 6
WINDOW_BITS = 12  # 4 KiB: more than a run of URIs looks back, and a compressor takes 24 KiB instead of 256
MEMORY_LEVEL = 4
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_END = b"\x03\0"  # an empty last block


class Zipped:
    """The compressed form of a list of pieces that only grows; the first piece is its head."""

    def __init__(self) -> None:
        self._parts = Pieces[bytes]()
        self._sums = Pieces[int]()  # CRC-32 of all pieces up to each
        self._sizes = Pieces[int]()  # of all pieces up to each, in bytes
        self._compressor = _compressor()
        self._seen = 0  # pieces that the compressor has seen of its run

    def following(self, pieces: int) -> Zipped:
        """Gives the compressed form of another list that begins with the same pieces."""
        child = Zipped()
        child._parts, child._sums = self._parts.first(pieces), self._sums.first(pieces)
        child._sizes = self._sizes.first(pieces)
        child._seen = -1  # its compressor has seen nothing of the run it is in
        return child

    def joined(self, pieces: Pieces[bytes], count: int, head: bytes, end: bytes) -> bytes:
        """Gives the first `count` pieces as one gzip member, with another head and an end if there are such."""
        self._grow(pieces, count)
        parts, total = [*self._parts.between(0, count)], self._sizes[count - 1]
        if head is pieces[0]:
            check = self._sums[count - 1]
        else:
            parts[0] = _alone(head)
            total += len(head) - len(pieces[0])
            check = zlib.crc32(b"".join((head, *pieces.between(1, count))))
        if end:
            parts.append(_alone(end))
            check, total = zlib.crc32(end, check), total + len(end)
        return b"".join((_HEADER, *parts, _END, struct.pack("<II", check, total & 0xFFFFFFFF)))

    def _grow(self, pieces: Pieces[bytes], count: int) -> None:
        for number in range(len(self._parts), count):
            piece = pieces[number]
            self._parts.append(_alone(piece) if number == 0 else self._compressed(pieces, number))
            self._sums.append(zlib.crc32(piece, self._sums[-1] if number else 0))
            self._sizes.append(len(piece) + (self._sizes[-1] if number else 0))

    def _compressed(self, pieces: Pieces[bytes], number: int) -> bytes:
        place = (number - 1) % RUN
        if place == 0 or self._seen != place:
            self._compressor = _compressor()
            for earlier in pieces.between(number - place, number):
                self._compressor.compress(earlier)
                self._compressor.flush(zlib.Z_SYNC_FLUSH)
        self._seen = place + 1
        return self._compressor.compress(pieces[number]) + self._compressor.flush(zlib.Z_SYNC_FLUSH)


def _compressor() -> zlib._Compress:
    return zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS, MEMORY_LEVEL)


def _alone(piece: bytes) -> bytes:
    compressor = _compressor()
    return compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
