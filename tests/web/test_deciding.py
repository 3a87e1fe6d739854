"""Watching over HTTP: menus, codes, cues, what a decision shows, what stays secret, what is kept."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.manual import ManualClock, publish
from tests.web.viewing import Client, Viewer, path_of, served

# ── the menu ─────────────────────────────────────────────────────────────────────────────────────────────────────

MENU = """
story: 1
id: test
title: Menu
start: intro
state: {lamp: {type: bool, default: false}, seen: {type: int, default: 0}}
menu:
  - {id: again, label: {en: Start again, sv: Börja om}, to: intro, reset: true}
  - {id: cellar, label: The cellar, to: cellar, when: state.lamp}
scenes:
  intro:
    media: {src: intro}
    decision:
      {id: lamp, prompt: The lamp?, opens_at: 1s, closes_at: -4s, default: leave, choices: [
        {id: take, label: Take it, to: hall, set: {lamp: true}}, {id: leave, label: Leave it, to: hall}]}
  hall: {media: {src: hall}, next: [{to: garden}]}
  cellar: {media: {src: cellar}, end: {id: below}}
  garden: {media: {src: garden}, end: {id: outside, goal: true}}
"""
ROOMS = "intro 12.52\nhall 12\ncellar 8\ngarden 8"


async def test_the_menu_leads_elsewhere_at_any_time_and_the_list_goes_on(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, ROOMS, MENU)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(4)
        early = await viewer.post("menu", item="cellar", answer_id="m0")  # while its condition does not hold
        await viewer.choose("lamp", choice="take")
        before = await viewer.watch(14)
        menu = (await viewer.state())["scene"]["menu"]
        taken = await viewer.post("menu", item="cellar", answer_id="m1")
        again = await viewer.post("menu", item="cellar", answer_id="m1")
        after = await viewer.watch(20)
        scene = (await viewer.state())["scene"]

    assert early[0] == 404
    assert [item["id"] for item in menu] == ["again", "cellar"]
    assert taken[0] == 200
    assert taken == again
    assert taken[1]["run"] == 1
    assert path_of(taken[1]["playback_url"]) == f"/s/{viewer.id}/1/index.m3u8"
    assert after.uris[: len(before.uris)] == before.uris
    assert after.ended
    assert (scene["scene"], scene["visit"]) == ("cellar", 3)


async def test_after_the_end_the_menu_begins_a_new_run_and_a_reset_forgets(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, ROOMS, MENU)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock, language="sv")
        await viewer.watch(4)
        await viewer.choose("lamp", choice="take")
        ended = await viewer.watch(45)
        over = await viewer.state()
        status, gone = await viewer.post("menu", item="again", answer_id="m1")
        viewer.run = 2
        anew = await viewer.watch(1)
        menu = (await viewer.state())["scene"]["menu"]

    assert ended.ended
    assert over["ended"] == {"ending": "outside", "goal": True, "score": 0, "visit": 3}
    assert (status, gone["run"]) == (200, 2)
    assert path_of(gone["playback_url"]) == f"/s/{viewer.id}/2/index.m3u8"
    assert not anew.ended
    assert menu == [{"id": "again", "label": "Börja om"}]  # the lamp is forgotten


async def test_what_the_menu_does_not_have_is_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, ROOMS, MENU)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(2)
        unknown = await viewer.post("menu", item="attic", answer_id="m")
        stranger = await viewer.post("menu", token="wrong", item="again", answer_id="m")
        nameless = await viewer.post("menu", item="", answer_id="m")
        no_id = await viewer.post("menu", item="again")
        async with client.post(f"/api/v1/sessions/{viewer.id}/menu", json={}) as response:
            assert response.status == 401

    assert [unknown[0], stranger[0], nameless[0], no_id[0]] == [404, 401, 400, 400]
    assert (nameless[1]["field"], no_id[1]["field"]) == ("item", "answer_id")


async def test_an_answer_to_what_was_left_by_the_menu_is_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, ROOMS, MENU.replace("to: intro, reset: true", "to: garden"))
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(3)
        await viewer.post("menu", item="again", answer_id="m")

        status, answer = await viewer.post("choices", decision="lamp", visit=1, choice="take", answer_id="a")

    assert status == 404
    assert "left" in answer["detail"]


# ── codes ────────────────────────────────────────────────────────────────────────────────────────────────────────

CODE = """
story: 1
id: test
title: Code
start: door
state: {tries: {type: int, default: 0}}
scenes:
  door:
    media: {src: door}
    decision:
      id: code
      prompt: What is the code?
      opens_at: 2s
      closes_at: -4s
      default: refuse
      input: {type: code, length: 5}
      choices:
        - {id: open, label: Opens, code: 4fox7, to: inside}
        - {id: refuse, label: Stays shut, to: outside}
  inside: {media: {src: inside}, end: {id: inside}}
  outside: {media: {src: outside}, end: {id: outside}}
