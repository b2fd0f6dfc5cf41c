"""Proofs that a transaction is in a signed batch: for one party, who reads its own postings and guesses no other's."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import seal_queries as queries
from billing.seal_leaves import Entry, Proofs, blinds_of, leaf_of, merkle_path, part_digest
from billing.seal_queries import LEDGER, BatchReader


async def proofs_of(
    connection: AsyncConnection, transaction_ids: Collection[int], accounts: Collection[str]
) -> Proofs:
    """Prove those of the transactions that are sealed; of their postings those on `accounts` are shown.

    Reads the batches they are in, one at a time. Raises what the database raises.
    """
    wanted = set(transaction_ids)
    reader = await BatchReader.on(connection, LEDGER)
    by_id: dict[int, Mapping[str, Any]] = {}
    roots: dict[int, Mapping[str, Any]] = {}
    for stored in await queries.seals_of(connection, LEDGER, sorted(wanted)):
        entries = await reader.entries(stored.batch)
        leaves = [leaf_of(stored.salt, entry) for entry in entries]
        roots[stored.batch] = stored.signed.to_json()
        for position, entry in enumerate(entries):
            if entry.id in wanted:
                by_id[entry.id] = {
                    "batch": stored.batch,
                    "head": entry.head,
                    "parts": _shown(stored.salt, entry, accounts),
                    "path": [[side, digest.hex()] for side, digest in merkle_path(leaves, position)],
                }
    return Proofs(by_id=by_id, roots=roots)


def _shown(salt: bytes, entry: Entry, accounts: Collection[str]) -> list[Any]:
    """Return each part as its digest, or, where the party may read it, as its text and what blinds it."""
    blinds = blinds_of(salt, entry.id, len(entry.parts))
    detail, evidence, *postings = zip(blinds, entry.parts, strict=True)
    shown: list[Any] = [part_digest(*detail).hex(), part_digest(*evidence).hex()]
    for blind, posting in postings:
        own = json.loads(posting)[0] in accounts
        shown.append({"blind": blind.hex(), "text": posting} if own else part_digest(blind, posting).hex())
    return shown
