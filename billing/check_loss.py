"""Whether a buyer's and a publisher's terms can pay out more for a call than it brings. Pure.

A bid is not known before its call: what it leaves is for the plan's floor and margin, or for a minimum margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from billing.check_terms import whole_of
from billing.terms_document import PPM, Bid, Fixed, Price, RevenueShare, Rule, TermsDocument, Tiers
from billing.terms_facts import ALWAYS_KNOWN
from rules.condition_region import can_be_met
from rules.money import format_dollars


def loss_of(buyer: TermsDocument, publisher: TermsDocument) -> str | None:
    """Return in words the first call that would pay out more than its price; None when there can be none.

    `buyer` are the terms for the calls of this publisher.
    """
    if publisher.margin is not None:
        return None
    return next(_losses(buyer, publisher), None)


def _losses(buyer: TermsDocument, publisher: TermsDocument) -> Iterator[str]:
    for place, sold in enumerate(buyer.rules):
        if isinstance(sold.price, Bid):
            continue
        for at, paid in enumerate(publisher.rules):
            price = _lowest(sold.price)
            if _payout((paid, *publisher.bonuses), price) <= price:
                continue
            earlier = (*buyer.rules[:place], *publisher.rules[:at])
            if not _together((sold, paid), earlier):
                continue
            bonuses = [one for one in publisher.bonuses if _together((sold, paid, one), earlier)]
            rules = (paid, *bonuses)
            price += sum(
                _lowest(one.price)
                for one in buyer.bonuses
                if not isinstance(one.price, Bid) and not _together((sold, *rules), (*earlier, one))
            )
            payout = publisher.rounding.apply(_payout(rules, price))
            if payout > price:
                yield (
                    f"a call that pays {format_dollars(price)} by {sold.name!r} would pay out"
                    f" {format_dollars(payout)} by {paid.name!r}"
                )


def _together(met: Sequence[Rule], not_met: Sequence[Rule]) -> bool:
    """Return whether one call can meet all of these and none of those."""
    return can_be_met([whole_of(one) for one in met], [whole_of(one) for one in not_met], ALWAYS_KNOWN)


def _lowest(price: Price) -> int:
    if isinstance(price, Tiers):
        return min(step.amount_micros for step in price.steps)
    return price.amount_micros if isinstance(price, Fixed) else 0


def _payout(rules: Sequence[Rule], price_micros: int) -> Fraction:
    return sum((_highest(one.price, price_micros) for one in rules), Fraction())


def _highest(price: Price, revenue_micros: int) -> Fraction:
    if isinstance(price, RevenueShare):
        return Fraction(revenue_micros * price.share_ppm, PPM)
    if isinstance(price, Tiers):
        return Fraction(max(step.amount_micros for step in price.steps))
    return Fraction(price.amount_micros if isinstance(price, Fixed) else 0)
