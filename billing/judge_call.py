"""Judges one finished call on the facts that were gathered: which leg is billed, what it pays, the postings. Pure.

Several calls are judged in the order of their start, so that each sees what those before it were paid for.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from uuid import UUID

from billing import ledger
from billing.call_facts import LockedCall, OfferMade, Prices, instant
from billing.call_record import CallRecord, LegRecord, Outcome, outcome_of
from billing.call_situation import Contracts, facts_known
from billing.carrier_cost import carrier_cost_micros, outbound_costs, platform_fee_micros
from billing.promises import Promise, loss_counter
from billing.terms import BuyerTerms, Conversion, DuplicateCheck, Known, judge, may_convert
from billing.terms_facts import DUPLICATE
from billing.tiers import TierCounter, calls_before


@dataclass(frozen=True, kw_only=True)
class LegFacts:
    """A leg that may be billed, and what holds for it. Without a leg: nobody answered."""

    leg: LegRecord | None
    prices: Prices
    contracts: Contracts
    offer: OfferMade | None
    """None: no decision is stored that let this target ring."""


@dataclass(frozen=True, kw_only=True)
class PaidCall:
    """A converted call of a caller."""

    id: UUID
    started_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """Everything that was read of one call."""

    call: LockedCall
    record: CallRecord
    legs: tuple[LegFacts, ...]
    """In the order of `CallRecord.payable_legs`; one without a leg when nobody answered."""
    answers: Mapping[str, str] = field(default_factory=dict)
    first_time: bool | None = None
    """Whether the caller had never called the campaign; None: no terms ask for it, or it is not known."""
    earlier: PaidCall | None = None
    """The first call of the same caller within the duplicate window that was paid for."""

    @cached_property
    def started_at(self) -> dt.datetime:
        return instant(self.record.started_ms)

    @property
    def caller(self) -> tuple[int, str] | None:
        """By what duplicates are told: campaign and number; None when either is unknown."""
        if self.call.campaign_id is None or self.record.caller is None:
            return None
        return self.call.campaign_id, self.record.caller


@dataclass(frozen=True, kw_only=True)
class JudgedCall:
    """One call with everything that is written of it."""

    call: LockedCall
    record: CallRecord
    leg: LegRecord | None
    """The leg that is billed, or would have been."""
    prices: Prices
    conversion: Conversion
    postings: tuple[ledger.Posting, ...]
    raised: Mapping[TierCounter, int]
    """What it adds to counters: 1 to those of tiers in which it counts as paid for, micros to those of losses."""

    @cached_property
    def outcome(self) -> Outcome:
        known = self.call.campaign_id is not None
        return outcome_of(self.record, number_known=known, found_nobody=self.call.found_nobody)

    @property
    def carrier_cost_micros(self) -> int:
        return sum(each.amount_micros for each in self.postings if each.account == ledger.CARRIER_COST)


def judge_calls(found: Sequence[CallFacts], tier_counts: Mapping[TierCounter, int]) -> list[JudgedCall]:
    """Judge calls that stand in the order of their start; `tier_counts` are the paid calls before all of them."""
    used, judged = Counter(tier_counts), list[JudgedCall]()
    paid, called = dict[tuple[int, str], list[PaidCall]](), dict[tuple[int, str], dt.datetime]()
    for facts in found:
        caller, before = facts.caller, facts
        if caller is not None:
            # Two that started at the same moment are both the first.
            first = called.setdefault(caller, facts.started_at) == facts.started_at
            earlier = _earliest(facts, paid[caller]) if caller in paid else facts.earlier
            if not first or earlier is not facts.earlier:
                before = replace(facts, first_time=facts.first_time and first, earlier=earlier)
        one = judge_call(before, used)
        if one.raised:
            used.update(one.raised)
        if caller is not None and one.conversion.converted:
            paid.setdefault(caller, []).append(PaidCall(id=facts.call.id, started_at=facts.started_at))
        judged.append(one)
    return judged


def _earliest(facts: CallFacts, of_batch: Sequence[PaidCall]) -> PaidCall | None:
    window = dt.timedelta(seconds=facts.call.duplicate_window_seconds)
    near = [one for one in of_batch if facts.started_at - one.started_at < window]
    found = [facts.earlier, *near] if facts.earlier else near
    return min(found, key=lambda one: (one.started_at, one.id), default=None)


def judge_call(facts: CallFacts, tier_counts: Mapping[TierCounter, int]) -> JudgedCall:
    """Return the verdict on one call and its postings. A call that several buyers answered converts once at most.

    A buyer that dropped the call pays for it if its own terms say so, and no other's do.
    """
    first, *others = facts.legs
    judged = _judge_leg(facts, first, tier_counts)
    for one in others:
        if judged.conversion.converted:
            break
        other = _judge_leg(facts, one, tier_counts)
        judged = other if other.conversion.converted else judged
    return JudgedCall(
        call=facts.call,
        record=facts.record,
        leg=judged.leg,
        prices=judged.prices,
        conversion=judged.conversion,
        postings=_postings(facts, judged),
        raised=judged.raised,
    )


@dataclass(frozen=True, kw_only=True)
class _JudgedLeg:
    leg: LegRecord | None
    prices: Prices
    conversion: Conversion
    raised: Mapping[TierCounter, int]


def _judge_leg(facts: CallFacts, one: LegFacts, tier_counts: Mapping[TierCounter, int]) -> _JudgedLeg:
    prices = one.prices
    if one.offer is not None:
        terms = with_bid(prices.buyer_terms, one.offer, facts.started_at)
        prices = replace(prices, buyer_terms=terms)
    conversion = _conversion(facts, one, prices, tier_counts)
    raised: dict[TierCounter, int] = {}
    if conversion.converted:
        of_publisher = one.contracts.publisher_counters if conversion.payout_micros else ()
        raised = dict.fromkeys((*one.contracts.buyer_counters, *of_publisher), 1)
    if conversion.promise_loss_micros:
        raised |= dict.fromkeys(loss_counters(facts, one), conversion.promise_loss_micros)
    return _JudgedLeg(leg=one.leg, prices=prices, conversion=conversion, raised=raised)


def _conversion(
    facts: CallFacts, one: LegFacts, prices: Prices, tier_counts: Mapping[TierCounter, int]
) -> Conversion:
    leg, contracts, seen = one.leg, one.contracts, _seen(facts)
    connected_ms = leg.connected_ms if leg else None
    asked = leg is not None and DUPLICATE in contracts.facts and facts.call.campaign_id is not None
    check, known = (seen if asked else DuplicateCheck.NOT_NEEDED), Known()
    if leg is not None:
        known = facts_known(
            contracts,
            facts.call,
            facts.record,
            leg,
            facts.started_at,
            check,
            answers=facts.answers,
            first_time=facts.first_time,
        )
    unbilled = one.offer is not None and not one.offer.billed
    if unbilled:
        check = DuplicateCheck.DUPLICATE
    elif facts.call.campaign_id is not None and may_convert(prices.buyer_terms, connected_ms, known):
        check, asked = seen, True
        if contracts.buyer_counters or contracts.publisher_counters:
            known = _with_counts(known, contracts, tier_counts)
    promise = promise_of(one)
    # Terms that say what a duplicate is worth have judged it already.
    judged_already = contracts.buyer_asks_for_duplicates and not unbilled
    return judge(
        connected_ms=connected_ms,
        buyer_terms=prices.buyer_terms,
        publisher_terms=prices.publisher_terms,
        duplicate_check=DuplicateCheck.NOT_NEEDED if judged_already else check,
        duplicate_of=facts.earlier.id if asked and facts.earlier else None,
        known=known,
        promise=promise,
        lost_before_micros=sum(tier_counts[counter] for counter in loss_counters(facts, one))
        if promise
        else 0,
    )


def promise_of(one: LegFacts) -> Promise | None:
    """Return the promise that holds for this leg: only one that its decision knew of."""
    return one.prices.promise if one.offer is not None and one.offer.promised else None


def loss_counters(facts: CallFacts, one: LegFacts) -> tuple[TierCounter, ...]:
    """Return where the leg's loss by a promise is added up; none when it cannot make one."""
    promise, publisher_id = promise_of(one), facts.call.publisher_id
    if promise is None or not promise.daily_loss_micros or publisher_id is None:
        return ()
    return (loss_counter(publisher_id, facts.call.campaign_id or 0, facts.started_at),)


