"""Every route for every role: who is let in, who is not, and that nobody's request breaks anything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import users
from tests.web.conftest import PASSWORD, open_client, sign_in
from tests.web.market import Market, add_sold_call
from web.api.operation import Operation
from web.api.routes import PREFIX
from web.auth import UserCreated, create_user
from web.keys import Role
from web.middleware import only
from web.routes import UnguardedRoute, refuse_unguarded

# Doors and the machines of others: each has a key, a link or a lock of its own, and tests of its own.
PUBLIC = {
    "GET /health",
    "GET /sign-in",
    "POST /sign-in",
    "GET /sign-in/code",
    "POST /sign-in/code",
    "POST /sign-in/passkey/question",
    "POST /sign-in/passkey",
    "GET /forgotten",
    "POST /forgotten",
    "GET /link/{token}",
    "POST /link/{token}",
    "POST /time-zone",
    "GET /static",
    f"GET {PREFIX}/openapi.json",
    "POST /hooks/stripe",
    "GET /rtb/{key}",
    "POST /rtb/{key}",
    "PUT /rtb/{key}/{reservation}",
    "GET /postback/sale/{key}",
    "POST /postback/sale/{key}",
}
SAMPLES: Mapping[str, str] = {
    "call_id": "00000000-0000-4000-8000-000000000001",
    "file": "nothing.wav",
    "name": "nothing",
    "resource": "publishers",
    "format": "csv",
    "state": "OH",
    "key": "00",
}
STREAMS = ("/events", "/softphone/ws", "/stream")
"""Those that never end by themselves are opened by tests of their own."""


@pytest_asyncio.fixture
async def people(
    engine: AsyncEngine, site: TestServer, market: Market
) -> AsyncIterator[Mapping[Role | None, ClientSession]]:
    """One signed-in browser a role, and a stranger's under None."""
    await add_sold_call(engine, market)
    clients = {}
    for role in Role:
        made = await create_user(engine, f"{role}@example.com", PASSWORD, role)
        assert isinstance(made, UserCreated)
        belongs = {
            Role.BUYER: {"buyer_id": market.buyer_id},
            Role.PUBLISHER: {"publisher_id": market.publisher_id},
        }
        if role in belongs:
            async with engine.begin() as connection:
                await connection.execute(
                    update(users).where(users.c.id == made.user_id).values(belongs[role])
                )
        client = clients[role] = open_client(site)
        assert await sign_in(client, f"{role}@example.com") == 303
    yield {**{role: client.session for role, client in clients.items()}, None: open_client(site).session}
    for client in clients.values():
        await client.close()


def _routes(app: web.Application) -> list[tuple[str, str, frozenset[Role] | None]]:
    """Return (method, path, roles) of every route; roles None when it has no guard."""
    found = []
    for route in app.router.routes():
        if route.method in ("HEAD", "OPTIONS") or route.resource is None:
            continue
        roles = getattr(route.handler, "roles", None)
        found.append((route.method, route.resource.canonical, roles))
    return found


def _address(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: SAMPLES.get(found[1], "1"), path)


async def test_every_route_is_guarded_or_known_to_be_public(site: TestServer) -> None:
    open_ones = {f"{method} {path}" for method, path, roles in _routes(site.app) if roles is None}
    assert open_ones <= PUBLIC, "a new address without a guard"


def test_an_address_without_a_guard_keeps_the_web_from_starting() -> None:
    async def open_door(request: web.Request) -> web.Response:
        return web.Response(text="come in")

    app = web.Application()
    app.router.add_get("/backdoor", open_door)
    with pytest.raises(UnguardedRoute, match="GET /backdoor"):
        refuse_unguarded(app)


def test_whoever_forgets_the_roles_hears_of_it_at_start() -> None:
    with pytest.raises(ValueError, match="roles"):
        only()
    with pytest.raises(TypeError, match="roles"):
        Operation(method="GET", path="/x", name="x", summary="X", tag="x", handler=None)  # type: ignore[call-arg,arg-type]
    with pytest.raises(ValueError, match="roles"):
        Operation(
            method="GET",
            path="/x",
            name="x",
            summary="X",
            tag="x",
            handler=None,  # type: ignore[arg-type]
            roles=frozenset(),
        )


async def test_every_route_for_every_role(
    site: TestServer, people: Mapping[Role | None, ClientSession], engine: AsyncEngine
) -> None:
    wrong, tried = [], 0
    for method, path, roles in _routes(site.app):
        if roles is None or path.endswith(STREAMS):
            continue
        for role, session in people.items():
            allowed = role in roles
            if allowed and method != "GET":
                continue  # what somebody may do is done by the tests of the page
            tried += 1
            address = site.make_url(_address(path))
            async with session.request(method, address, allow_redirects=False) as answer:
                status, leads_to = answer.status, answer.headers.get("Location", "/sign-in")
            if role is None and not leads_to.startswith("/sign-in"):
                wrong.append(f"{method} {path} as a stranger leads to {leads_to}")
            if status >= 500 or _is_wrong(path, role, status, allowed=allowed):
                wrong.append(f"{method} {path} as {role or 'a stranger'}: {status}")
    assert not wrong, "\n".join(wrong)
    assert tried > 100


def _is_wrong(path: str, role: Role | None, status: int, *, allowed: bool) -> bool:
    if allowed:
        return status in (401, 403)
    if role is None:
        return status != (401 if path.startswith(PREFIX) else 303)
    return status != 403


async def test_folders_are_not_listed_and_trace_is_no_method(site: TestServer) -> None:
    async with open_client(site) as client:
        for folder in ("/static", "/static/", "/static/vendor/"):
            async with client.get(folder, allow_redirects=False) as answer:
                assert answer.status in (403, 404), folder
        for path in ("/", "/sign-in", "/static/mark.svg"):
            async with client.request("TRACE", path, headers={"X-Told": "back"}) as answer:
                assert answer.status in (403, 405), path
                assert "back" not in (await answer.text())