"""
DOORS = "door 16\ninside 8\noutside 8"


async def code_session(client: Client, clock: ManualClock) -> Viewer:
    viewer = await Viewer.open(client, clock)
    await viewer.watch(4)
    return viewer


@pytest.mark.parametrize(("code", "ending"), [("4FOX7", "inside"), ("4fox7", "inside"), ("00000", "outside")])
async def test_a_typed_code_opens_or_does_not(tmp_path: Path, code: str, ending: str) -> None:
    clock = ManualClock()
    publish(tmp_path, DOORS, CODE)
    async with served(tmp_path, clock) as client:
        viewer = await code_session(client, clock)
        await viewer.choose("code", code=code)
        await viewer.watch(30)

        assert (await viewer.state())["ended"]["ending"] == ending


async def test_before_the_lock_nothing_tells_whether_a_code_was_right(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, DOORS, CODE)
    told: dict[str, list[object]] = {"4fox7": [], "00000": []}
    async with served(tmp_path, clock) as client:
        viewers = {code: await Viewer.open(client, clock) for code in told}
        for viewer in viewers.values():
            await viewer.poll()
        for _ in range(4):
            clock.forward(1)
            for viewer in viewers.values():
                await viewer.poll()
        for code, viewer in viewers.items():
            async with viewer.listening() as heard:
                before = await heard.until("decision")
                told[code].append(await viewer.choose("code", code="11111", answer_id="first"))
                before.append(await heard.next())
                told[code].append(await viewer.choose("code", code=code, answer_id="second"))
                before.append(await heard.next())  # told of whether or not it means the same as the one before
                told[code].append(before)
            told[code].append(await viewer.post("choices", decision="code", visit=1, code="22222", answer_id="second"))
            told[code].append(await viewer.state())
            told[code].append([await viewer.text(name) for name in ("v0", "a0")])

    assert told["4fox7"] == told["00000"]
    taken, _, events, repeated, state, _ = told["4fox7"]
    assert isinstance(taken, dict)
    assert isinstance(events, list)
    assert isinstance(state, dict)
    assert isinstance(repeated, tuple)
    assert (taken["choice"], taken["committed"]) == (None, False)
    assert repeated[0] == 200
    assert [kind for kind, _ in events] == ["scene", "decision", "answered", "answered"]
    assert state["decision"]["input"] == {"type": "code", "length": 5, "given": True}
    assert (state["decision"]["choices"], state["decision"]["default"], state["decision"]["choice"]) == ([], None, None)
    assert "4fox7" not in str(told["4fox7"])
    assert "refuse" not in str(told["4fox7"])


async def test_a_code_is_typed_and_never_pointed_at(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, DOORS, CODE)
    async with served(tmp_path, clock) as client:
        viewer = await code_session(client, clock)
        asked: dict[str, Any] = {"decision": "code", "visit": 1, "answer_id": "a"}
        both = await viewer.post("choices", **asked, code="4fox7", choice="open")
        pointed = [await viewer.post("choices", **asked, choice=choice) for choice in ("open", "nothing")]
        empty = await viewer.post("choices", **asked, code="")
        await viewer.watch(30)

        assert (await viewer.state())["ended"]["ending"] == "outside"

    assert (both[0], both[1]["field"]) == (400, "code")
    assert pointed[0] == pointed[1]  # ids that exist are not told from those that do not
    assert pointed[0][0] == 404
    assert (empty[0], empty[1]["field"]) == (400, "code")


async def test_a_choice_is_not_typed(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, ROOMS, MENU)
    async with served(tmp_path, clock) as client:
        viewer = await code_session(client, clock)

        status, _ = await viewer.post("choices", decision="lamp", visit=1, code="take", answer_id="a")

        assert status == 404


async def test_a_code_s_answer_is_told_once_it_is_committed(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, DOORS, CODE.replace("input:", "lock: immediate\n      input:"))
    async with served(tmp_path, clock) as client:
        viewer = await code_session(client, clock)
        taken = await viewer.choose("code", code="4FOX7")
        again = await viewer.choose("code", code="4FOX7")

    assert (taken["choice"], taken["committed"]) == ("open", True)
    assert again == taken


# ── cues and what they say ───────────────────────────────────────────────────────────────────────────────────────

CUES = """
story: 1
id: test
title: Cues
start: tour
profile:
  first_name: {type: string, default: "", pii: true}
  plan: {type: enum, values: [basic, pro], default: basic}
