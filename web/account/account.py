"""What a person changes about themselves: name and password."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from web import passwords
from web.account import queries
from web.audit import Actor, write_audit
from web.auth import LONGEST_WAIT_MINUTES, SignedIn, SignInRefusal, Visitor, confirm_password, renew_session
from web.ends import end_everything
from web.keys import User
from web.password_rules import PasswordRefusal, refusal_of_password
from web.person_fields import NAME_LENGTH_MAXIMUM, is_name


class AccountRefusal(StrEnum):
    """Why nothing was changed."""

    NAME = f"A name has at most {NAME_LENGTH_MAXIMUM} characters."
    WRONG = "That is not your password."
    LOCKED_OUT = (
        "Too many wrong passwords. Wait a little and try again: each wrong one makes the wait longer, "
        f"{LONGEST_WAIT_MINUTES} minutes at most."
    )
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


async def change_password(
    engine: AsyncEngine,
    actor: Actor,
    user: User,
    *,
    old: str,
    new: str,
    again: str,
    own_session_digest: bytes,
    visitor: Visitor,
    now: datetime,
) -> SignedIn | AccountRefusal | PasswordRefusal:
    """Change one's password. All else that was open of theirs ends: other sessions, tokens, passkeys, links."""
    if refusal := refusal_of_password(new, about=(user.email, user.name)):
        return refusal
    if new != again:
        return AccountRefusal.NOT_THE_SAME
    wrong = await confirm_password(engine, user, old, visitor, now)
    if wrong is not None:
        return AccountRefusal.LOCKED_OUT if wrong is SignInRefusal.LOCKED_OUT else AccountRefusal.WRONG
    password_hash = await passwords.hash_of(new)
    async with engine.begin() as connection:
        await queries.update_password_hash(connection, user.user_id, password_hash)
        ended = await end_everything(connection, user.user_id, now, but=own_session_digest)
        await write_audit(
            connection, actor, action="change_password", kind="users", ref=user.user_id, after=asdict(ended)
        )
        return await renew_session(connection, own_session_digest, with_factor=False, now=now)
