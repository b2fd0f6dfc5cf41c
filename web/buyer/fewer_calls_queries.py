"""Rejections of a buyer's own targets, counted by code over the newest calls of a period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import calls, rejections
from web.keys import User
from web.tenancy import own_rejections


@dataclass(frozen=True, kw_only=True)
class Passed:
    """Calls that were not offered to a buyer. `looked_at` says of how many calls this is known."""

    codes: Mapping[str, int]
    looked_at: int
    complete: bool
    """Every call of the period was looked at."""


async def read_passed(
    connection: AsyncConnection, user: User, start: datetime, end: datetime, *, maximum: int
) -> Passed:
    """Count each call once a reason, and calls that the buyer had not at all."""
    newest = _newest(start, end, maximum)
    looked_at = int(
        (await connection.execute(select(func.count()).select_from(newest.subquery()))).scalar_one()
    )
    of = newest.subquery("newest")
    query = (
        select(rejections.c.code, func.count(distinct(rejections.c.call_id)).label("calls"))
        .join(of, of.c.id == rejections.c.call_id)
        .where(own_rejections(user), of.c.buyer_id.is_distinct_from(user.buyer_id))
        .group_by(rejections.c.code)
    )
    codes = {row.code: row.calls for row in await connection.execute(query)}
    return Passed(codes=codes, looked_at=looked_at, complete=looked_at < maximum)


def _newest(start: datetime, end: datetime, maximum: int) -> Select[Any]:
    return (
        select(calls.c.id, calls.c.buyer_id)
        .where(calls.c.started_at >= start, calls.c.started_at < end)
        .order_by(calls.c.started_at.desc())
        .limit(maximum)
    )
