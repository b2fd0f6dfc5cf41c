"""Seals what an older Tollbridge kept bare: once, before the processes start."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web.second_factor import queries
from web.second_factor.vault import Vault


async def seal_bare_factors(engine: AsyncEngine, vault: Vault) -> int:
    """Seal every second factor that is not yet; return how many that were. Several nodes may do it at once."""
    async with engine.begin() as connection:
        bare = await queries.read_bare_factors(connection)
        for user_id, secret in bare.items():
            await queries.seal_factor(connection, user_id, bare=secret, sealed=vault.seal(user_id, secret))
    return len(bare)


async def count_lost(connection: AsyncConnection, vault: Vault) -> tuple[int, int]:
    """Return how many sealed second factors this secret does not open, and how many there are."""
    sealed = await queries.read_sealed_factors(connection)
    return sum(vault.open(user_id, kept) is None for user_id, kept in sealed.items()), len(sealed)
