"""Settles several calls in one transaction, for speed alone: each comes to what settle_call makes of it by itself.

Whatever is out of the ordinary is left for settle_call: a call of several answered legs, of no known number, of terms
that count or look at earlier calls, or of a caller who is in the batch already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import batch_queries as queries
from billing import ledger
from billing.batch_queries import Asked
from billing.call_record import CallRecord, LegRecord, evidence_of, outcome_of
from billing.call_situation import Contracts, contracts_of, facts_known
from billing.carrier_cost import carrier_cost_micros, outbound_costs, platform_fee_micros
from billing.offer_queries import OfferMade
from billing.queries import LockedCall, Prices, prices_of
from billing.settle_call import NotSettled, Settlement, instant, outcomes, with_bid
from billing.terms import Conversion, DuplicateCheck, Known, PublisherTerms, judge, may_convert
from billing.terms_facts import DUPLICATE, FIRST_TIME
from router.reservations import count_outcomes
from router.wallet_holds import release_holds
from store.call_id import call_id_of


@dataclass(frozen=True, kw_only=True)
class BatchSettled:
    """What was done, and the calls that settle_call must look at. Nothing stands before the caller commits."""

    settled: tuple[Settlement | NotSettled, ...]
    left: tuple[CallRecord, ...]


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """One call of the batch with everything that is written of it."""

    call: LockedCall
    record: CallRecord
    leg: LegRecord | None
    prices: Prices
    conversion: Conversion
    counted: bool
    held: bool


async def settle_batch(connection: AsyncConnection, records: Sequence[CallRecord]) -> BatchSettled:
    """Judge the calls and write them as settle_call would. The caller commits.

    Raises what the database raises; nothing is written then, and each may be settled by itself.
    """
    wanted = {call_id_of(record.linkedid): record for record in records}
    rows = {row.id: row for row in await queries.lock_calls(connection, list(wanted))}
    done: list[Settlement | NotSettled] = [
        NotSettled(call_id=call_id, reason="there is no such call")
        for call_id in wanted
        if call_id not in rows
    ]
    done += [NotSettled(call_id=id_, reason="settled before") for id_, row in rows.items() if row.settled]
    ready = _one_a_caller([(row, wanted[id_]) for id_, row in rows.items() if not row.settled])
    judged = await _judge_all(connection, ready) if ready else []
    if judged:
        done += await _write(connection, judged)
    settled = {one.call_id for one in done}
    return BatchSettled(
        settled=tuple(done), left=tuple(record for id_, record in wanted.items() if id_ not in settled)
    )


def _one_a_caller(ready: Sequence[tuple[Any, CallRecord]]) -> list[tuple[Any, CallRecord]]:
    """Return the ordinary calls, of each caller the first: the others' verdicts hang on it."""
    callers: set[tuple[int, str]] = set()
    chosen = []
    for row, record in ready:
        if row.campaign_id is None or len(record.payable_legs) > 1:
            continue
        if record.caller is not None:
            if (row.campaign_id, record.caller) in callers:
                continue
            callers.add((row.campaign_id, record.caller))
        chosen.append((row, record))
    return chosen


async def _judge_all(connection: AsyncConnection, ready: Sequence[tuple[Any, CallRecord]]) -> list[_Judged]:
    callers = [
        (row.campaign_id, record.caller)
        for row, record in ready
        if record.caller is not None and record.sold_leg is not None
    ]
    if callers:
        # Locked before anybody looks for earlier calls: two calls of one caller settle one after the other.
        await queries.lock_callers(connection, callers)
    priced = await queries.prices_of_calls(connection, [_asked(row, record) for row, record in ready])
    by_call = {row.call_id: row for row in priced}
    answers: Mapping[UUID, Mapping[str, str]] = {}
    if any(row.b_document or row.p_document for row in priced):
        answers = await queries.answers_of_calls(connection, list(by_call))
    judged = (_judge(row, record, by_call[row.id], answers.get(row.id, {})) for row, record in ready)
    return [one for one in judged if one is not None]


def _asked(row: Any, record: CallRecord) -> Asked:
    leg = record.sold_leg
    return Asked(
        call_id=row.id,
        target_id=leg.target_id if leg else None,
        campaign_id=row.campaign_id,
        publisher_id=row.publisher_id,
        trunk_name=record.trunk_name,
        caller=record.caller,
        at=instant(record.started_ms),
        window_seconds=row.duplicate_window_seconds,
    )


def _judge(row: Any, record: CallRecord, found: Any, answers: Mapping[str, str]) -> _Judged | None:
    """Return the verdict on one call; None when it wants to be looked at by itself."""
    call = LockedCall(**{name: getattr(row, name) for name in LockedCall.__dataclass_fields__})
    at, leg = instant(record.started_ms), record.sold_leg
    promised = None
    if found.promised_micros is not None:
        promised = PublisherTerms(
            id=None, goes_live_at=found.promised_at, payout_micros=found.promised_micros
        )
    prices = prices_of(found, promised)
    offer = _offer(found.offer) if leg else None
    if offer is not None:
        prices = replace(prices, buyer_terms=with_bid(prices.buyer_terms, offer, at))
    contracts = contracts_of(prices, call, at)
    if contracts.buyer_counters or contracts.publisher_counters or FIRST_TIME in contracts.facts:
        return None
    conversion = _conversion(
        call, record, leg, prices, contracts, found.earlier_id, offer, tags=row.tags or {}, answers=answers
    )
    return _Judged(
        call=call,
        record=record,
        leg=leg,
        prices=prices,
        conversion=conversion,
        counted=row.counted,
        held=row.held,
    )


