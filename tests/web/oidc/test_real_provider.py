"""The whole way by a certified provider: sign in, asked again in the background, sign out of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import FORMAT
from store.tables import directory_grants, users
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client
from tests.web.oidc.conftest import SOMEBODY, come_back, config_of, is_inside, open_house
from tests.web.oidc.real_idp import PEOPLE, RealIdp, run_real_idp, show_who_one_is
from web.auth import create_user
from web.directory_groups.groups import give_role
from web.keys import Role
from web.oidc.config import CALLBACK, OidcConfig
from web.oidc.directory import DIRECTORY
from web.oidc.renewal import renew_due
from web.users.people import Belonging

SCOPES = "openid profile email groups offline_access"


@pytest_asyncio.fixture
async def real_house(
    engine: AsyncEngine, tmp_path: Path
) -> AsyncIterator[tuple[TestServer, RealIdp, OidcConfig]]:
    await create_user(engine, EMAIL, PASSWORD, "admin")
    assert isinstance(await give_role(engine, SOMEBODY, "sales", Belonging(role=Role.ANALYST)), int)
    config = replace(config_of(""), scopes=SCOPES, confirmed_for=timedelta(minutes=20))
    async with run_real_idp(tmp_path, config.web_url) as idp:
        config = replace(config, issuer=idp.issuer)
        server = await open_house(engine, config, tmp_path)
        yield server, idp, config
        await server.close()


async def enter(client: Client, config: OidcConfig, who: str) -> tuple[int, str, str]:
    async with client.get("/sign-in/directory?next=/calls", allow_redirects=False) as answer:
        away = answer.headers["Location"]
    # Without this, OpenID Connect gives no refresh token to a client of this kind.
    back = await show_who_one_is(
        client.session, f"{away}&prompt=consent", who, until=config.web_url + CALLBACK
    )
    return await come_back(client, back)


async def test_in_kept_in_put_out(
    real_house: tuple[TestServer, RealIdp, OidcConfig], engine: AsyncEngine
) -> None:
    house, idp, config = real_house
    directory = house.app[DIRECTORY]
    assert directory is not None
    async with open_client(house) as ada, open_client(house) as eve:
        assert (await enter(ada, config, "ada"))[:2] == (303, "/calls")
        status, _, text = await enter(eve, config, "eve")
        assert status == 403 and "none of your groups" in text
        async with engine.connect() as connection:
            made = (
                await connection.execute(select(users).where(users.c.email == "ada.l@house.example"))
            ).one()
            grant = (await connection.execute(select(directory_grants))).one()
        assert (made.directory_issuer, made.directory_subject, made.role) == (idp.issuer, "ada", "analyst")
        assert grant.refresh_token.startswith(FORMAT) and grant.id_token.startswith(FORMAT), "sealed"

        # Asked again: she is still there, and for as long again.
        later = datetime.now(UTC) + timedelta(minutes=15)
        assert await renew_due(engine, directory.vault, directory.provider, later) == 1
        async with engine.connect() as connection:
            until = await connection.scalar(
                select(users.c.directory_confirmed_until).where(users.c.id == made.id)
            )
        assert until == later + config.confirmed_for and await is_inside(ada)

        # Her group is taken away there: within twenty minutes she is outside here.
        idp.write(PEOPLE | {"ada": PEOPLE["ada"] | {"groups": ["visitors"]}})
        later += timedelta(minutes=15)
        assert await renew_due(engine, directory.vault, directory.provider, later) == 1
        assert not await is_inside(ada)
        idp.write(PEOPLE)

        # Signing out leads on to the provider's own sign-out, which knows the session and leads back.
        assert (await enter(ada, config, "ada"))[0] == 303
        async with ada.post("/sign-out") as page:
            text = await page.text()
        assert page.status == 200 and "signed out of Tollbridge" in text and not await is_inside(ada)
        onward = text.partition("0; url=")[2].partition('"')[0].replace("&amp;", "&")
        asked = parse_qs(urlsplit(onward).query)
        assert (
            onward.startswith(idp.issuer) and asked["client_id"] == ["tollbridge"] and asked["id_token_hint"]
        )
        back = await show_who_one_is(ada.session, onward, "ada", until=config.web_url)
        assert back == f"{config.web_url}/sign-in"
