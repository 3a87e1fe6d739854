"""Over random stories and walks: what was published never changes, and all renditions keep step."""

from __future__ import annotations

import random
from contextlib import suppress

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.errors import SessionError
from streamer.playlists import Form, Rendered, rendition_of
from streamer.session.choosing import Answer, answered, gone_back
from streamer.session.events import Register, Restarted, SessionRecord
from streamer.session.pacing import Course, Edge, Policy, advanced, course_of, due, playhead, with_sign
from streamer.session.timeline import Timeline, follow, start_timeline
from streamer.units import Ticks, round_half_up
from tests.builders import ADDRESSES, FLAGS, seconds, staged
from tests.readers import read_media

POLICIES = (Policy(requests_seen=True), Policy(requests_seen=False))
RENDITIONS = ("v0", "v1", "a0")
HELD_AND_IMMEDIATE = "s0!? 11.00 -> s0 | s1\ns1 11.00 -> s2\ns2 11.00 ."  # answered while its loop plays
EPHEMERAL = ("#EXT-X-PART:", "#EXT-X-PRELOAD-HINT", "#EXT-X-RENDITION-REPORT")  # not kept in a list for good


@st.composite
def stories(draw: st.DrawFn) -> str:
    """Gives a random graph: decisions, plain ways, loops; at least one ending."""
    count = draw(st.integers(2, 6))
    names = [f"s{index}" for index in range(count)]
    lines = []
    for index, name in enumerate(names):
        frames = draw(st.integers(275, 520))
        length = f"{frames // 25}.{frames % 25 * 4:02d}"
        if index == count - 1:
            lines.append(f"{name} {length} .")
        elif draw(st.booleans()):
            targets = draw(st.lists(st.sampled_from(names), min_size=2, max_size=3, unique=True))
            flags = "".join(flag for flag in FLAGS if draw(st.booleans()))
            lines.append(f"{name}{flags} {length} -> {' | '.join(targets)}")
        else:
            lines.append(f"{name} {length} -> {names[index + 1]}")
    return "\n".join(lines)


class Viewer:
    """A viewer in simulated time, and everything that was ever published to them."""

    def __init__(self, lines: str, policy: Policy, seed: int, *, in_parts: bool = False) -> None:
        self.policy = policy
        self.parts: dict[str, dict[int, list[str]]] = {name: {} for name in RENDITIONS}
        self.random = random.Random(seed)
        self.timeline: Timeline = start_timeline(staged(lines, in_parts=in_parts))
        self.record = SessionRecord(story="test", revision="r", created_ms=0, profile={})
        self.register, self.edge, self.now_ms = Register(), Edge(), 1_000_000
        self.published: dict[str, list[str]] = {name: [] for name in RENDITIONS}
        self.shown: tuple[Timeline, int, int] | None = None  # what the lists that were read last follow from

    def poll(self) -> None:
        """Asks for every rendition, as a player does."""
        self.sign(starts=not self.policy.requests_seen)
        self._settle()
        before = self.edge.published
        self.edge = advanced(self.course, self.edge, self.register, self.play, now_ms=self.now_ms, policy=self.policy)
        assert before <= self.edge.published
        assert self.timeline.whole or self.edge.published <= before + 3
        self.publish_all()

    def publish_all(self) -> None:
        """Reads every list that is another one than at the last poll: of the same path and edge they are the same."""
        follow_from = (self.timeline, self.edge.published, self.edge.parts)
        known = self.shown
        if known is not None and known[0] is self.timeline and known[1:] == follow_from[1:]:
            return
        self.shown = follow_from
        for name in RENDITIONS:
            self.publish(name)

    @property
    def play(self) -> Ticks:
        """Gives the playhead, estimated."""
        return playhead(self.register, self.now_ms, self.policy, self.edge)

    @property
    def course(self) -> Course:
        """Gives the path and what decides its pace."""
        return course_of(
            self.timeline,
            self.record.events,
            self.register,
            self.play,
            published=self.edge.published,
            extended=False,
            policy=self.policy,
        )

    def sign(self, *, requested: int = 0, starts: bool) -> None:
        """Shows a sign of life."""
        published = self.register.requested if self.policy.requests_seen else self.edge.published
        most = self.timeline.end_of(published - 1) if published else Ticks(0)
        self.register = with_sign(
            self.register, self.now_ms, self.policy, self.edge, most=most, requested=requested, starts=starts
        )

    def publish(self, name: str) -> None:
        """Reads what is published now, and holds it against what was published before."""
        rendition = rendition_of(self.timeline.stage.package, name)
        assert rendition is not None
        form = Form(parts=self.edge.parts)
        text = Rendered(self.timeline, rendition, ADDRESSES).version(self.edge.published, form).body.decode()
        self._read_parts(name, text)
        lines = [line for line in text.splitlines() if not line.startswith(EPHEMERAL)]
        earlier = self.published[name]
        assert lines[: len(earlier)] == earlier
        assert "#EXT-X-ENDLIST" not in earlier or lines == earlier
        read = read_media(text)
        assert len(read.uris) == self.edge.published - (self.edge.parts > 0)
        assert all(
            round_half_up(round(duration * 100_000), 100_000) <= read.target_duration for duration in read.durations
        )
        assert len(set(read.uris)) == len(read.uris)
        assert len(set(read.ranges)) == len(read.ranges)
        self.published[name] = lines

    def _read_parts(self, name: str, text: str) -> None:
        """Reads the parts of each segment: they come one by one, and stay what they are."""
        number = 0
        found: dict[int, list[str]] = {}
        for line in text.splitlines():
            if line.startswith("#EXT-X-PART:"):
                found.setdefault(number, []).append(line)
            number += line.startswith("#EXTINF")
        for segment, parts in found.items():
            known = self.parts[name].setdefault(segment, [])
            assert parts[: len(known)] == known
            self.parts[name][segment] = parts
        if self.edge.parts:
            assert len(found[self.edge.published - 1]) == self.edge.parts

    def fetch(self) -> None:
        """Asks for the next segments, as far as they are listed."""
        newest = min(self.register.requested + self.random.randint(0, 3), self.edge.published)
        self.sign(requested=newest, starts=True)

    def choose(self) -> None:
        """Answers the open decision, maybe changing the mind."""
        placed = self.timeline.open
        if placed is not None:
            answer = Answer(
                visit=self.timeline.last.number,
                decision=placed.decision.id,
                choice=self.random.choice(placed.choices).id,
                answer_id=f"answer-{self.random.random()}",
            )
            self._settle()
            if self.timeline.last.number == answer.visit:
                with suppress(SessionError):  # it is not open yet
                    record = answered(self.record, self.timeline, answer, self.play, published=self.edge.published)
                    self._take(record)

    def go_back(self) -> None:
        """Goes back to a checkpoint, if one was passed."""
        if len(self.timeline.passed):
            checkpoint = self.random.choice([*self.timeline.passed]).checkpoint
            with suppress(SessionError):  # its scene was not published
                self._take(
                    gone_back(
                        self.record,
                        self.timeline,
                        checkpoint,
                        f"back-{self.random.random()}",
                        published=self.edge.published,
                    )
                )

    def _take(self, record: SessionRecord) -> None:
        for step in record.steps[len(self.record.steps) :]:
            if isinstance(step, Restarted):
                return  # another playlist
            self.timeline = follow(self.timeline, step)
            assert self.timeline.parted >= self.edge.published - 1
        self.record = record

    def _settle(self) -> None:
        while commit := due(
            self.course,
            self.record.events,
            self.register,
            self.play,
            published=self.edge.published,
            policy=self.policy,
        ):
            assert self.play >= commit.at
            self._take(msgspec.structs.replace(self.record, events=(*self.record.events, commit)))


