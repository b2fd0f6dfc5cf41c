"""An admin invites a buyer's person, looks at them, and reads in the audit log what happened."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import Market
from web.auth import create_user

DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"width": 360, "height": 740}
HOSTILE = "<img src=x onerror=alert(1)>"


async def test_an_admin_looks_after_people(site: TestServer, engine: AsyncEngine, market: Market) -> None:
    await create_user(
        engine, "an.analyst.with.a.long.address@department.example.com", PASSWORD, "analyst", name=HOSTILE
    )
    base = str(site.make_url("")).rstrip("/")
    async with open_browser() as browser, open_visit(browser, base, **DESK) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/users")
        await page.get_by_role("link", name="Invite somebody").click()
        await page.get_by_label("E-mail address").fill("bea@example.com")
        await page.get_by_label("Name").fill("Bea")
        await page.get_by_label("Role").select_option("buyer")
        await page.get_by_role("button", name="Invite").click()
        await expect(page.get_by_role("alert")).to_contain_text("which buyer")
        await expect(page.get_by_label("E-mail address")).to_have_value("bea@example.com")
        assert await visit.axe_violations() == []
        await visit.picture("invite")
        visit.complaints.clear()
        await page.get_by_label("Buyer", exact=False).last.fill("Buckeye Lending")
        await page.get_by_role("button", name="Invite").click()
        link = await page.locator("code.secret").inner_text()
        assert await visit.axe_violations() == []
        await visit.picture("invitation")

        # Bea takes it in a browser of her own.
        async with open_visit(browser, base, **DESK) as bea:
            await bea.go(link.removeprefix(base))
            assert await bea.axe_violations() == []
            await bea.picture("welcome")
            await bea.page.get_by_label("Password").fill(PASSWORD)
            await bea.page.get_by_label("The same again").fill(PASSWORD)
            await bea.page.get_by_role("button", name="Set the password").click()
            await bea.page.wait_for_url("**/sign-in?set")
            await bea.go("/forgotten")
            assert await bea.axe_violations() == []
            await bea.go(link.removeprefix(base))
            await expect(bea.page.get_by_role("heading", level=1)).to_contain_text("opens nothing more")
            assert await bea.axe_violations() == []

        await page.get_by_role("link", name="Go to this person").click()
        await expect(page.get_by_label("Buyer", exact=False).last).to_have_value("Buckeye Lending")
        assert await visit.axe_violations() == []
        await visit.picture("user")
        await page.get_by_role("button", name="Disable").click()
        await expect(page.get_by_role("status")).to_contain_text("Disabled")
        await visit.go("/users")
        await expect(page.get_by_role("row", name="Bea")).to_contain_text("disabled")
        assert await visit.axe_violations() == []
        await visit.picture("users")

        await page.get_by_text("House", exact=True).click()
        await page.get_by_role("link", name="Audit log").click()
        await expect(page.get_by_role("row").nth(1)).to_contain_text("disable")
        await expect(page.get_by_role("table")).to_contain_text("bea@example.com")
        assert await visit.axe_violations() == []
        await visit.picture("audit")
        await page.get_by_label("Did").fill("invite")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.get_by_role("rowheader")).to_have_count(1)

        await page.set_viewport_size(PHONE)
        await page.emulate_media(color_scheme="dark")
        for path in ("/users", "/users/new", "/users/2", "/audit", "/forgotten"):
            await visit.go(path)
            assert await visit.overflow_px() <= 0, (path, await visit.wide_elements())
            assert await visit.axe_violations() == [], path
            await visit.picture(f"phone{path.replace('/', '-')}")
        assert visit.complaints == []
