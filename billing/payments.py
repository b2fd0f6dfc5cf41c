"""Money that came in or went out, whoever says so: a person, a file, or a payment provider. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from billing import ledger
from billing.ledger import Posting
from billing.terms_document import Party


class Direction(StrEnum):
    """Which way the money went."""

    TOP_UP = "topup"
    """A buyer paid."""
    REFUND = "refund"
    """A buyer got money back."""
    PAY_OUT = "payout"
    """A publisher was paid."""


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One movement of cash. The amount is above zero, in millionths of a dollar."""

    direction: Direction
    party_id: int
    amount_micros: int
    key: str
    """The payer's or the provider's own reference: the same key is recorded once, whatever the money was for."""
    note: str = ""


INVOICE_PAID = "invoice_paid"
USES = (*(one.value for one in Direction), INVOICE_PAID)
"""What a payment can be for: the first word of its transaction's kind, before the colon and its key."""
CASH_KINDS = (*USES, "topup_refunded", "chargeback", "chargeback_won")
"""Every kind of transaction that may move cash: payments, and what a provider took back of them."""


def payment_key(reference: str) -> str:
    """Return the one spelling of a reference: Stripe's own ids are the same whoever records them."""
    key = reference.strip()
    return f"stripe:{key}" if key.startswith("pi_") else key


def payment_postings(payment: Payment) -> tuple[Posting, ...]:
    """Return the postings. Raises ValueError when the amount is not above zero."""
    if payment.amount_micros <= 0:
        raise ValueError(f"a payment of {payment.amount_micros} micros")
    if payment.direction is Direction.PAY_OUT:
        account = ledger.publisher_payable(payment.party_id)
        return ledger.moved(to=account, from_=ledger.CASH, amount_micros=payment.amount_micros)
    wallet = ledger.buyer_wallet(payment.party_id)
    if payment.direction is Direction.TOP_UP:
        return ledger.moved(to=ledger.CASH, from_=wallet, amount_micros=payment.amount_micros)
    return ledger.moved(to=wallet, from_=ledger.CASH, amount_micros=payment.amount_micros)


def party_of(direction: Direction) -> Party:
    return Party.PUBLISHER if direction is Direction.PAY_OUT else Party.BUYER
