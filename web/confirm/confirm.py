"""Somebody inside shows once more who they are: by password and the app's code, where they have one, or by passkey."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from web import queries
from web.auth import LOCK_OUT_MINUTES, SignInRefusal, Visitor, confirm_password
from web.keys import Session, User
from web.passkeys.keys import PasskeyRefusal, Site, prove_passkey
from web.second_factor.factor import CodeRefusal, check_code
from web.second_factor.vault import Vault


class ConfirmRefusal(StrEnum):
    """Why it is not known to be them."""

    WRONG = "That is not your password."
    LOCKED_OUT = f"Too many wrong passwords. None is taken for {LOCK_OUT_MINUTES} minutes."


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
) -> ConfirmRefusal | CodeRefusal | None:
    """Note on the session that its owner gave the password, and the code when they have an app. None: it was right."""
    refusal = await confirm_password(engine, user, password, visitor, now)
    if refusal is not None:
        return ConfirmRefusal.LOCKED_OUT if refusal is SignInRefusal.LOCKED_OUT else ConfirmRefusal.WRONG
    if session.has_app:
        wrong = await check_code(engine, vault, user, code, visitor, now)
        if wrong is not None:
            return wrong
    async with engine.begin() as connection:
        await queries.note_verified(connection, session.token_digest, with_factor=session.has_app, now=now)
    return None


async def confirm_by_passkey(
    engine: AsyncEngine,
    site: Site,
    user: User,
    session: Session,
    *,
    token: str,
    credential: dict[str, Any],
    now: datetime,
) -> PasskeyRefusal | None:
    """Note on the session that its owner used a passkey of theirs. None: it was right."""
    async with engine.begin() as connection:
        proved = await prove_passkey(connection, site, token=token, credential=credential, now=now)
        if isinstance(proved, PasskeyRefusal):
            return proved
        if proved.user_id != user.user_id:
            return PasskeyRefusal.WRONG
        await queries.note_verified(connection, session.token_digest, with_factor=True, now=now)
    return None
