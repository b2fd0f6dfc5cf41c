"""Every market that calls were decided on, kept in PostgreSQL by its digest, so that decisions can be made again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from router.archive_queries import find_market, find_parts, is_archived, store_market
from router.domain.market import Snapshot
from router.domain.market_parts import Part, document_of
from router.domain.read_market import read_market
from store.key_ring import key_ring
from store.sealed_columns import CALLER


async def archive_market(engine: AsyncEngine, snapshot: Snapshot, parts: Mapping[str, Part]) -> None:
    """Store what of the market is not stored yet. Raises what the driver raises."""
    async with engine.begin() as connection:
        if await is_archived(connection, snapshot.digest):
            return
        names = {name: part.digest.hex() for name, part in parts.items()}
        await store_market(
            connection,
            digest=snapshot.digest,
            version=snapshot.version,
            names=zlib.compress(json.dumps(names).encode(), 1),
            parts={part.digest: part.body for part in parts.values()},
        )


async def archived_snapshot(engine: AsyncEngine, digest: str) -> Snapshot | None:
    """Return the market with this digest, whole; None when it was never archived. Raises what the driver raises."""
    async with engine.connect() as connection:
        found = await find_market(connection, digest)
        if found is None:
            return None
        version, names_json = found
        names = {name: bytes.fromhex(text) for name, text in json.loads(zlib.decompress(names_json)).items()}
        bodies = await find_parts(connection, names.values())
    document = document_of({name: zlib.decompress(bodies[part]) for name, part in names.items()})
    return read_market(document, version=version, digest=digest, caller_key=key_ring().index_key(CALLER))
