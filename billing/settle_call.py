"""Everything about the money of one finished call, in one transaction; doing it again changes nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger, ledger_queries, queries
from billing.call_record import CallRecord, LegRecord, Outcome, evidence_of, outcome_of
from billing.call_situation import Contracts, contracts_of, known_of, with_counts
from billing.carrier_cost import carrier_cost_micros, outbound_costs, platform_fee_micros
from billing.offer_queries import OfferMade, offer_made
from billing.queries import LockedCall, Prices
from billing.situation_queries import raise_tier_counts
from billing.terms import (
    BuyerTerms,
    Conversion,
    DuplicateCheck,
    Known,
    judge,
    may_convert,
)
from billing.terms_facts import DUPLICATE
from router.reservations import LegOutcome, count_outcome, release_leases
from router.wallet_holds import release_holds
from store.call_id import call_id_of


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What a settlement decided and wrote. Money in millionths of a dollar."""

    call_id: UUID
    outcome: Outcome
    conversion: Conversion
    carrier_cost_micros: int
    transaction_id: int


@dataclass(frozen=True, kw_only=True)
class NotSettled:
    """Nothing was written: the call is settled already, or there is no such call."""

    call_id: UUID
    reason: str


async def settle_call(connection: AsyncConnection, record: CallRecord) -> Settlement | NotSettled:
    """Judge the call and write conversion, postings, legs and lease release. The caller commits.

    Raises what the database raises; nothing is written then, and it may be tried again.
    """
    call_id = call_id_of(record.linkedid)
    locked = await queries.lock_call(connection, call_id)
    if locked is None:
        return NotSettled(call_id=call_id, reason="there is no such call")
    if locked.settled:
        return NotSettled(call_id=call_id, reason="settled before")
    call = await _matched(connection, locked, record)
    leg, prices, conversion = await _judged(connection, call, record)
    postings = await _postings(connection, call, record, leg, prices, conversion)
    outcome = outcome_of(record, number_known=call.campaign_id is not None, found_nobody=call.found_nobody)
    transaction_id = await ledger_queries.post(
        connection,
        call_id=call_id,
        kind=ledger.SETTLEMENT,
        postings=postings,
        detail={
            "verdict": conversion.verdict.value,
            "connected_ms": conversion.connected_ms,
            "attempt": leg.attempt if leg else None,
        },
    )
    await _write(connection, call, record, leg, prices, conversion, outcome)
    return Settlement(
        call_id=call_id,
        outcome=outcome,
        conversion=conversion,
        carrier_cost_micros=sum(
            posting.amount_micros for posting in postings if posting.account == ledger.CARRIER_COST
        ),
        transaction_id=transaction_id,
    )


async def _postings(
    connection: AsyncConnection,
    call: LockedCall,
    record: CallRecord,
    leg: LegRecord | None,
    prices: Prices,
    conversion: Conversion,
) -> tuple[ledger.Posting, ...]:
    """Return the one effect of the call: the only place where a call's amounts become postings."""
    carrier = prices.carrier_terms
    dialled = [(prices.outbound_terms, leg.connected_ms)] if leg else []
    others = [one for one in record.payable_legs if one is not leg]
    if others:
        trunks = await queries.outbound_terms(connection, [one.target_id for one in others])
        dialled += [(trunks.get(one.target_id or 0), one.connected_ms) for one in others]
    return ledger.settlement_postings(
        buyer_id=prices.buyer_id,
        publisher_id=call.publisher_id,
        carrier_name=carrier.carrier_name if carrier else None,
        price_micros=conversion.price_micros,
        payout_micros=conversion.payout_micros,
        carrier_cost_micros=carrier_cost_micros(carrier, record.carrier_ms),
        outbound_costs=outbound_costs(dialled),
        platform_fee_micros=platform_fee_micros(prices.platform_fee, conversion.price_micros),
        prepaid=prices.prepaid,
    )


async def _matched(connection: AsyncConnection, call: LockedCall, record: CallRecord) -> LockedCall:
    """The call with its number: a caller who hung up at once may have left no journal line."""
    if call.campaign_id is not None or not record.dialled:
        return call
    number = await queries.number_called(connection, record.dialled)
    if number is None:
        return call
    return replace(
        call,
        tracking_number_id=number.id,
        campaign_id=number.campaign_id,
        publisher_id=number.publisher_id,
        duplicate_window_seconds=number.duplicate_window_seconds,
    )


async def _judged(
    connection: AsyncConnection, call: LockedCall, record: CallRecord
) -> tuple[LegRecord | None, Prices, Conversion]:
    """Return the leg that is billed, or would have been: a call several buyers answered has one conversion at most.

    A buyer that dropped the call pays for it if its own terms say so, and no other's do.
    """
    first, *others = record.payable_legs or (None,)
    judged = await _judge_leg(connection, call, record, first)
    for leg in others:
        if judged[2].converted:
            break
        other = await _judge_leg(connection, call, record, leg)
        judged = other if other[2].converted else judged
    return judged


