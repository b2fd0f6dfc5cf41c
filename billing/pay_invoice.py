"""Pays issued invoices and statements. What one does was fixed when its calls were settled.

Only what its lines charged to the buyer's receivable is due in cash: what they took from the wallet was paid there,
whether the buyer pays in advance today or not. A statement that is paid is a payout.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import invoice_queries as queries
from billing import ledger, payment_queries
from billing.invoice import Invoice, InvoiceState
from billing.make_invoice import InvoiceRefused, read_made, why_not
from billing.payments import INVOICE_PAID, Direction, payment_key
from billing.post_once import KeyTaken, Posted, post_once
from billing.record_payment import PaymentRefused, post_payment, used_before
from billing.terms_document import Party
from rules.money import format_dollars


async def pay_invoice(
    connection: AsyncConnection,
    invoice_id: int,
    now: dt.datetime,
    *,
    key: str = "",
    from_wallet: bool = False,
) -> Invoice | InvoiceRefused:
    """Note that an issued invoice was paid, or a statement paid out, and post what is due. The caller commits.

    `key` is the reference of the payment, needed when something is due; a payout that was recorded under it already
    pays the statement and is not posted again. `from_wallet` pays an invoice with what the buyer paid in advance.
    """
    row = await queries.lock_invoice(connection, invoice_id)
    refused = why_not(row, InvoiceState.PAID)
    if refused is not None:
        return refused
    due = await queries.due_of(connection, Party(row.party), row.party_id, invoice_id)
    paid_by: int | str | None = None
    if due and from_wallet:
        paid_by = await _from_wallet(connection, row, due)
    elif due and key.strip():
        paid_by = await _by_payment(connection, row, due, payment_key(key))
    elif due:
        paid_by = f"{format_dollars(due)} is due: give the reference of the payment"
    if isinstance(paid_by, str):
        return InvoiceRefused(reason=paid_by)
    said = {"state": InvoiceState.PAID.value, "closed_at": now, "paid_by_id": paid_by}
    await queries.update_invoice(connection, invoice_id, said)
    return await read_made(connection, invoice_id)


async def _by_payment(connection: AsyncConnection, row: Any, due: int, key: str) -> int | str:
    """Return the transaction that pays it, or why it does not."""
    if Party(row.party) is Party.PUBLISHER:
        first = await payment_queries.lock_first_use(connection, key)
        if first is not None:
            account = ledger.publisher_payable(row.party_id)
            if first.use == Direction.PAY_OUT and first.pays_id is None and (account, due) in first.postings:
                return first.transaction_id
            return await used_before(connection, key, first)
    buys = Party(row.party) is Party.BUYER
    account = _account(row)
    posted = await post_payment(
        connection,
        use=INVOICE_PAID if buys else Direction.PAY_OUT.value,
        key=key,
        party=Party(row.party),
        party_id=row.party_id,
        # A buyer's due comes in; a publisher's goes out.
        postings=ledger.moved(to=ledger.CASH, from_=account, amount_micros=due)
        if buys
        else ledger.moved(to=account, from_=ledger.CASH, amount_micros=due),
        detail={"invoice": row.number},
    )
    return await _taken(connection, posted, key)


async def _taken(connection: AsyncConnection, posted: Posted | PaymentRefused, key: str) -> int | str:
    if isinstance(posted, PaymentRefused):
        return posted.reason
    if posted.new:
        return posted.transaction_id
    # The same reference and amount, of another invoice.
    first = await payment_queries.lock_first_use(connection, key)
    assert first is not None
    return await used_before(connection, key, first)


async def _from_wallet(connection: AsyncConnection, row: Any, due: int) -> int | str:
    """Move what is due from the wallet; a credit goes into it. No cash moves."""
    if Party(row.party) is not Party.BUYER:
        return "only a buyer has a wallet"
    wallet = ledger.buyer_wallet(row.party_id)
    held = await payment_queries.lock_wallet(connection, row.party_id)
    free = await payment_queries.good_of(connection, wallet) - held
    if due > 0 and free < due:
        return f"{format_dollars(due)} is due and {format_dollars(max(free, 0))} is free in the wallet"
    posted = await post_once(
        connection,
        kind=f"{INVOICE_PAID}:{row.number}",
        postings=ledger.moved(to=wallet, from_=_account(row), amount_micros=due),
        detail={
            "invoice": row.number,
            "party": row.party,
            "party_id": row.party_id,
            "note": "from the wallet",
        },
    )
    if isinstance(posted, KeyTaken) or not posted.new:
        return f"{row.number} is the reference of another payment (transaction {posted.transaction_id})"
    return posted.transaction_id


def _account(row: Any) -> str:
    """Return the account on which an invoice is open."""
    if Party(row.party) is Party.BUYER:
        return ledger.buyer_receivable(row.party_id)
    return ledger.publisher_payable(row.party_id)
