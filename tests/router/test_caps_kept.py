"""Caps of every kind, turns and auctions through the router and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.auction import AuctionResult, AuctionWanted, Bid, BidOutcome, PostAnswer
from router.domain.decision import RejectionCode, RouteRequest
from router.domain.market import Snapshot
from router.posting import Bidding
from router.replay import replay
from router.reservations import LegOutcome, count_outcomes, release_leases
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from tests.bench.router_races import KINDS, OWNERS, PRICE_MICROS, capped_market, turn_market
from tests.router.markets import PATIENT_SECONDS, a_request, a_small_market, snapshot_of
from tests.router.stored import scalar


@dataclass(frozen=True)
class Fixed:
    current: Snapshot


def router_for(engine: AsyncEngine, document: dict[str, Any], bidding: Bidding | None = None) -> Router:
    return Router(
        engine,
        cast("CurrentSnapshot", Fixed(snapshot_of(document))),
        bidding,
        database_seconds=PATIENT_SECONDS,
    )


async def route(router: Router, **changes: Any) -> Routed:
    return await router.route_call(a_request(call_id=str(uuid4()), publisher_id=1, **changes), 1)


def refusals(routed: Routed) -> set[RejectionCode]:
    return {rejection.code for rejection in routed.decision.rejections}


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(("kind", "period"), KINDS)
async def test_ten_get_in_and_no_more(engine: AsyncEngine, owner: str, kind: str, period: str | None) -> None:
    router = router_for(engine, capped_market(owner, kind, period))
    routed = [await route(router) for _ in range(12)]
    assert [one.leased for one in routed] == [True] * 10 + [False] * 2
    assert refusals(routed[-1]) == {RejectionCode.GROUP_AT_CAP if owner == "group" else RejectionCode.AT_CAP}


async def test_an_attempt_cap_starts_anew_with_the_hour(engine: AsyncEngine) -> None:
    router = router_for(engine, capped_market("target", "attempts", "hour"))
    request = a_request()
    assert all([(await route(router)).leased for _ in range(10)])
    assert not (await route(router)).leased
    assert (await route(router, now=request.now + timedelta(hours=1))).leased


async def test_a_call_that_did_not_convert_gives_its_place_back(engine: AsyncEngine) -> None:
    router = router_for(engine, capped_market("buyer", "conversions", "day"))
    routed = [await route(router) for _ in range(10)]
    for number, one in enumerate(routed):
        call_id = UUID(one.decision.request.call_id)
        leg = LegOutcome(attempt=1, target_id=1, connected=True, converted=number < 7, price_micros=0)
        async with engine.begin() as connection:
            await count_outcomes(connection, [(call_id, leg)])
            await release_leases(connection, call_id)
    assert await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'buyer:1:conversions:day'") == 7
    assert await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'target:1:concurrency'") == 0
    assert sum([(await route(router)).leased for _ in range(4)]) == 3


async def test_revenue_is_counted_by_what_was_owed(engine: AsyncEngine) -> None:
    router = router_for(engine, capped_market("publisher", "revenue", "month"))
    first = await route(router)
    call_id = UUID(first.decision.request.call_id)
    leg = LegOutcome(attempt=1, target_id=1, connected=True, converted=True, price_micros=5_000_000)
    async with engine.begin() as connection:
        await count_outcomes(connection, [(call_id, leg)])
        await release_leases(connection, call_id)
    used = "SELECT used FROM cap_counters WHERE key = 'publisher:1:revenue:month'"
    assert await scalar(engine, used) == 5_000_000
    assert PRICE_MICROS * 9 < 10 * PRICE_MICROS - 5_000_000


async def test_calls_keep_their_distance(engine: AsyncEngine) -> None:
    router = router_for(engine, capped_market("target", "spacing", None))
    now = a_request().now
    assert (await route(router, now=now)).leased
    early = await route(router, now=now + timedelta(seconds=4))
    assert refusals(early) == {RejectionCode.TOO_SOON}
    assert (await route(router, now=now + timedelta(seconds=11))).leased


async def test_turns_are_strict_however_many_take_them(engine: AsyncEngine) -> None:
    routers = [router_for(engine, turn_market()) for _ in range(3)]
    routed = await asyncio.gather(*(route(routers[number % 3]) for number in range(28)))
    in_time = [one.decision.chosen.target_id for one in routed if one.leased and one.decision.chosen]
    shares = {target: in_time.count(target) for target in range(1, 8)}
    assert max(shares.values()) - min(shares.values()) <= 1


async def test_weights_are_kept_exactly(engine: AsyncEngine) -> None:
    document = a_small_market(3)
    for target in document["targets"]:
        target["concurrency_cap"] = 100
    document["campaigns"][0]["stages"][0] |= {
        "method": "weighted",
        "id": 9,
        "entries": [[1, 1, 3], [2, 1, 2], [3, 1, 1]],
    }
    router = router_for(engine, document)
    got = [(await route(router)).decision.chosen for _ in range(24)]
    assert [sum(one is not None and one.target_id == target for one in got) for target in (1, 2, 3)] == [
        12,
        8,
        4,
    ]


@dataclass
class Bidders:
    """Bid what they are told to; the first `refusing` posts are refused."""

    amounts: dict[int, int]
    refusing: int = 0
    asked: list[int] = field(default_factory=list)

    async def run(self, wanted: AuctionWanted, request: RouteRequest) -> AuctionResult:
        self.asked.append(wanted.stage_id)
        bids = tuple(
            Bid(target_id=target, outcome=BidOutcome.ACCEPTED, bid_micros=amount, arrived_us=40_000)
            for target, amount in self.amounts.items()
        )
        return AuctionResult(stage_id=wanted.stage_id, bids=bids)

    async def post(self, bid: Bid, request: RouteRequest, *, stage_id: int = 0) -> PostAnswer:
        self.refusing -= 1
        return PostAnswer(accepted=self.refusing < 0, dial="+18005550777", detail="no agent")


def auction_market() -> dict[str, Any]:
    document = a_small_market(3)
    document["campaigns"][0]["stages"][0] |= {"method": "ping_post", "id": 4}
    return document


async def test_the_highest_bid_gets_the_call(engine: AsyncEngine) -> None:
    bidders = Bidders(amounts={1: 20_000_000, 2: 30_000_000, 3: 10_000_000})
    document = auction_market()
    routed = await route(router_for(engine, document, bidders))
    chosen = routed.decision.chosen
    assert chosen is not None
    assert (chosen.target_id, chosen.bid_micros, chosen.dial) == (2, 30_000_000, "+18005550777")
    assert refusals(routed) == {RejectionCode.LOWER_BID}
    assert set(routed.phases_us) == {"read", "decide", "lease", "auction", "post"}
    again = replay(routed.to_json(), snapshot_of(document))
    assert again.to_bytes() == routed.decision.to_bytes()


async def test_a_bidder_that_will_not_have_it_makes_room_for_the_next(engine: AsyncEngine) -> None:
    bidders = Bidders(amounts={1: 20_000_000, 2: 30_000_000, 3: 10_000_000}, refusing=1)
    routed = await route(router_for(engine, auction_market(), bidders))
    assert routed.decision.chosen is not None
    assert routed.decision.chosen.target_id == 1
    assert refusals(routed) == {RejectionCode.POST_REFUSED, RejectionCode.LOWER_BID}
    assert bidders.asked == [4]
    assert await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'target:2:concurrency'") == 0


async def test_the_next_attempt_goes_by_the_same_bids(engine: AsyncEngine) -> None:
    bidders = Bidders(amounts={1: 20_000_000, 2: 30_000_000})
    router = router_for(engine, auction_market(), bidders)
    request = a_request()
    await router.route_call(request, 1)
    second = await router.route_call(replace(request, tried=(2,)), 2)
    assert second.decision.chosen is not None
    assert second.decision.chosen.target_id == 1
    assert bidders.asked == [4]
