"""Records money that came in or went out: once by its key, whatever it is for, and never more out than is owed.

A payment has one identity, its reference. What was recorded as a top-up is not recorded again as the payment of an
invoice, and the refusal names the first use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger, ledger_queries
from billing import payment_queries as queries
from billing.ledger import Posting, balanced
from billing.payment_queries import FirstUse
from billing.payments import INVOICE_PAID, Direction, Payment, party_of, payment_key, payment_postings
from billing.post_once import Posted
from billing.terms_document import Party
from rules.money import MICROS_PER_CENT, format_dollars


@dataclass(frozen=True, kw_only=True)
class PaymentRefused:
    """Nothing was written; the reason is a sentence for people."""

    reason: str


async def record_payment(connection: AsyncConnection, payment: Payment) -> Posted | PaymentRefused:
    """Record a top-up, a refund or a payout. The caller commits."""
    return await post_payment(
        connection,
        use=payment.direction.value,
        key=payment.key,
        party=party_of(payment.direction),
        party_id=payment.party_id,
        postings=payment_postings(payment),
        detail={"note": payment.note},
    )


async def post_payment(
    connection: AsyncConnection,
    *,
    use: str,
    key: str,
    party: Party,
    party_id: int,
    postings: Sequence[Posting],
    detail: Mapping[str, Any],
) -> Posted | PaymentRefused:
    """Post a movement of cash under its key, unless it is known or not covered. The caller commits."""
    key = payment_key(key)
    cash = sum(one.amount_micros for one in postings if one.account == ledger.CASH)
    if cash % MICROS_PER_CENT:
        return PaymentRefused(reason=f"{format_dollars(abs(cash))} is not in whole cents.")
    first = await queries.lock_first_use(connection, key)
    if first is not None:
        if first.kind == f"{use}:{key}" and sorted(first.postings) == sorted(
            (one.account, one.amount_micros) for one in postings
        ):
            return Posted(transaction_id=first.transaction_id, new=False)
        return PaymentRefused(reason=await used_before(connection, key, first))
    if cash < 0 and (problem := await _not_covered(connection, party, party_id, -cash)):
        return PaymentRefused(reason=problem)
    transaction_id = await ledger_queries.post(
        connection,
        call_id=None,
        kind=f"{use}:{key}",
        postings=balanced(postings),
        detail={"party": party.value, "party_id": party_id, **detail},
    )
    return Posted(transaction_id=transaction_id, new=True)


_USES = {
    Direction.TOP_UP.value: "a top-up",
    Direction.REFUND.value: "a refund",
    Direction.PAY_OUT.value: "a payout",
    INVOICE_PAID: "the payment",
}


async def used_before(connection: AsyncConnection, key: str, first: FirstUse) -> str:
    """Return the sentence that names what a key was recorded for."""
    amount = format_dollars(abs(dict(first.postings).get(ledger.CASH, 0)))
    party = Party(first.detail.get("party", Party.BUYER.value))
    name = await queries.party_name(connection, party, int(first.detail.get("party_id", 0)))
    what = f"{_USES[first.use]} of {amount}"
    if first.use == INVOICE_PAID:
        what = f"the payment of {first.detail.get('invoice', 'an invoice')} ({amount})"
    advice = "A payment is recorded once: use another reference for another payment."
    if first.use == Direction.TOP_UP:
        advice = "A payment is recorded once: pay an invoice with it from the wallet."
    return (
        f"{key!r} was recorded on {first.posted_at:%Y-%m-%d} as {what}, {party.value} {name}"
        f" (transaction {first.transaction_id}). {advice}"
    )


async def _not_covered(
    connection: AsyncConnection, party: Party, party_id: int, amount_micros: int
) -> str | None:
    """Return why so much cannot be paid out; None when it can. What it looks at is locked until ours ends."""
    name = await queries.party_name(connection, party, party_id)
    amount = format_dollars(amount_micros)
    if party is Party.PUBLISHER:
        await queries.lock_payouts(connection, party_id)
        owed = await queries.owed_to(connection, party_id)
        return None if amount_micros <= owed else f"{name} is owed {format_dollars(owed)}, not {amount}."
    held = await queries.lock_wallet(connection, party_id)
    balance = await queries.position_of(connection, party_id)
    if amount_micros <= balance - held:
        return None
    return (
        f"{name} can get back {format_dollars(max(balance - held, 0))}, not {amount}: its balance is"
        f" {format_dollars(balance)}, and {format_dollars(held)} is held for calls under way."
    )
