"""What a sign-in has to answer yet, in PostgreSQL: each is answered once, and soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import sign_in_challenges


class Purpose(StrEnum):
    """What is to be answered.

    `challenge` holds the passkey's bytes, the secret that is to become a factor, what was shown before the code, or
    where the directory's answer leads.
    """

    TOTP = "totp"
    ADD_TOTP = "add_totp"
    PASSKEY = "passkey"
    ADD_PASSKEY = "add_passkey"
    DIRECTORY = "directory"


@dataclass(frozen=True, kw_only=True)
class Challenge:
    user_id: int | None
    challenge: bytes | None


async def insert_challenge(
    connection: AsyncConnection,
    *,
    token_digest: bytes,
    purpose: Purpose,
    user_id: int | None,
    challenge: bytes | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep a challenge; those that nobody answered in time go."""
    await connection.execute(delete(sign_in_challenges).where(sign_in_challenges.c.expires_at <= now))
    await connection.execute(
        insert(sign_in_challenges).values(
            token_digest=token_digest,
            purpose=str(purpose),
            user_id=user_id,
            challenge=challenge,
            expires_at=expires_at,
        )
    )


async def read_challenge(
    connection: AsyncConnection, token_digest: bytes, purpose: Purpose, now: datetime
) -> Challenge | None:
    """Return an open challenge and leave it open."""
    statement = select(sign_in_challenges).where(
        sign_in_challenges.c.token_digest == token_digest,
        sign_in_challenges.c.purpose == str(purpose),
        sign_in_challenges.c.expires_at > now,
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Challenge(user_id=row.user_id, challenge=row.challenge)


async def take_challenge(
    connection: AsyncConnection, token_digest: bytes, purpose: Purpose, now: datetime
) -> Challenge | None:
    """Return an open challenge and close it: of two who answer at once, one finds it."""
    statement = (
        delete(sign_in_challenges)
        .where(
            sign_in_challenges.c.token_digest == token_digest,
            sign_in_challenges.c.purpose == str(purpose),
            sign_in_challenges.c.expires_at > now,
        )
        .returning(sign_in_challenges.c.user_id, sign_in_challenges.c.challenge)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Challenge(user_id=row.user_id, challenge=row.challenge)


async def delete_challenges_of(connection: AsyncConnection, user_id: int) -> None:
    """Close what a person has begun: their password or their factors have changed meanwhile."""
    await connection.execute(delete(sign_in_challenges).where(sign_in_challenges.c.user_id == user_id))
