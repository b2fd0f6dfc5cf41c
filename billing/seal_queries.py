"""The SQL of chains of seals. There are two, of the same shape: the ledger's, and that of the audit log."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.seal_evidence import EVIDENCE_PART, TAKE_EVIDENCE
from billing.seal_leaves import Entry, leaf_of
from billing.seal_signatures import Seal, SignedSeal
from store.tables import metadata

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SEALS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Rows that are sealed as they come: each waits in a list until a batch holds it."""

    name: str
    lock: int
    table: str
    time: str
    """The column of `table` that says when a row came."""
    seals: str
    members: str
    waiting: str
    key: str
    """The column of `members` and `waiting` that names a row."""
    entries: str
    """A query of id, head and parts (one a line) of each row: JSON as PostgreSQL writes it, without line breaks.

    `sealing` is the batch, of which the salt may be read.
    """
    first: str = ""
    """What is noted of rows `ids` before they are sealed in a batch of this `salt`."""
    then: str = ""
    """What is done with rows `ids` once they are."""


LEDGER = Chain(
    name="ledger",
    lock=7_042_002,
    table="ledger_transactions",
    time="posted_at",
    seals="ledger_seals",
    members="ledger_sealed_transactions",
    waiting="unsealed_transactions",
    key="transaction_id",
    first=TAKE_EVIDENCE,
    entries=f"""
        SELECT t.id, '[' || t.id || ', ' || coalesce('"' || t.call_id || '"', 'null') || ', ' || to_json(t.kind)
            || ', ' || trunc(extract(epoch FROM t.posted_at) * 1000000)
            || ', ' || coalesce(t.corrects_id::text, 'null') || ']' AS head,
            t.detail::text || E'\\n' || {EVIDENCE_PART} || coalesce((
                SELECT string_agg(E'\\n[' || to_json(p.account) || ', ' || p.amount_micros || ']', ''
                    ORDER BY p.account COLLATE "C")
                FROM ledger_postings p WHERE p.transaction_id = t.id), '') AS parts
        FROM ledger_transactions t""",  # noqa: S608 (constants)
    then="""
        INSERT INTO sealed_balances AS b (account, amount_micros)
        SELECT account, sum(amount_micros)::bigint FROM ledger_postings WHERE transaction_id = ANY (:ids)
        GROUP BY account ORDER BY account
        ON CONFLICT (account) DO UPDATE SET amount_micros = b.amount_micros + excluded.amount_micros""",
)
AUDIT = Chain(
    name="audit",
    lock=7_042_004,
    table="audit_log",
    time="at",
    seals="audit_seals",
    members="audit_sealed_notes",
    waiting="unsealed_notes",
    key="note_id",
    entries="""
        SELECT a.id, jsonb_build_array(a.id, trunc(extract(epoch FROM a.at) * 1000000), a.user_id, a.actor, a.via,
            a.action, a.kind, a.ref)::text AS head, jsonb_build_array(a.before, a.after)::text AS parts
        FROM audit_log a""",
)
CHAINS = (LEDGER, AUDIT)


async def try_seal_lock(connection: AsyncConnection, chain: Chain) -> bool:
    """Only one process seals a chain at a time; the lock ends with the transaction."""
    return bool((await connection.execute(select(func.pg_try_advisory_xact_lock(chain.lock)))).scalar_one())


async def waiting_ids(connection: AsyncConnection, chain: Chain, limit: int) -> list[int]:
    """Return the oldest of the rows that wait to be sealed."""
    query = f"SELECT {chain.key} FROM {chain.waiting} ORDER BY 1 LIMIT :limit"  # noqa: S608 (constants)
    return list((await connection.scalars(text(query), {"limit": limit})).all())


async def drop_strays(connection: AsyncConnection, chain: Chain, ids: Sequence[int]) -> set[int]:
    """Take off the list what is sealed already or is no row at all: anybody who may seal can write there.

    Returns which they were.
    """
    query = (
        f"DELETE FROM {chain.waiting} w WHERE {chain.key} = ANY (:ids)"  # noqa: S608 (constants)
        f" AND (EXISTS (SELECT FROM {chain.members} m WHERE m.{chain.key} = w.{chain.key})"
        f" OR NOT EXISTS (SELECT FROM {chain.table} t WHERE t.id = w.{chain.key})) RETURNING {chain.key}"
    )
    return set((await connection.scalars(text(query).bindparams(_IDS), {"ids": list(ids)})).all())


async def entries_to_seal(
    connection: AsyncConnection, chain: Chain, ids: Sequence[int], salt: bytes
) -> list[Entry]:
    """Return rows that are about to be sealed in a batch of this salt, in the order of their ids."""
    values = {"ids": list(ids), "salt": salt}
    if chain.first:
        await connection.execute(text(chain.first).bindparams(_IDS), values)
    query = (
        "SELECT e.* FROM (SELECT CAST(:salt AS bytea) AS salt) sealing"  # noqa: S608 (constants)
        f" CROSS JOIN LATERAL ({chain.entries}) e WHERE e.id = ANY (:ids) ORDER BY e.id"
    )
    found = await connection.execute(text(query).bindparams(_IDS), values)
    return [_entry(row) for row in found]


_IDS = bindparam("ids", type_=ARRAY(BigInteger))


