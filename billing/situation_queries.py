"""The SQL of what terms ask about a call: what the caller said, whether it called before, how many were paid for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, Text, Uuid, bindparam, exists, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.tiers import TierCounter
from store.sealed_columns import CALLER, BlindIndex
from store.tables import answers, calls

TIERS_KEPT_DAYS = 60
"""From the first day of a period: the longest is a month, and the calls of its last day have another for settling."""


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
            calls.c.caller_index == caller, calls.c.campaign_id == campaign_id, calls.c.started_at < before
        )
    )
    return bool(await connection.scalar(query))


# Calls of the batch itself are left out: their rows may not say yet what they are settled by.
_CALLED_BEFORE = text(
    """
    SELECT DISTINCT w.id FROM unnest(:ids, :campaign_ids, :callers, :moments)
        AS w(id, campaign_id, caller_index, at)
    JOIN LATERAL (
        SELECT FROM calls c
        WHERE c.caller_index = w.caller_index AND c.campaign_id = w.campaign_id AND c.started_at < w.at
            AND NOT (c.id = ANY (:batch)) LIMIT 1
    ) b ON true
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("campaign_ids", type_=ARRAY(BigInteger)),
    bindparam("callers", type_=ARRAY(BlindIndex(CALLER))),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
    bindparam("batch", type_=ARRAY(Uuid)),
)


async def callers_known_before(
    connection: AsyncConnection,
    wanted: Mapping[UUID, tuple[int, str, dt.datetime]],
    *,
    batch: Sequence[UUID],
) -> set[UUID]:
    """Return which of these calls, by campaign, caller and start, had an earlier one outside `batch`."""
    values = {
        "ids": list(wanted),
        "campaign_ids": [campaign_id for campaign_id, _, _ in wanted.values()],
        "callers": [caller for _, caller, _ in wanted.values()],
        "moments": [at for _, _, at in wanted.values()],
        "batch": list(batch),
    }
    return set((await connection.scalars(_CALLED_BEFORE, values)).all())


_READ_TIERS = text(
    """
    SELECT t.key, t.period_start, t.used FROM unnest(:keys, :days) AS wanted(key, day)
    JOIN tier_counts t ON t.key = wanted.key AND t.period_start = CAST(wanted.day AS date)
    """
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("days", type_=ARRAY(Text)))


async def read_tier_counts(
    connection: AsyncConnection, counters: Collection[TierCounter]
) -> dict[TierCounter, int]:
    """Return how many calls were paid for so far, by counter. Nothing is locked."""
    if not counters:
        return {}
    found = await connection.execute(_READ_TIERS, _keys_and_days(counters))
    used = {(row.key, row.period_start): int(row.used) for row in found}
    return {one: used.get((one.key, one.period_start), 0) for one in counters}


# In the order of their keys, as every settlement locks them.
_LOCK_TIERS = text(
    """
    INSERT INTO tier_counts AS t (key, period_start)
    SELECT key, CAST(day AS date) FROM unnest(:keys, :days) AS wanted(key, day) ORDER BY key COLLATE "C", day
    ON CONFLICT (key, period_start) DO UPDATE SET used = t.used
    RETURNING key, period_start, used
    """
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("days", type_=ARRAY(Text)))

_RAISE_TIERS = text(
    """
    UPDATE tier_counts t SET used = t.used + wanted.calls
    FROM unnest(:keys, :days, :calls) AS wanted(key, day, calls)
    WHERE t.key = wanted.key AND t.period_start = CAST(wanted.day AS date)
    """
).bindparams(
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("days", type_=ARRAY(Text)),
    bindparam("calls", type_=ARRAY(BigInteger)),
)


async def lock_tier_counts(
    connection: AsyncConnection, counters: Collection[TierCounter]
) -> dict[TierCounter, int]:
    """Return how many calls were paid for. Until this transaction ends no other call is priced by these counters.

    Each counter may be given once.
    """
    found = await connection.execute(_LOCK_TIERS, _keys_and_days(counters))
    used = {(row.key, row.period_start): int(row.used) for row in found}
    return {one: used[one.key, one.period_start] for one in counters}


_FORGET_TIERS = text("DELETE FROM tier_counts WHERE period_start < CAST(:before AS date)").bindparams(
    bindparam("before", type_=Date)
)


async def forget_tier_counts(connection: AsyncConnection, now: dt.datetime) -> None:
    """Delete the counts of periods that began more than TIERS_KEPT_DAYS ago. No call is priced by them any more."""
    await connection.execute(_FORGET_TIERS, {"before": now.date() - dt.timedelta(days=TIERS_KEPT_DAYS)})


async def raise_tier_counts(connection: AsyncConnection, paid: Mapping[TierCounter, int]) -> None:
    """Count so many more paid calls. The counts must be locked."""
    values = {**_keys_and_days(paid), "calls": list(paid.values())}
    await connection.execute(_RAISE_TIERS, values)


def _keys_and_days(counters: Collection[TierCounter]) -> dict[str, list[Any]]:
    return {
        "keys": [counter.key for counter in counters],
        "days": [counter.period_start.isoformat() for counter in counters],
    }
