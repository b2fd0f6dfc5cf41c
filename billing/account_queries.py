"""The SQL of what moved on a party's accounts, line by line, and of what is held for calls under way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger
from billing.terms_document import Party
from store.tables import calls, ledger_postings, ledger_transactions, wallet_holds

_HOLDS_MAXIMUM = 500


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One transaction on a party's accounts. Above zero the party is better off. Millionths of a dollar."""

    transaction_id: int
    kind: str
    posted_at: dt.datetime
    call_id: UUID | None
    note: str
    connected_ms: int | None
    amount_micros: int

    @property
    def words(self) -> str:
        """Say for people what moved the money."""
        name = self.kind.partition(":")[0]
        return _WORDS.get(name, name.replace("_", " ").capitalize())


_WORDS = {
    "settlement": "Call",
    "topup": "Top-up",
    "refund": "Refund",
    "payment_refunded": "Payment given back by its provider",
    "chargeback": "Chargeback: the payer's bank took a payment back",
    "chargeback_lost": "Chargeback: the payer's bank took a payment back",
    "chargeback_won": "Chargeback won: the payment is back",
    "payout": "Pay-out",
    "invoice_paid": "Invoice paid",
    "adjustment": "Adjustment",
    "dispute_opened": "Dispute opened: not owed until it is decided",
    "dispute_moved": "Dispute still open: owed until it is decided",
    "dispute_decided": "Dispute decided",
    "sale": "Sale reported later",
}


def accounts_of(party: Party, party_id: int) -> tuple[str, ...]:
    """Return the accounts that say what a party owes or is owed."""
    if party is Party.PUBLISHER:
        return (ledger.publisher_payable(party_id),)
    return ledger.buyer_receivable(party_id), ledger.buyer_wallet(party_id)


async def entries_of(
    connection: AsyncConnection, party: Party, party_id: int, *, below_id: int | None, limit: int
) -> list[Entry]:
    """Return the newest transactions on a party's accounts, those below a transaction's id."""
    amount = cast(-func.sum(ledger_postings.c.amount_micros), BigInteger)
    statement = (
        select(ledger_postings.c.transaction_id, amount.label("amount_micros"))
        .where(ledger_postings.c.account.in_(accounts_of(party, party_id)))
        .group_by(ledger_postings.c.transaction_id)
        .having(amount != 0)
        .order_by(ledger_postings.c.transaction_id.desc())
        .limit(limit)
    )
    if below_id is not None:
        statement = statement.where(ledger_postings.c.transaction_id < below_id)
    moved = statement.subquery("moved")
    t = ledger_transactions
    told = func.coalesce(t.c.detail["reason"].astext, t.c.detail["note"].astext, "")
    query = (
        select(
            moved.c.transaction_id,
            moved.c.amount_micros,
            t.c.kind,
            t.c.posted_at,
            t.c.call_id,
            told.label("note"),
            calls.c.connected_ms,
        )
        .select_from(
            moved.join(t, t.c.id == moved.c.transaction_id).outerjoin(calls, calls.c.id == t.c.call_id)
        )
        .order_by(moved.c.transaction_id.desc())
    )
    return [Entry(**row._mapping) for row in await connection.execute(query)]


# The sums of what is sealed and the few transactions that are not yet: both of one moment, in one statement. OFFSET 0
# has each of those looked up by its key: an account of years is never read whole.
_BALANCES = text(
    """
    SELECT account, sum(amount_micros)::bigint AS amount_micros FROM (
        SELECT account, amount_micros FROM sealed_balances WHERE account = ANY (:accounts)
        UNION ALL
        SELECT p.account, p.amount_micros FROM unsealed_transactions u CROSS JOIN LATERAL (
            SELECT account, amount_micros FROM ledger_postings
            WHERE transaction_id = u.transaction_id AND account = ANY (:accounts) OFFSET 0) p) AS moved
    GROUP BY account
    """
).bindparams(bindparam("accounts", type_=ARRAY(Text)))


async def balances_of(connection: AsyncConnection, accounts: Collection[str]) -> dict[str, int]:
    """Return the sum of each of these accounts, in millionths of a dollar; what nothing was posted on is left out."""
    found = await connection.execute(_BALANCES, {"accounts": list(accounts)})
    return {row.account: row.amount_micros for row in found}


async def balance_of(connection: AsyncConnection, party: Party, party_id: int) -> int:
    """Return what a party has to its good (above zero) or owes (below), in millionths of a dollar."""
    return -sum((await balances_of(connection, accounts_of(party, party_id))).values())


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What a call under way may cost its buyer."""

    call_id: UUID
    amount_micros: int
    taken_at: dt.datetime


async def holds_of(connection: AsyncConnection, buyer_id: int) -> Sequence[Hold]:
    """Return what is held of a buyer's wallet now, the newest first."""
    query = (
        select(wallet_holds.c.call_id, wallet_holds.c.amount_micros, wallet_holds.c.taken_at)
        .where(wallet_holds.c.buyer_id == buyer_id, wallet_holds.c.released_at.is_(None))
        .order_by(wallet_holds.c.taken_at.desc())
        .limit(_HOLDS_MAXIMUM)
    )
    return [Hold(**row._mapping) for row in await connection.execute(query)]
