"""The digests of sealed entries: leaves, the tree of a batch, and how one entry is proved without the others. Pure.

An entry is a head, which everybody may read who reads of it at all, and parts, of which each party may read its own. A
part is hashed behind a blind of its own: who is shown some parts can check the leaf and cannot guess the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIRST_ROOT = bytes(32)
"""What the first seal names as the root before it."""
SALT_BYTES = 16
_BLIND_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row that is sealed: its id, and JSON texts of all that must never change."""

    id: int
    head: str
    parts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """Proofs by the ids of entries, and the signed roots they lead to by their batches: both as JSON."""

    by_id: Mapping[int, Mapping[str, Any]]
    roots: Mapping[int, Mapping[str, Any]]


NO_PROOFS = Proofs(by_id={}, roots={})


def blinds_of(salt: bytes, id_: int, count: int) -> list[bytes]:
    """Return the blinds of an entry's parts; `salt` is the batch's and is never shown."""
    drawn = hashlib.shake_256(salt + id_.to_bytes(8, "big", signed=True)).digest(_BLIND_BYTES * count)
    return [drawn[at : at + _BLIND_BYTES] for at in range(0, len(drawn), _BLIND_BYTES)]


def part_digest(blind: bytes, part: str) -> bytes:
    return hashlib.sha256(b"\x04" + blind + part.encode()).digest()


def leaf_of(salt: bytes, entry: Entry) -> bytes:
    """Return the digest of one entry."""
    blinds = blinds_of(salt, entry.id, len(entry.parts))
    parts = b"".join([part_digest(blind, part) for blind, part in zip(blinds, entry.parts, strict=True)])
    return hashlib.sha256(b"\x00" + entry.head.encode() + b"\n" + parts).digest()


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root of a binary tree over the leaves in their order; an odd one moves up as it is.

    Leaves and inner nodes are hashed under different prefixes, so that neither can pass for the other.
    """
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else hashlib.sha256(b"\x03").digest()


def merkle_path(leaves: Sequence[bytes], position: int) -> list[tuple[str, bytes]]:
    """Return what a leaf is hashed with on its way to the root: ("left" or "right", digest), from below."""
    path, level = [], list(leaves)
    while len(level) > 1:
        beside = position ^ 1
        if beside < len(level):
            path.append(("left" if beside < position else "right", level[beside]))
        level, position = _above(level), position // 2
    return path


def _above(level: Sequence[bytes]) -> list[bytes]:
    pairs = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def seal_root(batch: int, previous_root: bytes, leaves: Sequence[bytes]) -> bytes:
    """Return the root of a batch: its number, the root before it, how many entries, and their tree."""
    head = b"\x02" + batch.to_bytes(8, "big") + len(leaves).to_bytes(8, "big")
    return hashlib.sha256(head + previous_root + merkle_root(leaves)).digest()
