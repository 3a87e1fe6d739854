"""The page in a real browser: choices clicked and typed, joins not seen, an ending."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, Page, async_playwright

from media.make_footage import SHOTS
from tests.e2e.test_watch import WRITTEN, reports, until
from tests.serving import ROOT, Starter, package

pytestmark = [pytest.mark.players, pytest.mark.timeout(240)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
STALL_MS = 100
NEAR_SECONDS = 2.0
BURST_FRAMES = 5
LENGTHS = {shot.src: shot.frames / 25 for shot in SHOTS}
TUNNEL_SECONDS = 6.6

# Looks every 10 ms at how far the picture is; keeps what a test asks for.
SAMPLER = """
() => {
  const video = window.branchline.video;
  window.samples = [];
  window.sampler = setInterval(() => {
    const quality = video.getVideoPlaybackQuality();
    const still = video.paused || video.ended;
    window.samples.push([performance.now(), video.currentTime, quality.droppedVideoFrames, still]);
  }, 10);
}
"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("NOT TESTED: no Chromium is installed; run make players as root, or apt-get install chromium")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield found
        await found.close()


async def watched_page(browser: Browser) -> tuple[Page, list[str]]:
    """Gives a page, and what it complains of in the console."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return page, complaints


async def press_play(page: Page, url: str) -> None:
    await page.goto(f"{url}/watch/sample")
    assert await page.evaluate("window.branchline.session") is None  # nothing is loaded before Play
    await page.click("[data-play]:enabled")
    await page.wait_for_function("window.branchline.video.currentTime > 0.1")
    await page.evaluate(SAMPLER)


async def test_a_story_is_played_by_mouse_and_keys_and_no_join_is_seen(
    sample_library: Path, start: Starter, browser: Browser, tmp_path: Path
) -> None:
    async with start(sample_library) as server:
        page, complaints = await watched_page(browser)
        await press_play(page, server.url)

        await page.click('[data-choice="leave"]')
        await page.click('[data-choice="take"]')  # a changed mind
        await page.screenshot(path=tmp_path / "decision.png")
        await page.wait_for_selector('[data-choice="branch"]', timeout=40_000)
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await page.wait_for_selector('[data-choice="again"]', timeout=40_000)
        await page.keyboard.press("1")
        await page.wait_for_function("window.branchline.log.some(entry => entry.kind === 'ended')", timeout=120_000)
        await page.wait_for_selector("[data-again]", state="visible")
        log: list[dict[str, Any]] = await page.evaluate("window.branchline.log.map(e => ({...e, detail: undefined}))")
        samples: list[list[float]] = await page.evaluate("window.samples")
        played = await page.evaluate("window.branchline.video.currentTime")

    path = ["platform", "yard", "junction", "lakeside", "turntable", "turntable", "tunnel", "lamplight"]
    lengths = [LENGTHS.get(scene, TUNNEL_SECONDS) for scene in path]
    joins = [sum(lengths[:count]) for count in range(1, len(lengths))]
    assert abs(played - sum(lengths)) < 0.1
    assert complaints == []
    waits = [entry["time"] for entry in log if entry["kind"] in ("waiting", "stalled") and entry["time"] > 0.5]
    assert [at for at in waits if near(at, joins)] == []
    assert worst_stall_ms(samples, joins) <= STALL_MS
    assert worst_burst(samples, joins) <= BURST_FRAMES


def near(at: float, joins: list[float]) -> bool:
    return any(abs(at - join) <= NEAR_SECONDS for join in joins)


def worst_stall_ms(samples: list[list[float]], joins: list[float]) -> float:
    """Gives the longest time near a join in which the picture did not move."""
    worst, since = 0.0, samples[0]
    for sample in samples[1:]:
        if sample[1] > since[1] or sample[3]:
            since = sample
        elif near(sample[1], joins):
            worst = max(worst, sample[0] - since[0])
    return worst


def worst_burst(samples: list[list[float]], joins: list[float]) -> float:
    """Gives the most frames dropped around one join."""
    counts = []
    for join in joins:
        dropped = [sample[2] for sample in samples if abs(sample[1] - join) <= NEAR_SECONDS]
        counts.append(dropped[-1] - dropped[0] if dropped else 0)
    return max(counts)


BACK = """
story: 1
id: back
title: Back
start: lakeside
defaults: {hold: {src: viaduct, max: 10s}}
scenes:
  lakeside:
    media: {src: junction}
    checkpoint: {id: lake, label: The lake}
    decision:
      {id: way, prompt: Which way?, opens_at: 1s, closes_at: -4s, default: tunnel, accessible: {extend: 3x},
       choices: [{id: tunnel, label: The tunnel, to: lamplight}, {id: buffet, label: The buffet, to: lamplight}]}
  lamplight: {media: {src: lamplight}, end: {id: lamplight}}