def _offer(found: Mapping[str, Any] | None) -> OfferMade | None:
    if found is None:
        return None
    return OfferMade(
        bid_micros=found.get("bid_micros"),
        minimum_connected_ms=found.get("minimum_connected_ms"),
        billed=found.get("billed", True),
    )


def _conversion(
    call: LockedCall,
    record: CallRecord,
    leg: LegRecord | None,
    prices: Prices,
    contracts: Contracts,
    earlier: UUID | None,
    offer: OfferMade | None,
    *,
    tags: Mapping[str, Any],
    answers: Mapping[str, str],
) -> Conversion:
    """The same steps as settle_call's, on what is known already."""
    connected_ms = leg.connected_ms if leg else None
    asked = leg is not None and DUPLICATE in contracts.facts
    seen, before = DuplicateCheck.CLEAR if earlier is None else DuplicateCheck.DUPLICATE, earlier
    if record.caller is None:
        seen, before = DuplicateCheck.NO_CALLER, None
    check, known = (seen if asked else DuplicateCheck.NOT_NEEDED), Known()
    if leg is not None:
        known = facts_known(
            contracts, call, record, leg, instant(record.started_ms), check, tags=tags, answers=answers
        )
    unbilled = offer is not None and not offer.billed
    if unbilled:
        check = DuplicateCheck.DUPLICATE
    elif may_convert(prices.buyer_terms, connected_ms, known):
        check, asked = seen, True
    return judge(
        connected_ms=connected_ms,
        buyer_terms=prices.buyer_terms,
        publisher_terms=prices.publisher_terms,
        duplicate_check=DuplicateCheck.NOT_NEEDED
        if contracts.buyer_asks_for_duplicates and not unbilled
        else check,
        duplicate_of=before if asked else None,
        known=known,
    )


# --- writing -------------------------------------------------------------------------------------------------


async def _write(connection: AsyncConnection, judged: Sequence[_Judged]) -> list[Settlement]:
    postings = {one.call.id: _postings(one) for one in judged}
    rung = {one.call.id: outcomes(one.record, one.leg, one.conversion) for one in judged}
    counted = [(one.call.id, leg) for one in judged if one.counted for leg in rung[one.call.id]]
    if counted:
        await count_outcomes(connection, counted)
    made = await queries.write_batch(
        connection,
        calls=[_call_said(one) for one in judged],
        postings=[
            {"call_id": str(call_id), "account": each.account, "amount": each.amount_micros}
            for call_id, own in postings.items()
            for each in own
        ],
        legs=[_leg_said(one.call.id, leg) for one in judged for leg in one.record.legs],
        rung=[(leg.target_id, leg.converted) for legs in rung.values() for leg in legs if leg.connected],
    )
    for one in sorted((one for one in judged if one.held), key=lambda each: each.prices.buyer_id or 0):
        await release_holds(connection, one.call.id)
    return [
        Settlement(
            call_id=one.call.id,
            outcome=_outcome(one),
            conversion=one.conversion,
            carrier_cost_micros=sum(
                each.amount_micros for each in postings[one.call.id] if each.account == ledger.CARRIER_COST
            ),
            transaction_id=made[one.call.id],
        )
        for one in judged
    ]


def _outcome(one: _Judged) -> Any:
    return outcome_of(one.record, number_known=True, found_nobody=one.call.found_nobody)


def _postings(one: _Judged) -> tuple[ledger.Posting, ...]:
    carrier, prices, conversion = one.prices.carrier_terms, one.prices, one.conversion
    dialled = [(prices.outbound_terms, one.leg.connected_ms)] if one.leg else []
    return ledger.settlement_postings(
        buyer_id=prices.buyer_id,
        publisher_id=one.call.publisher_id,
        carrier_name=carrier.carrier_name if carrier else None,
        price_micros=conversion.price_micros,
        payout_micros=conversion.payout_micros,
        carrier_cost_micros=carrier_cost_micros(carrier, one.record.carrier_ms),
        outbound_costs=outbound_costs(dialled),
        platform_fee_micros=platform_fee_micros(prices.platform_fee, conversion.price_micros),
        prepaid=prices.prepaid,
    )


def _call_said(one: _Judged) -> dict[str, Any]:
    record, leg, conversion = one.record, one.leg, one.conversion
    sold_to = one.prices.buyer_id
    return {
        "id": str(one.call.id),
        "caller": record.caller,
        "started_at": instant(record.started_ms).isoformat(),
        "ended_at": instant(record.ended_ms).isoformat(),
        "outcome": _outcome(one).value,
        "buyer_id": sold_to,
        "target_id": leg.target_id if leg and sold_to is not None else None,
        "connected_ms": leg.connected_ms if leg else None,
        "converted": conversion.converted,
        "conversion": conversion.to_json(),
        "evidence": evidence_of(record, leg),
        "detail": {
            "verdict": conversion.verdict.value,
            "connected_ms": conversion.connected_ms,
            "attempt": leg.attempt if leg else None,
        },
    }


def _leg_said(call_id: UUID, leg: LegRecord) -> dict[str, Any]:
    return {
        "call_id": str(call_id),
        "attempt": leg.attempt,
        "target_id": leg.target_id,
        "answered_ms": leg.answered_ms,
        "ended_ms": leg.ended_ms,
        "connected_ms": leg.connected_ms,
        "cause": leg.cause,
    }