@settings(max_examples=30, deadline=None)
@example(lines=HELD_AND_IMMEDIATE, policy=POLICIES[1], seed=0, in_parts=False)
@given(lines=stories(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 2**32), in_parts=st.booleans())
def test_nothing_published_ever_changes_whatever_the_story_and_the_viewer(
    lines: str, policy: Policy, seed: int, *, in_parts: bool
) -> None:
    viewer = Viewer(lines, policy, seed, in_parts=in_parts)
    for _ in range(90):
        viewer.now_ms += viewer.random.choice((100, 500, 1000, 2000, 2000, 9000))
        viewer.random.choice(
            (viewer.poll, viewer.poll, viewer.poll, viewer.fetch, viewer.fetch, viewer.choose, viewer.go_back)
        )()
    counts = {name: sum(line.startswith("#EXTINF") for line in found) for name, found in viewer.published.items()}
    ranges = {name: [line for line in found if "DATERANGE" in line] for name, found in viewer.published.items()}
    assert len(set(counts.values())) == 1
    assert ranges["v0"] == ranges["v1"] == ranges["a0"]


@settings(max_examples=25, deadline=None)
@given(stories(), st.integers(0, 2**32))
def test_an_attentive_viewer_always_has_media_ahead_and_never_sees_the_list_stand_still_for_long(
    lines: str, seed: int
) -> None:
    viewer = Viewer(lines, Policy(requests_seen=True), seed)
    viewer.poll()
    changed_ms = viewer.now_ms
    for step in range(400):
        viewer.now_ms += 250
        before = viewer.edge.published
        viewer.sign(requested=viewer.edge.published, starts=True)
        if step % 7 == 0:
            viewer.choose()
        viewer.poll()
        if viewer.timeline.complete and viewer.edge.published == viewer.timeline.settled:
            return
        changed_ms = viewer.now_ms if viewer.edge.published > before else changed_ms
        # 1.5 Target Durations, a poll, and the start: the first three are listed before the clock runs.
        assert viewer.now_ms - changed_ms <= 3000 + 500
        ahead = viewer.timeline.end_of(viewer.edge.published - 1) - viewer.play
        assert ahead >= seconds("3.25")  # 6 s less a merged tail of 2.48 s and one poll
