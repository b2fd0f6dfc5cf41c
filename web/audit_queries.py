"""The audit log in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
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
