"""Corrections by hand: money given to a party, or taken back, beside what its calls came to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from billing import ledger
from billing.ledger import Posting
from billing.terms_document import Party

ADJUSTMENT = "adjustment"


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """One correction. Above zero the party is better off: a buyer owes less, a publisher earns more."""

    party: Party
    party_id: int
    amount_micros: int
    key: str
    """The same key is posted once."""
    reason: str
    call_id: UUID | None = None
    prepaid: bool = False
    """A buyer that pays from its wallet."""

    @property
    def kind(self) -> str:
        return f"{ADJUSTMENT}:{self.key}"


def adjustment_postings(adjustment: Adjustment) -> tuple[Posting, ...]:
    """Return the postings. Raises ValueError for an adjustment of nothing."""
    amount = adjustment.amount_micros
    if amount == 0:
        raise ValueError("an adjustment of nothing")
    if adjustment.party is Party.BUYER:
        account = ledger.buyer_account(adjustment.party_id, prepaid=adjustment.prepaid)
        return ledger.moved(to=ledger.REVENUE, from_=account, amount_micros=amount)
    payable = ledger.publisher_payable(adjustment.party_id)
    return ledger.moved(to=ledger.PAYOUT, from_=payable, amount_micros=amount)
