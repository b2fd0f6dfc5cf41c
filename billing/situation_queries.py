"""The SQL of what terms ask about a call: what the caller said, whether it called before, how many were paid for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, exists, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.tiers import TierCounter
from store.tables import answers, calls


async def tags_and_answers(
    connection: AsyncConnection, call_id: UUID
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the call's tags, and the newest answer to each question that was answered."""
    tags = await connection.scalar(select(calls.c.tags).where(calls.c.id == call_id))
    query = select(answers.c.tag, answers.c.value)
    query = query.where(answers.c.call_id == call_id, answers.c.value.is_not(None)).order_by(
        answers.c.sequence
    )
    found = await connection.execute(query)
    return dict(tags or {}), {row.tag: row.value for row in found}


async def called_before(
    connection: AsyncConnection, *, campaign_id: int, caller: str, before: dt.datetime
) -> bool:
    """Return whether the caller called the campaign earlier."""
    query = select(
        exists().where(
            calls.c.caller == caller, calls.c.campaign_id == campaign_id, calls.c.started_at < before
        )
    )
    return bool(await connection.scalar(query))


_LOCK_TIERS = text(
    """
    INSERT INTO tier_counts AS t (key, period_start)
    SELECT key, CAST(day AS date) FROM unnest(:keys, :days) AS wanted(key, day)
    ON CONFLICT (key, period_start) DO UPDATE SET used = t.used
    RETURNING key, used
    """
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("days", type_=ARRAY(Text)))

_RAISE_TIERS = text(
    """
    UPDATE tier_counts t SET used = t.used + 1
    FROM unnest(:keys, :days) AS wanted(key, day)
    WHERE t.key = wanted.key AND t.period_start = CAST(wanted.day AS date)
    """
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("days", type_=ARRAY(Text)))


async def lock_tier_counts(connection: AsyncConnection, counters: Sequence[TierCounter]) -> dict[str, int]:
    """Return how many calls were paid for, by key. Until this transaction ends no other call is priced by them."""
    found = await connection.execute(_LOCK_TIERS, _keys_and_days(counters))
    return {row.key: int(row.used) for row in found}


async def raise_tier_counts(connection: AsyncConnection, counters: Sequence[TierCounter]) -> None:
    """Count one more paid call. The counts must be locked."""
    await connection.execute(_RAISE_TIERS, _keys_and_days(counters))


def _keys_and_days(counters: Sequence[TierCounter]) -> dict[str, list[str]]:
    return {
        "keys": [counter.key for counter in counters],
        "days": [counter.period_start.isoformat() for counter in counters],
    }
