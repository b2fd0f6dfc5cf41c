"""The SQL of disputes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import answers, buyers, calls, disputes, recordings


async def live_dispute(connection: AsyncConnection, call_id: UUID) -> int | None:
    """Return a dispute of the call that is open or was accepted, wholly or in part."""
    query = select(disputes.c.id).where(disputes.c.call_id == call_id, disputes.c.state != "refused")
    return await connection.scalar(query)


async def insert_dispute(connection: AsyncConnection, said: dict[str, Any]) -> int:
    query = insert(disputes).values(**said).returning(disputes.c.id)
    return int((await connection.execute(query)).scalar_one())


async def update_dispute(connection: AsyncConnection, dispute_id: int, said: dict[str, Any]) -> None:
    await connection.execute(update(disputes).where(disputes.c.id == dispute_id).values(**said))


async def lock_dispute(connection: AsyncConnection, dispute_id: int) -> Any:
    """Return call_id, state and opening_id, the row locked; None when there is none."""
    query = select(disputes.c.call_id, disputes.c.state, disputes.c.opening_id)
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
