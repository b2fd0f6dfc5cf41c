"""The second factor at the door: asked for, once a code, five tries, and a way back in."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pyotp
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log, users, web_sessions
from tests.web.conftest import DATA_SECRET, EMAIL, PASSWORD, Client, open_client, sign_in
from web import auth
from web.audit import Actor
from web.auth import SecondFactorAsked, SignedIn, Visitor
from web.keys import Role, User
from web.second_factor import queries
from web.second_factor.codes import digest_of_code, new_recovery_codes
from web.second_factor.factor import (
    CodeRefusal,
    FactorSet,
    answer_code,
    begin_setup,
    finish_setup,
    secret_of_setup,
)
from web.second_factor.vault import Vault

VAULT = Vault(DATA_SECRET)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HERE = Visitor(address="192.0.2.1", user_agent="test")


class Owner:
    """Somebody with an authenticator app and ten codes on paper."""

    def __init__(self, engine: AsyncEngine, secret: str, codes: list[str]) -> None:
        self.engine, self.totp, self.codes = engine, pyotp.TOTP(secret), codes

    async def ask(self, now: datetime) -> str:
        """Give the password and return the token of what is asked then."""
        found = await auth.sign_in(self.engine, email=EMAIL, password=PASSWORD, visitor=HERE, now=now)
        assert isinstance(found, SecondFactorAsked)
        return found.token

    async def answer(self, token: str, code: str, now: datetime) -> SignedIn | CodeRefusal:
        return await answer_code(self.engine, VAULT, token=token, code=code, visitor=HERE, now=now)


async def owner_of(engine: AsyncEngine, now: datetime = NOW) -> Owner:
    """Set the admin's second factor up, an hour before `now`."""
    async with engine.connect() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
    user, before = User(user_id=user_id, email=EMAIL, role=Role.ADMIN), now - timedelta(hours=1)
    token = await begin_setup(engine, VAULT, user, before)
    secret = await secret_of_setup(engine, VAULT, user, token, before)
    assert secret
    code = pyotp.TOTP(secret).at(before)
    done = await finish_setup(
        engine, VAULT, Actor(user=user), user, token=token, code=code, own_session_digest=b"", now=before
    )
    assert isinstance(done, FactorSet)
    return Owner(engine, secret, list(done.recovery_codes))


async def test_a_code_opens_once(engine: AsyncEngine, site: TestServer) -> None:
    owner = await owner_of(engine)
    token, code = await owner.ask(NOW), owner.totp.at(NOW)
    assert isinstance(await owner.answer(token, code, NOW), SignedIn)
    assert await owner.answer(token, code, NOW) is CodeRefusal.OVER
    later = await owner.ask(NOW)
    assert await owner.answer(later, code, NOW) is CodeRefusal.WRONG
    before = owner.totp.at(NOW - timedelta(seconds=30))
    assert await owner.answer(later, before, NOW) is CodeRefusal.WRONG
    soon = NOW + timedelta(seconds=30)
    assert isinstance(await owner.answer(later, owner.totp.at(soon), soon), SignedIn)


async def test_of_those_who_type_one_code_at_once_one_comes_in(engine: AsyncEngine, site: TestServer) -> None:
    owner = await owner_of(engine)
    for code in (owner.totp.at(NOW), owner.codes[0]):
        tokens = [await owner.ask(NOW) for _ in range(4)]
        results = await asyncio.gather(*(owner.answer(token, code, NOW) for token in tokens))
        assert sum(isinstance(result, SignedIn) for result in results) == 1, code
        assert results.count(CodeRefusal.WRONG) == 3
    async with engine.connect() as connection:
        sessions = (await connection.execute(select(web_sessions.c.id))).all()
        left = (await connection.execute(select(users.c.recovery_digests))).scalar_one()
    assert len(sessions) == 2 and len(left) == 9


async def test_five_wrong_codes_lock_out_even_the_right_one(engine: AsyncEngine, site: TestServer) -> None:
    owner = await owner_of(engine)
    token = await owner.ask(NOW)
    wrong = f"{(int(owner.totp.at(NOW)) + 1) % 10**6:06d}"
    results = [await owner.answer(token, "not a code" if n else wrong, NOW) for n in range(5)]
    assert results == [CodeRefusal.WRONG] * 5
    assert await owner.answer(token, owner.totp.at(NOW), NOW) is CodeRefusal.LOCKED_OUT
    # The password, right as it is, forgives no wrong code.
    again = await owner.ask(NOW)
    assert await owner.answer(again, owner.codes[0], NOW) is CodeRefusal.LOCKED_OUT
    later = NOW + timedelta(minutes=16)
    token = await owner.ask(later)
    assert isinstance(await owner.answer(token, owner.totp.at(later), later), SignedIn)


