"""Who comes in, who does not, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import counters, users, web_sessions
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from web import auth, passwords
from web.auth import (
    SecondFactorAsked,
    SignedIn,
    SignInRefusal,
    UserCreated,
    Visitor,
    create_user,
    set_password,
)
from web.ends import end_sessions
from web.password_rules import PasswordRefusal
from web.person_fields import UserRefusal

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HERE = "192.0.2.1"


async def attempt(
    engine: AsyncEngine, password: str, *, email: str = EMAIL, address: str = HERE, now: datetime = NOW
) -> SignedIn | SignInRefusal:
    visitor = Visitor(address=address)
    found = await auth.sign_in(engine, email=email, password=password, visitor=visitor, now=now)
    assert not isinstance(found, SecondFactorAsked)
    return found


async def test_an_admin_signs_in_and_out(admin: Client) -> None:
    async with admin.get("/calls") as page:
        assert page.status == 200
    async with admin.post("/sign-out", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    async with admin.get("/calls", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_a_session_ended_on_the_server_is_dead_although_the_cookie_lives(
    admin: Client, site: TestServer
) -> None:
    cookie = next(iter(admin.session.cookie_jar))
    async with admin.post("/sign-out", allow_redirects=False):
        pass
    async with open_client(site) as thief:
        thief.session.cookie_jar.update_cookies({cookie.key: cookie.value}, site.make_url("/"))
        async with thief.get("/calls", allow_redirects=False) as answer:
            assert answer.status == 303


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Client) -> None:
    form = {"email": EMAIL, "password": PASSWORD}
    async with stranger.post("/sign-in", data=form, allow_redirects=False) as answer:
        cookie = answer.cookies["tollbridge_session"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"


async def test_the_database_knows_neither_password_nor_token(admin: Client, engine: AsyncEngine) -> None:
    token = next(iter(admin.session.cookie_jar)).value
    async with engine.connect() as connection:
        digest = (await connection.execute(select(web_sessions.c.token_digest))).scalar_one()
        password_hash = (await connection.execute(select(users.c.password_hash))).scalar_one()
    assert digest == auth.digest_of(token) and token.encode() not in digest
    assert password_hash.startswith("$argon2id$")


async def test_a_session_expires(admin: Client, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(expires_at=NOW - timedelta(days=365)))
    async with admin.get("/calls", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_address_is_compared_without_case_and_spaces(stranger: Client) -> None:
    assert await sign_in(stranger, email="  Ada@Example.COM ") == 303


async def test_a_wrong_password_and_an_unknown_address_look_alike(stranger: Client) -> None:
    pages = []
    for email in (EMAIL, "nobody@example.com"):
        form = {"email": email, "password": "wrong"}
        async with stranger.post("/sign-in", data=form) as answer:
            assert answer.status == 403
            pages.append((await answer.text()).replace(email, ""))
    assert pages[0] == pages[1]


async def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(stranger: Client) -> None:
    assert [await sign_in(stranger, password="wrong") for _ in range(5)] == [403] * 5
    assert await sign_in(stranger) == 429


async def test_a_wait_ends_although_somebody_keeps_knocking(engine: AsyncEngine, site: TestServer) -> None:
    for _ in range(5):
        await attempt(engine, "wrong")
    for second in range(15):
        knocked = await attempt(engine, PASSWORD, now=NOW + timedelta(seconds=second))
        assert knocked is SignInRefusal.LOCKED_OUT
    assert isinstance(await attempt(engine, PASSWORD, now=NOW + timedelta(seconds=15)), SignedIn)


async def test_a_stranger_elsewhere_does_not_lock_the_owner_out(
    engine: AsyncEngine, site: TestServer
) -> None:
    for _ in range(8):
        await attempt(engine, "wrong", address="203.0.113.9")
    assert isinstance(await attempt(engine, PASSWORD), SignedIn)


async def test_one_address_trying_many_accounts_is_slowed(engine: AsyncEngine, site: TestServer) -> None:
    results = [await attempt(engine, "wrong", email=f"user{n}@example.com") for n in range(31)]
    assert results == [SignInRefusal.WRONG] * 30 + [SignInRefusal.LOCKED_OUT]


async def test_success_forgives_and_old_attempts_are_swept(engine: AsyncEngine, site: TestServer) -> None:
    for _ in range(4):
        await attempt(engine, "wrong")
    assert isinstance(await attempt(engine, PASSWORD), SignedIn)
    assert await attempt(engine, "wrong") is SignInRefusal.WRONG
    await attempt(engine, PASSWORD, now=NOW + timedelta(hours=1), address="192.0.2.7")
    async with engine.connect() as connection:
        left = (await connection.execute(select(counters.c.value))).scalars().all()
    assert sum(left) == 0


async def test_no_more_than_twenty_sessions_a_user(engine: AsyncEngine, site: TestServer) -> None:
    for n in range(22):
        await attempt(engine, PASSWORD, now=NOW + timedelta(seconds=n))
    async with engine.connect() as connection:
        rows = await connection.execute(select(web_sessions.c.created_at))
        assert min(rows.scalars()) == NOW + timedelta(seconds=2)


async def test_a_new_password_ends_every_session(admin: Client, engine: AsyncEngine) -> None:
    assert not await set_password(engine, EMAIL, "another horse battery")
    async with admin.get("/calls", allow_redirects=False) as answer:
        assert answer.status == 303
    assert await attempt(engine, PASSWORD) is SignInRefusal.WRONG
    assert isinstance(await attempt(engine, "another horse battery"), SignedIn)
    assert await set_password(engine, "nobody@example.com", "another horse battery") is UserRefusal.NOBODY


async def _new_password(engine: AsyncEngine) -> None:
    assert await set_password(engine, EMAIL, "another horse battery") is None


async def _second_factor(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(users).values(totp_secret=b"x", totp_last_step=1))
        await end_sessions(connection, 1, NOW)


@pytest.mark.parametrize("change", [_new_password, _second_factor])
async def test_a_password_that_is_being_compared_opens_nothing_once_it_is_changed(
    engine: AsyncEngine,
    site: TestServer,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[AsyncEngine], Awaitable[None]],
) -> None:
    """A thief who signs in all the time always has one under way when the owner changes the password."""
    compare = passwords.is_right

    async def compare_slowly(*given: Any, **more: Any) -> bool:
        right = await compare(*given, **more)
        await change(engine)
        return right

    monkeypatch.setattr(passwords, "is_right", compare_slowly)
    assert await attempt(engine, PASSWORD) is SignInRefusal.WRONG
    async with engine.connect() as connection:
        assert not (await connection.execute(select(web_sessions.c.id))).all()


@pytest.mark.parametrize(
    ("email", "password", "role", "refusal"),
    [
        ("no-at-sign", PASSWORD, "admin", UserRefusal.EMAIL),
        ("a b@example.com", PASSWORD, "admin", UserRefusal.EMAIL),
        ("x@" + "y" * 300, PASSWORD, "admin", UserRefusal.EMAIL),
        ("new@example.com", "short", "admin", PasswordRefusal.LENGTH),
        ("new@example.com", "x" * 2000, "admin", PasswordRefusal.LENGTH),
        ("new@example.com", PASSWORD, "emperor", UserRefusal.ROLE),
        ("ADA@example.com", PASSWORD, "admin", UserRefusal.EMAIL_TAKEN),
        ("new@example.com", PASSWORD, "admin", None),
    ],
)
async def test_who_can_be_made_a_user(
    engine: AsyncEngine,
    site: TestServer,
    email: str,
    password: str,
    role: str,
    refusal: UserRefusal | None,
) -> None:
    made = await create_user(engine, email, password, role)
    assert made == refusal if refusal else isinstance(made, UserCreated)


async def test_a_buyer_has_no_page_yet(stranger: Client, engine: AsyncEngine) -> None:
    await create_user(engine, "buyer@example.com", PASSWORD, "buyer")
    assert await sign_in(stranger, email="buyer@example.com") == 303
    async with stranger.get("/calls") as page:
        assert page.status == 403
        assert "has no access" in await page.text()


@pytest.mark.parametrize(
    "hostile", [b"%00", b"%ED%A0%80", b"%FF%FE", b"x" * 5000, b"'+or+1=1+--", b"%3Cscript%3E", b""]
)
async def test_odd_input_at_the_door_is_only_wrong(stranger: Client, hostile: bytes) -> None:
    body = b"email=" + hostile + b"&password=" + hostile + b"&next=" + hostile + b"&time_zone=" + hostile
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with stranger.post("/sign-in", data=body, headers=headers) as answer:
        assert answer.status == 403
        assert "<script>" not in await answer.text()
