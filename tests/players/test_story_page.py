"""The page in a real browser: pictures, links, keys, codes, the menu, speech, cues, endings that ask, films."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Request, Response, ViewportSize, async_playwright

from streamer.packager.tools import find_tools
from tests.players.test_page import CHROMIUM, SWITCHES
from tests.serving import BRANCHLINE, ROOT, Starter

pytestmark = [pytest.mark.players, pytest.mark.timeout(240)]

STORY = """
story: 1
id: rooms
title: {en: The night train, sv: Nattåget}
start: platform
defaults: {hold: {src: buffet, max: 30s}}
profile: {plan: {type: enum, values: [basic, pro], default: basic}}
state: {met: {type: bool, default: false, scope: viewer}, cold: {type: bool, default: false}}
artwork: [{image: art/viaduct.png}]
menu:
  - {id: again, label: {en: Start again, sv: Börja om}, to: platform, reset: true}
  - {id: lamp, label: Straight to the lamplight, to: lamplight}
scenes:
  platform:
    media: {src: platform}
    checkpoint: {id: platform, label: The platform}
    events: [{at: 0.5s, cue: bell, track: {sound: bell}}]
    decision:
      id: way
      prompt: {en: The lake or the viaduct?, sv: Sjön eller bron?}
      opens_at: 1s
      closes_at: -4s
      lock: immediate
      default: lake
      layout: cards
      accessible: {speak: true, keys: [left, right]}
      choices:
        - {id: lake, label: {en: Along the lake, sv: Längs sjön}, to: yard, image: art/lake.png, score: 2,
           url: "http://127.0.0.1:9/lake?u={viewer.token}", set: {met: true}}
        - {id: bridge, label: {en: Over the viaduct, sv: Över bron}, to: yard, image: art/viaduct.png, set: {met: true}}
  yard:
    media: {src: junction}
    decision:
      id: code
      opens_at: 1s
      closes_at: -4s
      lock: immediate
      default: shut
      input: {type: code, length: 4}
      choices:
        - {id: open, label: Opens, code: 4f7x, to: lamplight, score: 3}
        - {id: shut, label: Stays shut, to: lamplight}
  lamplight:
    media: {src: lamplight}
    checkpoint: {id: lamplight, label: The lamplight}
    end: {id: lamplight, goal: true, offer_checkpoints: [lamplight]}
    decision:
      id: more
      prompt: The line ends here. What now?
      opens_at: 1s
      closes_at: -4s
      hold: true
      default: enough
      choices:
        - {id: once_more, label: Back to the platform, to: platform}
        - {id: enough, label: Enough for tonight}
"""
FILM = """
story: 1
id: film
title: Film
start: yard
scenes:
  yard: {media: {src: yard}, next: [{to: lamplight}]}
  lamplight: {media: {src: lamplight}, end: {id: lamplight}}
