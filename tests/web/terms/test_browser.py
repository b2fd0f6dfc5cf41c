"""Terms and keys in a real browser: written, read, saved; in the light, in the dark and on a phone."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import Market


async def test_terms_are_written_read_and_saved(site: TestServer, market: Market) -> None:
    base = str(site.make_url("")).rstrip("/")
    path = f"/campaigns/{market.campaign_id}/terms"
    async with open_browser() as browser:
        async with open_visit(browser, base, viewport={"width": 1280, "height": 900}) as visit:
            page = visit.page
            await visit.sign_in(EMAIL, PASSWORD, path=path)
            await expect(page.get_by_text("No terms of buyers yet")).to_be_visible()
            await page.get_by_role("link", name="New terms of a buyer").click()
            await page.get_by_label("Buyer").fill("Buckeye Lending")
            await page.get_by_label("Price of a call").fill("45.00")
            await page.get_by_label("Another price from later calls on").fill("later: cheaper")
            await page.get_by_role("button", name="What do they say?").click()
            await expect(page.get_by_text("write one tier a line")).to_be_visible()
            assert await visit.axe_violations() == []
            await page.get_by_label("Another price from later calls on").fill("101: 40.00")
            await page.get_by_label("Connected at least, seconds").fill("90")
            await page.get_by_role("button", name="What do they say?").click()
            await expect(page.get_by_text("when connected 90 s or longer")).to_be_visible()
            await visit.picture("terms-new")
            assert await visit.axe_violations() == []
            await page.get_by_role("button", name="Save these terms").click()
            await expect(page.get_by_text("live", exact=True)).to_be_visible()
            await visit.picture("terms")
            # A refused form answers 422, which the browser notes as an error of the page; nothing else may be there.
            assert [one for one in visit.complaints if "422" not in one] == []
            state = await page.context.storage_state()
        phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "storage_state": state}
        async with open_visit(browser, base, **phone) as visit:
            keys = f"/publishers/{market.publisher_id}/keys"
            for address in (path, f"{path}/new", keys, f"/publishers/{market.publisher_id}"):
                await visit.go(address)
                assert await visit.overflow_px() == 0, await visit.wide_elements()
                assert await visit.axe_violations() == []
                await visit.picture(f"phone{address.replace('/', '-')}")
