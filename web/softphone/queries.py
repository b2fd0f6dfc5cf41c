"""One-time codes as they are made, and what is told of the calls they opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import campaigns, dial_codes, draft_call_events

KEPT = timedelta(days=1)
EVENTS_READ_MAXIMUM = 500


@dataclass(frozen=True, kw_only=True)
class CallEvent:
    """One thing that happened in a call to a draft."""

    sequence: int
    at: datetime
    kind: str
    node: str
    detail: Mapping[str, Any]


async def insert_code(
    connection: AsyncConnection, *, digest: bytes, user_id: int, now: datetime, **fields: Any
) -> UUID:
    """Store a code and return the name by which its call is followed; codes of yesterday are forgotten."""
    await connection.execute(
        delete(dial_codes).where(dial_codes.c.user_id == user_id, dial_codes.c.created_at < now - KEPT)
    )
    values = {"code_digest": digest, "user_id": user_id, "created_at": now, **fields}
    made = await connection.execute(insert(dial_codes).values(values).returning(dial_codes.c.id))
    return UUID(str(made.scalar_one()))


async def owns_code(connection: AsyncConnection, code_id: UUID, user_id: int) -> bool:
    """Tell whether this user made this code, for a draft."""
    query = select(dial_codes.c.id).where(
        dial_codes.c.id == code_id, dial_codes.c.user_id == user_id, dial_codes.c.purpose == "draft"
    )
    return (await connection.execute(query)).first() is not None


async def events_after(connection: AsyncConnection, code_id: UUID, sequence: int) -> list[CallEvent]:
    """Return what happened after event `sequence` (0: all), in order, at most 500."""
    fields = (draft_call_events.c[name] for name in ("sequence", "at", "kind", "node", "detail"))
    query = (
        select(*fields)
        .where(draft_call_events.c.dial_code_id == code_id, draft_call_events.c.sequence > sequence)
        .order_by(draft_call_events.c.sequence)
        .limit(EVENTS_READ_MAXIMUM)
    )
    return [CallEvent(**row._mapping) for row in await connection.execute(query)]


async def campaign_for(connection: AsyncConnection, flow_name: str) -> int | None:
    """Return the first enabled campaign that uses a flow; None when none does."""
    query = (
        select(campaigns.c.id)
        .where(campaigns.c.flow_name == flow_name, campaigns.c.enabled)
        .order_by(campaigns.c.id)
        .limit(1)
    )
    return (await connection.execute(query)).scalar()


async def is_campaign(connection: AsyncConnection, campaign_id: int) -> bool:
    return (
        await connection.execute(select(campaigns.c.id).where(campaigns.c.id == campaign_id))
    ).first() is not None
