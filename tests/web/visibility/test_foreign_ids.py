"""Every address with an id in it, asked with the real id of a second tenant's thing: nobody reads or moves it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import users
from tests.web.buyer.conftest import (
    CALLERS,
    OTHER,
    House,
    buyer,
    house,
    other,
    payments,
    publisher,
    site,
    till,
)
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.visibility.second_tenant import (
    all_rows,
    ids_of_house,
    ids_of_money,
    ids_of_person,
    ids_of_work,
    path_parts,
    record,
    second_publisher,
)
from web.api.routes import PREFIX
from web.auth import UserCreated, create_user
from web.keys import HOUSE, Role, User
from web.second_factor.vault import VAULT

__all__ = ["buyer", "house", "other", "payments", "publisher", "site", "till"]

Ids = Mapping[tuple[str, str], object]

KEYS_THEMSELVES = ("/rtb/{key}", "/postback/sale/{key}", "/link/{token}", "/sounds/{link}")
"""The parameter is the secret that opens it: tests of rtb, sale_keys, links and sound_links try foreign ones."""
STREAMS = ("/events", "/stream")
PERSONAL = ("/account/", "/calls/views/", "/reports/views/")
"""Of one person each, whatever the role."""
BOOKKEEPING = frozenset({"web_sessions", "market_snapshots", "market_parts"})
"""Tables that a refused request may touch: when a session was last seen, how often somebody asked."""
BODIES: Mapping[str, Mapping[str, object]] = {
    "POST /own/calls/{id}/disputes": {"reason": "spam"},
    "PUT /own/prices/{campaign_id}": {"price_micros": 7_000_000},
    "PATCH /own/targets/{id}": {"concurrency_cap": 1},
    "POST /buyer/calls/{call_id}/dispute": {"reason": "spam", "note": "noise"},
    "POST /buyer/prices/{campaign_id}": {"price": "7"},
    "POST /account/passkeys/{id}/name": {"name": "Mine"},
    "POST /account/second-factor/{token}": {"code": "123456"},
}
"""What makes a request a right one but for whose the thing is."""
QUERIES: Mapping[str, str] = {
    "GET /flows/{name}/export": "?version=1",
    "GET /flows/{name}/differences": "?before=1&after=1",
}
LEADS_BACK = "/account/second-factor/{token}"
"""Not one's own setting-up: the page leads back to one's own account."""
SECRETS_OF_SECOND = (CALLERS[2], CALLERS[2][2:], "5550133", "Lakeside", "Adworks", "INV-2026-000077")


@dataclass(frozen=True, kw_only=True)
class Route:
    method: str
    path: str
    roles: frozenset[Role]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path.removeprefix(PREFIX)}"

    @property
    def is_personal(self) -> bool:
        return self.path.removeprefix(PREFIX).startswith(PERSONAL)

    def address(self, ids: Ids) -> str:
        """Return the address with these ids. Raises KeyError for a parameter that has none."""
        values = iter([str(ids[part]) for part in path_parts(self.path)])
        return re.sub(r"\{\w+\}", lambda _: next(values), self.path)


@dataclass(frozen=True, kw_only=True)
class Second:
    """Who asks for what: a session for each role, the ids of the second tenant, and its own people's sessions."""

    askers: Mapping[Role, ClientSession]
    owners: Mapping[Role, ClientSession]
    ids: Mapping[Role, Ids]


def routes_with_ids(app: web.Application) -> list[Route]:
    found = []
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if route.method in ("HEAD", "OPTIONS") or "{" not in path or path.startswith(KEYS_THEMSELVES):
            continue
        roles = getattr(route.handler, "roles", None)
        assert roles is not None, f"{route.method} {path} has an id and no guard"
        found.append(Route(method=route.method, path=path, roles=frozenset(roles)))
    return found


