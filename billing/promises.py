"""What a publisher's ping was promised for a call, and what of it is paid once the buyer's price is known. Pure.

The buyer pays by its contract or its bid, whatever was promised. The promise is paid out of that; what is missing is
paid only by a campaign that sells at a loss, as far as its limit of the day reaches.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from billing.judge_terms import most_that_leaves_the_margin
from billing.terms_document import Period, TermsDocument
from billing.tiers import TierCounter, period_start
from router.domain.inbound_bid import payout_of
from rules.money import format_dollars

RULE = "promise"
"""What stands in a verdict for the publisher's rule that paid."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What stands in the reservation that the call was routed on. Money in millionths of a dollar."""

    payout_micros: int
    minimum_connected_ms: int
    share_ppm: int | None = None
    """Millionths of the revenue that the key bids; None: what the publisher's terms pay."""
    margin_micros: int = 0
    """What the stage leaves to us of the call."""
    daily_loss_micros: int = 0
    """How much beyond what buyers' prices bear the campaign pays a publisher in a day; 0: it never does."""


@dataclass(frozen=True, kw_only=True)
class PromisedPayout:
    """What is paid of a promise."""

    promise: Promise
    price_micros: int
    borne_micros: int
    """What the buyer's price bears."""
    loss_micros: int
    """What is paid beyond that."""

    @property
    def payout_micros(self) -> int:
        return self.borne_micros + self.loss_micros

    @property
    def detail(self) -> str:
        """Say what became of the promise."""
        promised = self.promise.payout_micros
        text = f"promised {format_dollars(promised)} to the publisher's ping"
        if self.payout_micros < promised:
            text += (
                f", lowered to {format_dollars(self.payout_micros)}:"
                f" the buyer pays {format_dollars(self.price_micros)}"
            )
        if self.loss_micros:
            text += f", {format_dollars(self.loss_micros)} of it at our loss"
        elif self.promise.daily_loss_micros and self.payout_micros < promised:
            text += ", and the day's losses have reached their limit"
        return text

    def to_json(self) -> dict[str, Any]:
        """Return it in the shape of a judgement by terms, with everything it stands on."""
        promise = self.promise
        return {
            "paid": self.payout_micros > 0,
            "rule": RULE,
            "amount_micros": self.payout_micros,
            "bonuses": [],
            "failed": [],
            "tier_from_call": None,
            "margin_kept_micros": None,
            "promised_micros": promise.payout_micros,
            "loss_micros": self.loss_micros,
            "inputs": {
                "revenue_micros": self.price_micros,
                "minimum_connected_ms": promise.minimum_connected_ms,
                "share_ppm": promise.share_ppm,
                "margin_micros": promise.margin_micros,
                "daily_loss_micros": promise.daily_loss_micros,
            },
        }


def promised_payout(
    promise: Promise, *, price_micros: int, terms: TermsDocument | None, lost_before_micros: int
) -> PromisedPayout:
    """Return what is paid of a promise when the buyer pays `price_micros`.

    Out of the price comes what the same key would have been promised for it, and never what the stage or the
    publisher's own `terms` leave to us. `lost_before_micros` is what was lost to the publisher that day.
    """
    borne = payout_of(
        price_micros,
        share_ppm=promise.share_ppm,
        terms_micros=promise.payout_micros,
        margin_micros=promise.margin_micros,
    )
    if terms is not None and terms.margin is not None:
        borne = min(borne, most_that_leaves_the_margin(terms, price_micros))
    borne = min(borne, promise.payout_micros)
    left = max(promise.daily_loss_micros - lost_before_micros, 0)
    return PromisedPayout(
        promise=promise,
        price_micros=price_micros,
        borne_micros=borne,
        loss_micros=min(promise.payout_micros - borne, left),
    )


def loss_counter(publisher_id: int, campaign_id: int, at: dt.datetime) -> TierCounter:
    """Return where a publisher's losses of the day are added up, in millionths of a dollar. Days are those of UTC."""
    return TierCounter(
        key=f"publisher:{publisher_id}:campaign:{campaign_id}:promise_loss",
        period=Period.DAY,
        period_start=period_start(Period.DAY, at, "UTC"),
    )
