"""The second factor: set up, asked for at the door, taken away.

A setting-up is open for a quarter of an hour and becomes the factor with the first right code, so that nobody is
locked out by an app that was never set up.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web import queries as people
from web.audit import Actor, write_audit
from web.auth import (
    LONGEST_WAIT_MINUTES,
    SignedIn,
    Visitor,
    digest_of,
    forgive,
    open_session,
    renew_session,
    too_many,
)
from web.challenge_queries import (
    Purpose,
    delete_challenges_of,
    insert_challenge,
    read_challenge,
    take_challenge,
)
from web.keys import User
from web.second_factor import queries
from web.second_factor.codes import (
    clean_recovery_code,
    digest_of_code,
    new_recovery_codes,
    new_secret,
    step_of_code,
)
from web.second_factor.queries import Factor
from web.second_factor.vault import Vault
from web.sign_in_limits import Limit, recovery_code_limits, second_factor_limits

SETUP_LIFETIME = timedelta(minutes=15)


class CodeRefusal(StrEnum):
    """Why a code opened nothing."""

    UNREADABLE = (
        "Your second factor cannot be read any more: the keys of this house that it was sealed by have changed. "
        "Type a recovery code and set it up anew, or ask an admin to take it away."
    )
    OVER = "That took too long: sign in again."
    WRONG = "That code is not right, or was used already. A new one comes every 30 seconds."
    LOCKED_OUT = (
        "Too many wrong codes. Wait a little and try again: each wrong one makes the wait longer, "
        f"{LONGEST_WAIT_MINUTES} minutes at most. A recovery code or a passkey opens meanwhile."
    )


@dataclass(frozen=True, kw_only=True)
class FactorSet:
    """The recovery codes' one showing, and the session in which it was set up, renewed."""

    recovery_codes: Sequence[str]
    renewed: SignedIn | None = None


async def factor_of(engine: AsyncEngine, user: User) -> Factor:
    async with engine.connect() as connection:
        return await queries.read_factor(connection, user.user_id)


def is_lost(vault: Vault, user: User, factor: Factor) -> bool:
    """Tell whether this second factor was sealed by keys that are not this house's any more."""
    return factor.sealed is not None and vault.open(user.user_id, factor.sealed) is None


async def answer_code(
    engine: AsyncEngine, vault: Vault, *, token: str, code: str, visitor: Visitor, now: datetime
) -> SignedIn | CodeRefusal:
    """Finish the sign-in that `token` names with a code of the app or a recovery code. Each code opens once."""
    digest = digest_of(token)
    async with engine.begin() as connection:
        open_one = await read_challenge(connection, digest, Purpose.TOTP, now)
        if open_one is None or open_one.user_id is None:
            return CodeRefusal.OVER
        user_id, before = open_one.user_id, (open_one.challenge or b"password").decode()
        known = await people.user_by_id(connection, user_id)
        if known is None:
            return CodeRefusal.OVER
        limits = _limits_of(known, code, visitor)
        locked_out = await too_many(connection, limits, now)
    if locked_out:
        return CodeRefusal.LOCKED_OUT
    async with engine.begin() as connection:
        how = await _use_code(connection, vault, user_id, code, now)
        if isinstance(how, CodeRefusal):
            await _note_refused(connection, known.user, visitor, how)
            return how
        if await take_challenge(connection, digest, Purpose.TOTP, now) is None:
            return CodeRefusal.OVER
        await forgive(connection, limits)
        return await open_session(
            connection, known.user, visitor, now, how=f"{before} and {how}", with_factor=True
        )


async def check_code(
    engine: AsyncEngine, vault: Vault, user: User, code: str, visitor: Visitor, now: datetime
) -> CodeRefusal | None:
    """Use up a code of somebody who is inside, who shows once more that they have it. None: it was right."""
    async with engine.begin() as connection:
        known = await people.user_by_id(connection, user.user_id)
        if known is None:
            return CodeRefusal.OVER
        limits = _limits_of(known, code, visitor)
        locked_out = await too_many(connection, limits, now)
    if locked_out:
        return CodeRefusal.LOCKED_OUT
    async with engine.begin() as connection:
        how = await _use_code(connection, vault, user.user_id, code, now)
        if isinstance(how, CodeRefusal):
            await _note_refused(connection, user, visitor, how)
            return how
        await forgive(connection, limits)
    return None


def _limits_of(known: people.KnownUser, code: str, visitor: Visitor) -> tuple[Limit, ...]:
    """Return what counts this code: somebody who has the password must not keep its owner out."""
    user_id, device = known.user.user_id, visitor.device
    if clean_recovery_code(code) is not None:
        return recovery_code_limits(user_id, visitor.address)
    own = device is not None and device.is_of(user_id, known.password_hash)
    return second_factor_limits(user_id, device if own else None)


