"""Takes a payment back that its provider gave back or lost: each event once, in whatever order they come.

Cash that is gone is gone: the wallet may fall below zero, and its buyer is stopped as with any empty wallet.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger, ledger_queries
from billing import payment_queries as queries
from billing.payment_queries import FirstUse
from billing.payments import Reversal, ReversedPayment
from billing.post_once import Posted
from billing.record_payment import PaymentRefused
from rules.money import format_dollars


async def reverse_payment(
    connection: AsyncConnection, said: ReversedPayment
) -> tuple[Posted, FirstUse] | PaymentRefused:
    """Post what a provider tells of a payment; return it with the payment. The caller commits.

    Refused while the payment is not recorded: the provider is to send it again, after the payment.
    """
    payment = await queries.lock_first_use(connection, said.payment_key)
    if payment is None:
        return PaymentRefused(reason=f"{said.payment_key} is not recorded here yet: send this again later")
    if said.reversal is Reversal.REFUNDED:
        posted = await _refunded(connection, said, payment)
    elif said.reversal is Reversal.WON:
        posted = await _won(connection, said, payment)
    else:
        posted = await _taken_back(connection, said, payment)
    return posted, payment


async def _refunded(connection: AsyncConnection, said: ReversedPayment, payment: FirstUse) -> Posted:
    """Post what is new of all that was given back: an older event that comes later tells nothing new."""
    more = said.amount_micros - await queries.refunded_of(connection, payment.transaction_id)
    if more <= 0:
        return Posted(transaction_id=payment.transaction_id, new=False)
    kind = f"{Reversal.REFUNDED}:{said.key}:{said.amount_micros}"
    return await _post(connection, kind, said, payment, more, f"{format_dollars(more)} given back")


async def _taken_back(connection: AsyncConnection, said: ReversedPayment, payment: FirstUse) -> Posted:
    """Post a chargeback, unless it was won before the event of its opening came."""
    for reversal in (Reversal.CHARGEBACK, Reversal.WON):
        there = await ledger_queries.transaction_of(connection, call_id=None, kind=f"{reversal}:{said.key}")
        if there is not None:
            return Posted(transaction_id=there.id, new=False)
    kind = f"{Reversal.CHARGEBACK}:{said.key}"
    return await _post(connection, kind, said, payment, said.amount_micros, "taken back by the payer's bank")


async def _won(connection: AsyncConnection, said: ReversedPayment, payment: FirstUse) -> Posted:
    """Post the money that is back. Of a chargeback that is not posted yet only note that it never counts."""
    kind = f"{Reversal.WON}:{said.key}"
    there = await ledger_queries.transaction_of(connection, call_id=None, kind=kind)
    if there is not None:
        return Posted(transaction_id=there.id, new=False)
    taken = await ledger_queries.transaction_of(
        connection, call_id=None, kind=f"{Reversal.CHARGEBACK}:{said.key}"
    )
    back = 0 if taken is None else dict(taken.postings)[ledger.CASH]
    return await _post(connection, kind, said, payment, back, "the chargeback was won")


async def _post(
    connection: AsyncConnection,
    kind: str,
    said: ReversedPayment,
    payment: FirstUse,
    amount_micros: int,
    note: str,
) -> Posted:
    """Move so much from cash to the account that the payment was posted on; below zero it comes back."""
    (account,) = (name for name, _ in payment.postings if name != ledger.CASH)
    transaction_id = await ledger_queries.post(
        connection,
        call_id=None,
        kind=kind,
        postings=ledger.moved(to=account, from_=ledger.CASH, amount_micros=amount_micros),
        detail={
            "party": payment.detail.get("party"),
            "party_id": payment.detail.get("party_id"),
            "payment": said.payment_key,
            "note": note,
        },
        corrects_id=payment.transaction_id,
    )
    return Posted(transaction_id=transaction_id, new=True)
