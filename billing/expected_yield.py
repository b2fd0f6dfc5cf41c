"""What a call would bring if it came now: the buyer's contract and the publisher's terms on what a ping told.

The call is judged as settlement would judge it (billing.judge_call). What nobody knows yet meets no rule. Nothing is
locked and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import batch_queries, situation_queries
from billing.batch_queries import Asked
from billing.call_facts import LockedCall, OfferMade, prices_of
from billing.call_record import CallRecord, LegRecord, Witness
from billing.call_situation import contracts_of
from billing.judge_call import CallFacts, LegFacts, PaidCall, judge_call, with_bid
from billing.terms_document import Rule, TermsDocument
from billing.terms_facts import CONNECTED, FIRST_TIME, TOTAL
from billing.tiers import TierCounter
from router.domain.yields import Yield, YieldAsked
from rules.condition import Between, Comparison, leaves_of
from rules.fact_kinds import Kind


async def expected_yield(connection: AsyncConnection, asked: YieldAsked) -> Yield | None:
    """Return what the first rule that is met from some length on pays, and that length; None when none is.

    Raises what the database raises.
    """
    call, record = _imagined(asked)
    (row,) = await batch_queries.prices_of_legs(
        connection, [Asked(call=call, record=record, target_id=asked.target_id)]
    )
    prices = prices_of(row)
    offer = OfferMade(
        bid_micros=asked.bid_micros,
        minimum_connected_ms=asked.bid_minimum_connected_ms,
        billed=asked.billed,
        promised=False,
    )
    terms = with_bid(prices.buyer_terms, offer, asked.at)
    if terms is None:
        return None
    contracts = contracts_of(prices, call, asked.at)
    facts = CallFacts(
        call=call,
        record=record,
        legs=(LegFacts(leg=record.legs[0], prices=prices, contracts=contracts, offer=offer),),
        earlier=row.earlier_id and PaidCall(id=row.earlier_id, started_at=row.earlier_at),
    )
    if FIRST_TIME in contracts.facts and facts.caller is not None:
        known = await situation_queries.callers_known_before(
            connection, {call.id: (*facts.caller, asked.at)}, batch=[call.id]
        )
        facts = replace(facts, first_time=not known)
    counts = await situation_queries.read_tier_counts(
        connection, (*contracts.buyer_counters, *contracts.publisher_counters)
    )
    contract = terms.contract(asked.publisher_id)
    return _first_met(facts, contract, asked.bid_minimum_connected_ms, counts)


def _imagined(asked: YieldAsked) -> tuple[LockedCall, CallRecord]:
    call = LockedCall(
        id=UUID(asked.call_id),
        settled=False,
        tracking_number_id=None,
        campaign_id=asked.campaign_id,
        publisher_id=asked.publisher_id,
        duplicate_window_seconds=asked.duplicate_window_seconds,
        found_nobody=False,
        tags=asked.tags,
        counted=False,
        held=False,
    )
    started_ms = round(asked.at.timestamp() * 1000)
    leg = LegRecord(
        attempt=1,
        target_id=asked.target_id,
        answered_ms=started_ms,
        ended_ms=started_ms,
        cause=None,
        witness=Witness.LEG,
    )
    record = CallRecord(
        linkedid="",
        started_ms=started_ms,
        ended_ms=started_ms,
        dialled=asked.dialled,
        caller=asked.caller,
        legs=(leg,),
    )
    return call, record


def _first_met(
    facts: CallFacts, contract: TermsDocument, bid_minimum_ms: int | None, counts: dict[TierCounter, int]
) -> Yield | None:
    lengths = sorted({length for rule in contract.rules for length in _lengths(rule, bid_minimum_ms)})
    for rule in contract.rules:
        for length in (one for one in lengths if one >= _minimum(rule, bid_minimum_ms)):
            judged = judge_call(_lasting(facts, length), counts)
            paid = judged.conversion
            if paid.converted and (paid.buyer or {}).get("rule") == rule.name:
                return Yield(
                    price_micros=paid.price_micros,
                    minimum_connected_ms=length,
                    payout_micros=paid.payout_micros,
                )
    return None


def _lasting(facts: CallFacts, connected_ms: int) -> CallFacts:
    """Return the same call with its leg, and no more than that, lasting so long."""
    (one,) = facts.legs
    assert one.leg is not None
    ended_ms = facts.record.started_ms + connected_ms
    leg = replace(one.leg, ended_ms=ended_ms)
    record = replace(facts.record, ended_ms=ended_ms, legs=(leg,))
    return replace(facts, record=record, legs=(replace(one, leg=leg),))


def _lengths(rule: Rule, bid_minimum_ms: int | None) -> Iterator[int]:
    """Yield the lengths from which on the rule may be met, in milliseconds."""
    yield _minimum(rule, bid_minimum_ms)
    for leaf in leaves_of(rule.when) if rule.when else ():
        if leaf.fact not in (CONNECTED, TOTAL) or leaf.kind is not Kind.NUMBER:
            continue
        if isinstance(leaf, Comparison):
            asked = _ms(leaf.value)
            yield asked + 1 if leaf.operator == ">" else asked
        elif isinstance(leaf, Between):
            yield _ms(leaf.low)


def _minimum(rule: Rule, bid_minimum_ms: int | None) -> int:
    return rule.minimum_connected_ms if bid_minimum_ms is None else bid_minimum_ms


def _ms(seconds: object) -> int:
    return max(0, int(Decimal(str(seconds)) * 1000))
