"""Every finding about what the wider language can get wrong: where it stands, what it is, and what to do."""

from __future__ import annotations

from streamer.story.codec import read_story
from tests.conftest import Golden

BASE = """\
story: 1
id: wide
title: {en: Wide, sv: Bred}
start: a
profile:
  name: {type: string, default: "", pii: true}
  hour: {type: int, default: 0, source: clock}
state:
  lamp: {type: bool, default: false}
  n: {type: int, min: 0, max: 9, default: 0}
experiments: {opener: {arms: {short: 1, long: 2}}}
groups: {b: [{to: c, when: state.lamp}, {to: d}]}
artwork: [{image: art/late.jpg, when: profile.hour > 17}, {image: art/base.jpg}]
menu: [{id: again, label: {en: Again, sv: Igen}, to: a}, {label: {en: End, sv: Slut}, to: d}]
scenes:
  a:
    media: {src: a, in: 0s, out: 60s}
    variants: [{when: arm.opener == 'short', out: 50s}]
    checkpoint: {id: top, label: "{profile.name|You} again"}
    events: [{at: 2s, set: {n: state.n + 1}}]
    decisions:
      - {id: one, opens_at: 8s, closes_at: 16s, default: x, choices: [
          {id: x, label: X, set: {lamp: true}}, {id: z, label: Z, url: "https://a.example/{viewer.token}"}]}
      - {id: two, opens_at: 22s, closes_at: 30s, default: x, choices: [
          {id: x, label: X}, {id: z, label: "Z {state.n}"}]}
    next: [{to: b}]
  b: {media: {src: b, in: 0s, out: 30s}}
  c:
    media: {src: c, in: 0s, out: 30s}
    decision:
      {id: code, opens_at: -14s, default: wrong, input: {type: code, length: 2}, choices: [
        {id: right, label: Right, code: A1, to: d}, {id: wrong, label: Wrong, to: d}]}
  d: {media: {src: d, in: 0s, out: 30s}, end: {id: d, credits: -5s, offer_checkpoints: [top]}}
"""
CHANGES = ("out: 50s", "out: 51s", "out: 52s", "in: 1s", "in: 2s", "in: 3s", "in: 4s", "src: b", "src: c", "src: d")
MANY_VARIANTS = "[" + ", ".join(f"{{when: arm.opener == 'short', {change}}}" for change in CHANGES) + "]"
# What is written, and what instead of it; what is then told stands in tests/golden/findings.txt.
SPOILT = [
    (
        "hour: {type: int, default: 0, source: clock}",
        "hour: {type: int, default: 0, source: clock}\n  day: {type: int, default: 0, source: clock}",
    ),
    ("hour: {type: int, default: 0, source: clock}", "hour: {type: string, default: a, source: clock}"),
    ("    next: [{to: b}]\n", "    next: [{to: b}]\n    decision: {id: z, default: x, choices: [{id: x, label: X}]}\n"),
    ("{label: {en: End, sv: Slut}, to: d}", "{id: again, label: {en: End, sv: Slut}, to: d}"),
    ("{id: again, label: {en: Again, sv: Igen}, to: a}", "{label: {en: Again, sv: Igen}, to: d}"),
    ("offer_checkpoints: [top]", "offer_checkpoints: [top, tip]"),
    ("{when: arm.opener == 'short', out: 50s}", "{when: arm.opener == 'short'}"),
    ("[{when: arm.opener == 'short', out: 50s}]", MANY_VARIANTS),
    ("{id: x, label: X, set: {lamp: true}}", "{id: x, label: X, code: B2, set: {lamp: true}}"),
    ("code: A1", "code: A12"),
    ("{id: wrong, label: Wrong, to: d}", "{id: wrong, label: Wrong, to: d}, {id: other, label: O, code: a1, to: d}"),
    ("{id: wrong, label: Wrong, to: d}", "{id: wrong, label: Wrong, code: B2, to: d}"),
    ("when: state.lamp", "when: profile.name == 'Ada'"),
    ("events: [{at: 2s,", "events: [{at: 55s,"),
    ("events: [{at: 2s,", "events: [{at: -61s,"),
    ("credits: -5s", "credits: 30s"),
    ("opens_at: 22s", "opens_at: 15s"),
    (
        "variants: [{when: arm.opener == 'short', out: 50s}]",
        "variants: [{when: arm.opener == 'short', in: 30s}, {when: state.lamp, out: 20s}]",
    ),
    ("opens_at: 22s, closes_at: 30s", "opens_at: 8s, closes_at: 30s"),
    ("opens_at: 8s, closes_at: 16s", "opens_at: 8s, closes_at: 16s, hold: {src: l}"),
    ("when: arm.opener == 'short'", "when: state.lamp"),
    ("Z {state.n}", "Z {state.m}"),
    ("{profile.name|You} again", "{profile.name} again"),
    ("{viewer.token}", "{viewer.name}"),
    ("{viewer.token}", "{profile.name}"),
    ("Z {state.n}", "Z {viewer.token}"),
    ("opens_at: 22s, closes_at: 30s", "opens_at: 22s, closes_at: 26s"),
    ("{en: Again, sv: Igen}", "{en: Again}"),
    ("end: {id: d, credits: -5s, offer_checkpoints: [top]}", "next: [{to: a}]"),
    (
        "  b: {media: {src: b, in: 0s, out: 30s}}\n",
        (
            "  b: {media: {src: b, in: 0s, out: 30s}}\n  e: {media: {src: e}, next: [{to: f}]}\n"
            "  f: {media: {src: f}, decision: {id: f, opens_at: 1s, default: x, choices: [{id: x, label: X, to: e}]}}\n"
        ),
    ),
    ("when: state.lamp", "when: state.n > 9"),
    ("when: state.lamp", "when: visits('a') < 0"),
    ("set: {n: state.n + 1}}", "cue: hello}"),
    ("profile.hour > 17", "state.lamp"),
    ("{to: c, when: state.lamp}, {to: d}]}", "{to: c, when: state.lamp}, {to: d}], spare: [{to: d}]}"),
    ("when: state.lamp", "when: chose('one') == 'q'"),
    ("out: 60s", "out: 1.5s"),
    ("hour: {type: int", "hour: {type: int, min: 3"),
]


def findings_of(text: str) -> list[str]:
    return [str(finding) for finding in read_story(text, "wide.yaml")[1]]


def test_the_story_that_is_spoilt_below_is_well() -> None:
    assert findings_of(BASE) == []


def test_every_mistake_is_told_with_its_place_and_remedy(golden: Golden) -> None:
    told: list[str] = []
    for old, new in SPOILT:
        assert old in BASE
        found = findings_of(BASE.replace(old, new, 1))
        assert found
        told += [f"- {old.strip()}", f"+ {new.strip()}", *found, ""]

    golden.check("findings.txt", "\n".join(told))


def test_a_story_with_very_many_warnings_loads_and_tells_the_first_hundred() -> None:
    unused = "".join(f"  v{number}: {{type: bool, default: false}}\n" for number in range(120))

    story, findings = read_story(BASE.replace("state:\n", f"state:\n{unused}"), "wide.yaml")

    assert story is not None
    assert len(findings) == 100
    assert {finding.level for finding in findings} == {"warning"}
