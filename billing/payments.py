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


class Reversal(StrEnum):
    """What a provider did with a payment later; the first word of its transaction's kind."""

    REFUNDED = "payment_refunded"
    """Given back by the provider, in part or whole."""
    CHARGEBACK = "chargeback"
    """Taken back by the payer's bank, until it is decided."""
    WON = "chargeback_won"
    """A chargeback was decided for us: the money is back."""
    LOST = "chargeback_lost"
    """It was decided against us: the money stays away."""


@dataclass(frozen=True, kw_only=True)
class ReversedPayment:
    """What a provider tells of a payment that it took before."""

    reversal: Reversal
    payment_key: str
    amount_micros: int
    """Refunds: all that was given back of the payment so far."""
    key: str
    """The provider's own name of the chargeback; of a refund that of the charge."""


CASH_KINDS = (*USES, *(one.value for one in Reversal))
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
