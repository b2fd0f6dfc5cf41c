"""The statements of a buyer's book of business. It may hold a million numbers: a page of it is read, never all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import buyer_suppressions, buyers


async def buyer_name(connection: AsyncConnection, buyer_id: int) -> str | None:
    found: str | None = await connection.scalar(select(buyers.c.name).where(buyers.c.id == buyer_id))
    return found


async def page_of(
    connection: AsyncConnection, buyer_id: int, *, begins: str, after: str, limit: int
) -> Sequence[dict[str, Any]]:
    """Return up to `limit` numbers of a buyer that begin so, in order, after one: caller, reason, created_at."""
    table = buyer_suppressions.c
    query = select(table.caller, table.reason, table.created_at, table.expires_at).where(
        table.buyer_id == buyer_id, table.caller > after
    )
    if begins:
        # A range of the primary key, whatever the collation makes of LIKE: "+" and digits keep their order.
        query = query.where(table.caller >= begins, table.caller < begins + ":")
    rows = await connection.execute(query.order_by(table.caller).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def remove(connection: AsyncConnection, buyer_id: int, caller: str) -> dict[str, Any] | None:
    """Take a number off a list; return what stood there."""
    table = buyer_suppressions.c
    statement = (
        delete(buyer_suppressions)
        .where(table.buyer_id == buyer_id, table.caller == caller)
        .returning(table.caller, table.reason)
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else dict(row)
