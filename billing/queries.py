"""The SQL of settlement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.call_record import LegRecord
from billing.carrier_cost import NO_FEE, CarrierTerms, PlatformFee
from billing.read_terms import parse_terms
from billing.terms import BuyerTerms, PublisherTerms
from billing.terms_document import Party
from store.tables import (
    calls,
    campaigns,
    decisions,
    legs,
    pings,
    targets,
    tracking_numbers,
    trunks,
)

CHANNEL = "tollbridge_calls"


@dataclass(frozen=True, kw_only=True)
class LockedCall:
    """The call to settle, its row locked until the transaction ends."""

    id: UUID
    settled: bool
    tracking_number_id: int | None
    campaign_id: int | None
    publisher_id: int | None
    duplicate_window_seconds: int
    found_nobody: bool


# --- settlement ----------------------------------------------------------------------------------------------


async def lock_call(connection: AsyncConnection, call_id: UUID) -> LockedCall | None:
    """Lock the call's row and return what settlement needs of it; None when there is no such call."""
    last_target = (
        select(decisions.c.target_id.is_(None))
        .where(decisions.c.call_id == calls.c.id)
        .order_by(decisions.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            calls.c.id,
            (calls.c.state == "settled").label("settled"),
            calls.c.tracking_number_id,
            calls.c.campaign_id,
            calls.c.publisher_id,
            func.coalesce(campaigns.c.duplicate_window_seconds, 0).label("duplicate_window_seconds"),
            func.coalesce(last_target, False).label("found_nobody"),
        )
        .select_from(calls.outerjoin(campaigns))
        .where(calls.c.id == call_id)
        .with_for_update(of=calls)
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else LockedCall(**row)


async def number_called(connection: AsyncConnection, dialled: str) -> Any:
    """Return id, campaign_id and publisher_id of a tracking number: for calls that ended before our code saw them."""
    number = tracking_numbers.c
    query = select(number.id, number.campaign_id, number.publisher_id, campaigns.c.duplicate_window_seconds)
    query = query.select_from(tracking_numbers.join(campaigns)).where(number.e164 == dialled)
    return (await connection.execute(query)).first()


_PRICES = text(
    """
    SELECT t.buyer_id,
        b.id AS b_id, b.goes_live_at AS b_live, b.minimum_connected_ms, b.price_micros, b.document AS b_document,
        p.id AS p_id, p.goes_live_at AS p_live, p.payout_micros, p.document AS p_document,
        k.carrier_name, k.cost_per_minute_micros, k.cost_increment_seconds, k.cost_minimum_seconds,
        o.carrier_name AS o_name, o.outbound_cost_per_minute_micros AS o_cost,
        o.outbound_increment_seconds AS o_increment, o.outbound_minimum_seconds AS o_minimum,
        coalesce(u.prepaid, false) AS prepaid,
        coalesce(c.platform_fee_micros, 0) AS fee_micros, coalesce(c.platform_fee_ppm, 0) AS fee_ppm
    FROM (SELECT 1) AS one
    LEFT JOIN targets t ON t.id = :target_id
    LEFT JOIN buyers u ON u.id = t.buyer_id
    LEFT JOIN campaigns c ON c.id = :campaign_id
    LEFT JOIN trunks o ON o.id = t.outbound_trunk_id
    LEFT JOIN LATERAL (
        SELECT * FROM buyer_terms WHERE buyer_id = t.buyer_id AND campaign_id = :campaign_id
            AND goes_live_at <= :at ORDER BY goes_live_at DESC LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT * FROM publisher_terms WHERE publisher_id = :publisher_id AND campaign_id = :campaign_id
            AND goes_live_at <= :at ORDER BY goes_live_at DESC LIMIT 1
    ) p ON true
    LEFT JOIN trunks k ON k.name = :trunk_name
    """
).bindparams(
    bindparam("target_id", type_=BigInteger),
    bindparam("campaign_id", type_=BigInteger),
    bindparam("publisher_id", type_=BigInteger),
    bindparam("trunk_name", type_=Text),
    bindparam("at", type_=DateTime(timezone=True)),
)


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Who bought the call, and the newest terms that were live when it started; None where there are none."""

    buyer_id: int | None
    buyer_terms: BuyerTerms | None
    publisher_terms: PublisherTerms | None
    carrier_terms: CarrierTerms | None
    outbound_terms: CarrierTerms | None = None
    """Of the trunk over which the buyer was dialled."""
    prepaid: bool = False
    """The buyer pays from its wallet."""
    platform_fee: PlatformFee = NO_FEE


async def prices_at(
    connection: AsyncConnection,
    call: LockedCall,
    *,
    target_id: int | None,
    trunk_name: str | None,
    at: dt.datetime,
) -> Prices:
    """Return the terms in force at `at` (the rule is the same as terms.in_force).

    What was promised to the publisher for this very call goes before its terms.
    """
    promised = await _promised_payout(connection, call)
    values = {
        "target_id": target_id,
        "campaign_id": call.campaign_id,
        "publisher_id": call.publisher_id,
        "trunk_name": trunk_name,
        "at": at,
    }
    row = (await connection.execute(_PRICES, values)).one()
    return prices_of(row, promised)


def prices_of(row: Any, promised: PublisherTerms | None) -> Prices:
    """Return a row of the query of prices; what was promised goes before the publisher's terms."""
    return Prices(
        buyer_id=row.buyer_id,
        buyer_terms=row.b_id
        and BuyerTerms(
            id=row.b_id,
            goes_live_at=row.b_live,
            minimum_connected_ms=row.minimum_connected_ms,
            price_micros=row.price_micros,
            document=row.b_document and parse_terms(row.b_document, Party.BUYER),
        ),
        publisher_terms=promised
        or (
            row.p_id
            and PublisherTerms(
                id=row.p_id,
                goes_live_at=row.p_live,
                payout_micros=row.payout_micros,
                document=row.p_document and parse_terms(row.p_document, Party.PUBLISHER),
            )
        ),
        carrier_terms=row.carrier_name
        and CarrierTerms(
            carrier_name=row.carrier_name,
            cost_per_minute_micros=row.cost_per_minute_micros,
            increment_seconds=row.cost_increment_seconds,
            minimum_seconds=row.cost_minimum_seconds,
        ),
        outbound_terms=row.o_name
        and CarrierTerms(
            carrier_name=row.o_name,
            cost_per_minute_micros=row.o_cost,
            increment_seconds=row.o_increment,
            minimum_seconds=row.o_minimum,
        ),
        prepaid=row.prepaid,
        platform_fee=PlatformFee(fixed_micros=row.fee_micros, share_ppm=row.fee_ppm),
    )


async def outbound_terms(
    connection: AsyncConnection, target_ids: Sequence[int | None]
) -> dict[int, CarrierTerms]:
    """Return what the carriers take of calls to these targets, where they are dialled over a trunk."""
    query = (
        select(
            targets.c.id,
            trunks.c.carrier_name,
            trunks.c.outbound_cost_per_minute_micros,
            trunks.c.outbound_increment_seconds,
            trunks.c.outbound_minimum_seconds,
        )
        .join(trunks, trunks.c.id == targets.c.outbound_trunk_id)
        .where(targets.c.id.in_([one for one in target_ids if one is not None]))
    )
    return {
        row.id: CarrierTerms(
            carrier_name=row.carrier_name,
            cost_per_minute_micros=row.outbound_cost_per_minute_micros,
            increment_seconds=row.outbound_increment_seconds,
            minimum_seconds=row.outbound_minimum_seconds,
        )
        for row in await connection.execute(query)
    }


_PROMISED = text(
    "SELECT payout_micros, created_at FROM rtb_reservations WHERE call_id = :call_id AND state = 'used'"
)

async def _promised_payout(connection: AsyncConnection, call: LockedCall) -> PublisherTerms | None:
    """Return what the publisher was promised when it asked for a bid; None when the call came on none."""
    row = (await connection.execute(_PROMISED, {"call_id": call.id})).one_or_none()
    if row is None:
        return None
    return PublisherTerms(id=None, goes_live_at=row.created_at, payout_micros=row.payout_micros)


async def lock_caller(connection: AsyncConnection, campaign_id: int, caller: str) -> None:
    """Until this transaction ends, no other settles a call of this caller to this campaign."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"dup:{campaign_id}:{caller}"},
    )


async def converted_call_near(
    connection: AsyncConnection, *, campaign_id: int, caller: str, at: dt.datetime, window_seconds: int
) -> UUID | None:
    """Return a converted call of the same caller that started less than the window away from `at`."""
    window = dt.timedelta(seconds=window_seconds)
    query = (
        select(calls.c.id)
        .where(calls.c.campaign_id == campaign_id, calls.c.caller == caller, calls.c.converted)
        .where(calls.c.started_at > at - window, calls.c.started_at < at + window)
        .order_by(calls.c.started_at)
        .limit(1)
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def write_legs(connection: AsyncConnection, call_id: UUID, records: Sequence[LegRecord]) -> None:
    """Make the legs' rows say what the call is billed by; also those no LEG event told of."""
    for leg in records:
        said = {
            "target_id": select(targets.c.id).where(targets.c.id == leg.target_id).scalar_subquery(),
            "answered_ms": leg.answered_ms,
            "ended_ms": leg.ended_ms,
            "connected_ms": leg.connected_ms,
            "cause": leg.cause,
        }
        query = insert(legs).values(call_id=call_id, attempt=leg.attempt, **said)
        await connection.execute(
            query.on_conflict_do_update(index_elements=["call_id", "attempt"], set_=said)
        )


async def write_settlement(connection: AsyncConnection, call_id: UUID, said: dict[str, Any]) -> None:
    """Mark the call settled with its results, and tell listeners at commit."""
    query = update(calls).where(calls.c.id == call_id)
    query = query.values(state="settled", settled_at=func.now(), settle_after=None, **said)
    await connection.execute(query.returning(func.pg_notify(CHANNEL, str(call_id))))


async def calls_to_settle(
    connection: AsyncConnection, *, node: str, limit: int, unmatched_after: dt.timedelta
) -> Sequence[Any]:
    """Return id, linkedid and ended_at of the node's ended calls whose time has come, oldest first.

    A call that no journal line matched to a number waits `unmatched_after`: its line may be a moment late.
    """
    query = (
        select(calls.c.id, calls.c.linkedid, calls.c.ended_at)
        .where(calls.c.node == node, calls.c.state == "ended")
        .where(func.coalesce(calls.c.settle_after, func.now()) <= func.now())
        .where(calls.c.campaign_id.is_not(None) | (calls.c.ended_at < func.now() - unmatched_after))
        .order_by(calls.c.started_at)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def push_back(connection: AsyncConnection, call_id: UUID) -> int:
    """Try this call again later: after 2, 4, 8 … seconds, at most an hour. Return how often it failed."""
    failures = calls.c.settle_failures + 1
    seconds = func.least(func.power(2, func.least(failures, 12)), 3600)
    query = update(calls).where(calls.c.id == call_id, calls.c.state != "settled")
    query = query.values(
        settle_failures=failures, settle_after=func.now() + seconds * dt.timedelta(seconds=1)
    )
    made = await connection.execute(query.returning(calls.c.settle_failures))
    return int(made.scalar_one_or_none() or 0)


# --- what pings cost -----------------------------------------------------------------------------------------


async def pings_to_post(connection: AsyncConnection, *, before: dt.datetime, limit: int) -> Sequence[Any]:
    """Return id, target_id, cost_micros and known_call_id of pings whose cost is not posted, and lock them."""
    query = (
        select(pings.c.id, pings.c.target_id, pings.c.cost_micros, calls.c.id.label("known_call_id"))
        .select_from(pings.outerjoin(calls, calls.c.id == pings.c.call_id))
        .where(pings.c.cost_micros > 0, pings.c.cost_transaction_id.is_(None), pings.c.sent_at < before)
        .order_by(pings.c.id)
        .limit(limit)
        .with_for_update(of=pings, skip_locked=True)
    )
    return (await connection.execute(query)).all()


async def note_pings_posted(connection: AsyncConnection, ids: Sequence[int], transaction_id: int) -> None:
    """Say in which ledger transaction the cost of these pings is."""
    await connection.execute(
        update(pings).where(pings.c.id.in_(ids)).values(cost_transaction_id=transaction_id)
    )
