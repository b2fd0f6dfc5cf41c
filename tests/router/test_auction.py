"""Auctions with real bidders on the loopback: whatever one of them does, the call goes on to the others."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from router.auction import now_in_utc
from router.buyers.addresses import AddressRules
from router.domain.auction import Bid, BidOutcome, ranked
from router.domain.breaker import LEAST_ASKED, WELL
from router.domain.decision import Reserved
from router.ping_queries import read_health
from store.tables import ping_endpoints
from tests.router.auctions import (
    LOOPBACK,
    an_endpoint,
    auction_between,
    bid_of,
    endpoints_at,
    outcomes,
    wanted_from,
)
from tests.router.bidders import SECRET, bidders
from tests.router.markets import CALL, a_request
from tests.router.stored import execute, scalar

REFUSED = BidOutcome.REFUSED
INVALID = BidOutcome.INVALID
LATE = BidOutcome.LATE


async def test_all_are_asked_at_once_and_the_auction_closes_when_all_have_answered() -> None:
    async with bidders() as there:
        urls = [
            there.url(f"/bid?amount={40 + number}.50&after_ms=150&seconds=90&expires=30")
            for number in range(5)
        ]
        async with auction_between(endpoints_at(urls)) as house:
            began = time.monotonic()
            result = await house.auction.run(wanted_from(range(1, 6), deadline_ms=2000), a_request())
            assert 0.15 <= time.monotonic() - began < 0.6  # one after another it would be 0.75
    assert [bid.bid_micros for bid in result.bids] == [40_500_000 + number * 1_000_000 for number in range(5)]
    assert outcomes(result) == [BidOutcome.ACCEPTED] * 5
    best = ranked(result.bids, CALL)[0]
    assert (best.target_id, best.minimum_connected_ms, best.reference) == (5, 90_000, "r-1")
    assert best.expires_at is not None and best.arrived_us is not None and best.arrived_us >= 150_000


BAD_ANSWERS = {
    "/garbage": (INVALID, "not JSON"),
    "/no-http": (INVALID, "not HTTP"),
    "/deep": (INVALID, "not JSON"),
    "/flood": (INVALID, "an answer of 104857600 bytes"),
    "/chunked-flood": (INVALID, "more than 65536 bytes"),
    "/headers": (INVALID, "not HTTP"),
    "/redirect": (INVALID, "a redirect (status 302)"),
    "/gzip": (INVALID, "compressed"),
    "/close": (INVALID, "closed without an answer"),
    "/unsigned": (INVALID, "no signature"),
    "/wrong-signature": (INVALID, "wrong signature"),
    "/status?code=503": (INVALID, "status 503"),
    "/bid?amount=-5": (INVALID, "a negative amount"),
    "/bid?amount=1e999999": (INVALID, "an absurd amount"),
    "/bid?amount=10000.01": (INVALID, "an absurd amount"),
    "/bid?amount=NaN": (INVALID, "not a number"),
    "/bid?amount=forty": (INVALID, "not a number"),
    "/bid?dial=%2B19005550100": (INVALID, "dial: the area code 900 is of none of the fifty states"),
    "/bid?dial=sip:x@10.0.0.1": (INVALID, "not a public address"),
    "/bid?dial=6145550199%2C500": (INVALID, "neither a telephone number"),
    "/bid?seconds=999999": (INVALID, "an absurd length of time"),
    "/bid?expires=-1": (INVALID, "over before it came"),
    "/bid?amount=0": (REFUSED, "a bid of nothing"),
    "/refuse": (REFUSED, "no_capacity: all lines busy"),
    "/hang": (LATE, "no whole answer in 1500 ms"),
    "/stall": (LATE, "no whole answer in 1500 ms"),
    "/drip": (LATE, "no whole answer in 1500 ms"),
    "/bid?after_ms=4000": (LATE, "no whole answer in 1500 ms"),
}


async def test_whatever_bidders_answer_is_their_own_refusal_and_the_good_bid_wins() -> None:
    async with bidders() as there:
        urls = [there.url(path) for path in BAD_ANSWERS] + [there.url("/bid?amount=33")]
        everybody = range(1, len(urls) + 1)
        async with auction_between(endpoints_at(urls)) as house:
            began = time.monotonic()
            result = await house.auction.run(wanted_from(everybody, deadline_ms=1500), a_request())
            assert time.monotonic() - began < 1.9
    for bid, (path, (outcome, detail)) in zip(result.bids, BAD_ANSWERS.items(), strict=False):
        assert (path, bid.outcome) == (path, outcome), bid
        assert detail in bid.detail, (path, bid.detail)
    assert [bid.target_id for bid in ranked(result.bids, CALL)] == [len(urls)]


async def test_a_late_answer_is_stored_and_never_used() -> None:
    async with bidders() as there:
        late = there.url("/bid?amount=99&after_ms=250")
        async with auction_between(endpoints_at([late, there.url("/bid?amount=10")])) as house:
            result = await house.auction.run(wanted_from([1, 2], deadline_ms=100), a_request())
            assert [(row["target_id"], row["outcome"]) for row in house.rows] == [(2, "accepted")]
            await asyncio.sleep(0.4)
            stored = house.rows[-1]
    assert bid_of(result, 1).bid_micros is None
    assert [bid.target_id for bid in ranked(result.bids, CALL)] == [2]
    assert (stored["target_id"], stored["outcome"], stored["bid_micros"]) == (1, "late", 99_000_000)
    assert stored["arrived_us"] >= 250_000
    assert stored["detail"].startswith("accepted after 2")


async def test_losers_never_see_the_caller_unless_the_contract_says_so() -> None:
    request = a_request(
        tags={"loan_type": "refinance", "state": "OH", "call_back": "(614) 555-0123", "hops": "house-b"}
    )
    async with bidders() as there:
        hidden, shown = there.url("/bid?who=hidden"), there.url("/bid?who=shown")
        endpoints = [an_endpoint(1, hidden), an_endpoint(2, shown, expose_caller=True)]
        async with auction_between(endpoints) as house:
            result = await house.auction.run(wanted_from([1, 2]), request)
            questions = {path[-6:].strip("="): question for path, question in there.asked}
            assert "caller" not in questions["hidden"]
            assert len(questions["hidden"]["caller_hash"]) == 64
            assert questions["hidden"]["answers"] == {"loan_type": "refinance"}
            assert questions["hidden"]["state"] == "OH"
            assert questions["hidden"]["hops"] == ["house-b", "house-a"]
            assert questions["shown"]["caller"] == "+16145550123"
            assert "6145550123" not in str([row["request"] for row in house.rows if row["target_id"] == 1])
            await house.auction.post(bid_of(result, 1), request)
            assert there.asked[-1][1]["caller"] == "+16145550123"


async def test_the_winner_may_name_the_place_or_refuse_at_the_post() -> None:
    async with bidders() as there:
        paths = [
            "/bid?dial=%2B16145550199",
            "/bid?post_dial=sip:desk@buyer.example",
            "/bid?refuse_post=1",
            "/bid",
        ]
        async with auction_between(endpoints_at([there.url(path) for path in paths])) as house:
            result = await house.auction.run(wanted_from([1, 2, 3, 4]), a_request())
            posts = [await house.auction.post(bid, a_request(), stage_id=7) for bid in result.bids]
            stored = [(row["kind"], row["outcome"], row["stage_id"]) for row in house.rows[-4:]]
    assert [(post.accepted, post.dial) for post in posts] == [
        (True, "+16145550199"),
        (True, "sip:desk@buyer.example"),
        (False, None),
        (True, None),
    ]
    assert posts[2].detail == "no_capacity"
    assert stored[2] == ("post", "post_refused", 7)


@pytest.mark.parametrize(
    "path", ["/garbage", "/hang", "/close", "/redirect", "/wrong-signature", "/status?code=500"]
)
async def test_a_post_without_a_clear_yes_is_a_refusal(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.auction.POST_DEADLINE_MS", 200)
    won = Bid(target_id=1, outcome=BidOutcome.ACCEPTED, bid_micros=45_000_000)
    async with bidders() as there, auction_between(endpoints_at([there.url(path)])) as house:
        assert not (await house.auction.post(won, a_request())).accepted
        assert len(there.asked) == 1  # never a second time


async def test_an_expired_bid_is_not_posted() -> None:
    won = Bid(target_id=1, outcome=BidOutcome.ACCEPTED, expires_at=now_in_utc() - timedelta(seconds=1))
    async with bidders() as there, auction_between(endpoints_at([there.url("/bid")])) as house:
        answer = await house.auction.post(won, a_request())
        assert (answer.accepted, answer.detail, there.asked) == (False, "its bid expired", [])


async def test_floor_and_margin_take_low_bids_out() -> None:
    async with bidders() as there:
        urls = [there.url(f"/bid?amount={amount}") for amount in ("19.99", "24.99", "25")]
        async with auction_between(endpoints_at(urls)) as house:
            wanted = wanted_from(
                [1, 2, 3], floor_micros=20_000_000, margin_micros=5_000_000, payout_micros=20_000_000
            )
            result = await house.auction.run(wanted, a_request())
    assert outcomes(result) == [BidOutcome.BELOW_FLOOR, BidOutcome.BELOW_FLOOR, BidOutcome.ACCEPTED]
    assert bid_of(result, 2).detail == "$24.99 is below $25.00"


async def test_a_bid_that_never_pays_loses_to_an_honest_one() -> None:
    async with bidders() as there:
        urls = [there.url("/bid?amount=10000&seconds=3600"), there.url("/bid?amount=45&seconds=60")]
        async with auction_between(endpoints_at(urls)) as house:
            result = await house.auction.run(wanted_from([1, 2]), a_request())
    assert ranked(result.bids, CALL)[0].target_id == 2
    assert outcomes(result) == [BidOutcome.INVALID, BidOutcome.ACCEPTED]
    assert bid_of(result, 1).detail == "a bid of $10,000.00 is above its ceiling of $1,000.00"


async def test_a_bid_without_a_minimum_is_held_to_its_buyers_terms() -> None:
    async with bidders() as there, auction_between(endpoints_at([there.url("/bid?amount=20")] * 2)) as house:
        wanted = wanted_from([1, 2], standing_minimums_ms={1: 60_000})
        result = await house.auction.run(wanted, a_request())
    assert [bid.ranked_micros for bid in result.bids] == [10_000_000, 20_000_000]


async def test_in_production_the_loopback_is_refused_and_so_is_plain_http() -> None:
    async with bidders() as there:
        by_http = an_endpoint(1, there.url("/bid"))
        by_https = an_endpoint(2, f"https://127.0.0.1:{there.port}/bid")
        by_name = an_endpoint(3, f"https://localhost:{there.port}/bid")
        async with auction_between([by_http, by_https, by_name], rules=AddressRules()) as house:
            result = await house.auction.run(wanted_from([1, 2, 3]), a_request())
        assert outcomes(result) == [BidOutcome.NO_ENDPOINT, BidOutcome.NO_ENDPOINT, BidOutcome.UNREACHABLE]
        assert "https" in bid_of(result, 1).detail
        assert "not a public address" in bid_of(result, 2).detail
        assert "not a public address" in bid_of(result, 3).detail
        assert there.counted == {}


async def test_targets_without_endpoint_or_switched_off_are_refused_and_nobody_answers_is_no_fault() -> None:
    async with bidders() as there:
        endpoints = [an_endpoint(1, there.url("/bid"), enabled=False), an_endpoint(2, "http://127.0.0.1:1/")]
        async with auction_between(endpoints) as house:
            result = await house.auction.run(wanted_from([1, 2, 3]), a_request())
    assert outcomes(result) == [BidOutcome.NO_ENDPOINT, BidOutcome.UNREACHABLE, BidOutcome.NO_ENDPOINT]
    assert bid_of(result, 1).detail == "switched off"
    assert bid_of(result, 2).detail.startswith("no connection")


async def test_a_call_that_comes_back_is_not_sold_on() -> None:
    async with bidders() as there, auction_between(endpoints_at([there.url("/bid")])) as house:
        for hops in (("house-b", "house-a"), ("b", "c", "d", "e")):
            result = await house.auction.run(wanted_from([1]), a_request(hops=hops))
            assert outcomes(result) == [BidOutcome.LOOP]
        assert there.asked == []


async def test_a_kept_connection_that_was_closed_costs_no_bid() -> None:
    async with bidders() as there, auction_between(endpoints_at([there.url("/bid")])) as house:
        for _ in range(3):
            assert outcomes(await house.auction.run(wanted_from([1]), a_request())) == [BidOutcome.ACCEPTED]
        assert there.counted["connections"] == 1


async def test_a_caller_who_hangs_up_leaves_the_questions_stored() -> None:
    async with bidders() as there, auction_between(endpoints_at([there.url("/bid?after_ms=150")])) as house:
        auction = asyncio.create_task(house.auction.run(wanted_from([1], deadline_ms=2000), a_request()))
        await asyncio.sleep(0.05)
        auction.cancel()
        with pytest.raises(asyncio.CancelledError):
            await auction
        await asyncio.sleep(0.25)
        assert [(row["outcome"], row["bid_micros"]) for row in house.rows] == [("late", 45_000_000)]


async def test_a_bidder_that_hangs_is_rested_and_comes_back_by_one_good_probe() -> None:
    moment = [now_in_utc()]
    async with bidders() as there:
        hanging, well = endpoints_at([there.url("/hang"), there.url("/bid")])
        async with auction_between([hanging, well], clock=lambda: moment[0]) as house:
            for _ in range(LEAST_ASKED):
                await house.auction.run(wanted_from([1, 2], deadline_ms=50), a_request())
            rested = await house.auction.run(wanted_from([1, 2], deadline_ms=50), a_request())
            assert outcomes(rested) == [BidOutcome.RESTED, BidOutcome.ACCEPTED]
            moment[0] += timedelta(seconds=31)
            house.bidders.current = type(house.bidders.current)(
                usable={
                    1: type(house.bidders.current.usable[1])(
                        endpoint=an_endpoint(1, there.url("/bid?after_ms=30")),
                        dialect=house.bidders.current.usable[1].dialect,
                        ceilings=house.bidders.current.usable[1].ceilings,
                    )
                },
                unusable={},
            )
            two = await asyncio.gather(
                *(house.auction.run(wanted_from([1], deadline_ms=200), a_request()) for _ in range(2))
            )
            assert sorted(outcomes(one)[0] for one in two) == [BidOutcome.ACCEPTED, BidOutcome.RESTED]
            assert house.gate.health(1).rested_until_ms is None


async def store_endpoint(engine: AsyncEngine, target_id: int, url: str, budget: int | None = None) -> None:
    await execute(engine, "INSERT INTO buyers (name) VALUES (:name)", name=f"buyer {target_id}")
    await execute(
        engine,
        "INSERT INTO targets (id, buyer_id, name, sip_uri, loan_types, schedule) OVERRIDING SYSTEM VALUE"
        " SELECT :target, max(id), 'desk', 'sip:d@127.0.0.1', '{refinance}', '{}' FROM buyers",
        target=target_id,
    )
    endpoint = {"target_id": target_id, "dialect": "tollbridge", "url": url, "secret": SECRET}
    async with engine.begin() as connection:
        await connection.execute(
            insert(ping_endpoints).values(**endpoint, budget_per_minute=budget, cost_micros=2000)
        )


async def test_a_budget_holds_over_all_nodes_and_pings_are_stored_with_their_cost(
    engine: AsyncEngine,
) -> None:
    moment = now_in_utc()
    async with bidders() as there:
        await store_endpoint(engine, 1, there.url("/bid"), budget=5)
        async with (
            auction_between([], engine=engine, clock=lambda: moment) as here,
            auction_between([], engine=engine, clock=lambda: moment) as elsewhere,
        ):
            for node in (here, elsewhere):
                await node.bidders.refresh()
            results = await asyncio.gather(
                *(
                    node.auction.run(wanted_from([1], deadline_ms=2000), a_request())
                    for node in (here, elsewhere)
                    for _ in range(6)
                )
            )
        found = sorted(outcomes(result)[0] for result in results)
        assert found == ["accepted"] * 5 + ["budget"] * 7
        assert len(there.asked) == 5
    assert await scalar(engine, "SELECT count(*) FROM pings WHERE outcome = 'accepted'") == 5
    assert await scalar(engine, "SELECT sum(cost_micros) FROM pings") == 10_000
    request, answer = await scalar(engine, "SELECT array[request, answer] FROM pings LIMIT 1")
    assert '"caller_hash":"***"' in request, "a secret is guessed by it, a number at a time"
    assert "6145550123" not in request
    assert '"amount": "45.00"' in answer


async def test_a_bidder_rested_by_one_node_is_rested_by_the_next(engine: AsyncEngine) -> None:
    async with bidders() as there:
        await store_endpoint(engine, 1, there.url("/bid"))
        async with (
            auction_between([], engine=engine) as here,
            auction_between([], engine=engine) as elsewhere,
        ):
            for node in (here, elsewhere):
                await node.bidders.refresh()
            for _ in range(LEAST_ASKED):
                here.gate.note(1, now_in_utc(), failed=True, probe=False)
            await here.gate.exchange_health()
            await elsewhere.gate.exchange_health()
            assert outcomes(await elsewhere.auction.run(wanted_from([1]), a_request())) == [BidOutcome.RESTED]
            assert elsewhere.gate.health(2) == WELL
        async with engine.connect() as connection:
            assert (await read_health(connection))[1].rests == 1


async def test_without_a_database_the_budget_is_counted_here() -> None:
    async with bidders() as there:
        endpoint = an_endpoint(1, there.url("/bid"), budget_per_minute=2)
        async with auction_between([endpoint]) as house:
            found = [outcomes(await house.auction.run(wanted_from([1]), a_request()))[0] for _ in range(3)]
    assert found == [BidOutcome.ACCEPTED, BidOutcome.ACCEPTED, BidOutcome.BUDGET]


async def test_a_name_that_turns_inwards_is_refused_when_it_does() -> None:
    """DNS rebinding: what a name resolved to once says nothing about the next time."""
    answers = ["127.0.0.1", "169.254.169.254"]

    async def resolve(host: str, port: int) -> list[str]:
        return [answers[0] if len(answers) == 1 else answers.pop(0)]

    async with bidders() as there:
        endpoints = [an_endpoint(number, there.url("/bid", host=f"{number}.example")) for number in (1, 2)]
        async with auction_between(endpoints, rules=LOOPBACK, resolve=resolve) as house:
            first = await house.auction.run(wanted_from([1]), a_request())
            pinned = await house.auction.run(wanted_from([1]), a_request())
            turned = await house.auction.run(wanted_from([2]), a_request())
    assert outcomes(first) == outcomes(pinned) == [BidOutcome.ACCEPTED]
    assert outcomes(turned) == [BidOutcome.UNREACHABLE]
    assert bid_of(turned, 2).detail == "169.254.169.254 is not a public address"


async def test_who_bid_on_a_publishers_ping_finds_its_ping_id_in_the_post_of_the_call() -> None:
    ping, call = a_request(call_id=str(uuid4())), a_request(call_id=str(uuid4()))
    async with (
        bidders() as there,
        auction_between(endpoints_at([there.url("/bid"), there.url("/bid")])) as house,
    ):
        result = await house.auction.run(wanted_from([1, 2]), ping)
        reserved = Reserved(
            target_id=1, bid_micros=45_000_000, minimum_connected_ms=0, stage_id=7, asked_as=ping.call_id
        )
        for bid in result.bids:
            await house.auction.post(bid, replace(call, reserved=reserved), stage_id=7)
        first, other, posted, posted_to_other = [question["ping_id"] for _, question in there.asked]
        assert posted in (first, other) and posted_to_other not in (first, other)
        assert house.rows[-1]["stage_id"] == 7


async def test_a_database_that_freezes_does_not_hold_the_auction_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def frozen(*_: object, **__: object) -> set[int]:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            await asyncio.sleep(1)  # giving up takes long as well
        return set()

    monkeypatch.setattr("router.ping_gate.PingGate._counted", frozen)
    monkeypatch.setattr("router.ping_gate.BUDGET_TIMEOUT_SECONDS", 0.05)
    async with bidders() as there:
        endpoint = an_endpoint(1, there.url("/bid"), budget_per_minute=1)
        async with auction_between([endpoint, an_endpoint(2, there.url("/hang"))]) as house:
            began = time.monotonic()
            result = await house.auction.run(wanted_from([1, 2], deadline_ms=200), a_request())
            assert time.monotonic() - began < 0.6
    assert outcomes(result) == [BidOutcome.ACCEPTED, LATE]
