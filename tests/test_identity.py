"""Session ids, control tokens and the secret."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.identity import MAX_ID, Identity, load_secret, seed_of


def test_an_id_says_what_it_was_made_of_and_nothing_altered_is_read() -> None:
    identity = Identity(bytes(32))
    session = identity.new_id(story="s", revision="r", created_s=5, profile={"lang": "en"})

    ticket = identity.read_id(session)

    assert ticket is not None
    assert (ticket.story, ticket.revision, ticket.created_s, ticket.profile) == ("s", "r", 5, {"lang": "en"})
    assert len(ticket.random) == 16
    for index in range(len(session)):
        altered = session[:index] + ("A" if session[index] != "A" else "B") + session[index + 1 :]
        assert identity.read_id(altered) is None
    for wrong in ("", "A", "é", session + "A", session + "=", "A" * (MAX_ID + 1), session + "\n"):
        assert identity.read_id(wrong) is None
    assert Identity(bytes([1] * 32)).read_id(session) is None


def test_the_control_token_is_of_one_session_alone() -> None:
    identity = Identity(bytes(32))

    assert identity.controls("a", identity.control_token("a"))
    assert not identity.controls("b", identity.control_token("a"))
    assert not identity.controls("a", "é")


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first, second = load_secret(tmp_path / "state"), load_secret(tmp_path / "state")

    assert first == second
    assert stat.S_IMODE((tmp_path / "state" / "secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["secret"]


def test_a_secret_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRANCHLINE_SECRET", "ab" * 32)
    assert load_secret(tmp_path) == bytes.fromhex("ab" * 32)

    for wrong in ("ab", "no hex"):
        monkeypatch.setenv("BRANCHLINE_SECRET", wrong)
        with pytest.raises(ConfigError, match="BRANCHLINE_SECRET"):
            load_secret(tmp_path)


def test_a_damaged_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short", "ascii")

    with pytest.raises(ConfigError, match="secret"):
        load_secret(tmp_path)


def test_every_session_has_a_seed_of_its_own() -> None:
    assert 0 <= seed_of("one") < 2**64
    assert seed_of("one") == seed_of("one") != seed_of("two")
