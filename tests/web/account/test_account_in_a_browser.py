"""A person at home on their account: a passkey, a second factor, a token, on a desk and on a phone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyotp
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD

DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"width": 360, "height": 740}


async def test_a_passkey_a_second_factor_and_a_token(site: TestServer) -> None:
    # A passkey belongs to a host name; a bare address is none.
    base = str(site.make_url("")).rstrip("/").replace("127.0.0.1", "localhost")
    async with open_browser() as browser, open_visit(browser, base, **DESK) as visit:
        page = visit.page
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("WebAuthn.enable")
        key = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
        }
        options = {**key, "isUserVerified": True, "automaticPresenceSimulation": True}
        await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})

        # A passkey is added, named anew, and opens the door by itself.
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/account")
        adding = page.locator("[data-passkey-add]")
        await adding.get_by_label("Name of a new passkey").fill("My laptop")
        await adding.get_by_role("button", name="Add a passkey").click()
        await page.wait_for_url("**/account?done=passkey")
        await page.get_by_label("Name of the passkey My laptop").fill("Blue key")
        await page.get_by_role("button", name="Rename the passkey My laptop").click()
        await expect(page.get_by_label("Name of the passkey Blue key")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await visit.go("/sign-in?next=/account")
        assert await visit.axe_violations() == []
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url("**/account")
        assert await visit.axe_violations() == []
        await visit.picture("account")

        # A second factor, by the key that stands beside the QR code.
        section = page.get_by_role("region", name="Second factor")
        await section.get_by_role("button", name="Set it up").click()
        await page.wait_for_url("**/account/second-factor/*")
        secret = (await page.locator("code.secret").inner_text()).replace(" ", "")
        assert await page.evaluate("document.querySelector('.qr').naturalWidth") > 100
        assert await visit.axe_violations() == []
        await visit.picture("second-factor")
        await page.get_by_label("Code").fill(pyotp.TOTP(secret).now())
        await page.get_by_role("button", name="Turn it on").click()
        codes = page.locator(".codes code")
        await expect(codes).to_have_count(10)
        recovery = await codes.first.inner_text()
        assert await visit.axe_violations() == []
        await visit.picture("recovery-codes")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("E-mail address").fill(EMAIL)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.wait_for_url("**/sign-in/code")
        assert await visit.axe_violations() == []
        await visit.picture("code")
        # The code it was turned on with has opened already: the next one, half a minute ahead, has not.
        ahead = pyotp.TOTP(secret).at(datetime.now(UTC) + timedelta(seconds=30))
        await page.get_by_label("Code").fill(ahead)
        await page.get_by_role("button", name="Go on").click()
        await page.wait_for_url(lambda url: "/sign-in" not in url)
        assert recovery

        # A token, shown once.
        await visit.go("/account/tokens")
        await expect(page.get_by_text("No tokens yet")).to_be_visible()
        assert await visit.axe_violations() == []
        await page.get_by_label("Name").fill("Nightly report")
        await page.get_by_role("button", name="Make the token").click()
        await expect(page.get_by_role("alert")).to_contain_text("choose at least one")
        await expect(page.get_by_label("Name")).to_have_value("Nightly report")
        visit.complaints.clear()
        await page.get_by_role("group", name="account").get_by_label("read").check()
        await page.get_by_role("button", name="Make the token").click()
        token = await page.locator("code.secret").inner_text()
        assert re.fullmatch(r"tbt_[\w-]{43}", token)
        assert await visit.axe_violations() == []
        await visit.picture("tokens")
        await visit.go("/account/tokens")
        await expect(page.get_by_text(token)).to_have_count(0)

        # On a phone, and in the dark.
        await page.set_viewport_size(PHONE)
        await page.emulate_media(color_scheme="dark")
        for path in ("/account", "/account/tokens"):
            await visit.go(path)
            assert await visit.overflow_px() <= 0, (path, await visit.wide_elements())
            assert await visit.axe_violations() == [], path
            await visit.picture(f"phone{path.replace('/', '-')}")
        await page.get_by_role("button", name="Revoke the token Nightly report").click()
        await expect(page.get_by_text("The token opens nothing more.")).to_be_visible()
        assert visit.complaints == []
