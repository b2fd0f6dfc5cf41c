"""Sealers for tests: a key by its name, roots in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.roots_file import RootsFolder
from billing.seal import BATCH_ENTRIES, Sealer, seal_next_batch
from billing.seal_queries import CHAINS, LEDGER, Chain
from billing.seal_signatures import public_key_of
from billing.verify_chain import ExpectedRoot, Trust


def key_named(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def sealer_at(folder: Path, name: str = "a", *, knows: tuple[str, ...] = ()) -> Sealer:
    """Return the sealer of a node, which knows the keys of some others."""
    others = frozenset(public_key_of(key_named(other)) for other in knows)
    return Sealer(key=key_named(name), roots=RootsFolder(path=folder), other_keys=others)


def trust_in(sealer: Sealer, *expected: ExpectedRoot) -> Trust:
    """Return what the machine of a sealer knows."""
    files = {chain.name: [sealer.roots.file(chain.name)] for chain in CHAINS}
    return Trust(known_keys=sealer.known_keys, files=files, expected=expected)


async def seal(
    engine: AsyncEngine, sealer: Sealer, limit: int = BATCH_ENTRIES, *, chain: Chain = LEDGER
) -> int:
    """Seal one batch; return how many it holds."""
    async with engine.begin() as connection:
        return await seal_next_batch(connection, sealer, limit, chain=chain)


async def seal_all(engine: AsyncEngine, sealer: Sealer, limit: int = BATCH_ENTRIES) -> None:
    """Seal both chains as the worker does: until there is nothing, and all roots are written down."""
    for chain in CHAINS:
        while await seal(engine, sealer, limit, chain=chain):
            pass
