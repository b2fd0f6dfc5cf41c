"""Admins look after people: invite, change, bar; never the last admin away, and nobody else may."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from aiohttp.test_utils import TestServer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log, users
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.market import Market
from web.audit import Actor, Via
from web.auth import UserCreated, create_user
from web.keys import Role
from web.users import people
from web.users.people import Belonging, PersonRefusal

NEW_PASSWORD = "staple battery horse"
COMMAND = Actor(user=None, via=Via.COMMAND, name="test")


async def made(engine: AsyncEngine, email: str, role: str = "admin", **more: int) -> int:
    found = await create_user(engine, email, PASSWORD, role, **more)  # type: ignore[arg-type]
    assert isinstance(found, UserCreated)
    return found.user_id


async def own_id(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(users.c.id).where(users.c.email == EMAIL))).scalar_one())


def link_on(text: str) -> str:
    found = re.search(r'<code class="secret">http://[^/]+(/link/[^<]+)</code>', text)
    assert found, text
    return found[1]


async def test_an_admin_invites_a_buyer_s_person_who_comes_in(
    admin: Client, site: TestServer, engine: AsyncEngine, market: Market
) -> None:
    form = {"email": " Bea@Example.com ", "name": "Bea", "role": "buyer", "buyer": "buckeye lending"}
    async with admin.post("/users/new", data=form) as page:
        text = await page.text()
        assert page.status == 200 and "shown this once" in text and "Hand it to bea@example.com" in text
    async with open_client(site) as bea:
        assert await sign_in(bea, "bea@example.com", "") == 403
        form = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
        async with bea.post(link_on(text), data=form, allow_redirects=False) as answer:
            assert answer.status == 303
        assert await sign_in(bea, "bea@example.com", NEW_PASSWORD) == 303
        async with bea.get("/account") as page:
            assert page.status == 200 and "Bea" in await page.text()
        async with bea.get("/users") as page:
            assert page.status == 403
    async with engine.connect() as connection:
        bea_row = (await connection.execute(select(users).where(users.c.email == "bea@example.com"))).one()
        kinds = (
            (await connection.execute(select(audit_log.c.action).order_by(audit_log.c.id))).scalars().all()
        )
    assert (bea_row.buyer_id, bea_row.publisher_id) == (market.buyer_id, None)
    assert [kind for kind in kinds if kind != "sign_in"] == [
        "create",
        "invite",
        "sign_in_refused",
        "accept_invitation",
    ]


WRONG_FORMS = [
    ({"email": "no address", "role": "admin"}, "not an e-mail address"),
    ({"email": EMAIL, "role": "admin"}, "exists already"),
    ({"email": "a@b", "role": "buyer"}, "which buyer"),
    ({"email": "a@b", "role": "buyer", "buyer": "Nobody Bank"}, "which buyer"),
    ({"email": "a@b", "role": "publisher", "publisher": "\x00"}, "which publisher"),
    ({"email": "a@b", "role": "emperor"}, "a role is one of"),
    ({"email": "a@b", "role": "admin", "name": "x" * 101}, "at most 100"),
    ({}, "not an e-mail address"),
]


async def test_what_cannot_be_right_is_said_and_what_was_typed_is_kept(admin: Client, market: Market) -> None:
    for form, words in WRONG_FORMS:
        async with admin.post("/users/new", data={"role": "admin"} | form) as page:
            text = await page.text()
        assert page.status == 422 and words in text and 'aria-invalid="true"' in text, form
        if "@" in form.get("email", ""):
            assert f'value="{form["email"]}"' in text


async def test_an_admin_changes_bars_and_lets_in_again(
    admin: Client, site: TestServer, engine: AsyncEngine, market: Market
) -> None:
    user_id = await made(engine, "max@example.com", "analyst")
    async with open_client(site) as mo:
        assert await sign_in(mo, "max@example.com") == 303
        async with admin.get(f"/users/{user_id}") as page:
            etag = re.search(r'name="etag" value="([^"]+)"', (await page.text()).replace("&#34;", "'"))
        assert etag
        form = {
            "role": "publisher",
            "publisher": "Clickworks",
            "name": "Mo",
            "etag": etag[1].replace("'", '"'),
        }
        async with admin.post(f"/users/{user_id}", data=form) as page:
            assert page.status == 200 and "Saved." in await page.text()
        # The same form once more: somebody has changed it meanwhile.
        async with admin.post(f"/users/{user_id}", data=form | {"name": "Moritz"}) as page:
            text = await page.text()
            assert page.status == 409 and "meanwhile" in text and 'value="Moritz"' in text
        async with mo.get("/calls") as page:
            assert page.status == 403
        async with admin.post(f"/users/{user_id}/disable") as page:
            assert "Disabled" in await page.text()
        async with mo.get("/account", allow_redirects=False) as answer:
            assert answer.status == 303
        assert await sign_in(mo, "max@example.com") == 403
        async with admin.post(f"/users/{user_id}/link") as page:
            assert page.status == 409 and "disabled" in await page.text()
        async with admin.post(f"/users/{user_id}/enable") as page:
            assert "Enabled" in await page.text()
        assert await sign_in(mo, "max@example.com") == 303
        async with admin.post(f"/users/{user_id}/end-sessions") as page:
            assert "signed out everywhere" in await page.text()
        async with mo.get("/account", allow_redirects=False) as answer:
            assert answer.status == 303
        async with admin.post(f"/users/{user_id}/link") as page:
            path = link_on(await page.text())
        async with mo.get(path) as page:
            assert page.status == 200


async def test_the_last_admin_stays(admin: Client, engine: AsyncEngine) -> None:
    user_id = await own_id(engine)
    # Somebody who has not taken their invitation could not sign in.
    await people.invite(
        engine,
        COMMAND,
        email="soon@example.com",
        name="",
        belonging=Belonging(role=Role.ADMIN),
        now=datetime.now(UTC),
    )
    async with admin.post(f"/users/{user_id}/disable") as page:
        assert page.status == 409 and "last admin" in await page.text()
    refusal = await people.change_person(
        engine,
        COMMAND,
        user_id,
        name="",
        belonging=Belonging(role=Role.ANALYST),
        seen=None,
        now=datetime.now(UTC),
    )
    assert refusal is PersonRefusal.LAST_ADMIN
    await made(engine, "second@example.com")
    assert await people.disable(engine, COMMAND, user_id, datetime.now(UTC)) is None


async def test_of_two_who_take_one_another_away_one_stays(engine: AsyncEngine, site: TestServer) -> None:
    ids = [await own_id(engine), await made(engine, "second@example.com")]
    results = await asyncio.gather(*(people.disable(engine, COMMAND, one, datetime.now(UTC)) for one in ids))
    assert sorted(results, key=str) == [None, PersonRefusal.LAST_ADMIN]


async def test_the_list_is_filtered_and_goes_on(admin: Client, engine: AsyncEngine, market: Market) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            users.insert(),
            [{"email": f"u{n:03}@example.com", "password_hash": "", "role": "analyst"} for n in range(60)],
        )
    async with admin.get("/users?role=analyst") as page:
        text = await page.text()
    assert text.count('role="rowheader"') == 50
    following = re.search(r'href="(/users\?[^"]+)" rel="next"', text)
    assert following
    async with admin.get(following[1].replace("&amp;", "&")) as page:
        assert (await page.text()).count('role="rowheader"') == 10
    async with admin.get("/users?q=%25") as page:
        assert "Nobody matches" in await page.text()
    async with admin.get("/users?q=%00&role=x&after=%00") as page:
        assert page.status == 200


async def test_nobody_but_an_admin_looks_after_people(engine: AsyncEngine, site: TestServer) -> None:
    user_id = await own_id(engine)
    async with AsyncExitStack() as open_ones:
        for role in ("manager", "analyst", "buyer", "publisher"):
            await made(engine, f"{role}@example.com", role)
            client = await open_ones.enter_async_context(open_client(site))
            assert await sign_in(client, f"{role}@example.com") == 303
            for path in ("/users", "/users/new", f"/users/{user_id}"):
                async with client.get(path) as page:
                    assert page.status == 403
            for path in ("/users/new", f"/users/{user_id}/disable", f"/users/{user_id}/link"):
                async with client.post(path, data={"email": "x@y", "role": "admin"}) as page:
                    assert page.status == 403


async def test_a_stranger_is_led_to_the_door(stranger: Client, engine: AsyncEngine) -> None:
    async with stranger.get("/users", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/sign-in?next=/users"
    path = f"/users/{await own_id(engine)}/disable"
    async with stranger.post(path, allow_redirects=False) as answer:
        assert answer.status == 303
    assert await sign_in(stranger) == 303


async def test_somebody_who_is_not_there_is_not_found(admin: Client) -> None:
    for path in ("/users/999999", "/users/0", "/users/x", f"/users/{2**70}"):
        async with admin.get(path) as page:
            assert page.status == 404
    async with admin.post("/users/999999/disable") as page:
        assert page.status == 404
