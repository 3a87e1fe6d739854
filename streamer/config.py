"""Every setting of the server, with its default and unit; config/branchline.yaml is its reference."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError

from streamer.errors import ConfigError
from streamer.session.pacing import Policy
from streamer.units import seconds_to_ticks

Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where the server listens."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0: every interface")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="TCP port; 0: any free one")
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s?#]+[^\s?#/])?$")] = Field(
        "", description="address that viewers use, without a slash at the end; empty: what the request says"
    )
    shutdown_seconds: Seconds = Field(5, description="seconds that open requests get to finish when the server stops")
    log_every_request: bool = Field(
        False,
        description="a line for every request of a playlist or a segment too; else for those that fail",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        0,
        description="seconds that the server goes on when it is told to stop, ready no more and closing each connection"
        " with its answer, so that others take over; 0: there are no others",
    )
    body_bytes: Count = Field(65536, description="bytes; a larger request body is refused")
    body_seconds: Seconds = Field(10, description="seconds that a request body is waited for")
    line_bytes: Count = Field(8190, description="bytes; a longer request line or header is refused")
    header_lines: Count = Field(128, description="a request with more headers is refused")
    idle_seconds: Seconds = Field(
        75, description="seconds that a connection may be open without a request that is whole; more than a proxy's own"
    )
    trusted_proxies: list[IPvAnyNetwork] = Field(
        [],
        description="networks of proxies whose X-Forwarded-For is believed, e.g. [10.0.0.0/8]; only for limits",
    )


class OperationsSettings(_Section):
    """A listener for operators alone: metrics and what the server knows of a session."""

    host: str = Field("127.0.0.1", description="address of the operators' listener; nobody else may reach it")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="its TCP port, for /metrics and /debug/sessions/{id}; 0: there is no such listener"
    )


class LibrarySettings(_Section):
    """Packaged stories and media."""

    path: Path = Field(Path("library"), description="folder that `branchline package` writes")
    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        128 * 1024 * 1024, description="bytes of segments kept in memory for viewers at the same place"
    )


class StateSettings(_Section):
    """What the server remembers."""

    path: Path = Field(Path("state"), description="folder of the session store and of the secret")


class StoreSettings(_Section):
    """Where sessions live."""

    url: Annotated[
        str, Field(pattern=r"^$|^memory:$|^(redis|rediss|redis\+sentinel)://[^\s/]+(/[^\s]*)?$|^unix://[^\s]+$")
    ] = Field(
        "",
        description="address of a Redis or Valkey server that all replicas share: redis://user:password@host:6379/0,"
        " rediss:// for TLS, unix:///path, or redis+sentinel://host:26379,host:26379/name; BRANCHLINE_STORE_URL goes"
        " before it; memory: forgets when the process ends; empty: a file in state.path",
    )
    timeout_seconds: Seconds = Field(1, description="seconds that an answer of the server is waited for")
    connections: Count = Field(64, description="connections to the server at once, at most")
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] = Field(
        "branchline:", description="what all keys and channels on the server begin with"
    )


class MediaSettings(_Section):
    """Where players fetch media."""

    base: Annotated[str, Field(pattern=r"^([^\s\"]*/)?$")] = Field(
        "",
        description="address in front of every media name, with a slash at the end, e.g. https://cdn.example/m/ or"
        " ../../../m/; empty: below the session's own path, where the server sees who fetches what",
    )


class LookupSettings(_Section):
    """Where inputs of `source: crm` come from."""

    url: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = Field(
        "", description="address that is asked as a session opens: POST {story, viewer, profile}; empty: none"
    )
    timeout_seconds: Seconds = Field(
        1, description="seconds that an answer is waited for; then inputs have their defaults"
    )
    authorization: str = Field("", description="Authorization header of the request, e.g. Bearer …; empty: none")


class PacingSettings(_Section):
    """How far lists are kept ahead of viewers; docs/players.md says why."""

    lead_seconds: Seconds = Field(6, description="seconds of media listed ahead of the playhead before a decision")
    long_lead_seconds: Seconds = Field(
        10, description="and in long parts without one: what rides out a bad network; Shaka buffers no more"
    )
    margin_seconds: Annotated[float, Field(ge=0, le=10)] = Field(
        0.3, description="seconds that a branch is listed before the join besides what its player was seen to need"
    )
    patience_seconds: Seconds = Field(
        6, description="seconds after a viewer's last request in which their time goes on"
    )
    hold_seconds: Annotated[float, Field(gt=0, le=7)] = Field(
        5, description="seconds that a blocking playlist request is held at most; players give up at 8"
    )


class SessionSettings(_Section):
    """The life of a playback session."""

    max_age_seconds: Seconds = Field(24 * 3600, description="seconds from opening to expiry")
    register_seconds: Seconds = Field(2, description="seconds between two writes of a viewer's position")
    kept_in_memory: Count = Field(100_000, description="sessions kept in memory; others are read from the store again")
    event_streams: Count = Field(8, description="open event streams per session")


class LimitsSettings(_Section):
    """What one client address may ask for; behind a proxy all viewers have one unless server.trusted_proxies is set."""

    sessions_per_minute: Annotated[int, Field(ge=0)] = Field(
        0, description="sessions that one client address may open a minute; 0: any number"
    )
    choices_per_minute: Annotated[int, Field(ge=0)] = Field(
        0, description="answers that one client address may give a minute; 0: any number"
    )


class Settings(_Section):
    """All settings."""

    server: ServerSettings = ServerSettings()
    operations: OperationsSettings = OperationsSettings()
    library: LibrarySettings = LibrarySettings()
    state: StateSettings = StateSettings()
    store: StoreSettings = StoreSettings()
    media: MediaSettings = MediaSettings()
    lookup: LookupSettings = LookupSettings()
    pacing: PacingSettings = PacingSettings()
    sessions: SessionSettings = SessionSettings()
    limits: LimitsSettings = LimitsSettings()

    def policy(self) -> Policy:
        """Gives the edge policy in the core's units."""
        return Policy(
            lead=seconds_to_ticks(Fraction(str(self.pacing.lead_seconds))),
            long_lead=seconds_to_ticks(Fraction(str(self.pacing.long_lead_seconds))),
            margin_ms=round(self.pacing.margin_seconds * 1000),
            patience_ms=round(self.pacing.patience_seconds * 1000),
            requests_seen=not self.media.base,
        )


def load_settings(path: Path | None) -> Settings:
    """Reads a configuration file; None: the defaults.

    Raises:
        ConfigError: with every mistake: file, setting, value and what was expected.
    """
    if path is None:
        return Settings()
    try:
        data: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return checked_settings(data or {}, str(path))


def checked_settings(data: object, file: str) -> Settings:
    """Checks plain data as settings.

    Raises:
        ConfigError: with every mistake.
    """
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{file}: {'.'.join(map(str, detail['loc'])) or 'file'}: {detail['msg']} (found {detail['input']!r})"
            for detail in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from error
