"""The audit log in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import audit_log


async def insert_audit(
    connection: AsyncConnection,
    *,
    user_id: int | None,
    actor: str,
    via: str,
    action: str,
    kind: str,
    ref: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> int:
    statement = (
        insert(audit_log)
        .values(
            user_id=user_id,
            actor=actor,
            via=via,
            action=action,
            kind=kind,
            ref=ref,
            before=before,
            after=after,
        )
        .returning(audit_log.c.id)
    )
    return int((await connection.execute(statement)).scalar_one())


async def was_noted(
    connection: AsyncConnection, *, user_id: int, action: str, kind: str, ref: str, within: timedelta
) -> bool:
    """Return whether the user was noted to have done this to this so recently."""
    columns = audit_log.c
    there = exists().where(
        columns.kind == kind,
        columns.ref == ref,
        columns.action == action,
        columns.user_id == user_id,
        columns.at > func.now() - within,
    )
    return bool(await connection.scalar(select(there)))
