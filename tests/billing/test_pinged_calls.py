"""A call that came on a publisher's ping and one that was dialled directly cost the buyer the same: its contract says.

What the publisher was promised is its own record. It is paid to the call that was routed on it, out of what the buyer
pays; more only where the campaign sells at a loss, and then no more in a day than it says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from billing.call_record import CallRecord, LegRecord, Witness
from billing.settle_call import Settlement, settle_call
from router.domain.inbound_bid import BidRefusal, InboundBid, NoBid
from router.inbound_arrival import Claim
from store.call_id import call_id_of
from tests.billing.contracts import contract
from tests.router.test_inbound_arrival import House, house
from tests.sealed import index_of
from tests.web.rtb.conftest import OHIO, a_caller

__all__ = ["house"]

DOLLAR = 1_000_000
VETERAN = {
    "name": "veteran",
    "price": "80.00",
    "minimum_connected_seconds": 120,
    "when": {"fact": "veteran", "=": True},
}
BASE = {"name": "base", "price": "45.00", "minimum_connected_seconds": 60}


@pytest_asyncio.fixture
async def market(house: House) -> AsyncIterator[House]:
    """Buyers who pay $80 for veterans from 120 s on and $45 for anybody from 60 s on; $20 to the publisher."""
    await agree(house, contract(rules=[VETERAN, BASE]))
    await house.change("UPDATE publisher_terms SET payout_micros = 20000000")
    yield house


async def agree(house: House, document: dict[str, Any]) -> None:
    """Make these the terms of every buyer; the router is told the first rule's price and minimum."""
    async with house.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, minimum_connected_ms, price_micros,"
                " document) SELECT buyer_id, campaign_id, now() - interval '1 hour' + count(*) * interval '1 minute',"
                " 120000, 80000000, CAST(:document AS jsonb) FROM buyer_terms GROUP BY buyer_id, campaign_id"
            ),
            {"document": json.dumps(document)},
        )
    await house.change("SELECT 1")


async def sold(
    house: House, caller: str, connected_ms: int, *, on: Claim | None, veteran: bool = False, target: int = 0
) -> Settlement:
    """Route the call, let the chosen buyer talk so long, and settle it."""
    linkedid = f"a-{caller}"
    call_id = call_id_of(linkedid)
    tags = {"veteran": "yes"} if veteran else {}
    routed = await house.route(call_id, caller, on, **tags)
    chosen = routed.decision.chosen
    assert chosen is not None
    now = datetime.now(UTC)
    async with house.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO calls (id, linkedid, node, dialled, caller_index, started_at, state, tracking_number_id,"
                " campaign_id, publisher_id, tags) VALUES (:id, :linkedid, 'a', '', :caller, :now, 'ended', :number,"
                " :campaign, :publisher, CAST(:tags AS jsonb))"
            ),
            {
                "id": call_id,
                "linkedid": linkedid,
                "caller": index_of(caller),
                "now": now,
                "number": house.seeded.tracking_number_id,
                "campaign": house.seeded.campaign_id,
                "publisher": house.seeded.publisher_id,
                "tags": json.dumps({**OHIO, **tags}),
            },
        )
        await connection.execute(
            text(
                "INSERT INTO decisions (call_id, sequence, decided_by, decided_at, duration_us, target_id, decision)"
                " VALUES (:id, 1, 'router', :now, 1, :target, CAST(:decision AS jsonb))"
            ),
            {
                "id": call_id,
                "now": now,
                "target": chosen.target_id,
                "decision": json.dumps(routed.decision.to_json()),
            },
        )
        started_ms = round(now.timestamp() * 1000)
        leg = LegRecord(
            attempt=1,
            target_id=target or chosen.target_id,
            answered_ms=started_ms,
            ended_ms=started_ms + connected_ms,
            cause=16,
            witness=Witness.LEG,
        )
        record = CallRecord(
            linkedid=linkedid, started_ms=started_ms, ended_ms=leg.ended_ms, caller=caller, legs=(leg,)
        )
        settled = await settle_call(connection, record)
    assert isinstance(settled, Settlement)
    return settled


