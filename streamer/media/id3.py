"""Timed metadata as ID3 version 2.4: one TXXX frame, as AVPlayer, ExoPlayer, Shaka and hls.js hand it to apps.

Forty bytes of structure; the libraries that write it are under licences that would bind the whole server.
"""

from __future__ import annotations


def text_tag(description: str, value: str) -> bytes:
    """Gives a tag that holds one user-defined text (id3v2.4.0-frames, section 4.2.6), in UTF-8."""
    body = b"\x03" + description.encode() + b"\0" + value.encode()
    frame = b"TXXX" + _synchsafe(len(body)) + b"\0\0" + body
    return b"ID3\x04\0\0" + _synchsafe(len(frame)) + frame


def _synchsafe(size: int) -> bytes:
    """Gives a size as four bytes of seven bits."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
