"""From story text to playlist text, whole."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace

import pytest

from streamer.hls.delivery import Skip
from streamer.media.index import AUDIO_FRAME_TICKS, audio_frames_at
from streamer.playlists import PLAIN, Form, Rendered, multivariant, rendition_of, segment_at
from streamer.session.events import Committed
from streamer.session.timeline import Timeline, fold, follow, start_timeline
from streamer.story.rules import Opening
from streamer.units import Ticks
from tests.builders import ADDRESSES, grown, seconds, staged, staged_text
from tests.conftest import Golden
from tests.readers import read_media, read_multivariant

LOOP = """
fork 12.52 -> left | right
left 7.36 -> fork
right 6.4 -> last
last 5.08 .
"""


def commit(visit: int, decision: str, choice: str, by: str = "viewer") -> Committed:
    return Committed(visit=visit, decision=decision, choice=choice, by=by, at=Ticks(0))


def text_of(timeline: Timeline, rendition_id: str, edge: int | None = None) -> str:
    rendition = rendition_of(timeline.stage.package, rendition_id)
    assert rendition is not None
    return Rendered(timeline, rendition, ADDRESSES).version(timeline.settled if edge is None else edge).body.decode()


def test_the_first_answer_lists_three_segments_and_the_decision_that_opens_in_them(golden: Golden) -> None:
    timeline = start_timeline(staged(LOOP))

    text = text_of(timeline, "v0", 3)

    golden.check("first_answer.m3u8", text)
    assert read_media(text).durations == (2.0, 2.0, 2.0)


def test_a_loop_taken_once_and_left_is_one_timeline_with_no_discontinuity(golden: Golden) -> None:
    commits = (commit(1, "after-fork", "left"), commit(3, "after-fork", "right", by="default"))
    timeline = fold(staged(LOOP), Opening(), commits)

    picture, sound = text_of(timeline, "v0"), text_of(timeline, "a0")

    golden.check("loop_picture.m3u8", picture)
    golden.check("loop_sound.m3u8", sound)
    assert read_media(picture).ended
    assert read_media(sound).ended
    assert len(read_media(picture).uris) == len(read_media(sound).uris)
    assert read_media(picture).ranges == (
        "test.after-fork.1",
        "test.after-fork.1.result",
        "test.after-fork.3",
        "test.after-fork.3.result",
    )


def test_a_decision_says_its_prompt_choices_and_times_and_no_targets() -> None:
    text = text_of(start_timeline(staged(LOOP)), "v0", 3)

    found = re.search(r'START-DATE="([^"]*)",DURATION=([\d.]+),X-IO-BRANCHLINE-DECISION="([^"]*)"', text)

    assert found is not None
    start, duration, packed = found.groups()
    assert (start, duration) == ("2020-01-01T00:00:03.520Z", "5.000")
    assert json.loads(base64.urlsafe_b64decode(packed + "==")) == {
        "v": 1,
        "story": "test",
        "decision": "after-fork",
        "visit": 1,
        "prompt": "Where to?",
        "choices": [{"id": "left", "label": "Go to left"}, {"id": "right", "label": "Go to right"}],
        "default": "left",
        "opens": "3.520",
        "locks": "8.520",
        "join": "12.520",
    }


def test_the_bytes_are_the_same_for_every_session_and_however_they_came_to_be() -> None:
    stage = staged(LOOP)
    whole = fold(stage, Opening(), (commit(1, "after-fork", "right"),))
    parent = start_timeline(stage)
    rendition = stage.package.audio
    early = Rendered(parent, rendition, ADDRESSES)
    early.version(4)

    late = early.following(follow(parent, commit(1, "after-fork", "right")))

    assert late.version(whole.settled) == Rendered(whole, rendition, ADDRESSES).version(whole.settled)


def test_sound_stays_on_one_grid_and_within_half_a_frame_of_the_picture() -> None:
    commits = [commit(2 * turn + 1, "after-fork", "left") for turn in range(10)]
    timeline = fold(staged(LOOP), Opening(), tuple(commits))
    audio = timeline.stage.package.audio

    at = 0
    for visit in timeline.visits:
        assert at == audio_frames_at(visit.start)
        assert abs(at * AUDIO_FRAME_TICKS - visit.start) * 2 <= AUDIO_FRAME_TICKS
        stretch = visit.stretch
        at += sum(segment_at(stretch, index, audio)[0].duration for index in range(len(stretch.ends))) // 1024
    assert len(timeline.visits) == 21


def test_the_multivariant_playlist_names_rates_codecs_and_sizes(golden: Golden) -> None:
    stage = staged(LOOP)

    text = multivariant(stage.story, stage.package, "1/").decode()

    golden.check("multivariant.m3u8", text)
    variants = read_multivariant(text).playlists
    assert [variant.uri for variant in variants] == ["1/v0.m3u8", "1/v1.m3u8"]
    assert variants[0].stream_info.codecs == "avc1.64001f,mp4a.40.2"


def test_a_path_where_every_answer_leads_on_alike_is_listed_before_the_lock() -> None:
    stage = staged("a 12 -> b | b2\nb 8 -> c\nb2 8 -> c\nc 6 .")
    same = staged("a 12 -> b\nb 8 .")

    assert start_timeline(stage).listable == start_timeline(stage).settled == 6
    assert start_timeline(same).complete
    assert seconds(12) == start_timeline(stage).last.end


# ── forms of a list ──────────────────────────────────────────────────────────────────────────────────────────────


LONG = "\n".join(f"s{n} 11 -> s{n + 1} | s0" for n in range(9)) + "\ns9 8 ."


def long_path(choices: int) -> Timeline:
    return fold(staged(LONG), Opening(), tuple(commit(n + 1, f"after-s{n}", f"s{n + 1}") for n in range(choices)))


def merged(known: str, delta: str) -> str:
    """Gives the playlist that a player has after a Playlist Delta Update (RFC 8216bis, section 6.2.5.1)."""
    found = re.search(r"#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)(,RECENTLY-REMOVED-DATERANGES=\"\")?\n", delta)
    if found is None:
        return delta
    head, rest = delta[: found.start()], delta[found.end() :]
    blocks = re.split(r"(?<=\.m4s\n)", known)
    first, segments = blocks[0], blocks[1:]
    start = first.index("#EXT-X-PROGRAM-DATE-TIME")
    segments = [first[start:], *segments][: int(found[1])]
    ranges = re.findall(r"#EXT-X-DATERANGE.*\n", "".join(segments))
    told = re.findall(r"#EXT-X-DATERANGE.*\n", head)
    assert told == ([] if found[2] else ranges)
    plain = re.sub(r"#EXT-X-DATERANGE.*\n", "", head)
    return re.sub(r"(?<=VERSION:)\d+", "6", plain) + "".join(segments) + rest


@pytest.mark.parametrize("skip", [Skip.SEGMENTS, Skip.SEGMENTS_AND_RANGES])
@pytest.mark.parametrize("rendition_id", ["v0", "a0"])
def test_a_delta_and_what_a_player_has_are_the_whole_list(skip: Skip, rendition_id: str) -> None:
    timeline = long_path(6)
    rendition = rendition_of(timeline.stage.package, rendition_id)
    assert rendition is not None
    rendered = Rendered(timeline, rendition, ADDRESSES)
    smaller = 0
    for edge in range(3, timeline.settled + 1):
        whole, delta = rendered.version(edge).body.decode(), rendered.version(edge, Form(skip=skip)).body.decode()
        smaller += len(delta) < len(whole)
        for known in range(max(edge - 6, 3), edge + 1):
            assert merged(rendered.version(known).body.decode(), delta) == whole
        read = re.search(r"SKIPPED-SEGMENTS=(\d+)", delta)
        skipped = int(read[1]) if read else 0
        left = sum(read_media(whole).durations[skipped:])
        assert left >= 12 or not skipped
    assert smaller > timeline.settled - 20


def test_a_delta_is_as_long_after_an_hour_as_after_a_minute() -> None:
    rendition = rendition_of(long_path(9).stage.package, "v0")
    assert rendition is not None
    form = Form(skip=Skip.SEGMENTS_AND_RANGES)
    lengths = {
        len(Rendered(long_path(choices), rendition, ADDRESSES).version(long_path(choices).last.first + 2, form).body)
        for choices in (3, 5, 7)
    }

    assert max(lengths) - min(lengths) < 40  # the digits of numbers and offsets


def test_with_the_end_a_list_is_sent_whole() -> None:
    timeline = long_path(9)
    rendition = rendition_of(timeline.stage.package, "v0")
    assert rendition is not None
    rendered = Rendered(timeline, rendition, ADDRESSES)

    whole = rendered.version(timeline.settled).body

    assert whole.endswith(b"#EXT-X-ENDLIST\n")
    assert rendered.version(timeline.settled, Form(skip=Skip.SEGMENTS)).body == whole


@pytest.mark.parametrize("form", [Form(), Form(skip=Skip.SEGMENTS), Form(start_ms=45_070)])
def test_the_compressed_form_is_that_of_the_plain_one(form: Form) -> None:
    early = long_path(3)
    rendition = rendition_of(early.stage.package, "a0")
    assert rendition is not None
    rendered = Rendered(early, rendition, ADDRESSES)
    late = rendered.following(long_path(4))
    for known, edges in ((rendered, (3, 9, early.settled)), (late, (early.settled, long_path(4).settled))):
        for edge in edges:
            assert (
                gzip.decompress(known.version(edge, replace(form, zipped=True)).body) == known.version(edge, form).body
            )


FORMS = [
    Form(skip=skip, zipped=zipped, start_ms=start_ms)
    for skip in Skip
    for zipped in (False, True)
    for start_ms in (None, 45_070)
]


@pytest.mark.parametrize("parted", [False, True])
def test_a_tag_stands_for_one_body_and_is_the_same_for_whoever_spells_it(parted: bool) -> None:
    timeline = grown("long 20.52 -> last\nlast 8 .", in_parts=True) if parted else long_path(4)
    rendition = timeline.stage.package.video[0]
    grows = Rendered(timeline, rendition, ADDRESSES)
    bodies: dict[str, bytes] = {}

    for edge in range(3, 10):
        for form in (replace(form, parts=parts) for form in FORMS for parts in ((0, 1) if parted else (0,))):
            version = grows.version(edge, form)
            assert bodies.setdefault(version.tag, version.body) == version.body
            assert version == Rendered(timeline, rendition, ADDRESSES).version(edge, form)

    assert len(bodies) == len(set(bodies.values()))


def test_who_goes_on_elsewhere_is_told_where_and_nothing_else_differs() -> None:
    timeline = long_path(2)
    rendition = rendition_of(timeline.stage.package, "v0")
    assert rendition is not None
    rendered = Rendered(timeline, rendition, ADDRESSES)

    plain, elsewhere = rendered.version(9).body.decode(), rendered.version(9, Form(start_ms=17_040)).body.decode()

    assert elsewhere == plain.replace("TIME-OFFSET=0.01", "TIME-OFFSET=17.040")


def test_a_player_that_has_no_more_than_a_delta_lists_gets_the_whole() -> None:
    timeline = long_path(3)
    rendition = rendition_of(timeline.stage.package, "v0")
    assert rendition is not None
    rendered = Rendered(timeline, rendition, ADDRESSES)

    def size(has: int) -> int:
        return len(rendered.version(8, Form(skip=Skip.SEGMENTS_AND_RANGES, has=has)).body)

    listed = rendered.version(8, Form(skip=Skip.SEGMENTS_AND_RANGES)).body.count(b"#EXTINF")
    assert listed == 7
    assert size(7) == len(rendered.version(8).body)
    assert size(8) < size(7)


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_parts(edge: int, parts: int, rendition_id: str = "v0", form: Form = PLAIN) -> str:
    timeline = grown("long 20.52 -> last\nlast 8 .", in_parts=True)
    rendition = rendition_of(timeline.stage.package, rendition_id)
    assert rendition is not None
    return Rendered(timeline, rendition, ADDRESSES).version(edge, replace(form, parts=parts)).body.decode()


def test_the_newest_segments_are_listed_in_parts_with_a_hint_and_a_report(golden: Golden) -> None:
    picture, sound = in_parts(9, 2), in_parts(9, 2, "a0")

    golden.check("in_parts_picture.m3u8", picture)
    golden.check("in_parts_sound.m3u8", sound)
    for text in (picture, sound):
        assert len(read_media(text).uris) == 8
        assert len(re.findall("#EXT-X-PART:", text)) == 3 * 4 + 2  # of the last six seconds, and what is begun
        assert re.search(r'PRELOAD-HINT:TYPE=PART,URI="[^"]*-8p2-', text)
    assert '#EXT-X-RENDITION-REPORT:URI="a0.m3u8",LAST-MSN=8,LAST-PART=1\n' in picture
    assert '#EXT-X-RENDITION-REPORT:URI="v1.m3u8",LAST-MSN=8,LAST-PART=1\n' in picture


def test_the_hint_is_the_part_that_comes_next() -> None:
    for edge, parts in ((4, 0), (4, 1), (4, 3), (9, 2)):
        hint = re.search('PRELOAD-HINT:TYPE=PART,URI="([^"]*)"', in_parts(edge, parts))
        after = (edge, parts + 1) if parts else (edge + 1, 1)
        later = in_parts(*after) if after[1] < 4 else in_parts(edge, 0)

        assert hint is not None
        assert re.findall('#EXT-X-PART:.*URI="([^"]*)"', later)[-1] == hint[1]


def test_nothing_is_hinted_that_a_choice_may_change() -> None:
    timeline = start_timeline(staged(LOOP, in_parts=True))

    assert "PRELOAD-HINT" not in text_of(timeline, "v0")
    assert "PRELOAD-HINT" in text_of(timeline, "v0", timeline.settled - 1)


def test_the_last_segment_of_all_comes_whole_with_the_end() -> None:
    text = in_parts(15, 0)

    assert text.endswith("#EXT-X-ENDLIST\n")
    assert "HINT" not in text
    assert "REPORT" not in text
    assert "#EXT-X-PART:" not in text[text.rindex("#EXTINF") - 400 :].rpartition("#EXTINF")[0].rpartition(".m4s\n")[2]
    assert "HINT" not in in_parts(14, 0)


def test_a_delta_in_parts_is_what_the_whole_ends_with() -> None:
    whole, delta = in_parts(10, 3), in_parts(10, 3, form=Form(skip=Skip.SEGMENTS_AND_RANGES))

    assert "SKIPPED-SEGMENTS=3" in delta
    assert whole.endswith(delta.partition('DATERANGES=""\n')[2])
    assert len(delta) < len(whole)


def test_a_code_and_personal_inputs_are_not_told_in_playlists() -> None:
    text = """
story: 1
id: door
title: Door
start: door
profile: {name: {type: string, default: "", pii: true}}
scenes:
  door:
    media: {src: door}
    decision:
      {id: code, prompt: "Well, {profile.name|friend}?", opens_at: 1s, closes_at: -4s, default: shut,
       input: {type: code, length: 4},
       choices: [{id: open, label: Open, code: 4f7x, to: hall}, {id: shut, label: Shut, to: hall}]}
  hall: {media: {src: hall}, end: {id: hall}}
"""
    on = staged_text(text, {"door": seconds(14), "hall": seconds(8)})
    playlist = text_of(start_timeline(on, Opening(profile={"name": "Zebediah"})), "v0", 3)

    found = re.search(r'X-IO-BRANCHLINE-DECISION="([^"]+)"', playlist)
    assert found is not None
    told = json.loads(base64.urlsafe_b64decode(found[1] + "=="))
    assert (told["prompt"], told["choices"], told["default"]) == ("Well, friend?", [], None)
    assert told["input"] == {"type": "code", "length": 4}
    assert playlist == text_of(start_timeline(on), "v0", 3)
