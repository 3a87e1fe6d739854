"""Simulated players against the core; and that the simulation sees what is wrong with a bad server."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from streamer.session.pacing import Policy
from tests.builders import lengths_of, staged, staged_text, story_text
from tests.simulated.decisions import RATES, run
from tests.simulated.player import AVPLAYER, EXOPLAYER, NATIVE, SHAKA, Link, Player, Rules
from tests.simulated.server import Listed, Server

FORK = "fork 20.52 -> left | right\nleft 12 .\nright 12 ."
QUICK = Link(rtt_ms=40, rate=5)


def watched(rules: Rules, server: Server, link: Link = QUICK) -> Player:
    return Player(rules=rules, link=link, server=server).watch(200)


@pytest.mark.timeout(400)
def test_no_decision_makes_anybody_stall_and_no_list_trips_a_player() -> None:
    found = run(400)

    assert found["stalls_caused_by_branching"] == {str(rate): 0 for rate in RATES}
    assert found["answers_in_time_but_lost"] == 0
    assert found["errors"] == []
    assert isinstance(found["decisions"], int)
    assert found["decisions"] >= 400


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("rules", [EXOPLAYER, AVPLAYER, SHAKA, NATIVE])
def test_a_viewer_who_never_answers_plays_to_the_end(rules: Rules, seen: bool) -> None:
    player = watched(rules, Server(staged(FORK), Policy(requests_seen=seen)))

    assert player.errors == []
    assert player.stalls == []
    assert player.position == pytest.approx(32.52)


# ── what is wrong is seen ────────────────────────────────────────────────────────────────────────────────────────


class Frozen(Server):
    """Lists nothing new for five Target Durations."""

    known = 0

    def list_at(self, now_ms: int, wanted: int) -> Listed | int:
        """Answers as ever, and then not at all for a while."""
        listed = super().list_at(now_ms, wanted)
        if not isinstance(listed, Listed) or not 1_012_000 < now_ms < 1_022_000:
            self.known = len(listed.ends) if isinstance(listed, Listed) else self.known
            return listed
        return replace(listed, ends=listed.ends[: self.known], ended=False)


class Forgetful(Server):
    """Takes back its last segment once."""

    def list_at(self, now_ms: int, wanted: int) -> Listed | int:
        """Answers with one segment less after a while."""
        listed = super().list_at(now_ms, wanted)
        if isinstance(listed, Listed) and now_ms > 1_008_000:
            return replace(listed, ends=listed.ends[:-2])
        return listed


def test_a_list_that_stands_still_trips_exoplayer_and_avplayer() -> None:
    exoplayer, avplayer = (
        watched(rules, Frozen(staged(FORK), Policy(requests_seen=False))) for rules in (EXOPLAYER, AVPLAYER)
    )

    assert "starved and unchanged" in exoplayer.errors[0]
    assert "unchanged" in avplayer.errors[0]


def test_a_list_that_takes_something_back_is_seen() -> None:
    assert "changed what it had said" in watched(SHAKA, Forgetful(staged(FORK), Policy())).errors[0]


def test_four_segments_at_once_trip_chromium_and_four_at_first_are_seen() -> None:
    many = Policy(step_segments=9, ahead_segments=9, lead=10**11, long_lead=10**11)  # type: ignore[arg-type]

    assert "new segments at once" in watched(NATIVE, Server(staged(FORK), many)).errors[0]
    four = watched(SHAKA, Server(staged(FORK), Policy(first_segments=4, ahead_segments=4)))
    assert four.errors == ["4 segments at first"]


def beacon(server: Server, now_ms: int, position: float) -> None:
    if position:
        server.told(now_ms, position, paused=False)


def test_a_lock_too_late_for_the_network_makes_a_stall() -> None:
    text = story_text(FORK).replace("closes_at: -4s", "closes_at: -0.5s")
    stage = staged_text(text.replace("start: fork", "start: fork\ndefaults: {lead: 0.5s}"), lengths_of(FORK))
    slow = Link(rtt_ms=150, rate=1.2)

    careless, careful = Server(stage, Policy(most_needed_ms=0)), Server(stage, Policy())
    players = []
    for server in (careless, careful):
        player = Player(rules=EXOPLAYER, link=slow, server=server)
        player.on_place = partial(beacon, server)
        players.append(player.watch(200))

    assert players[0].stalls
    assert players[1].stalls == []
