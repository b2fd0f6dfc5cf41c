"""Reads the house's books for the accountant: plain SQL over the ledger, and what `ledger verify` says."""

from __future__ import annotations

from collections import defaultdict
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
    cash = 0
    for row in await house.rows(_BALANCES):
        kind, _, rest = row.account.partition(":")
        number, _, which = rest.partition(":")
        if kind == "buyer" and which in ("receivable", "wallet"):
            owed[names[int(number)]] += row.amount
        elif kind == "publisher":
            owed[publishers[int(number)]] += row.amount
        elif kind == "cash":
            cash = row.amount
    found = (await verify_ledger(house.engine, trust_in(house.sealer))).findings
    return Books(
        charged=charged,
        paid_out=paid_out,
        owed=owed,
        cash=cash,
        findings=tuple(f"ledger verify: {one.problem.value}: {one.detail}" for one in found),
    )
