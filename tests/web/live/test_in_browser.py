"""Home and the live board in a real browser: a call comes, moves and goes while somebody looks."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.live.calls import a_live_call, answers, ends, one_row, rings, talks, waits
from tests.web.market import Market, add_sold_call
from web.pages import static_url

DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


async def test_a_call_is_watched_and_hung_up(site: TestServer, engine: AsyncEngine, market: Market) -> None:
    assert static_url("vendor/htmx.min.js"), "run `npm ci && npm run build` first"
    base = str(site.make_url("")).rstrip("/")
    await add_sold_call(engine, market)
    async with open_browser() as browser, open_visit(browser, base, **DESK) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path="/live")
        await expect(page.get_by_role("heading", name="Nobody is on the line")).to_be_visible()
        call_id = await a_live_call(engine, market)
        row = page.get_by_role("row", name="+1 614-555-0123")
        await expect(row).to_contain_text("Arrived")
        await waits(engine, call_id, "loan_type")
        await answers(engine, call_id, "loan_type", "refinance")
        await expect(row).to_contain_text("refinance")
        await expect(row).to_contain_text("loan type, asked")
        hang_up = row.get_by_role("link", name="Hang up")
        await hang_up.focus()
        await rings(engine, call_id, market.chosen_id)
        await expect(row).to_contain_text("Ringing")
        await expect(hang_up).to_be_focused()
        await talks(engine, call_id, market.chosen_id)
        await expect(row).to_contain_text("Talking")
        await expect(row).to_contain_text("Buckeye Lending")
        assert await visit.axe_violations() == []
        await visit.picture("live")
        await visit.go("/")
        await expect(page.get_by_role("row", name="+1 614-555-0123")).to_contain_text("Talking")
        assert await visit.axe_violations() == []
        await visit.picture("home")
        await visit.go("/live")
        await row.get_by_role("link", name="Listen").click()
        await page.get_by_role("radio", name="Whisper").check()
        await page.get_by_role("button", name="Get a number to dial").click()
        await expect(page.locator("[data-dial-code]")).to_be_visible()
        assert await visit.axe_violations() == []
        await visit.picture("live-listen")
        await visit.go("/live")
        await row.get_by_role("link", name="Hang up").click()
        assert await visit.axe_violations() == []
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_text("Hang up was ordered by")).to_be_visible()
        assert (await one_row(engine, "SELECT kind FROM call_commands")) == {"kind": "hang_up"}
        await visit.picture("live-call-page")
        await visit.go("/live")
        await expect(row).to_be_visible()
        await ends(engine, call_id)
        await expect(page.get_by_role("heading", name="Nobody is on the line")).to_be_visible()
        assert visit.complaints == []


async def test_it_all_fits_a_phone_in_the_dark(site: TestServer, engine: AsyncEngine, market: Market) -> None:
    base = str(site.make_url("")).rstrip("/")
    sold = await add_sold_call(engine, market)
    call_id = await a_live_call(engine, market)
    await waits(engine, call_id, "loan_type")
    async with open_browser() as browser, open_visit(browser, base, color_scheme="dark", **PHONE) as visit:
        await visit.sign_in(EMAIL, PASSWORD, path="/live")
        for path in (
            "/live",
            "/",
            "/calls?state=OH&seconds=10",
            f"/calls/{sold}",
            f"/calls/{call_id}/listen",
        ):
            await visit.go(path)
            assert await visit.overflow_px() <= 0, (path, await visit.wide_elements())
            assert await visit.axe_violations() == [], path
            await visit.picture(f"phone{path.replace('/', '-').partition('?')[0][:12]}")
