"""The SQL of payments: their first use, and what may be paid out. Each locks what it answers for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing import account_queries, ledger
from billing.payments import USES
from billing.terms_document import Party
from store.tables import buyers, invoices, publishers

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 9))")


@dataclass(frozen=True, kw_only=True)
class FirstUse:
    """The payment that was recorded under a key, and its postings as (account, amount in micros)."""

    transaction_id: int
    kind: str
    posted_at: dt.datetime
    detail: dict[str, Any]
    postings: tuple[tuple[str, int], ...]
    pays_id: int | None
    """The invoice or statement that it paid."""

    @property
    def use(self) -> str:
        return self.kind.partition(":")[0]


_FIRST_USE = text(
    """
    SELECT t.id AS transaction_id, t.kind, t.posted_at, t.detail,
        coalesce(array_agg(p.account) FILTER (WHERE p.account IS NOT NULL), '{}') AS accounts,
        coalesce(array_agg(p.amount_micros) FILTER (WHERE p.account IS NOT NULL), '{}') AS amounts
    FROM ledger_transactions t LEFT JOIN ledger_postings p ON p.transaction_id = t.id
    WHERE t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind = ANY (:kinds)
    GROUP BY t.id ORDER BY t.id LIMIT 1
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)))


async def lock_first_use(connection: AsyncConnection, key: str) -> FirstUse | None:
    """Return the payment recorded under this key for whatever use. Until ours ends nobody else records it."""
    await connection.execute(_LOCK, {"key": f"payment:{key}"})
    row = (await connection.execute(_FIRST_USE, {"kinds": [f"{use}:{key}" for use in USES]})).one_or_none()
    if row is None:
        return None
    pays_id = await connection.scalar(
        select(invoices.c.id).where(invoices.c.paid_by_id == row.transaction_id)
    )
    return FirstUse(
        transaction_id=row.transaction_id,
        kind=row.kind,
        posted_at=row.posted_at,
        detail=row.detail,
        postings=tuple(zip(row.accounts, row.amounts, strict=True)),
        pays_id=pays_id,
    )


_REFUNDED = text(
    """
    SELECT coalesce(-sum(p.amount_micros), 0)::bigint
    FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id AND p.account = 'cash'
    WHERE t.corrects_id = :transaction_id AND t.call_id IS NULL AND t.kind LIKE 'payment\\_refunded:%'
    """
)


async def refunded_of(connection: AsyncConnection, transaction_id: int) -> int:
    """Return what its provider gave back of a payment so far, in micros."""
    return int(await connection.scalar(_REFUNDED, {"transaction_id": transaction_id}) or 0)


async def party_name(connection: AsyncConnection, party: Party, party_id: int) -> str:
    table = buyers if party is Party.BUYER else publishers
    name = await connection.scalar(select(table.c.name).where(table.c.id == party_id))
    return name or f"{party.value} {party_id}"


_LOCK_WALLET = text(
    """
    WITH made AS (INSERT INTO wallets (buyer_id) VALUES (:buyer_id) ON CONFLICT DO NOTHING)
    SELECT held_micros FROM wallets WHERE buyer_id = :buyer_id FOR UPDATE
    """
)


async def lock_wallet(connection: AsyncConnection, buyer_id: int) -> int:
    """Return what is held of a buyer's wallet. Until ours ends nobody's postings on its accounts are committed."""
    return int(await connection.scalar(_LOCK_WALLET, {"buyer_id": buyer_id}) or 0)


async def lock_payouts(connection: AsyncConnection, publisher_id: int) -> None:
    """Until ours ends nobody else pays this publisher."""
    await connection.execute(_LOCK, {"key": f"payouts:{publisher_id}"})


async def good_of(connection: AsyncConnection, account: str) -> int:
    """Return what we owe on an account, in millionths of a dollar; below zero it is owed to us."""
    return -(await account_queries.balances_of(connection, [account])).get(account, 0)


async def position_of(connection: AsyncConnection, buyer_id: int) -> int:
    """Return what a buyer has to its good on all its accounts; below zero it owes us."""
    return await account_queries.balance_of(connection, Party.BUYER, buyer_id)


async def owed_to(connection: AsyncConnection, publisher_id: int) -> int:
    return await good_of(connection, ledger.publisher_payable(publisher_id))
