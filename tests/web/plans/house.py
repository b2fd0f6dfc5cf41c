"""Somebody of the house who may read and change nothing, and the API by a page's session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from web.auth import UserCreated, create_user

ANALYST = "noor@example.com"


@asynccontextmanager
async def open_analyst(site: TestServer, engine: AsyncEngine) -> AsyncIterator[Client]:
    """Sign in as an analyst. The site closes with this client: it is the last thing of a test."""
    assert isinstance(await create_user(engine, ANALYST, PASSWORD, "analyst"), UserCreated)
    async with open_client(site) as client:
        assert await sign_in(client, ANALYST) == 303
        yield client


async def api(client: Client, method: str, path: str, **options: Any) -> tuple[int, Any, str]:
    """Ask the API with the page's session; return status, JSON and ETag."""
    async with client.request(method, f"/api/v1{path}", **options) as answer:
        content = await answer.json(content_type=None) if answer.status != 204 else None
        return answer.status, content, answer.headers.get("ETag", "")
