"""Common Media Server Data (CTA-5006): what the server says of what it sends, as structured fields (RFC 9651)."""

from __future__ import annotations

from streamer.origin import Media
from streamer.service import Given

STATIC = "CMSD-Static"


def of_media(media: Media) -> dict[str, str]:
    """Says what a segment is: its bit rate in kbit/s (br), its length in ms (d), its kind (ot)."""
    if not media.duration_ms:
        return {STATIC: f"ot={media.kind},sf=h"}
    rate = round(len(media.body) * 8 / media.duration_ms)
    return {STATIC: f"br={rate},d={media.duration_ms},ot={media.kind},sf=h"}


def of_playlist(given: Given) -> dict[str, str]:
    """Says that it is a playlist, and how many ms its answer was held (ht)."""
    held = f"ht={given.held_ms}," if given.held_ms else ""
    return {STATIC: f"{held}ot=m,sf=h"}
