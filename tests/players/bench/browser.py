"""Players in headless Chromium."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from playwright.async_api import Browser, async_playwright

from tests.e2e.client import Opened
from tests.players.bench.measure import Watched
from tests.players.bench.scenarios import Scenario
from tools import vendor

PLAYERS = ("hls.js", "hls.js lowLatencyMode false", "shaka", "video.js", "chromium native")
SWITCHED = PLAYERS[:4]  # those that can be told to take another quality
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
]
SCRIPTS = dict(zip(("hls.js", "shaka.js", "video.js"), vendor.SCRIPTS, strict=True))


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[Browser, str]]:
    """Runs a browser, and serves the page that plays."""
    application = web.Application()

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__).with_name("page.html"))

    async def script(request: web.Request) -> web.FileResponse:
        found = SCRIPTS[request.match_info["name"]]
        return web.FileResponse(found.target / found.file)

    application.router.add_get("/", page)
    application.router.add_get("/vendor/{name}", script)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
            yield browser, f"http://127.0.0.1:{runner.addresses[0][1]}/"
            await browser.close()
    finally:
        await runner.cleanup()


async def watch(
    browser: Browser, page_url: str, player: str, *, url: str, session: Opened, scenario: Scenario
) -> Watched:
    """Plays a session in a page of its own to its end, or until it takes too long."""
    context = await browser.new_context()
    page = await context.new_page()
    try:
        await page.goto(page_url)
        await page.wait_for_function("window.bench.ready")
        await page.evaluate(
            "plan => { window.play(plan).catch(error => window.bench.errors.push(String(error))); }",
            {
                "name": player,
                "url": url,
                "session": {
                    "position_url": session.control_url.replace("/choices", "/position"),
                    "token": session.token,
                },
                "pauses": [{"at": pause.at, "seconds": pause.seconds} for pause in scenario.pauses],
                "changes": list(scenario.changes_at),
                "beacon": scenario.beacon,
            },
        )
        over = "window.bench.events.some(e => e[0] === 'ended') || window.bench.errors.length > 0"
        try:
            await page.wait_for_function(over, timeout=scenario.limit * 1000, polling=250)
        except TimeoutError:
            pass
        except Exception as error:
            if "Timeout" not in str(error):
                raise
        await asyncio.sleep(0.2)
        found = await page.evaluate("window.bench")
    finally:
        await context.close()
    return Watched(
        version=found["version"],
        samples=[(now / 1000, at, paused) for now, at, paused in found["samples"]],
        frames=[(at, count) for _, at, count in found["frames"]],
        errors=found["errors"],
        metadata=[(at, value) for at, value in found["metadata"]],
        ended=any(event[0] == "ended" for event in found["events"]),
    )