async def by_ping(house: House, connected_ms: int, *, veteran: bool = False) -> Settlement:
    caller = a_caller()
    await house.bid(caller, tags={**OHIO, "veteran": "yes"} if veteran else OHIO)
    claim = await house.claim(call_id_of(f"a-{caller}"), caller)
    assert claim is not None
    return await sold(house, caller, connected_ms, on=claim, veteran=veteran)


def amounts(settled: Settlement) -> tuple[int, int]:
    """What the buyer pays and what the publisher earns, in dollars and cents."""
    found = settled.conversion
    assert found.price_micros % 10_000 == found.payout_micros % 10_000 == 0
    return found.price_micros // 10_000, found.payout_micros // 10_000


@pytest.mark.parametrize(
    ("veteran", "connected_ms", "price", "promised"),
    [
        (False, 59_999, 0, 0),
        (False, 90_000, 45_00, 36_00),
        (False, 130_000, 45_00, 36_00),
        (True, 119_999, 45_00, 20_00),
        (True, 130_000, 80_00, 64_00),
    ],
)
async def test_a_buyer_pays_by_its_contract_whether_the_call_came_by_ping_or_directly(
    market: House, veteran: bool, connected_ms: int, price: int, promised: int
) -> None:
    direct = await sold(market, a_caller(), connected_ms, on=None, veteran=veteran)
    assert amounts(direct) == (price, 20_00 if price else 0)
    pinged = await by_ping(market, connected_ms, veteran=veteran)
    assert amounts(pinged) == (price, promised)


async def test_a_ping_is_promised_what_the_contract_yields_on_the_facts_it_gave(market: House) -> None:
    stranger = await market.bid(a_caller())
    assert (stranger.payout_micros, stranger.minimum_connected_ms) == (36 * DOLLAR, 60_000)
    veteran = await market.bid(a_caller(), tags={**OHIO, "veteran": "yes"})
    assert (veteran.payout_micros, veteran.minimum_connected_ms) == (64 * DOLLAR, 120_000)


async def test_a_reservation_without_an_auction_holds_no_bid(market: House) -> None:
    caller = a_caller()
    await market.bid(caller)
    claim = await market.claim(call_id_of("a-1"), caller)
    assert claim is not None
    assert (claim.reserved.bid_micros, claim.reserved.minimum_connected_ms) == (None, None)
    assert (claim.payout_micros, claim.reserved.stage_id) == (36 * DOLLAR, None)


async def test_a_ping_that_no_rule_pays_for_gets_no_bid(market: House) -> None:
    await agree(market, contract(rules=[VETERAN]))
    refused = await market.ping(a_caller())
    assert isinstance(refused, NoBid) and refused.reason is BidRefusal.NO_BID
    assert await market.rooms(0) == await market.rooms(1) == 0


async def test_a_rule_that_asks_for_a_length_is_promised_from_that_length_on(market: House) -> None:
    long = {"name": "long", "price": "50.00", "when": {"fact": "connected_seconds", ">=": 75}}
    await agree(market, contract(rules=[long]))
    bid = await market.bid(a_caller())
    assert (bid.payout_micros, bid.minimum_connected_ms) == (40 * DOLLAR, 75_000)


async def test_what_we_know_ourselves_counts_at_the_ping(market: House) -> None:
    """Whether the caller is new, and how many calls of the month were paid for."""
    tiers = {
        "period": "month",
        "tiers": [{"from_call": 1, "price": "40.00"}, {"from_call": 2, "price": "30.00"}],
    }
    new = {"name": "new", "price": "60.00", "when": {"fact": "first_time", "=": True}}
    await agree(market, contract(rules=[new, {"name": "base", "price": tiers}]))
    known, stranger = a_caller(), a_caller()
    first = await sold(market, known, 90_000, on=None)
    assert first.conversion.price_micros == 60 * DOLLAR
    await market.change("UPDATE calls SET converted = false")
    assert (await market.bid(known)).payout_micros == 24 * DOLLAR, "80 % of the second call's price"
    assert (await market.bid(stranger)).payout_micros == 48 * DOLLAR


