"""The market a process of the web decides by, kept fresh while it runs: for pings, and for trying a plan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from router.auction_house import open_auctions
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from web.keys import ENGINE, MARKET, ROUTER

PING_DATABASE_SECONDS = 1.5
"""No caller is listening yet."""
STOP_SECONDS = 2.0


def add_market(app: web.Application, snapshot: CurrentSnapshot, house: str) -> None:
    """Give the application `snapshot`, and a router that decides as the agi process does."""
    app[MARKET] = snapshot

    async def decide(app: web.Application) -> AsyncIterator[None]:
        stop, engine = asyncio.Event(), app[ENGINE]
        keeping = asyncio.create_task(snapshot.keep_fresh(stop))
        async with open_auctions(engine, own_hop=house) as auction:
            # The winner is told when the call comes, by the process that routes it.
            app[ROUTER] = Router(
                engine, snapshot, auction, hands_over=False, database_seconds=PING_DATABASE_SECONDS
            )
            yield
        stop.set()
        await asyncio.wait({keeping}, timeout=STOP_SECONDS)
        keeping.cancel()

    app.cleanup_ctx.append(decide)