state: {warm: {type: bool, default: false}}
menu: [{label: Start again, to: tour, reset: true}]
scenes:
  tour:
    media: {src: tour}
    track: {chapter: welcome}
    checkpoint: {id: start, label: The beginning}
    events:
      - {at: 4s, cue: second, track: {banner: spring}}
      - {at: 1s, cue: first, set: {warm: true}}
      - {at: 2s, cue: never, when: "!state.warm"}
      - {at: 3s, cue: warmed, when: state.warm}
      - {at: 11s, cue: taken, when: chose('way') == 'shop'}
    decision:
      id: way
      prompt: {en: "{profile.first_name|Friend}, which way?"}
      opens_at: 5s
      closes_at: -4s
      default: shop
      layout: cards
      accessible: {speak: true, keys: [left, right]}
      choices:
        - {id: shop, label: "The shop for {profile.first_name|you}", to: shop, score: 3, track: {intent: upsell},
           image: [{image: art/pro.png, when: profile.plan == 'pro'}, {image: art/basic.png}],
           url: "https://shop.example/?u={viewer.token}&plan={profile.plan}"}
        - {id: out, label: Out, to: out}
  shop: {media: {src: shop}, end: {id: bought, goal: true, credits: -2s, offer_checkpoints: [start]}}
  out: {media: {src: out}, end: {id: out}}
"""
TOUR = "tour 20\nshop 8\nout 8"


async def test_cues_come_in_the_order_of_their_times_and_when_their_condition_is_known(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, TOUR, CUES)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(13)  # the event at 11 s goes by an answer that is not committed yet
        open_still = await viewer.hear("decision")
        await viewer.watch(5)
        late = await viewer.hear("cue")
        while late[-1][1].get("cue") != "taken":
            late = await heard_all(viewer, 5)

    assert [(kind, data.get("cue")) for kind, data in open_still] == [
        ("scene", None), ("cue", "first"), ("cue", "warmed"), ("cue", "second"), ("decision", None),
    ]  # fmt: skip
    assert open_still[3][1] == {
        "cue": "second", "visit": 1, "scene": "tour", "at": "4.000", "track": {"banner": "spring"},
    }  # fmt: skip
    assert [data["cue"] for kind, data in late if kind == "cue"] == ["first", "warmed", "second", "taken"]


async def heard_all(viewer: Viewer, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Gives the first events of the stream."""
    async with viewer.listening() as heard:
        return [await heard.next() for _ in range(count)]


