"""Users, their sessions and their wrong passwords in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, case, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.directory_word import is_vouched_for
from store.tables import counters, dial_codes, passkeys, users, web_sessions
from web.keys import EDITORS, Role, Session, User
from web.sign_in_limits import COUNTER_PREFIX, FORGOTTEN_AFTER, Count, Limit, seconds_to_wait

COUNTER_NODE = "web"
"""Wrong passwords count for all nodes together."""


USER_COLUMNS = (users.c.id, users.c.email, users.c.name, users.c.role, users.c.buyer_id, users.c.publisher_id)


def user_of_row(row: Any) -> User:
    """Return the person of a row that holds USER_COLUMNS."""
    return User(
        user_id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        buyer_id=row.buyer_id,
        publisher_id=row.publisher_id,
    )


@dataclass(frozen=True, kw_only=True)
class KnownUser:
    """A person and what they have to show at the door."""

    user: User
    password_hash: str
    has_second_factor: bool
    of_directory: bool
    has_passkey: bool

    @property
    def opens_by_passkey_alone(self) -> bool:
        """A link for a new password would stand in for the passkey: no code is asked after it."""
        return self.has_passkey and not self.has_second_factor


@dataclass(frozen=True, kw_only=True)
class SessionUser:
    user: User
    session: Session
    last_seen_at: datetime


async def insert_user(
    connection: AsyncConnection,
    *,
    email: str,
    password_hash: str,
    role: str,
    name: str = "",
    buyer_id: int | None = None,
    publisher_id: int | None = None,
) -> int | None:
    """Return the new user's id, or None when the address is taken."""
    statement = (
        insert(users)
        .values(
            email=email,
            password_hash=password_hash,
            role=role,
            name=name,
            buyer_id=buyer_id,
            publisher_id=publisher_id,
            factor_asked_at=func.now() if role in EDITORS else None,
        )
        .on_conflict_do_nothing(index_elements=[users.c.email])
        .returning(users.c.id)
    )
    return await _id_or_none(connection, statement)


async def change_password_hash(connection: AsyncConnection, *, email: str, password_hash: str) -> int | None:
    """Return the user's id, or None when there is nobody of that address, or they sign in by the directory."""
    statement = (
        update(users)
        .where(users.c.email == email, users.c.directory_subject.is_(None))
        .values(password_hash=password_hash)
        .returning(users.c.id)
    )
    return await _id_or_none(connection, statement)


async def _id_or_none(connection: AsyncConnection, statement: Executable) -> int | None:
    user_id: int | None = (await connection.execute(statement)).scalar_one_or_none()
    return user_id


async def user_by_email(connection: AsyncConnection, email: str) -> KnownUser | None:
    """Return the person of an address, or None when there is nobody, or somebody who is disabled."""
    return await _known_user(connection, users.c.email == email)


async def user_by_id(connection: AsyncConnection, user_id: int) -> KnownUser | None:
    """Return a person, or None when there is none of this id, or they are disabled."""
    return await _known_user(connection, users.c.id == user_id)


async def is_still_known(connection: AsyncConnection, known: KnownUser) -> bool:
    """Tell whether a person is as they were known, and let nobody end what they have open until this transaction ends.

    While a password is compared its owner may change it, sign out everywhere or be disabled.
    """
    await lock_user(connection, known.user.user_id)
    return await user_by_id(connection, known.user.user_id) == known


async def lock_user(connection: AsyncConnection, user_id: int) -> None:
    """Let one at a time open a session of a person or end them: what is opened meanwhile is ended, or not opened."""
    await connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))


async def _known_user(connection: AsyncConnection, condition: ColumnElement[bool]) -> KnownUser | None:
    has_passkey = exists().where(passkeys.c.user_id == users.c.id).label("has_passkey")
    statement = select(users, has_passkey).where(condition, users.c.disabled_at.is_(None))
    row = (await connection.execute(statement)).one_or_none()
    return (
        None
        if row is None
        else KnownUser(
            user=user_of_row(row),
            password_hash=row.password_hash,
            has_second_factor=row.totp_secret is not None,
            has_passkey=row.has_passkey,
            of_directory=row.directory_subject is not None,
        )
    )


