"""Somebody inside shows once more who they are: by password and the app's code, where they have one, or by passkey."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from web.auth import (
    LONGEST_WAIT_MINUTES,
    SignedIn,
    SignInRefusal,
    Visitor,
    confirm_password,
    renew_session,
)
from web.keys import Session, User
from web.passkeys.keys import PasskeyRefusal, Site, prove_passkey
from web.second_factor.factor import CodeRefusal, check_code
from web.second_factor.vault import Vault


class ConfirmRefusal(StrEnum):
    """Why it is not known to be them."""

    WRONG = "That is not your password."
    LOCKED_OUT = (
        "Too many wrong passwords. Wait a little and try again: each wrong one makes the wait longer, "
        f"{LONGEST_WAIT_MINUTES} minutes at most."
    )


async def confirm_by_password(
    engine: AsyncEngine,
    vault: Vault,
    user: User,
    session: Session,
    *,
    password: str,
    code: str,
    visitor: Visitor,
    now: datetime,
) -> SignedIn | ConfirmRefusal | CodeRefusal:
    """Note on the session that its owner gave the password, and the code when they have an app; it is renewed."""
    refusal = await confirm_password(engine, user, password, visitor, now)
    if refusal is not None:
        return ConfirmRefusal.LOCKED_OUT if refusal is SignInRefusal.LOCKED_OUT else ConfirmRefusal.WRONG
    if session.has_app:
        wrong = await check_code(engine, vault, user, code, visitor, now)
        if wrong is not None:
            return wrong
    async with engine.begin() as connection:
        return await renew_session(connection, session.token_digest, with_factor=session.has_app, now=now)


async def confirm_by_passkey(
    engine: AsyncEngine,
    site: Site,
    user: User,
    session: Session,
    *,
    token: str,
    credential: dict[str, Any],
    now: datetime,
) -> SignedIn | PasskeyRefusal:
    """Note on the session that its owner used a passkey of theirs; it is renewed."""
    async with engine.begin() as connection:
        proved = await prove_passkey(connection, site, token=token, credential=credential, now=now)
        if isinstance(proved, PasskeyRefusal):
            return proved
        if proved.user_id != user.user_id:
            return PasskeyRefusal.WRONG
        return await renew_session(connection, session.token_digest, with_factor=True, now=now)
