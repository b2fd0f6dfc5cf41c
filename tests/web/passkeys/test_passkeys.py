"""Passkeys at the door without a browser: what is forged, late, or somebody else's opens nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import passkeys, users, web_sessions
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from web.auth import Visitor, create_user
from web.ends import end_sessions
from web.passkeys import keys
from web.passkeys.keys import PasskeyRefusal, Site, credential_id_of, is_passkey_name
from web.passkeys.queries import delete_passkeys_of

FORGED: dict[str, Any] = {
    "id": "AAAA",
    "rawId": "AAAA",
    "type": "public-key",
    "clientExtensionResults": {},
    "response": {"clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA"},
}


async def add_key(engine: AsyncEngine) -> None:
    """Give the admin a passkey whose id is AAAA."""
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        await connection.execute(
            insert(passkeys).values(
                credential_id=b"\x00\x00\x00",
                user_id=user_id,
                public_key=b"\xa0",
                sign_count=0,
                name="Old key",
            )
        )


async def question(client: Client) -> str:
    async with client.post("/sign-in/passkey/question", json={}) as answer:
        asked = await answer.json()
    assert asked["options"]["userVerification"] == "required" and asked["options"]["rpId"] == "127.0.0.1"
    return str(asked["token"])


async def test_what_is_forged_opens_nothing_and_a_question_is_answered_once(
    stranger: Client, engine: AsyncEngine
) -> None:
    await add_key(engine)
    odd: list[Any] = [FORGED, FORGED | {"id": "BBBB"}, FORGED | {"id": 7}, {}, None, FORGED | {"response": 1}]
    for credential in odd:
        body = {"token": await question(stranger), "credential": credential, "next": "/account"}
        async with stranger.post("/sign-in/passkey", json=body) as answer:
            assert answer.status == 403 and "not known here" in (await answer.json())["refusal"], credential
        async with stranger.post("/sign-in/passkey", json=body) as answer:
            assert answer.status == 409 and "answered already" in (await answer.json())["refusal"]
    for text in ("", "[]", "nonsense", '"x"', "[" * 100_000):
        async with stranger.post("/sign-in/passkey", data=text) as answer:
            assert answer.status in (400, 413)
    async with stranger.get("/account", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_asking_without_end_is_slowed(stranger: Client) -> None:
    statuses = []
    for _ in range(61):
        async with stranger.post("/sign-in/passkey/question", json={}) as answer:
            statuses.append(answer.status)
    assert statuses == [200] * 60 + [429]


async def test_only_the_owner_names_and_removes_a_passkey(
    admin: Client, site: TestServer, engine: AsyncEngine
) -> None:
    await add_key(engine)
    await create_user(engine, "eve@example.com", PASSWORD, "buyer")
    async with open_client(site) as eve:
        assert await sign_in(eve, "eve@example.com") == 303
        for path in ("AAAA/name", "AAAA/remove", "%00/remove", "~/remove"):
            async with eve.post(f"/account/passkeys/{path}", data={"name": "Mine"}) as page:
                assert page.status == 404
        async with eve.post("/account/passkeys/question", json={}) as answer:
            asked = await answer.json()
        # The question was Eve's: nobody else answers it.
        body = {"token": asked["token"], "credential": FORGED, "name": "Key"}
        async with admin.post("/account/passkeys", json=body) as answer:
            assert answer.status == 409
        async with admin.post("/account/passkeys", json=body | {"name": ""}) as answer:
            assert "1 to 60" in (await answer.json())["refusal"]
        async with admin.post("/account/passkeys/AAAA/name", data={"name": ""}) as page:
            assert "nothing was changed" in await page.text()
        async with admin.post("/account/passkeys/AAAA/remove") as page:
            text = await page.text()
            assert page.status == 403 and "Confirm with a passkey" in text and "passkey lost?" in text
        async with engine.begin() as connection:
            await connection.execute(update(web_sessions).values(factor_at=datetime.now(UTC)))
        async with admin.post("/account/passkeys/AAAA/remove") as page:
            assert "opens nothing more" in await page.text()
    async with engine.connect() as connection:
        assert (await connection.execute(select(passkeys))).all() == []


def test_names_and_ids() -> None:
    assert is_passkey_name("My laptop") and not is_passkey_name("") and not is_passkey_name("a\nb")
    assert credential_id_of("AAAA") == b"\x00\x00\x00"
    assert (
        credential_id_of("") is None
        and credential_id_of("A" * 5000) is None
        and credential_id_of("é") is None
    )


async def test_a_passkey_opens_nothing_while_its_owner_ends_everything(
    admin: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_key(engine)
    monkeypatch.setattr(keys, "_checked", lambda *_: 1)
    site, visitor, now = Site(host="h", origin="o"), Visitor(address="192.0.2.1"), datetime.now(UTC)
    asked = await keys.ask_to_sign_in(engine, site, visitor, now)
    assert not isinstance(asked, PasskeyRefusal)
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        await end_sessions(connection, user_id, now)
        thief = asyncio.create_task(
            keys.sign_in_with(
                engine, site, token=asked.token, credential={"id": "AAAA"}, visitor=visitor, now=now
            )
        )
        await asyncio.wait({thief}, timeout=0.3)
        await delete_passkeys_of(connection, user_id)
    assert await thief is PasskeyRefusal.WRONG
    async with engine.connect() as connection:
        assert not (await connection.execute(select(web_sessions.c.id))).all()
