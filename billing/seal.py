"""Chains what was posted, shortly after it is committed, in batches whose roots are signed (DESIGN 6).

Settlement never waits for the chain: rows are sealed by whoever holds the seal lock, in the order in which they are
seen. The same chains the audit log. Who may write the database can add to a chain and cannot make another of it: the
key is not there, and a sealer never signs a batch a second time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from billing import seal_queries as queries
from billing.roots_file import RootsFolder
from billing.seal_leaves import FIRST_ROOT, SALT_BYTES, leaf_of, seal_root
from billing.seal_queries import LEDGER, Chain, StoredSeal
from billing.seal_signatures import Seal, SignedSeal, public_key_of, sign

BATCH_ENTRIES = 2000


class ChainForked(Exception):
    """The database holds another chain than the one that was signed: nothing is sealed until somebody has looked."""


@dataclass(frozen=True, kw_only=True)
class Sealer:
    """With what this node signs, what it has seen signed, and whose signatures count."""

    key: Ed25519PrivateKey
    roots: RootsFolder
    other_keys: frozenset[bytes] = frozenset()

    @property
    def known_keys(self) -> frozenset[bytes]:
        return self.other_keys | {public_key_of(self.key)}


async def seal_next_batch(
    connection: AsyncConnection, sealer: Sealer, limit: int = BATCH_ENTRIES, *, chain: Chain = LEDGER
) -> int:
    """Write down what was signed before; seal the oldest unsealed rows, at most `limit`; return how many were waiting.

    The caller commits, and calls again until there is nothing: only then the last root is written down, too. Returns 0
    when another process is sealing. Raises ChainForked, OSError, and what the database raises.
    """
    if not await queries.try_seal_lock(connection, chain):
        return 0
    newest = await _write_down(connection, sealer, chain)
    found = await queries.waiting_ids(connection, chain, limit)
    strays = await queries.drop_strays(connection, chain, found) if found else set()
    ids = [id_ for id_ in found if id_ not in strays]
    if not ids:
        return len(strays)
    salt = secrets.token_bytes(SALT_BYTES)
    entries = await queries.entries_to_seal(connection, chain, ids)
    leaves = [leaf_of(salt, entry) for entry in entries]
    batch, previous_root = (newest.batch + 1, newest.root) if newest else (1, FIRST_ROOT)
    seal = Seal(
        chain=chain.name,
        batch=batch,
        previous_root=previous_root,
        root=seal_root(batch, previous_root, leaves),
        entry_count=len(leaves),
        sealed_at_us=time.time_ns() // 1000,
    )
    await queries.insert_seal(connection, chain, sign(seal, sealer.key), salt, ids)
    return len(found)


async def _write_down(connection: AsyncConnection, sealer: Sealer, chain: Chain) -> Seal | None:
    """Bring the file of roots up to date with what is committed; return the newest seal."""
    last = await asyncio.to_thread(sealer.roots.last, chain.name)
    if last is None:
        stored = await queries.newest_seal(connection, chain)
        found = [] if stored is None else [stored]
    else:
        found = await queries.seals_from(connection, chain, last.seal.batch)
        if not found or found[0].signed.seal != last.seal:
            raise ChainForked(_forked(chain, last, found))
        found = found[1:]
    while found:
        for stored in found:
            _accept(stored.signed, last, sealer.known_keys)
            last = stored.signed
        await asyncio.to_thread(sealer.roots.append, chain.name, [stored.signed for stored in found])
        found = await queries.seals_from(connection, chain, found[-1].batch + 1)
    return None if last is None else last.seal


def _accept(signed: SignedSeal, last: SignedSeal | None, known_keys: frozenset[bytes]) -> None:
    """Raise ChainForked when a seal does not follow the last one or is not signed by one of us."""
    seal, fault = signed.seal, signed.fault(known_keys)
    if fault:
        raise ChainForked(f"batch {seal.batch} of the {seal.chain} chain {fault}")
    if last is not None and (seal.batch, seal.previous_root) != (last.seal.batch + 1, last.seal.root):
        raise ChainForked(
            f"batch {seal.batch} of the {seal.chain} chain does not follow batch {last.seal.batch}"
        )


def _forked(chain: Chain, last: SignedSeal, found: list[StoredSeal]) -> str:
    seal = last.seal
    now = "is another now" if found and found[0].batch == seal.batch else "is not in the database any more"
    return (
        f"batch {seal.batch} of the {chain.name} chain, signed with root {seal.root.hex()}, {now}: nothing is sealed."
        " When the database was restored from a copy, keep the file of roots elsewhere and start without it"
    )
