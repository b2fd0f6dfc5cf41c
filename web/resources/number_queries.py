"""Carriers and numbers in PostgreSQL."""

from __future__ import annotations

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import tracking_numbers, trunks

SUGGESTED_MAXIMUM = 100


async def carriers(connection: AsyncConnection) -> list[str]:
    """Return the names of carriers that trunks and numbers go by."""
    named = union(
        select(trunks.c.carrier_name),
        select(tracking_numbers.c.carrier_name).where(tracking_numbers.c.carrier_name.is_not(None)),
    ).subquery()
    statement = select(named.c.carrier_name).order_by(named.c.carrier_name).limit(SUGGESTED_MAXIMUM)
    return list((await connection.execute(statement)).scalars())


async def number_of(connection: AsyncConnection, number_id: int) -> str | None:
    return await connection.scalar(select(tracking_numbers.c.e164).where(tracking_numbers.c.id == number_id))
