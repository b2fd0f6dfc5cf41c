"""Second factors in PostgreSQL. Each code opens once: the row's own lock decides between two who come at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, any_, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import users
from web.second_factor.codes import is_old_digest
from web.second_factor.vault import SEALED


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What somebody has beside the password. `sealed` is the secret as it is kept (web/second_factor/vault.py)."""

    sealed: str | None
    recovery_codes_left: int
    has_old_codes: bool = False
    """Some of the codes are of the short kind of before."""


async def read_factor(connection: AsyncConnection, user_id: int) -> Factor:
    statement = select(users.c.totp_secret, users.c.recovery_digests).where(users.c.id == user_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return Factor(sealed=None, recovery_codes_left=0)
    return Factor(
        sealed=row.totp_secret,
        recovery_codes_left=len(row.recovery_digests),
        has_old_codes=any(map(is_old_digest, row.recovery_digests)),
    )


async def use_step(connection: AsyncConnection, user_id: int, sealed: str, step: int) -> bool:
    """Use up the code of a time step, and all before it. False when it was used already, or the secret is another."""
    statement = (
        update(users)
        .where(
            users.c.id == user_id,
            users.c.totp_secret == sealed,
            users.c.totp_last_step.is_(None) | (users.c.totp_last_step < step),
        )
        .values(totp_last_step=step)
        .returning(users.c.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def use_recovery_code(connection: AsyncConnection, user_id: int, digest: bytes) -> int | None:
    """Use up a recovery code and return how many are left; None when there is no such code any more."""
    statement = (
        update(users)
        .where(users.c.id == user_id, literal(digest) == any_(users.c.recovery_digests))
        .values(recovery_digests=func.array_remove(users.c.recovery_digests, digest))
        .returning(func.cardinality(users.c.recovery_digests))
    )
    left: int | None = (await connection.execute(statement)).scalar_one_or_none()
    return left


async def set_factor(
    connection: AsyncConnection, user_id: int, *, sealed: str, step: int, recovery_digests: Sequence[bytes]
) -> None:
    await connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(totp_secret=sealed, totp_last_step=step, recovery_digests=list(recovery_digests))
    )


async def read_bare_factors(connection: AsyncConnection) -> dict[int, str]:
    """Return the secrets, by person, that are kept as they are."""
    return await _read_factors(connection, users.c.totp_secret.not_like(f"{SEALED}%"))


async def read_sealed_factors(connection: AsyncConnection) -> dict[int, str]:
    """Return the secrets, by person, that are kept sealed."""
    return await _read_factors(connection, users.c.totp_secret.like(f"{SEALED}%"))


async def _read_factors(connection: AsyncConnection, which: ColumnElement[bool]) -> dict[int, str]:
    statement = select(users.c.id, users.c.totp_secret).where(which)
    return {row.id: row.totp_secret for row in await connection.execute(statement)}


async def seal_factor(connection: AsyncConnection, user_id: int, *, bare: str, sealed: str) -> None:
    """Put a sealed secret in the place of the bare one, unless it has been changed meanwhile."""
    await connection.execute(
        update(users).where(users.c.id == user_id, users.c.totp_secret == bare).values(totp_secret=sealed)
    )


async def set_recovery_digests(
    connection: AsyncConnection, user_id: int, recovery_digests: Sequence[bytes]
) -> bool:
    """Replace somebody's recovery codes. False when they have no second factor."""
    statement = (
        update(users)
        .where(users.c.id == user_id, users.c.totp_secret.is_not(None))
        .values(recovery_digests=list(recovery_digests))
        .returning(users.c.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def remove_factor(connection: AsyncConnection, user_id: int) -> bool:
    """Forget somebody's second factor. False when they had none."""
    statement = (
        update(users)
        .where(users.c.id == user_id, users.c.totp_secret.is_not(None))
        .values(totp_secret=None, totp_last_step=None, recovery_digests=[])
        .returning(users.c.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None
