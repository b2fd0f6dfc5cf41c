"""The portals and the money pages in a browser: readable by everybody, in both palettes, on a phone."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.dispute_calls import decide_dispute
from billing.invoice import Invoice
from billing.make_invoice import issue_invoice, make_invoice
from billing.terms_document import Party
from store import tables
from tests.web.browser import Visit, open_browser, open_visit
from tests.web.buyer.conftest import BUYER, PUBLISHER, House
from tests.web.conftest import EMAIL, PASSWORD, Client


async def look(visit: Visit, *paths: str) -> None:
    """See that pages are accessible and fit a phone."""
    for path in paths:
        name = path.strip("/").replace("/", "-").partition("?")[0]
        await visit.go(path)
        assert await visit.page.locator("h1").count() == 1, path
        await visit.picture(name)
        assert await visit.axe_violations() == [], path
        await visit.page.set_viewport_size({"width": 360, "height": 740})
        assert await visit.overflow_px() == 0, (path, await visit.wide_elements())
        await visit.picture(f"{name}-360")
        await visit.page.set_viewport_size({"width": 1280, "height": 800})


async def test_a_buyers_day(site: TestServer, buyer: Client, house: House, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for sequence, code in enumerate(("closed", "lower_bid", "duplicate"), 1):
            row = {"call_id": house.others, "sequence": sequence, "target_id": house.market.targets[0]}
            await connection.execute(insert(tables.rejections).values(**row, code=code, detail=""))
    base = str(site.make_url("")).rstrip("/")
    async with open_browser() as browser:
        async with open_visit(browser, base, timezone_id="UTC") as visit:
            await visit.sign_in(BUYER, PASSWORD, "/sign-in?next=/buyer")
            page = visit.page
            await page.get_by_role("link", name="Calls", exact=True).click()
            await page.locator(f"#call-{house.billed} th a").click()
            await page.get_by_label("What was wrong").select_option("spam")
            await page.get_by_label("What we should listen for").fill("nothing but noise")
            await page.get_by_role("button", name="Send the call back").click()
            await page.get_by_text("Being looked at").wait_for()
            await page.get_by_role("link", name="Targets").click()
            await page.get_by_role("button", name="Pause Columbus desk").click()
            await page.get_by_text("Paused by you").wait_for()
            day = house.started_at.date().isoformat()
            await look(
                visit,
                "/buyer",
                "/buyer/calls",
                f"/buyer/calls/{house.short}",
                "/buyer/wallet",
                "/buyer/targets",
                f"/buyer/targets/{house.market.targets[0]}",
                f"/buyer/fewer-calls?day={day}",
                "/buyer/disputes",
                "/buyer/settings",
            )
            assert visit.complaints == []
        async with open_visit(browser, base, color_scheme="dark") as visit:
            await visit.sign_in(BUYER, PASSWORD, "/sign-in?next=/buyer")
            for path in ("/buyer", "/buyer/targets", f"/buyer/fewer-calls?day={day}"):
                await visit.go(path)
                await visit.picture(f"dark{path.partition('?')[0].replace('/', '-')}")
                assert await visit.axe_violations() == [], path


async def test_a_publisher_and_the_house_look_at_money(
    site: TestServer, publisher: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    sent_back = await buyer.post(f"/buyer/calls/{house.billed}/dispute", data={"reason": "spam", "note": ""})
    assert sent_back.status == 200
    day = house.started_at.date()
    async with engine.begin() as connection:
        made = await make_invoice(connection, Party.BUYER, house.market.buyers[0], day, day)
        assert isinstance(made, Invoice)
        await issue_invoice(connection, made.id, house.started_at)
    base = str(site.make_url("")).rstrip("/")
    async with open_browser() as browser:
        async with open_visit(browser, base) as visit:
            await visit.sign_in(PUBLISHER, PASSWORD, "/sign-in?next=/publisher")
            await look(
                visit,
                "/publisher",
                "/publisher/calls",
                f"/publisher/calls/{house.short}",
                "/publisher/numbers",
                "/publisher/sources",
                "/publisher/payouts",
                "/publisher/pings",
            )
            assert visit.complaints == []
        async with open_visit(browser, base, color_scheme="dark") as visit:
            await visit.sign_in(EMAIL, PASSWORD, "/sign-in?next=/money/wallets")
            await look(
                visit,
                "/money/wallets",
                "/money/invoices",
                f"/money/invoices/{made.id}",
                "/money/disputes",
                "/money/adjustments",
                "/money/sale-keys",
            )
            async with engine.begin() as connection:
                await decide_dispute(
                    connection, 1, credit_micros=0, answer="a good call", now=datetime.now(UTC)
                )
            await look(visit, "/money/disputes/1")
            assert visit.complaints == []


async def test_a_house_of_two_hundred_buyers_looks_at_money(
    site: TestServer, house: House, engine: AsyncEngine
) -> None:
    """Too many for a menu: one pages through them, and finds one by a part of its name."""
    async with engine.begin() as connection:
        for table in (tables.buyers, tables.publishers):
            rows = [{"name": f"Lender {number:03d} of the long list of lenders"} for number in range(200)]
            await connection.execute(insert(table), rows)
    async with open_browser() as browser, open_visit(browser, str(site.make_url("")).rstrip("/")) as visit:
        await visit.sign_in(EMAIL, PASSWORD, "/sign-in?next=/money/wallets")
        await look(visit, "/money/wallets", "/money/invoices", "/calls?buyer=Nobody", "/reports")
        page = visit.page
        await visit.go("/money/wallets?q=lender")
        await page.get_by_label("Further publishers").get_by_role("link", name="More").click()
        await expect(page.get_by_role("rowheader", name="Lender 099")).to_have_count(1)
        await page.get_by_label("Who").first.press_sequentially("r 042")
        await expect(page.locator("#topup-party-suggested option")).to_have_count(1)
        await visit.go("/money/invoices")
        await page.get_by_label("For").press_sequentially("r 042")
        await expect(page.locator("#whose-suggested option")).to_have_count(2)
        assert visit.complaints == []
