"""Follows a chain of seals from its first batch to its last, and compares it with what is known from elsewhere."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.findings import MAXIMUM_FINDINGS, Finding, Problem
from billing.roots_file import read_lines
from billing.seal_leaves import FIRST_ROOT, seal_root
from billing.seal_queries import Chain, StoredBatch, batches
from billing.seal_signatures import SignedSeal, follows


@dataclass(frozen=True, kw_only=True)
class ExpectedRoot:
    """A root that somebody noted at an earlier time."""

    chain: str
    batch: int
    root: bytes


def read_expected(said: str) -> ExpectedRoot:
    """Read BATCH:ROOT or audit:BATCH:ROOT, as `ledger verify` prints them. Raises ValueError with the right form."""
    *named, batch, root = said.strip().split(":") if said.count(":") in (1, 2) else ("", "", "")
    chain = named[0] if named else "ledger"
    if chain not in ("ledger", "audit") or not batch.isdecimal() or len(root) != 64:
        raise ValueError(f"{said!r} is not BATCH:ROOT, as `tollbridge ledger verify` prints it")
    return ExpectedRoot(chain=chain, batch=int(batch), root=bytes.fromhex(root))


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What is known from elsewhere than the database. With none of it a chain is only held against itself."""

    known_keys: frozenset[bytes] | None = None
    """Whose signatures count; None: signatures are not looked at."""
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    """Files of roots, by the name of their chain."""
    expected: Sequence[ExpectedRoot] = ()

    def sizes(self) -> Mapping[str, Sequence[tuple[Path, int]]]:
        """Return the files and how long they are now: what is in them now was committed before. Raises OSError."""
        return {
            chain: [(file, file.stat().st_size) for file in files if file.exists()]
            for chain, files in self.files.items()
        }


@dataclass(kw_only=True)
class Followed:
    """How far a chain was followed. `newest` is its last seal."""

    batches: int = 0
    entries: int = 0
    newest: SignedSeal | None = None
    findings: list[Finding] = field(default_factory=list)


async def follow_chain(
    connection: AsyncConnection, chain: Chain, trust: Trust, files: Sequence[tuple[Path, int]]
) -> Followed:
    """Hash every batch again, from the first to the last. Raises OSError, and what the database raises."""
    followed = Followed()
    recorded = _Recorded([read_lines(file, size) for file, size in files])
    expected = {one.batch: one for one in trust.expected if one.chain == chain.name}
    async for batch in batches(connection, chain):
        number = batch.signed.seal.batch
        strange = list(_judge_signature(batch.signed, trust.known_keys))
        followed.findings += strange or _judge_links(batch, followed.newest)
        followed.findings += _judge_recorded(batch.signed, recorded.up_to(number))
        if (one := expected.pop(number, None)) is not None and one.root != batch.signed.seal.root:
            followed.findings.append(_unexpected(one, f"its root is {batch.signed.seal.root.hex()}"))
        # Who may write the database can add a row between: the chain goes on from the newest that we signed.
        followed.newest = followed.newest if strange else batch.signed
        followed.batches, followed.entries = followed.batches + 1, followed.entries + len(batch.leaves)
        if len(followed.findings) >= MAXIMUM_FINDINGS:
            return followed
    followed.findings += _judge_end(chain, followed.newest, recorded)
    followed.findings += [_unexpected(one, "there is no such batch") for one in expected.values()]
    return followed


def _judge_links(batch: StoredBatch, before: SignedSeal | None) -> Iterator[Finding]:
    seal = batch.signed.seal
    name = f"batch {seal.batch} of the {seal.chain} chain"
    if not (follows(seal, before.seal) if before else seal.previous_root == FIRST_ROOT):
        detail = f"{name} does not follow batch {before.seal.batch if before else 0}"
        yield Finding(problem=Problem.CHAIN_BROKEN, batch=seal.batch, detail=detail)
    there = len(batch.leaves)
    if there != seal.entry_count:
        detail = f"{name}: {seal.entry_count} rows were sealed, {there} are there"
        yield Finding(problem=Problem.TRANSACTION_MISSING, batch=seal.batch, detail=detail)
    elif seal_root(seal.batch, seal.previous_root, batch.leaves) != seal.root:
        ids = f"{batch.ids[0]}..{batch.ids[-1]}" if batch.ids else "none"
        detail = f"a row of {name} (ids {ids}) is not what was sealed"
        yield Finding(problem=Problem.BATCH_CHANGED, batch=seal.batch, detail=detail)


def _judge_signature(signed: SignedSeal, known_keys: frozenset[bytes] | None) -> Iterator[Finding]:
    fault = None if known_keys is None else signed.fault(known_keys)
    if fault is not None:
        detail = f"batch {signed.seal.batch} of the {signed.seal.chain} chain {fault}"
        yield Finding(problem=Problem.NOT_SIGNED, batch=signed.seal.batch, detail=detail)


def _judge_recorded(signed: SignedSeal, recorded: Iterator[SignedSeal]) -> Iterator[Finding]:
    for line in recorded:
        batch = line.seal.batch
        if batch == signed.seal.batch and line.seal.root == signed.seal.root:
            continue
        now = f"has root {signed.seal.root.hex()}" if batch == signed.seal.batch else "is missing"
        detail = f"batch {batch} of the {line.seal.chain} chain {now}; it was signed with root {line.seal.root.hex()}"
        yield Finding(problem=Problem.NOT_AS_WRITTEN_DOWN, batch=batch, detail=detail)


def _judge_end(chain: Chain, newest: SignedSeal | None, recorded: _Recorded) -> Iterator[Finding]:
    for last in deque(recorded.rest(), maxlen=1):
        end = f"ends with batch {newest.seal.batch}" if newest else "is empty"
        detail = f"the {chain.name} chain {end}, and batch {last.seal.batch} was signed: its tail was cut"
        yield Finding(problem=Problem.TAIL_CUT, batch=last.seal.batch, detail=detail)


def _unexpected(one: ExpectedRoot, now: str) -> Finding:
    detail = f"batch {one.batch} of the {one.chain} chain was expected with root {one.root.hex()}: {now}"
    return Finding(problem=Problem.NOT_AS_EXPECTED, batch=one.batch, detail=detail)


class _Recorded:
    """The lines of some files of roots, read beside the chain, one at a time."""

    def __init__(self, files: Sequence[Iterator[SignedSeal]]) -> None:
        self._lines = heapq.merge(*files, key=lambda signed: signed.seal.batch)
        self._next = next(self._lines, None)

    def up_to(self, batch: int) -> Iterator[SignedSeal]:
        """Yield the lines of batches up to this one that were not yielded before."""
        while self._next is not None and self._next.seal.batch <= batch:
            yield self._next
            self._next = next(self._lines, None)

    def rest(self) -> Iterator[SignedSeal]:
        """Yield the lines that are left."""
        if self._next is not None:
            yield self._next
            yield from self._lines
