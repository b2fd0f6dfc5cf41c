"""What the directory takes away ends here: by its next answer, or when its last word has run out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import directory_grants, users, web_sessions
from tests.web.conftest import DATA_SECRET, Client, open_client
from tests.web.oidc.conftest import SOMEBODY, is_inside, sign_in_there
from tests.web.oidc.idp import Idp
from tests.web.oidc.test_sign_in import noted
from web.auth import session_of
from web.directory_groups.groups import give_role
from web.keys import Role
from web.middleware import SESSION_COOKIE
from web.oidc.directory import DIRECTORY, Directory
from web.oidc.renewal import renew_due
from web.second_factor.vault import Vault
from web.session_rules import SessionRules
from web.users.people import Belonging


@pytest_asyncio.fixture
async def ada(house: TestServer, idp: Idp) -> AsyncIterator[Client]:
    """Somebody who is signed in by a directory that can be asked again."""
    idp.gives_refresh_tokens = True
    async with open_client(house) as client:
        assert (await sign_in_there(client))[0] == 303
        yield client


def directory(house: TestServer) -> Directory:
    found = house.app[DIRECTORY]
    assert found is not None
    return found


async def asked_again(house: TestServer, engine: AsyncEngine, minutes: int) -> int:
    """Ask about whom it is time to, so many minutes from now."""
    found = directory(house)
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    return await renew_due(engine, found.vault, found.provider, now)


async def is_inside_in(client: Client, house: TestServer, engine: AsyncEngine, minutes: int) -> bool:
    token = client.session.cookie_jar.filter_cookies(house.make_url("/"))[SESSION_COOKIE].value
    return (
        await session_of(engine, token, datetime.now(UTC) + timedelta(minutes=minutes), rules=SessionRules())
        is not None
    )


async def test_without_another_word_a_session_ends_within_the_hour(
    house: TestServer, browser: Client, engine: AsyncEngine
) -> None:
    assert (await sign_in_there(browser))[0] == 303
    assert await is_inside_in(browser, house, engine, 59)
    assert not await is_inside_in(browser, house, engine, 60)
    assert await asked_again(house, engine, 59) == 0, "it gave nothing to ask again by"


async def test_who_is_still_there_stays_and_is_not_asked_about_in_a_hurry(
    house: TestServer, ada: Client, engine: AsyncEngine, idp: Idp
) -> None:
    assert await asked_again(house, engine, 29) == 0
    assert await asked_again(house, engine, 31) == 1
    assert await asked_again(house, engine, 32) == 0
    assert await is_inside_in(ada, house, engine, 90) and not await is_inside_in(ada, house, engine, 92)
    assert idp.asked.count("/token") == 2


@pytest.mark.parametrize("minutes", [31, 59])
async def test_whom_the_directory_no_longer_knows_is_out_at_once(
    house: TestServer, ada: Client, engine: AsyncEngine, idp: Idp, minutes: int
) -> None:
    idp.refresh.clear()
    assert await asked_again(house, engine, minutes) == 1
    assert not await is_inside(ada)
    assert (await noted(engine, "end_sessions"))[-1].after["why"] == "the directory vouches no more"


async def test_another_group_is_another_role_and_none_is_the_door(
    house: TestServer, ada: Client, engine: AsyncEngine, idp: Idp
) -> None:
    await give_role(engine, SOMEBODY, "chiefs", Belonging(role=Role.MANAGER))
    idp.claims = {"groups": ["chiefs"]}
    assert await asked_again(house, engine, 31) == 1 and not await is_inside(ada)
    assert (await noted(engine, "change"))[-1].after["role"] == "manager"
    assert (await sign_in_there(ada))[0] == 303
    idp.claims = {"groups": None}
    assert await asked_again(house, engine, 70) == 1 and not await is_inside(ada)
    async with engine.connect() as connection:
        assert (await connection.execute(select(directory_grants))).all() == []


async def test_a_directory_that_is_away_or_lies_ends_nobody_before_the_time(
    house: TestServer, ada: Client, engine: AsyncEngine, idp: Idp
) -> None:
    for minutes, lie in ((31, {"sub": "eve"}), (33, {"aud": "another"}), (35, {"exp": 1})):
        idp.claims = lie
        assert await asked_again(house, engine, minutes) == 1
    assert len(idp.refresh) == 1, "each of its tokens was good once, and the next was kept"
    await idp.server.close()
    assert await asked_again(house, engine, 37) == 1
    assert await is_inside(ada) and not await is_inside_in(ada, house, engine, 61)


async def test_who_has_signed_in_meanwhile_is_not_put_out_by_the_end_of_the_old_token(
    house: TestServer, ada: Client, engine: AsyncEngine, idp: Idp
) -> None:
    idp.refresh.clear()
    found = directory(house)
    renew = found.provider.renew

    async def sign_in_first(*arguments: object) -> object:
        assert (await sign_in_there(ada))[0] == 303
        return await renew(*arguments)  # type: ignore[arg-type]

    found.provider.renew = sign_in_first  # type: ignore[method-assign, assignment]
    assert await asked_again(house, engine, 31) == 1
    assert await is_inside(ada)


async def test_a_grant_under_another_secret_or_of_another_person_asks_nothing(
    house: TestServer, ada: Client, engine: AsyncEngine, idp: Idp
) -> None:
    async with engine.begin() as connection:
        sealed = (await connection.execute(select(directory_grants))).one()
        other = Vault(f"directory {DATA_SECRET}").seal(sealed.user_id + 1, "refresh-x")
        await connection.execute(update(directory_grants).values(refresh_token=other))
    assert await asked_again(house, engine, 31) == 1
    assert idp.asked.count("/token") == 1 and await is_inside(ada)
    # And what second factors are sealed with opens none of it.
    assert Vault(DATA_SECRET).open(sealed.user_id, sealed.refresh_token) is None


async def test_signing_out_leads_to_the_directorys_own_door(ada: Client, idp: Idp, house: TestServer) -> None:
    async with ada.post("/sign-out", allow_redirects=False) as page:
        text = await page.text()
    assert page.status == 200 and f"{idp.issuer}/end?of=session&amp;client_id=tollbridge" in text
    assert "id_token_hint=" in text and "<form" not in text and not await is_inside(ada)


async def test_people_with_nothing_open_are_not_asked_about(
    house: TestServer, ada: Client, engine: AsyncEngine
) -> None:
    async with ada.post("/sign-out"):
        pass
    async with engine.connect() as connection:
        assert (await connection.execute(select(web_sessions))).all() == []
        assert (await connection.execute(select(users.c.directory_subject))).scalars().all().count(
            "ada-1"
        ) == 1
    assert await asked_again(house, engine, 31) == 0