async def test_a_decision_says_all_that_a_page_needs_to_show_it(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, TOUR, CUES)
    async with served(tmp_path, clock) as client:
        viewers = [
            await Viewer.open(client, clock, viewer=name, profile={"first_name": "Ann", "plan": "pro"})
            for name in ("v-1", "v-1", "v-2")
        ]
        for viewer in viewers:
            await viewer.poll()
        for _ in range(6):
            clock.forward(1)
            for viewer in viewers:
                await viewer.poll()
        decisions = [(await viewer.state())["decision"] for viewer in viewers]
        streamed = (await viewers[0].hear("decision"))[-1][1]
        await viewers[0].watch(1)
        scene = (await viewers[0].state())["scene"]

    decision = decisions[0]
    shop, out = decision["choices"]
    assert decision == streamed
    assert decision["prompt"] == "Ann, which way?"
    assert (decision["layout"], decision["speak"], decision["keys"]) == ("cards", True, ["left", "right"])
    assert "input" not in decision
    assert (shop["label"], shop["track"]) == ("The shop for Ann", {"intent": "upsell"})
    assert path_of(shop["image"]) == f"/art/{b'art/pro.png'.hex():0<24.24}.png"
    assert set(out) == {"id", "label"}
    urls = [each["choices"][0]["url"] for each in decisions]
    assert re.fullmatch(r"https://shop\.example/\?u=[A-Za-z0-9_-]{16,}&plan=pro", urls[0])
    assert urls[0] == urls[1]  # the same viewer
    assert urls[0] != urls[2]
    assert "v-1" not in urls[0]
    assert scene["track"] == {"chapter": "welcome"}
    assert scene["menu"] == [{"id": "tour", "label": "Start again"}]
    assert scene["checkpoints"] == [{"id": "start", "label": "The beginning"}]
    assert scene["end"] is None


async def test_an_ending_says_its_goal_its_credits_and_the_score(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, TOUR, CUES)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(24)
        async with viewer.listening() as heard:
            first = await heard.next()
            await viewer.watch(8)
            rest = await heard.until("ended")

    assert first[1]["end"] == "bought"
    assert (first[1]["goal"], first[1]["credits"]) == (True, "26.000")
    assert rest[-1][1] == {"ending": "bought", "goal": True, "score": 3, "visit": 2}


async def test_personal_inputs_are_told_to_their_viewer_and_stand_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock()
    publish(tmp_path, TOUR, CUES)
    seen: list[bytes] = []
    secret = "Zebediah Ünlü"
    with capture_logs() as logs:
        async with served(tmp_path, clock) as client:
            viewer = await Viewer.open(client, clock, profile={"first_name": secret})
            seen.append(json.dumps(viewer.opened).encode())
            await viewer.watch(6)
            state = await viewer.state()
            _, *_, (_, streamed) = await viewer.hear("decision")
            await viewer.choose("way", choice="shop")
            await viewer.watch(12)
            for path in ("index.m3u8", "v0.m3u8", "v1.m3u8", "a0.m3u8"):
                async with client.get(f"/s/{viewer.id}/1/{path}") as response:
                    seen.append(str(dict(response.headers)).encode() + await response.read())
            async with client.get("/play/test.m3u8", params={"first_name": secret}) as response:
                assert response.status == 400
                seen.append(await response.read())
            async with client.get("/api/v1/stories/test", params={"first_name": secret}) as response:
                assert response.status == 400
            async with client.get("/api/v1/stories", params={"first_name": secret}) as response:
                seen.append(await response.read())
            async with client.post(
                "/api/v1/sessions", json={"story": "test", "profile": {"first_name": secret, "plan": "gold"}}
            ) as response:
                assert response.status == 400
                seen.append(await response.read())
    seen += [json.dumps(logs, default=str).encode(), "".join(capsys.readouterr()).encode()]

    assert state["decision"]["prompt"] == f"{secret}, which way?"
    assert streamed["choices"][0]["label"] == f"The shop for {secret}"
    playlist = unpacked(seen[2])
    assert b"Friend, which way?" in playlist
    assert b"The shop for you" in playlist
    for found in map(unpacked, seen):
        for spelled in (
            b"Zebediah",
            "Ünlü".encode(),
            rb"\u00dcnl",
            b"%C3%9Cnl",
            b"WmViZWRpYW",
            b"plYmVkaW",
            b"aZWJlZGlha",
        ):
            assert spelled not in found, found


