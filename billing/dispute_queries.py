"""The SQL of disputes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, bindparam, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import answers, buyers, calls, disputes, recordings

EXPOSURES_MAXIMUM = 500


_DISPUTES = text(
    """
    SELECT count(*) FILTER (WHERE state = 'open') AS open_count,
        count(*) FILTER (WHERE opened_at > :since) AS counted
    FROM disputes WHERE buyer_id = :buyer_id AND state IN ('open', 'refused')
    """
).bindparams(bindparam("since", type_=DateTime(timezone=True)))


async def read_allowance(
    connection: AsyncConnection, buyer_id: int, since: dt.datetime, *, lock: bool
) -> dict[str, int]:
    """Return the fields of an Allowance; `lock` locks the buyer's row until the transaction ends."""
    columns = buyers.c.open_disputes_maximum, buyers.c.disputes_percent
    query = select(*columns).where(buyers.c.id == buyer_id)
    if lock:
        query = query.with_for_update(key_share=True)
    maximum, percent = (await connection.execute(query)).one()
    paid = select(func.count()).where(
        calls.c.buyer_id == buyer_id, calls.c.started_at > since, calls.c.converted
    )
    counts = (await connection.execute(_DISPUTES, {"buyer_id": buyer_id, "since": since})).one()
    return {
        "open_maximum": maximum,
        "share_percent": percent,
        "paid_calls": (await connection.execute(paid)).scalar_one(),
        **counts._mapping,
    }


async def newest_dispute(connection: AsyncConnection, call_id: UUID) -> Any:
    """Return id and state of the call's newest dispute; None when there is none."""
    query = select(disputes.c.id, disputes.c.state).where(disputes.c.call_id == call_id)
    return (await connection.execute(query.order_by(disputes.c.id.desc()).limit(1))).one_or_none()


async def insert_dispute(connection: AsyncConnection, said: dict[str, Any]) -> int:
    query = insert(disputes).values(**said).returning(disputes.c.id)
    return int((await connection.execute(query)).scalar_one())


async def update_dispute(connection: AsyncConnection, dispute_id: int, said: dict[str, Any]) -> None:
    await connection.execute(update(disputes).where(disputes.c.id == dispute_id).values(**said))


async def lock_dispute(connection: AsyncConnection, dispute_id: int) -> Any:
    """Return call_id, state, reason and opening_id, the row locked; None when there is none."""
    query = select(disputes.c.call_id, disputes.c.state, disputes.c.reason, disputes.c.opening_id)
    query = query.where(disputes.c.id == dispute_id).with_for_update()
    return (await connection.execute(query)).one_or_none()


async def evidence_of(connection: AsyncConnection, call_id: UUID) -> dict[str, Any]:
    """Return what the call stood on when it was disputed: witnesses, verdict, answers, and which sound there was."""
    call = (
        await connection.execute(select(calls.c.evidence, calls.c.conversion).where(calls.c.id == call_id))
    ).one()
    said = await connection.execute(
        select(answers.c.tag, answers.c.value, answers.c.heard, answers.c.confidence)
        .where(answers.c.call_id == call_id)
        .order_by(answers.c.sequence)
    )
    heard = await connection.execute(
        select(recordings.c.part, recordings.c.state, recordings.c.length_ms, recordings.c.sha256)
        .where(recordings.c.call_id == call_id)
        .order_by(recordings.c.part)
    )
    return {
        "witnesses": call.evidence,
        "conversion": call.conversion,
        "answers": [dict(row._mapping) for row in said],
        "recordings": [dict(row._mapping) for row in heard],
    }


async def list_disputes(connection: AsyncConnection, state: str | None, limit: int) -> Sequence[Any]:
    """Return the newest disputes with their buyers' names."""
    query = (
        select(disputes, buyers.c.name.label("buyer"))
        .join(buyers, buyers.c.id == disputes.c.buyer_id)
        .order_by(disputes.c.id.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(disputes.c.state == state)
    return (await connection.execute(query)).all()


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What one buyer disputes and nobody has decided. Millionths of a dollar."""

    buyer_id: int
    buyer: str
    open_count: int
    open_maximum: int
    disputed_micros: int
    lowers_credit_micros: int
    """What new calls may cost the less for it."""


_EXPOSURES = text(
    """
    SELECT b.id AS buyer_id, b.name AS buyer, b.open_disputes_maximum AS open_maximum, w.disputed_micros,
        coalesce(b.credit_limit_micros
            - credit_line(b.credit_limit_micros, w.disputed_micros, b.disputes_lower_credit_percent), 0)
            AS lowers_credit_micros,
        (SELECT count(*) FROM disputes d WHERE d.buyer_id = b.id AND d.state = 'open') AS open_count
    FROM wallets w JOIN buyers b ON b.id = w.buyer_id
    WHERE w.disputed_micros <> 0 ORDER BY w.disputed_micros DESC, b.id LIMIT :limit
    """
)


async def read_exposures(connection: AsyncConnection) -> list[Exposure]:
    """Return the buyers with open disputes, the largest sum first."""
    found = await connection.execute(_EXPOSURES, {"limit": EXPOSURES_MAXIMUM})
    return [Exposure(**row._mapping) for row in found]
