"""The SQL of posting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger import Posting

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
    corrects_id: int | None
    postings: tuple[tuple[str, int], ...]


_KEYED = """
    SELECT t.id, t.corrects_id, coalesce(array_agg(p.account) FILTER (WHERE p.account IS NOT NULL), '{{}}') AS accounts,
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
    postings = tuple(zip(row.accounts, row.amounts, strict=True))
    return KeyedTransaction(id=row.id, corrects_id=row.corrects_id, postings=postings)
