"""The SQL of what waits to be settled or posted; settlement itself is in batch_queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import calls, pings

CHANNEL = "tollbridge_calls"


async def calls_to_settle(
    connection: AsyncConnection, *, node: str, limit: int, unmatched_after: dt.timedelta
) -> Sequence[Any]:
    """Return id, linkedid and ended_at of the node's ended calls whose time has come, oldest first.

    A call that no journal line matched to a number waits `unmatched_after`: its line may be a moment late.
    """
    query = (
        select(calls.c.id, calls.c.linkedid, calls.c.ended_at)
        .where(calls.c.node == node, calls.c.state == "ended")
        .where(func.coalesce(calls.c.settle_after, func.now()) <= func.now())
        .where(calls.c.campaign_id.is_not(None) | (calls.c.ended_at < func.now() - unmatched_after))
        .order_by(calls.c.started_at)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def push_back(connection: AsyncConnection, call_id: UUID) -> int:
    """Try this call again later: after 2, 4, 8 … seconds, at most an hour. Return how often it failed."""
    failures = calls.c.settle_failures + 1
    seconds = func.least(func.power(2, func.least(failures, 12)), 3600)
    query = update(calls).where(calls.c.id == call_id, calls.c.state != "settled")
    query = query.values(
        settle_failures=failures, settle_after=func.now() + seconds * dt.timedelta(seconds=1)
    )
    made = await connection.execute(query.returning(calls.c.settle_failures))
    return int(made.scalar_one_or_none() or 0)


# --- what pings cost -----------------------------------------------------------------------------------------


async def pings_to_post(connection: AsyncConnection, *, before: dt.datetime, limit: int) -> Sequence[Any]:
    """Return id, target_id, cost_micros and known_call_id of pings whose cost is not posted, and lock them."""
    query = (
        select(pings.c.id, pings.c.target_id, pings.c.cost_micros, calls.c.id.label("known_call_id"))
        .select_from(pings.outerjoin(calls, calls.c.id == pings.c.call_id))
        .where(pings.c.cost_micros > 0, pings.c.cost_transaction_id.is_(None), pings.c.sent_at < before)
        .order_by(pings.c.id)
        .limit(limit)
        .with_for_update(of=pings, skip_locked=True)
    )
    return (await connection.execute(query)).all()


async def note_pings_posted(connection: AsyncConnection, ids: Sequence[int], transaction_id: int) -> None:
    """Say in which ledger transaction the cost of these pings is."""
    await connection.execute(
        update(pings).where(pings.c.id.in_(ids)).values(cost_transaction_id=transaction_id)
    )
