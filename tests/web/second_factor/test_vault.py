"""Second factors as the database keeps them: sealed, each for its person, under one secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import users
from tests.web.conftest import DATA_SECRET, Client, open_client, sign_in
from tests.web.second_factor.test_factor import HERE, NOW, owner_of
from web.auth import SignedIn
from web.second_factor.factor import CodeRefusal, answer_code
from web.second_factor.sealing import seal_bare_factors
from web.second_factor.vault import Vault

SECRET = pyotp.random_base32()
OTHER = Vault("the secret after it was changed")


def test_what_is_sealed_opens_again_and_is_never_the_same_twice() -> None:
    vault = Vault(DATA_SECRET)
    first, second = vault.seal(7, SECRET), vault.seal(7, SECRET)
    assert first != second and SECRET not in first
    assert vault.open(7, first) == vault.open(7, second) == SECRET
    assert Vault(DATA_SECRET).open(7, first) == SECRET, "another node, the same secret"


def test_it_opens_for_nobody_else_and_under_no_other_secret() -> None:
    sealed = Vault(DATA_SECRET).seal(7, SECRET)
    assert Vault(DATA_SECRET).open(8, sealed) is None
    assert OTHER.open(7, sealed) is None


@pytest.mark.parametrize("kept", ["v1:", "v1:AAAA", "v1:not base64 ☎", "v1:" + "A" * 64])
def test_what_was_tampered_with_does_not_open(kept: str) -> None:
    assert Vault(DATA_SECRET).open(7, kept) is None


async def _kept(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str((await connection.execute(select(users.c.totp_secret))).scalar_one())


async def test_neither_a_factor_nor_a_setting_up_lies_bare_in_the_database(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine)
    assert (await _kept(engine)).startswith("v1:")
    async with open_client(site) as client:
        await sign_in(client)
    async with engine.connect() as connection:
        kept = (
            await connection.execute(
                text("SELECT u::text FROM users u UNION SELECT c::text FROM sign_in_challenges c")
            )
        ).scalars()
        assert not [row for row in kept if owner.totp.secret in row]


async def test_what_an_older_version_kept_bare_opens_and_is_sealed_at_the_next_start(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine)
    async with engine.begin() as connection:
        await connection.execute(update(users).values(totp_secret=owner.totp.secret))
    assert isinstance(await owner.answer(await owner.ask(NOW), owner.totp.at(NOW), NOW), SignedIn)
    assert await seal_bare_factors(engine, Vault(DATA_SECRET)) == 1
    assert (await _kept(engine)).startswith("v1:")
    later = NOW + timedelta(minutes=1)
    assert isinstance(await owner.answer(await owner.ask(later), owner.totp.at(later), later), SignedIn)
    assert await seal_bare_factors(engine, Vault(DATA_SECRET)) == 0


async def test_after_the_secret_changed_a_recovery_code_leads_in(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine)

    async def answer(code: str) -> object:
        token = await owner.ask(NOW)
        return await answer_code(engine, OTHER, token=token, code=code, visitor=HERE, now=NOW)

    assert await answer(owner.totp.at(NOW)) is CodeRefusal.UNREADABLE
    assert isinstance(await answer(owner.codes[0]), SignedIn)


async def _enters(client: Client, code: str) -> str:
    async with client.post("/sign-in/code", data={"code": code}) as page:
        return await page.text()


async def test_the_pages_say_that_the_secret_changed_and_how_to_go_on(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine, datetime.now(UTC))
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        await connection.execute(update(users).values(totp_secret=OTHER.seal(user_id, owner.totp.secret)))
    async with open_client(site) as client:
        assert await sign_in(client) == 303
        assert "set it up anew" in await _enters(client, owner.totp.now())
        assert "Sign out" in await _enters(client, owner.codes[0])
        async with client.get("/account") as page:
            assert "cannot be read any more" in await page.text()
        async with client.post("/account/second-factor/remove") as page:
            assert "your password alone opens" in await page.text()
