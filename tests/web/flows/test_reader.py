"""An analyst looks at a flow: sees all of it, by mouse and by keyboard, and changes nothing."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from playwright.async_api import Request, expect
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows import publishing, queries
from ivr_flows.library import load
from tests.web.browser import open_browser, open_visit
from web.auth import UserCreated, create_user

EMAIL, PASSWORD = "ann@example.com", "correct horse battery"
MORTGAGE = load("mortgage")


async def test_an_analyst_sees_the_whole_flow_and_changes_nothing(
    site: TestServer, engine: AsyncEngine
) -> None:
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "analyst"), UserCreated)
    nodes = {name: dict(settings) for name, settings in MORTGAGE["nodes"].items()}
    nodes["route"] = {**nodes["route"], "exits": {**nodes["route"]["exits"], "no_buyer": "gone"}}
    await publishing.save_draft(engine, "seen", {**MORTGAGE, "nodes": nodes}, by="ada")
    async with (
        open_browser() as browser,
        open_visit(
            browser, str(site.make_url("")).rstrip("/"), viewport={"width": 1500, "height": 950}
        ) as visit,
    ):
        page, asked = visit.page, []
        await visit.sign_in(EMAIL, PASSWORD, path="/flows/seen")

        def ask(request: Request) -> None:
            if request.method != "GET":
                asked.append(f"{request.method} {request.url}")

        page.on("request", ask)
        await page.get_by_role("link", name="Look at it").click()
        shown = page.locator(".react-flow__node")
        await expect(shown).to_have_count(len(nodes))

        # What inspection found stands at its node, and in the list of all that was found.
        await expect(page.locator('[data-node="route"] .fe-error')).to_be_visible()
        await page.get_by_role("tab", name="Found").click()
        await expect(page.get_by_role("tabpanel", name="Found")).to_contain_text("gone")

        # By mouse: chosen and read; neither dragged, drawn nor removed.
        loan = page.locator('.react-flow__node[data-id="loan_type"]')
        await loan.click()
        panel = page.get_by_role("tabpanel", name="Node")
        await expect(panel).to_contain_text(nodes["loan_type"]["prompt"][:30])
        # Where it stands in the flow; the picture as a whole may be moved about.
        before = await loan.get_attribute("style")
        await loan.hover()
        await page.mouse.down()
        await page.mouse.move(700, 700, steps=8)
        await page.mouse.up()
        assert await loan.get_attribute("style") == before
        await loan.press("Delete")
        await loan.press("ArrowRight")
        await expect(shown).to_have_count(len(nodes))
        assert await loan.get_attribute("style") == before
        for changing in ("Undo", "Publish …", "Delete node", "Add node", "Tidy up"):
            await expect(page.get_by_role("button", name=changing)).to_have_count(0)
        assert await page.locator(".fe :is(input, textarea, select)").count() == 0
        assert await visit.axe_violations() == []
        await visit.picture("flow-read")

        # By keyboard: a node is gone to, chosen, and its exits are followed.
        notice = page.locator('.react-flow__node[data-id="notice"]')
        await notice.focus()
        await notice.press("Enter")
        await expect(panel.get_by_role("heading", level=2)).to_contain_text("notice")
        way = panel.get_by_role("button").first
        to = await way.inner_text()
        await way.press("Enter")
        await expect(panel.get_by_role("heading", level=2)).to_contain_text(to)

        assert asked == []
        assert visit.complaints == []
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 360, "height": 800})
        await page.reload()
        await expect(shown.first).to_be_visible()
        assert await visit.overflow_px() == 0, await visit.wide_elements()
        assert await visit.axe_violations() == []
        await visit.picture("flow-read-small")
    async with engine.connect() as connection:
        draft = await queries.draft_of(connection, "seen")
    assert draft is not None and draft.revision == 1