"""
WIDE, NARROW = ViewportSize(width=1280, height=720), ViewportSize(width=390, height=844)
# Notes what is spoken, and the story's own cues, as an app beside the page would.
LISTENS = """
window.spoken = [];
window.cues = [];
const speak = SpeechSynthesis.prototype.speak;
SpeechSynthesis.prototype.speak = function (said) {
  window.spoken.push([said.text, said.lang]);
  return speak.call(this, said);
};
document.addEventListener("branchline:cue", (event) => window.cues.push(event.detail));
"""
STUDIED = "branchline.viewer.rooms"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    subprocess.run([sys.executable, "media/make_footage.py"], cwd=ROOT, check=True, timeout=300)
    footage = ROOT / "media" / "sample" / "footage"
    for name, text in (("rooms", STORY), ("film", FILM)):
        (folder / name / "art").mkdir(parents=True)
        (folder / name / "footage").symlink_to(footage)
        (folder / name / "story.yaml").write_text(text, "utf-8")
    for image, source in (("lake", "lakeside"), ("viaduct", "viaduct")):
        target = folder / "rooms" / "art" / f"{image}.png"
        command = [find_tools().ffmpeg, "-loglevel", "error", "-i", str(footage / f"{source}.mkv")]
        subprocess.run([*command, "-frames:v", "1", "-vf", "scale=640:-2", str(target)], check=True, timeout=60)
    for name in ("rooms", "film"):
        packaging = [BRANCHLINE, "package", str(folder / name / "story.yaml"), "--library", str(folder / "library")]
        subprocess.run(packaging, check=True, timeout=300)
    return folder / "library"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("NOT TESTED: no Chromium is installed; run make players as root, or apt-get install chromium")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield found
        await found.close()


async def page_of(browser: Browser, **how: Any) -> tuple[Page, list[str]]:
    """Gives a page, and what it complains of."""
    page = await browser.new_page(**{"viewport": WIDE, "bypass_csp": True, **how})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.add_init_script(LISTENS)
    return page, complaints


def openings_of(page: Page) -> list[dict[str, Any]]:
    """Gives what the page says as it opens sessions; grows as it does."""
    found: list[dict[str, Any]] = []

    def heard(sent: Request) -> None:
        if sent.url.endswith("/v1/sessions"):
            found.append(sent.post_data_json or {})

    page.on("request", heard)
    return found


async def show(page: Page, folder: Path, name: str) -> None:
    """Takes pictures for who looks at them."""
    await page.screenshot(path=folder / f"{name}-wide.png")
    await page.set_viewport_size(NARROW)
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    await page.screenshot(path=folder / f"{name}-narrow.png")
    await page.set_viewport_size(WIDE)


async def test_a_story_is_chosen_by_its_keys_typed_and_ended(
    library: Path, start: Starter, browser: Browser, tmp_path: Path
) -> None:
    async with start(library) as server:
        page, complaints = await page_of(browser, locale="sv-SE")
        opened = openings_of(page)
        await page.goto(f"{server.url}/watch/rooms")
        await page.wait_for_selector("[data-play]:enabled")
        await page.wait_for_selector("[data-poster]", state="visible")
        poster = await page.evaluate("document.querySelector('video').poster")
        await show(page, tmp_path, "start")
        await page.click('[data-agree="yes"]')
        await page.click("[data-play]")

        # A decision with pictures, whose first choice opens a page besides.
        await page.wait_for_selector('[data-choice="lake"] img')
        await page.wait_for_function(
            "[...document.querySelectorAll('.choice-picture')].every((picture) => picture.naturalWidth > 0)"
        )
        question = await page.inner_text("[data-question]")
        layout = await page.get_attribute("[data-prompt]", "data-layout")
        await show(page, tmp_path, "pictures")
        await page.evaluate("document.querySelector('video').pause()")
        async with page.context.expect_page() as opening:
            await page.keyboard.press("ArrowLeft")
        other = await opening.value
        openers = await other.evaluate("window.opener")
        await other.close()
        await page.evaluate("document.querySelector('video').play()")
        await page.wait_for_function("window.branchline.log.some((entry) => entry.kind === 'sse:committed')")

        # A code, typed by key and by hand; of a question without words.
        await page.wait_for_selector(".code-input", state="visible", timeout=20_000)
        await page.evaluate("document.querySelector('video').pause()")
        label = await page.get_attribute(".code-input", "aria-label")
        await page.wait_for_function("document.activeElement.matches('.code-input')")
        await page.keyboard.type("4f-")
        await page.click('[data-key="7"]')
        typed = await page.input_value(".code-input")
        await show(page, tmp_path, "code")
        await page.click("[data-menu]")
        await show(page, tmp_path, "menu")
        items = await page.locator("[data-menu-items] button").all_inner_texts()
        await page.keyboard.press("Escape")
        closed = await page.is_hidden("[data-menu-items]")
        await page.evaluate("document.querySelector('video').play()")
        await page.focus(".code-input")
        await page.keyboard.press("x")

        # An ending that asks, and the end.
        await page.wait_for_selector('[data-choice="enough"]', timeout=40_000)
        await show(page, tmp_path, "ending")
        await page.keyboard.press("2")
        await page.wait_for_selector("[data-again]", state="visible", timeout=60_000)
        await page.wait_for_selector("[data-result]", state="visible")
        result = await page.inner_text("[data-result]")
        offered = await page.locator("[data-backs] button").all_inner_texts()
        await show(page, tmp_path, "end")
        heard = await page.evaluate("({spoken: window.spoken, cues: window.cues})")
        log = await page.evaluate("window.branchline.log.map((entry) => ({kind: entry.kind, detail: entry.detail}))")
        viewer = await page.evaluate("(name) => localStorage.getItem(name)", STUDIED)

        # The menu leads on after the end too.
        await page.click('[data-end-item="again"]')
        await page.wait_for_function("document.querySelector('[data-stage]').dataset.scene === 'platform'")
        again = await page.evaluate("window.branchline.session.id")
        await page.close()

    assert poster.endswith(".png")
    assert "/art/" in poster
    assert (question, layout) == ("Sjön eller bron?", "cards")
    assert openers is None
    assert heard["spoken"][0] == ["Sjön eller bron?. Längs sjön. Över bron", "sv"]
    assert heard["cues"] == [
        {"cue": "bell", "visit": 1, "scene": "platform", "at": "0.500", "track": {"sound": "bell"}}
    ]
    assert label == "Code of 4 characters"
    assert typed == "4F7"
    assert items == ["Börja om", "Straight to the lamplight"]
    assert closed
    commits = [entry["detail"] for entry in log if entry["kind"] == "sse:committed"]
    assert [(commit["decision"], commit["choice"], commit["by"]) for commit in commits] == [
        ("way", "lake", "viewer"), ("code", "open", "viewer"), ("more", "enough", "viewer"),
    ]  # fmt: skip
    assert result == "You reached the goal.\nScore: 5"
    assert offered == ["Go back to: The lamplight", "Börja om", "Straight to the lamplight"]
    assert viewer
    assert len(viewer) >= 32
    assert opened[0]["viewer"] == viewer
    assert opened[0]["consent"] is True
    assert opened[0]["utc_offset_minutes"] == offset_of_this_machine()
    assert again
    assert complaints == []


def offset_of_this_machine() -> int:
    """Gives the minutes from UTC of this machine's clock, which the browser goes by."""
    import time

    return time.localtime().tm_gmtoff // 60


