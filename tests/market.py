"""A small market in a fresh database: one publisher, one campaign, two buyers with two targets."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store import tables
from store.money_tables import platform_fees

NUMBER = "+18005550100"
CALLER = "+16145550123"
TRUNK = "demo"
PRICE = 45_000_000
PAYOUT = 30_000_000
COST_PER_MINUTE = 6_000
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Market:
    """Ids of what was made."""

    publisher: int
    campaign: int
    number: int
    buyers: tuple[int, int]
    targets: tuple[int, int]


async def make_market(engine: AsyncEngine, *, minimum_connected_ms: int = 90_000) -> Market:
    """Write the market; both buyers pay PRICE from `minimum_connected_ms` on, the publisher earns PAYOUT."""
    async with engine.begin() as connection:
        publisher = await _make(connection, tables.publishers, name="ads")
        campaign = await _make(connection, tables.campaigns, name="mortgage", flow_name="mortgage")
        number = await _make(
            connection, tables.tracking_numbers, e164=NUMBER, campaign_id=campaign, publisher_id=publisher
        )
        buyers = [await _make(connection, tables.buyers, name=name) for name in ("first", "second")]
        targets = [
            await _make(
                connection,
                tables.targets,
                buyer_id=buyer,
                name="desk",
                sip_uri="sip:desk@127.0.0.1",
                loan_types=["refinance"],
                schedule={"time_zone": "UTC", "ranges": []},
            )
            for buyer in buyers
        ]
        for buyer in buyers:
            await _make(
                connection,
                tables.buyer_terms,
                buyer_id=buyer,
                campaign_id=campaign,
                goes_live_at=LONG_AGO,
                minimum_connected_ms=minimum_connected_ms,
                price_micros=PRICE,
            )
        await _make(
            connection,
            tables.publisher_terms,
            publisher_id=publisher,
            campaign_id=campaign,
            goes_live_at=LONG_AGO,
            payout_micros=PAYOUT,
        )
        await _make(
            connection,
            tables.trunks,
            name=TRUNK,
            carrier_name="Carrier",
            addresses=["127.0.0.1"],
            cost_per_minute_micros=COST_PER_MINUTE,
        )
    return Market(
        publisher=publisher,
        campaign=campaign,
        number=number,
        buyers=(buyers[0], buyers[1]),
        targets=(targets[0], targets[1]),
    )


async def charge_fee(connection: AsyncConnection, market: Market, *, fixed: int = 0, ppm: int = 0) -> None:
    """Have the platform take a fee of the campaign's calls, those of the past too."""
    figures = {"platform_fee_micros": fixed, "platform_fee_ppm": ppm}
    version = {"campaign_id": market.campaign, "goes_live_at": LONG_AGO}
    await connection.execute(insert(platform_fees).values(**version, **figures))


async def _make(connection: AsyncConnection, table: Table, **values: Any) -> int:
    return int((await connection.execute(insert(table).values(**values).returning(table.c.id))).scalar_one())
