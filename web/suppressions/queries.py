"""The statements of a buyer's book of business. It may hold a million numbers: a page of it is read, never all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.sealed_columns import is_caller
from store.tables import buyer_suppressions, buyers

Place: TypeAlias = tuple[datetime, bytes]
"""Where a page ended: when its last row was made, and the index of its number."""


async def buyer_name(connection: AsyncConnection, buyer_id: int) -> str | None:
    found: str | None = await connection.scalar(select(buyers.c.name).where(buyers.c.id == buyer_id))
    return found


async def page_of(
    connection: AsyncConnection, buyer_id: int, *, digits: str, after: Place | None, limit: int
) -> Sequence[dict[str, Any]]:
    """Return up to `limit` numbers of a buyer, the newest first, below a place: caller, caller_index, reason, …

    `digits` are a whole number or an area code; empty: all.
    """
    table = buyer_suppressions.c
    query = select(
        table.caller_sealed.label("caller"),
        table.caller_index,
        table.reason,
        table.created_at,
        table.expires_at,
    ).where(table.buyer_id == buyer_id)
    if digits:
        query = query.where(is_caller(table, digits))
    if after is not None:
        query = query.where(tuple_(table.created_at, table.caller_index) < after)
    newest = (table.created_at.desc(), table.caller_index.desc())
    rows = await connection.execute(query.order_by(*newest).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def remove(connection: AsyncConnection, buyer_id: int, caller: str) -> dict[str, Any] | None:
    """Take a number off a list; return what stood there."""
    table = buyer_suppressions.c
    statement = (
        delete(buyer_suppressions)
        .where(table.buyer_id == buyer_id, table.caller_index == caller)
        .returning(table.caller_sealed.label("caller"), table.reason)
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else dict(row)
