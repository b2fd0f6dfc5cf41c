"""How often something happened in this minute, counted in PostgreSQL for all nodes together."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import counters

COUNTER_NODE = "web"
WINDOW = timedelta(minutes=1)


async def count_in_minute(connection: AsyncConnection, name: str, limit: int, now: datetime) -> int:
    """Count one and return how many there were in this minute of `name`, at most one above `limit`."""
    over = counters.c.last_at <= now - WINDOW
    statement = insert(counters).values(node=COUNTER_NODE, name=name, value=1, last_at=now)
    upsert = statement.on_conflict_do_update(
        index_elements=[counters.c.node, counters.c.name],
        set_={
            "value": case((over, 1), else_=func.least(counters.c.value + 1, limit + 1)),
            # When the minute began: many do not make it longer.
            "last_at": case((over, now), else_=counters.c.last_at),
        },
    ).returning(counters.c.value)
    return int((await connection.execute(upsert)).scalar_one())
