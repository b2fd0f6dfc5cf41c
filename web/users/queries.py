"""The people who may sign in, as an admin sees them, in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import buyers, passkeys, publishers, users, web_sessions
from web.keys import EDITORS, Role, User
from web.queries import USER_COLUMNS, user_of_row

NAMES_OFFERED_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who may sign in, or could once. `has_password`: they have taken their invitation.

    `of_directory`: they sign in by the house's directory instead.
    """

    user: User
    belongs_to: str
    has_password: bool
    of_directory: bool
    has_second_factor: bool
    passkeys: int
    disabled_at: datetime | None
    created_at: datetime
    last_seen_at: datetime | None

    @property
    def state(self) -> str:
        if self.disabled_at is not None:
            return "disabled"
        return "active" if self.has_password or self.of_directory else "invited"


async def read_people(
    connection: AsyncConnection, *, text: str, role: Role | None, after: str, maximum: int
) -> list[Person]:
    """Return people by address, from below `after`; `text` is a part of their name or address."""
    statement = _people().where(users.c.email > after).order_by(users.c.email).limit(maximum)
    if text:
        statement = statement.where(
            users.c.email.icontains(text, autoescape=True) | users.c.name.icontains(text, autoescape=True)
        )
    if role is not None:
        statement = statement.where(users.c.role == role.value)
    return [_person(row) for row in await connection.execute(statement)]


async def read_person(connection: AsyncConnection, user_id: int) -> Person | None:
    row = (await connection.execute(_people().where(users.c.id == user_id))).one_or_none()
    return row and _person(row)


async def read_person_by_email(connection: AsyncConnection, email: str) -> Person | None:
    row = (await connection.execute(_people().where(users.c.email == email))).one_or_none()
    return row and _person(row)


async def lock_person(connection: AsyncConnection, user_id: int) -> Person | None:
    """Return a person nobody else can change until this transaction ends."""
    await connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    return await read_person(connection, user_id)


async def lock_admins(connection: AsyncConnection) -> list[int]:
    """Return the admins who can sign in, and keep them so until this transaction ends.

    Two who would each take one of the last two away wait here for one another, in the order of ids.
    """
    statement = (
        select(users.c.id)
        .where(users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None), users.c.password_hash != "")
        .order_by(users.c.id)
        .with_for_update()
    )
    return list((await connection.execute(statement)).scalars())


async def update_person(
    connection: AsyncConnection,
    user_id: int,
    *,
    name: str,
    role: Role,
    buyer_id: int | None,
    publisher_id: int | None,
) -> None:
    await connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(
            name=name,
            role=role.value,
            buyer_id=buyer_id,
            publisher_id=publisher_id,
            factor_asked_at=func.coalesce(users.c.factor_asked_at, func.now()) if role in EDITORS else None,
        )
    )


async def ask_for_factor_anew(connection: AsyncConnection, user_id: int, now: datetime) -> None:
    """Give somebody whose role wants a second factor the time again to set one up."""
    await connection.execute(
        update(users)
        .where(users.c.id == user_id, users.c.factor_asked_at.is_not(None))
        .values(factor_asked_at=now)
    )


async def set_disabled(connection: AsyncConnection, user_id: int, disabled_at: datetime | None) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(disabled_at=disabled_at))


async def has_buyer(connection: AsyncConnection, buyer_id: int) -> bool:
    statement = select(buyers.c.id).where(buyers.c.id == buyer_id)
    return (await connection.execute(statement)).one_or_none() is not None


async def has_publisher(connection: AsyncConnection, publisher_id: int) -> bool:
    statement = select(publishers.c.id).where(publishers.c.id == publisher_id)
    return (await connection.execute(statement)).one_or_none() is not None


async def buyer_of_name(connection: AsyncConnection, name: str) -> int | None:
    """Return the buyer of a name, however its letters are cased; None when there is none, or more than one."""
    found = await connection.execute(
        select(buyers.c.id).where(func.lower(buyers.c.name) == name.lower()).limit(2)
    )
    ids = list(found.scalars())
    return ids[0] if len(ids) == 1 else None


async def publisher_of_name(connection: AsyncConnection, name: str) -> int | None:
    """Return the publisher of a name, as buyer_of_name does."""
    found = await connection.execute(
        select(publishers.c.id).where(func.lower(publishers.c.name) == name.lower()).limit(2)
    )
    ids = list(found.scalars())
    return ids[0] if len(ids) == 1 else None


async def read_names(connection: AsyncConnection) -> tuple[list[str], list[str]]:
    """Return names of buyers and of publishers to choose from; a house may have more than are offered."""
    of_buyers = select(buyers.c.name).order_by(buyers.c.name).limit(NAMES_OFFERED_MAXIMUM)
    of_publishers = select(publishers.c.name).order_by(publishers.c.name).limit(NAMES_OFFERED_MAXIMUM)
    return (
        list((await connection.execute(of_buyers)).scalars()),
        list((await connection.execute(of_publishers)).scalars()),
    )


def _people() -> Select[Any]:
    mine: ColumnElement[bool] = web_sessions.c.user_id == users.c.id
    seen = select(func.max(web_sessions.c.last_seen_at)).where(mine).scalar_subquery()
    keys = select(func.count()).where(passkeys.c.user_id == users.c.id).scalar_subquery()
    return (
        select(
            *USER_COLUMNS,
            func.coalesce(buyers.c.name, publishers.c.name, "").label("belongs_to"),
            (users.c.password_hash != "").label("has_password"),
            users.c.directory_subject.is_not(None).label("of_directory"),
            users.c.totp_secret.is_not(None).label("has_second_factor"),
            keys.label("passkeys"),
            users.c.disabled_at,
            users.c.created_at,
            seen.label("last_seen_at"),
        )
        .outerjoin(buyers, buyers.c.id == users.c.buyer_id)
        .outerjoin(publishers, publishers.c.id == users.c.publisher_id)
    )


def _person(row: Row[Any]) -> Person:
    return Person(
        user=user_of_row(row),
        belongs_to=row.belongs_to,
        has_password=row.has_password,
        of_directory=row.of_directory,
        has_second_factor=row.has_second_factor,
        passkeys=row.passkeys,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
    )
