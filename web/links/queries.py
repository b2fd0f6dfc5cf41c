"""Links that open once, in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import user_links, users
from web.keys import HOUSE, User
from web.queries import USER_COLUMNS, user_of_row


@dataclass(frozen=True, kw_only=True)
class OpenLink:
    """A link that nobody has used yet."""

    kind: str
    user: User
    expires_at: datetime


async def insert_link(
    connection: AsyncConnection,
    *,
    token_digest: bytes,
    kind: str,
    user_id: int,
    created_by: int | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    await connection.execute(
        insert(user_links).values(
            token_digest=token_digest,
            kind=kind,
            user_id=user_id,
            created_by=created_by,
            created_at=now,
            expires_at=expires_at,
        )
    )


async def close_links_of(connection: AsyncConnection, user_id: int, now: datetime) -> None:
    """Close a person's links: a newer one, or a password, has come."""
    await connection.execute(
        update(user_links)
        .where(user_links.c.user_id == user_id, user_links.c.used_at.is_(None))
        .values(used_at=now)
    )


async def close_links_by(connection: AsyncConnection, maker_id: int, now: datetime) -> None:
    """Close what somebody handed on that opens the house: links for new passwords, and invitations into it."""
    of_house = exists().where(users.c.id == user_links.c.user_id, users.c.role.in_(HOUSE))
    await connection.execute(
        update(user_links)
        .where(
            user_links.c.created_by == maker_id,
            user_links.c.used_at.is_(None),
            (user_links.c.kind == "reset") | of_house,
        )
        .values(used_at=now)
    )


async def read_link(connection: AsyncConnection, token_digest: bytes, now: datetime) -> OpenLink | None:
    statement = (
        select(*USER_COLUMNS, user_links.c.kind, user_links.c.expires_at)
        .join(users, users.c.id == user_links.c.user_id)
        .where(
            user_links.c.token_digest == token_digest,
            user_links.c.used_at.is_(None),
            user_links.c.expires_at > now,
            users.c.disabled_at.is_(None),
            users.c.directory_subject.is_(None),
        )
    )
    return _link((await connection.execute(statement)).one_or_none())


async def use_link(connection: AsyncConnection, token_digest: bytes, now: datetime) -> OpenLink | None:
    """Use a link up and return it: of two who come at once, the row's lock lets one find it."""
    statement = (
        update(user_links)
        .where(
            user_links.c.token_digest == token_digest,
            user_links.c.used_at.is_(None),
            user_links.c.expires_at > now,
            users.c.id == user_links.c.user_id,
            users.c.disabled_at.is_(None),
            users.c.directory_subject.is_(None),
        )
        .values(used_at=now)
        .returning(*USER_COLUMNS, user_links.c.kind, user_links.c.expires_at)
    )
    return _link((await connection.execute(statement)).one_or_none())


async def set_password_hash(connection: AsyncConnection, user_id: int, password_hash: str) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))


def _link(row: Any) -> OpenLink | None:
    return None if row is None else OpenLink(kind=row.kind, user=user_of_row(row), expires_at=row.expires_at)
