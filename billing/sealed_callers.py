"""Whether the callers of sealed calls are those that were sealed: each number is opened and compared.

The digest of a caller is over the keyed index of the number, or, where it was taken before numbers were sealed, over
the number itself. That the index is the number's own is looked at too: exchanged numbers would go unnoticed else.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.seal_evidence import SEALED_CALLERS
from store.key_ring import KeyRing, NotSealedByUs, key_ring
from store.sealed_columns import CALLER

ANOTHER = "its caller is another than was sealed"
NOT_OPENED = "its caller cannot be opened by this node's keys"
_AT_ONCE = 1_000


async def changed_callers(connection: AsyncConnection, limit: int) -> list[tuple[UUID, str]]:
    """Return up to `limit` calls whose caller is not the one that was sealed, and what is wrong with each."""
    found: list[tuple[UUID, str]] = []
    async for row in _sealed_callers(connection):
        problem = problem_of(row, key_ring())
        if problem:
            found.append((row.call_id, problem))
            if len(found) == limit:
                break
    return found


async def _sealed_callers(connection: AsyncConnection) -> AsyncIterator[Any]:
    async with connection.stream(text(SEALED_CALLERS)) as rows:
        async for some in rows.partitions(_AT_ONCE):
            for row in some:
                yield row


def problem_of(row: Any, ring: KeyRing) -> str:
    """Return what is wrong with the caller of a sealed call; empty when nothing is."""
    if row.caller_sealed is None or row.caller_index is None:
        return ANOTHER
    try:
        number = ring.unseal_text(CALLER, row.caller_sealed)
    except NotSealedByUs:
        return NOT_OPENED
    if ring.blind(CALLER, number) != row.caller_index:
        return ANOTHER
    as_sealed = (row.caller_index.hex(), number)
    same = any(_digest(row, one) == row.caller_digest for one in as_sealed)
    return "" if same else ANOTHER


def _digest(row: Any, what: str) -> bytes:
    return hashlib.sha256(row.salt + f"{row.transaction_id} {what}".encode()).digest()
