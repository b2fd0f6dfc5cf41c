"""Chains the ledger's transactions, shortly after they are committed, in batches (DESIGN 6).

Settlement never waits for the chain: transactions are sealed by whoever holds the seal lock, in any order of their ids.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger_queries as queries
from billing.ledger import FIRST_ROOT, leaf_of, seal_root

BATCH_TRANSACTIONS = 2000


async def seal_next_batch(connection: AsyncConnection, limit: int = BATCH_TRANSACTIONS) -> int:
    """Seal the oldest unsealed transactions, at most `limit`; return how many. The caller commits.

    Returns 0 when there is nothing to seal or another process is sealing.
    """
    if not await queries.try_seal_lock(connection):
        return 0
    ids = await queries.unsealed_ids(connection, limit)
    if not ids:
        return 0
    last = await queries.last_seal(connection)
    batch, previous_root = (last[0] + 1, last[1]) if last else (1, FIRST_ROOT)
    leaves = [leaf_of(entry) for entry in await queries.entries(connection, ids)]
    root = seal_root(batch, previous_root, leaves)
    await queries.insert_seal(connection, batch=batch, previous_root=previous_root, root=root, ids=ids)
    return len(ids)
