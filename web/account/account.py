"""What a person changes about themselves: name and password."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from web import passwords
from web import queries as door
from web.account import queries
from web.audit import Actor, write_audit
from web.auth import (
    LONGEST_WAIT_MINUTES,
    NAME_LENGTH_MAXIMUM,
    SignInRefusal,
    Visitor,
    confirm_password,
    is_name,
)
from web.challenge_queries import delete_challenges_of
from web.keys import User
from web.links.queries import close_links_of
from web.passwords import PASSWORD_LENGTH_MAXIMUM, PASSWORD_LENGTH_MINIMUM, is_password


class AccountRefusal(StrEnum):
    """Why nothing was changed."""

    NAME = f"A name has at most {NAME_LENGTH_MAXIMUM} characters."
    WRONG = "That is not your password."
    LOCKED_OUT = (
        "Too many wrong passwords. Wait a little and try again: each wrong one makes the wait longer, "
        f"{LONGEST_WAIT_MINUTES} minutes at most."
    )
    PASSWORD = f"A password has {PASSWORD_LENGTH_MINIMUM} to {PASSWORD_LENGTH_MAXIMUM} characters."
    NOT_THE_SAME = "The two are not the same: type the new password once more."


async def rename(engine: AsyncEngine, actor: Actor, user: User, name: str) -> AccountRefusal | None:
    """Give oneself another name; an empty one is none."""
    name = name.strip()
    if not is_name(name):
        return AccountRefusal.NAME
    if name == user.name:
        return None
    async with engine.begin() as connection:
        await queries.update_name(connection, user.user_id, name)
        await write_audit(
            connection,
            actor,
            action="change",
            kind="users",
            ref=user.user_id,
            before={"name": user.name},
            after={"name": name},
        )
    return None


async def confirm(
    engine: AsyncEngine, user: User, password: str, visitor: Visitor, now: datetime
) -> AccountRefusal | None:
    """Ask for the password before a door is changed; None: it was right."""
    refusal = await confirm_password(engine, user, password, visitor, now)
    if refusal is None:
        return None
    return AccountRefusal.LOCKED_OUT if refusal is SignInRefusal.LOCKED_OUT else AccountRefusal.WRONG


async def change_password(
    engine: AsyncEngine,
    actor: Actor,
    user: User,
    *,
    old: str,
    new: str,
    again: str,
    own_session_digest: bytes | None,
    visitor: Visitor,
    now: datetime,
) -> AccountRefusal | None:
    """Change one's password. All other sessions end, and links for a new password open nothing more."""
    if not is_password(new):
        return AccountRefusal.PASSWORD
    if new != again:
        return AccountRefusal.NOT_THE_SAME
    if refusal := await confirm(engine, user, old, visitor, now):
        return refusal
    password_hash = await passwords.hash_of(new)
    async with engine.begin() as connection:
        await queries.update_password_hash(connection, user.user_id, password_hash)
        await door.delete_sessions_of(connection, user.user_id, but=own_session_digest)
        await close_links_of(connection, user.user_id, now)
        await delete_challenges_of(connection, user.user_id)
        await write_audit(connection, actor, action="change_password", kind="users", ref=user.user_id)
    return None