async def _judge_leg(
    connection: AsyncConnection, call: LockedCall, record: CallRecord, leg: LegRecord | None
) -> tuple[LegRecord | None, Prices, Conversion]:
    prices = await queries.prices_at(
        connection,
        call,
        target_id=leg.target_id if leg else None,
        trunk_name=record.trunk_name,
        at=_started_at(record),
        caller=record.caller,
    )
    offer = await offer_made(connection, call.id, leg.target_id) if leg else None
    if offer is not None:
        prices = replace(prices, buyer_terms=with_bid(prices.buyer_terms, offer, _started_at(record)))
    unbilled = offer is not None and not offer.billed
    return leg, prices, await _conversion(connection, call, record, leg, prices, unbilled=unbilled)


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


async def _conversion(
    connection: AsyncConnection,
    call: LockedCall,
    record: CallRecord,
    leg: LegRecord | None,
    prices: Prices,
    *,
    unbilled: bool,
) -> Conversion:
    at, terms = _started_at(record), prices.buyer_terms
    contracts = contracts_of(prices, call, at)
    asked = leg is not None and DUPLICATE in contracts.facts and call.campaign_id is not None
    check, earlier = DuplicateCheck.NOT_NEEDED, None
    if asked:
        check, earlier = await _duplicate(connection, call.campaign_id or 0, call, record)
    known = await known_of(connection, contracts, call, record, leg, at, check) if leg else Known()
    connected_ms = leg.connected_ms if leg else None
    if unbilled:
        check = DuplicateCheck.DUPLICATE
    elif may_convert(terms, connected_ms, known) and call.campaign_id is not None:
        if not asked:
            check, earlier = await _duplicate(connection, call.campaign_id, call, record)
        known = await with_counts(connection, contracts, known)
    return await _counted(
        connection,
        contracts,
        judge(
            connected_ms=connected_ms,
            buyer_terms=terms,
            publisher_terms=prices.publisher_terms,
            # Terms that say what a duplicate is worth have judged it already.
            duplicate_check=_SEEN if contracts.buyer_asks_for_duplicates and not unbilled else check,
            duplicate_of=earlier,
            known=known,
        ),
    )


_SEEN = DuplicateCheck.NOT_NEEDED


async def _counted(connection: AsyncConnection, contracts: Contracts, conversion: Conversion) -> Conversion:
    """Count a call that is paid for in the periods of its tiers."""
    if conversion.converted:
        paid = (
            *contracts.buyer_counters,
            *(contracts.publisher_counters if conversion.payout_micros else ()),
        )
        if paid:
            await raise_tier_counts(connection, paid)
    return conversion


async def _duplicate(
    connection: AsyncConnection, campaign_id: int, call: LockedCall, record: CallRecord
) -> tuple[DuplicateCheck, UUID | None]:
    """Look for a converted call of the same caller. Two such calls settle one after the other, never at once."""
    if record.caller is None:
        return DuplicateCheck.NO_CALLER, None
    await queries.lock_caller(connection, campaign_id, record.caller)
    earlier = await queries.converted_call_near(
        connection,
        campaign_id=campaign_id,
        caller=record.caller,
        at=_started_at(record),
        window_seconds=call.duplicate_window_seconds,
    )
    return (DuplicateCheck.CLEAR if earlier is None else DuplicateCheck.DUPLICATE), earlier


async def _write(
    connection: AsyncConnection,
    call: LockedCall,
    record: CallRecord,
    leg: LegRecord | None,
    prices: Prices,
    conversion: Conversion,
    outcome: Outcome,
) -> None:
    await queries.write_legs(connection, call.id, record.legs)
    await count_outcome(connection, call.id, outcomes(record, leg, conversion))
    await release_leases(connection, call.id)
    await release_holds(connection, call.id)
    await queries.write_settlement(
        connection,
        call.id,
        {
            "caller": record.caller,
            "tracking_number_id": call.tracking_number_id,
            "campaign_id": call.campaign_id,
            "publisher_id": call.publisher_id,
            "started_at": _started_at(record),
            "ended_at": instant(record.ended_ms),
            "outcome": outcome.value,
            "buyer_id": prices.buyer_id,
            # A target that was removed since has no buyer either.
            "target_id": leg.target_id if leg and prices.buyer_id is not None else None,
            "connected_ms": leg.connected_ms if leg else None,
            "converted": conversion.converted,
            "conversion": conversion.to_json(),
            "evidence": evidence_of(record, leg),
        },
    )


def outcomes(record: CallRecord, billed: LegRecord | None, conversion: Conversion) -> list[LegOutcome]:
    """Return what the caps and the targets' own rates are counted by."""
    return [
        LegOutcome(
            attempt=leg.attempt,
            target_id=leg.target_id,
            connected=leg.answered_ms is not None,
            converted=leg is billed and conversion.converted,
            price_micros=conversion.price_micros if leg is billed and conversion.converted else 0,
            connected_ms=leg.connected_ms,
        )
        for leg in record.legs
        if leg.target_id is not None
    ]


def _started_at(record: CallRecord) -> dt.datetime:
    return instant(record.started_ms)


def instant(epoch_ms: int) -> dt.datetime:
    # Exact: a float of seconds would move some milliseconds by a microsecond.
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=epoch_ms)