async def test_a_caller_who_was_sold_before_is_promised_nothing(market: House) -> None:
    caller = a_caller()
    assert (await sold(market, caller, 90_000, on=None)).conversion.converted
    refused = await market.ping(caller)
    assert isinstance(refused, NoBid) and refused.reason in (BidRefusal.NO_BID, BidRefusal.CALLER)


async def test_a_call_whose_claim_was_missed_earns_by_the_publishers_terms(market: House) -> None:
    """It paid the publisher $64 of $45."""
    caller = a_caller()
    await market.bid(caller, tags={**OHIO, "veteran": "yes"})
    assert amounts(await sold(market, caller, 130_000, on=None)) == (45_00, 20_00)


async def test_a_promise_the_call_was_not_routed_on_is_not_paid(market: House) -> None:
    """It was claimed, but the answer came too late for the router."""
    caller = a_caller()
    await market.bid(caller, tags={**OHIO, "veteran": "yes"})
    assert await market.claim(call_id_of(f"a-{caller}"), caller) is not None
    assert amounts(await sold(market, caller, 130_000, on=None)) == (45_00, 20_00)


async def test_a_leg_that_was_not_routed_on_the_promise_earns_by_the_terms(market: House) -> None:
    caller = a_caller()
    await market.bid(caller, tags={**OHIO, "veteran": "yes"})
    claim = await market.claim(call_id_of(f"a-{caller}"), caller)
    other = market.seeded.target_ids["Desk 1"]
    settled = await sold(market, caller, 130_000, on=claim, veteran=True, target=other)
    assert amounts(settled) == (80_00, 20_00)


async def test_a_caller_who_is_not_what_the_ping_said_earns_the_share_of_what_the_buyer_pays(
    market: House,
) -> None:
    """Promised $64 for a veteran; the caller is none, and the buyer pays $45: 80 % of that."""
    assert amounts(await told_wrongly(market)) == (45_00, 36_00)


async def told_wrongly(house: House, connected_ms: int = 130_000) -> Settlement:
    caller = a_caller()
    await house.bid(caller, tags={**OHIO, "veteran": "yes"})
    claim = await house.claim(call_id_of(f"a-{caller}"), caller)
    assert claim is not None
    return await sold(house, caller, connected_ms, on=replace(claim, tags=OHIO))


async def test_a_campaign_that_sells_at_a_loss_keeps_the_promise_up_to_its_daily_limit(market: House) -> None:
    await market.change("UPDATE campaigns SET sells_at_loss = true, daily_loss_micros = 50000000")
    first, second, third = [await told_wrongly(market) for _ in range(3)]
    # Each is promised $64 and bears $36: a loss of $28, then what is left of $50, then none.
    assert [amounts(one) for one in (first, second, third)] == [
        (45_00, 64_00),
        (45_00, 58_00),
        (45_00, 36_00),
    ]
    assert "$28.00 of it at our loss" in first.conversion.detail
    assert "lowered to $36.00" in third.conversion.detail
    told = third.conversion.to_json()["publisher"]
    assert (told["promised_micros"], told["loss_micros"], told["amount_micros"]) == (
        64 * DOLLAR,
        0,
        36 * DOLLAR,
    )


async def test_a_stages_margin_comes_before_the_promise(market: House) -> None:
    await market.change("UPDATE plan_stages SET margin_micros = 15000000")
    assert (await market.bid(a_caller())).payout_micros == 30 * DOLLAR
    assert amounts(await told_wrongly(market)) == (45_00, 30_00)


async def test_an_auctions_bid_is_what_the_buyer_pays(market: House) -> None:
    await market.change("UPDATE plan_stages SET method = 'ping_post'")
    caller = a_caller()
    bid = await market.bid(caller)
    assert isinstance(bid, InboundBid)
    assert (bid.payout_micros, bid.minimum_connected_ms) == (79_200_000, 30_000)
    claim = await market.claim(call_id_of(f"a-{caller}"), caller)
    assert claim is not None
    assert (claim.reserved.bid_micros, claim.reserved.minimum_connected_ms) == (99 * DOLLAR, 30_000)
    settled = await sold(market, caller, 31_000, on=claim)
    assert (settled.conversion.price_micros, settled.conversion.payout_micros) == (99 * DOLLAR, 79_200_000)