def unpacked(data: bytes) -> bytes:
    """Gives bytes with what is compressed in them or spelled in base64 beside them."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    words = re.findall(rb"[A-Za-z0-9_-]{16,}", data)
    return data + b"\n".join(base64.urlsafe_b64decode(word[: len(word) // 4 * 4]) for word in words)


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────

KEEPS = """
story: 1
id: test
title: Keeps
start: "@door"
state:
  met: {type: bool, default: false, scope: viewer}
  guests: {type: int, default: 0, scope: story}
  here: {type: int, default: 0}
groups: {door: [{to: friend, when: state.met}, {to: ask}]}
scenes:
  ask:
    media: {src: ask}
    decision:
      {id: hello, opens_at: 1s, closes_at: -4s, default: hush, choices: [
        {id: hi, label: Hello, to: over, set: {met: true, guests: state.guests + 1, here: 7}},
        {id: hush, label: Say nothing, to: over}]}
  friend: {media: {src: friend}, next: [{to: many, when: state.guests > 1}, {to: few}]}
  over: {media: {src: over}, end: {id: over}}
  many: {media: {src: many}, end: {id: many}}
  few: {media: {src: few}, end: {id: few}}
"""
HOUSE = "ask 12.52\nfriend 8\nover 8\nmany 8\nfew 8"


async def test_what_is_kept_of_viewers_is_kept_with_their_consent_and_what_is_the_story_s_for_all(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    publish(tmp_path, HOUSE, KEEPS)
    async with served(tmp_path, clock) as client:
        async with client.get("/api/v1/stories/test") as response:
            described = await response.json()

        async def says_hello(**said: object) -> None:
            viewer = await Viewer.open(client, clock, **said)
            await viewer.watch(3)
            await viewer.choose("hello", choice="hi")
            await viewer.watch(12)

        async def meets(**said: object) -> str:
            viewer = await Viewer.open(client, clock, **said)
            await viewer.watch(20)
            return str((await viewer.state())["scene"]["scene"])

        await says_hello(viewer="ann", consent=True)
        once = await meets(viewer="ann", consent=True)
        await says_hello(viewer="bob", consent=False)
        found = {
            "ann": await meets(viewer="ann", consent=True),
            "ann, who does not agree any more": await meets(viewer="ann", consent=False),
            "bob": await meets(viewer="bob", consent=True),
            "nobody": await meets(),
        }

    assert described["remembers"] is True
    assert once == "few"  # one guest so far
    assert found == {
        "ann": "many",  # bob counts for all
        "ann, who does not agree any more": "over",
        "bob": "over",
        "nobody": "over",
    }


# ── several decisions, time-outs, endings that ask ───────────────────────────────────────────────────────────────

SEVERAL = """
story: 1
id: test
title: Several
start: desk
state: {key: {type: bool, default: false}}
scenes:
  desk:
    media: {src: desk}
    decisions:
      - {id: drawer, prompt: Look?, opens_at: 2s, closes_at: 8s, default: leave, choices: [
          {id: look, label: Look inside, set: {key: true}}, {id: leave, label: Leave it}]}
      - {id: door, prompt: And now?, opens_at: 14s, closes_at: -4s, default: knock, choices: [
          {id: unlock, label: Unlock it, to: inside, when: state.key}, {id: knock, label: Knock, to: outside},
          {id: go, label: Go away, to: outside}]}
  inside: {media: {src: inside}, end: {id: inside}}
  outside: {media: {src: outside}, end: {id: outside}}
