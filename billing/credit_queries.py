"""The SQL of crediting calls: how one stands, and taking it out of what it was counted in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, Uuid, bindparam, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.tiers import TierCounter
from store.tables import calls

# Adjustments of a call name its settlement; the key they bear is not the call's.
_STANDING = text(
    """
    WITH posted AS (
        SELECT p.account, p.amount_micros AS amount, t.kind = 'settlement' AS first
        FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id
        WHERE t.call_id = :call_id AND (t.kind = 'settlement' OR t.kind LIKE 'dispute\\_decided:%')
        UNION ALL
        SELECT p.account, p.amount_micros, false
        FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id
        WHERE t.corrects_id = :settlement_id AND t.call_id IS NULL AND t.kind LIKE 'adjustment:%'
    )
    SELECT coalesce(-sum(amount) FILTER (WHERE account = 'revenue' AND first), 0)::bigint AS price_micros,
        coalesce(sum(amount) FILTER (WHERE account = 'revenue' AND NOT first), 0)::bigint AS credited_micros,
        coalesce(sum(amount) FILTER (WHERE account = 'payout' AND first), 0)::bigint AS payout_micros,
        coalesce(-sum(amount) FILTER (WHERE account = 'payout' AND NOT first), 0)::bigint AS clawed_back_micros,
        coalesce(sum(amount) FILTER (WHERE account = 'platform_fee'), 0)::bigint AS fee_micros
    FROM posted
    """
).bindparams(bindparam("call_id", type_=Uuid))


async def read_standing(connection: AsyncConnection, call_id: UUID, settlement_id: int) -> dict[str, int]:
    """Return what was charged for a call and given back, in micros. Its row must be locked."""
    values = {"call_id": call_id, "settlement_id": settlement_id}
    return dict((await connection.execute(_STANDING, values)).mappings().one())


_FEE = text(
    """
    SELECT platform_fee_micros AS fixed_micros, platform_fee_ppm AS share_ppm FROM platform_fees
    WHERE campaign_id = :id AND goes_live_at <= :at ORDER BY goes_live_at DESC LIMIT 1
    """
).bindparams(bindparam("id", type_=BigInteger), bindparam("at", type_=DateTime(timezone=True)))


async def fee_of(connection: AsyncConnection, campaign_id: int | None, at: dt.datetime) -> dict[str, int]:
    """Return fixed_micros and share_ppm of the platform's fee for calls that started `at` a moment."""
    row = (await connection.execute(_FEE, {"id": campaign_id, "at": at})).mappings().one_or_none()
    return {} if row is None else dict(row)


_BILLED = text(
    """
    SELECT (t.detail ->> 'attempt')::integer AS attempt, c.target_id, coalesce(c.conversion, '{}') AS conversion,
        (SELECT document ->> 'time_zone' FROM buyer_terms
            WHERE id = (c.conversion ->> 'buyer_terms_id')::bigint) AS buyer_zone,
        (SELECT document ->> 'time_zone' FROM publisher_terms
            WHERE id = (c.conversion ->> 'publisher_terms_id')::bigint) AS publisher_zone
    FROM calls c JOIN ledger_transactions t ON t.call_id = c.id AND t.kind = 'settlement' WHERE c.id = :call_id
    """
).bindparams(bindparam("call_id", type_=Uuid))


async def read_billed(connection: AsyncConnection, call_id: UUID) -> Any:
    """Return attempt, target_id, conversion and the zones of both contracts: what a settled call was counted by."""
    return (await connection.execute(_BILLED, {"call_id": call_id})).one()


# A counter whose period is over keeps what it has. Locked in the order of their keys, as every lease does.
_GIVE_BACK = text(
    """
    WITH owed AS (
        SELECT counter_key, period_start,
            sum(CASE kind WHEN 'conversions' THEN :conversions ELSE :revenue END)::bigint AS amount
        FROM leases WHERE call_id = :call_id AND attempt = :attempt AND kind IN ('conversions', 'revenue')
        GROUP BY counter_key, period_start
    ), locked AS (
        SELECT key FROM cap_counters WHERE key IN (SELECT counter_key FROM owed) ORDER BY key COLLATE "C" FOR UPDATE
    )
    UPDATE cap_counters c SET used = greatest(c.used - owed.amount, 0)
    FROM owed JOIN locked ON locked.key = owed.counter_key
    WHERE c.key = owed.counter_key AND c.period_start = owed.period_start
    """
).bindparams(
    bindparam("call_id", type_=Uuid),
    bindparam("conversions", type_=BigInteger),
    bindparam("revenue", type_=BigInteger),
)


async def give_back_caps(
    connection: AsyncConnection,
    call_id: UUID,
    attempt: int | None,
    *,
    conversions: int,
    revenue_micros: int,
) -> None:
    """Take a credit out of the caps on conversions and revenue that the call was counted in, if they still run."""
    values = {
        "call_id": call_id,
        "attempt": attempt or 0,
        "conversions": conversions,
        "revenue": revenue_micros,
    }
    await connection.execute(_GIVE_BACK, values)


async def mark_converted(connection: AsyncConnection, call_id: UUID, *, converted: bool) -> None:
    """Say whether a call counts as converted; what it was settled as stands in its conversion."""
    await connection.execute(update(calls).where(calls.c.id == call_id).values(converted=converted))


async def forget_conversion(connection: AsyncConnection, target_id: int | None) -> None:
    """Take a conversion out of the history by which targets are ranked."""
    query = text("UPDATE target_history SET converted = greatest(converted - 1, 0) WHERE target_id = :id")
    await connection.execute(query.bindparams(bindparam("id", type_=BigInteger)), {"id": target_id})


_LOWER_TIERS = text(
    """
    UPDATE tier_counts t SET used = greatest(t.used - 1, 0)
    FROM (SELECT t.key, t.period_start FROM tier_counts t
        JOIN unnest(:keys, :days) AS wanted(key, day)
            ON t.key = wanted.key AND t.period_start = CAST(wanted.day AS date)
        ORDER BY t.key FOR UPDATE OF t) AS locked
    WHERE t.key = locked.key AND t.period_start = locked.period_start
    """
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("days", type_=ARRAY(Text)))


async def lower_tiers(connection: AsyncConnection, counters: Sequence[TierCounter]) -> None:
    """Count one paid call less."""
    values = {
        "keys": [counter.key for counter in counters],
        "days": [counter.period_start.isoformat() for counter in counters],
    }
    await connection.execute(_LOWER_TIERS, values)
