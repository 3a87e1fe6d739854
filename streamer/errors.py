"""The errors of the product, split by who can act on them.

BranchlineError
├── StoryError        the author: a story file; carries every finding
├── PackagingError    the operator: footage, ffmpeg, disk
├── ConfigError       the operator: a setting
├── LibraryError      the operator: a package that is missing or damaged
├── StoreError        the operator: the session store does not answer
└── SessionError      the viewer: a request about a playback session
    ├── MalformedRequest   a field is missing or wrong
    ├── NotAllowed         the control token is missing or wrong
    ├── NotFound           no such story, session, decision, choice or media
    ├── SessionGone        the session's life is over
    ├── TooLate            the decision was committed before
    ├── TooMany            a bound was reached
    └── Conflict           the same thing was said otherwise before
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


class BranchlineError(Exception):
    """Any error that the product raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in a file that somebody wrote.

    `line` and `column` count from 1; 0 where the place is not known. `remedy` says what to do.
    """

    file: str
    line: int
    column: int
    field: str
    problem: str
    remedy: str
    level: str = "error"  # or "warning"

    def __str__(self) -> str:
        """Gives the finding as one line: file:line:column: level: field: problem. Remedy."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        return f"{place}: {self.level}:{field} {self.problem}. {self.remedy}"


_IN_MESSAGES = "%\r\n"
_IN_PROPERTIES = "%\r\n:,"


def findings_json(findings: tuple[Finding, ...]) -> str:
    """Gives findings as one JSON object: `findings`, in the order of the file, and how many are `errors`."""
    errors = sum(finding.level == "error" for finding in findings)
    return json.dumps({"errors": errors, "findings": [asdict(finding) for finding in findings]}) + "\n"


def findings_github(findings: tuple[Finding, ...]) -> str:
    """Gives findings as annotations of a GitHub workflow, a line each."""

    def escaped(text: str, characters: str = _IN_MESSAGES) -> str:
        for character in characters:
            text = text.replace(character, f"%{ord(character):02X}")
        return text

    lines = []
    for finding in findings:
        named = {"file": finding.file, "title": finding.field or "story"}
        names = ",".join(f"{name}={escaped(text, _IN_PROPERTIES)}" for name, text in named.items())
        place = f"line={max(finding.line, 1)},col={max(finding.column, 1)}"
        lines.append(f"::{finding.level} {names},{place}::{escaped(f'{finding.problem}. {finding.remedy}')}\n")
    return "".join(lines)


class StoryError(BranchlineError):
    """A story file with mistakes; all of them, in the order of the file."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


class PackagingError(BranchlineError):
    """Footage could not be packaged."""


class ConfigError(BranchlineError):
    """A setting is unknown or has a wrong value."""


class LibraryError(BranchlineError):
    """A packaged story or its media is missing or damaged."""


class StoreError(BranchlineError):
    """The session store does not answer; nothing is known to be stored that was being stored."""


class SessionError(BranchlineError):
    """A request about a playback session that cannot be granted."""

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members  # further members of the problem document (RFC 9457, section 3.2)


class MalformedRequest(SessionError):
    """A field of the request is missing or wrong; `field` names it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail, field=field)


class NotAllowed(SessionError):
    """The control token is missing or wrong."""


class NotFound(SessionError):
    """There is no such thing."""


class SessionGone(SessionError):
    """The session's life is over."""


class TooLate(SessionError):
    """The decision was committed before the answer came; `committed` says to what."""


class TooMany(SessionError):
    """A bound was reached."""


class Conflict(SessionError):
    """The same answer_id was used for another answer before."""
