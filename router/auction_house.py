"""Everything auctions need, started and stopped together: for each process that routes calls or answers publishers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from router.auction import Auction, AuctionParts
from router.bidder_records import BidderRecords
from router.buyers.addresses import AddressRules
from router.buyers.ping_client import PingClient
from router.ping_endpoints import CurrentBidders
from router.ping_gate import PingGate
from router.ping_log import PingLog
from router.snapshot import DATABASE_FAULTS, DATABASE_TIMEOUT_SECONDS

PUBLIC_ONLY = AddressRules()
CLOSING_SECONDS = 1.0


@asynccontextmanager
async def open_auctions(
    engine: AsyncEngine, *, own_hop: str, rules: AddressRules = PUBLIC_ONLY
) -> AsyncIterator[Auction]:
    """Hold auctions while the block runs. A database that is away is waited for; nobody is asked until it was read.

    `own_hop` is our name in hop lists: the same on every node of this house, and no other house's.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(PingClient(rules))
        log = await stack.enter_async_context(PingLog(engine))
        bidders, gate, records = CurrentBidders(engine, rules), PingGate(engine), BidderRecords(engine)
        parts = AuctionParts(
            bidders=bidders, records=records, client=client, gate=gate, log=log, own_hop=own_hop
        )
        auction = Auction(parts)
        stack.push_async_callback(auction.close)
        with suppress(*DATABASE_FAULTS):  # keep_fresh says so, and tries again
            async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
                await bidders.refresh()
                await records.refresh()
        stop = asyncio.Event()
        background = [
            asyncio.create_task(bidders.keep_fresh(stop)),
            asyncio.create_task(records.keep_fresh(stop)),
            asyncio.create_task(gate.keep_exchanging(stop)),
        ]
        try:
            yield auction
        finally:
            stop.set()
            await asyncio.wait(background, timeout=CLOSING_SECONDS)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
