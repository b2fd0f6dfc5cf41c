"""People of the directory in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import api_tokens, directory_grants, users, web_sessions
from web.keys import User
from web.queries import USER_COLUMNS, user_of_row
from web.users.people import NOBODY


@dataclass(frozen=True, kw_only=True)
class DirectoryPerson:
    """Somebody here who is known by what the directory calls them."""

    user: User
    disabled: bool
    has_second_factor: bool


@dataclass(frozen=True, kw_only=True)
class Due:
    """Somebody about whom the directory is to be asked again. The token is sealed."""

    user_id: int
    subject: str
    refresh_token: bytes


async def lock_person(connection: AsyncConnection, issuer: str, subject: str) -> DirectoryPerson | None:
    """Return the person of a subject, whom nobody else can change until this transaction ends."""
    statement = (
        select(*USER_COLUMNS, users.c.disabled_at, users.c.totp_secret.is_not(None).label("has_factor"))
        .where(users.c.directory_issuer == issuer, users.c.directory_subject == subject)
        .with_for_update()
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return DirectoryPerson(
        user=user_of_row(row), disabled=row.disabled_at is not None, has_second_factor=row.has_factor
    )


async def link_person(connection: AsyncConnection, user_id: int, issuer: str, subject: str) -> bool:
    """Hand somebody over to the directory: their password opens nothing more. False when they were already."""
    statement = (
        update(users)
        .where(users.c.id == user_id, users.c.directory_subject.is_(None))
        .values(directory_issuer=issuer, directory_subject=subject, password_hash=NOBODY)
        .returning(users.c.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def unlink_person(connection: AsyncConnection, user_id: int) -> bool:
    """Take somebody back from the directory. False when they are not of it."""
    statement = (
        update(users)
        .where(users.c.id == user_id, users.c.directory_subject.is_not(None))
        .values(directory_issuer=None, directory_subject=None, directory_confirmed_until=None)
        .returning(users.c.id)
    )
    await connection.execute(delete(directory_grants).where(directory_grants.c.user_id == user_id))
    return (await connection.execute(statement)).one_or_none() is not None


async def confirm(connection: AsyncConnection, user_id: int, until: datetime | None) -> None:
    """Note until when the directory's word about somebody counts; None: it takes it back."""
    await connection.execute(
        update(users).where(users.c.id == user_id).values(directory_confirmed_until=until)
    )


async def keep_grant(
    connection: AsyncConnection, user_id: int, *, refresh_token: bytes | None, id_token: bytes | None
) -> None:
    """Keep what the directory gave, sealed, in the place of what it gave before. None leaves what is there."""
    given = {"refresh_token": refresh_token, "id_token": id_token}
    fresh = {name: value for name, value in given.items() if value is not None}
    statement = insert(directory_grants).values(user_id=user_id, **fresh)
    if fresh:
        statement = statement.on_conflict_do_update(index_elements=["user_id"], set_=fresh)
    else:
        statement = statement.on_conflict_do_nothing()
    await connection.execute(statement)


async def forget_grant(connection: AsyncConnection, user_id: int) -> None:
    await connection.execute(delete(directory_grants).where(directory_grants.c.user_id == user_id))


async def has_grant(connection: AsyncConnection, user_id: int, refresh_token: bytes) -> bool:
    """Tell whether this is still the sealed token of somebody, and keep it so until this transaction ends."""
    grants = directory_grants
    statement = select(grants.c.user_id).where(
        grants.c.user_id == user_id, grants.c.refresh_token == refresh_token
    )
    return (await connection.execute(statement.with_for_update())).one_or_none() is not None


async def read_id_token(connection: AsyncConnection, user_id: int) -> bytes | None:
    """Return the sealed ID token of somebody's last sign-in by the directory."""
    statement = select(directory_grants.c.id_token).where(directory_grants.c.user_id == user_id)
    return (await connection.execute(statement)).scalar_one_or_none()


async def is_of_directory(connection: AsyncConnection, user_id: int) -> bool:
    statement = select(users.c.id).where(users.c.id == user_id, users.c.directory_subject.is_not(None))
    return (await connection.execute(statement)).one_or_none() is not None


async def take_due(
    connection: AsyncConnection, issuer: str, *, due_at: datetime, now: datetime, pause: timedelta, most: int
) -> Sequence[Due]:
    """Return people whose word runs out before `due_at`, and note that they are being asked about.

    Only who is signed in or has a token: of two processes that come at once, each takes others.
    """
    grants = directory_grants
    due = (
        select(grants.c.user_id)
        .join(users, users.c.id == grants.c.user_id)
        .where(
            users.c.directory_issuer == issuer,
            users.c.directory_confirmed_until < due_at,
            users.c.disabled_at.is_(None),
            grants.c.refresh_token.is_not(None),
            or_(grants.c.asked_at.is_(None), grants.c.asked_at < now - pause),
            or_(_is_signed_in(now), _has_token(now)),
        )
        .order_by(users.c.directory_confirmed_until)
        .limit(most)
        .with_for_update(of=grants, skip_locked=True)
    )
    statement = (
        update(grants)
        .where(grants.c.user_id.in_(due.scalar_subquery()), users.c.id == grants.c.user_id)
        .values(asked_at=now)
        .returning(grants.c.user_id, grants.c.refresh_token, users.c.directory_subject)
    )
    return [
        Due(user_id=row.user_id, subject=row.directory_subject, refresh_token=row.refresh_token)
        for row in await connection.execute(statement)
    ]


def _is_signed_in(now: datetime) -> ColumnElement[bool]:
    return exists().where(web_sessions.c.user_id == users.c.id, web_sessions.c.expires_at > now)


def _has_token(now: datetime) -> ColumnElement[bool]:
    return exists().where(
        api_tokens.c.user_id == users.c.id,
        api_tokens.c.revoked_at.is_(None),
        or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now),
    )
