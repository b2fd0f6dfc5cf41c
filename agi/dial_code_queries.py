"""One-time codes as the switch takes them, and what a call to a draft tells whoever looks on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import dial_codes, draft_call_events, users
from store.web_tables import DRAFT_CALLS


@dataclass(frozen=True, kw_only=True)
class DialCode:
    """What a code is for. `call_id` is that of a call in progress, `definition` a draft's, its sub-flows within."""

    id: UUID
    purpose: str
    call_id: UUID | None
    flow_name: str | None
    definition: Mapping[str, Any] | None
    campaign_id: int | None
    caller: str | None


@dataclass(frozen=True, kw_only=True)
class StoryEvent:
    """One thing that happened in a call to a draft."""

    sequence: int
    kind: str
    node: str
    detail: Mapping[str, Any]


async def take_code(connection: AsyncConnection, digits: str) -> DialCode | None:
    """Use a code up; None when it is none, was used, its time is over, or its owner may not sign in any more."""
    known = exists().where(users.c.id == dial_codes.c.user_id, users.c.disabled_at.is_(None))
    fields = ("id", "purpose", "call_id", "flow_name", "definition", "campaign_id")
    taken = await connection.execute(
        update(dial_codes)
        .where(dial_codes.c.code_digest == hashlib.sha256(digits.encode()).digest())
        .where(dial_codes.c.used_at.is_(None), dial_codes.c.expires_at > func.now(), known)
        .values(used_at=func.now())
        .returning(*(dial_codes.c[name] for name in fields), dial_codes.c.caller_sealed.label("caller"))
    )
    row = taken.first()
    return None if row is None else DialCode(**row._mapping)


async def add_events(connection: AsyncConnection, code_id: UUID, events: Sequence[StoryEvent]) -> None:
    """Store events of a call to a draft and wake whoever looks on, once the transaction is through."""
    rows = [
        {
            "dial_code_id": code_id,
            "sequence": event.sequence,
            "kind": event.kind,
            "node": event.node,
            "detail": dict(event.detail),
        }
        for event in events
    ]
    await connection.execute(insert(draft_call_events), rows)
    await connection.execute(select(func.pg_notify(DRAFT_CALLS, str(code_id))))
