"""Tokens by which a person's programs ask the API: random, shown once, kept as sha256."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from web.audit import Actor, write_audit
from web.auth import digest_of
from web.authority import Act, NotAllowed
from web.keys import Role, User
from web.tokens import queries
from web.tokens.queries import Token

PREFIX = "tbt_"
"""By which a token is known for one wherever it turns up: in a log, in a repository."""

BEGINNING_LENGTH = 8
TOKEN_LENGTH_MAXIMUM = 100
NAME_LENGTH_MAXIMUM = 80
TOKENS_PER_USER_MAXIMUM = 50
LIFETIME_DAYS_MAXIMUM = 3650
SEEN_EVERY = timedelta(minutes=1)
"""How often "last used" is written: not with each of a program's requests."""


@dataclass(frozen=True, kw_only=True)
class TokenMade:
    """A token's one showing."""

    token_id: int
    secret: str


class TokenRefusal(StrEnum):
    """Why a token was not made."""

    NAME = f"a name has 1 to {NAME_LENGTH_MAXIMUM} characters"
    SCOPES = "choose at least one thing that the token may do, of those offered"
    LIFETIME = f"a token lasts 1 to {LIFETIME_DAYS_MAXIMUM} days, or for ever when left empty"
    MANY = f"you have {TOKENS_PER_USER_MAXIMUM} tokens: revoke one that is not needed"


def scopes_for(role: Role) -> list[str]:
    """Return every scope that is of use to a role, in the order of the API's documentation."""
    # Late: the operations about tokens are among those that the list is made of.
    from web.api.operations import OPERATIONS  # noqa: PLC0415

    return list(dict.fromkeys(one.scope for one in OPERATIONS if role in one.roles))


def refusal_of_token(
    name: str, scopes: list[str], offered: list[str], lifetime_days: int | None
) -> TokenRefusal | None:
    """Return why such a token cannot be made, or None."""
    if not (name.isprintable() and 1 <= len(name) <= NAME_LENGTH_MAXIMUM):
        return TokenRefusal.NAME
    if not scopes or not set(scopes) <= set(offered):
        return TokenRefusal.SCOPES
    if lifetime_days is not None and not 1 <= lifetime_days <= LIFETIME_DAYS_MAXIMUM:
        return TokenRefusal.LIFETIME
    return None


async def make_token(
    engine: AsyncEngine,
    actor: Actor,
    owner: User,
    *,
    name: str,
    scopes: list[str],
    lifetime_days: int | None,
    now: datetime,
) -> TokenMade | TokenRefusal | NotAllowed:
    """Make a token of `owner`. `lifetime_days` of None: it lasts until it is revoked."""
    name = name.strip()
    if forbidden := actor.may_not(Act.MAKE_TOKEN, owner.role, is_self=actor.user == owner):
        return forbidden
    if refusal := refusal_of_token(name, scopes, scopes_for(owner.role), lifetime_days):
        return refusal
    secret = PREFIX + secrets.token_urlsafe(32)
    expires_at = None if lifetime_days is None else now + timedelta(days=lifetime_days)
    scopes = sorted(set(scopes))
    async with engine.begin() as connection:
        if await queries.count_tokens(connection, owner.user_id) >= TOKENS_PER_USER_MAXIMUM:
            return TokenRefusal.MANY
        token_id = await queries.insert_token(
            connection,
            user_id=owner.user_id,
            name=name,
            token_digest=digest_of(secret),
            beginning=secret[:BEGINNING_LENGTH],
            scopes=scopes,
            now=now,
            expires_at=expires_at,
        )
        after = {
            "name": name,
            "scopes": scopes,
            "expires_at": expires_at.isoformat() if expires_at else None,
            "owner": owner.email,
        }
        await write_audit(connection, actor, action="create", kind="api_tokens", ref=token_id, after=after)
    return TokenMade(token_id=token_id, secret=secret)


async def tokens_of(engine: AsyncEngine, user_id: int) -> list[Token]:
    """Return a person's tokens that are not revoked, newest first."""
    async with engine.connect() as connection:
        return await queries.read_tokens(connection, user_id)


async def revoke_token(
    engine: AsyncEngine, actor: Actor, *, token_id: int, owner_id: int, now: datetime
) -> bool:
    """Revoke a token of this person. False when they have none of that id."""
    async with engine.begin() as connection:
        name = await queries.revoke_token(connection, token_id=token_id, user_id=owner_id, now=now)
        if name is None:
            return False
        await write_audit(
            connection, actor, action="revoke", kind="api_tokens", ref=token_id, before={"name": name}
        )
    return True


async def is_token(engine: AsyncEngine, token_id: int, token_digest: bytes) -> bool:
    """Tell whether the token of this id is the one of this digest."""
    async with engine.connect() as connection:
        return await queries.is_token(connection, token_id, token_digest)


async def user_of_token(engine: AsyncEngine, token: str, now: datetime) -> tuple[User, frozenset[str]] | None:
    """Return whose token this is and what it may do; None when it is unknown, revoked, over, or its owner is barred."""
    if not token.startswith(PREFIX) or len(token) > TOKEN_LENGTH_MAXIMUM:
        return None
    digest = digest_of(token)
    async with engine.connect() as connection:
        found = await queries.user_by_token(connection, digest, now)
    if found is None:
        return None
    if found.last_used_at is None or now - found.last_used_at >= SEEN_EVERY:
        async with engine.begin() as connection:
            await queries.note_use(connection, digest, now)
    return found.user, frozenset(found.scopes)
