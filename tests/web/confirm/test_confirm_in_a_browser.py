"""Somebody confirms with a passkey what they asked, is led to a second factor, and leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import passkeys, users, web_sessions
from tests.web.browser import Visit, open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from web.auth import SignedIn, Visitor, session_of, sign_in
from web.keys import Role, User
from web.second_factor.factor import begin_setup, secret_of_setup
from web.second_factor.vault import VAULT
from web.session_rules import SessionRules

DESK = {"viewport": {"width": 1360, "height": 850}}
PHONE = {"width": 390, "height": 840}
OLD = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = User(user_id=1, email=EMAIL, role=Role.ADMIN)
THIEF = Visitor(address="192.0.2.66")


async def add_authenticator(page: Page) -> None:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def looked_at(visit: Visit, name: str) -> None:
    """Look at a page on a desk and on a telephone."""
    assert await visit.axe_violations() == [], name
    await visit.picture(name)
    await visit.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert await visit.overflow_px() <= 0, await visit.wide_elements()
    assert await visit.axe_violations() == [], name
    await visit.picture(f"phone-{name}")
    await visit.page.set_viewport_size({"width": 1360, "height": 850})


async def time_goes_by(engine: AsyncEngine) -> None:
    """Let it be long ago that anybody showed who they are."""
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(verified_at=OLD, factor_at=OLD))


async def test_what_was_asked_is_done_once_a_passkey_has_confirmed_it(
    site: TestServer, engine: AsyncEngine
) -> None:
    base = str(site.make_url("")).rstrip("/").replace("127.0.0.1", "localhost")
    async with open_browser() as browser, open_visit(browser, base, **DESK) as visit:
        page = visit.page
        await add_authenticator(page)
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/account")

        # The grace is over: every page leads here, and through it.
        await expect(page.get_by_text("Set up a second factor by")).to_be_visible()
        await visit.picture("grace")
        async with engine.begin() as connection:
            await connection.execute(update(users).values(factor_asked_at=OLD))
        await visit.go("/calls")
        await page.wait_for_url("**/second-factor")
        await looked_at(visit, "second-factor-needed")
        # Somebody who has the password began a setting-up of their own, in a session of their own.
        now = datetime.now(UTC)
        thief = await sign_in(engine, email=EMAIL, password=PASSWORD, visitor=THIEF, now=now)
        assert isinstance(thief, SignedIn)
        begun = await begin_setup(engine, site.app[VAULT], OWNER, datetime.now(UTC))
        await page.get_by_label("Name of the passkey").fill("My laptop")
        await page.get_by_role("button", name="Add a passkey").click()
        await page.wait_for_url("**/account?done=passkey")
        assert await secret_of_setup(engine, site.app[VAULT], OWNER, begun, datetime.now(UTC)) is None
        assert await session_of(engine, thief.token, datetime.now(UTC), rules=SessionRules()) is None

        # What was typed before is not typed again.
        await time_goes_by(engine)
        await visit.go("/account/tokens")
        await page.get_by_label("Name").fill("Nightly report")
        await page.get_by_role("group", name="account").get_by_label("read").check()
        await page.get_by_role("button", name="Make the token").click()
        await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        await looked_at(visit, "confirm")
        await page.get_by_role("button", name="Confirm with a passkey").click()
        await expect(page.locator("code.secret")).to_be_visible()

        # By itself, and with a password.
        await time_goes_by(engine)
        visit.complaints.clear()
        await visit.go("/confirm?next=/account")
        await page.get_by_role("button", name="Confirm with a passkey").click()
        await page.wait_for_url("**/account")
        async with engine.begin() as connection:
            await connection.execute(delete(passkeys))
        await time_goes_by(engine)
        await visit.go("/confirm?next=/account/tokens")
        await page.get_by_label("Your password").fill(PASSWORD)
        await page.get_by_role("button", name="Confirm", exact=True).click()
        await page.wait_for_url("**/account/tokens")
        assert visit.complaints == []


async def test_who_signs_out_leaves_no_draft_behind(site: TestServer) -> None:
    base = str(site.make_url("")).rstrip("/")
    async with open_browser() as browser, open_visit(browser, base, **DESK) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/account")
        await page.evaluate("localStorage.setItem('tollbridge.flow.1.main', '{}')")
        asked: list[str] = []

        async def answer(dialog: object, yes: bool) -> None:
            asked.append(dialog.message)  # type: ignore[attr-defined]
            await (dialog.accept() if yes else dialog.dismiss())  # type: ignore[attr-defined]

        page.once("dialog", lambda dialog: answer(dialog, False))
        await page.get_by_role("button", name="Sign out", exact=True).click()
        assert "not saved yet" in asked[0]
        assert await page.evaluate("localStorage.length") == 1
        page.once("dialog", lambda dialog: answer(dialog, True))
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await page.wait_for_url("**/sign-in")
        assert await page.evaluate("localStorage.length") == 0