def _seen(facts: CallFacts) -> DuplicateCheck:
    if facts.record.caller is None:
        return DuplicateCheck.NO_CALLER
    return DuplicateCheck.CLEAR if facts.earlier is None else DuplicateCheck.DUPLICATE


def _with_counts(known: Known, contracts: Contracts, tier_counts: Mapping[TierCounter, int]) -> Known:
    return replace(
        known,
        buyer_calls_before=calls_before(contracts.buyer_counters, tier_counts),
        publisher_calls_before=calls_before(contracts.publisher_counters, tier_counts),
    )


def with_bid(terms: BuyerTerms | None, offer: OfferMade, at: dt.datetime) -> BuyerTerms | None:
    """Return what the buyer pays: its bid for this call, else its terms."""
    if offer.bid_micros is None:
        return terms
    if terms is not None and terms.document is not None:
        return replace(
            terms, bid_micros=offer.bid_micros, bid_minimum_connected_ms=offer.minimum_connected_ms
        )
    standing = terms.minimum_connected_ms if terms else 0
    minimum = offer.minimum_connected_ms
    return BuyerTerms(
        id=terms.id if terms else None,
        goes_live_at=terms.goes_live_at if terms else at,
        minimum_connected_ms=standing if minimum is None else minimum,
        price_micros=offer.bid_micros,
    )


def _postings(facts: CallFacts, judged: _JudgedLeg) -> tuple[ledger.Posting, ...]:
    """Return the one effect of the call: the only place where a call's amounts become postings."""
    carrier, prices, conversion = judged.prices.carrier_terms, judged.prices, judged.conversion
    dialled = [(one.prices.outbound_terms, one.leg.connected_ms) for one in facts.legs if one.leg]
    return ledger.settlement_postings(
        buyer_id=prices.buyer_id,
        publisher_id=facts.call.publisher_id,
        carrier_name=carrier.carrier_name if carrier else None,
        price_micros=conversion.price_micros,
        payout_micros=conversion.payout_micros,
        carrier_cost_micros=carrier_cost_micros(carrier, facts.record.carrier_ms),
        outbound_costs=outbound_costs(dialled),
        platform_fee_micros=platform_fee_micros(prices.platform_fee, conversion.price_micros),
        prepaid=prices.prepaid,
    )
