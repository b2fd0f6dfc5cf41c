"""Invitations and forgotten passwords: a link opens once, for a while, for one of two who come at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest_asyncio
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log, user_links, users
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.mail_server import Letterbox, link_in, open_letterbox
from tests.web.users.test_reach import add_passkey, admins_id
from web.app import make_app
from web.auth import Visitor, digest_of
from web.links.links import LinkKind, LinkRefusal, make_link, read_link, set_password_by_link
from web.mail import Mailer

NEW_PASSWORD = "staple battery horse"
HERE = Visitor(address="192.0.2.1")


@pytest_asyncio.fixture
async def letterbox() -> AsyncIterator[Letterbox]:
    async with open_letterbox() as box:
        yield box


@pytest_asyncio.fixture
async def visitor(
    engine: AsyncEngine, site: TestServer, letterbox: Letterbox, tmp_path: Path
) -> AsyncIterator[Client]:
    """Somebody at the door of a switch that sends mail."""
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=tmp_path / "market.json",
        prompts_dir=tmp_path,
        mail=letterbox.config,
        web_url=letterbox.config.web_url,
    )
    async with TestServer(app) as server, open_client(server) as client:
        yield client


async def link_for(engine: AsyncEngine, now: datetime, lifetime: timedelta = timedelta(hours=1)) -> str:
    """Return the token of a new link of the one admin."""
    async with engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        path = await make_link(
            connection,
            kind=LinkKind.RESET,
            user_id=user_id,
            created_by=None,
            now=now,
            lifetime=lifetime,
            closes_older=False,
        )
    return path.removeprefix("/link/")


async def ask(client: Client, email: str, **headers: str) -> tuple[int, str]:
    async with client.post("/forgotten", data={"email": email}, headers=headers) as answer:
        return answer.status, (await answer.text()).replace(email, "")


async def test_who_forgot_the_password_gets_a_link_by_mail_and_sets_a_new_one(
    visitor: Client, letterbox: Letterbox
) -> None:
    assert (await ask(visitor, "  Ada@Example.com "))[0] == 200
    mail = (await letterbox.wait_for(1))[0]
    assert (mail["To"], mail["From"]) == (EMAIL, "Tollbridge <switch@switch.example>")
    path = link_in(mail)
    async with visitor.get(path) as page:
        assert page.status == 200 and EMAIL in await page.text()
    form = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    async with visitor.post(path, data=form, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?set")
    async with visitor.get("/sign-in?set") as page:
        assert "Your password is set" in await page.text()
    assert await sign_in(visitor) == 403
    assert await sign_in(visitor, password=NEW_PASSWORD) == 303
    async with visitor.get(path) as page:
        assert page.status == 410


async def test_a_mailbox_does_not_stand_in_for_a_passkey(
    visitor: Client, letterbox: Letterbox, engine: AsyncEngine
) -> None:
    """Who has a passkey and no app is sent no link, and told the same on the page."""
    await add_passkey(engine, await admins_id(engine))
    status, page = await ask(visitor, EMAIL)
    assert status == 200 and page == (await ask(visitor, "nobody@example.com"))[1]
    (mail,) = await letterbox.wait_for(1)
    assert "passkey" in str(mail) and "/link/" not in str(mail)


async def test_everybody_gets_the_same_answer_and_only_the_known_a_mail(
    visitor: Client, letterbox: Letterbox
) -> None:
    unknown = await ask(visitor, "nobody@example.com")
    assert unknown == await ask(visitor, EMAIL)
    assert (await ask(visitor, "\x00 no address"))[0] == 200
    assert [mail["To"] for mail in await letterbox.wait_for(1)] == [EMAIL]


async def test_the_link_in_a_mail_never_follows_the_host_a_stranger_sent(
    visitor: Client, letterbox: Letterbox
) -> None:
    await ask(visitor, EMAIL, Host="evil.example", Origin="https://evil.example")
    assert "evil" not in (await letterbox.wait_for(1))[0].as_string()


async def test_one_person_gets_three_mails_a_quarter_of_an_hour_and_one_address_ten_answers(
    visitor: Client, letterbox: Letterbox, engine: AsyncEngine
) -> None:
    statuses = [(await ask(visitor, EMAIL))[0] for _ in range(5)]
    statuses += [(await ask(visitor, f"user{n}@example.com"))[0] for n in range(6)]
    assert statuses == [200] * 10 + [429]
    await letterbox.wait_for(3)
    async with engine.connect() as connection:
        made = (await connection.execute(select(user_links.c.token_digest))).all()
    assert len(made) == 3 == len(letterbox.mails)


async def test_without_a_mail_server_one_is_told_whom_to_ask(stranger: Client) -> None:
    async with stranger.get("/forgotten") as page:
        text = await page.text()
    assert "sends no mail" in text and "<form class" not in text
    async with stranger.post("/forgotten", data={"email": EMAIL}) as page:
        assert "sends no mail" in await page.text()


async def test_a_mail_server_that_is_away_is_said_not_raised(letterbox: Letterbox) -> None:
    config = letterbox.config
    box = Letterbox()
    box.port = 1
    assert await Mailer(config).send(to=EMAIL, subject="Hello", text="Hello.")
    assert not await Mailer(box.config).send(to=EMAIL, subject="Hello", text="Hello.")
    assert not await Mailer(config).send(to="a@b\nBcc: x@y", subject="Hello", text="Hello.")


async def test_the_pages_say_what_is_wrong_and_use_nothing_up(stranger: Client, engine: AsyncEngine) -> None:
    path = "/link/" + await link_for(engine, datetime.now(UTC))
    for form, words in (
        ({"password": "short", "again": "short"}, "has 10 to 1024 characters"),
        ({"password": NEW_PASSWORD, "again": "another"}, "not the same"),
        ({}, "has 10 to 1024 characters"),
    ):
        async with stranger.post(path, data=form) as page:
            assert page.status == 422 and words in await page.text()
    form = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    async with stranger.post(path, data=form, allow_redirects=False) as answer:
        assert answer.status == 303
    async with stranger.post(path, data=form) as page:
        assert page.status == 410 and "opens nothing more" in await page.text()


async def test_the_database_does_not_know_the_link(engine: AsyncEngine, site: TestServer) -> None:
    token = await link_for(engine, datetime.now(UTC))
    async with engine.connect() as connection:
        digest = (await connection.execute(select(user_links.c.token_digest))).scalar_one()
    assert digest == digest_of(token)


async def test_guessing_links_is_slowed(stranger: Client) -> None:
    form = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    statuses = []
    for n in range(31):
        async with stranger.post(f"/link/guess{n}", data=form) as page:
            statuses.append(page.status)
    assert statuses == [410] * 30 + [429]


async def test_of_two_at_once_one_sets_the_password(engine: AsyncEngine, site: TestServer) -> None:
    now = datetime.now(UTC)
    token = await link_for(engine, now)
    passwords = [f"{NEW_PASSWORD} {n}" for n in range(4)]
    results = await asyncio.gather(
        *(set_password_by_link(engine, token=token, password=p, visitor=HERE, now=now) for p in passwords)
    )
    won = [n for n, result in enumerate(results) if not isinstance(result, LinkRefusal)]
    assert len(won) == 1 and results.count(LinkRefusal.OVER) == 3
    async with open_client(site) as client:
        assert await sign_in(client, password=passwords[won[0]]) == 303


async def test_a_new_password_ends_sessions_and_closes_every_other_link(
    admin: Client, engine: AsyncEngine
) -> None:
    now = datetime.now(UTC)
    first, second = await link_for(engine, now), await link_for(engine, now)
    result = await set_password_by_link(engine, token=second, password=NEW_PASSWORD, visitor=HERE, now=now)
    assert not isinstance(result, LinkRefusal) and result.email == EMAIL
    assert await read_link(engine, first, now) is None
    async with admin.get("/calls", allow_redirects=False) as answer:
        assert answer.status == 303
    async with engine.connect() as connection:
        actions = (await connection.execute(select(audit_log.c.action))).scalars().all()
    assert actions[-1] == "reset_password"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.integers(-7200, 7200), lifetime_seconds=st.integers(1, 7200))
async def test_a_link_opens_before_its_end_and_never_after(
    engine: AsyncEngine, site: TestServer, seconds: int, lifetime_seconds: int
) -> None:
    made = datetime(2026, 11, 24, 12, tzinfo=UTC)
    token = await link_for(engine, made, timedelta(seconds=lifetime_seconds))
    link = await read_link(engine, token, made + timedelta(seconds=seconds))
    assert (link is not None) is (seconds < lifetime_seconds)
    assert await read_link(engine, token + "x", made) is None


def test_a_password_is_not_in_what_a_log_would_show(letterbox: Letterbox) -> None:
    from dataclasses import replace

    assert "hunter2" not in repr(replace(letterbox.config, password="hunter2"))
    assert re.search("127.0.0.1", repr(letterbox.config)) and PASSWORD
