"""The calls behind a figure of a report, newest first, fifty at a time.

Sums by day tell on which days there are any: of ten million calls those of one number and one state may be a handful,
or none, and only their days are looked at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.report_query import ReportError
from billing.rollup import KEPT, Dimension, Grain, pair_code
from billing.sums_queries import summed_key, typed
from store.sealed_columns import CALLER, SealedText

CALLS_AT_ONCE = 50
_ABOUT = 2
"""Sums are kept by so many dimensions."""


@dataclass(frozen=True, kw_only=True)
class ReportCall:
    """One call behind a figure."""

    call_id: UUID
    started_at: dt.datetime
    caller: str | None
    outcome: str | None
    connected_ms: int
    revenue_micros: int
    payout_micros: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page of calls ends; the next one begins after it."""

    at: dt.datetime
    transaction_id: int


async def calls_behind(
    connection: AsyncConnection,
    *,
    start: dt.datetime,
    end: dt.datetime,
    where: Mapping[Dimension, str],
    after: Place | None = None,
    limit: int = CALLS_AT_ONCE,
) -> tuple[tuple[ReportCall, ...], Place | None]:
    """Return calls of these values, newest first, and where the next page begins (None: that was all).

    As they were settled; what corrected them later is on the call's own page. Folded calls only: at most a second old.
    """
    if any(one.of_time for one in where) or not 1 <= limit <= 1_000:
        raise ReportError(
            "calls are asked for by what they are of; their time is the period, 1 to 1000 at once"
        )
    values: dict[str, Any] = {one.value: typed(one, value) for one, value in where.items()}
    values |= {"start": start, "end": end, "limit": limit}
    conditions = "".join(f" AND {one.value} = :{one.value}" for one in where)
    if after is not None:
        conditions += " AND (at, transaction_id) < (:after_at, :after_id)"
        values |= {"after_at": after.at, "after_id": after.transaction_id}
    if where:
        values |= _of_sums(where, after.at if after is not None else end)
        found = _ON_SOME_DAYS.format(
            conditions=conditions, enough=_ENOUGH if len(where) <= _ABOUT else "true"
        )
    else:
        found = _FACTS.format(conditions=conditions)
    query = text(_CALLS.format(found=found)).columns(caller=SealedText(CALLER))
    rows = (await connection.execute(query, values)).all()
    calls = tuple(
        ReportCall(**{name: getattr(row, name) for name in ReportCall.__dataclass_fields__}) for row in rows
    )
    last = Place(at=rows[-1].at, transaction_id=rows[-1].transaction_id) if len(rows) == limit else None
    return calls, last


def _of_sums(where: Mapping[Dimension, str], until: dt.datetime) -> dict[str, Any]:
    """Return which sums tell the days; of more than two dimensions those of two."""
    about = [one for one in KEPT if one in where][:_ABOUT]
    keys = [*(summed_key(one, where[one]) for one in about), "", ""]
    return {"pair": pair_code(about), "a": keys[0], "b": keys[1], "until": until}


_FACTS = """
    SELECT * FROM report_facts WHERE calls = 1 AND at >= :start AND at < :end{conditions}
    ORDER BY at DESC, transaction_id DESC LIMIT :limit
"""
# How many calls newer days have, all in the period: of the newest one a part may lie after it.
_ENOUGH = "newer < :limit"
_ON_SOME_DAYS = f"""
    WITH days AS (
        SELECT day, coalesce(sum(CASE WHEN day + interval '24 hours' <= :until THEN calls ELSE 0 END)
            OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
        FROM generate_series(date_trunc('day', CAST(:start AS timestamptz), 'UTC'), CAST(:until AS timestamptz),
            interval '24 hours') AS day
        CROSS JOIN LATERAL (
            SELECT calls FROM rollups
            WHERE grain = {Grain.DAY:d} AND pair = :pair AND bucket = day AND a = :a AND b = :b AND calls > 0
            OFFSET 0) sums
    )
    SELECT f.* FROM (SELECT * FROM days WHERE {{enough}}) days CROSS JOIN LATERAL (
        SELECT * FROM report_facts
        WHERE calls = 1 AND at >= greatest(day, :start) AND at < least(day + interval '24 hours', :end){{conditions}}
        ORDER BY at DESC, transaction_id DESC LIMIT :limit) f
    ORDER BY at DESC, transaction_id DESC LIMIT :limit
"""  # noqa: S608 (names only)
_CALLS = """
    SELECT f.transaction_id, f.at, f.call_id, c.started_at, c.caller_sealed AS caller, c.outcome, f.connected_ms,
        f.revenue_micros, f.payout_micros
    FROM ({found}) f JOIN calls c ON c.id = f.call_id ORDER BY f.at DESC, f.transaction_id DESC
"""
