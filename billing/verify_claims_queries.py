"""The SQL by which sales and disputes are proved to say what their transactions do: each returns what does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SALES = text(
    """
    WITH posted AS (
        SELECT id, call_id, kind, (detail ->> 'price_micros')::bigint AS price,
            (detail ->> 'payout_micros')::bigint AS payout
        FROM ledger_transactions WHERE call_id IS NOT NULL AND kind LIKE 'sale:%'
    )
    SELECT coalesce(s.call_id, t.call_id) AS call_id, t.id AS transaction_id, s.id AS sale_id, s.key, s.version,
        s.price_micros AS price, s.payout_micros AS payout, t.kind, t.price AS posted, t.payout AS paid_out
    FROM sales s FULL JOIN posted t ON t.id = s.transaction_id
    WHERE (s.call_id, 'sale:' || s.key || ':' || s.version, s.price_micros, s.payout_micros)
        IS DISTINCT FROM (t.call_id, t.kind, t.price, t.payout)
    ORDER BY t.id LIMIT :limit
    """
)


async def sales_not_as_posted(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return sales and their transactions where call, key, price or payout differ, or one of them is missing."""
    return (await connection.execute(_SALES, {"limit": limit})).all()


# What a transaction of an earlier version does not say is not compared.
_DISPUTES = """
    WITH opened AS (
        SELECT t.*, p.amount_micros AS exposed FROM ledger_transactions t
        LEFT JOIN ledger_postings p ON p.transaction_id = t.id AND p.account ~ '^buyer:[0-9]+:(disputed)$'
        WHERE t.call_id IS NOT NULL AND t.kind LIKE 'dispute\\_opened:%'
    ), decided AS (
        SELECT * FROM ledger_transactions WHERE call_id IS NOT NULL AND kind LIKE 'dispute\\_decided:%'
    )
    SELECT d.id, coalesce(d.call_id, o.call_id, r.call_id) AS call_id, coalesce(o.id, r.id) AS transaction_id,
        CASE WHEN d.id IS NULL THEN 'it is not there' ELSE concat_ws(', ',
            CASE WHEN d.call_id <> coalesce(o.call_id, d.call_id) OR d.call_id <> coalesce(r.call_id, d.call_id)
                OR o.kind <> 'dispute_opened:' || d.id OR r.kind <> 'dispute_decided:' || d.id THEN 'its call' END,
            CASE WHEN d.reason <> o.detail ->> 'reason' THEN 'its reason' END,
            CASE WHEN d.note <> o.detail ->> 'note' THEN 'its note' END,
            CASE WHEN d.price_micros <> o.exposed THEN 'its price' END,
            CASE WHEN d.state <> coalesce(r.detail ->> 'state', 'open') THEN 'its state' END,
            CASE WHEN d.answer <> coalesce(r.detail ->> 'answer', '') THEN 'its answer' END,
            CASE WHEN coalesce(d.credit_micros, 0) <> coalesce((r.detail ->> 'credit_micros')::bigint,
                CASE WHEN r.id IS NULL THEN 0 END) THEN 'its credit' END,
            CASE WHEN coalesce(d.claw_back_micros, 0) <> coalesce((r.detail ->> 'claw_back_micros')::bigint,
                CASE WHEN r.id IS NULL THEN 0 END) THEN 'its claw-back' END
        ) END AS other
    FROM disputes d FULL JOIN opened o ON o.id = d.opening_id FULL JOIN decided r ON r.id = d.decision_id
"""
_DISPUTES_FOUND = text(f"SELECT * FROM ({_DISPUTES}) found WHERE other <> '' ORDER BY id LIMIT :limit")  # noqa: S608


async def disputes_not_as_posted(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return disputes that are not what their transactions say, and in what."""
    return (await connection.execute(_DISPUTES_FOUND, {"limit": limit})).all()
