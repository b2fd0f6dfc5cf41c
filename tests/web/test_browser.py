"""The pages in a real browser: by mouse, by keyboard, on a phone, in the dark, live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.call_id import call_id_of
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import Market, add_call, add_sold_call
from web.pages import static_url

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 800}}


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture
async def base(site: TestServer) -> str:
    assert static_url("vendor/htmx.min.js"), "run `npm ci && npm run build` first"
    return str(site.make_url("")).rstrip("/")


@pytest_asyncio.fixture
async def sold(engine: AsyncEngine, market: Market) -> UUID:
    """A sold call among others, some of them with hostile facts."""
    await add_call(engine, "a-0.2", caller="+12125550199", dialled="<img src=x onerror=alert(1)>" * 50)
    await add_call(engine, "a-0.3", state="settled", outcome="no_buyer", campaign_id=market.campaign_id)
    await add_call(engine, "a-0.4", state="settled", outcome="abandoned", caller=None)
    await add_call(engine, "a-0.5", state="settled", outcome="unknown_number", dialled="W" * 300)
    await add_call(engine, "a-0.6", state="settled", outcome="not_answered")
    return await add_sold_call(engine, market)


async def test_an_admin_signs_in_finds_a_call_and_signs_out(browser: Browser, base: str, sold: UUID) -> None:
    async with open_visit(browser, base, timezone_id="America/New_York", **DESK) as visit:
        page = visit.page
        # The page that was wanted is the page one gets.
        await visit.sign_in(EMAIL, PASSWORD, path=f"/calls/{sold}")
        await expect(page).to_have_url(f"{base}/calls/{sold}")
        await page.get_by_role("link", name="All calls").click()
        await expect(page.get_by_role("rowheader")).to_have_count(6)
        # The browser's own time zone was taken at the door.
        await expect(page.get_by_role("table")).to_contain_text("09:03:27")
        await page.get_by_label("Outcome").select_option("sold")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.get_by_role("rowheader")).to_have_count(1)
        await page.get_by_role("row").nth(1).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Call from +1 614-555-0123")
        await page.get_by_label("Times are shown in").select_option("UTC")
        await page.get_by_role("button", name="Change").click()
        await expect(page.get_by_text("Times in UTC")).to_be_visible()
        await page.get_by_text("What was known then").first.click()
        await expect(page.get_by_text("Snapshot digest").first).to_be_visible()
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page).to_have_url(f"{base}/sign-in")
        await visit.go("/calls")
        await expect(page).to_have_url(f"{base}/sign-in?next=/calls")
        assert visit.complaints == []


async def test_a_wrong_password_is_said_aloud(browser: Browser, base: str) -> None:
    async with open_visit(browser, base) as visit:
        await visit.go("/sign-in")
        await visit.page.get_by_label("E-mail address").fill(EMAIL)
        await visit.page.get_by_label("Password").fill("wrong password")
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.get_by_role("alert")).to_have_text(
            "E-mail address and password do not match."
        )
        await expect(visit.page.get_by_label("E-mail address")).to_have_value(EMAIL)
        await expect(visit.page.get_by_label("Password")).to_be_focused()
        await visit.picture("sign-in-refused")


async def test_the_keyboard_alone_is_enough(browser: Browser, base: str, sold: UUID) -> None:
    async with open_visit(browser, base, **DESK) as visit:
        page = visit.page
        await visit.go("/sign-in?next=/calls")
        await page.keyboard.type(EMAIL)
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{base}/calls")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate(
                "/^.calls.[0-9a-f]{8}-/.test(document.activeElement.getAttribute('href'))"
            ):
                break
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/calls/*-*")


async def test_the_list_moves_by_itself_and_can_be_stopped(
    browser: Browser, base: str, engine: AsyncEngine, market: Market
) -> None:
    async with open_visit(browser, base, **DESK) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/calls")
        await expect(page.get_by_text("No calls yet")).to_be_visible()
        call_id = await add_call(engine, "a-9.1")
        row = page.locator(f"#call-{call_id}")
        await expect(row).to_contain_text("In progress")
        # A reader who has the keyboard on a line keeps it while the line changes.
        await row.get_by_role("link").focus()
        async with engine.begin() as connection:
            await connection.execute(update(tables.calls).values(state="settled", outcome="abandoned"))
        await expect(row).to_contain_text("Caller hung up")
        await expect(row.get_by_role("link")).to_be_focused()
        live = page.get_by_role("button", name="Live")
        await live.click()
        await expect(live).to_have_attribute("aria-pressed", "false")
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        await page.wait_for_timeout(3500)
        assert requests == []
        assert visit.complaints == []


async def test_a_session_that_dies_while_one_looks_leads_to_the_door(
    browser: Browser, base: str, engine: AsyncEngine, market: Market
) -> None:
    async with open_visit(browser, base, **DESK) as visit:
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/calls")
        async with engine.begin() as connection:
            await connection.execute(tables.web_sessions.delete())
        await visit.page.wait_for_url("**/sign-in?next=/calls")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, base: str, sold: UUID, scheme: str) -> None:
    async with open_visit(browser, base, color_scheme=scheme, **DESK) as visit:
        await visit.go("/sign-in")
        assert await visit.axe_violations() == []
        await visit.picture(f"sign-in-{scheme}")
        await visit.sign_in(EMAIL, PASSWORD)
        for name, path in (
            ("calls", "/calls"),
            ("empty", "/calls?caller=999"),
            ("call", f"/calls/{sold}"),
            ("arriving", f"/calls/{call_id_of('a-0.2')}"),
            ("missing", "/nothing"),
        ):
            await visit.go(path)
            assert await visit.axe_violations() == [], name
            await visit.picture(f"{name}-{scheme}")


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("phone", PHONE),
        ("narrow-phone", PHONE | {"viewport": {"width": 320, "height": 640}}),
        # A desk screen at 200 % is half as wide; 400 % is WCAG's reflow (1280 -> 320).
        ("zoomed", {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}),
        ("tablet", {"viewport": {"width": 800, "height": 1100}}),
    ],
)
async def test_nothing_sticks_out(
    browser: Browser, base: str, sold: UUID, name: str, context: dict[str, object]
) -> None:
    async with open_visit(browser, base, **context) as visit:
        await visit.sign_in(EMAIL, PASSWORD)
        for page, path in (
            ("calls", "/calls"),
            ("call", f"/calls/{sold}"),
            ("arriving", f"/calls/{call_id_of('a-0.2')}"),
        ):
            await visit.go(path)
            assert await visit.overflow_px() <= 0, (page, await visit.wide_elements())
            await visit.picture(f"{page}-{name}")
        assert await visit.axe_violations() == []


async def test_large_text_reads_well(browser: Browser, base: str, sold: UUID) -> None:
    """A reader's own text size of 200 % (not zoom): nothing is cut off."""
    async with open_visit(browser, base, **DESK) as visit:
        await visit.sign_in(EMAIL, PASSWORD)
        for path in ("/calls", f"/calls/{sold}"):
            await visit.go(path)
            await visit.page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
            assert await visit.overflow_px() <= 0, (path, await visit.wide_elements())
            await visit.picture(f"large{path.count('/')}")


async def test_hostile_facts_run_no_script(browser: Browser, base: str, sold: UUID) -> None:
    async with open_visit(browser, base, **DESK) as visit:
        dialogs: list[str] = []
        visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await visit.sign_in(EMAIL, PASSWORD)
        await visit.go(f"/calls/{call_id_of('a-0.2')}")
        await expect(visit.page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
        assert dialogs == [] and visit.complaints == []


async def test_without_scripts_everything_still_works(browser: Browser, base: str, sold: UUID) -> None:
    async with open_visit(browser, base, java_script_enabled=False, **DESK) as visit:
        await visit.sign_in(EMAIL, PASSWORD, path="/sign-in?next=/calls")
        await expect(visit.page.get_by_text("times in UTC")).to_be_visible()
        await expect(visit.page.get_by_role("button", name="Live")).to_be_hidden()
        await visit.page.get_by_role("row").nth(1).click()
        await expect(visit.page.get_by_role("heading", name="Ledger")).to_be_visible()
