"""A Multivariant Playlist as a value, and as text (RFC 8216, section 4.3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.hls.attributes import attribute_list, quoted
from streamer.hls.media_playlist import VERSION
from streamer.units import round_half_up

AUDIO_GROUP = "sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantStream:
    """EXT-X-STREAM-INF and its URI."""

    uri: str
    bandwidth: int  # BANDWIDTH, bits a second: the largest sum of peaks of picture and sound
    average_bandwidth: int  # AVERAGE-BANDWIDTH
    codecs: tuple[str, ...]  # CODECS
    width: int  # RESOLUTION
    height: int
    frame_rate: tuple[int, int]  # FRAME-RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """EXT-X-MEDIA of the one sound rendition."""

    uri: str
    name: str
    language: str | None  # BCP 47; None: not known
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionData:
    """EXT-X-SESSION-DATA: a fact that everybody may know."""

    id: str  # DATA-ID
    value: str  # VALUE
    language: str | None = None  # BCP 47; None: of no language


@dataclass(frozen=True, slots=True, kw_only=True)
class MultivariantPlaylist:
    """All renditions of one presentation."""

    audio: AudioTrack
    variants: tuple[VariantStream, ...]
    data: tuple[SessionData, ...] = ()


def write(playlist: MultivariantPlaylist) -> bytes:
    """Spells the playlist."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for fact in playlist.data:
        in_language = (("LANGUAGE", quoted(fact.language)),) if fact.language else ()
        facts = (("DATA-ID", quoted(fact.id)), ("VALUE", quoted(fact.value)), *in_language)
        lines.append(f"#EXT-X-SESSION-DATA:{attribute_list(facts)}")
    audio = playlist.audio
    language = (("LANGUAGE", quoted(audio.language)),) if audio.language else ()
    pairs = (
        ("TYPE", "AUDIO"),
        ("GROUP-ID", quoted(AUDIO_GROUP)),
        ("NAME", quoted(audio.name)),
        *language,
        ("DEFAULT", "YES"),
        ("AUTOSELECT", "YES"),
        ("CHANNELS", quoted(str(audio.channels))),
        ("URI", quoted(audio.uri)),
    )
    lines.append(f"#EXT-X-MEDIA:{attribute_list(pairs)}")
    for variant in playlist.variants:
        lines += (f"#EXT-X-STREAM-INF:{_stream_inf(variant)}", variant.uri)
    return ("\n".join(lines) + "\n").encode()


def _stream_inf(variant: VariantStream) -> str:
    thousandths = round_half_up(variant.frame_rate[0] * 1000, variant.frame_rate[1])
    return attribute_list(
        (
            ("BANDWIDTH", str(variant.bandwidth)),
            ("AVERAGE-BANDWIDTH", str(variant.average_bandwidth)),
            ("CODECS", quoted(",".join(variant.codecs))),
            ("RESOLUTION", f"{variant.width}x{variant.height}"),
            ("FRAME-RATE", f"{thousandths // 1000}.{thousandths % 1000:03d}"),
            ("AUDIO", quoted(AUDIO_GROUP)),
            # Our pictures carry none. Unless told so, Shaka looks for them in the last segment listed, which has no
            # address while its parts are coming, and throws.
            ("CLOSED-CAPTIONS", "NONE"),
        )
    )
