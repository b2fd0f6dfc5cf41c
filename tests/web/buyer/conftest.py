"""Two buyers and a publisher with calls that the real settlement settled, and their people signed in."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.payment_provider import PaymentProvider
from store import tables
from store.call_id import call_id_of
from tests.billing.test_settle_call import a_call, settled
from tests.billing.test_stripe_provider import Recorded, provider
from tests.market import Market, make_market
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from web.app import make_app
from web.auth import UserCreated, create_user

BUYER, OTHER, PUBLISHER = "bo@example.com", "olga@example.com", "pat@example.com"
CALLERS = ("+16145550111", "+16145550122", "+16145550133")


@dataclass(frozen=True, kw_only=True)
class House:
    """What was made: two calls of the first buyer (one billed, one too short) and one of the second."""

    market: Market
    billed: UUID
    short: UUID
    others: UUID
    started_at: dt.datetime


@pytest.fixture
def till() -> Recorded:
    """What the payment provider answers, and was asked."""
    return Recorded(200, {"id": "cs_7", "object": "checkout.session", "url": "https://pay.example/7"})


@pytest.fixture
def payments(till: Recorded) -> PaymentProvider | None:
    return provider(till)


@pytest_asyncio.fixture
async def site(
    engine: AsyncEngine, tmp_path: Path, payments: PaymentProvider | None
) -> AsyncIterator[TestServer]:
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=tmp_path / "market.json",
        prompts_dir=tmp_path / "prompts",
        recordings_dir=tmp_path,
        payments=payments,
    )
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def house(engine: AsyncEngine, site: TestServer) -> House:
    market = await make_market(engine)
    # An hour ago: today in every test's zone but around its midnight, where yesterday will do as well.
    start = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(hours=1)
    start_ms = int(start.timestamp()) * 1000
    ids = []
    for serial, (target, connected_ms) in enumerate(((0, 100_000), (0, 74_200), (1, 100_000))):
        record = a_call(market, serial=serial, start_ms=start_ms + serial * 1000, connected_ms=connected_ms)
        leg = replace(record.legs[0], target_id=market.targets[target])
        await settled(engine, replace(record, caller=CALLERS[serial], legs=(leg,)))
        ids.append(call_id_of(record.linkedid))
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.targets)
            .where(tables.targets.c.id == market.targets[0])
            .values(name="Columbus desk")
        )
        for buyer_id, name in zip(market.buyers, ("Buckeye Lending", "Lakeside Loans"), strict=True):
            named = update(tables.buyers).where(tables.buyers.c.id == buyer_id).values(name=name)
            await connection.execute(named)
        await connection.execute(
            insert(tables.answers).values(
                call_id=ids[0],
                sequence=1,
                node="state",
                tag="state",
                value="OH",
                source="speech",
                heard="ohio",
                confidence=0.9,
                answered_at=start + dt.timedelta(seconds=4),
            )
        )
    return House(market=market, billed=ids[0], short=ids[1], others=ids[2], started_at=start)


async def _person(engine: AsyncEngine, site: TestServer, email: str, role: str, **whose: int) -> Client:
    assert isinstance(await create_user(engine, email, PASSWORD, role), UserCreated)
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.users).where(tables.users.c.email == email).values(name=email, **whose)
        )
    client = open_client(site)
    await client.start_server()
    assert await sign_in(client, email) == 303
    return client


@pytest_asyncio.fixture
async def buyer(engine: AsyncEngine, site: TestServer, house: House) -> AsyncIterator[Client]:
    client = await _person(engine, site, BUYER, "buyer", buyer_id=house.market.buyers[0])
    yield client
    await client.session.close()


@pytest_asyncio.fixture
async def other(engine: AsyncEngine, site: TestServer, house: House) -> AsyncIterator[Client]:
    client = await _person(engine, site, OTHER, "buyer", buyer_id=house.market.buyers[1])
    yield client
    await client.session.close()


@pytest_asyncio.fixture
async def publisher(engine: AsyncEngine, site: TestServer, house: House) -> AsyncIterator[Client]:
    client = await _person(engine, site, PUBLISHER, "publisher", publisher_id=house.market.publisher)
    yield client
    await client.session.close()
