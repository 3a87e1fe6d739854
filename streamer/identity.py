"""Session ids and control tokens: unguessable, signed, and worth nothing to a store until a viewer comes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from streamer.errors import ConfigError

SECRET_BYTES = 32
RANDOM_BYTES = 16  # 128 bits
SEAL_BYTES = 12
MAX_ID = 1024


class Ticket(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a session id says."""

    random: bytes
    created_s: int
    story: str
    revision: str
    profile: dict[str, bool | int | float | str]  # nothing personal
    language: str = ""  # that the viewer reads; empty: the story's


class Identity:
    """Makes and reads ids with one secret, the same on every replica."""

    def __init__(self, secret: bytes) -> None:
        self._ids, self._controls, self.media_key, self._viewers = (
            hmac.digest(secret, purpose, hashlib.sha256)
            for purpose in (b"session id", b"control token", b"media name", b"viewer token")
        )
        self._decoder = msgspec.msgpack.Decoder(Ticket)

    def new_id(
        self,
        *,
        story: str,
        revision: str,
        created_s: int,
        profile: dict[str, bool | int | float | str],
        language: str = "",
    ) -> str:
        """Gives a fresh id."""
        ticket = Ticket(
            random=secrets.token_bytes(RANDOM_BYTES),
            created_s=created_s,
            story=story,
            revision=revision,
            profile=profile,
            language=language,
        )
        body = msgspec.msgpack.encode(ticket)
        return _spelled(body + self._seal(body))

    def read_id(self, session_id: str) -> Ticket | None:
        """Gives what an id says; None: it is not ours, or was altered."""
        if len(session_id) > MAX_ID:
            return None
        try:
            raw = base64.b64decode(session_id + "=" * (-len(session_id) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, seal = raw[:-SEAL_BYTES], raw[-SEAL_BYTES:]
        # One id has one spelling: base64 would let the last character vary.
        if not hmac.compare_digest(seal, self._seal(body)) or _spelled(raw) != session_id:
            return None
        return self._decoder.decode(body)

    def control_token(self, session_id: str) -> str:
        """Gives the token that allows to choose in a session; it cannot be had from the id."""
        return _spelled(hmac.digest(self._controls, session_id.encode(), hashlib.sha256)[:RANDOM_BYTES])

    def viewer_token(self, story: str, viewer: str) -> str:
        """Gives what stands for a viewer of a story in links: the same each time, and nothing can be had from it."""
        return _spelled(hmac.digest(self._viewers, f"{story}|{viewer}".encode(), hashlib.sha256)[:RANDOM_BYTES])

    def controls(self, session_id: str, token: str) -> bool:
        """Tells whether a token is the session's; takes the same time whatever it is."""
        return hmac.compare_digest(self.control_token(session_id).encode(), token.encode(errors="replace"))

    def _seal(self, body: bytes) -> bytes:
        return hmac.digest(self._ids, body, hashlib.sha256)[:SEAL_BYTES]


def seed_of(session_id: str) -> int:
    """Gives the seed of a session's draws: 64 bits, the same on every replica."""
    return int.from_bytes(hashlib.blake2b(session_id.encode(), digest_size=8).digest())


def load_secret(state: Path) -> bytes:
    """Gives the secret: from BRANCHLINE_SECRET (hex), else from the file `secret` of the state folder, made once.

    Raises:
        ConfigError: the secret is too short or no hex, or the file cannot be read or made.
    """
    given = os.environ.get("BRANCHLINE_SECRET")
    if given is not None:
        return _checked_secret(given, "BRANCHLINE_SECRET")
    path = state / "secret"
    try:
        state.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make_secret(path)
        return _checked_secret(path.read_text("ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the secret cannot be read or made: {error}") from error


def _make_secret(path: Path) -> None:
    """Makes the file whole or not at all; who comes second takes the first one's."""
    draft = path.with_name(f"secret.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _checked_secret(text: str, source: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise ConfigError(
            f"{source}: a secret is {2 * SECRET_BYTES} hex digits or more; make one with: openssl rand -hex 32"
        )
    return secret


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
