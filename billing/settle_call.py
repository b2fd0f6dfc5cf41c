"""Everything about the money of finished calls, in one transaction; doing it again changes nothing.

What is known of the calls is gathered, each is judged on that (billing.judge_call), and all of it is written. Whoever
locks several rows of one kind locks them in the order of their keys: calls, callers, counters of tiers, caps, wallets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import batch_queries as queries
from billing import situation_queries
from billing.batch_queries import Asked
from billing.call_facts import LockedCall, instant, offer_of, prices_of
from billing.call_record import CallRecord, LegRecord, Outcome, evidence_of
from billing.call_situation import contracts_of
from billing.judge_call import CallFacts, JudgedCall, LegFacts, PaidCall, judge_calls, loss_counters
from billing.terms import Conversion
from billing.terms_facts import FIRST_TIME
from billing.tiers import TierCounter
from router.reservations import LegOutcome, count_outcomes
from router.wallet_holds import release_holds_of
from store.call_id import call_id_of
from store.key_ring import key_ring
from store.sealed_columns import CALLER, area_of


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
    """Settle one call, as `settle_calls`."""
    (settled,) = await settle_calls(connection, [record])
    return settled


async def settle_calls(
    connection: AsyncConnection, records: Sequence[CallRecord]
) -> tuple[Settlement | NotSettled, ...]:
    """Judge the calls in the order of their start and write conversions, postings, legs and the release of leases.

    The caller commits. Raises what the database raises; nothing is written then, and it may be tried again.
    """
    wanted = {call_id_of(record.linkedid): record for record in records}
    locked = await queries.lock_calls(connection, list(wanted))
    done: list[Settlement | NotSettled] = [
        NotSettled(call_id=id_, reason="settled before" if id_ in locked else "there is no such call")
        for id_ in wanted
        if id_ not in locked or locked[id_].settled
    ]
    ready = [(call, wanted[id_]) for id_, call in locked.items() if not call.settled]
    if ready:
        ready.sort(key=lambda one: (one[1].started_ms, one[1].linkedid))
        found = await _gathered(connection, await _matched(connection, ready))
        judged = judge_calls(found, await _tier_counts(connection, found))
        done += await _write(connection, judged)
    return tuple(done)


# --- gathering -----------------------------------------------------------------------------------------------

_Ready = tuple[LockedCall, CallRecord]


async def _matched(connection: AsyncConnection, ready: Sequence[_Ready]) -> Sequence[_Ready]:
    """Return the calls with their numbers: a caller who hung up at once may have left no journal line."""
    dialled = {record.dialled for call, record in ready if call.campaign_id is None and record.dialled}
    if not dialled:
        return ready
    numbers = await queries.numbers_called(connection, dialled)
    return [
        (replace(call, **numbers.get(record.dialled, {})) if call.campaign_id is None else call, record)
        for call, record in ready
    ]


async def _gathered(connection: AsyncConnection, ready: Sequence[_Ready]) -> list[CallFacts]:
    callers = {
        (call.campaign_id, record.caller)
        for call, record in ready
        if call.campaign_id is not None and record.caller is not None and record.sold_leg is not None
    }
    if callers:
        # Locked before anybody looks for earlier calls: two calls of one caller settle one after the other.
        await queries.lock_callers(connection, callers)
    legs = [(call, record, leg) for call, record in ready for leg in record.payable_legs or (None,)]
    asked = [
        Asked(call=call, record=record, target_id=leg.target_id if leg else None)
        for call, record, leg in legs
    ]
    priced = await queries.prices_of_legs(connection, asked)
    answers: dict[UUID, dict[str, str]] = {}
    if any(row.b_document or row.p_document for row in priced):
        answers = await queries.answers_of_calls(connection, [call.id for call, _ in ready])
    of_call: dict[UUID, list[LegFacts]] = {}
    earlier: dict[UUID, PaidCall] = {}
    for (call, record, leg), row in zip(legs, priced, strict=True):
        of_call.setdefault(call.id, []).append(_leg_facts(call, record, leg, row))
        if row.earlier_id is not None:
            earlier[call.id] = PaidCall(id=row.earlier_id, started_at=row.earlier_at)
    found = [
        CallFacts(
            call=call,
            record=record,
            legs=tuple(of_call[call.id]),
            answers=answers.get(call.id, {}),
            earlier=earlier.get(call.id),
        )
        for call, record in ready
    ]
    return await _with_first_time(connection, found)


def _leg_facts(call: LockedCall, record: CallRecord, leg: LegRecord | None, row: Any) -> LegFacts:
    prices = prices_of(row)
    return LegFacts(
        leg=leg,
        prices=prices,
        contracts=contracts_of(prices, call, instant(record.started_ms)),
        offer=offer_of(row.offer, promised=row.routed_on_promise) if leg else None,
    )


async def _with_first_time(connection: AsyncConnection, found: list[CallFacts]) -> list[CallFacts]:
    """Return the facts with whether the caller called the campaign before, where terms ask for that."""
    wanted = {
        one.call.id: (*one.caller, one.started_at)
        for one in found
        if one.caller is not None and any(FIRST_TIME in leg.contracts.facts for leg in one.legs)
    }
    if not wanted:
        return found
    before = await situation_queries.callers_known_before(
        connection, wanted, batch=[one.call.id for one in found]
    )
    return [
        replace(one, first_time=one.call.id not in before) if one.call.id in wanted else one for one in found
    ]


async def _tier_counts(connection: AsyncConnection, found: Sequence[CallFacts]) -> dict[TierCounter, int]:
    counters = {
        counter
        for one in found
        for leg in one.legs
        for counter in (
            *leg.contracts.buyer_counters,
            *leg.contracts.publisher_counters,
            *loss_counters(one, leg),
        )
        if leg.leg is not None
    }
    return await situation_queries.lock_tier_counts(connection, counters) if counters else {}


# --- writing -------------------------------------------------------------------------------------------------


async def _write(connection: AsyncConnection, judged: Sequence[JudgedCall]) -> list[Settlement]:
    raised = Counter[TierCounter]()
    for one in judged:
        raised.update(one.raised)
    if raised:
        await situation_queries.raise_tier_counts(connection, raised)
    rung = {one.call.id: _outcomes(one) for one in judged}
    counted = [(one.call.id, leg) for one in judged if one.call.counted for leg in rung[one.call.id]]
    if counted:
        await count_outcomes(connection, counted)
    made = await queries.write_batch(
        connection,
        calls=[_call_json(one) for one in judged],
        postings=[
            {"call_id": str(one.call.id), "account": each.account, "amount": each.amount_micros}
            for one in judged
            for each in one.postings
        ],
        legs=[_leg_json(one.call.id, leg) for one in judged for leg in one.record.legs],
        rung=[(leg.target_id, leg.converted) for legs in rung.values() for leg in legs if leg.connected],
    )
    held = [one.call.id for one in judged if one.call.held]
    if held:
        await release_holds_of(connection, held)
    return [
        Settlement(
            call_id=one.call.id,
            outcome=one.outcome,
            conversion=one.conversion,
            carrier_cost_micros=one.carrier_cost_micros,
            transaction_id=made[one.call.id],
        )
        for one in judged
    ]


def _outcomes(one: JudgedCall) -> list[LegOutcome]:
    """Return what the caps and the targets' own rates are counted by."""
    return [
        LegOutcome(
            attempt=leg.attempt,
            target_id=leg.target_id,
            connected=leg.answered_ms is not None,
            converted=leg is one.leg and one.conversion.converted,
            price_micros=one.conversion.price_micros if leg is one.leg and one.conversion.converted else 0,
            connected_ms=leg.connected_ms,
        )
        for leg in one.record.legs
        if leg.target_id is not None
    ]


