"""The pings process by itself: behind the reverse proxy of the docs, and asked for what it does not have."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge import run
from tollbridge.node_config import layout_of
from tollbridge.settings import Settings
from web.rtb.app import PingsConfig, make_pings_app

DOCS = Path(__file__).parents[3] / "docs" / "inbound-pings.md"
PUBLIC = "203.0.113.7"
UNKNOWN = "/rtb/tbk_" + "0" * 43


@pytest_asyncio.fixture
async def asking() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def served(engine: AsyncEngine, folder: Path, *, secure_cookies: bool) -> TestServer:
    app = make_pings_app(engine, snapshot_file=folder / "market.json", secure_cookies=secure_cookies)
    server = TestServer(app)
    await server.start_server()
    return server


def headers_of_the_docs() -> dict[str, str]:
    """Return what nginx adds to a ping from outside, set up word for word as the page about pings says."""
    (line,) = [line for line in DOCS.read_text().splitlines() if "location /rtb/" in line]
    values = {"$proxy_add_x_forwarded_for": PUBLIC, "$scheme": "https"}
    return {name: values[value] for name, value in re.findall(r"proxy_set_header (\S+) (\S+);", line)}


async def test_a_ping_by_the_documented_proxy_is_answered(
    engine: AsyncEngine, tmp_path: Path, asking: ClientSession
) -> None:
    server = await served(engine, tmp_path, secure_cookies=False)
    async with server, asking.get(server.make_url(UNKNOWN), headers=headers_of_the_docs()) as answer:
        assert answer.status == 404 and await answer.json() == {"error": "unknown key"}


@pytest.mark.parametrize(("secure_cookies", "status"), [(True, 404), (False, 426)])
async def test_a_proxy_that_names_no_scheme_is_of_https_where_the_pages_are(
    engine: AsyncEngine, tmp_path: Path, asking: ClientSession, *, secure_cookies: bool, status: int
) -> None:
    server = await served(engine, tmp_path, secure_cookies=secure_cookies)
    said = {"X-Forwarded-For": PUBLIC}
    async with server:
        async with asking.get(server.make_url(UNKNOWN), headers=said) as answer:
            assert answer.status == status
        said["X-Forwarded-Proto"] = "http"
        async with asking.get(server.make_url(UNKNOWN), headers=said) as answer:
            assert answer.status == 426


@pytest.mark.parametrize(
    ("web_url", "secure"), [("https://switch.example", True), ("http://127.0.0.1:8080", False)]
)
def test_the_pings_process_knows_whether_the_pages_are_of_https(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, web_url: str, secure: bool
) -> None:
    configs: list[PingsConfig] = []

    async def serve(config: PingsConfig) -> None:
        configs.append(config)

    def finish(work: Coroutine[Any, Any, None], **_: object) -> None:
        with pytest.raises(StopIteration):
            work.send(None)

    monkeypatch.setattr("web.rtb.app.serve", serve)
    monkeypatch.setattr(run, "run_until_signal", finish)
    settings = Settings(web_url=web_url, data_dir=tmp_path, database_url="postgresql+asyncpg://nobody@x/none")
    run.run_pings(settings, layout_of(settings))
    assert [config.secure_cookies for config in configs] == [secure]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/robots.txt", 404), ("DELETE", "/health", 405)]
)
async def test_what_the_pings_process_does_not_have_is_refused_in_json(
    engine: AsyncEngine, tmp_path: Path, asking: ClientSession, method: str, path: str, status: int
) -> None:
    server = await served(engine, tmp_path, secure_cookies=False)
    async with server, asking.request(method, server.make_url(path)) as answer:
        assert answer.status == status and (await answer.json())["error"]
