"""API tokens in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.directory_word import OUTLAST_DIRECTORY, is_vouched_for
from store.tables import api_tokens, users
from web.keys import Role, User
from web.queries import USER_COLUMNS, Holder, user_of_row


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token as its owner sees it in the list; the secret is not there any more."""

    token_id: int
    name: str
    beginning: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TokenUser:
    user: User
    scopes: list[str]
    last_used_at: datetime | None


async def count_tokens(connection: AsyncConnection, user_id: int) -> int:
    statement = select(func.count()).where(api_tokens.c.user_id == user_id, api_tokens.c.revoked_at.is_(None))
    return int((await connection.execute(statement)).scalar_one())


async def insert_token(
    connection: AsyncConnection,
    *,
    user_id: int,
    name: str,
    token_digest: bytes,
    beginning: str,
    scopes: list[str],
    now: datetime,
    expires_at: datetime | None,
) -> int:
    statement = (
        insert(api_tokens)
        .values(
            user_id=user_id,
            name=name,
            token_digest=token_digest,
            beginning=beginning,
            scopes=scopes,
            created_at=now,
            expires_at=expires_at,
        )
        .returning(api_tokens.c.id)
    )
    return int((await connection.execute(statement)).scalar_one())


async def read_tokens(connection: AsyncConnection, user_id: int) -> list[Token]:
    statement = (
        select(api_tokens)
        .where(api_tokens.c.user_id == user_id, api_tokens.c.revoked_at.is_(None))
        .order_by(api_tokens.c.id.desc())
        .limit(200)
    )
    return [
        Token(
            token_id=row.id,
            name=row.name,
            beginning=row.beginning,
            scopes=list(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )
        for row in await connection.execute(statement)
    ]


async def revoke_token(
    connection: AsyncConnection, *, token_id: int, user_id: int, now: datetime
) -> str | None:
    """Return the revoked token's name, or None when this person has no such token."""
    statement = (
        update(api_tokens)
        .where(
            api_tokens.c.id == token_id, api_tokens.c.user_id == user_id, api_tokens.c.revoked_at.is_(None)
        )
        .values(revoked_at=now)
        .returning(api_tokens.c.name)
    )
    name: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return name


async def revoke_tokens_of(connection: AsyncConnection, user_id: int, now: datetime) -> int:
    """Revoke all tokens of a person; return how many there were."""
    statement = (
        update(api_tokens)
        .where(api_tokens.c.user_id == user_id, api_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return (await connection.execute(statement)).rowcount


async def is_token(connection: AsyncConnection, token_id: int, token_digest: bytes) -> bool:
    statement = select(api_tokens.c.id).where(
        api_tokens.c.id == token_id, api_tokens.c.token_digest == token_digest
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def user_by_token(connection: AsyncConnection, token_digest: bytes, now: datetime) -> TokenUser | None:
    statement = (
        select(*USER_COLUMNS, api_tokens.c.scopes, api_tokens.c.last_used_at)
        .join(users, users.c.id == api_tokens.c.user_id)
        .where(
            api_tokens.c.token_digest == token_digest,
            api_tokens.c.revoked_at.is_(None),
            api_tokens.c.expires_at.is_(None) | (api_tokens.c.expires_at > now),
            users.c.disabled_at.is_(None),
            is_vouched_for(now - OUTLAST_DIRECTORY),
        )
    )
    row = (await connection.execute(statement)).one_or_none()
    return row and TokenUser(user=user_of_row(row), scopes=list(row.scopes), last_used_at=row.last_used_at)


async def open_tokens(
    connection: AsyncConnection, digests: Sequence[bytes], now: datetime
) -> dict[bytes, Holder]:
    """Return those of these tokens that are good."""
    if not digests:
        return {}
    statement = (
        select(api_tokens.c.token_digest, users.c.role)
        .join(users, users.c.id == api_tokens.c.user_id)
        .where(
            api_tokens.c.token_digest.in_(set(digests)),
            api_tokens.c.revoked_at.is_(None),
            api_tokens.c.expires_at.is_(None) | (api_tokens.c.expires_at > now),
            users.c.disabled_at.is_(None),
            is_vouched_for(now - OUTLAST_DIRECTORY),
        )
    )
    rows = await connection.execute(statement)
    return {row.token_digest: Holder(role=Role(row.role)) for row in rows}


async def note_use(connection: AsyncConnection, token_digest: bytes, now: datetime) -> None:
    await connection.execute(
        update(api_tokens).where(api_tokens.c.token_digest == token_digest).values(last_used_at=now)
    )
