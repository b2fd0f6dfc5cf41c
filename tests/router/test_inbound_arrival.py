"""The call that comes on a reservation, the one that comes too late, and reservations on which none comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.expected_yield import expected_yield
from router.buyers.question import asked_as_of
from router.domain.auction import AuctionResult, AuctionWanted, Bid, BidOutcome, PostAnswer
from router.domain.decision import RouteRequest
from router.domain.inbound_bid import InboundBid, InboundPing, NoBid, PublisherKey
from router.inbound_arrival import (
    AskingPublishers,
    Claim,
    claim_reservation,
    expire_reservations,
    forget_reservations,
)
from router.inbound_bids import InboundBids
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from tests.router.markets import PATIENT_SECONDS
from tests.web.rtb.conftest import CAMPAIGN, OHIO, PUBLISHER, a_caller, a_market
from tollbridge.sample_market.market import SeededMarket
from tollbridge.sample_market.queries import seed_market
from web.rtb.publisher_keys import KeyWanted, add_key


class OneBidder:
    """Bids 99 dollars for every target it is asked for, and takes or refuses what it is handed."""

    def __init__(self, *, accepts: bool) -> None:
        self.accepts = accepts
        self.posted: list[Bid] = []
        self.asked_as: list[UUID] = []

    async def run(self, wanted: AuctionWanted, request: RouteRequest) -> AuctionResult:
        self.asked_as.append(asked_as_of(request, wanted.offers[0].target_id))
        return AuctionResult(
            stage_id=wanted.stage_id,
            bids=tuple(
                Bid(
                    target_id=offer.target_id,
                    outcome=BidOutcome.ACCEPTED,
                    bid_micros=99_000_000,
                    minimum_connected_ms=30_000,
                    reference="b-1",
                    arrived_us=1,
                )
                for offer in wanted.offers
            ),
        )

    async def post(self, bid: Bid, request: RouteRequest, *, stage_id: int = 0) -> PostAnswer:
        self.posted.append(bid)
        self.asked_as.append(asked_as_of(request, bid.target_id))
        return PostAnswer(accepted=self.accepts, dial="+13125550100" if self.accepts else None)


@dataclass(kw_only=True)
class House:
    """Who answers pings and who routes calls: two processes over one database."""

    engine: AsyncEngine
    snapshot: CurrentSnapshot
    seeded: SeededMarket
    key: PublisherKey
    bidder: OneBidder

    async def ping(self, caller: str, **changes: Any) -> InboundBid | NoBid:
        router = Router(
            self.engine, self.snapshot, self.bidder, hands_over=False, database_seconds=PATIENT_SECONDS
        )
        bids = InboundBids(self.engine, self.snapshot, router, network_name="here", yields=expected_yield)
        ping = replace(InboundPing(caller=caller, tags=OHIO), **changes)
        return await bids.ping(self.key, ping, holds_room=True, now=datetime.now(UTC))

    async def bid(self, caller: str, **changes: Any) -> InboundBid:
        found = await self.ping(caller, **changes)
        assert isinstance(found, InboundBid), found
        return found

    async def claim(self, call_id: UUID, caller: str) -> Claim | None:
        return await claim_reservation(
            self.engine,
            call_id,
            number_id=self.seeded.tracking_number_id,
            caller=caller,
            now=datetime.now(UTC),
        )

    async def route(self, call_id: UUID, caller: str, claim: Claim | None, **tags: str) -> Routed:
        router = Router(self.engine, self.snapshot, self.bidder, database_seconds=PATIENT_SECONDS)
        return await router.route_call(
            RouteRequest(
                call_id=str(call_id),
                campaign_id=self.seeded.campaign_id,
                publisher_id=self.seeded.publisher_id,
                caller=caller,
                tags={**OHIO, **tags},
                reserved=None if claim is None else claim.reserved,
                promised_payout_micros=None if claim is None else claim.payout_micros,
                now=datetime.now(UTC),
            ),
            attempt=1,
        )

    async def change(self, sql: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), values)
        for _ in range(100):
            await self.snapshot.refresh()
            if not self.snapshot.problem:
                return

    async def used(self, key: str) -> int:
        async with self.engine.connect() as connection:
            found = await connection.scalar(
                text("SELECT used FROM cap_counters WHERE key = :key"), {"key": key}
            )
        return int(found or 0)

    async def rooms(self, desk: int = 0) -> int:
        return await self.used(f"target:{self.seeded.target_ids[f'Desk {desk}']}:concurrency")

    async def expire(self, seconds: float, *, after: datetime | None = None) -> int:
        async with self.engine.begin() as connection:
            moment = (after or datetime.now(UTC)) + timedelta(seconds=seconds)
            return await expire_reservations(connection, moment)


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """Two desks with room for one call each; the publisher is bid 80 % of the revenue."""
    engine = open_engine(database_url, application_name="test", pool_size=10)
    seeded = await seed_market(engine, a_market(cap=1, desks=2))
    await add_key(
        engine,
        KeyWanted(publisher=PUBLISHER, campaign=CAMPAIGN, dialect="tollbridge", rate_per_minute=600),
    )
    snapshot = CurrentSnapshot(engine, tmp_path / "market.json")
    await snapshot.load()
    key = PublisherKey(
        id=1,
        publisher_id=seeded.publisher_id,
        campaign_id=seeded.campaign_id,
        dialect="tollbridge",
        rate_per_minute=600,
        share_ppm=800_000,
        reservation_seconds=60,
    )
    yield House(engine=engine, snapshot=snapshot, seeded=seeded, key=key, bidder=OneBidder(accepts=True))
    await engine.dispose()


async def test_the_call_takes_over_the_room_of_its_ping_and_goes_to_its_buyer(house: House) -> None:
    caller, call_id = a_caller(), uuid4()
    await house.change("UPDATE targets SET enabled = (name = 'Desk 1')")
    await house.bid(caller)
    await house.change("UPDATE targets SET enabled = true")
    claim = await house.claim(call_id, caller)
    assert claim is not None and claim.tags == OHIO
    routed = await house.route(call_id, caller, claim)
    chosen = routed.decision.chosen
    assert chosen is not None and routed.leased
    assert chosen.target_id == house.seeded.target_ids["Desk 1"], "though desk 0 comes first in the plan"
    assert (chosen.bid_micros, chosen.minimum_connected_ms) == (None, None), (
        "its contract holds: it did not bid"
    )
    assert (await house.rooms(0), await house.rooms(1)) == (0, 1)


async def test_a_reservation_is_for_one_call_and_asking_again_gives_the_same(house: House) -> None:
    caller, first, second = a_caller(), uuid4(), uuid4()
    await house.bid(caller)
    claims = await asyncio.gather(*(house.claim(call, caller) for call in (first, second)))
    assert sum(claim is not None for claim in claims) == 1
    winner = first if claims[0] else second
    assert await house.claim(winner, caller) == (claims[0] or claims[1])


async def test_a_call_of_another_caller_or_too_late_comes_on_no_reservation(house: House) -> None:
    caller = a_caller()
    await house.bid(caller)
    assert await house.claim(uuid4(), a_caller()) is None
    assert await house.claim(uuid4(), "") is None
    await house.change("UPDATE rtb_reservations SET expires_at = now()")
    assert await house.claim(uuid4(), caller) is None


async def test_a_reservation_on_which_no_call_comes_gives_everything_back(house: House) -> None:
    await house.change(
        "INSERT INTO caps (owner, owner_id, kind, period, at_most) VALUES ('campaign', :id, 'attempts', 'day', 5)",
        id=house.seeded.campaign_id,
    )
    before_bid = datetime.now(UTC)
    await house.bid(a_caller())
    async with house.engine.connect() as connection:
        keys = [row.counter_key for row in await connection.execute(text("SELECT counter_key FROM leases"))]
    assert len(keys) == 2
    assert [await house.used(key) for key in keys] == [1, 1]
    assert await house.expire(59, after=before_bid) == 0
    assert await house.expire(61) == 1
    assert [await house.used(key) for key in keys] == [0, 0], "nobody was rung: the attempt is no attempt"
    assert await house.expire(61) == 0


async def test_the_seconds_between_two_calls_do_not_keep_a_call_from_its_own_ping(house: House) -> None:
    await house.change(
        "INSERT INTO caps (owner, owner_id, kind, at_most)"
        " SELECT 'target', id, 'spacing', 600 FROM targets WHERE name = 'Desk 0'"
    )
    caller, call_id = a_caller(), uuid4()
    await house.bid(caller)
    routed = await house.route(call_id, caller, await house.claim(call_id, caller))
    assert routed.decision.chosen is not None
    assert routed.decision.chosen.target_id == house.seeded.target_ids["Desk 0"]


async def test_a_caller_who_lives_elsewhere_than_was_told_loses_the_promise_and_its_room(
    house: House,
) -> None:
    caller, call_id = a_caller(), uuid4()
    await house.bid(caller)
    claim = await house.claim(call_id, caller)
    routed = await house.route(call_id, caller, claim, state="CA")
    assert routed.decision.chosen is None, "nobody here is licensed in California"
    assert await house.rooms() == 0


async def test_who_bid_in_the_pings_auction_is_handed_the_call_when_it_comes(house: House) -> None:
    await house.change("UPDATE plan_stages SET method = 'ping_post'")
    caller, call_id = a_caller(), uuid4()
    bid = await house.bid(caller)
    assert (bid.payout_micros, bid.minimum_connected_ms) == (79_200_000, 30_000)
    assert house.bidder.posted == [], "the call may never come"
    routed = await house.route(call_id, caller, await house.claim(call_id, caller))
    assert [posted.reference for posted in house.bidder.posted] == ["b-1"]
    pinged, posted_as = house.bidder.asked_as
    assert pinged == posted_as, "the buyer finds its ping's id again in the post"
    assert routed.decision.chosen is not None
    assert (routed.decision.chosen.bid_micros, routed.decision.chosen.dial) == (99_000_000, "+13125550100")


async def test_who_will_not_have_the_call_any_more_costs_it_nothing_but_the_promise(house: House) -> None:
    caller, call_id = a_caller(), uuid4()
    await house.change("UPDATE plan_stages SET method = 'ping_post'")
    await house.bid(caller)
    await house.change("UPDATE plan_stages SET method = 'priority'")
    house.bidder.accepts = False
    routed = await house.route(call_id, caller, await house.claim(call_id, caller))
    assert len(house.bidder.posted) == 1
    assert routed.decision.chosen is not None and routed.decision.chosen.bid_micros is None
    assert await house.rooms(0) + await house.rooms(1) == 1


async def test_old_pings_that_came_to_nothing_are_forgotten(house: House) -> None:
    kept, gone = a_caller(), a_caller()
    await house.bid(kept)
    assert await house.claim(uuid4(), kept) is not None
    await house.bid(gone)
    await house.expire(61)
    async with house.engine.begin() as connection:
        assert await forget_reservations(connection, datetime.now(UTC) + timedelta(days=6)) == 0
        assert await forget_reservations(connection, datetime.now(UTC) + timedelta(days=8)) == 1


async def test_only_publishers_who_hold_a_key_are_looked_up(house: House) -> None:
    asking = AskingPublishers(house.engine)
    assert asking.may_have_asked(house.seeded.publisher_id)  # nobody knows yet
    await asking.refresh()
    assert asking.may_have_asked(house.seeded.publisher_id)
    assert not asking.may_have_asked(house.seeded.publisher_id + 1)