async def insert_seal(
    connection: AsyncConnection, chain: Chain, signed: SignedSeal, salt: bytes, ids: Sequence[int]
) -> None:
    """Write a batch of these rows, in this order."""
    seal = signed.seal
    await connection.execute(
        insert(metadata.tables[chain.seals]),
        {
            "batch": seal.batch,
            "previous_root": seal.previous_root,
            "root": seal.root,
            "entry_count": seal.entry_count,
            "sealed_at": _EPOCH + dt.timedelta(microseconds=seal.sealed_at_us),
            "salt": salt,
            "public_key": signed.public_key,
            "signature": signed.signature,
        },
    )
    member = (
        f"INSERT INTO {chain.members} ({chain.key}, batch, position) SELECT id, {seal.batch:d}, place - 1"  # noqa: S608
        " FROM unnest(:ids) WITH ORDINALITY AS sealed(id, place)"
    )
    no_longer_waiting = f"DELETE FROM {chain.waiting} WHERE {chain.key} = ANY (:ids)"  # noqa: S608 (constants)
    for statement in filter(None, (member, no_longer_waiting, chain.then)):
        await connection.execute(text(statement).bindparams(_IDS), {"ids": list(ids)})


@dataclass(frozen=True, kw_only=True)
class StoredSeal:
    """A seal as it is kept; `salt` blinds the parts of its entries and is shown to nobody."""

    signed: SignedSeal
    salt: bytes

    @property
    def batch(self) -> int:
        return self.signed.seal.batch


async def seals_after(connection: AsyncConnection, chain: Chain, batch: int) -> list[StoredSeal]:
    """Return the seals after a batch, oldest first: at most _SEALS_AT_ONCE."""
    query = f"SELECT * FROM {chain.seals} WHERE batch > :batch ORDER BY batch LIMIT {_SEALS_AT_ONCE}"  # noqa: S608
    return [_stored(row, chain) for row in await connection.execute(text(query), {"batch": batch})]


async def seals_of(connection: AsyncConnection, chain: Chain, ids: Sequence[int]) -> list[StoredSeal]:
    """Return the seals of the batches that hold any of these rows."""
    query = (
        f"SELECT * FROM {chain.seals} WHERE batch IN (SELECT batch FROM {chain.members}"  # noqa: S608 (constants)
        f" WHERE {chain.key} = ANY (:ids)) ORDER BY batch"
    )
    found = await connection.execute(text(query).bindparams(_IDS), {"ids": list(ids)})
    return [_stored(row, chain) for row in found]


async def newest_seals(connection: AsyncConnection, chain: Chain) -> AsyncIterator[StoredSeal]:
    """Yield the seals, newest first."""
    query = f"SELECT * FROM {chain.seals} ORDER BY batch DESC"  # noqa: S608 (constants)
    async with connection.stream(text(query)) as rows:
        async for row in rows:
            yield _stored(row, chain)


async def free_number(connection: AsyncConnection, chain: Chain, after: int) -> int:
    """Return the first number after that of the newest seal that no row has: anybody who may seal can take one."""
    query = (
        f"SELECT min(taken) + 1 FROM (SELECT CAST(:after AS bigint) AS taken UNION ALL"  # noqa: S608 (constants)
        f" SELECT batch FROM {chain.seals} WHERE batch > :after) t"
        f" WHERE NOT EXISTS (SELECT FROM {chain.seals} n WHERE n.batch = t.taken + 1)"
    )
    return int((await connection.execute(text(query), {"after": after})).scalar_one())


def _stored(row: Any, chain: Chain) -> StoredSeal:
    seal = Seal(
        chain=chain.name,
        batch=row.batch,
        previous_root=bytes(row.previous_root),
        root=bytes(row.root),
        entry_count=row.entry_count,
        sealed_at_us=(row.sealed_at - _EPOCH) // dt.timedelta(microseconds=1),
    )
    signed = SignedSeal(seal=seal, public_key=bytes(row.public_key), signature=bytes(row.signature))
    return StoredSeal(signed=signed, salt=bytes(row.salt))


def _entry(row: Any) -> Entry:
    return Entry(id=row[0], head=row[1], parts=tuple(row[2].split("\n")))


@dataclass(frozen=True, kw_only=True)
class StoredBatch:
    """A batch as it stands: what its seal says, and the digests of the rows that are there."""

    signed: SignedSeal
    leaves: tuple[bytes, ...]
    ids: tuple[int, ...]


class BatchReader:
    """Reads the rows of batches on one connection, by a statement that is prepared once."""

    def __init__(self, chain: Chain, statement: Any) -> None:
        self._chain = chain
        self._statement = statement

    @classmethod
    async def on(cls, connection: AsyncConnection, chain: Chain) -> BatchReader:
        """Raises what the driver raises."""
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        query = (
            f"SELECT e.* FROM {chain.seals} sealing JOIN {chain.members} m ON m.batch = sealing.batch"  # noqa: S608
            f" JOIN LATERAL ({chain.entries}) e ON e.id = m.{chain.key}"
            " WHERE sealing.batch = $1 ORDER BY m.position"
        )
        return cls(chain, await driver.prepare(query))

    async def entries(self, batch: int) -> list[Entry]:
        """Return the rows of a batch, in its order; those that are gone are left out."""
        return [_entry(row) for row in await self._statement.fetch(batch)]


async def batches(connection: AsyncConnection, chain: Chain) -> AsyncIterator[StoredBatch]:
    """Yield every batch, oldest first, in memory for one. Raises what the driver raises."""
    reader = await BatchReader.on(connection, chain)
    after = 0
    while seals := await seals_after(connection, chain, after):
        for seal in seals:
            found = await reader.entries(seal.batch)
            yield StoredBatch(
                signed=seal.signed,
                leaves=tuple(leaf_of(seal.salt, entry) for entry in found),
                ids=tuple(entry.id for entry in found),
            )
        after = seals[-1].batch
