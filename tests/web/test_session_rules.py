"""How long a session lives unused, by role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import web_sessions
from tests.web.conftest import PASSWORD, open_client, sign_in
from web.auth import SESSION_LIFETIME, create_user
from web.keys import Role
from web.session_rules import IDLE_MINUTES, SESSION_RULES, SessionRules


@pytest.mark.parametrize("role", Role)
async def test_a_session_nobody_uses_ends_by_itself(
    engine: AsyncEngine, site: TestServer, role: Role
) -> None:
    await create_user(engine, "max@example.com", PASSWORD, role)
    idle = timedelta(minutes=IDLE_MINUTES[role])

    async def shift(by: timedelta) -> None:
        """Let so much time go by."""
        async with engine.begin() as connection:
            await connection.execute(
                update(web_sessions).values(
                    last_seen_at=web_sessions.c.last_seen_at - by,
                    idle_until=web_sessions.c.idle_until - by,
                    expires_at=web_sessions.c.expires_at - by,
                )
            )

    async with open_client(site) as client:
        assert await sign_in(client, "max@example.com") == 303
        for _ in range(2):
            await shift(idle - timedelta(minutes=1))
            async with client.get("/account", allow_redirects=False) as page:
                assert page.status == 200, "used in time"
        await shift(idle + timedelta(seconds=1))
        async with client.get("/account", allow_redirects=False) as page:
            assert page.status == 303
        async with client.get("/api/v1/account") as answer:
            assert answer.status == 401


async def test_using_it_does_not_make_it_last_for_ever(engine: AsyncEngine, site: TestServer) -> None:
    async with open_client(site) as client:
        assert await sign_in(client) == 303
        async with engine.begin() as connection:
            await connection.execute(
                update(web_sessions).values(expires_at=web_sessions.c.expires_at - SESSION_LIFETIME)
            )
        async with client.get("/account", allow_redirects=False) as page:
            assert page.status == 303


async def test_the_house_sets_it_and_it_counts_from_the_sign_in(
    engine: AsyncEngine, site: TestServer
) -> None:
    site.app[SESSION_RULES] = SessionRules(idle_minutes={**IDLE_MINUTES, Role.ADMIN: 5})
    async with open_client(site) as client:
        assert await sign_in(client) == 303
    async with engine.connect() as connection:
        until = (await connection.execute(select(web_sessions.c.idle_until))).scalar_one()
    assert timedelta(minutes=4) < until - datetime.now(UTC) <= timedelta(minutes=5)
