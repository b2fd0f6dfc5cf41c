"""Returns and disputes: what a buyer does not accept, and what becomes of it. Pure.

Opening a dispute moves nothing that the buyer owes or may spend: its price is only counted on the buyer's account of
exposure, against `disputed`. Deciding it takes it off that account; what is credited leaves the revenue then, and the
publisher's share is clawed back.
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


SHARE_DAYS = 30
"""How far back calls and disputes are counted for a buyer's share."""
SHARE_FLOOR = 3
"""A buyer with few calls may dispute so many of them."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """How many calls a buyer may still dispute: by how many are open, and by its share of paid calls.

    Disputes that were accepted, wholly or in part, are not counted against the share.
    """

    open_count: int
    open_maximum: int
    paid_calls: int
    """The buyer's converted calls of the last SHARE_DAYS."""
    counted: int
    """Disputes opened in the last SHARE_DAYS that are open or were refused."""
    share_percent: int

    @property
    def share_maximum(self) -> int:
        return max(self.paid_calls * self.share_percent // 100, SHARE_FLOOR)

    @property
    def left(self) -> int:
        return max(min(self.open_maximum - self.open_count, self.share_maximum - self.counted), 0)

    @property
    def why_not(self) -> str | None:
        """Say which limit is reached and what helps; None when one more may be opened."""
        if self.open_count >= self.open_maximum:
            return (
                f"{self.open_count} disputes are open and at most {self.open_maximum} may be at once: wait until one"
                " is decided, or ask us to raise the limit"
            )
        if self.counted >= self.share_maximum:
            return (
                f"{self.counted} disputes of the last {SHARE_DAYS} days are open or were refused, and at most"
                f" {self.share_maximum} may be: {self.share_percent} % of {self.paid_calls} paid calls, or"
                f" {SHARE_FLOOR} where that is more; wait until one is accepted or older, or ask us to raise the limit"
            )
        return None


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
    """Count the price as exposed; the buyer owes it all the same."""
    exposure = ledger.buyer_disputed(call.buyer_id)
    return ledger.moved(to=exposure, from_=ledger.DISPUTED, amount_micros=call.price_micros)


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
    """Nothing of it stays exposed; what is credited is owed no more, and the publisher gives its share back."""
    return balanced(
        (
            *ledger.moved(
                to=ledger.DISPUTED,
                from_=ledger.buyer_disputed(call.buyer_id),
                amount_micros=call.price_micros,
            ),
            *ledger.moved(to=ledger.REVENUE, from_=call.buyer_account, amount_micros=ruling.credit_micros),
            *ledger.moved(
                to=ledger.publisher_payable(call.publisher_id or 0),
                from_=ledger.PAYOUT,
                amount_micros=ruling.claw_back_micros,
            ),
        )
    )
