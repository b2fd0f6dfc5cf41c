"""Opens a house on a fresh, migrated database, with its market, endpoints, keys and deposits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from router.auction_house import open_auctions
from router.buyers.addresses import AddressRules
from router.domain.inbound_bid import PublisherKey
from router.domain.ping_limits import PingLimits
from router.endpoint_admin import set_endpoint
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from tests.adversaries.bidding import SECRET, bidder_machine
from tests.adversaries.contracts import BUYERS, OPEN_MOST, ROOM_SHARE_PERCENT, SHARE_OF_SOUTH, SOUTH
from tests.adversaries.house import House
from tests.adversaries.market import write_market
from web.rtb.publisher_keys import KeyMade, KeyWanted, add_key, digest_of
from web.rtb.queries import key_of_digest

LOOPBACK = AddressRules(allowed=(ip_network("127.0.0.1/32"),), plain_http=True)


@asynccontextmanager
async def open_house(database_url: str, folder: Path) -> AsyncIterator[House]:
    """Open a house on a fresh, migrated database, with its market, endpoints and deposits."""
    async with AsyncExitStack() as stack:
        engine = open_engine(database_url, application_name="house", pool_size=12)
        stack.push_async_callback(engine.dispose)
        ids = await write_market(engine)
        bidders = tuple(one.name for one in BUYERS if one.bids)
        machine = await stack.enter_async_context(bidder_machine(bidders))
        for name in bidders:
            said = {"dialect": "tollbridge", "url": machine.url(name), "secret": SECRET}
            await set_endpoint(engine, ids.targets[name], said, LOOPBACK)
        key = await _key(engine)
        snapshot = CurrentSnapshot(engine, folder / "market.json")
        await snapshot.load()
        auction = await stack.enter_async_context(open_auctions(engine, own_hop="here", rules=LOOPBACK))
        house = House(engine, ids, key, snapshot, auction, machine, folder)
        for contract in BUYERS:
            if contract.deposit_micros is not None:
                await house.cash.top_up(contract.name, contract.deposit_micros, f"deposit of {contract.name}")
        yield house


async def _key(engine: AsyncEngine) -> PublisherKey:
    made = await add_key(
        engine,
        KeyWanted(
            publisher=SOUTH.name,
            campaign="Mortgage",
            dialect="tollbridge",
            rate_per_minute=100_000,
            share_percent=SHARE_OF_SOUTH,
            limits=PingLimits(open_most=OPEN_MOST, room_share_percent=ROOM_SHARE_PERCENT),
        ),
    )
    assert isinstance(made, KeyMade), made
    async with engine.connect() as connection:
        key = await key_of_digest(connection, digest_of(made.key))
    assert key is not None
    return key
