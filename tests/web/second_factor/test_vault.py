"""Second factors as the database keeps them: sealed by the node's keys, each for its person."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pyotp
import pytest
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import FORMAT, KeyRing
from store.tables import users
from tests.web.conftest import Client, open_client, sign_in
from tests.web.second_factor.test_factor import NOW, owner_of
from web.auth import SignedIn
from web.second_factor.factor import CodeRefusal
from web.second_factor.sealing import Sealed, seal_older_factors
from web.second_factor.vault import Vault

SECRET = pyotp.random_base32()
OLDER = "what an older version sealed with"
VAULT = Vault()


def sealed_by_an_older_version(user_id: int, text: str, secret: str = OLDER) -> bytes:
    purpose = b"tollbridge second factor v1"
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    nonce = bytes(range(12))
    sealed = AESGCM(key).encrypt(nonce, text.encode(), f"user {user_id}".encode())
    return b"v1:" + urlsafe_b64encode(nonce + sealed)


def test_what_is_sealed_opens_again_for_its_person_alone_and_is_never_the_same_twice() -> None:
    first, second = VAULT.seal(7, SECRET), VAULT.seal(7, SECRET)
    assert first != second and SECRET.encode() not in first
    assert VAULT.open(7, first) == VAULT.open(7, second) == SECRET
    assert VAULT.open(8, first) is None


@pytest.mark.parametrize(
    "kept", [b"v1:", b"", b"\x01" + b"A" * 64, KeyRing.made().seal("second factor", b"x")],
    ids=["of an older version", "empty", "made up", "of other keys"],
)
def test_what_was_tampered_with_or_sealed_by_other_keys_does_not_open(kept: bytes) -> None:
    assert VAULT.open(7, kept) is None


async def _kept(engine: AsyncEngine) -> bytes:
    async with engine.connect() as connection:
        return bytes((await connection.execute(select(users.c.totp_secret))).scalar_one())


async def test_neither_a_factor_nor_a_setting_up_lies_bare_in_the_database(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine)
    assert (await _kept(engine)).startswith(FORMAT)
    async with open_client(site) as client:
        await sign_in(client)
    async with engine.connect() as connection:
        kept = (
            await connection.execute(
                text("SELECT u::text FROM users u UNION SELECT c::text FROM sign_in_challenges c")
            )
        ).scalars()
        assert not [row for row in kept if owner.totp.secret in row]


@pytest.mark.parametrize("bare", [True, False])
async def test_what_an_older_version_kept_is_sealed_by_the_keys_at_the_next_start(
    engine: AsyncEngine, site: TestServer, bare: bool
) -> None:
    owner = await owner_of(engine)
    secret = owner.totp.secret
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        older = secret.encode() if bare else sealed_by_an_older_version(user_id, secret)
        await connection.execute(update(users).values(totp_secret=older))
    assert await seal_older_factors(engine, VAULT, OLDER) == Sealed(done=1, lost=0)
    assert (await _kept(engine)).startswith(FORMAT)
    assert isinstance(await owner.answer(await owner.ask(NOW), owner.totp.at(NOW), NOW), SignedIn)
    assert await seal_older_factors(engine, VAULT, OLDER) == Sealed(done=0, lost=0)


async def test_what_cannot_be_opened_stays_and_a_recovery_code_leads_in(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine)
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        older = sealed_by_an_older_version(user_id, owner.totp.secret, "one that was lost")
        await connection.execute(update(users).values(totp_secret=older))
    assert await seal_older_factors(engine, VAULT, OLDER) == Sealed(done=0, lost=1)
    assert await _kept(engine) == older
    assert await owner.answer(await owner.ask(NOW), owner.totp.at(NOW), NOW) is CodeRefusal.UNREADABLE
    assert isinstance(await owner.answer(await owner.ask(NOW), owner.codes[0], NOW), SignedIn)


async def _enters(client: Client, code: str) -> str:
    async with client.post("/sign-in/code", data={"code": code}) as page:
        return await page.text()


async def test_the_pages_say_that_a_factor_does_not_open_and_how_to_go_on(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine, datetime.now(UTC))
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        await connection.execute(update(users).values(totp_secret=VAULT.seal(user_id + 1, owner.totp.secret)))
    async with open_client(site) as client:
        assert await sign_in(client) == 303
        assert "set it up anew" in await _enters(client, owner.totp.now())
        assert "Sign out" in await _enters(client, owner.codes[0])
        async with client.get("/account") as page:
            assert "cannot be read any more" in await page.text()
        async with client.post("/account/second-factor/remove") as page:
            assert "your password alone opens" in await page.text()
