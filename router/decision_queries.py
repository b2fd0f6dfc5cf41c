"""Decisions as they were stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from router.stored_caller import with_caller
from store.tables import calls, decisions, targets


@dataclass(frozen=True, kw_only=True)
class StoredDecision:
    sequence: int
    decided_by: str
    decision: dict[str, Any]


async def decisions_of(connection: AsyncConnection, call_id: UUID) -> Sequence[StoredDecision]:
    """Return a call's decisions, as they were made, in their order."""
    rows = await connection.execute(
        select(decisions.c.sequence, decisions.c.decided_by, decisions.c.decision, calls.c.caller_sealed)
        .outerjoin(calls, calls.c.id == decisions.c.call_id)
        .where(decisions.c.call_id == call_id)
        .order_by(decisions.c.sequence)
    )
    return [
        StoredDecision(
            sequence=row.sequence,
            decided_by=row.decided_by,
            decision=with_caller(row.decision, row.caller_sealed),
        )
        for row in rows
    ]


async def target_names(connection: AsyncConnection, ids: Iterable[int]) -> dict[int, str]:
    rows = await connection.execute(select(targets.c.id, targets.c.name).where(targets.c.id.in_(list(ids))))
    return {row.id: row.name for row in rows}
