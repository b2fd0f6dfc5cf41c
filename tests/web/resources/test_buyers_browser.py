"""An admin sets up a buyer in a real browser: list, form, licences, map; at a desk, on a phone, in the dark."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.browser import Visit, open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import Market

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}


async def _is_fine(visit: Visit, name: str, *, wide: bool = True, dark: bool = False) -> None:
    """Look at the page, in the light, and in the dark where colours are its own."""
    for scheme in ("dark", "light") if dark else ("light",):
        await visit.page.emulate_media(color_scheme=scheme)
        assert await visit.axe_violations() == [], (name, scheme)
        await visit.picture(f"{name}-{scheme}{'' if wide else '-360'}")
    assert await visit.overflow_px() == 0, (name, await visit.wide_elements())


async def test_a_buyer_is_set_up(site: TestServer, market: Market, engine: AsyncEngine) -> None:
    base = str(site.make_url("")).rstrip("/")
    async with engine.begin() as connection:
        # More than a menu takes: the buyer is found while one types.
        rows = [{"name": f"Lender {number:03d} of the long list of lenders"} for number in range(200)]
        await connection.execute(insert(tables.buyers), rows)
    async with open_browser() as browser:
        async with open_visit(browser, base, timezone_id="America/New_York", **DESK) as visit:
            page = visit.page
            await visit.sign_in(EMAIL, PASSWORD, path="/buyers")
            await _is_fine(visit, "buyers", dark=True)
            await page.get_by_role("link", name="Add a buyer").click()
            await page.get_by_label("Name").fill("Keystone <Lending>")
            await page.get_by_label("Credit limit").fill("lots")
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("alert")).to_contain_text("1 field needs another look")
            await expect(page.get_by_label("Name")).to_have_value("Keystone <Lending>")
            await _is_fine(visit, "buyer-refused", dark=True)
            # Chromium complains of every refusal; of nothing else.
            assert all("422" in complaint for complaint in visit.complaints)
            visit.complaints.clear()
            await page.get_by_label("Credit limit").fill("1,000")
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Keystone <Lending>")
            await expect(page.get_by_role("status")).to_contain_text("Saved")
            await page.get_by_role("link", name="Add a target").click()
            await expect(page.get_by_label("Buyer", exact=False).first).to_have_value(
                f"Keystone <Lending> ({market.buyer_id + 202})"
            )
            await page.get_by_label("Name").first.fill("Main desk")
            await page.get_by_label("SIP address").fill("sip:main@pbx.example.com")
            await page.get_by_label("Refinance").check()
            await page.get_by_label("Only calls that").fill('{"fact": "credit_score", ">=": 620}')
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_text("Takes calls with credit_score >= 620")).to_be_visible()
            await expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
            await _is_fine(visit, "target", dark=True)
            await visit.go("/licences/new")
            await page.get_by_label("Buyer").press_sequentially("keysto")
            await expect(page.locator("#buyer_id-suggested option")).to_have_count(1)
            await page.get_by_label("Buyer").fill("Keystone <lending>")
            await page.get_by_label("NMLS number").first.fill("401822")
            await page.get_by_label("State").select_option("OH")
            await page.get_by_label("Loan").select_option("refinance")
            await page.get_by_label("Valid from").fill("2026-01-01")
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("status")).to_contain_text("Saved")
            await visit.go(f"/buyers/{market.buyer_id + 202}")
            await expect(page.get_by_role("link", name="Refinance")).to_be_visible()
            await _is_fine(visit, "buyer")
            await visit.go("/licences/map")
            await _is_fine(visit, "map", dark=True)
            await page.locator(".tilemap").get_by_role("link", name="Ohio: 1 buyer").click()
            await expect(page.get_by_role("rowheader")).to_have_text(["Keystone <Lending>"])
            await _is_fine(visit, "state")
            for path in ("/licences/import", "/caps/new"):
                await visit.go(path)
                await _is_fine(visit, path.strip("/").replace("/", "-"))
            assert visit.complaints == []
        async with open_visit(browser, base, **PHONE) as visit:
            await visit.sign_in(EMAIL, PASSWORD, path="/licences/map")
            await _is_fine(visit, "map", wide=False, dark=True)
            last = market.buyer_id + 202
            for path in (
                "/buyers",
                f"/buyers/{last}",
                "/targets/1",
                f"/buyers/{last}/suppressions",
                "/licences",
            ):
                await visit.go(path)
                await _is_fine(visit, path.strip("/").replace("/", "-"), wide=False, dark=path == "/licences")
            assert visit.complaints == []
