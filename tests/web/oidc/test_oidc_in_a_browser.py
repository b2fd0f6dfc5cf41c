"""The directory's button in Chromium: by keyboard, on a desk and on a phone, there and back and out again."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.oidc.idp import Idp
from web.auth import create_user

DESK = {"viewport": {"width": 1360, "height": 850}, "timezone_id": "America/Chicago"}
PHONE = {"viewport": {"width": 390, "height": 800}}


@pytest.mark.parametrize(("size", "name"), [(DESK, "desk"), (PHONE, "phone")])
async def test_there_and_back_by_keyboard(
    house: TestServer, idp: Idp, size: dict[str, object], name: str
) -> None:
    base = str(house.make_url("")).rstrip("/")
    async with open_browser() as browser, open_visit(browser, base, **size) as visit:
        page = visit.page
        await visit.go("/sign-in?next=/account")
        await visit.picture(f"sign-in-{name}")
        assert await visit.axe_violations() == [] and await visit.overflow_px() <= 0, (
            await visit.wide_elements()
        )
        button = page.get_by_role("link", name="Sign in with House accounts")
        for _ in range(4):
            if await button.evaluate("element => element === document.activeElement"):
                break
            await page.keyboard.press("Tab")
        await expect(button).to_be_focused()

        # Refused: said aloud, with the way out; then let in.
        idp.claims = {"groups": []}
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("none of your groups has a role here")
        await visit.picture(f"refused-{name}")
        assert await visit.axe_violations() == [] and await visit.overflow_px() <= 0
        visit.complaints.clear()  # the browser notes the refusal's status
        idp.claims = {}
        await page.get_by_role("link", name="Use another account there").click()
        await page.wait_for_url("**/account")
        await expect(page.get_by_text("You sign in with House accounts")).to_be_visible()
        if name == "desk":
            await expect(page.get_by_label("Times are shown in")).to_have_value("America/Chicago")
        await visit.picture(f"account-{name}")
        assert await visit.axe_violations() == [] and await visit.overflow_px() <= 0

        # Signing out goes on to the provider, which has nothing at that address here.
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await page.wait_for_url(f"{idp.issuer}/end?**")
        assert [one for one in visit.complaints if "404" not in one] == []


@pytest.mark.parametrize(("size", "name"), [(DESK, "desk"), (PHONE, "phone")])
async def test_linking_and_giving_roles(
    house: TestServer, idp: Idp, engine: AsyncEngine, size: dict[str, object], name: str
) -> None:
    await create_user(engine, "second@example.com", PASSWORD, "admin")
    base = str(house.make_url("")).rstrip("/")
    async with open_browser() as browser, open_visit(browser, base, **size) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/users")
        assert await visit.overflow_px() <= 0, await visit.wide_elements()
        await page.get_by_role("link", name="Directory groups").click()
        await page.get_by_label("Group", exact=True).fill("chiefs")
        await page.get_by_label("Role", exact=True).select_option("admin")
        await page.get_by_role("button", name="Give the role").click()
        await expect(page.get_by_role("status")).to_contain_text("Saved.")
        await visit.picture(f"groups-{name}")
        assert await visit.axe_violations() == [] and await visit.overflow_px() <= 0, (
            await visit.wide_elements()
        )

        idp.claims = {"groups": ["chiefs"], "sub": "first"}
        await visit.go("/account")
        section = page.get_by_role("region", name="Directory")
        await visit.picture(f"link-{name}")
        assert await visit.axe_violations() == [] and await visit.overflow_px() <= 0
        await section.get_by_role("button", name="Link with House accounts").click()
        await page.wait_for_url("**/account?done=linked")
        await expect(page.get_by_role("status")).to_contain_text("Your account is linked")
        await visit.go("/users")
        await page.get_by_role("table").get_by_role("link", name=EMAIL).click()
        await expect(page.get_by_role("button", name="Unlink from the directory")).to_be_visible()
        await visit.picture(f"person-{name}")
        assert await visit.axe_violations() == [] and visit.complaints == []
