"""People of each role at the market's pages, and a machine's way to the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client, open_client, sign_in
from tests.web.market import STARTED_AT, Market
from web.auth import UserCreated, create_user

PASSWORD = "correct horse battery"


class Machine:
    """The API with somebody's session, as JSON."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Return status, JSON and headers of an answer; header names are given with underscores."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        sent: dict[str, Any] = {} if body is None else {"json": body}
        async with self.client.request(method, f"/api/v1{path}", headers=more, **sent) as answer:
            content = await answer.json(content_type=None) if await answer.read() else None
            return answer.status, content, answer.headers

    async def make(self, path: str, body: object) -> int:
        """Make a row and return its id."""
        status, content, _ = await self.ask("POST", path, body)
        assert status == 201, content
        return int(content["id"])


@pytest_asyncio.fixture
async def machine(admin: Client, market: Market, engine: AsyncEngine) -> Machine:
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.flows).values(name="mortgage", version=1, definition={}, published_at=STARTED_AT)
        )
    return Machine(admin)


@pytest_asyncio.fixture
async def clients(
    site: TestServer, engine: AsyncEngine, market: Market
) -> AsyncIterator[Mapping[str, Client]]:
    """Signed-in people by role."""
    opened: dict[str, Client] = {}
    for role in ("manager", "analyst", "buyer", "publisher"):
        made = await create_user(
            engine,
            f"{role}@example.com",
            PASSWORD,
            role,
            buyer_id=market.buyer_id if role == "buyer" else None,
            publisher_id=market.publisher_id if role == "publisher" else None,
        )
        assert isinstance(made, UserCreated)
        opened[role] = open_client(site)
        await opened[role].start_server()
        assert await sign_in(opened[role], f"{role}@example.com", PASSWORD) == 303
    yield opened
    for client in opened.values():
        # Not close(): that would close the server under the others.
        await client.session.close()
