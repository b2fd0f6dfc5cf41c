"""Markets by digest: the list of each one's parts, and the parts, which many markets share."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import market_parts, market_snapshots

PARTS_AT_ONCE = 500


async def is_archived(connection: AsyncConnection, digest: str) -> bool:
    query = select(market_snapshots.c.version).where(market_snapshots.c.digest == digest)
    return await connection.scalar(query) is not None


async def store_market(
    connection: AsyncConnection, *, digest: str, version: int, names: bytes, parts: Mapping[bytes, bytes]
) -> None:
    """Store a market; `parts` that are stored already are left alone."""
    known = await _known(connection, parts)
    missing = [
        {"digest": part, "document": zlib.compress(body, 1)}
        for part, body in sorted(parts.items())
        if part not in known
    ]
    for start in range(0, len(missing), PARTS_AT_ONCE):
        await connection.execute(
            insert(market_parts).on_conflict_do_nothing(), missing[start : start + PARTS_AT_ONCE]
        )
    values = {"digest": digest, "version": version, "document": names}
    await connection.execute(insert(market_snapshots).values(values).on_conflict_do_nothing())


async def _known(connection: AsyncConnection, wanted: Iterable[bytes]) -> set[bytes]:
    return set(
        await connection.scalars(select(market_parts.c.digest).where(market_parts.c.digest.in_(list(wanted))))
    )


async def find_market(connection: AsyncConnection, digest: str) -> tuple[int, bytes] | None:
    """Return version and parts list."""
    row = (
        await connection.execute(
            select(market_snapshots.c.version, market_snapshots.c.document).where(
                market_snapshots.c.digest == digest
            )
        )
    ).one_or_none()
    return None if row is None else (row.version, row.document)


async def find_parts(connection: AsyncConnection, wanted: Iterable[bytes]) -> dict[bytes, bytes]:
    rows = await connection.execute(
        select(market_parts.c.digest, market_parts.c.document).where(market_parts.c.digest.in_(list(wanted)))
    )
    return {row.digest: row.document for row in rows}
