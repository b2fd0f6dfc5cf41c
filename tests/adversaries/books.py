"""Reads the house's books for the accountant: plain SQL over the ledger, and what `ledger verify` says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from billing.verify import verify_ledger
from tests.adversaries.accountant import Books
from tests.adversaries.house import House
from tests.sealing import trust_in

_BY_CALL = """
    SELECT t.call_id, p.account, sum(p.amount_micros)::bigint AS amount
    FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id
    WHERE t.kind = 'settlement' GROUP BY 1, 2
"""
_FRACTIONS = """
    SELECT t.kind, t.call_id, p.account, p.amount_micros
    FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id
    WHERE p.amount_micros % 10000 <> 0 AND (p.account LIKE 'buyer:%' OR p.account LIKE 'publisher:%')
"""
_UNSEALED = """
    SELECT count(*) FROM ledger_transactions t
    WHERE NOT EXISTS (SELECT FROM ledger_sealed_transactions s WHERE s.transaction_id = t.id)
"""
_BALANCES = "SELECT account, sum(amount_micros)::bigint AS amount FROM ledger_postings GROUP BY 1"


async def read_books(house: House) -> Books:
    """Return the books as they are now."""
    names = {number: name for name, number in house.ids.buyers.items()}
    charged: dict[UUID, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    paid_out: dict[UUID, int] = defaultdict(int)
    for row in await house.rows(_BY_CALL):
        kind, _, rest = row.account.partition(":")
        if kind == "buyer":
            charged[row.call_id][names[int(rest.split(":")[0])]] += row.amount
        elif kind == "publisher":
            paid_out[row.call_id] -= row.amount
    publishers = {number: name for name, number in house.ids.publishers.items()}
    owed: dict[str, int] = defaultdict(int)
    disputed: dict[str, int] = defaultdict(int)
    posted = {row.account: row.amount for row in await house.rows(_BALANCES)}
    for account, amount in posted.items():
        kind, _, rest = account.partition(":")
        number, _, which = rest.partition(":")
        if kind == "buyer" and which in ("receivable", "wallet"):
            owed[names[int(number)]] += amount
        elif kind == "buyer" and which == "disputed":
            disputed[names[int(number)]] += amount
        elif kind == "publisher":
            owed[publishers[int(number)]] += amount
    found = (await verify_ledger(house.engine, trust_in(house.sealer))).findings
    return Books(
        charged=charged,
        paid_out=paid_out,
        owed=owed,
        cash=posted.get("cash", 0),
        disputed=disputed,
        carrier_cost=posted.get("carrier_cost", 0),
        fees=posted.get("platform_fee", 0),
        fractions=tuple(str(row) for row in await house.rows(_FRACTIONS)),
        untold=await _untold(house, posted),
        unsealed=(await house.rows(_UNSEALED))[0].count,
        findings=tuple(f"ledger verify: {one.problem.value}: {one.detail}" for one in found),
    )


async def _untold(house: House, posted: Mapping[str, int]) -> tuple[str, ...]:
    told = {row.account: row.amount_micros for row in await house.rows("SELECT * FROM sealed_balances")}
    return tuple(
        f"{account}: {told.get(account, 0)} is told, {posted.get(account, 0)} is posted"
        for account in sorted({*told, *posted})
        if told.get(account, 0) != posted.get(account, 0)
    )
