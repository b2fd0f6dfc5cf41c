"""A market that buys refinance calls from Ohio, and the pings process in front of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.ping_limits import PingLimits
from store.session import open_engine
from tollbridge.sample_market.market import SampleBuyer, SampleMarket, SampleTarget, SeededMarket
from tollbridge.sample_market.queries import seed_market
from web.keys import MARKET
from web.rtb.app import POOL_SIZE, make_pings_app
from web.rtb.publisher_keys import KeyMade, KeyWanted, add_key

NUMBER = "+18005550100"
PRICE_MICROS, PAYOUT_MICROS = 85_000_000, 60_000_000
CAMPAIGN, PUBLISHER = "Mortgage", "Rate Compare Media"
OHIO = {"loan_type": "refinance", "state": "OH"}

PLENTY = PingLimits(open_most=1_000, room_share_percent=100)
"""For tests about the room itself."""

BUSY = 503
BUSY_ANSWERS_MAXIMUM = 80

_serial = iter(range(100, 10_000))


def a_caller() -> str:
    """Return a number in Ohio that no other test uses."""
    return f"+1614555{next(_serial):04d}"


def a_market(*, cap: int = 5, desks: int = 1, **changes: Any) -> SampleMarket:
    buyers = tuple(
        SampleBuyer(
            name=f"Buyer {place}",
            nmls_id=f"90000{place}",
            states=("OH",),
            price_micros=PRICE_MICROS,
            minimum_connected_ms=90_000,
            targets=(
                SampleTarget(
                    name=f"Desk {place}",
                    sip_uri="sip:desk@127.0.0.1:5080",
                    priority=place,
                    concurrency_cap=cap,
                ),
            ),
        )
        for place in range(desks)
    )
    values: dict[str, Any] = {
        "campaign": CAMPAIGN,
        "number": NUMBER,
        "flow_name": "direct",
        "flow": {"start": "hello"},
        "publisher": PUBLISHER,
        "payout_micros": PAYOUT_MICROS,
        "buyers": buyers,
    }
    return SampleMarket(**{**values, **changes})


@dataclass(kw_only=True)
class Publisher:
    """A publisher's machine, and what of the house it may see."""

    engine: AsyncEngine
    server: TestServer
    session: ClientSession
    seeded: SeededMarket
    keys: dict[str, str] = field(default_factory=dict)

    async def key(self, dialect: str = "tollbridge", **changes: Any) -> str:
        """Return a key of this dialect; the same one each time unless `changes` make another."""
        if dialect not in self.keys or changes:
            values: dict[str, Any] = {
                "publisher": PUBLISHER,
                "campaign": CAMPAIGN,
                "dialect": dialect,
                "rate_per_minute": 1000,
                "limits": PLENTY,
            }
            made = await add_key(self.engine, KeyWanted(**{**values, **changes}))
            assert isinstance(made, KeyMade), made
            self.keys[dialect] = made.key
        return self.keys[dialect]

    async def ask(
        self, dialect: str, method: str, tail: str = "", *, status: int = 200, **request: Any
    ) -> dict[str, Any]:
        """Ask at /rtb/KEY + `tail`; return the JSON answer. Whoever is told "busy" asks again, as publishers do."""
        address = self.server.make_url(f"/rtb/{await self.key(dialect)}{tail}")
        for _ in range(BUSY_ANSWERS_MAXIMUM):
            async with self.session.request(method, address, **request) as answer:
                text, found = await answer.text(), answer.status
            if found != BUSY or status == BUSY:
                break
            await asyncio.sleep(0.25)
        assert found == status, text
        asked: dict[str, Any] = json.loads(text)
        return asked

    async def ping(self, caller: str | None, *, status: int = 200, **more: Any) -> dict[str, Any]:
        """Ping in our own dialect."""
        body = {"version": 1, "kind": "ping", "ping_id": "p-1", "answers": OHIO, "caller": caller, **more}
        return await self.ask("tollbridge", "POST", json=body, status=status)

    async def row(self, sql: str, **values: Any) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(sql), values)).one_or_none()

    async def change(self, sql: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), values)
        await market_is_live(self.engine, self.server)

    async def rooms_used(self) -> int:
        row = await self.row(
            "SELECT coalesce(sum(used), 0) FROM cap_counters WHERE split_part(key, chr(58), 3) = 'concurrency'"
        )
        return int(row[0])


async def market_is_live(engine: AsyncEngine, server: TestServer) -> None:
    """Wait until pings are answered by the newest market. Raises AssertionError."""
    market = server.app[MARKET]
    async with engine.connect() as connection:
        newest = int(await connection.scalar(text("SELECT version FROM market_version")) or 0)
    for _ in range(200):
        await market.refresh()
        if market.source == "database" and market.current.version >= newest:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(market.problem)


MakePublisher = Callable[..., Awaitable[Publisher]]


@pytest.fixture(autouse=True)
def patient_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about answers: on a machine that calls keep busy PostgreSQL may take its time."""
    monkeypatch.setattr("web.routing.PING_DATABASE_SECONDS", 5.0)


@pytest_asyncio.fixture
async def publisher_of(database_url: str, tmp_path: Path) -> AsyncIterator[MakePublisher]:
    """`await publisher_of(cap=10)`: a publisher before a market of that kind."""
    engine = open_engine(database_url, application_name="pings", pool_size=POOL_SIZE)
    servers: list[TestServer] = []
    async with ClientSession() as session:

        async def make(**changes: Any) -> Publisher:
            seeded = await seed_market(engine, a_market(**changes))
            server = TestServer(make_pings_app(engine, snapshot_file=tmp_path / "market.json"))
            await server.start_server()
            servers.append(server)
            await market_is_live(engine, server)
            return Publisher(engine=engine, server=server, session=session, seeded=seeded)

        yield make
        for server in servers:
            await server.close()
    await engine.dispose()


@pytest_asyncio.fixture
async def publisher(publisher_of: MakePublisher) -> Publisher:
    return await publisher_of()


@pytest.fixture
def caller() -> str:
    return a_caller()