def _call_json(one: JudgedCall) -> dict[str, Any]:
    call, record, leg, conversion = one.call, one.record, one.leg, one.conversion
    sold_to = one.prices.buyer_id
    return {
        "id": str(call.id),
        **_caller_json(record.caller, call.caller_index),
        "started_at": instant(record.started_ms).isoformat(),
        "ended_at": instant(record.ended_ms).isoformat(),
        "tracking_number_id": call.tracking_number_id,
        "campaign_id": call.campaign_id,
        "publisher_id": call.publisher_id,
        "outcome": one.outcome.value,
        "buyer_id": sold_to,
        # A target that was removed since has no buyer either.
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


def _caller_json(number: str | None, known: bytes | None) -> dict[str, str | None]:
    """Return the caller's columns, bytes as PostgreSQL reads them; sealed only where the call's row has another."""
    if number is None:
        return {"caller_sealed": None, "caller_index": None, "caller_area": None}
    index = key_ring().blind(CALLER, number)
    sealed = None if index == known else key_ring().seal_text(CALLER, number)
    return {
        "caller_sealed": None if sealed is None else f"\\x{sealed.hex()}",
        "caller_index": f"\\x{index.hex()}",
        "caller_area": area_of(number),
    }


def _leg_json(call_id: UUID, leg: LegRecord) -> dict[str, Any]:
    return {
        "call_id": str(call_id),
        "attempt": leg.attempt,
        "target_id": leg.target_id,
        "answered_ms": leg.answered_ms,
        "ended_ms": leg.ended_ms,
        "connected_ms": leg.connected_ms,
        "cause": leg.cause,
    }
