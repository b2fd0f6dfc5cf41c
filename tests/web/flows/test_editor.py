"""An admin draws a flow: from nothing by mouse, from nothing by keyboard, and through what goes wrong on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Locator, Page, Position, expect
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows import publishing, queries
from ivr_flows.definition import parse_flow
from ivr_flows.library import load
from tests.web.browser import Visit, open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD
from web.pages import static_url

DESK = {"viewport": {"width": 1500, "height": 950}}
MORTGAGE = load("mortgage")


@pytest_asyncio.fixture
async def visit(site: TestServer) -> AsyncIterator[Visit]:
    """An admin before the list of flows."""
    assert static_url("build/flow_editor.js"), "run `npm ci && npm run build` first"
    async with (
        open_browser() as browser,
        open_visit(browser, str(site.make_url("")).rstrip("/"), **DESK) as visit,
    ):
        await visit.sign_in(EMAIL, PASSWORD, path="/flows")
        yield visit


async def begin_flow(page: Page, name: str) -> None:
    section = page.get_by_role("region", name="New flow")
    await section.get_by_label("Name").fill(name)
    await section.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("toolbar", name="The whole flow")).to_be_visible()


def node(page: Page, name: str) -> Locator:
    return page.locator(f'.react-flow__node[data-id="{name}"]')


async def rename(page: Page, name: str) -> None:
    field = page.get_by_label("Name of the node")
    # The form of the node before may still stand there: no hand is as quick as this one.
    chosen = page.locator(".react-flow__node.selected")
    await expect(chosen).to_have_count(1)
    await expect(field).to_have_value(str(await chosen.get_attribute("data-id")))
    await field.fill(name)
    await field.press("Enter")
    await expect(node(page, name)).to_be_visible()


async def fill_settings(page: Page, settings: dict[str, Any]) -> None:
    """Fill in the form of the node that is chosen, as far as the library's flow says something else than the form."""
    panel = page.get_by_role("tabpanel", name="Node")
    labels = {"text": "Text", "prompt": "Question", "retry": "Asked again", "tag": "Tag"}
    if settings["kind"] == "consent_notice":
        labels["text"] = "Notice"
    for key, label in labels.items():
        if key in settings:
            await panel.get_by_label(label, exact=True).fill(settings[key])
    for key, label in {"grammar": "Kind of answer", "fallback": "Without an answer optional"}.items():
        if key in settings:
            await panel.get_by_label(label, exact=True).select_option(settings[key])


async def draw(page: Page, name: str, exit: str, to: str) -> None:
    """Draw from an exit's dot to a node."""
    edges = page.locator(".react-flow__edge")
    drawn = await edges.count()
    # hover() waits until the picture stands still: a place asked for before may not be where the dot is by then.
    await node(page, name).locator(f'.react-flow__handle[data-handleid="{exit}"]').hover()
    await page.mouse.down()
    await node(page, to).locator(".react-flow__handle.target").hover()
    await page.mouse.up()
    await expect(edges).to_have_count(drawn + 1)


async def publish(page: Page, note: str) -> None:
    await page.get_by_role("button", name="Publish …").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("What the version is for").fill(note)
    await dialog.get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("Version 1 is published")).to_be_visible()


async def published(engine: AsyncEngine, name: str) -> queries.PublishedVersion:
    async with engine.connect() as connection:
        found = await queries.published_version(connection, name)
    assert found is not None
    return found


def same_meaning(one: Any, other: Any) -> bool:
    """Say whether callers hear the same: names, defaults and where nodes stand do not count."""
    return parse_flow({**one, "name": ""}) == parse_flow({**other, "name": ""})


