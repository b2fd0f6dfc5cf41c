"""Admins and managers show a second factor, once they have had the time to set one up."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import passkeys, users, web_sessions
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.users.test_reach import admins_id
from web.audit import Actor, Via
from web.auth import UserCreated, create_user
from web.keys import Role
from web.session_rules import SESSION_RULES, SessionRules
from web.users.people import Belonging, change_person, reset_factor

LONG_AGO = datetime.now(UTC) - timedelta(days=15)
COMMAND = Actor(user=None, via=Via.COMMAND, name="tollbridge user reset-factor")


async def grace_is_over(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            update(users).where(users.c.factor_asked_at.is_not(None)).values(factor_asked_at=LONG_AGO)
        )


async def test_within_the_grace_the_pages_say_until_when(admin: Client) -> None:
    async with admin.get("/account") as page:
        text = await page.text()
    assert page.status == 200 and "Set up a second factor by" in text


async def test_after_it_every_page_leads_to_the_setting_up(admin: Client, engine: AsyncEngine) -> None:
    await grace_is_over(engine)
    for path in ("/", "/calls", "/users", "/account/tokens"):
        async with admin.get(path) as page:
            assert page.url.path == "/second-factor", path
            text = await page.text()
    assert "your role needs a second factor" in text
    for path in ("/account/tokens", "/users/new", "/account/sessions/end-others"):
        async with admin.post(path, data={}) as page:
            assert page.status == 403 and "/second-factor" in await page.text(), path
    async with admin.get("/api/v1/users") as answer:
        assert answer.status == 403 and "/second-factor" in (await answer.json())["detail"]
    async with admin.get("/calls", headers={"HX-Request": "true"}, allow_redirects=False) as answer:
        assert answer.headers["HX-Redirect"] == "/second-factor"
    # It leads through, and then everything is open.
    async with admin.post("/account/second-factor") as page:
        text, address = await page.text(), page.url.path
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', text)
    assert found
    async with admin.get(f"{address}/qr.svg") as picture:
        assert picture.content_type == "image/svg+xml"
    async with admin.post(address, data={"code": pyotp.TOTP(found[1].replace(" ", "")).now()}) as page:
        assert "Keep these ten codes" in await page.text()
    async with admin.get("/calls") as page:
        assert page.url.path == "/calls"


async def test_a_password_alone_adds_no_factor_beside_a_passkey(admin: Client, engine: AsyncEngine) -> None:
    """Anyone who stole the password must not make themselves the second factor that is missing."""
    user_id = await admins_id(engine)
    async with engine.begin() as connection:
        key = {
            "credential_id": b"\0\0\0",
            "user_id": user_id,
            "public_key": b"\xa0",
            "sign_count": 0,
            "name": "K",
        }
        await connection.execute(insert(passkeys).values(key))
    await grace_is_over(engine)
    async with admin.get("/calls") as page:
        text = await page.text()
        assert page.url.path == "/second-factor" and "Confirm with a passkey" in text
    for form in ({}, {"confirm_password": PASSWORD}):
        async with admin.post("/account/second-factor", data=form) as page:
            assert page.status == 403 and "code class" not in await page.text()
    async with admin.post("/account/passkeys/question", json={}) as answer:
        assert answer.status == 403
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(factor_at=datetime.now(UTC)))
    async with admin.get("/calls") as page:
        assert page.url.path == "/calls"


@pytest.mark.parametrize("role", [Role.ANALYST, Role.BUYER, Role.PUBLISHER])
async def test_others_are_not_asked(site: TestServer, engine: AsyncEngine, role: Role) -> None:
    await create_user(engine, "other@example.com", PASSWORD, role)
    site.app[SESSION_RULES] = SessionRules(factor_grace=timedelta(0))
    async with open_client(site) as client:
        assert await sign_in(client, "other@example.com") == 303
        async with client.get("/account") as page:
            assert page.url.path == "/account" and "second factor by" not in await page.text()


async def test_a_new_role_has_a_grace_of_its_own(engine: AsyncEngine, site: TestServer) -> None:
    made = await create_user(engine, "max@example.com", PASSWORD, "analyst")
    assert isinstance(made, UserCreated)

    async def asked_at() -> datetime | None:
        async with engine.connect() as connection:
            found = select(users.c.factor_asked_at).where(users.c.id == made.user_id)
            return (await connection.execute(found)).scalar_one()

    assert await asked_at() is None
    for role, is_asked in ((Role.MANAGER, True), (Role.ADMIN, True), (Role.ANALYST, False)):
        changed = await change_person(
            engine,
            COMMAND,
            made.user_id,
            name="",
            belonging=Belonging(role=role),
            seen=None,
            now=datetime.now(UTC),
        )
        assert changed is None
        assert (await asked_at() is not None) is is_asked
        await grace_is_over(engine)
    await change_person(
        engine,
        COMMAND,
        made.user_id,
        name="",
        belonging=Belonging(role=Role.ADMIN),
        seen=None,
        now=datetime.now(UTC),
    )
    asked = await asked_at()
    assert asked is not None and asked > LONG_AGO + timedelta(days=1)


async def test_the_command_line_lets_in_who_lost_everything(site: TestServer, engine: AsyncEngine) -> None:
    """The last admin has lost telephone, codes and passkeys: factors go, sessions end, a new grace begins."""
    user_id = await admins_id(engine)
    async with engine.begin() as connection:
        await connection.execute(update(users).values(totp_secret=b"lost", totp_last_step=1))
    await grace_is_over(engine)
    async with open_client(site) as client:
        async with client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}) as page:
            assert page.url.path == "/sign-in/code"
        await reset_factor(engine, COMMAND, user_id, datetime.now(UTC))
        assert await sign_in(client) == 303
        async with client.get("/calls") as page:
            assert page.url.path == "/calls"