@pytest_asyncio.fixture
async def second(
    engine: AsyncEngine,
    site: TestServer,
    admin: Client,
    buyer: Client,
    publisher: Client,
    other: Client,
    house: House,
    tmp_path: Path,
) -> AsyncIterator[Second]:
    people = {Role.ADMIN: admin, Role.BUYER: buyer, Role.PUBLISHER: publisher}
    for role in (Role.MANAGER, Role.ANALYST):
        people[role] = await _person(engine, site, role)
    their_publisher = await second_publisher(engine, house)
    ada = await _person(engine, site, Role.PUBLISHER, publisher_id=their_publisher)
    async with engine.connect() as connection:
        olga = await connection.scalar(select(users.c.id).where(users.c.email == OTHER))
    assert olga is not None
    await record(engine, house.others, tmp_path)
    ids: dict[tuple[str, str], object] = await ids_of_house(admin, house)
    ids |= await ids_of_money(engine, house, their_publisher)
    ids |= await ids_of_work(engine, house, olga)
    ids |= await ids_of_person(engine, User(user_id=olga, email=OTHER, role=Role.BUYER), site.app[VAULT])
    of_publisher = {**ids, ("documents", "id"): ids["statements", "invoice_id"]}
    yield Second(
        askers={role: client.session for role, client in people.items()},
        owners={Role.BUYER: other.session, Role.PUBLISHER: ada.session},
        ids={role: of_publisher if role is Role.PUBLISHER else ids for role in Role},
    )
    for client in (ada, people[Role.MANAGER], people[Role.ANALYST]):
        await client.close()


async def _person(engine: AsyncEngine, site: TestServer, role: Role, **whose: int) -> Client:
    email = f"second-{role}@example.com"
    made = await create_user(engine, email, PASSWORD, role)
    assert isinstance(made, UserCreated)
    if whose:
        async with engine.begin() as connection:
            await connection.execute(update(users).where(users.c.id == made.user_id).values(**whose))
    client = open_client(site)
    await client.start_server()
    assert await sign_in(client, email) == 303
    return client


async def test_every_address_with_an_id_is_in_the_matrix(site: TestServer, second: Second) -> None:
    missing = [
        f"{route.name}: no real id for {part}"
        for route in routes_with_ids(site.app)
        for part in path_parts(route.path)
        if part not in second.ids[Role.ADMIN]
    ]
    assert not missing, "\n".join(missing)


async def test_the_ids_are_real_their_owners_and_the_house_read_them(
    site: TestServer, second: Second
) -> None:
    wrong = []
    for route in routes_with_ids(site.app):
        if route.method != "GET" or route.path.endswith(STREAMS) or "{file}" in route.path:
            continue
        people = dict(second.owners) if not route.roles & HOUSE or route.is_personal else {}
        if Role.ADMIN in route.roles and not route.is_personal:
            people[Role.ADMIN] = second.askers[Role.ADMIN]
        if route.is_personal:
            people = {Role.BUYER: second.owners[Role.BUYER]}
        for role, session in people.items():
            if role in route.roles:
                status, _ = await _ask(site, session, route, second.ids[role])
                # A recording is played by a link of some minutes, to which its address leads.
                if status != (
                    302 if route.path.endswith("/recordings/{part}") and PREFIX not in route.path else 200
                ):
                    wrong.append(f"{route.name} as its owner or the house ({role}): {status}")
    assert not wrong, "\n".join(wrong)


async def test_a_second_tenants_ids_open_nothing_and_change_nothing(
    site: TestServer, second: Second, engine: AsyncEngine
) -> None:
    before = await all_rows(engine, BOOKKEEPING)
    wrong, tried = [], 0
    for route in routes_with_ids(site.app):
        for role, session in second.askers.items():
            if role in route.roles and role in HOUSE and not route.is_personal:
                continue  # the house may: tests of the page say what
            expected = 403 if role not in route.roles else 303 if route.path == LEADS_BACK else 404
            status, said = await _ask(site, session, route, second.ids[role])
            tried += 1
            if status != expected:
                wrong.append(f"{route.name} as {role}: {status}, not {expected}")
            if shown := [one for one in SECRETS_OF_SECOND if one in said]:
                wrong.append(f"{route.name} as {role} shows {shown}")
    assert not wrong, "\n".join(wrong)
    assert tried > 500
    after = await all_rows(engine, BOOKKEEPING)
    assert {name for name, rows in before.items() if rows != after[name]} == set()


async def _ask(site: TestServer, session: ClientSession, route: Route, ids: Ids) -> tuple[int, str]:
    """Return status, and headers and body as one text."""
    body = BODIES.get(route.name)
    is_api = route.path.startswith(PREFIX)
    sent = {"json" if is_api else "data": body or {}} if route.method not in ("GET", "DELETE") else {}
    address = site.make_url(route.address(ids) + QUERIES.get(route.name, ""))
    headers = {"If-Match": '"any"'} if route.method in ("PUT", "PATCH") else {}
    async with session.request(
        route.method, address, headers=headers, allow_redirects=False, **sent
    ) as answer:
        said = (await answer.read()).decode(errors="replace")
        return answer.status, f"{dict(answer.headers)}\n{said}"