async def begin_setup(engine: AsyncEngine, vault: Vault, user: User, now: datetime) -> str:
    """Begin to set up a second factor; return the token that names the setting-up."""
    token, secret = secrets.token_urlsafe(32), new_secret()
    async with engine.begin() as connection:
        await insert_challenge(
            connection,
            token_digest=digest_of(token),
            purpose=Purpose.ADD_TOTP,
            user_id=user.user_id,
            challenge=vault.seal(user.user_id, secret),
            now=now,
            expires_at=now + SETUP_LIFETIME,
        )
    return token


async def secret_of_setup(
    engine: AsyncEngine, vault: Vault, user: User, token: str, now: datetime
) -> str | None:
    """Return the secret of this person's setting-up, or None when it is over or somebody else's."""
    async with engine.connect() as connection:
        found = await read_challenge(connection, digest_of(token), Purpose.ADD_TOTP, now)
    if found is None or found.user_id != user.user_id or found.challenge is None:
        return None
    return vault.open(user.user_id, found.challenge)


async def finish_setup(
    engine: AsyncEngine,
    vault: Vault,
    actor: Actor,
    user: User,
    *,
    token: str,
    code: str,
    own_session_digest: bytes,
    now: datetime,
) -> FactorSet | CodeRefusal:
    """Make the secret of a setting-up the second factor, once a code shows that the app has it.

    Sessions that were opened without it end, but for the one it is set up in.
    """
    secret = await secret_of_setup(engine, vault, user, token, now)
    if secret is None:
        return CodeRefusal.OVER
    step = step_of_code(secret, code, now)
    if step is None:
        return CodeRefusal.WRONG
    codes = new_recovery_codes()
    async with engine.begin() as connection:
        if await take_challenge(connection, digest_of(token), Purpose.ADD_TOTP, now) is None:
            return CodeRefusal.OVER
        await queries.set_factor(
            connection,
            user.user_id,
            sealed=vault.seal(user.user_id, secret),
            step=step,
            recovery_digests=[digest_of_code(c) for c in codes],
        )
        await delete_challenges_of(connection, user.user_id)
        await people.delete_sessions_of(connection, user.user_id, but=own_session_digest)
        renewed = await renew_session(connection, own_session_digest, with_factor=True, now=now)
        await write_audit(connection, actor, action="add_second_factor", kind="users", ref=user.user_id)
    return FactorSet(recovery_codes=codes, renewed=renewed)


async def renew_recovery_codes(engine: AsyncEngine, actor: Actor, user: User) -> FactorSet | None:
    """Replace a person's recovery codes; the old ones open nothing more. None: they have no second factor."""
    codes = new_recovery_codes()
    async with engine.begin() as connection:
        if not await queries.set_recovery_digests(
            connection, user.user_id, [digest_of_code(code) for code in codes]
        ):
            return None
        await write_audit(connection, actor, action="renew_recovery_codes", kind="users", ref=user.user_id)
    return FactorSet(recovery_codes=codes)


async def remove_factor(engine: AsyncEngine, actor: Actor, user_id: int) -> bool:
    """Take one's own second factor away. False: there was none."""
    async with engine.begin() as connection:
        removed = await queries.remove_factor(connection, user_id)
        if removed:
            await write_audit(connection, actor, action="remove_second_factor", kind="users", ref=user_id)
    return removed


async def _use_code(
    connection: AsyncConnection, vault: Vault, user_id: int, code: str, now: datetime
) -> str | CodeRefusal:
    """Use a code up and return which kind it was, or why it opens nothing."""
    factor = await queries.read_factor(connection, user_id)
    secret = None if factor.sealed is None else vault.open(user_id, factor.sealed)
    if factor.sealed is not None and secret is not None:
        step = step_of_code(secret, code, now)
        if step is not None:
            is_first = await queries.use_step(connection, user_id, factor.sealed, step)
            return "code" if is_first else CodeRefusal.WRONG
    recovery = clean_recovery_code(code)
    if recovery is not None:
        left = await queries.use_recovery_code(connection, user_id, digest_of_code(recovery))
        if left is not None:
            return f"recovery code, {left} left"
    is_lost = factor.sealed is not None and secret is None
    return CodeRefusal.UNREADABLE if is_lost else CodeRefusal.WRONG


async def _note_refused(
    connection: AsyncConnection, user: User, visitor: Visitor, refusal: CodeRefusal
) -> None:
    why = "wrong code" if refusal is CodeRefusal.WRONG else "its secret cannot be read"
    await write_audit(
        connection,
        Actor(user=None, name=user.email),
        action="sign_in_refused",
        kind="users",
        ref=user.user_id,
        after={"why": why, "address": visitor.address},
    )
