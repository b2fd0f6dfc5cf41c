"""The pages of a house that has a directory, and one admin who signs in without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest_asyncio
from aiohttp.test_utils import TestServer, unused_port
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import DATA_SECRET, EMAIL, PASSWORD, Client, open_client
from tests.web.oidc.idp import CLIENT_ID, CLIENT_SECRET, Idp
from web.app import make_app
from web.audit import Actor, Via
from web.auth import UserCreated, create_user
from web.directory_groups.groups import give_role
from web.keys import Role
from web.oidc.config import OidcConfig
from web.users.people import Belonging

SOMEBODY = Actor(user=None, via=Via.COMMAND, name="test")


@pytest_asyncio.fixture
async def idp() -> AsyncIterator[Idp]:
    provider = Idp()
    await provider.start()
    yield provider
    await provider.server.close()


@pytest_asyncio.fixture
async def config(idp: Idp) -> OidcConfig:
    return config_of(idp.issuer)


def config_of(issuer: str, port: int = 0) -> OidcConfig:
    return OidcConfig(
        issuer=issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        web_url=f"http://127.0.0.1:{port or unused_port()}",
        name="House accounts",
        networks=(ip_network("127.0.0.1/32"),),
    )


@pytest_asyncio.fixture
async def house(engine: AsyncEngine, config: OidcConfig, tmp_path: Path) -> AsyncIterator[TestServer]:
    """The pages with a directory. The group "sales" are analysts."""
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    assert isinstance(await give_role(engine, SOMEBODY, "sales", Belonging(role=Role.ANALYST)), int)
    server = await open_house(engine, config, tmp_path)
    yield server
    await server.close()


async def open_house(engine: AsyncEngine, config: OidcConfig, folder: Path) -> TestServer:
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=folder / "market.json",
        prompts_dir=folder / "prompts",
        data_secret=DATA_SECRET,
        web_url=config.web_url,
        oidc=config,
    )
    server = TestServer(app, port=int(config.web_url.rpartition(":")[2]))
    await server.start_server()
    return server


async def reopened(
    house: TestServer, engine: AsyncEngine, folder: Path, config: OidcConfig, **changed: object
) -> TestServer:
    """Return the pages started again with other settings."""
    await house.close()
    return await open_house(engine, replace(config, **changed), folder)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def browser(house: TestServer) -> AsyncIterator[Client]:
    async with open_client(house) as client:
        yield client


async def to_provider(client: Client, path: str = "/sign-in/directory") -> str:
    """Press the button, show the provider who one is, and return the address it leads back to."""
    async with client.get(path, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        location = answer.headers["Location"]
    return await at_provider(client, location)


async def at_provider(client: Client, location: str) -> str:
    async with client.session.get(location, allow_redirects=False) as answer:
        assert answer.status == 302
        return answer.headers["Location"]


async def come_back(client: Client, address: str) -> tuple[int, str, str]:
    """Bring the provider's answer; return the status, where it leads, and the page."""
    async with client.session.get(address, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def sign_in_there(client: Client, path: str = "/sign-in/directory") -> tuple[int, str, str]:
    return await come_back(client, await to_provider(client, path))


async def is_inside(client: Client) -> bool:
    async with client.get("/account", allow_redirects=False) as answer:
        return answer.status == 200