"""


SCENE_IS = "name => document.querySelector('[data-stage]').dataset.scene === name"


@pytest.fixture
async def back_library(tmp_path: Path, sample_library: Path) -> Path:
    folder = tmp_path / "back"
    folder.mkdir()
    (folder / "footage").symlink_to(ROOT / "media" / "sample" / "footage")
    (folder / "story.yaml").write_text(BACK, "utf-8")
    await package(folder / "story.yaml", folder / "library")
    return folder / "library"


async def test_a_viewer_goes_back_while_it_plays_and_after_the_end(
    back_library: Path, start: Starter, browser: Browser, tmp_path: Path
) -> None:
    async with start(back_library) as server:
        page, complaints = await watched_page(browser)
        await page.goto(f"{server.url}/watch/back")
        await page.check("[data-more-time] input")
        await page.screenshot(path=tmp_path / "start.png")
        await page.click("[data-play]:enabled")
        await page.wait_for_selector('[data-choice="tunnel"]')
        await page.keyboard.press("1")
        await page.wait_for_function(SCENE_IS, arg="lamplight")
        await page.mouse.move(600, 400)
        await page.screenshot(path=tmp_path / "bar.png")
        before = await page.evaluate("window.branchline.video.currentTime")
        await page.select_option("[data-back]", "lake")
        await page.wait_for_function(
            "document.querySelector('[data-stage]').dataset.scene === 'lakeside'", timeout=5000
        )
        there = await page.evaluate("window.branchline.video.currentTime")
        await page.wait_for_selector('[data-choice="buffet"]:enabled')
        await page.keyboard.press("2")
        await page.wait_for_selector("[data-again]", state="visible", timeout=60_000)
        await page.screenshot(path=tmp_path / "end.png")
        first = await page.evaluate("window.branchline.log.filter(entry => entry.kind === 'sse:committed')")
        await page.click('[data-checkpoint="lake"]')
        await page.wait_for_selector('[data-choice="tunnel"]:enabled', timeout=15_000)
        again = await page.evaluate("window.branchline.video.currentTime")
        asked = await page.evaluate("window.branchline.log.find(entry => entry.kind === 'sse:decision').detail.hold_ms")
        await page.close()  # else it complains that the server is gone

    assert before < there < before + 12  # behind what was listed already
    assert [entry["detail"]["choice"] for entry in first] == ["tunnel", "buffet"]
    assert again < 4  # a list of its own
    assert asked > 10_000  # more time was asked for
    assert complaints == []


async def test_a_narrow_screen_shows_every_choice(
    sample_library: Path, start: Starter, browser: Browser, tmp_path: Path
) -> None:
    async with start(sample_library) as server:
        page = await browser.new_page(viewport={"width": 360, "height": 740}, bypass_csp=True)
        await press_play(page, server.url)
        await page.wait_for_selector('[data-choice="leave"]')
        boxes = [await button.bounding_box() for button in await page.query_selector_all("[data-choice]")]
        await page.screenshot(path=tmp_path / "narrow.png")
        scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth")

    assert len(boxes) == 2
    assert all(
        box is not None and box["height"] >= 44 and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes
    )
    assert not scrolls


async def test_a_pause_keeps_the_decision_open(sample_library: Path, start: Starter, browser: Browser) -> None:
    async with start(sample_library) as server:
        page = await browser.new_page(bypass_csp=True)
        await press_play(page, server.url)
        await page.wait_for_selector('[data-choice="take"]')
        await page.evaluate("window.branchline.video.pause()")
        await page.wait_for_timeout(12_000)  # the lock would have come after 5.5 s
        await page.click('[data-choice="take"]')
        await page.evaluate("window.branchline.video.play()")
        await page.wait_for_function(
            "window.branchline.log.some(entry => entry.kind === 'sse:committed')", timeout=15_000
        )
        committed = await page.evaluate("window.branchline.log.find(entry => entry.kind === 'sse:committed').detail")

    assert (committed["choice"], committed["by"]) == ("take", "viewer")


async def test_an_error_is_a_sentence(sample_library: Path, start: Starter, browser: Browser) -> None:
    async with start(sample_library) as server:
        page = await browser.new_page()
        await page.goto(f"{server.url}/watch/no-such-story")
        words = await page.wait_for_selector("[data-error-words]", state="visible")
        assert words is not None
        assert len((await words.inner_text()).split()) > 3


async def test_an_author_sees_the_mistakes_of_a_watched_story_until_they_are_mended(
    start: Starter, browser: Browser, tmp_path: Path
) -> None:
    story = tmp_path / "story.yaml"
    story.write_text(WRITTEN, "utf-8")
    async with (
        start(tmp_path / "library", "--watch", str(story), "--slates") as server,
        ClientSession() as http,
        aclosing(reports(http, server.url)) as told,
    ):
        await until(told, "served")
        page, complaints = await watched_page(browser)
        listing = await browser.new_page(viewport={"width": 1000, "height": 600})
        await page.goto(f"{server.url}/watch/written")
        await listing.goto(server.url)
        await page.click("[data-play]:enabled")
        await page.wait_for_function("window.branchline.video.currentTime > 0.1")
        shown_before = await page.is_visible("[data-findings]")
        story.write_text(
            WRITTEN.replace("to: two", "to: tow").replace('text: "The second', 'tekst: "The second'), "utf-8"
        )
        for each in (page, listing):
            await each.wait_for_selector(".finding >> nth=1", state="visible")
        words = await page.inner_text("[data-findings]")
        await page.screenshot(path=tmp_path / "finding.png")
        await listing.screenshot(path=tmp_path / "finding-listing.png")
        story.write_text(WRITTEN.replace("The second.", "The second, mended."), "utf-8")
        for each in (page, listing):
            await each.wait_for_selector("[data-findings]", state="hidden", timeout=60_000)
        await page.screenshot(path=tmp_path / "mended.png")
        is_playing = await page.evaluate("!window.branchline.video.error && window.branchline.session !== null")
        complained = complaints.copy()  # before the server is gone

    assert not shown_before
    assert "2 mistakes" in words
    assert "story.yaml:6:78" in words
    assert "there is no scene 'tow'." in words
    assert "Did you mean 'two'?" in words
    assert is_playing
    assert complained == []


async def test_a_page_that_comes_before_its_story_greets_it_once_it_is_well(
    start: Starter, browser: Browser, tmp_path: Path
) -> None:
    story = tmp_path / "story.yaml"
    story.write_text(WRITTEN.replace("to: two", "to: tow"), "utf-8")
    async with start(tmp_path / "library", "--watch", str(story), "--slates") as server:
        page, _ = await watched_page(browser)
        await page.goto(f"{server.url}/watch/written")
        await page.wait_for_selector("[data-error-words]", state="visible")
        await page.wait_for_selector(".finding", state="visible")
        found = await page.inner_text("[data-findings]")
        story.write_text(WRITTEN, "utf-8")
        await page.click("[data-play]:enabled", timeout=60_000)
        await page.wait_for_function("window.branchline.video.currentTime > 0.1")
        is_shown = await page.is_visible("[data-error-words]")

    assert "there is no scene 'tow'." in found
    assert not is_shown