async def user_by_session(
    connection: AsyncConnection, token_digest: bytes, now: datetime
) -> SessionUser | None:
    statement = (
        select(
            *USER_COLUMNS,
            users.c.factor_asked_at,
            users.c.totp_secret.is_not(None).label("has_app"),
            users.c.directory_subject.is_not(None).label("of_directory"),
            exists().where(passkeys.c.user_id == users.c.id).label("has_passkey"),
            web_sessions.c.id.label("session_id"),
            web_sessions.c.verified_at,
            web_sessions.c.factor_at,
            web_sessions.c.last_seen_at,
        )
        .join(web_sessions, web_sessions.c.user_id == users.c.id)
        .where(
            web_sessions.c.token_digest == token_digest,
            is_open_session(now),
            users.c.disabled_at.is_(None),
            is_vouched_for(now),
        )
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    session = Session(
        session_id=row.session_id,
        token_digest=token_digest,
        verified_at=row.verified_at,
        factor_at=row.factor_at,
        has_app=row.has_app,
        has_passkey=row.has_passkey,
        factor_asked_at=row.factor_asked_at,
        of_directory=row.of_directory,
    )
    return SessionUser(user=user_of_row(row), session=session, last_seen_at=row.last_seen_at)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whose session or token is still good. `is_idle`: it was not used for longer than it may."""

    role: Role
    is_idle: bool = False


async def open_sessions(
    connection: AsyncConnection, ids: Sequence[UUID], now: datetime
) -> dict[UUID, Holder]:
    """Return those of these sessions that are good, idle ones too."""
    if not ids:
        return {}
    statement = (
        select(web_sessions.c.id, users.c.role, is_open_session(now).label("is_used"))
        .join(users, users.c.id == web_sessions.c.user_id)
        .where(
            web_sessions.c.id.in_(set(ids)),
            web_sessions.c.expires_at > now,
            users.c.disabled_at.is_(None),
            is_vouched_for(now),
        )
    )
    rows = await connection.execute(statement)
    return {row.id: Holder(role=Role(row.role), is_idle=not row.is_used) for row in rows}


def is_open_session(now: datetime) -> ColumnElement[bool]:
    """A session opens something until its time is over, or it was not used for as long as its owner's role may."""
    idle = web_sessions.c.idle_until
    return (web_sessions.c.expires_at > now) & (idle.is_(None) | (idle > now))


async def note_seen(
    connection: AsyncConnection, token_digest: bytes, *, address: str, now: datetime, idle_until: datetime
) -> None:
    """Note when and from where a session was last used."""
    await connection.execute(
        update(web_sessions)
        .where(web_sessions.c.token_digest == token_digest)
        .values(last_seen_at=now, idle_until=idle_until, **({"address": address} if address else {}))
    )


async def note_verified(
    connection: AsyncConnection, token_digest: bytes, new_digest: bytes, *, with_factor: bool, now: datetime
) -> bool:
    """Note that a session's owner has shown who they are, and give it another token. False: it has ended."""
    changed = await connection.execute(
        update(web_sessions)
        .where(web_sessions.c.token_digest == token_digest)
        .values(token_digest=new_digest, verified_at=now, **({"factor_at": now} if with_factor else {}))
    )
    await connection.execute(
        update(dial_codes).where(dial_codes.c.holder_digest == token_digest).values(holder_digest=new_digest)
    )
    return changed.rowcount > 0


async def keep_session(connection: AsyncConnection, token_digest: bytes) -> bool:
    """Keep a session from being ended until this transaction ends. False: it has ended already."""
    statement = (
        select(web_sessions.c.id)
        .where(web_sessions.c.token_digest == token_digest)
        .with_for_update(read=True)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def insert_session(
    connection: AsyncConnection,
    *,
    token_digest: bytes,
    user_id: int,
    address: str,
    user_agent: str,
    with_factor: bool,
    verified: bool,
    now: datetime,
    idle_until: datetime,
    expires_at: datetime,
) -> None:
    await connection.execute(
        insert(web_sessions).values(
            token_digest=token_digest,
            user_id=user_id,
            address=address,
            user_agent=user_agent,
            created_at=now,
            last_seen_at=now,
            verified_at=now if verified else None,
            factor_at=now if with_factor else None,
            idle_until=idle_until,
            expires_at=expires_at,
        )
    )


async def delete_session(connection: AsyncConnection, token_digest: bytes) -> None:
    await connection.execute(delete(web_sessions).where(web_sessions.c.token_digest == token_digest))


async def delete_sessions_of(connection: AsyncConnection, user_id: int, *, but: bytes | None = None) -> int:
    """End a person's sessions, but for the one of this digest; return how many there were."""
    await lock_user(connection, user_id)
    statement = delete(web_sessions).where(web_sessions.c.user_id == user_id)
    if but is not None:
        statement = statement.where(web_sessions.c.token_digest != but)
    return (await connection.execute(statement)).rowcount


async def delete_spent_sessions(
    connection: AsyncConnection, *, user_id: int, now: datetime, keep: int
) -> None:
    """Delete what has expired, and all but the newest `keep` sessions of this user."""
    newest = (
        select(web_sessions.c.token_digest)
        .where(web_sessions.c.user_id == user_id)
        .order_by(web_sessions.c.created_at.desc())
        .limit(keep)
    )
    crowded_out = (web_sessions.c.user_id == user_id) & web_sessions.c.token_digest.not_in(newest)
    await connection.execute(delete(web_sessions).where((web_sessions.c.expires_at <= now) | crowded_out))


async def take_attempt(connection: AsyncConnection, limits: Sequence[Limit], now: datetime) -> int:
    """Count one attempt under each limit and return 0, or count none and return how many seconds it has to wait.

    An attempt that has to wait does not move the clock: knocking makes no wait longer. The rows stay locked until the
    transaction ends: of many attempts at once each is counted.
    """
    counts: list[Count] = []
    for limit in limits:
        counts.append(await _count_of(connection, limit, now))
        wait = seconds_to_wait(limits, counts, now)
        if wait:
            return wait
    await connection.execute(
        update(counters)
        .where(counters.c.node == COUNTER_NODE, counters.c.name.in_([limit.counter for limit in limits]))
        .values(value=counters.c.value + 1, last_at=now)
    )
    return 0


async def _count_of(connection: AsyncConnection, limit: Limit, now: datetime) -> Count:
    """Return what is counted under a limit, its row locked; a new row says since when somebody waits."""
    forgotten = counters.c.last_at <= now - FORGOTTEN_AFTER
    statement = insert(counters).values(node=COUNTER_NODE, name=limit.counter, value=0, last_at=now)
    upsert = statement.on_conflict_do_update(
        index_elements=[counters.c.node, counters.c.name],
        set_={
            "value": case((forgotten, 0), else_=counters.c.value),
            "last_at": case((forgotten, now), else_=counters.c.last_at),
        },
    ).returning(counters.c.value, counters.c.last_at)
    row = (await connection.execute(upsert)).one()
    return Count(value=row.value, last_at=row.last_at)


async def forgive(connection: AsyncConnection, names: Sequence[str]) -> None:
    """Forget the attempts counted under these names."""
    await connection.execute(
        delete(counters).where(counters.c.node == COUNTER_NODE, counters.c.name.in_(names))
    )


async def take_back_attempt(connection: AsyncConnection, name: str) -> None:
    """Uncount one attempt that turned out right."""
    await connection.execute(
        update(counters)
        .where(counters.c.node == COUNTER_NODE, counters.c.name == name, counters.c.value > 0)
        .values(value=counters.c.value - 1)
    )


async def delete_forgotten_attempts(connection: AsyncConnection, now: datetime) -> None:
    """Delete counters that count no more, but for those that somebody counts at this moment."""
    old = (
        select(counters.c.name)
        .where(
            counters.c.node == COUNTER_NODE,
            counters.c.name.startswith(COUNTER_PREFIX),
            counters.c.last_at <= now - FORGOTTEN_AFTER,
        )
        .with_for_update(skip_locked=True)
    )
    await connection.execute(
        delete(counters).where(counters.c.node == COUNTER_NODE, counters.c.name.in_(old))
    )
