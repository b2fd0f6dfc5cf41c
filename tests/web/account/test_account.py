"""Everybody's own account: name, password, sessions; nobody's else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log, web_sessions
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from web.account.sessions import browser_of
from web.auth import create_user

NEW_PASSWORD = "staple battery horse"


async def test_one_gives_oneself_a_name(admin: Client, engine: AsyncEngine) -> None:
    async with admin.post("/account/name", data={"name": " Ada <b>Lovelace</b> "}) as page:
        text = await page.text()
    assert "Saved." in text and "Ada &lt;b&gt;Lovelace&lt;/b&gt;" in text
    for name in ("x" * 101, "\x00", "two\nlines"):
        async with admin.post("/account/name", data={"name": name}) as page:
            assert page.status == 422 and "at most 100" in await page.text()
    async with engine.connect() as connection:
        notes = await connection.execute(
            select(audit_log.c.before, audit_log.c.after).where(audit_log.c.action == "change")
        )
        assert notes.all() == [({"name": ""}, {"name": "Ada <b>Lovelace</b>"})]


async def test_a_new_password_ends_all_other_sessions(admin: Client, site: TestServer) -> None:
    form = {"old": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    async with open_client(site) as elsewhere:
        assert await sign_in(elsewhere) == 303
        for wrong, words in (
            ({"old": "wrong"}, "not your password"),
            ({"new": "short", "again": "short"}, "10 to 1024"),
            ({"again": "x"}, "not the same"),
        ):
            async with admin.post("/account/password", data=form | wrong) as page:
                assert page.status == 422 and words in await page.text()
        async with admin.post("/account/password", data=form) as page:
            assert page.status == 200 and "All else has ended" in await page.text()
        async with elsewhere.get("/account", allow_redirects=False) as answer:
            assert answer.status == 303
        assert await sign_in(elsewhere) == 403
        assert await sign_in(elsewhere, password=NEW_PASSWORD) == 303


async def test_wrong_passwords_inside_lock_out_as_at_the_door(admin: Client) -> None:
    form = {"old": "wrong", "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    statuses = []
    for _ in range(6):
        async with admin.post("/account/password", data=form) as page:
            statuses.append(page.status)
    assert statuses == [422] * 5 + [429]
    form = {"next": "/account", "confirm_password": PASSWORD}
    for path in ("/confirm", "/account/second-factor"):
        async with admin.post(path, data=form) as page:
            assert page.status == 429 and "Too many wrong passwords" in await page.text()


async def test_sessions_are_listed_and_ended_one_by_one_or_all(
    admin: Client, site: TestServer, engine: AsyncEngine
) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    async with open_client(site) as second, open_client(site) as third:
        for client in (second, third):
            form = {"email": EMAIL, "password": PASSWORD}
            async with client.post(
                "/sign-in", data=form, headers={"User-Agent": agent}, allow_redirects=False
            ) as answer:
                assert answer.status == 303
        async with admin.get("/account") as page:
            text = await page.text()
        assert text.count("Firefox on Linux") >= 2 and "127.0.0.1" in text and "this one" in text
        ids = re.findall(r"/account/sessions/([0-9a-f-]{36})/end", text)
        assert len(ids) == 2
        async with admin.post(f"/account/sessions/{ids[0]}/end") as page:
            assert "That session has ended" in await page.text()
        statuses = []
        for client in (second, third):
            async with client.get("/account", allow_redirects=False) as answer:
                statuses.append(answer.status)
        assert sorted(statuses) == [200, 303]
        async with admin.post("/account/sessions/end-others") as page:
            assert (await page.text()).count("this one") == 1
        for client in (second, third):
            async with client.get("/account", allow_redirects=False) as answer:
                assert answer.status == 303


async def test_nobody_ends_a_session_of_somebody_else(
    admin: Client, site: TestServer, engine: AsyncEngine
) -> None:
    await create_user(engine, "eve@example.com", PASSWORD, "buyer")
    async with engine.connect() as connection:
        session_id = (await connection.execute(select(web_sessions.c.id))).scalar_one()
    async with open_client(site) as eve:
        assert await sign_in(eve, "eve@example.com") == 303
        for one in (session_id, "x", "00000000-0000-0000-0000-000000000000"):
            async with eve.post(f"/account/sessions/{one}/end") as page:
                assert page.status == 404
        async with admin.get("/account") as page:
            assert page.status == 200


async def test_last_seen_is_kept_to_the_minute(admin: Client, engine: AsyncEngine) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(last_seen_at=long_ago, address=""))
    async with admin.get("/account") as page:
        assert page.status == 200
    async with engine.connect() as connection:
        row = (await connection.execute(select(web_sessions))).one()
    assert row.last_seen_at > long_ago and row.address == "127.0.0.1"


@pytest.mark.parametrize("path", ["/sign-out", "/account/sign-out-everywhere"])
async def test_who_leaves_takes_everything_along(admin: Client, path: str) -> None:
    """The browser is told to clear what it has kept of us: drafts of flows, pages."""
    async with admin.post(path, allow_redirects=False) as answer:
        assert answer.status == 303 and answer.headers["Location"] == "/sign-in"
        assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
        assert "tollbridge_session" in answer.cookies and not answer.cookies["tollbridge_session"].value


async def test_a_stranger_has_no_account(stranger: Client) -> None:
    async with stranger.get("/account", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/sign-in?next=/account"
    for path in (
        "/account/password",
        "/account/name",
        "/account/sessions/end-others",
        "/account/second-factor",
    ):
        async with stranger.post(path, allow_redirects=False) as answer:
            assert answer.status == 303


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Edg/130.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.10", "curl"),
        ("python-requests/2.32 on Linux", "python-requests on Linux"),
        ("", "An unknown browser"),
        ("<script>", "An unknown browser"),
    ],
)
def test_browsers_are_named_as_people_do(user_agent: str, words: str) -> None:
    assert browser_of(user_agent) == words
