"""The calls that are going on, out of what their witnesses have brought to PostgreSQL so far."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from store.sealed_columns import CALLER, SealedText
from web.live.board import LiveCall, Marks, stage_of

CALLS_MAXIMUM = 500
"""More are not drawn: the newest count."""
ANSWERS_MAXIMUM = 20

# Each call costs a few reads by key; `ix_calls_unsettled` holds those that are not settled and nothing else.
_LIVE = """
    SELECT c.id, c.started_at, c.caller_sealed AS caller, c.dialled, m.name AS campaign, p.name AS publisher,
        w.at AS waiting_at, w.node, w.detail ->> 'waits_for' AS waits_for,
        d.decided_at, d.target_id IS NOT NULL AS offered, d.sequence AS attempt,
        x.event AS leg_event, x.event_us AS leg_us,
        b.name AS buyer, t.name AS target,
        (
            SELECT array_agg(ARRAY[s.tag, s.value] ORDER BY s.sequence) FROM (
                SELECT a.tag, a.value, a.sequence FROM answers a
                WHERE a.call_id = c.id AND a.value IS NOT NULL ORDER BY a.sequence LIMIT :answers
            ) s
        ) AS answers
    FROM calls c
    LEFT JOIN campaigns m ON m.id = c.campaign_id
    LEFT JOIN publishers p ON p.id = c.publisher_id
    LEFT JOIN LATERAL (
        SELECT e.at, e.node, e.detail FROM call_events e
        WHERE e.call_id = c.id AND e.kind = 'waiting' ORDER BY e.id DESC LIMIT 1
    ) w ON true
    LEFT JOIN LATERAL (
        SELECT decided_at, target_id, sequence FROM decisions WHERE call_id = c.id ORDER BY sequence DESC LIMIT 1
    ) d ON true
    LEFT JOIN LATERAL (
        SELECT r.event, r.event_us, r.channel FROM cel_rows r
        WHERE r.linkedid = c.linkedid AND (
            r.event = 'DIALEND'
            OR r.event IN ('BRIDGE_ENTER', 'BRIDGE_EXIT') AND r.channel LIKE 'PJSIP/target-%'
        ) ORDER BY r.id DESC LIMIT 1
    ) x ON true
    LEFT JOIN targets t ON t.id = CASE
        WHEN x.event = 'BRIDGE_ENTER' THEN substring(x.channel FROM 'PJSIP/target-([0-9]{1,18})-')::bigint
        ELSE d.target_id END
    LEFT JOIN buyers b ON b.id = t.buyer_id
    WHERE c.state = 'in_progress' AND c.state <> 'settled'
"""
_ALL = text(f"{_LIVE} ORDER BY c.started_at DESC, c.id DESC LIMIT :maximum").columns(
    caller=SealedText(CALLER)
)
_SOME = (
    text(f"{_LIVE} AND c.id = ANY (:ids) ORDER BY c.started_at DESC, c.id DESC")
    .bindparams(bindparam("ids", type_=ARRAY(Uuid)))
    .columns(caller=SealedText(CALLER))
)


async def read_live_calls(connection: AsyncConnection, *, maximum: int = CALLS_MAXIMUM) -> list[LiveCall]:
    """Return the newest calls that are going on, newest first."""
    rows = await connection.execute(_ALL, {"maximum": maximum, "answers": ANSWERS_MAXIMUM})
    return [_call_of(row) for row in rows]


async def read_these(connection: AsyncConnection, ids: Collection[UUID]) -> list[LiveCall]:
    """Return those of the calls that are still going on."""
    rows = await connection.execute(_SOME, {"ids": list(ids), "answers": ANSWERS_MAXIMUM})
    return [_call_of(row) for row in rows]


def _call_of(row: Row[Any]) -> LiveCall:
    leg_at = None if row.leg_us is None else _instant(row.leg_us)
    marks = Marks(
        waiting_at=row.waiting_at,
        decided_at=row.decided_at,
        offered=row.offered,
        rung_at=leg_at if row.leg_event in ("DIALEND", "BRIDGE_EXIT") else None,
        talking_at=leg_at if row.leg_event == "BRIDGE_ENTER" else None,
    )
    stage, since = stage_of(row.started_at, marks)
    return LiveCall(
        id=row.id,
        started_at=row.started_at,
        caller=row.caller,
        dialled=row.dialled,
        campaign=row.campaign,
        publisher=row.publisher,
        stage=stage,
        since=since,
        node=row.node or "",
        waits_for=row.waits_for or "",
        answers=tuple((tag, value) for tag, value in row.answers or ()),
        attempt=row.attempt or 0,
        buyer=row.buyer,
        target=row.target,
    )


def _instant(epoch_us: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=epoch_us)
