"""An account of the house handed over to the directory by its owner alone, and taken back by an admin."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import passkeys, users, web_sessions
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.oidc.conftest import at_provider, come_back, is_inside, sign_in_there
from tests.web.oidc.idp import Idp
from tests.web.oidc.test_sign_in import noted
from web.auth import UserCreated, create_user
from web.users.queries import lock_admins

BEN = "ben@example.com"


@pytest_asyncio.fixture
async def ben(house: TestServer, engine: AsyncEngine) -> AsyncIterator[Client]:
    """A manager who signs in by password, and has a passkey."""
    made = await create_user(engine, BEN, PASSWORD, "manager")
    assert isinstance(made, UserCreated)
    async with engine.begin() as connection:
        key = {"credential_id": b"\x00\x00\x00", "public_key": b"\xa0", "sign_count": 0, "name": "Old key"}
        await connection.execute(insert(passkeys).values(user_id=made.user_id, **key))
    async with open_client(house) as client:
        assert await sign_in(client, BEN) == 303
        yield client


async def show_factor(engine: AsyncEngine) -> None:
    """Let everybody who is inside have shown their passkey just now."""
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(factor_at=func.now()))


async def begin(client: Client) -> tuple[int, str]:
    """Press the button on Your account; return the status, and where the page leads on to, or the page."""
    async with client.post("/account/directory") as page:
        text = await page.text()
        found = re.search(r'class="button" href="(http[^"]+)"', text)
        return page.status, unescape(found[1]) if found else text


async def test_the_owner_links_and_an_admin_unlinks(
    house: TestServer, ben: Client, idp: Idp, engine: AsyncEngine
) -> None:
    async with ben.get("/account") as page:
        assert "Link with House accounts" in await page.text()
    status, text = await begin(ben)
    assert status == 403 and "Confirm that it is you" in text, "a computer left alone hands nothing over"
    await show_factor(engine)
    status, onward = await begin(ben)
    assert status == 200 and "prompt=login" in onward, (
        "anyone who is known there shows who they are once more"
    )
    idp.claims = {"sub": "ben-7", "email": EMAIL, "email_verified": False}
    assert (await come_back(ben, await at_provider(ben, onward)))[:2] == (303, "/account?done=linked")
    async with ben.get("/account?done=linked") as page:
        text = await page.text()
    assert "Your account is linked" in text and "role analyst" in text and "Add a passkey" not in text
    async with engine.connect() as connection:
        person = (await connection.execute(select(users).where(users.c.email == BEN))).one()
        assert (await connection.execute(select(passkeys))).all() == []
    assert (person.directory_subject, person.password_hash, person.role) == ("ben-7", "", "analyst")
    (entry,) = await noted(engine, "link_directory")
    assert entry.actor == BEN and entry.after["subject"] == "ben-7" and entry.after["passkeys"] == 1
    async with open_client(house) as other:
        assert await sign_in(other, BEN) == 403, "the password opens nothing more"
        assert (await sign_in_there(other))[0] == 303
        async with other.get("/account") as page:
            assert BEN in await page.text()
        # An admin takes him back.
        async with open_client(house) as admin:
            assert await sign_in(admin) == 303
            async with admin.get(f"/users/{person.id}") as page:
                text = await page.text()
            assert "Unlink from the directory" in text and "invitation link" in text and ">active<" in text
            async with admin.post(f"/users/{person.id}/unlink") as page:
                assert "Unlinked" in await page.text()
            assert not await is_inside(other)
            async with admin.post(f"/users/{person.id}/unlink") as page:
                assert page.status == 409
            async with admin.post(f"/users/{person.id}/link") as page:
                assert "/link/" in await page.text()


async def test_the_last_admin_with_a_password_cannot_link(house: TestServer, engine: AsyncEngine) -> None:
    async with open_client(house) as admin:
        assert await sign_in(admin) == 303
        status, text = await begin(admin)
        assert status == 409 and "Make another one first" in text
        assert isinstance(await create_user(engine, "second@example.com", PASSWORD, "admin"), UserCreated)
        status, onward = await begin(admin)
        assert status == 200 and onward.startswith("http")


async def test_two_admins_who_link_at_once_are_not_both_gone(
    house: TestServer, idp: Idp, engine: AsyncEngine
) -> None:
    await create_user(engine, "second@example.com", PASSWORD, "admin")
    async with open_client(house) as one, open_client(house) as two:
        answers = []
        for number, (client, email) in enumerate(((one, EMAIL), (two, "second@example.com"))):
            assert await sign_in(client, email) == 303
            _, onward = await begin(client)
            answers.append(await at_provider(client, onward))
            idp.person["sub"] = f"admin-{number}"
        idp.person["sub"] = "admin-x"
        assert (await come_back(one, answers[0]))[0] == 303
        status, _, text = await come_back(two, answers[1])
        assert status == 409 and "last admin" in text
    async with engine.begin() as connection:
        assert len(await lock_admins(connection)) == 1


async def test_an_account_of_the_directory_is_linked_to_one_person(
    house: TestServer, ben: Client, idp: Idp, engine: AsyncEngine
) -> None:
    async with open_client(house) as ada:
        assert (await sign_in_there(ada))[0] == 303
        await show_factor(engine)
        _, onward = await begin(ben)
        status, _, text = await come_back(ben, await at_provider(ben, onward))
        assert status == 409 and "linked to somebody else" in text
        # Without a mapped group nothing is changed either.
        idp.claims = {"sub": "ben-7", "groups": []}
        _, onward = await begin(ben)
        status, _, text = await come_back(ben, await at_provider(ben, onward))
        assert status == 409 and "none of your groups" in text
        # Who has signed out meanwhile, or is somebody else by now, links nothing.
        idp.claims = {"sub": "ben-7"}
        _, onward = await begin(ben)
        back = await at_provider(ben, onward)
        assert await sign_in(ben, EMAIL) == 303
        status, _, text = await come_back(ben, back)
        assert status == 403 and "start again" in text
    async with engine.connect() as connection:
        subjects = await connection.execute(
            select(users.c.email).where(users.c.directory_subject.is_not(None))
        )
        assert list(subjects.scalars()) == ["ada.l@house.example"]
