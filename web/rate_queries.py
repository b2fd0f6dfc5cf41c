"""How often something happened in this minute or hour, counted in PostgreSQL for all nodes together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import counters

COUNTER_NODE = "web"
WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """So much since then."""

    value: int
    began_at: datetime


async def count_in_minute(connection: AsyncConnection, name: str, limit: int, now: datetime) -> int:
    """Count one and return how many there were in this minute of `name`, at most one above `limit`."""
    return (await count_within(connection, name, limit, now, amount=1, window=WINDOW)).value


async def count_within(
    connection: AsyncConnection, name: str, limit: int, now: datetime, *, amount: int, window: timedelta
) -> Counted:
    """Count `amount` and return what there was in this window of `name`, at most one above `limit`."""
    over = counters.c.last_at <= now - window
    amount = min(amount, limit + 1)
    statement = insert(counters).values(node=COUNTER_NODE, name=name, value=amount, last_at=now)
    upsert = statement.on_conflict_do_update(
        index_elements=[counters.c.node, counters.c.name],
        set_={
            "value": case((over, amount), else_=func.least(counters.c.value + amount, limit + 1)),
            # When the window began: many do not make it longer.
            "last_at": case((over, now), else_=counters.c.last_at),
        },
    ).returning(counters.c.value, counters.c.last_at)
    row = (await connection.execute(upsert)).one()
    return Counted(value=int(row.value), began_at=row.last_at)
