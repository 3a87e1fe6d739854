"""The page of a story's graph in a real browser: found, clicked, zoomed, typed at; nothing of the story runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from streamer.drawing.layout import layout_of
from streamer.drawing.page import page_of
from tests.drawing.film import film
from tests.drawing.graphs import WHOLE, graphed
from tests.players.test_page import CHROMIUM, SWITCHES
from tests.serving import ROOT

pytestmark = [pytest.mark.players, pytest.mark.timeout(120)]

SAMPLE = (ROOT / "media" / "sample" / "story.yaml").read_text("utf-8")
CHOSEN = "[...document.querySelectorAll('.scene.{}')].map(each => each.dataset.id).sort()"


class Opened:
    """A page, and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("request", lambda request: self.complaints.append(request.url) if "http" in request.url else None)

    async def show(self, story: str, folder: Path) -> Page:
        file = folder / "graph.html"
        file.write_text(page_of(layout_of(graphed(story, viewers=40)), {}), "utf-8")
        await self.page.goto(file.as_uri())
        return self.page

    async def scenes(self, kind: str) -> list[str]:
        found: list[str] = await self.page.evaluate(CHOSEN.format(kind))
        return found

    async def scale(self) -> float:
        text = await self.page.inner_text("[data-scale]")
        return float(text.removesuffix(" %"))


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    if CHROMIUM is None:
        pytest.skip("NOT TESTED: no Chromium is installed; run make players as root, or apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        found = Opened(await browser.new_page(viewport={"width": 1280, "height": 800}))
        yield found
        await browser.close()
    assert found.complaints == []


async def test_a_click_lights_up_ways_in_and_out_and_the_path_from_the_start(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(SAMPLE, tmp_path)

    await page.click('.scene[data-id="turntable"]')

    assert await opened.scenes("chosen") == ["turntable"]
    assert await opened.scenes("lit") == sorted(
        {"turntable", "tunnel", "viaduct", "lakeside", *(await opened.scenes("on-path"))}
    )
    path = await opened.scenes("on-path")
    assert len(path) == 5
    assert {"platform", "junction", "turntable"} <= set(path)
    told = await page.inner_text("[data-panel]")
    assert "Once more round" in told
    assert "may_turn" in told
    assert "Shortest path from the start: 4 ways" in told


async def test_links_in_the_panel_lead_on_and_escape_leaves(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(SAMPLE, tmp_path)
    await page.click('.scene[data-id="tunnel"]')

    await page.click('[data-panel] a[href="#darkness"]')

    assert await opened.scenes("chosen") == ["darkness"]
    assert page.url.endswith("#darkness")
    await page.keyboard.press("Escape")
    assert await opened.scenes("chosen") == []
    assert not await page.is_visible("[data-panel]")


async def test_a_path_between_two_scenes_is_shown(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(SAMPLE, tmp_path)
    await page.click('.scene[data-id="buffet"]')

    await page.click("text=Path from here to…")
    await page.click('.scene[data-id="turntable"]')

    assert await opened.scenes("chosen") == ["buffet", "turntable"]
    path = set(await opened.scenes("on-path"))
    assert path in ({"buffet", "junction", between, "turntable"} for between in ("viaduct", "lakeside"))
    await page.click('.scene[data-id="lamplight"]', modifiers=["Shift"])
    assert await opened.scenes("on-path") == ["lamplight", "tunnel", "turntable"]
    await page.click('.scene[data-id="platform"]', modifiers=["Shift"])
    assert "No way leads there." in await page.inner_text("[data-panel]")


async def test_search_finds_texts_and_enter_goes_on(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(SAMPLE, tmp_path)
    await page.keyboard.press("/")

    await page.keyboard.type("the lan")

    hits = await opened.scenes("hit")
    assert hits == ["platform"]
    await page.fill("input[type=search]", "the")
    assert len(await opened.scenes("hit")) == 3
    seen = []
    for _ in range(4):
        await page.keyboard.press("Enter")
        seen += await opened.scenes("chosen")
    assert seen == ["platform", "junction", "turntable", "platform"]
    assert await page.inner_text("[data-hits]") == "1 of 3"
    await page.fill("input[type=search]", "nothing like it")
    assert await page.inner_text("[data-hits]") == "0 found"


async def test_zoom_by_wheel_buttons_and_keys_keeps_its_place(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(film(), tmp_path)
    scene = page.locator('.scene[data-id="1hub"] rect.body')
    box = await scene.bounding_box()
    assert box is not None
    assert await opened.scale() == 80  # a large story opens large enough to read

    await page.mouse.move(box["x"] + 10, box["y"] + 10)
    await page.mouse.wheel(0, -300)
    await page.wait_for_function("document.querySelector('[data-scale]').textContent !== '80 %'")

    near = await scene.bounding_box()
    assert near is not None
    assert near["width"] > box["width"] * 1.3
    assert abs(near["x"] + 10 * near["width"] / box["width"] - box["x"] - 10) < 2
    await page.click("[data-zoom=actual]")
    assert await opened.scale() == 100
    await page.keyboard.press("+")
    assert await opened.scale() == 125
    await page.keyboard.press("0")
    whole = await page.locator(".graph").bounding_box()
    assert whole is not None
    assert whole["height"] <= 800
    assert await page.evaluate("document.querySelector('svg').classList.contains('far')")
    assert not await page.is_visible(".label")


async def test_the_picture_is_dragged_and_a_drag_is_no_click(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(film(), tmp_path)
    scene = page.locator('.scene[data-id="1hub"] rect.body')
    before = await scene.bounding_box()
    assert before is not None

    await page.mouse.move(before["x"] + 20, before["y"] + 20)
    await page.mouse.down()
    await page.mouse.move(before["x"] + 120, before["y"] + 60, steps=5)
    await page.mouse.up()

    after = await scene.bounding_box()
    assert after is not None
    assert (round(after["x"] - before["x"]), round(after["y"] - before["y"])) == (100, 40)
    assert await opened.scenes("chosen") == []


async def test_scenes_are_reached_and_chosen_by_keys_and_are_named(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(film(), tmp_path)
    far = page.locator('.scene[data-id="10c8"]')

    await far.focus()
    await page.keyboard.press("Enter")

    assert await opened.scenes("chosen") == ["10c8"]
    assert await far.get_attribute("role") == "button"
    named = await far.get_attribute("aria-label")
    assert named is not None
    assert named.startswith("10c8, ")
    assert "ending" in named


async def test_what_nobody_reached_stands_out(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(WHOLE, tmp_path)

    await page.check("[data-never]")

    faint = await page.evaluate(
        "[...document.querySelectorAll('.scene')].filter(each => getComputedStyle(each).opacity < 0.5"
        " || each.getAnimations().length).map(each => each.dataset.id)"
    )
    assert "tower" not in faint
    assert "hall" in faint
    label = await page.inner_text("[data-never-label]")
    assert label == f"never reached ({len(await opened.scenes('never'))})"


async def test_an_address_opens_at_its_scene(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(film(), tmp_path)

    await page.goto(page.url + "#5b3")
    await page.reload()

    assert await opened.scenes("chosen") == ["5b3"]
    assert await page.is_visible("[data-panel] h2:text-is('5b3')")


async def test_colours_follow_the_preference(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(SAMPLE, tmp_path)
    colour = "getComputedStyle(document.body).backgroundColor"

    await page.emulate_media(color_scheme="light")
    light: Any = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")

    assert await page.evaluate(colour) != light


async def test_two_fingers_zoom(opened: Opened, tmp_path: Path) -> None:
    page = await opened.show(SAMPLE, tmp_path)
    before = await opened.scale()

    await page.evaluate(
        """() => {
          const stage = document.querySelector("[data-stage]");
          const send = (kind, id, x) => stage.dispatchEvent(new PointerEvent(kind,
            {bubbles: true, pointerId: id, clientX: x, clientY: 400, pointerType: "touch"}));
          send("pointerdown", 7, 300); send("pointerdown", 8, 400);
          send("pointermove", 8, 500); send("pointerup", 7, 300); send("pointerup", 8, 500);
        }"""
    )

    assert abs(await opened.scale() - 2 * before) <= 2


EVIL = "</script><script>window.taken = 1</script><img src=x onerror='window.taken = 1'>"


async def test_a_story_cannot_run_anything(opened: Opened, tmp_path: Path) -> None:
    story = WHOLE
    for plain in ("label: Left", "prompt: Which door?", "label: The hall"):
        story = story.replace(plain, f'{plain.partition(":")[0]}: "{EVIL}"')
    story = story.replace("{en: All there is, sv: Allt}", f'"{EVIL}"')
    page = await opened.show(story, tmp_path)

    await page.click('.scene[data-id="hall"]')

    assert await page.evaluate("window.taken") is None
    assert EVIL in await page.inner_text("[data-panel]")
    assert await page.locator("main img, main script").count() == 0
    assert await page.title() == EVIL
