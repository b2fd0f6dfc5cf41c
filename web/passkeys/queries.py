"""Passkeys in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import passkeys
from web.queries import lock_user


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """A passkey as its owner sees it, and as it is checked."""

    credential_id: bytes
    user_id: int
    public_key: bytes
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


async def read_passkeys(connection: AsyncConnection, user_id: int) -> list[Passkey]:
    statement = (
        select(passkeys)
        .where(passkeys.c.user_id == user_id)
        .order_by(passkeys.c.created_at, passkeys.c.credential_id)
        .limit(100)
    )
    return [Passkey(**row) for row in (await connection.execute(statement)).mappings()]


async def count_passkeys(connection: AsyncConnection, user_id: int) -> int:
    statement = select(func.count()).where(passkeys.c.user_id == user_id)
    return int((await connection.execute(statement)).scalar_one())


async def read_passkey(connection: AsyncConnection, credential_id: bytes) -> Passkey | None:
    """Return a passkey that nobody else can use until this transaction ends.

    Its owner is locked first, as by anyone who ends what they have open.
    """
    mine = passkeys.c.credential_id == credential_id
    owner = (await connection.execute(select(passkeys.c.user_id).where(mine))).scalar_one_or_none()
    if owner is None:
        return None
    await lock_user(connection, owner)
    statement = select(passkeys).where(mine).with_for_update()
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Passkey(**row) if row else None


async def insert_passkey(
    connection: AsyncConnection,
    *,
    credential_id: bytes,
    user_id: int,
    public_key: bytes,
    sign_count: int,
    name: str,
    now: datetime,
) -> bool:
    """Keep a passkey. False when there is one of this id already."""
    statement = (
        insert(passkeys)
        .values(
            credential_id=credential_id,
            user_id=user_id,
            public_key=public_key,
            sign_count=sign_count,
            name=name,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(passkeys.c.user_id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def note_use(
    connection: AsyncConnection, credential_id: bytes, *, sign_count: int, now: datetime
) -> None:
    await connection.execute(
        update(passkeys)
        .where(passkeys.c.credential_id == credential_id)
        .values(sign_count=sign_count, last_used_at=now)
    )


async def rename_passkey(
    connection: AsyncConnection, user_id: int, credential_id: bytes, name: str
) -> str | None:
    """Return the name it had; None when this person has no such passkey."""
    mine = (passkeys.c.user_id == user_id) & (passkeys.c.credential_id == credential_id)
    old: str | None = (
        await connection.execute(select(passkeys.c.name).where(mine).with_for_update())
    ).scalar_one_or_none()
    if old is not None:
        await connection.execute(update(passkeys).where(mine).values(name=name))
    return old


async def delete_passkey(connection: AsyncConnection, user_id: int, credential_id: bytes) -> str | None:
    """Return the name it had; None when this person has no such passkey."""
    statement = (
        delete(passkeys)
        .where(passkeys.c.user_id == user_id, passkeys.c.credential_id == credential_id)
        .returning(passkeys.c.name)
    )
    name: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return name


async def delete_passkeys_of(connection: AsyncConnection, user_id: int) -> int:
    """Take all passkeys of a person away; return how many there were."""
    return (await connection.execute(delete(passkeys).where(passkeys.c.user_id == user_id))).rowcount
