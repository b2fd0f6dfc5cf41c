"""The plan in a real browser: dragged by mouse, moved by keyboard, tried, saved; in the dark and on a phone."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import Market


async def test_a_plan_is_dragged_moved_tried_and_saved(site: TestServer, sellable: Market) -> None:
    base = str(site.make_url("")).rstrip("/")
    path = f"/campaigns/{sellable.campaign_id}/plan"
    async with open_browser() as browser:
        async with open_visit(browser, base, viewport={"width": 1280, "height": 900}) as visit:
            page = visit.page
            await visit.sign_in(EMAIL, PASSWORD, path=path)
            entries = page.locator("[data-entry] a")
            await expect(entries).to_have_text(["Day desk", "Columbus desk"])
            # By mouse: the second target before the first.
            grips = page.locator("[data-entry] [data-grip]")
            await grips.nth(1).drag_to(page.locator("[data-entry]").nth(0), target_position={"x": 60, "y": 4})
            await expect(entries).to_have_text(["Columbus desk", "Day desk"])
            await expect(page.get_by_label("Priority of Columbus desk")).to_have_value("1")
            await expect(page.get_by_role("status").filter(has_text="was moved")).to_be_attached()
            # By keyboard: a stage of its own for the night, put first.
            await page.get_by_role("button", name="Add a stage").press("Enter")
            find = page.get_by_label("Add a target", exact=True).nth(1)
            await find.fill("Night")
            await find.press("Enter")
            await expect(page.get_by_label("Priority of Night desk")).to_be_visible()
            await page.get_by_role("button", name="Move stage 2 up").press("Enter")
            await expect(page.locator("[data-stage]").nth(0)).to_contain_text("Night desk")
            await expect(page.get_by_role("button", name="Move stage 1 down")).to_be_focused()
            assert await visit.axe_violations() == []
            await visit.picture("plan")
            # And back by mouse.
            await (
                page.locator("[data-stage] .bar [data-grip]")
                .nth(1)
                .drag_to(page.locator("[data-stage] h2").nth(0))
            )
            await expect(page.locator("[data-stage]").nth(1)).to_contain_text("Night desk")
            await page.get_by_role("button", name="Save the plan").click()
            await expect(page.get_by_text("It holds from the next call on.")).to_be_visible()
            # What was just saved is what is tried, and nothing typed into the plan is lost by it.
            await page.get_by_label("Priority of Day desk").fill("7")
            await page.get_by_label("The caller wants").select_option("refinance")
            await page.get_by_label("and lives in").select_option("OH")
            await page.get_by_label("Day", exact=True).fill("2026-11-24")
            await page.get_by_label("Time", exact=True).fill("19:00")
            await page.get_by_role("button", name="Who gets it?").click()
            answer = page.locator("#dry-run-answer")
            await expect(answer).to_contain_text("would go to Columbus desk of Buckeye Lending.")
            await expect(answer).to_contain_text("Day desk of Lakeside Home Loans: closed")
            await expect(page.get_by_label("Priority of Day desk")).to_have_value("7")
            assert await visit.axe_violations() == []
            await visit.picture("plan-tried")
            assert visit.complaints == []
            state = await page.context.storage_state()
        phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "storage_state": state}
        async with open_visit(browser, base, **phone) as visit:
            for address in (
                path,
                f"/campaigns/{sellable.campaign_id}",
                "/trunks/new?preset=twilio",
                "/trunks/1",
            ):
                await visit.go(address)
                assert await visit.overflow_px() == 0, await visit.wide_elements()
                assert await visit.axe_violations() == []
                await visit.picture(f"phone{address.split('?')[0].replace('/', '-')}")
