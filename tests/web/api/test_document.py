"""The API's document, and the page it is read on: made once, for everybody."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestServer
from jinja2 import Template

from tests.web.conftest import Client, open_client, sign_in
from web.api import routes
from web.api.operations import OPERATIONS

WIRE_BYTES_MAXIMUM = 150_000


async def test_the_page_names_every_operation_and_is_small_on_the_wire(
    admin: Client, site: TestServer
) -> None:
    async with admin.get("/api") as page:
        text = await page.text()
    assert page.headers["Content-Encoding"] in ("gzip", "deflate")
    for operation in OPERATIONS:
        assert f"<code>{operation.method} {operation.path}</code>" in text
    assert "<details>" in text
    assert "&lt;details" not in text
    async with open_client(site) as raw:
        raw.session._auto_decompress = False
        await sign_in(raw)
        async with raw.get("/api") as page:
            assert len(await page.read()) < WIRE_BYTES_MAXIMUM


async def test_what_takes_long_is_drawn_once(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    render = Template.render

    def counted(template: Template, *args: object, **context: object) -> str:
        drawn.append(template.name or "")
        return render(template, *args, **context)

    monkeypatch.setattr(Template, "render", counted)
    pages = []
    for _ in range(3):
        async with admin.get("/api") as page:
            pages.append(await page.text())
    assert drawn.count("operations.html") == 1
    assert drawn.count("api.html") == 3
    assert len(set(pages)) == 1


async def test_the_document_is_for_everybody_and_spelled_once(
    stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stranger.get("/api/v1/openapi.json") as answer:
        document = await answer.json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {operation.path for operation in OPERATIONS}
    monkeypatch.setattr(routes, "openapi", None)
    async with stranger.get("/api/v1/openapi.json") as answer:
        assert await answer.json() == document
