"""A market of two tenants on a running node, with a value to look for wherever a secret or a number can be.

What people enter goes in by the API and the pages, as they would enter it: whatever the house does with it is done.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pyotp
from aiohttp import ClientSession, CookieJar
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows.library import load
from store import tables
from store.call_id import call_id_of
from tests.billing.test_settle_call import a_call, settled
from tests.market import LONG_AGO, PAYOUT, Market, make_market
from tests.tollbridge.leaks.canaries import Canaries
from tests.web.market import add
from web.api.routes import PREFIX
from web.auth import UserCreated, create_user
from web.keys import Role

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
OWN_CALLER, FOREIGN_CALLER = "+16145557713", "+16145557726"
CALLING = "+16145557747"
FOREIGN_NUMBER = "+18005557739"
PLANTERS = ("admin", "buyer", "publisher", "analyst", "keeper")
ENDPOINTS: Mapping[str, Mapping[str, Any]] = {
    "tollbridge": {},
    "ringba": {},
    "retreaver": {},
    "leadspedia_like": {"campaign_id": "551"},
    "template": {"bid": {"amount": "cpc"}},
}


@dataclass(frozen=True, kw_only=True)
class Person:
    email: str
    password: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class Planted:
    """The people who look, and what was planted."""

    people: Mapping[str, Person]
    canaries: Canaries
    own_call: UUID
    foreign_call: UUID


async def plant_market(engine: AsyncEngine, canaries: Canaries) -> Planted:
    """Write market, calls and people straight into the database: before the node starts."""
    market = await make_market(engine)
    second_publisher = await _second_publisher(engine, canaries, market)
    await _name_tenants(engine, canaries, market)
    async with engine.begin() as connection:
        flow = {"version": 1, "definition": load("mortgage"), "published_at": dt.datetime.now(dt.UTC)}
        await connection.execute(insert(tables.flows).values(name="mortgage", **flow))
    people = {}
    for name, role, whose in (
        ("admin", Role.ADMIN, {}),
        ("manager", Role.MANAGER, {}),
        ("analyst", Role.ANALYST, {}),
        ("buyer", Role.BUYER, {"buyer_id": market.buyers[0]}),
        ("publisher", Role.PUBLISHER, {"publisher_id": market.publisher}),
        ("keeper", Role.ANALYST, {}),
        ("other-buyer", Role.BUYER, {"buyer_id": market.buyers[1]}),
        ("other-publisher", Role.PUBLISHER, {"publisher_id": second_publisher}),
    ):
        people[name] = await _person(engine, canaries, name, role, whose)
    own = await _sold(engine, market, serial=1, caller=OWN_CALLER)
    foreign = await _sold(engine, market, serial=2, caller=FOREIGN_CALLER, foreign=True)
    canaries.learn("tenant", str(foreign))
    for number in (OWN_CALLER, FOREIGN_CALLER, CALLING):
        for spelled in _spellings(number):
            canaries.learn("number", spelled)
    for spelled in _spellings(FOREIGN_CALLER):
        canaries.learn("tenant", spelled)
    return Planted(people=people, canaries=canaries, own_call=own, foreign_call=foreign)


def _spellings(number: str) -> tuple[str, ...]:
    area, office, line = number[2:5], number[5:8], number[8:]
    return f"{area}{office}{line}", f"{area}-{office}-{line}", f"({area}) {office}-{line}"


async def _second_publisher(engine: AsyncEngine, canaries: Canaries, market: Market) -> int:
    async with engine.begin() as connection:
        publisher = await add(connection, tables.publishers, name=canaries.new("tenant", length=16))
        terms = {"goes_live_at": LONG_AGO, "payout_micros": PAYOUT, "campaign_id": market.campaign}
        await connection.execute(insert(tables.publisher_terms).values(publisher_id=publisher, **terms))
        await add(
            connection,
            tables.tracking_numbers,
            e164=FOREIGN_NUMBER,
            campaign_id=market.campaign,
            publisher_id=publisher,
        )
    for spelled in _spellings(FOREIGN_NUMBER):
        canaries.learn("tenant", spelled)
    return publisher


async def _name_tenants(engine: AsyncEngine, canaries: Canaries, market: Market) -> None:
    desk = canaries.new("tenant", length=16)
    host = f"{canaries.new('tenant', length=16).lower()}.example.com"
    canaries.learn("tenant", host)
    async with engine.begin() as connection:
        for table, row, values in (
            (tables.buyers, market.buyers[1], {"name": canaries.new("tenant", length=16)}),
            (tables.targets, market.targets[1], {"name": desk, "sip_uri": f"sip:desk@{host}"}),
            (tables.buyers, market.buyers[0], {"name": "Buckeye Lending"}),
        ):
            await connection.execute(update(table).where(table.c.id == row).values(**values))


async def _person(
    engine: AsyncEngine, canaries: Canaries, name: str, role: Role, whose: Mapping[str, int]
) -> Person:
    email = f"{name}@example.com"
    if name.startswith("other-"):
        canaries.learn("tenant", email)
    password = canaries.new("password")
    made = await create_user(engine, email, password, role)
    assert isinstance(made, UserCreated)
    if whose:
        async with engine.begin() as connection:
            await connection.execute(
                update(tables.users).where(tables.users.c.id == made.user_id).values(**whose)
            )
    return Person(email=email, password=password, role=role)


async def _sold(
    engine: AsyncEngine, market: Market, *, serial: int, caller: str, foreign: bool = False
) -> UUID:
    start = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    record = a_call(market, serial=serial, start_ms=int(start.timestamp()) * 1000)
    target_id = market.targets[1] if foreign else market.targets[0]
    record = replace(record, caller=caller, legs=(replace(record.legs[0], target_id=target_id),))
    await settled(engine, replace(record, dialled=FOREIGN_NUMBER) if foreign else record)
    return call_id_of(record.linkedid)


class House:
    """Somebody signed in at the node's web, who enters things and remembers what the house tells once."""

    def __init__(self, session: ClientSession, web: str, canaries: Canaries) -> None:
        self._session, self._web, self._canaries = session, web, canaries

    async def close(self) -> None:
        await self._session.close()

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Any:
        async with self._session.post(f"{self._web}{PREFIX}{path}", json=body, headers=headers) as answer:
            said = await answer.json()
            assert answer.status in (200, 201), (path, said)
        return said

    async def page(self, path: str, **form: str) -> str:
        """Post a form; return the page it leads to."""
        async with self._session.post(f"{self._web}{path}", data=form) as answer:
            return await answer.text()

    async def told_once(self, kind: str, path: str, body: Mapping[str, Any], field: str) -> str:
        """Have something secret made twice, the second time as a program does that may repeat itself."""
        for headers in ({}, {"Idempotency-Key": f"{path}-again"}):
            said = await self.post(path, {**body, **_named(body, again=bool(headers))}, **headers)
            value = str(said[field]).rsplit("/", 1)[-1]
            self._canaries.learn(kind, value)
        return value


