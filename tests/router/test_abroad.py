"""Numbers abroad: rung only where an admin lists them, and up to the ceilings, however many ask at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router.abroad_room import take_room_abroad
from router.domain.auction import AuctionResult, AuctionWanted, Bid, BidOutcome, PostAnswer, judged
from router.domain.decide import decide
from router.domain.decision import Decision, RejectionCode, RouteRequest
from router.replay import replay
from router.reservations import LegOutcome, count_outcomes, release_leases
from router.route_call import Router
from rules.dialling import LONGEST_TALK_SECONDS, Destination
from store.session import open_engine
from tests.router.auctions import NO_DATABASE
from tests.router.markets import TUESDAY_NOON, a_small_market, snapshot_of
from tests.router.stored import nobody_is_suppressed, scalar
from tests.router.test_caps_kept import auction_market, route, router_for

JAMAICA, OHIO = "+18765550142", "+16145550142"
LISTED = {
    "prefix": "+1876",
    "name": "Back office",
    "cost_per_minute_micros": 500_000,
    "target_minutes_per_day": 120,
    "target_micros_per_day": 100_000_000,
    "trunk_minutes_per_day": 180,
    "trunk_micros_per_day": 400_000_000,
}
MINUTES = "SELECT used / 60 FROM cap_counters WHERE key = 'target:1:abroad_seconds:day'"


@dataclass
class Bidders:
    """Bid 20 dollars, to be rung at `dial`, and say `at_post` when they are handed the call."""

    dial: str | None
    at_post: str | None = None
    targets: tuple[int, ...] = (1,)

    async def run(self, wanted: AuctionWanted, request: RouteRequest) -> AuctionResult:
        bids = tuple(
            judged(
                Bid(target_id=target, outcome=BidOutcome.ACCEPTED, bid_micros=20_000_000, dial=self.dial),
                wanted,
                TUESDAY_NOON,
            )
            for target in self.targets
        )
        return AuctionResult(stage_id=wanted.stage_id, bids=bids)

    async def post(self, bid: Bid, request: RouteRequest, *, stage_id: int = 0) -> PostAnswer:
        return PostAnswer(accepted=True, dial=self.at_post or bid.dial)


def market(*listed: dict[str, Any]) -> dict[str, Any]:
    document = auction_market()
    for target in document["targets"]:
        target["concurrency_cap"] = 100
    return {**document, "dial_destinations": list(listed)}


def own_number_market(uri: str, *listed: dict[str, Any]) -> dict[str, Any]:
    document = a_small_market(1)
    document["targets"][0] |= {"sip_uri": uri, "outbound_trunk_id": 3, "concurrency_cap": 100}
    return {**document, "dial_destinations": list(listed)}


async def settle(engine: AsyncEngine, call_id: str, connected_ms: int) -> None:
    leg = LegOutcome(
        attempt=1,
        target_id=1,
        connected=connected_ms > 0,
        converted=False,
        price_micros=0,
        connected_ms=connected_ms,
    )
    async with engine.begin() as connection:
        await count_outcomes(connection, [(UUID(call_id), leg)])
        await release_leases(connection, UUID(call_id))


@pytest.mark.parametrize("dial", [JAMAICA, f"sip:{JAMAICA}@carrier.example", "+442079460000", "+19005550142"])
async def test_a_bid_that_wants_the_call_abroad_is_invalid(engine: AsyncEngine, dial: str) -> None:
    routed = await route(router_for(engine, market(), Bidders(dial)))
    assert routed.decision.chosen is None
    (refused,) = [one for one in routed.decision.rejections if one.target_id == 1]
    assert refused.code is RejectionCode.INVALID_BID
    assert "Numbers abroad" in refused.detail


async def test_a_bid_of_an_older_market_is_refused_by_the_newer_rule(engine: AsyncEngine) -> None:
    """What was promised while the number was listed is judged again when the call comes."""
    snapshot = snapshot_of(market(LISTED))
    bidders = Bidders(JAMAICA)
    routed = await route(router_for(engine, market(LISTED), bidders))
    assert routed.decision.chosen is not None and routed.decision.chosen.dial == JAMAICA
    again = replay(routed.to_json(), snapshot)
    assert again.to_bytes() == routed.decision.to_bytes()
    made = {one.stage_id: one for one in routed.decision.auctions}
    newer = decide(snapshot_of(market()), routed.decision.request, routed.decision.counts, made)
    assert isinstance(newer, Decision) and newer.chosen is None


async def test_a_post_may_not_name_a_number_abroad_that_the_bid_did_not(engine: AsyncEngine) -> None:
    routed = await route(router_for(engine, market(LISTED), Bidders(OHIO, at_post=JAMAICA)))
    assert routed.decision.chosen is None
    (refused,) = [one for one in routed.decision.rejections if one.target_id == 1]
    assert (refused.code, refused.detail) == (
        RejectionCode.POST_REFUSED,
        f"dial: {JAMAICA} is abroad, which the bid has to name",
    )
    assert (
        await scalar(engine, "SELECT coalesce(sum(used), 0) FROM cap_counters WHERE key LIKE '%concurrency'")
        == 0
    )


async def test_a_listed_number_is_rung_until_the_minutes_of_the_target_are_taken(engine: AsyncEngine) -> None:
    router = router_for(engine, market(LISTED), Bidders(JAMAICA))
    first, second, third = [await route(router) for _ in range(3)]
    assert (first.leased, second.leased, third.leased) == (True, True, False)
    (refused,) = [one for one in third.decision.rejections if one.target_id == 1]
    assert (refused.code, refused.detail) == (
        RejectionCode.AT_CAP,
        "120 of 120 minutes abroad taken this day",
    )
    # A call gives back what it did not talk, by whichever settlement.
    await settle(engine, first.decision.request.call_id, 10 * 60_000)
    assert await scalar(engine, MINUTES) == 70
    await settle(engine, second.decision.request.call_id, 20 * 60_000)
    assert await scalar(engine, MINUTES) == 30
    dollars = "SELECT used FROM cap_counters WHERE key = 'trunk:outward:abroad_micros:day'"
    assert await scalar(engine, dollars) == 15_000_000
    assert (await route(router)).leased
    # The next day begins at nought.
    assert (await route(router, now=TUESDAY_NOON + timedelta(days=1))).leased


async def test_the_trunk_has_a_ceiling_of_its_own_whoever_it_rings_for(engine: AsyncEngine) -> None:
    routers = [
        router_for(engine, market(LISTED), Bidders(JAMAICA, targets=(target,))) for target in (1, 2, 1, 2)
    ]
    routed = [await route(router) for router in routers]
    assert [one.leased for one in routed] == [True, True, True, False]
    (refused,) = [one for one in routed[-1].decision.rejections if one.target_id == 2]
    assert refused.detail == "180 of 180 minutes abroad taken this day of the trunk"


async def test_race_of_20_calls_for_two_hours_abroad_is_two_calls(engine: AsyncEngine) -> None:
    routers = [router_for(engine, market(LISTED), Bidders(JAMAICA)) for _ in range(4)]
    routed = await asyncio.gather(*(route(routers[number % 4]) for number in range(20)))
    assert sum(one.leased and one.decision.chosen is not None for one in routed) == 2
    assert await scalar(engine, MINUTES) == 120


async def test_calls_at_home_know_no_such_ceiling(engine: AsyncEngine) -> None:
    router = router_for(engine, market({**LISTED, "target_minutes_per_day": 0}), Bidders(OHIO))
    assert all([(await route(router)).leased for _ in range(5)])
    assert await scalar(engine, "SELECT count(*) FROM cap_counters WHERE key LIKE '%abroad%'") == 0


async def test_without_a_database_nobody_abroad_is_rung(tmp_path: Path) -> None:
    engine = open_engine(NO_DATABASE, application_name="test")
    nobody_is_suppressed(tmp_path / "market.json")

    def away(dial: str) -> Router:
        router = router_for(engine, market(LISTED), Bidders(dial))
        router._database.last_known.keep_in(tmp_path / "market.json", tmp_path, 24)
        return router

    routed = await route(away(JAMAICA))
    assert not routed.leased and routed.decision.chosen is None
    (refused,) = [one for one in routed.decision.rejections if one.target_id == 1]
    assert refused.detail == "the minutes abroad cannot be counted now"
    assert (await route(away(OHIO))).decision.chosen is not None
    await engine.dispose()


async def test_a_targets_own_number_goes_by_the_same_rule(engine: AsyncEngine) -> None:
    uri = f"sip:{JAMAICA}@carrier.example"
    routed = await route(router_for(engine, own_number_market(uri)))
    (refused,) = routed.decision.rejections
    assert refused.code is RejectionCode.DISABLED and "Numbers abroad" in refused.detail
    router = router_for(engine, own_number_market(uri, LISTED))
    assert [(await route(router)).leased for _ in range(3)] == [True, True, False]
    assert (
        await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'trunk:3:abroad_seconds:day'") == 7200
    )
    assert (await route(router_for(engine, own_number_market(f"sip:{OHIO}@carrier.example")))).leased


async def test_a_transfer_abroad_takes_an_hour_of_the_trunk_once_a_call(engine: AsyncEngine) -> None:
    destination = Destination(**LISTED)
    call_id = uuid4()
    assert await take_room_abroad(engine, call_id, destination) == ""
    assert await take_room_abroad(engine, call_id, destination) == ""
    used = "SELECT used FROM cap_counters WHERE key = 'trunk:outward:abroad_seconds:day'"
    assert await scalar(engine, used) == LONGEST_TALK_SECONDS
    async with engine.begin() as connection:
        await release_leases(connection, call_id)
    assert await scalar(engine, used) == LONGEST_TALK_SECONDS, "what nobody settles stays counted"
    others = await asyncio.gather(*(take_room_abroad(engine, uuid4(), destination) for _ in range(8)))
    assert others.count("") == 2
    assert "180 of 180 minutes abroad taken this day of the trunk" in others
    small = replace(destination, trunk_minutes_per_day=10_000, trunk_micros_per_day=1)
    assert "abroad taken this day of the trunk" in await take_room_abroad(engine, uuid4(), small)
