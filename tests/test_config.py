"""Settings: the reference is complete and true, and mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from streamer.config import Settings, checked_settings, load_settings
from streamer.errors import ConfigError

REFERENCE = Path(__file__).parent.parent / "config" / "branchline.yaml"


def reference_text() -> str:
    """Gives the reference configuration as it follows from the settings."""
    lines = ["# Every setting of `branchline serve`, with its default. Leave out what you do not change."]
    for name, section in Settings.model_fields.items():
        kind = section.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        lines += ["", f"{name}:"]
        for key, field in kind.model_fields.items():
            assert field.description, f"{name}.{key} has no description"
            default = field.default if not isinstance(field.default, str | Path) else f'"{field.default}"'
            lines += [f"  # {field.description}", f"  {key}: {default}"]
    return "\n".join(lines) + "\n"


def test_the_reference_configuration_holds_every_setting_with_its_default(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--golden-update"):
        REFERENCE.write_text(reference_text(), "utf-8")

    assert REFERENCE.read_text("utf-8") == reference_text()
    assert load_settings(REFERENCE) == Settings() == load_settings(None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"server": {"prot": 1}}, "server.prot"),
        ({"server": {"port": 99999}}, "server.port"),
        ({"pacing": {"hold_seconds": 9}}, "pacing.hold_seconds"),
        ({"media": {"base": "no slash at the end"}}, "media.base"),
        ([], "file"),
    ],
)
def test_a_wrong_setting_is_named(data: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        checked_settings(data, "branchline.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [", "utf-8")

    for name in ("bad.yaml", "missing.yaml"):
        with pytest.raises(ConfigError, match=name):
            load_settings(tmp_path / name)