def _named(body: Mapping[str, Any], *, again: bool) -> dict[str, Any]:
    if "email" in body and again:
        return {"email": f"again-{body['email']}"}
    return {}


async def signed_in(web: str, person: Person, canaries: Canaries) -> House:
    """Sign in without a browser; the session's own token is a value to look for too."""
    session = ClientSession(cookie_jar=CookieJar(unsafe=True), headers=SAME_ORIGIN)
    form = {"email": person.email, "password": person.password}
    async with session.post(f"{web}/sign-in", data=form, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
    for cookie in session.cookie_jar:
        if "session" in cookie.key:
            canaries.learn("session", cookie.value)
    return House(session, web, canaries)


async def plant_secrets(web: str, planted: Planted) -> list[str]:
    """Enter every kind of secret at the running node, as its people do; return the pages of what holds one."""
    canaries = planted.canaries
    signing = [signed_in(web, planted.people[name], canaries) for name in PLANTERS]
    admin, buyer, publisher, analyst, keeper = planters = [await one for one in signing]
    pages = [*await _plant_lines(admin, canaries), *await _plant_bidders(admin, canaries)]
    await _plant_keys(admin)
    await admin.told_once("link", "/users", {"role": "analyst", "email": "invited@example.com"}, "link")
    await admin.told_once("link", "/users/7/link", {}, "link")
    await admin.post("/blocked-callers", {"kind": "number", "value": OWN_CALLER, "reason": "abuse"})
    for person in (admin, buyer, publisher, analyst):
        token = {"name": "mine", "scopes": ["read:account"], "lifetime_days": 7}
        await person.told_once("api_token", "/account/tokens", token, "token")
    await _plant_factor(keeper, planted.people["keeper"], canaries)
    for one in planters:
        await one.close()
    return pages


async def _plant_lines(admin: House, canaries: Canaries) -> list[str]:
    pages = []
    for number in range(4):
        line = {"name": f"line{number}", "carrier_name": "Carrier", "registrar_uri": "sip:127.0.0.1:9"}
        password = canaries.new("trunk_password")
        made = await admin.post("/trunks", {**line, "username": "u", "password": password})
        pages.append(f"/trunks/{made['id']}")
    return pages


async def _plant_bidders(admin: House, canaries: Canaries) -> list[str]:
    pages = []
    buyers = [(await admin.post("/buyers", {"name": f"Bidder {name}"}))["id"] for name in ENDPOINTS]
    for buyer_id, (dialect, settings) in zip(buyers, ENDPOINTS.items(), strict=True):
        target = await admin.post(
            "/targets",
            {
                "buyer_id": buyer_id,
                "name": f"desk {dialect}",
                "sip_uri": "sip:desk@pbx.example.com",
                "loan_types": ["purchase"],
                "schedule": {"time_zone": "UTC", "ranges": []},
            },
        )
        own = dict(settings)
        if dialect == "leadspedia_like":
            own["campaign_key"] = canaries.new("bidder_secret")
        if dialect == "template":
            headers = {"X-Key": canaries.new("bidder_secret"), "Authorization": canaries.new("bidder_secret")}
            own["ping"] = {"headers": headers, "body_format": "json", "body": {"state": "{state}"}}
        body = {"target_id": target["id"], "dialect": dialect, "url": "https://bids.example.com/ping"}
        await admin.post(
            "/ping-endpoints", {**body, "secret": canaries.new("bidder_secret"), "settings": own}
        )
        pages.append(f"/ping-endpoints/{target['id']}")
    return pages


async def _plant_keys(admin: House) -> None:
    await admin.told_once("publisher_key", "/publishers/1/keys", {"campaign_id": 1, "name": "web"}, "key")
    await admin.told_once("sale_key", "/sale-keys", {"buyer_id": 1, "name": "crm"}, "key")


async def _plant_factor(keeper: House, person: Person, canaries: Canaries) -> None:
    """Set a second factor up on the pages; its seed and its recovery codes are values to look for."""
    page = await keeper.page("/account/second-factor", password=person.password)
    seed = re.search(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b", page)
    setup = re.search(r'action="(/account/second-factor/[^"/]+)"', page)
    assert seed and setup, page
    canaries.learn("totp_seed", seed[0].replace(" ", ""))
    canaries.learn("totp_seed", seed[0])
    canaries.learn("setup", setup[1].rsplit("/", 1)[1])
    codes = await keeper.page(setup[1], code=pyotp.TOTP(seed[0].replace(" ", "")).now())
    found = re.findall(r"<code>([^<]{8,})</code>", codes)
    assert len(found) >= 8, codes
    for code in found:
        canaries.learn("recovery_code", code)
