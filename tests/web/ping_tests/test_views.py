"""An endpoint is tried out: the request, the answer and the bid are shown, the secret is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.router.auctions import LOOPBACK
from tests.router.bidders import SECRET, Bidders, bidders
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.market import Market
from web.app import make_app
from web.auth import UserCreated, create_user
from web.keys import PING_RULES


@pytest_asyncio.fixture
async def at_home(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Client]:
    """An admin of a house that may ping its own loopback."""
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    app = make_app(
        engine, secure_cookies=False, snapshot_file=tmp_path / "market.json", prompts_dir=tmp_path / "prompts"
    )
    app[PING_RULES] = LOOPBACK
    server = TestServer(app)
    async with open_client(server) as client:
        assert await sign_in(client) == 303
        yield client


async def _set(engine: AsyncEngine, market: Market, url: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(tables.ping_endpoints).values(url=url))


async def test_a_ping_is_tried(at_home: Client, market: Market, engine: AsyncEngine) -> None:
    path = f"/ping-endpoints/{market.chosen_id}"
    async with at_home.get(f"{path}/test") as answer:
        assert answer.status == 404
    async with bidders() as house:
        assert isinstance(house, Bidders)
        async with engine.begin() as connection:
            await connection.execute(
                insert(tables.ping_endpoints).values(
                    target_id=market.chosen_id,
                    dialect="tollbridge",
                    url=house.url("/bid?amount=45.00&seconds=90"),
                    secret=SECRET,
                )
            )
        async with at_home.get(f"{path}/test") as answer:
            assert "Ask for a bid" in await answer.text()
        form = {"state": "MI", "loan_type": "purchase", "deadline_ms": "2000"}
        async with at_home.post(f"{path}/test", data=form) as answer:
            page = await answer.text()
            assert answer.status == 200, page
        assert "$45.00" in page
        assert "90.000 s" in page
        assert "&#34;state&#34;:&#34;MI&#34;" in page
        assert SECRET not in page
        async with at_home.post(f"/api/v1{path}/test", json={"deadline_ms": 2000}) as answer:
            content = await answer.json()
        assert (content["bid_micros"], content["outcome"]) == (45_000_000, "accepted")
        assert SECRET not in str(content)
    async with at_home.post(f"/api/v1{path}/test", json={"state": "ZZ"}) as answer:
        assert answer.status == 422
    # Nobody there any more; a house inside our own network; either is said, and nothing breaks.
    async with at_home.post(f"{path}/test", data=form) as answer:
        assert answer.status == 200
        assert "nothing" in await answer.text()
    await _set(engine, market, "https://10.0.0.7/ping")
    async with at_home.post(f"{path}/test", data=form) as answer:
        assert answer.status == 422
        assert "10.0.0.7 is not a public address" in await answer.text()
    # The secret is nowhere on the endpoint's own page either, nor in the API.
    for address in (path, f"/api/v1{path}"):
        async with at_home.get(address) as answer:
            assert SECRET not in await answer.text()