async def test_the_right_password_is_remembered_for_five_minutes(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner = await owner_of(engine)
    token, late = await owner.ask(NOW), NOW + timedelta(minutes=5, seconds=1)
    assert await owner.answer(token, owner.totp.at(late), late) is CodeRefusal.OVER
    assert await owner.answer("made up", owner.totp.at(NOW), NOW) is CodeRefusal.OVER


async def test_a_disabled_person_s_code_opens_nothing(engine: AsyncEngine, site: TestServer) -> None:
    owner = await owner_of(engine)
    token = await owner.ask(NOW)
    async with engine.begin() as connection:
        await connection.execute(update(users).values(disabled_at=NOW))
    assert await owner.answer(token, owner.totp.at(NOW), NOW) is CodeRefusal.OVER


async def test_nothing_is_on_before_the_first_right_code(engine: AsyncEngine, site: TestServer) -> None:
    async with engine.connect() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
    user = User(user_id=user_id, email=EMAIL, role=Role.ADMIN)
    other = User(user_id=user_id + 1, email="eve@example.com", role=Role.ADMIN)
    token = await begin_setup(engine, VAULT, user, NOW)
    assert await secret_of_setup(engine, VAULT, other, token, NOW) is None
    done = await finish_setup(
        engine, VAULT, Actor(user=user), user, token=token, code="000000x", own_session_digest=b"", now=NOW
    )
    assert done is CodeRefusal.WRONG
    found = await auth.sign_in(engine, email=EMAIL, password=PASSWORD, visitor=HERE, now=NOW)
    assert isinstance(found, SignedIn)
    late = NOW + timedelta(minutes=16)
    assert await secret_of_setup(engine, VAULT, user, token, late) is None


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 9), max_size=20))
async def test_each_recovery_code_opens_once_in_any_order(
    engine: AsyncEngine, site: TestServer, order: list[int]
) -> None:
    codes = new_recovery_codes()
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        await queries.set_factor(
            connection, user_id, sealed="A", step=1, recovery_digests=[digest_of_code(code) for code in codes]
        )
        used: set[int] = set()
        for n in order:
            left = await queries.use_recovery_code(connection, user_id, digest_of_code(codes[n]))
            assert left == (None if n in used else 9 - len(used))
            used.add(n)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(0, 6), max_size=12))
async def test_no_step_of_the_clock_opens_twice_nor_any_before_it(
    engine: AsyncEngine, site: TestServer, steps: list[int]
) -> None:
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        await queries.set_factor(connection, user_id, sealed="A", step=0, recovery_digests=[])
        newest = 0
        for step in steps:
            assert await queries.use_step(connection, user_id, "A", step) is (step > newest)
            assert not await queries.use_step(connection, user_id, "B", step + 100)
            newest = max(newest, step)


async def test_the_pages_lead_through_it(site: TestServer, engine: AsyncEngine) -> None:
    """Set up on the account page, asked for at the door, taken away again; notes of all of it."""
    async with open_client(site) as client:
        assert await sign_in(client) == 303
        async with client.post("/account/second-factor") as page:
            text, address = await page.text(), page.url.path
        found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', text)
        assert found
        totp = pyotp.TOTP(found[1].replace(" ", ""))
        async with client.get(f"{address}/qr.svg") as picture:
            assert picture.content_type == "image/svg+xml" and "<path" in await picture.text()
        async with client.post(address, data={"code": "12345"}) as page:
            assert page.status == 422
        async with client.post(address, data={"code": totp.now()}) as page:
            codes = re.findall(r"<li><code>([a-z0-9-]{34})</code>", await page.text())
        assert len(codes) == 10
        async with client.post("/sign-out"):
            pass
        form = {"email": EMAIL, "password": PASSWORD, "next": "/account"}
        async with client.post("/sign-in", data=form) as page:
            assert page.url.path_qs == "/sign-in/code?next=/account"
        # The password alone is no session.
        async with client.get("/account", allow_redirects=False) as answer:
            assert answer.status == 303
        async with client.post("/sign-in/code", data={"code": "x", "next": "/account"}) as page:
            assert page.status == 403 and "is not right" in await page.text()
        async with client.post("/sign-in/code", data={"code": codes[0].upper(), "next": "/account"}) as page:
            assert page.url.path == "/account" and "9 recovery codes are left" in await page.text()
        async with client.post("/account/second-factor/renew") as page:
            assert codes[1] not in await page.text()
        async with client.post("/account/second-factor/remove") as page:
            assert "second factor is gone" in await page.text()
    async with engine.connect() as connection:
        actions = (
            (await connection.execute(select(audit_log.c.action).order_by(audit_log.c.id))).scalars().all()
        )
    assert actions[-5:] == [
        "add_second_factor",
        "sign_in_refused",
        "sign_in",
        "renew_recovery_codes",
        "remove_second_factor",
    ]


async def test_codes_of_before_open_and_the_page_asks_for_new_ones(
    engine: AsyncEngine, site: TestServer
) -> None:
    owner, old = await owner_of(engine, datetime.now(UTC)), "k7ma-2xwp-9tde-h4rn"
    async with engine.begin() as connection:
        await connection.execute(update(users).values(recovery_digests=[digest_of_code(old)] * 2))
    async with open_client(site) as client:
        assert await sign_in(client) == 303
        async with client.post("/sign-in/code", data={"code": old, "next": "/account"}) as page:
            assert page.url.path == "/account"
        async with engine.begin() as connection:
            await connection.execute(update(users).values(recovery_digests=[digest_of_code(old)]))
        async with client.get("/account") as page:
            assert "older, shorter kind" in await page.text()
        async with client.post("/account/second-factor/renew") as page:
            assert page.status == 200
        async with client.get("/account") as page:
            assert "older, shorter kind" not in await page.text()
    assert owner.codes


async def test_a_stranger_has_no_second_step(stranger: Client) -> None:
    async with stranger.get("/sign-in/code?next=/calls", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/sign-in?next=/calls"
    async with stranger.post("/sign-in/code", data={"code": "123456"}) as page:
        assert page.status == 403 and "took too long" in await page.text()
    async with stranger.get("/account/second-factor/x/qr.svg", allow_redirects=False) as answer:
        assert answer.status == 303
