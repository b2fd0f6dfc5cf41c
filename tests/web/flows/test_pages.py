"""Flows as pages and for machines: begun, brought in, looked at, published, gone back on; and who may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import FormData
from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows import publishing, queries
from ivr_flows.definition import FLOW_BYTES_MAXIMUM
from ivr_flows.library import load
from rules.prompt_names import prompt_file
from store import tables
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from web.auth import UserCreated, create_user

MORTGAGE = load("mortgage")
HOSTILE = "<img src=x onerror=alert(1)>"


def with_text(text: str) -> dict[str, Any]:
    nobody = {**MORTGAGE["nodes"]["nobody"], "text": text}
    return {**MORTGAGE, "nodes": {**MORTGAGE["nodes"], "nobody": nobody}}


@pytest_asyncio.fixture
async def flow(engine: AsyncEngine) -> str:
    """A flow with two versions and a draft that says something else."""
    for text in ("First words.", "Second words."):
        await publishing.save_draft(engine, "mortgage", with_text(text), by="ada")
        done = await publishing.publish(engine, "mortgage", by="ada", note=f"says {text}")
        assert isinstance(done, publishing.Published)
    await publishing.save_draft(engine, "mortgage", with_text(HOSTILE), by="bob")
    return "mortgage"


async def newest(engine: AsyncEngine, name: str) -> queries.PublishedVersion | None:
    async with engine.connect() as connection:
        return await queries.published_version(connection, name)


async def noted(engine: AsyncEngine) -> list[tuple[str, str]]:
    columns = tables.audit_log.c
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(columns.action, columns.ref).where(columns.kind == "flows").order_by(columns.id)
        )
        return [(row.action, row.ref) for row in rows]


async def test_a_flow_is_begun_from_the_library_or_a_copy(admin: Client, engine: AsyncEngine) -> None:
    async with admin.get("/flows") as page:
        assert "No flows yet" in await page.text()
    for name, begin in (("first", "mortgage"), ("second", "flow:first"), ("third", "")):
        async with admin.post("/flows", data={"name": name, "begin": begin}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, f"/flows/{name}/edit")
    async with engine.connect() as connection:
        found = {one.name: one for one in await queries.drafts(connection)}
    assert found["second"].definition["nodes"] == MORTGAGE["nodes"]
    assert (found["third"].definition["nodes"], found["third"].changed_by) == ({}, EMAIL)
    for name, said in (("first", "There is a flow first already"), ("No!", "is no flow&#39;s name")):
        async with admin.post("/flows", data={"name": name, "begin": "mortgage"}) as answer:
            page_text = await answer.text()
            assert answer.status == 422
            assert said in page_text
            assert f'value="{name}"' in page_text
            assert '<option value="mortgage" selected>' in page_text


async def test_a_flow_goes_out_and_comes_in_again(admin: Client, flow: str, engine: AsyncEngine) -> None:
    async with admin.get("/flows/mortgage/export?version=1") as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="mortgage.json"'
        exported = await answer.read()
    assert list(json.loads(exported)["nodes"]) == list(MORTGAGE["nodes"])
    form = FormData()
    form.add_field("file", exported, filename="mortgage.json", content_type="application/json")
    form.add_field("name", "copy")
    async with admin.post("/flows/import", data=form, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/flows/copy")
    async with engine.connect() as connection:
        draft = await queries.draft_of(connection, "copy")
    assert draft is not None
    assert draft.definition["nodes"]["nobody"]["text"] == "First words."
    for path in (
        "export?version=9",
        "export?version=x",
        "differences?before=7",
        "differences?before=1&after=x",
    ):
        async with admin.get(f"/flows/mortgage/{path}") as answer:
            assert answer.status == 404, path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Choose a file"),
        ("{", "this is no JSON"),
        ('{"name": "a", "name": "b"}', "stands twice"),
        ("[]", "a flow is an object"),
        ('{"nodes": {}}', "is no flow&#39;s name"),
    ],
)
async def test_what_is_no_flow_is_not_taken_in(admin: Client, text: str, said: str) -> None:
    form = FormData({"text": text, "name": ""})
    form.add_field("file", b"", filename="", content_type="application/octet-stream")
    async with admin.post("/flows/import", data=form) as answer:
        page = await answer.text()
        assert answer.status == 422
        assert said in page


async def test_a_flow_too_big_is_refused_in_words(admin: Client) -> None:
    form = FormData()
    form.add_field("file", b" " * (FLOW_BYTES_MAXIMUM + 50_000), filename="big.json")
    async with admin.post("/flows/import", data=form) as answer:
        assert answer.status == 422
        assert "more than the 500,000 bytes" in await answer.text()


async def test_what_changed_shows_which_sub_flow_became_which_version(
    admin: Client, engine: AsyncEngine
) -> None:
    nodes = {"in": {"kind": "sub_flow", "flow": "part", "exits": {"next": "bye"}}, "bye": {"kind": "hang_up"}}
    await publishing.save_draft(engine, "whole", {"entry": "in", "nodes": nodes})
    for number, text in enumerate(("First words.", "Second words."), 1):
        await publishing.save_draft(engine, "part", with_text(text))
        for name in ("part", "whole"):
            done = await publishing.publish(engine, name)
            assert isinstance(done, publishing.Published) and done.version == number
    async with admin.get("/flows/whole/differences?before=1&after=2") as answer:
        page = await answer.text()
    assert "subflows.part" in page and "version 2</ins>" in page
    async with admin.get("/flows/whole/differences?before=2") as answer:
        assert "No difference" in await answer.text()


async def test_versions_are_published_compared_and_gone_back_to(
    admin: Client, flow: str, engine: AsyncEngine
) -> None:
    async with admin.get("/flows/mortgage") as answer:
        page = await answer.text()
        assert "says Second words." in page
        assert "nobody" in page
        assert "&lt;img src=x" in page
        assert HOSTILE not in page
    async with admin.get("/flows/mortgage/differences?before=1&after=2") as answer:
        page = await answer.text()
        assert "First words." in page
        assert "Second words." in page
    # Somebody changed the draft since the page was shown: it is not published unseen.
    async with admin.post("/flows/mortgage/publish", data={"note": "mine", "revision": "1"}) as answer:
        page = await answer.text()
        assert answer.status == 422
        assert "the draft was changed by bob meanwhile" in page
        assert 'value="mine"' in page
    async with admin.post(
        "/flows/mortgage/publish", data={"note": "third", "revision": "3"}, allow_redirects=False
    ) as answer:
        assert answer.status == 303
    async with admin.post(
        "/flows/mortgage/roll-back", data={"version": "1"}, allow_redirects=False
    ) as answer:
        assert answer.status == 303
    found = await newest(engine, "mortgage")
    assert found is not None
    assert (found.version, found.published_by, found.note) == (4, EMAIL, "back to version 1")
    assert found.definition["nodes"]["nobody"]["text"] == "First words."
    async with admin.post("/flows/mortgage/discard", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/flows/mortgage"
    assert await noted(engine) == [
        ("publish", "mortgage"),
        ("roll_back", "mortgage"),
        ("discard_draft", "mortgage"),
    ]


async def test_a_broken_draft_is_not_published(admin: Client, engine: AsyncEngine) -> None:
    await publishing.save_draft(engine, "broken", {"entry": "a", "nodes": {"a": {"kind": "answer"}}})
    async with admin.get("/flows/broken") as answer:
        page = await answer.text()
        assert "<button disabled>Publish</button>" in page
        assert "must name exactly: next" in page
    async with admin.post("/flows/broken/publish", data={"revision": "1"}) as answer:
        assert answer.status == 422
    assert await newest(engine, "broken") is None
    assert await noted(engine) == []


async def test_machines_do_all_the_pages_do(admin: Client, engine: AsyncEngine) -> None:
    async with admin.post("/api/v1/flows", json={"name": "one", "definition": with_text("Hello.")}) as answer:
        assert answer.status == 201
    async with admin.post("/api/v1/flows", json={"name": "one", "definition": {}}) as answer:
        assert answer.status == 409
    async with admin.get("/api/v1/flows/one/draft") as answer:
        draft, etag = await answer.json(), answer.headers["ETag"]
        assert (draft["revision"], draft["changed_by"], draft["findings"]) == (1, EMAIL, [])
    changed = {"definition": with_text("Hello again.")}
    async with admin.put("/api/v1/flows/one/draft", json=changed, headers={"If-Match": etag}) as answer:
        assert (answer.status, (await answer.json())["revision"]) == (200, 2)
    for headers, status in (({"If-Match": etag}, 412), ({}, 428), ({"If-Match": '"no"'}, 412)):
        async with admin.put("/api/v1/flows/one/draft", json=changed, headers=headers) as answer:
            assert answer.status == status
    async with admin.post("/api/v1/flows/one/publish", json={"note": "x", "revision": 1}) as answer:
        assert answer.status == 409
    for text, version in (("Hello again.", 1), ("Bye.", 2)):
        async with admin.get("/api/v1/flows/one/draft") as answer:
            seen = {"If-Match": answer.headers["ETag"]}
        async with admin.put(
            "/api/v1/flows/one/draft", json={"definition": with_text(text)}, headers=seen
        ) as answer:
            assert answer.status == 200
        async with admin.post("/api/v1/flows/one/publish", json={"note": text}) as answer:
            assert (await answer.json())["version"] == version
    async with admin.get("/api/v1/flows/one/differences?before=1&after=2") as answer:
        assert [one["place"] for one in await answer.json()] == ["nodes.nobody.text"]
    async with admin.post("/api/v1/flows/one/roll-back", json={"version": 1}) as answer:
        assert (await answer.json())["version"] == 3
    async with admin.get("/api/v1/flows/one/versions/3") as answer:
        assert (await answer.json())["definition"]["nodes"]["nobody"]["text"] == "Hello again."
    async with admin.get("/api/v1/flows") as answer:
        assert [(one["name"], one["version"]) for one in (await answer.json())["items"]] == [("one", 3)]
    async with admin.delete("/api/v1/flows/one/draft") as answer:
        assert answer.status == 204
    for path in ("nothing", "nothing/draft", "one/versions/9", f"one/versions/{2**40}", "one/differences"):
        async with admin.get(f"/api/v1/flows/{path}") as answer:
            assert answer.status == 404, path


async def test_a_flow_is_tried_without_a_call(admin: Client) -> None:
    call: dict[str, Any] = {"name": "mortgage", "definition": MORTGAGE, "caller": "+16145550123"}
    async with admin.post("/api/v1/flows/try", json={**call, "lines": ["refinance", "Ohio"]}) as answer:
        trial = await answer.json()
    assert [turn["node"] for turn in trial["turns"]] == ["loan_type", "state", "route"]
    assert trial["turns"][-1]["tags"] == {"loan_type": "refinance", "state": "OH"}
    assert trial["turns"][0]["way"] == [
        {"node": "notice", "exit": ""},
        {"node": "notice", "exit": "next"},
        {"node": "loan_type", "exit": ""},
    ]
    # Nobody takes it: the flow ends. What is typed after the end does nothing.
    async with admin.post("/api/v1/flows/try", json={**call, "lines": ["1", "Ohio", "no", "x"]}) as answer:
        last = (await answer.json())["turns"][-1]
        assert (last["ended"], last["node"], last["line"]) == (True, "bye", "no")
    async with admin.post("/api/v1/flows/try", json={**call, "caller": "+44 20"}) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "caller")
    async with admin.post("/api/v1/flows/try", json={**call, "definition": {"nodes": []}}) as answer:
        assert (await answer.json())["findings"][0]["severity"] == "error"
    for wrong in ({"lines": ["1"] * 500}, {"at": "0001-01-01T00:00:00Z"}, {"tags": {"a": 1}}):
        async with admin.post("/api/v1/flows/try", json={**call, **wrong}) as answer:
            assert answer.status == 422


async def test_prompts_are_found_where_they_are_rendered(admin: Client, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / prompt_file("You said")).write_bytes(b"RIFF")
    async with admin.post("/api/v1/flows/sounds", json={"text": "You said {state}. Right?"}) as answer:
        pieces = await answer.json()
    assert [(one["text"], bool(one["address"])) for one in pieces] == [
        ("You said", True),
        (". Right?", False),
    ]


@pytest.mark.parametrize(
    ("role", "may_read", "may_edit"),
    [("manager", True, True), ("analyst", True, False), ("buyer", False, False), ("publisher", False, False)],
)
async def test_who_may(
    site: TestServer, flow: str, engine: AsyncEngine, role: str, may_read: bool, may_edit: bool
) -> None:
    assert isinstance(await create_user(engine, "eve@example.com", PASSWORD, role), UserCreated)
    async with open_client(site) as client:
        assert await sign_in(client, "eve@example.com") == 303
        for path in ("", "/mortgage", "/mortgage/export", "/mortgage/differences?before=1"):
            async with client.get(f"/flows{path}") as answer:
                assert answer.status == (200 if may_read else 403), path
        async with client.get("/flows/mortgage/edit") as answer:
            assert answer.status == (200 if may_edit else 403)
        async with client.get("/api/v1/flows") as answer:
            assert answer.status == (200 if may_read else 403)
        async with client.post("/api/v1/flows/mortgage/publish", json={}) as answer:
            assert answer.status == (200 if may_edit else 403)


async def test_a_stranger_is_asked_to_sign_in(stranger: Client, flow: str) -> None:
    for path in ("/flows", "/flows/mortgage", "/flows/mortgage/edit", "/flows/mortgage/export"):
        async with stranger.get(path, allow_redirects=False) as answer:
            assert answer.status == 303
    async with stranger.get("/api/v1/flows/mortgage/draft") as answer:
        assert answer.status == 401


LOOKS: tuple[tuple[Literal["dark", "light"], int], ...] = (("dark", 1280), ("light", 360))


async def test_the_pages_look_right_everywhere(site: TestServer, flow: str) -> None:
    async with open_browser() as browser:
        base = str(site.make_url("")).rstrip("/")
        async with open_visit(
            browser, base, color_scheme="dark", viewport={"width": 1280, "height": 800}
        ) as visit:
            await visit.sign_in(EMAIL, PASSWORD, path="/flows")
            for path in (
                "/flows",
                "/flows/mortgage",
                "/flows/mortgage/differences?before=1&after=2",
                "/flows/mortgage/edit",
            ):
                await visit.go(path)
                if path.endswith("edit"):
                    await expect(visit.page.locator(".react-flow__node").first).to_be_visible()
                for scheme, width in LOOKS:
                    await visit.page.emulate_media(color_scheme=scheme)
                    await visit.page.set_viewport_size({"width": width, "height": 800})
                    assert await visit.axe_violations() == [], (path, scheme, width)
                    await visit.picture(
                        f"{path.strip('/').replace('/', '-').partition('?')[0]}-{scheme}-{width}"
                    )
                    assert await visit.overflow_px() == 0, (path, await visit.wide_elements())
                await visit.page.set_viewport_size({"width": 1280, "height": 800})
            assert visit.complaints == []
