"""The SQL of the ledger: posting, sealing, verification."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger import Posting, SealedEntry, leaf_of_stored
from store.tables import ledger_sealed_transactions, ledger_seals, unsealed_transactions

_SEAL_LOCK = 7_042_002
_WAITING = unsealed_transactions.c.transaction_id


# One round trip: settlement is the hot path.
_POST = text(
    """
    WITH made AS (
        INSERT INTO ledger_transactions (call_id, kind, detail, corrects_id)
        VALUES (:call_id, :kind, :detail, :corrects_id) RETURNING id
    ), posted AS (
        INSERT INTO ledger_postings (transaction_id, account, amount_micros)
        SELECT made.id, account, amount
        FROM made, unnest(CAST(:accounts AS text[]), CAST(:amounts AS bigint[])) AS posting(account, amount)
    )
    SELECT id FROM made
    """
).bindparams(
    bindparam("detail", type_=JSONB),
    bindparam("call_id", type_=Uuid),
    bindparam("corrects_id", type_=BigInteger),
)


async def post(
    connection: AsyncConnection,
    *,
    call_id: UUID | None,
    kind: str,
    postings: Sequence[Posting],
    detail: dict[str, Any],
    corrects_id: int | None = None,
) -> int:
    """Write one ledger transaction; return its id. The database refuses a second one of the call and kind.

    A transaction of no call bears its own key in its kind, after a colon, and is refused a second time as well.
    """
    values = {
        "call_id": call_id,
        "kind": kind,
        "detail": detail,
        "corrects_id": corrects_id,
        "accounts": [posting.account for posting in postings],
        "amounts": [posting.amount_micros for posting in postings],
    }
    return int((await connection.execute(_POST, values)).scalar_one())


@dataclass(frozen=True, kw_only=True)
class KeyedTransaction:
    """A transaction that bears a key, and its postings as (account, amount in micros)."""

    id: int
    postings: tuple[tuple[str, int], ...]


_KEYED = """
    SELECT t.id, coalesce(array_agg(p.account) FILTER (WHERE p.account IS NOT NULL), '{{}}') AS accounts,
        coalesce(array_agg(p.amount_micros) FILTER (WHERE p.account IS NOT NULL), '{{}}') AS amounts
    FROM ledger_transactions t LEFT JOIN ledger_postings p ON p.transaction_id = t.id
    WHERE {which} AND t.kind = :kind GROUP BY t.id
