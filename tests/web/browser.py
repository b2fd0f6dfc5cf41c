"""Debian's Chromium on our pages, as a visitor with an empty profile."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from playwright.async_api import Error as PlaywrightError

CHROMIUM = os.environ.get("TOLLBRIDGE_TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000
"""How long a page may take to show something: the tests share two cores with telephones, browsers and databases."""
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# Of what is in order nothing is told: describing every good element takes longer than looking at it.
_VIOLATIONS = """async tags => {
    const options = {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']};
    return (await axe.run(document, options)).violations;
}"""
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@asynccontextmanager
async def open_browser(*more_arguments: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *more_arguments]
        )
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """A visitor's tab, and everything the browser complained of: scripts that broke, what the policy forbade."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    async def go(self, path: str) -> None:
        await self.page.goto(self.base + path)

    async def sign_in(self, email: str, password: str, path: str = "/sign-in") -> None:
        await self.go(path)
        await self.page.get_by_label("E-mail address").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await self.page.wait_for_url(lambda url: "/sign-in" not in url)

    async def axe_violations(self) -> list[str]:
        """Return what axe finds wrong with the page as it stands, one line a node."""
        for attempt in range(3):
            await self.page.wait_for_load_state()
            try:
                found = await self._axe()
                break
            except PlaywrightError as error:
                # A page that was about to lead on has done so: look at where it led.
                if "context was destroyed" not in str(error) or attempt == 2:
                    raise
        return [
            f"{violation['id']} ({violation['impact']}): {node['html'][:200]} {node['failureSummary']}"
            for violation in found
            for node in violation["nodes"]
        ]

    async def _axe(self) -> list[dict[str, Any]]:
        # evaluate() goes by the debugger, so the page's own policy stays as strict as it is.
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = await self.page.evaluate(_VIOLATIONS, AXE_TAGS)
        return found

    async def overflow_px(self) -> int:
        """Return by how much the page is wider than its window."""
        root = "document.documentElement"
        return int(await self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    async def wide_elements(self) -> Sequence[str]:
        """Return what sticks out of the window, to say so in a failing test."""
        script = """() => [...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .slice(0, 8).map(e => e.outerHTML.slice(0, 120))"""
        found: list[str] = await self.page.evaluate(script)
        return found

    async def picture(self, name: str) -> None:
        """Keep a picture of the whole page when TOLLBRIDGE_TEST_PICTURES names a folder for them."""
        folder = os.environ.get("TOLLBRIDGE_TEST_PICTURES")
        if folder:
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@asynccontextmanager
async def open_visit(browser: Browser, base: str, **context: Any) -> AsyncIterator[Visit]:
    """Open a tab with an empty profile; `context` is Playwright's (viewport, color_scheme, timezone_id …)."""
    profile: BrowserContext = await browser.new_context(**context)
    profile.set_default_timeout(PATIENCE_MS)
    try:
        yield Visit(await profile.new_page(), base)
    finally:
        await profile.close()
