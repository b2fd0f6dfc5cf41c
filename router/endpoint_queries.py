"""Ping endpoints as an admin looks at and changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from router.buyers.dialect import Endpoint
from router.ping_queries import budget_key
from store.routing_tables import bidder_records
from store.tables import buyers, cap_counters, endpoint_health, ping_endpoints, targets

_MINUTE_SECONDS = 60
RECORD_COLUMNS = (
    bidder_records.c.rested_until.label("rested_for_wins_until"),
    bidder_records.c.why.label("rested_for_wins_why"),
    *(func.coalesce(bidder_records.c[name], 0).label(name) for name in ("won", "refused", "unpaid")),
    func.coalesce(bidder_records.c.worth_micros, 0).label("won_worth_micros"),
    func.coalesce(bidder_records.c.paid_micros, 0).label("won_paid_micros"),
    func.coalesce(bidder_records.c.hides_caller, False).label("hides_caller"),
    func.coalesce(bidder_records.c.lasted[1], 0).label("calls_counted"),
)
"""What an endpoint's wins came to, as the worker counted them (router.bidder_records)."""


async def read_endpoint(connection: AsyncConnection, target_id: int) -> Endpoint | None:
    """Return a target's endpoint; None when it has none."""
    found = await connection.execute(
        select(ping_endpoints).where(ping_endpoints.c.target_id == target_id).with_for_update()
    )
    row = found.mappings().first()
    return None if row is None else Endpoint(**row)


async def target_exists(connection: AsyncConnection, target_id: int) -> bool:
    return await connection.scalar(select(targets.c.id).where(targets.c.id == target_id)) is not None


async def write_endpoint(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Store an endpoint that was found to be right."""
    values = asdict(endpoint)
    statement = insert(ping_endpoints).values(values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["target_id"], set_=values))


async def read_wins(connection: AsyncConnection, target_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what these targets' wins came to, by target; without those of which nothing was counted."""
    statement = select(bidder_records.c.target_id, *RECORD_COLUMNS).where(
        bidder_records.c.target_id.in_(list(target_ids))
    )
    return {row["target_id"]: dict(row) for row in (await connection.execute(statement)).mappings()}


async def list_endpoints(connection: AsyncConnection, now: datetime) -> list[dict[str, Any]]:
    """Return every endpoint with its target, the pings of this minute and its health; with secrets."""
    minute = int(now.timestamp()) // _MINUTE_SECONDS * _MINUTE_SECONDS
    before, after = budget_key(0).split("0")
    statement = (
        select(
            ping_endpoints,
            targets.c.name.label("target"),
            buyers.c.name.label("buyer"),
            func.coalesce(case((cap_counters.c.period_start == minute, cap_counters.c.used)), 0).label(
                "used"
            ),
            endpoint_health.c.rested_until,
            endpoint_health.c.asked,
            endpoint_health.c.failed,
            endpoint_health.c.probing,
            *RECORD_COLUMNS,
        )
        .join(targets, targets.c.id == ping_endpoints.c.target_id)
        .join(buyers, buyers.c.id == targets.c.buyer_id)
        .outerjoin(endpoint_health, endpoint_health.c.target_id == ping_endpoints.c.target_id)
        .outerjoin(bidder_records, bidder_records.c.target_id == ping_endpoints.c.target_id)
        .outerjoin(cap_counters, cap_counters.c.key == func.concat(before, ping_endpoints.c.target_id, after))
        .order_by(ping_endpoints.c.target_id)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
