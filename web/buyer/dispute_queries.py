"""The disputes of a buyer's calls: the list by keyset, and one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import calls, disputes
from web.keys import User
from web.tenancy import own_disputes


def _disputes(user: User) -> Select[Any]:
    return (
        select(
            disputes.c.id,
            disputes.c.call_id,
            disputes.c.reason,
            disputes.c.note,
            disputes.c.state,
            disputes.c.price_micros,
            disputes.c.credit_micros,
            disputes.c.answer,
            disputes.c.evidence,
            disputes.c.opened_at,
            disputes.c.decided_at,
            calls.c.started_at,
            calls.c.caller_sealed.label("caller"),
            calls.c.connected_ms,
        )
        .join(calls, calls.c.id == disputes.c.call_id)
        .where(own_disputes(user))
    )


async def read_disputes(
    connection: AsyncConnection, user: User, *, below_id: int | None, limit: int
) -> Sequence[Any]:
    """Return the newest disputes; the publisher's side of a ruling is not among what is read."""
    query = _disputes(user).order_by(disputes.c.id.desc()).limit(limit)
    if below_id is not None:
        query = query.where(disputes.c.id < below_id)
    rows: Sequence[Any] = (await connection.execute(query)).all()
    return rows


async def read_dispute(connection: AsyncConnection, user: User, dispute_id: int) -> Any:
    """Return one dispute; None when there is none, or it is another buyer's."""
    return (await connection.execute(_disputes(user).where(disputes.c.id == dispute_id))).one_or_none()
