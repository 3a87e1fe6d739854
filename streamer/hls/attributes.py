"""Spells attribute values and attribute lists (RFC 8216, section 4.2)."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterable

import msgspec


def quoted(text: str) -> str:
    """Gives a quoted-string; characters that none may hold are dropped, and double quotes become single ones."""
    clean = "".join(mark for mark in unicodedata.normalize("NFC", text) if unicodedata.category(mark)[0] != "C")
    return '"' + clean.replace('"', "'") + '"'


def attribute_list(pairs: Iterable[tuple[str, str]]) -> str:
    """Joins names and values that are spelled already, in the order given."""
    return ",".join(f"{name}={value}" for name, value in pairs)


def packed(value: object) -> str:
    """Gives a value as a quoted-string of base64url JSON: a quoted-string cannot hold JSON as it is."""
    text = base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()
    return f'"{text}"'
