"""One-time codes as the switch takes them, and what a call to a draft tells whoever looks on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.directory_word import OUTLAST_DIRECTORY, is_vouched_for
from store.tables import api_tokens, dial_codes, draft_call_events, users, web_sessions
from store.web_tables import DRAFT_CALLS

CHANNELS_AT_ONCE = 100


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


async def take_code(connection: AsyncConnection, digits: str, *, node: str, channel: str) -> DialCode | None:
    """Use a code up on a channel; None when it is none, was used, its time is over, or who made it may no more."""
    known = exists().where(users.c.id == dial_codes.c.user_id, users.c.disabled_at.is_(None))
    fields = ("id", "purpose", "call_id", "flow_name", "definition", "campaign_id")
    taken = await connection.execute(
        update(dial_codes)
        .where(dial_codes.c.code_digest == hashlib.sha256(digits.encode()).digest())
        .where(dial_codes.c.used_at.is_(None), dial_codes.c.expires_at > func.now(), known, _is_held())
        .values(used_at=func.now(), node=node, channel=channel)
        .returning(*(dial_codes.c[name] for name in fields), dial_codes.c.caller_sealed.label("caller"))
    )
    row = taken.first()
    return None if row is None else DialCode(**row._mapping)


async def channels_to_end(connection: AsyncConnection, node: str) -> dict[UUID, str]:
    """Return the channels of a node, by code, whose code was made by a session or token that has ended since."""
    known = exists().where(users.c.id == dial_codes.c.user_id, users.c.disabled_at.is_(None))
    query = (
        select(dial_codes.c.id, dial_codes.c.channel)
        .where(dial_codes.c.node == node, dial_codes.c.channel.is_not(None), ~(known & _is_held()))
        .limit(CHANNELS_AT_ONCE)
    )
    return {row.id: row.channel for row in await connection.execute(query)}


async def forget_channel(connection: AsyncConnection, code_id: UUID) -> None:
    """Note that a code's call is over."""
    await connection.execute(update(dial_codes).where(dial_codes.c.id == code_id).values(channel=None))


def _is_held() -> ColumnElement[bool]:
    """Whether what made a code is still good; being idle does not count: somebody talks."""
    session = exists().where(
        web_sessions.c.token_digest == dial_codes.c.holder_digest,
        web_sessions.c.expires_at > func.now(),
        users.c.id == web_sessions.c.user_id,
        is_vouched_for(func.now()),
    )
    token = exists().where(
        api_tokens.c.token_digest == dial_codes.c.holder_digest,
        api_tokens.c.revoked_at.is_(None),
        api_tokens.c.expires_at.is_(None) | (api_tokens.c.expires_at > func.now()),
        users.c.id == api_tokens.c.user_id,
        is_vouched_for(func.now() - OUTLAST_DIRECTORY),
    )
    return dial_codes.c.holder_digest.is_(None) | session | token


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
