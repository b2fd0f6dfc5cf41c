"""What a person has of their own, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import users, web_sessions

SESSIONS_SHOWN_MAXIMUM = 50


async def read_sessions(connection: AsyncConnection, user_id: int, now: datetime) -> Sequence[Row[Any]]:
    statement = (
        select(web_sessions)
        .where(web_sessions.c.user_id == user_id, web_sessions.c.expires_at > now)
        .order_by(web_sessions.c.last_seen_at.desc())
        .limit(SESSIONS_SHOWN_MAXIMUM)
    )
    return (await connection.execute(statement)).all()


async def delete_session(connection: AsyncConnection, user_id: int, session_id: UUID) -> str | None:
    """Return the ended session's address; None when this person has no such session."""
    statement = (
        delete(web_sessions)
        .where(web_sessions.c.user_id == user_id, web_sessions.c.id == session_id)
        .returning(web_sessions.c.address)
    )
    address: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return address


async def update_name(connection: AsyncConnection, user_id: int, name: str) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(name=name))


async def update_password_hash(connection: AsyncConnection, user_id: int, password_hash: str) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
