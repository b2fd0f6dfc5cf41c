"""The SQL of what numbers cost."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, kw_only=True)
class Rented:
    """A number that a carrier is paid for."""

    id: int
    e164: str
    carrier_name: str
    monthly_cost_micros: int
    rented_from: dt.date
    rented_to: dt.date | None
    posted: frozenset[str]
    """Kinds of the months that are posted."""


# The last month that is due tells whether a number has anything to post; which months are missing is looked up then.
_RENTED = text(
    """
    SELECT n.id, n.e164, n.carrier_name, n.monthly_cost_micros, n.rented_from, n.rented_to,
        array(SELECT kind FROM ledger_transactions t
            WHERE t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind = ANY (months.kinds)) AS posted
    FROM tracking_numbers n
    CROSS JOIN LATERAL (
        SELECT array_agg('number_month:' || n.id || ':' || to_char(month, 'YYYY-MM')) AS kinds
        FROM generate_series(date_trunc('month', n.rented_from), CAST(:today AS date), '1 month') AS month
    ) AS months
    WHERE n.monthly_cost_micros > 0 AND n.rented_from <= :today
        AND NOT EXISTS (SELECT FROM ledger_transactions t WHERE t.call_id IS NULL AND strpos(t.kind, ':') > 0
            AND t.kind = 'number_month:' || n.id || ':' || to_char(
                least(CAST(:today AS date), coalesce(n.rented_to - 1, CAST(:today AS date))), 'YYYY-MM'))
        AND (n.rented_to IS NULL OR n.rented_to > n.rented_from)
    ORDER BY n.id LIMIT :limit
    """
)


async def rented_numbers(connection: AsyncConnection, today: dt.date, *, limit: int) -> list[Rented]:
    """Return the numbers whose newest month is not posted yet, with what is posted."""
    found = await connection.execute(_RENTED, {"today": today, "limit": limit})
    return [Rented(**{**row._mapping, "posted": frozenset(row.posted)}) for row in found]
