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
from billing.seal_signatures import Seal, SignedSeal, follows, public_key_of, sign

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
    entries = await queries.entries_to_seal(connection, chain, ids, salt)
    leaves = [leaf_of(salt, entry) for entry in entries]
    batch = await queries.free_number(connection, chain, newest.batch if newest else 0)
    previous_root = newest.root if newest else FIRST_ROOT
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
        last = await _newest_of_ours(connection, sealer, chain)
        if last is None:
            return None
        await asyncio.to_thread(sealer.roots.append, chain.name, [last])
    else:
        found = await queries.seals_after(connection, chain, last.seal.batch - 1)
        if not found or found[0].signed.seal != last.seal:
            raise ChainForked(_forked(chain, last, found))
    after = last.seal.batch
    while found := await queries.seals_after(connection, chain, after):
        after = found[-1].batch
        # Who may write the database can add rows, and stops nobody by that: `ledger verify` reports them.
        ours = [stored.signed for stored in found if stored.signed.fault(sealer.known_keys) is None]
        for signed in ours:
            if not follows(signed.seal, last.seal):
                raise ChainForked(
                    f"batch {signed.seal.batch} of the {chain.name} chain does not follow batch {last.seal.batch}"
                )
            last = signed
        if ours:
            await asyncio.to_thread(sealer.roots.append, chain.name, ours)
    return last.seal


async def _newest_of_ours(connection: AsyncConnection, sealer: Sealer, chain: Chain) -> SignedSeal | None:
    """Return the newest seal that a known key signed. Raises ChainForked when there are only others."""
    fault = None
    async for stored in queries.newest_seals(connection, chain):
        stranger = stored.signed.fault(sealer.known_keys)
        if stranger is None:
            return stored.signed
        fault = fault or f"batch {stored.batch} of the {chain.name} chain {stranger}"
    if fault:
        raise ChainForked(f"{fault}, and no batch is signed by a key that is: nothing is sealed")
    return None


def _forked(chain: Chain, last: SignedSeal, found: list[StoredSeal]) -> str:
    seal = last.seal
    now = "is another now" if found and found[0].batch == seal.batch else "is not in the database any more"
    return (
        f"batch {seal.batch} of the {chain.name} chain, signed with root {seal.root.hex()}, {now}: nothing is sealed."
        " When the database was restored from a copy, keep the file of roots elsewhere and start without it"
    )
