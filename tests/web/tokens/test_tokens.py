"""API tokens: shown once, of some use, never of more than their owner's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import api_tokens, users
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from web.api_tokens import TokenMade, TokenRefusal, make_token, refusal_of_token, scopes_for, user_of_token
from web.audit import Actor
from web.auth import create_user, digest_of
from web.authority import Credential
from web.keys import Role, User

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def owner_of(engine: AsyncEngine) -> User:
    async with engine.connect() as connection:
        user_id = (await connection.execute(select(users.c.id).where(users.c.email == EMAIL))).scalar_one()
    return User(user_id=user_id, email=EMAIL, role=Role.ADMIN)


async def made(
    engine: AsyncEngine, *, days: int | None = 30, scopes: tuple[str, ...] = ("read:users",)
) -> TokenMade:
    owner = await owner_of(engine)
    actor = Actor(user=owner, credential=Credential.PASSWORD)
    token = await make_token(
        engine, actor, owner, name="Report", scopes=list(scopes), lifetime_days=days, now=NOW
    )
    assert isinstance(token, TokenMade)
    return token


async def test_a_token_opens_until_it_is_over_revoked_or_its_owner_barred(
    engine: AsyncEngine, site: TestServer
) -> None:
    token = await made(engine)
    found = await user_of_token(engine, token.secret, NOW)
    assert found and (found[0].email, found[1]) == (EMAIL, {"read:users"})
    assert await user_of_token(engine, token.secret, NOW + timedelta(days=30)) is None
    for wrong in ("", "tbt_", token.secret + "x", token.secret[4:], "tbt_" + "x" * 5000, "tbt_\ud800"):
        assert await user_of_token(engine, wrong, NOW) is None
    async with engine.begin() as connection:
        row = (await connection.execute(select(api_tokens))).one()
        assert row.token_digest == digest_of(token.secret) and token.secret not in str(row)
        assert row.last_used_at == NOW
        await connection.execute(update(users).values(disabled_at=NOW))
    assert await user_of_token(engine, token.secret, NOW) is None
    async with engine.begin() as connection:
        await connection.execute(update(users).values(disabled_at=None))
        await connection.execute(update(api_tokens).values(revoked_at=NOW))
    assert await user_of_token(engine, token.secret, NOW) is None
    forever = await made(engine, days=None)
    assert await user_of_token(engine, forever.secret, NOW + timedelta(days=9999))


async def test_the_page_shows_it_once_and_revokes_it(admin: Client, site: TestServer) -> None:
    form = {"name": "Report <b>", "days": "", "scopes": ["read:account"]}
    async with admin.post("/account/tokens", data=form) as page:
        found = re.search(r'<code class="secret">(tbt_[\w-]+)</code>', await page.text())
    assert found
    async with admin.get("/account/tokens") as page:
        text = await page.text()
        assert found[1] not in text and "Report &lt;b&gt;" in text
    headers = {"Authorization": f"Bearer {found[1]}"}
    async with admin.get("/api/v1/account", headers=headers) as answer:
        assert (await answer.json())["email"] == EMAIL
    async with admin.get("/api/v1/users", headers=headers) as answer:
        assert answer.status == 403
    revoke = re.search(r'action="(/account/tokens/\d+/revoke)"', text)
    assert revoke
    async with admin.post(revoke[1]) as page:
        assert "opens nothing more" in await page.text()
    async with admin.get("/api/v1/account", headers=headers) as answer:
        assert answer.status == 401


async def test_what_cannot_be_right_is_said_beside_its_field(admin: Client) -> None:
    for wrong, field, words in (
        ({"name": " "}, "name", "1 to 80"),
        ({"days": "soon"}, "days", "1 to 3650"),
        ({"days": "99999"}, "days", "1 to 3650"),
        ({"scopes": []}, "scopes", "at least one"),
        ({"scopes": ["write:everything"]}, "scopes", "at least one"),
    ):
        form = {"name": "Report", "days": "7", "scopes": ["read:account"]} | wrong
        async with admin.post("/account/tokens", data=form) as page:
            text = await page.text()
        assert page.status == 422 and words in text and f'id="{field}-problem"' in text


async def test_nobody_revokes_the_token_of_somebody_else(
    admin: Client, site: TestServer, engine: AsyncEngine
) -> None:
    token = await made(engine)
    await create_user(engine, "eve@example.com", PASSWORD, "buyer")
    async with open_client(site) as eve:
        assert await sign_in(eve, "eve@example.com") == 303
        async with eve.post(f"/account/tokens/{token.token_id}/revoke") as page:
            assert page.status == 404
        async with eve.delete(f"/api/v1/account/tokens/{token.token_id}") as answer:
            assert answer.status == 404
        # A buyer's person is offered, and gets, no scope of the house's.
        form = {"name": "All", "days": "7", "scopes": ["read:users"]}
        async with eve.post("/account/tokens", data=form) as page:
            assert page.status == 422
        user_id = (await owner_of(engine)).user_id
        async with admin.post(f"/users/{user_id}/tokens/{token.token_id}/revoke") as page:
            assert "The token is revoked" in await page.text()
    assert await user_of_token(engine, token.secret, NOW) is None


async def test_a_token_makes_none_and_does_not_end_itself(admin: Client, engine: AsyncEngine) -> None:
    token = await made(engine, scopes=("write:account", "read:account"), days=None)
    headers = {"Authorization": f"Bearer {token.secret}"}
    body = {"name": "Child", "scopes": ["read:account"], "lifetime_days": 1}
    async with admin.post("/api/v1/account/tokens", json=body, headers=headers) as answer:
        assert answer.status == 403
    async with admin.post("/api/v1/account/tokens", json=body) as answer:
        assert answer.status == 201
    async with admin.delete(f"/api/v1/account/tokens/{token.token_id}", headers=headers) as answer:
        assert answer.status == 409
    async with admin.get("/api/v1/account/tokens", headers=headers) as answer:
        assert len(await answer.json()) == 2


@given(role=st.sampled_from(Role), scope=st.sampled_from(scopes_for(Role.ADMIN)))
def test_a_token_is_made_exactly_of_what_the_role_may(role: Role, scope: str) -> None:
    refusal = refusal_of_token("Report", [scope], scopes_for(role), 1)
    assert (refusal is None) is (scope in scopes_for(role))
    assert refusal in (None, TokenRefusal.SCOPES)
