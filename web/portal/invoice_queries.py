"""Which invoices or statements are a party's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import invoices
from web.keys import User
from web.tenancy import own_invoices


async def read_own_invoices(
    connection: AsyncConnection, user: User, *, below_id: int | None, limit: int
) -> Sequence[Any]:
    """Return the newest, without their lines."""
    query = select(invoices).where(own_invoices(user)).order_by(invoices.c.id.desc()).limit(limit)
    if below_id is not None:
        query = query.where(invoices.c.id < below_id)
    return (await connection.execute(query)).all()


async def is_own_invoice(connection: AsyncConnection, user: User, invoice_id: int) -> bool:
    query = select(invoices.c.id).where(invoices.c.id == invoice_id, own_invoices(user))
    return await connection.scalar(query) is not None
