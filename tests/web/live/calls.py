"""Calls that move, as the readers of CEL and journal bring them to PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agi import cel_queries
from store import tables
from tests.web.market import Market, add_call

LINKEDID = "a-1764000300.7"


async def a_live_call(engine: AsyncEngine, market: Market, linkedid: str = LINKEDID, **values: Any) -> UUID:
    """Store a call that has just arrived and is known to be of the market."""
    call_id = await add_call(
        engine,
        linkedid,
        started_at=datetime.now(UTC) - timedelta(seconds=3),
        campaign_id=market.campaign_id,
        publisher_id=market.publisher_id,
        **values,
    )
    async with engine.begin() as connection:
        await cel_queries.tell(connection, [call_id])
    return call_id


async def waits(engine: AsyncEngine, call_id: UUID, node: str, waits_for: str = "ask") -> None:
    """The flow has come to a node and waits there."""
    async with engine.begin() as connection:
        await _add(
            connection,
            call_id,
            "call_events",
            {"at": datetime.now(UTC), "kind": "waiting", "node": node, "detail": {"waits_for": waits_for}},
        )


async def answers(engine: AsyncEngine, call_id: UUID, tag: str, value: str, sequence: int = 1) -> None:
    said = {"sequence": sequence, "node": tag, "tag": tag, "value": value, "source": "speech"}
    async with engine.begin() as connection:
        await _add(connection, call_id, "answers", {**said, "heard": value, "answered_at": datetime.now(UTC)})


async def rings(engine: AsyncEngine, call_id: UUID, target_id: int, sequence: int = 1) -> None:
    decided = {"sequence": sequence, "decided_by": "router", "target_id": target_id, "duration_us": 900}
    async with engine.begin() as connection:
        await _add(
            connection, call_id, "decisions", {**decided, "decided_at": datetime.now(UTC), "decision": {}}
        )


async def talks(engine: AsyncEngine, call_id: UUID, target_id: int, linkedid: str = LINKEDID) -> None:
    """The buyer's leg and the caller are joined."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.cel_rows).values(
                node="a",
                file="f",
                position=target_id + 1000,
                event="BRIDGE_ENTER",
                event_us=int(datetime.now(UTC).timestamp() * 1_000_000),
                uniqueid="a-1764000301.8",
                linkedid=linkedid,
                channel=f"PJSIP/target-{target_id}-00000001",
                extra="",
            )
        )
        await cel_queries.tell(connection, [call_id])


async def ends(engine: AsyncEngine, call_id: UUID) -> None:
    ended = {"state": "ended", "ended_at": datetime.now(UTC)}
    async with engine.begin() as connection:
        await connection.execute(update(tables.calls).where(tables.calls.c.id == call_id).values(ended))
        await cel_queries.tell(connection, [call_id])


async def _add(connection: AsyncConnection, call_id: UUID, table: str, values: Mapping[str, Any]) -> None:
    await connection.execute(insert(tables.metadata.tables[table]).values({"call_id": call_id, **values}))
    await cel_queries.tell(connection, [call_id])


async def one_row(engine: AsyncEngine, query: str) -> dict[str, Any] | None:
    async with engine.connect() as connection:
        row = (await connection.execute(text(query))).mappings().one_or_none()
    return None if row is None else dict(row)
