"""Errors are split by who can act, and say where."""

from __future__ import annotations

import json

import pytest

from streamer import errors
from streamer.errors import (
    BranchlineError,
    Finding,
    MalformedRequest,
    SessionError,
    StoryError,
    TooLate,
    findings_github,
    findings_json,
)


def test_a_finding_is_one_line_with_place_level_field_and_remedy() -> None:
    finding = Finding(file="a.yaml", line=3, column=7, field="scenes.a", problem="it is wrong", remedy="Mend it")

    assert str(finding) == "a.yaml:3:7: error: scenes.a: it is wrong. Mend it"


def test_a_finding_without_a_known_place_names_the_file_alone() -> None:
    finding = Finding(
        file="a.yaml", line=0, column=0, field="", problem="it is wrong", remedy="Mend it", level="warning"
    )

    assert str(finding) == "a.yaml: warning: it is wrong. Mend it"


def test_a_story_error_carries_every_finding_and_says_them_in_order() -> None:
    findings = tuple(
        Finding(file="a.yaml", line=line, column=1, field="", problem="is wrong", remedy="Mend it") for line in (1, 2)
    )

    error = StoryError(findings)

    assert error.findings == findings
    assert [line.split(" ")[0] for line in str(error).splitlines()] == ["a.yaml:1:1:", "a.yaml:2:1:"]


def test_an_error_of_a_session_carries_what_its_problem_document_says() -> None:
    assert TooLate("the decision is committed", committed="left").members == {"committed": "left"}
    assert MalformedRequest("choice", "is missing").members == {"field": "choice"}
    assert str(MalformedRequest("choice", "is missing")) == "is missing"


@pytest.mark.parametrize(
    "error", [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
)
def test_every_error_is_in_the_tree_that_the_docstring_draws(error: type[Exception]) -> None:
    drawn = next(line for line in (errors.__doc__ or "").splitlines() if error.__name__ in line.split())
    depth = len(drawn) - len(drawn.lstrip(" │├└─"))

    assert issubclass(error, BranchlineError)
    assert depth == 4 * (len(error.__mro__) - BranchlineError.__mro__.__len__())
    assert (depth == 8) == (issubclass(error, SessionError) and error is not SessionError)


def test_findings_are_told_to_other_programs() -> None:
    wrong = Finding(file="a,b.yaml", line=3, column=7, field="scenes.a", problem="100% wrong:\nit is", remedy="Mend it")
    loose = Finding(file="a.yaml", line=0, column=0, field="", problem="is odd", remedy="Look", level="warning")

    assert findings_github((wrong, loose)) == (
        "::error file=a%2Cb.yaml,title=scenes.a,line=3,col=7::100%25 wrong:%0Ait is. Mend it\n"
        "::warning file=a.yaml,title=story,line=1,col=1::is odd. Look\n"
    )
    found = json.loads(findings_json((wrong, loose)))
    assert found["errors"] == 1
    assert [each["level"] for each in found["findings"]] == ["error", "warning"]
