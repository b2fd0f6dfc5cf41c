"""What Idempotency-Keys were answered, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import api_answers

_t = api_answers.c
KEPT = timedelta(hours=24)


async def take_key(
    connection: AsyncConnection, user_id: int, key: str, request_digest: bytes, now: datetime
) -> bool:
    """Tell whether the key was free; it is taken now."""
    statement = (
        insert(api_answers)
        .values(user_id=user_id, key=key, request_digest=request_digest, created_at=now)
        .on_conflict_do_nothing()
        .returning(_t.key)
    )
    return (await connection.execute(statement)).scalar_one_or_none() is not None


async def answer_of(connection: AsyncConnection, user_id: int, key: str) -> Row[Any] | None:
    statement = select(api_answers).where(_t.user_id == user_id, _t.key == key)
    return (await connection.execute(statement)).one_or_none()


async def keep_answer(
    connection: AsyncConnection,
    user_id: int,
    key: str,
    status: int,
    headers: Mapping[str, str],
    body: str | None,
) -> None:
    await connection.execute(
        update(api_answers)
        .where(_t.user_id == user_id, _t.key == key)
        .values(status=status, headers=dict(headers), body=body)
    )


async def forget_key(connection: AsyncConnection, user_id: int, key: str) -> None:
    await connection.execute(
        delete(api_answers).where(_t.user_id == user_id, _t.key == key, _t.status.is_(None))
    )


async def delete_old_answers(connection: AsyncConnection, now: datetime) -> None:
    """Forget what was answered longer ago than anybody asks again."""
    await connection.execute(delete(api_answers).where(_t.created_at < now - KEPT))
