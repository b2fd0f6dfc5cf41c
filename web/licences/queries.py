"""Who may take calls from where: buyers with the licences and a target that wants such calls.

The same licences as router.domain.licences.is_licensed asks for: the company's, and, where a buyer lists its loan
officers, one of theirs as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_LICENSED = """
WITH held AS (
    SELECT buyer_id, state,
        bool_or(officer_nmls_id IS NULL) AS company,
        bool_or(officer_nmls_id IS NOT NULL) AS officer,
        max(coalesce(valid_to, 'infinity'::date)) FILTER (WHERE officer_nmls_id IS NULL) AS last_day
    FROM licences
    WHERE product = :product AND status = 'active' AND valid_from <= :day
        AND (valid_to IS NULL OR valid_to >= :day) AND (CAST(:state AS text) IS NULL OR state = :state)
    GROUP BY buyer_id, state
), wanting AS (
    SELECT DISTINCT t.buyer_id
    FROM targets t JOIN buyers b ON b.id = t.buyer_id
    WHERE t.enabled AND b.enabled AND t.paused_at IS NULL AND :product = ANY (t.loan_types)
        AND (CAST(:campaign_id AS bigint) IS NULL OR EXISTS (
            SELECT 1 FROM plan_entries e JOIN plan_stages s ON s.id = e.stage_id
            WHERE e.target_id = t.id AND s.campaign_id = :campaign_id))
), listing AS (
    SELECT DISTINCT buyer_id FROM licences WHERE officer_nmls_id IS NOT NULL
)
"""
_COUNT = text(
    _LICENSED  # noqa: S608 (constants of this file)
    + """
    SELECT h.state, count(*) AS buyers
    FROM held h JOIN wanting w USING (buyer_id) LEFT JOIN listing l USING (buyer_id)
    WHERE h.company AND (l.buyer_id IS NULL OR h.officer)
    GROUP BY h.state
    """
)
_LIST = text(
    _LICENSED  # noqa: S608 (constants of this file)
    + """
    SELECT b.id, b.name, nullif(h.last_day, 'infinity'::date) AS last_day, h.officer
    FROM held h JOIN wanting w USING (buyer_id) LEFT JOIN listing l USING (buyer_id)
        JOIN buyers b ON b.id = h.buyer_id
    WHERE h.company AND (l.buyer_id IS NULL OR h.officer)
        AND (lower(b.name), b.id) > (:after_name, CAST(:after_id AS bigint))
    ORDER BY lower(b.name), b.id LIMIT :limit
    """
)


async def buyers_by_state(
    connection: AsyncConnection, *, product: str, campaign_id: int | None, day: date
) -> dict[str, int]:
    """Return how many buyers may take calls for a loan, by state; a state without any is missing."""
    values = {"product": product, "campaign_id": campaign_id, "day": day, "state": None}
    return {row.state: row.buyers for row in await connection.execute(_COUNT, values)}


async def buyers_in_state(
    connection: AsyncConnection,
    *,
    product: str,
    campaign_id: int | None,
    day: date,
    state: str,
    after: tuple[str, int] = ("", 0),
    limit: int,
) -> Sequence[dict[str, Any]]:
    """Return up to `limit` of these buyers by name: id, name, last_day of the licence (None: open), officer."""
    values = {
        "product": product,
        "campaign_id": campaign_id,
        "day": day,
        "state": state,
        "after_name": after[0],
        "after_id": after[1],
        "limit": limit,
    }
    return [dict(row) for row in (await connection.execute(_LIST, values)).mappings()]