async def test_the_default_flow_is_built_by_mouse(visit: Visit, engine: AsyncEngine) -> None:
    page = visit.page
    await begin_flow(page, "by_mouse")
    canvas = page.get_by_role("group", name="The flow as a picture")
    titles = {
        "consent_notice": "Consent notice",
        "ask": "Ask",
        "route": "Route",
        "play": "Play",
        "hang_up": "Hang up",
    }
    for number, (name, settings) in enumerate(MORTGAGE["nodes"].items()):
        kind = page.get_by_role("button", name=titles[settings["kind"]], exact=True)
        place: Position = {"x": 60 + 290 * (number % 3), "y": 60 + 330 * (number // 3)}
        await kind.drag_to(canvas, target_position=place)
        await expect(page.locator(".react-flow__node")).to_have_count(number + 1)
        await rename(page, name)
        await fill_settings(page, settings)
    for name, settings in MORTGAGE["nodes"].items():
        for exit, to in settings.get("exits", {}).items():
            await draw(page, name, exit, to)
    await expect(page.locator(".react-flow__edge")).to_have_count(7)
    await page.get_by_role("button", name="Tidy up").click()
    await expect(page.get_by_role("tab", name="To mend", exact=True)).to_be_visible()
    await visit.picture("flow-by-mouse")
    await publish(page, "drawn by mouse")
    version = await published(engine, "by_mouse")
    assert same_meaning(version.definition, MORTGAGE)
    assert (version.published_by, version.note) == (EMAIL, "drawn by mouse")
    assert visit.complaints == []


async def test_the_default_flow_is_built_by_keyboard(visit: Visit, engine: AsyncEngine) -> None:
    page, keys = visit.page, visit.page.keyboard
    await begin_flow(page, "by_keys")
    await page.get_by_role("tab", name="Kinds").focus()
    await keys.press("ArrowRight")
    add = page.get_by_role("form", name="Add a node")
    for name, settings in MORTGAGE["nodes"].items():
        await add.get_by_label("Kind").select_option(settings["kind"])
        await add.get_by_label("Its name").focus()
        await keys.type(name)
        await keys.press("Enter")
        await expect(page.get_by_label("Name of the node")).to_have_value(name)
        await fill_settings(page, settings)
    nodes = page.get_by_role("list", name="Nodes, in the order callers meet them")
    for name, settings in MORTGAGE["nodes"].items():
        await nodes.locator(".fe-line", has_text=name).first.focus()
        await keys.press("Enter")
        await expect(page.get_by_label("Name of the node")).to_have_value(name)
        for exit, to in settings.get("exits", {}).items():
            await page.get_by_label(exit, exact=True).select_option(to)
    # Along the exits on the picture, and back; a node goes and comes again.
    await node(page, "notice").focus()
    await keys.press("Enter")
    await keys.press("Control+ArrowRight")
    await expect(node(page, "loan_type")).to_be_focused()
    await keys.press("Delete")
    await expect(node(page, "loan_type")).to_have_count(0)
    await keys.press("Control+z")
    await expect(node(page, "loan_type")).to_have_count(1)
    # Copied, put beside it, and taken back.
    await node(page, "state").focus()
    await keys.press("Enter")
    await keys.press("Control+c")
    await keys.press("Control+v")
    await expect(node(page, "state_2")).to_have_count(1)
    await keys.press("Control+z")
    await expect(node(page, "state_2")).to_have_count(0)
    await expect(page.get_by_role("tab", name="To mend", exact=True)).to_be_visible()
    await visit.picture("flow-by-keyboard")
    await publish(page, "by keyboard")
    assert same_meaning((await published(engine, "by_keys")).definition, MORTGAGE)
    assert visit.complaints == []


async def open_editor(page: Page, base: str, name: str) -> None:
    await page.goto(f"{base}/flows/{name}/edit")
    await expect(page.locator(".react-flow__node").first).to_be_visible()


async def change_text(page: Page, name: str, label: str, text: str) -> None:
    # By keyboard: under a mouse the picture may still be moving into sight.
    await node(page, name).focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("tabpanel", name="Node").get_by_label(label, exact=True).fill(text)


def saved(page: Page) -> Locator:
    return page.get_by_text("Saved", exact=True)


async def draft_text(engine: AsyncEngine, name: str, at: str) -> str:
    async with engine.connect() as connection:
        draft = await queries.draft_of(connection, name)
    assert draft is not None
    text: str = draft.definition["nodes"][at]["text"]
    return text


async def test_two_admins_and_a_dead_session_lose_nothing(visit: Visit, engine: AsyncEngine) -> None:
    page = visit.page
    await publishing.save_draft(engine, "shared", MORTGAGE, by="ada")
    await open_editor(page, visit.base, "shared")
    # Bob saves while Ada is at work: both are shown, and Ada keeps hers under another name.
    theirs = {**MORTGAGE, "nodes": {**MORTGAGE["nodes"], "bye": {"kind": "return"}}}
    await publishing.save_draft(engine, "shared", theirs, by="bob@example.com")
    await change_text(page, "nobody", "Text", "Hers.")
    dialog = page.get_by_role("dialog", name="Somebody else changed this flow meanwhile")
    await expect(dialog).to_contain_text("bob@example.com saved it")
    await expect(dialog).to_contain_text("nobody.text")
    await expect(dialog).to_contain_text("bye.kind")
    assert await visit.axe_violations() == []
    await visit.picture("flow-conflict")
    await dialog.get_by_label("Keep mine as another flow called").fill("hers")
    await dialog.get_by_role("button", name="Keep mine there").click()
    await page.wait_for_url("**/flows/hers/edit")
    await expect(node(page, "nobody")).to_be_visible()
    assert await draft_text(engine, "hers", "nobody") == "Hers."
    # Her session ends while she types: nothing is lost, not even over a reload, and it is saved once she is back.
    await page.context.clear_cookies()
    await change_text(page, "nobody", "Text", "Typed without a session.")
    await expect(page.get_by_text("you are signed out")).to_be_visible()
    assert await draft_text(engine, "hers", "nobody") == "Hers."
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Sign in in another tab").click()
    door = await opened.value
    await door.get_by_label("E-mail address").fill(EMAIL)
    await door.get_by_label("Password").fill(PASSWORD)
    await door.get_by_role("button", name="Sign in", exact=True).click()
    await door.wait_for_url("**/flows")
    await door.close()
    # By itself, without a click.
    await expect(saved(page)).to_be_visible()
    assert await draft_text(engine, "hers", "nobody") == "Typed without a session."
    unexpected = [
        one for one in visit.complaints if "status of 412" not in one and "status of 401" not in one
    ]
    assert unexpected == []


async def test_what_was_typed_is_back_after_the_tab_was_closed(visit: Visit, engine: AsyncEngine) -> None:
    page = visit.page
    await publishing.save_draft(engine, "kept", MORTGAGE, by="ada")
    await open_editor(page, visit.base, "kept")
    await page.route(
        "**/api/v1/flows/kept/draft",
        lambda route: route.abort() if route.request.method == "PUT" else route.continue_(),
    )
    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    await change_text(page, "nobody", "Text", "Never saved.")
    await expect(page.get_by_text("It is kept in this browser")).to_be_visible()
    await page.goto(f"{visit.base}/flows")
    assert asked == ["beforeunload"]
    await page.unroute_all()
    await open_editor(page, visit.base, "kept")
    await expect(page.get_by_text("What you had not saved is back.")).to_be_visible()
    await expect(saved(page)).to_be_visible()
    assert await draft_text(engine, "kept", "nobody") == "Never saved."


async def test_a_draft_is_tried_in_the_browser(visit: Visit, engine: AsyncEngine) -> None:
    page = visit.page
    await publishing.save_draft(engine, "tried", MORTGAGE, by="ada")
    await open_editor(page, visit.base, "tried")
    await node(page, "notice").click()
    await page.get_by_role("button", name="Listen").click()
    await expect(page.get_by_text("Not rendered yet")).to_be_visible()
    await page.get_by_role("tab", name="Try it").click()
    await page.get_by_role("button", name="Begin the call").click()
    call = page.get_by_role("list", name="The call")
    await expect(call).to_contain_text("Notice heard: Thank you for calling.")
    await expect(node(page, "loan_type").locator(".fe-here")).to_be_visible()
    answer = page.get_by_label("The caller says or presses")
    for line in ("refinance", "Ohio"):
        await answer.fill(line)
        await answer.press("Enter")
    await expect(node(page, "route").locator(".fe-here")).to_be_visible()
    await expect(page.locator(".fe-lit")).to_have_count(3)
    await expect(page.get_by_role("tabpanel", name="Try it")).to_contain_text("OH")
    assert await visit.axe_violations() == []
    await visit.picture("flow-tried")
    await page.get_by_role("button", name="Nobody").click()
    await expect(page.get_by_text("The call has ended.")).to_be_visible()
    # What is edited meanwhile is tried at once: the answers stay.
    await page.get_by_role("button", name="Take back").click()
    await expect(node(page, "route").locator(".fe-here")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".fe-here")).to_have_count(0)
    await page.get_by_role("tab", name="Call").click()
    await expect(page.get_by_role("button", name="Call", exact=True)).to_be_visible()
    await visit.picture("flow-call")
    assert visit.complaints == []
