"""A buyer that changes its price while callers answer questions ranks by the price it pays."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from billing.call_record import CallRecord, LegRecord, Witness
from billing.settle_call import settle_call
from router.domain.decision import RouteRequest
from router.route_call import Routed, Router
from store.call_id import call_id_of, started_at_of
from tests.router.markets import PATIENT_SECONDS
from tests.router.test_inbound_arrival import House, house
from tests.sealed import index_of
from tests.web.rtb.conftest import OHIO, a_caller

__all__ = ["house"]

DOLLAR = 1_000_000


async def set_price(house: House, desk: str, dollars: int, at: datetime) -> None:
    await house.change(
        "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, minimum_connected_ms, price_micros)"
        " SELECT buyer_id, :campaign, :at, 30000, :price FROM targets WHERE name = :desk",
        campaign=house.seeded.campaign_id,
        at=at,
        price=dollars * DOLLAR,
        desk=desk,
    )


async def route(house: House, linkedid: str, caller: str) -> Routed:
    router = Router(house.engine, house.snapshot, house.bidder, database_seconds=PATIENT_SECONDS)
    request = RouteRequest(
        call_id=str(call_id_of(linkedid)),
        campaign_id=house.seeded.campaign_id,
        publisher_id=house.seeded.publisher_id,
        caller=caller,
        tags=OHIO,
        now=datetime.now(UTC),
        started_at=started_at_of(linkedid),
    )
    return await router.route_call(request, attempt=1)


async def begin(house: House, linkedid: str, caller: str, started_at: datetime) -> None:
    await house.change(
        "INSERT INTO calls (id, linkedid, node, dialled, caller_index, started_at, state, tracking_number_id,"
        " campaign_id, publisher_id, tags) VALUES (:id, :linkedid, 'a', '', :caller, :at, 'live', :number, :campaign,"
        " :publisher, CAST(:tags AS jsonb))",
        id=call_id_of(linkedid),
        linkedid=linkedid,
        caller=index_of(caller),
        at=started_at,
        number=house.seeded.tracking_number_id,
        campaign=house.seeded.campaign_id,
        publisher=house.seeded.publisher_id,
        tags=json.dumps(OHIO),
    )


async def billed_micros(
    house: House, linkedid: str, caller: str, started_at: datetime, routed: Routed
) -> int | None:
    """Let whom the router chose talk for a minute; return what it pays."""
    chosen = routed.decision.chosen
    assert chosen is not None
    await house.change(
        "INSERT INTO decisions (call_id, sequence, decided_by, decided_at, duration_us, target_id, decision)"
        " VALUES (:id, 1, 'router', now(), 1, :target, CAST(:decision AS jsonb))",
        id=call_id_of(linkedid),
        target=chosen.target_id,
        decision=json.dumps(routed.decision.to_json()),
    )
    started_ms = round(started_at.timestamp() * 1000)
    answered_ms = started_ms + 20_000
    leg = LegRecord(
        attempt=1,
        target_id=chosen.target_id,
        answered_ms=answered_ms,
        ended_ms=answered_ms + 60_000,
        cause=16,
        witness=Witness.LEG,
    )
    record = CallRecord(
        linkedid=linkedid, started_ms=started_ms, ended_ms=leg.ended_ms, caller=caller, legs=(leg,)
    )
    async with house.engine.begin() as connection:
        return (await settle_call(connection, record)).conversion.price_micros


@pytest.mark.parametrize("changed_ms_before_the_start", [-30_000, -1_000, 0, 1_000])
async def test_who_ranks_by_a_price_pays_it(house: House, changed_ms_before_the_start: int) -> None:
    """Desk 1 pays $20, Desk 0 $50; Desk 1 asks $60 from a whole second on, and is back at $20 before the bill."""
    await house.change("UPDATE plan_stages SET method = 'best_value'")
    second = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
    started_at = second + timedelta(milliseconds=400)  # the record is exact, the linkedid names the second
    changed_at = second - timedelta(milliseconds=changed_ms_before_the_start)
    await set_price(house, "Desk 0", 50, second - timedelta(hours=1))
    await set_price(house, "Desk 1", 20, second - timedelta(hours=1))
    await set_price(house, "Desk 1", 60, changed_at)
    caller = a_caller()
    linkedid = f"a-{int(second.timestamp())}.{caller[-6:]}"
    await begin(house, linkedid, caller, started_at)
    routed = await route(house, linkedid, caller)
    await set_price(house, "Desk 1", 20, datetime.now(UTC))
    best, dollars = ("Desk 1", 60) if changed_at <= started_at else ("Desk 0", 50)
    assert routed.decision.chosen is not None
    assert routed.decision.chosen.target_id == house.seeded.target_ids[best]
    assert await billed_micros(house, linkedid, caller, started_at, routed) == dollars * DOLLAR