"""
_OF_NO_CALL = text(_KEYED.format(which="t.call_id IS NULL AND strpos(t.kind, ':') > 0"))
_OF_A_CALL = text(_KEYED.format(which="t.call_id = :call_id")).bindparams(bindparam("call_id", type_=Uuid))


async def transaction_of(
    connection: AsyncConnection, *, call_id: UUID | None, kind: str
) -> KeyedTransaction | None:
    """Return the transaction of this kind (and call), if there is one. Until ours ends nobody else makes it."""
    key = f"{kind}/{call_id or ''}"
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7))"), {"key": key})
    query, values = (
        (_OF_NO_CALL, {"kind": kind}) if call_id is None else (_OF_A_CALL, {"kind": kind, "call_id": call_id})
    )
    row = (await connection.execute(query, values)).one_or_none()
    if row is None:
        return None
    return KeyedTransaction(id=row.id, postings=tuple(zip(row.accounts, row.amounts, strict=True)))


# --- the chain -----------------------------------------------------------------------------------------------


async def try_seal_lock(connection: AsyncConnection) -> bool:
    """Only one process seals at a time; the lock ends with the transaction."""
    return bool((await connection.execute(select(func.pg_try_advisory_xact_lock(_SEAL_LOCK)))).scalar_one())


async def last_seal(connection: AsyncConnection) -> tuple[int, bytes] | None:
    """Return number and root of the newest batch."""
    query = select(ledger_seals.c.batch, ledger_seals.c.root).order_by(ledger_seals.c.batch.desc()).limit(1)
    row = (await connection.execute(query)).first()
    return None if row is None else (int(row.batch), bytes(row.root))


async def unsealed_ids(connection: AsyncConnection, limit: int) -> list[int]:
    """Return the oldest of the transactions that wait to be sealed."""
    query = select(_WAITING).order_by(_WAITING).limit(limit)
    return list((await connection.scalars(query)).all())


async def entries(connection: AsyncConnection, ids: Sequence[int]) -> list[SealedEntry]:
    """Return the transactions with their postings, in the order of `ids`; missing ones are left out."""
    found = await connection.execute(
        text(
            """
            SELECT t.id, t.call_id, t.kind, t.detail, t.corrects_id,
                (extract(epoch FROM t.posted_at) * 1000000)::bigint AS posted_at_us,
                coalesce(array_agg(p.account) FILTER (WHERE p.account IS NOT NULL), '{}') AS accounts,
                coalesce(array_agg(p.amount_micros) FILTER (WHERE p.account IS NOT NULL), '{}') AS amounts
            FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS wanted(id, place)
            JOIN ledger_transactions t ON t.id = wanted.id
            LEFT JOIN ledger_postings p ON p.transaction_id = t.id
            GROUP BY t.id, wanted.place ORDER BY wanted.place
            """
        ),
        {"ids": list(ids)},
    )
    return [
        SealedEntry(
            id=row.id,
            call_id=None if row.call_id is None else str(row.call_id),
            kind=row.kind,
            posted_at_us=row.posted_at_us,
            detail=row.detail,
            corrects_id=row.corrects_id,
            postings=tuple(zip(row.accounts, row.amounts, strict=True)),
        )
        for row in found
    ]


_IDS = bindparam("ids", type_=ARRAY(BigInteger))
_NO_LONGER_WAITING = text("DELETE FROM unsealed_transactions WHERE transaction_id = ANY (:ids)").bindparams(
    _IDS
)
_RAISE_BALANCES = text(
    """
    INSERT INTO sealed_balances AS b (account, amount_micros)
    SELECT account, sum(amount_micros)::bigint FROM ledger_postings WHERE transaction_id = ANY (:ids)
    GROUP BY account ORDER BY account
    ON CONFLICT (account) DO UPDATE SET amount_micros = b.amount_micros + excluded.amount_micros
    """
).bindparams(_IDS)


async def insert_seal(
    connection: AsyncConnection, *, batch: int, previous_root: bytes, root: bytes, ids: Sequence[int]
) -> None:
    await connection.execute(
        insert(ledger_seals).values(
            batch=batch, previous_root=previous_root, root=root, transaction_count=len(ids)
        )
    )
    rows = [{"transaction_id": id_, "batch": batch, "position": place} for place, id_ in enumerate(ids)]
    await connection.execute(insert(ledger_sealed_transactions), rows)
    await connection.execute(_NO_LONGER_WAITING, {"ids": list(ids)})
    await connection.execute(_RAISE_BALANCES, {"ids": list(ids)})


@dataclass(frozen=True, kw_only=True)
class StoredSeal:
    """A batch as it stands: what the seal says, and the digests of the transactions that are there."""

    batch: int
    previous_root: bytes
    root: bytes
    transaction_count: int
    leaves: tuple[bytes, ...]
    first_id: int | None
    last_id: int | None


_SEALS = "SELECT batch, previous_root, root, transaction_count FROM ledger_seals WHERE batch > $1 ORDER BY 1 LIMIT 500"
# Postings as leaf_of_stored wants them: one text a transaction, so that the driver makes few objects.
_BATCH = """
    SELECT t.id, t.call_id::text, t.kind, t.detail::text, t.corrects_id,
        (extract(epoch FROM t.posted_at) * 1000000)::bigint,
        (SELECT '[' || coalesce(string_agg('[' || to_json(p.account) || ',' || p.amount_micros || ']', ','
            ORDER BY p.account COLLATE "C"), '') || ']'
         FROM ledger_postings p WHERE p.transaction_id = t.id)
    FROM ledger_sealed_transactions m JOIN ledger_transactions t ON t.id = m.transaction_id
    WHERE m.batch = $1 ORDER BY m.position
"""


async def seals(connection: AsyncConnection) -> AsyncIterator[StoredSeal]:
    """Yield every batch, oldest first, in memory for one. Raises what the driver raises."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    statement = await driver.prepare(_BATCH)
    after = -1
    while rows := await driver.fetch(_SEALS, after):
        for batch, previous_root, root, count in rows:
            found = await statement.fetch(batch)
            yield StoredSeal(
                batch=batch,
                previous_root=previous_root,
                root=root,
                transaction_count=count,
                leaves=tuple(
                    leaf_of_stored(
                        id_=row[0],
                        call_id=row[1],
                        kind=row[2],
                        detail=row[3],
                        corrects_id=row[4],
                        posted_at_us=row[5],
                        postings=row[6],
                    )
                    for row in found
                ),
                first_id=found[0][0] if found else None,
                last_id=found[-1][0] if found else None,
            )
        after = rows[-1][0]