"""


@pytest.mark.parametrize(("first", "offered"), [("look", ["unlock", "knock", "go"]), ("leave", ["knock", "go"])])
async def test_what_a_second_decision_offers_goes_by_the_answer_to_the_first(
    tmp_path: Path, first: str, offered: list[str]
) -> None:
    clock = ManualClock()
    publish(tmp_path, "desk 30\ninside 8\noutside 8", SEVERAL)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(4)
        early = await viewer.post("choices", decision="door", visit=1, choice="knock", answer_id="e")
        await viewer.choose("drawer", choice=first)
        await viewer.watch(12)
        decision = (await viewer.state())["decision"]
        await viewer.choose("door", choice=offered[0])
        await viewer.watch(24)
        ended = (await viewer.state())["ended"]["ending"]
        text = await viewer.text()
        late = await viewer.post("choices", decision="drawer", visit=1, choice="look", answer_id="l")

    assert early[0] == 404
    assert [choice["id"] for choice in decision["choices"]] == offered
    assert ended == ("inside" if first == "look" else "outside")
    assert [text.count(f'ID="test.{name}.1"') for name in ("drawer", "door")] == [1, 1]
    assert text.count('CLASS="io.branchline.result"') == 2
    assert (late[0], late[1]["committed"]["choice"]) == (409, first)


TIMEOUT = """
story: 1
id: test
title: Late
start: ask
state: {asked: {type: bool, default: false}}
scenes:
  ask:
    media: {src: ask}
    decision:
      {id: d, opens_at: 2s, closes_at: -4s, timeout: late, choices: [
        {id: a, label: A, to: over}, {id: b, label: B, to: over}]}
  over: {media: {src: over}, end: {id: over}}
  late: {media: {src: late}, end: {id: late}}
"""


async def test_nobody_s_answer_leads_where_the_time_out_does(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, "ask 14\nover 8\nlate 8", TIMEOUT)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        await viewer.watch(4)
        asked = (await viewer.state())["decision"]
        await viewer.watch(7)
        state = await viewer.state()
        late = await viewer.post("choices", decision="d", visit=1, choice="a", answer_id="l")
        await viewer.watch(15)
        ended = (await viewer.state())["ended"]

    assert asked["default"] is None
    assert asked["prompt"] is None
    assert state["committed"] == {"visit": 1, "decision": "d", "choice": None, "by": "timeout"}
    assert (late[0], late[1]["committed"]["by"]) == (409, "timeout")
    assert ended["ending"] == "late"


AFTER = """
story: 1
id: test
title: After
start: last
defaults: {hold: {src: idle, max: 20s}}
scenes:
  last:
    media: {src: last}
    end: {id: over}
    decision:
      {id: more, prompt: Once more?, opens_at: 2s, closes_at: -4s, hold: true, default: no_more, choices: [
        {id: extra, label: One more, to: bonus}, {id: no_more, label: Enough}]}
  bonus: {media: {src: bonus}, end: {id: bonus}}
"""


async def test_an_ending_that_asks_is_followed_by_its_loop_and_then_by_what_was_chosen(tmp_path: Path) -> None:
    clock = ManualClock()
    publish(tmp_path, "last 14\nbonus 8\nidle 4", AFTER)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        looping = await viewer.watch(18)
        state = await viewer.state()
        await viewer.choose("more", choice="extra")
        after = await viewer.watch(20)
        ended = (await viewer.state())["ended"]["ending"]

    assert not looping.ended
    assert len(looping.uris) > 7
    assert state["decision"]["holding"] is True
    assert state["scene"]["end"] == "over"
    assert after.uris[: len(looping.uris)] == looping.uris
    assert after.ended
    assert ended == "bonus"


@pytest.mark.parametrize("choice", [None, "no_more"])
async def test_an_ending_that_asks_in_vain_ends_its_list_with_a_last_segment(
    tmp_path: Path, choice: str | None
) -> None:
    clock = ManualClock()
    publish(tmp_path, "last 14\nbonus 8\nidle 4", AFTER)
    async with served(tmp_path, clock) as client:
        viewer = await Viewer.open(client, clock)
        read = await viewer.watch(16)
        if choice is not None:
            await viewer.choose("more", choice=choice)
        lists = [read]
        while not lists[-1].ended:
            assert len(lists) < 40
            lists.append(await viewer.watch(1))
        clock.forward(1)
        still = await viewer.poll()

    assert len(lists[-1].uris) > len(lists[-2].uris)  # ENDLIST comes with a segment
    assert still == lists[-1]
