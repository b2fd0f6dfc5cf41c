"""Returns and disputes: what a buyer does not accept, and what becomes of it. Pure.

While a dispute is open its price stands on the account `disputed`. Deciding it makes a new transaction: what is
credited leaves the revenue, the rest is the buyer's to pay again, and the publisher's share is clawed back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from billing import ledger
from billing.ledger import Posting, balanced
from rules.money import MICROS_PER_CENT, divide_half_up, format_dollars


class Reason(StrEnum):
    """Why a buyer returns a call."""

    WRONG_NUMBER = "wrong_number"
    NOT_QUALIFIED = "not_qualified"
    DUPLICATE = "duplicate"
    NO_CONSENT = "no_consent"
    SPAM = "spam"
    POOR_LINE = "poor_line"
    OTHER = "other"


class DisputeState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    PARTLY = "partly"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Disputed:
    """The call a dispute is about. Money in millionths of a dollar."""

    buyer_id: int
    publisher_id: int | None
    prepaid: bool
    price_micros: int
    payout_micros: int
    credited_micros: int = 0
    """What the buyer got back before, whichever way."""
    clawed_back_micros: int = 0
    """What the publisher gave back before."""

    @property
    def left_micros(self) -> int:
        """What may still be credited."""
        return max(self.price_micros - self.credited_micros, 0)

    @property
    def payout_left_micros(self) -> int:
        return max(self.payout_micros - self.clawed_back_micros, 0)

    @property
    def buyer_account(self) -> str:
        return ledger.buyer_account(self.buyer_id, prepaid=self.prepaid)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What is given back."""

    state: DisputeState
    credit_micros: int
    claw_back_micros: int


def why_not_open(
    *, price_micros: int, ended_at: dt.datetime, window: dt.timedelta, now: dt.datetime
) -> str | None:
    """Return why a call cannot be returned; None when it can."""
    if price_micros <= 0:
        return "the call was not billed: there is nothing to return"
    if now > ended_at + window:
        last = ended_at + window
        return f"the window to return it ended on {last:%Y-%m-%d at %H:%M:%S} UTC"
    return None


def opening_postings(call: Disputed) -> tuple[Posting, ...]:
    """The price is not owed while it is looked at."""
    return ledger.moved(to=ledger.DISPUTED, from_=call.buyer_account, amount_micros=call.price_micros)


def ruling_of(call: Disputed, credit_micros: int, claw_back_micros: int | None = None) -> Ruling | str:
    """Return the ruling for a credit of so much, or why there is none.

    Without a figure of its own, the publisher gives back the same share as the buyer gets, to the cent, half up. What
    was given back before is not given back again.
    """
    left, most = call.left_micros, call.payout_left_micros
    if not 0 <= credit_micros <= left:
        return (
            f"a credit is between nothing and {format_dollars(left)}{_of(call.credited_micros, 'credited')}"
        )
    if claw_back_micros is None:
        share = divide_half_up(call.payout_micros * credit_micros, call.price_micros * MICROS_PER_CENT)
        claw_back_micros = min(share * MICROS_PER_CENT, most)
    if not 0 <= claw_back_micros <= most:
        return f"a claw-back is between nothing and {format_dollars(most)}{_of(call.clawed_back_micros, 'taken back')}"
    if (credit_micros != left and credit_micros % MICROS_PER_CENT) or (
        claw_back_micros != most and claw_back_micros % MICROS_PER_CENT
    ):
        return "credits and claw-backs are in whole cents"
    state = DisputeState.PARTLY
    if credit_micros in (0, left):
        state = DisputeState.ACCEPTED if credit_micros else DisputeState.REFUSED
    if state is DisputeState.REFUSED and claw_back_micros:
        return "a return that is refused claws nothing back"
    return Ruling(state=state, credit_micros=credit_micros, claw_back_micros=claw_back_micros)


def _of(before_micros: int, words: str) -> str:
    return f"; {format_dollars(before_micros)} was {words} before" if before_micros else ""


def ruling_postings(call: Disputed, ruling: Ruling) -> tuple[Posting, ...]:
    """What was disputed is credited or owed again; nothing stays on `disputed`."""
    kept = call.price_micros - ruling.credit_micros
    postings = [
        Posting(account=ledger.DISPUTED, amount_micros=-call.price_micros),
        Posting(account=ledger.REVENUE, amount_micros=ruling.credit_micros),
        Posting(account=call.buyer_account, amount_micros=kept),
    ]
    clawed = ledger.moved(
        to=ledger.publisher_payable(call.publisher_id or 0),
        from_=ledger.PAYOUT,
        amount_micros=ruling.claw_back_micros,
    )
    return balanced([*(one for one in postings if one.amount_micros), *clawed])
