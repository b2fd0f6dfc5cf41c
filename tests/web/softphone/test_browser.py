"""The telephone on its page: on a phone, in the dark, and where the browser gives it no microphone."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows.library import load
from ivr_flows.publishing import save_draft
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from web.pages import static_url


async def test_without_a_microphone_the_page_says_how_to_give_it_one(
    site: TestServer, engine: AsyncEngine
) -> None:
    assert static_url("build/softphone.js"), "run `npm ci && npm run build` first"
    await save_draft(engine, "mortgage", load("mortgage"))
    small = {"viewport": {"width": 360, "height": 740}}
    async with (
        open_browser() as browser,
        open_visit(browser, str(site.make_url("")).rstrip("/"), **small) as visit,
    ):
        await visit.sign_in(EMAIL, PASSWORD, "/sign-in?next=/softphone")
        page = visit.page
        await page.get_by_label("Calling from").fill("911")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("911")
        await page.get_by_label("Calling from").fill("")
        await page.get_by_role("button", name="Call the draft").click()
        await expect(page.get_by_role("alert")).to_contain_text("microphone")
        await expect(page.get_by_role("button", name="Call the draft")).to_be_focused()
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await visit.axe_violations() == [], scheme
            await visit.picture(f"softphone-no-microphone-{scheme}")
        assert await visit.overflow_px() <= 0, await visit.wide_elements()
        # What the server refused is in the console; nothing else is.
        assert all("422" in complaint for complaint in visit.complaints)