async def test_who_does_not_agree_is_given_no_name_and_speech_stays_off(
    library: Path, start: Starter, browser: Browser
) -> None:
    async with start(library) as server:
        page, _ = await page_of(browser)
        bodies = openings_of(page)
        await page.goto(f"{server.url}/watch/rooms")
        await page.click('[data-agree="no"]')
        await page.click("[data-play]:enabled")
        await page.wait_for_selector('[data-choice="lake"]')
        await page.mouse.move(300, 300)
        await page.click("[data-speech]")
        kept = await page.evaluate("({...localStorage})")
        await page.reload()
        pressed = await page.get_attribute('[data-agree="no"][aria-pressed="true"]', "data-agree")
        await page.click("[data-play]:enabled")
        await page.wait_for_selector('[data-choice="lake"]')
        silent = await page.evaluate("window.spoken.length")

    assert kept == {STUDIED: "", "branchline.speech": "off"}
    assert pressed == "no"
    assert silent == 0
    assert all("viewer" not in body and "consent" not in body for body in bodies)


async def test_nothing_the_page_does_offends_its_content_security_policy(
    library: Path, start: Starter, browser: Browser, tmp_path: Path
) -> None:
    async with start(library) as server:
        page, complaints = await page_of(browser, bypass_csp=False)
        response: Response | None = await page.goto(f"{server.url}/watch/rooms")
        await page.click("[data-play]:enabled")
        await page.wait_for_selector('[data-choice="bridge"] img')
        await page.click('[data-choice="bridge"]')
        await page.wait_for_selector(".code-input", state="visible", timeout=20_000)
        await page.goto(f"{server.url}/")
        await page.wait_for_selector('[data-story="rooms"] [data-poster]', state="visible")
        unposted = await page.is_hidden('[data-story="film"] [data-poster]')
        await show(page, tmp_path, "index")
        await page.close()

    assert response is not None
    assert "img-src 'self';" in response.headers["content-security-policy"] + ";"
    assert "unsafe" not in response.headers["content-security-policy"]
    assert unposted
    assert complaints == []


async def test_a_film_is_sought_in_and_asks_nothing(
    library: Path, start: Starter, browser: Browser, tmp_path: Path
) -> None:
    async with start(library) as server:
        page, complaints = await page_of(browser)
        await page.goto(f"{server.url}/watch/film")
        await page.wait_for_selector("[data-play]:enabled")
        hint = await page.is_hidden("[data-hint]")
        await page.click("[data-play]")
        await page.wait_for_selector("[data-seek]", state="visible")
        await page.wait_for_function("window.branchline.video.currentTime > 0.2")
        await page.mouse.move(300, 300)
        await show(page, tmp_path, "film")
        words = await page.inner_text("[data-time]")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        await page.wait_for_function("window.branchline.video.currentTime > 10")
        await page.wait_for_selector("[data-again]", state="visible", timeout=30_000)
        log = await page.evaluate("window.branchline.log.map((entry) => entry.kind)")
        result = await page.is_hidden("[data-result]")
        menu = await page.is_hidden("[data-menu]")
        await page.close()

    assert hint
    assert words.endswith(" / 0:15")
    assert "sse:decision" not in log
    assert result
    assert menu
    assert complaints == []
