"""A test call by mouse, and what the page tells without being asked; on a small phone and in the dark as well."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.web_tables import test_calls
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import Market

LINES = ["calling +18005550100 as +16145550123", "answered after 41 ms", 'saying "refinance"']
REASON = "it does not accept our user name and password (401)"


async def test_a_test_call_is_watched_as_it_goes(
    site: TestServer, engine: AsyncEngine, market: Market
) -> None:
    base = str(site.make_url("")).rstrip("/")
    async with engine.begin() as connection:
        number_id = await connection.scalar(select(tables.tracking_numbers.c.id).limit(1))
        trunk_id = await connection.scalar(
            insert(tables.trunks)
            .values(name="coast", carrier_name="Coast", addresses=[], registrar_uri="sip:sip.carrier.example")
            .returning(tables.trunks.c.id)
        )
        await connection.execute(
            insert(tables.trunk_states).values(
                node="east", trunk_id=trunk_id, peer="sip:sip.carrier.example", state="refused", reason=REASON
            )
        )
    async with open_browser() as browser, open_visit(browser, base) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path=f"/numbers/{number_id}")
        await page.get_by_role("link", name="Place a test call").click()
        await page.get_by_label("What the caller says").fill("refinance")
        await visit.picture("test-call-asked")
        await page.get_by_role("button", name="Place the call").click()
        await expect(page.get_by_text("waiting for a node")).to_be_visible()
        async with engine.begin() as connection:
            await connection.execute(update(test_calls).values(state="running", node="east", lines=LINES))
        await expect(page.get_by_role("listitem").filter(has_text='saying "refinance"')).to_be_visible()
        await visit.picture("test-call-running")
        shown = page.url.removeprefix(base)
        for width, scheme in ((1280, "light"), (360, "dark")):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for name, path in (
                ("ask", "/test-calls/new"),
                ("told", shown),
                ("trunks", "/trunks"),
                ("trunk", f"/trunks/{trunk_id}"),
            ):
                await visit.go(path)
                assert await visit.axe_violations() == [], path
                assert await visit.overflow_px() <= 0, (path, await visit.wide_elements())
                await visit.picture(f"test-call-{name}-{width}")
        assert visit.complaints == []
