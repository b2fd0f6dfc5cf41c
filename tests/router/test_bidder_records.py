"""What bidders do with the calls they win is counted in PostgreSQL, and held against them by every auction."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router.bidder_record_queries import read_records
from router.bidder_records import count_records
from router.domain.auction import Bid, BidOutcome, ranked
from router.domain.bidder_record import Record
from router.domain.worth import worth_of
from tests.router.auctions import an_endpoint, auction_between, bid_of, endpoints_at, outcomes, wanted_from
from tests.router.bidders import bidders
from tests.router.markets import CALL, a_campaign, a_licence, a_market, a_request, a_target
from tests.router.stored import execute, store_market

DOLLAR = 1_000_000
NOW = datetime.now(UTC)


@pytest.fixture
async def two_bidders(engine: AsyncEngine) -> AsyncEngine:
    """Targets 1 and 2 with endpoints, target 3 without."""
    ids = (1, 2, 3)
    campaign = a_campaign([[(target, 1) for target in ids]])
    await store_market(
        engine, a_market([a_target(one) for one in ids], [a_licence(one) for one in ids], campaign)
    )
    for target in (1, 2):
        await execute(
            engine,
            "INSERT INTO ping_endpoints (target_id, dialect, url) VALUES (:target, 'tollbridge', 'https://x.example')",
            target=target,
        )
    return engine


async def a_win(
    engine: AsyncEngine,
    target: int,
    *,
    outcome: str = "accepted",
    seconds: int | None = None,
    paid: int | None = None,
    worth: int = 20,
    verdict: str = "too_short",
    state: str = "settled",
    sold_to: int | None = None,
    rang: int | None = None,
    abandoned: bool = False,
    at: datetime = NOW - timedelta(hours=1),
    call: UUID | None = None,
) -> UUID:
    """Target 1 won a call by a bid; `seconds`: it lasted there, `paid`: what the buyer paid for it, in dollars.

    `rang`: its telephone did for so many seconds, and it did not take the call; `abandoned`: the caller hung up then.
    """
    call = call or uuid4()
    conversion = {"verdict": verdict if paid is None else "converted", "price_micros": (paid or 0) * DOLLAR}
    await execute(
        engine,
        "INSERT INTO calls"
        " (id, node, linkedid, started_at, state, target_id, connected_ms, converted, conversion, outcome)"
        " VALUES (:id, 'n', :linkedid, :at, :state, :target, :ms, :converted, :conversion, :outcome)"
        " ON CONFLICT DO NOTHING",
        id=call,
        linkedid=str(call),
        at=at,
        state=state,
        target=target if seconds is not None else sold_to,
        ms=None if seconds is None else seconds * 1000,
        converted=paid is not None,
        conversion=json.dumps(conversion),
        outcome="abandoned" if abandoned else None,
    )
    await execute(
        engine,
        "INSERT INTO pings (call_id, stage_id, target_id, kind, outcome, bid_micros, worth_micros, sent_at)"
        " VALUES (:call, 1, :target, 'post', :outcome, 45000000, :worth, :at)",
        call=call,
        target=target,
        outcome=outcome,
        worth=worth * DOLLAR,
        at=at,
    )
    if rang is not None:
        await execute(
            engine,
            "INSERT INTO legs (call_id, attempt, target_id, ended_ms)"
            " SELECT :call, count(*) + 1, :target, :ended FROM legs WHERE call_id = :call",
            call=call,
            target=target,
            ended=int(at.timestamp() * 1000) + 1 + rang * 1000,
        )
    return call


async def counted(engine: AsyncEngine, target: int = 1, now: datetime = NOW) -> Record:
    async with engine.begin() as connection:
        await count_records(connection, now)
    async with engine.connect() as connection:
        return (await read_records(connection))[target][0]


async def test_how_long_a_targets_newest_calls_lasted(two_bidders: AsyncEngine) -> None:
    for seconds in (5, 60, 61, 3600):
        await a_win(two_bidders, 1, seconds=seconds)
    await a_win(two_bidders, 2, seconds=100)
    await a_win(two_bidders, 1)  # handed over, and nobody answered
    beside = await a_win(two_bidders, 2, seconds=100)
    await a_win(two_bidders, 1, call=beside, rang=4)  # the other one was quicker
    await a_win(two_bidders, 1, outcome="post_refused")
    lasted = (await counted(two_bidders)).lasted
    #  all, connected, 10 20 30 45 60 75 90 ...
    assert lasted[:9] == (5, 4, 3, 3, 3, 3, 3, 1, 1) and lasted[-1] == 1 and len(lasted) == 18


async def test_what_wins_came_to(two_bidders: AsyncEngine) -> None:
    engine = two_bidders
    await a_win(engine, 1, seconds=90, paid=45)
    await a_win(engine, 1, seconds=59)
    await a_win(engine, 1, outcome="post_refused")
    await a_win(engine, 1, outcome="late", state="in_progress")
    await a_win(engine, 1)  # taken, and nobody answered
    await a_win(engine, 1, seconds=90, verdict="duplicate")  # nobody pays for it
    await a_win(engine, 1, state="in_progress")  # nobody knows yet
    await a_win(engine, 1, seconds=90, paid=45, at=NOW - timedelta(hours=25))  # too long ago
    beside = await a_win(engine, 2, seconds=90, paid=45)
    await a_win(engine, 1, sold_to=2, call=beside)  # the other one was quicker
    wins = (await counted(engine)).wins
    assert (wins.won, wins.refused, wins.unpaid) == (5, 3, 1)
    assert (wins.worth_micros, wins.paid_micros) == (5 * 20 * DOLLAR, 45 * DOLLAR)
    assert (await counted(engine, 2)).wins.paid_micros == 45 * DOLLAR


async def test_who_pays_for_nothing_it_wins_is_not_asked_and_everybody_sees_why(
    two_bidders: AsyncEngine,
) -> None:
    for _ in range(20):
        await a_win(two_bidders, 1, seconds=59)
    record = await counted(two_bidders)
    assert record.rested_until == NOW + timedelta(hours=1)
    # A second count at the same time, on another node, rests it no longer.
    assert await counted(two_bidders) == record
    async with bidders() as there:
        endpoints = endpoints_at([there.url("/bid?amount=900"), there.url("/bid?amount=45")])
        async with auction_between(endpoints, engine=two_bidders) as house:
            await house.records.refresh()
            result = await house.auction.run(wanted_from([1, 2]), a_request())
    assert outcomes(result) == [BidOutcome.RESTED, BidOutcome.ACCEPTED]
    detail = bid_of(result, 1).detail
    assert detail.startswith(
        f"rests until {record.rested_until:%Y-%m-%d %H:%M} UTC: it paid $0.00 for 20 calls"
    ), detail
    assert len(there.asked) == 1
    # Its admin may allow it: then it is asked again.
    await execute(two_bidders, "UPDATE ping_endpoints SET least_paid_percent = 0")
    assert (await counted(two_bidders)).rested_until is None


async def test_who_picks_up_for_show_is_hidden_the_caller_and_rests(two_bidders: AsyncEngine) -> None:
    """It outbids the one beside it, hears each caller's number and lets the other answer."""
    for minutes in range(1, 91):
        at = NOW - timedelta(minutes=minutes)
        call = await a_win(two_bidders, 2, seconds=90, paid=45, at=at)
        await a_win(two_bidders, 1, call=call, at=at, worth=400, rang=4)
    record = await counted(two_bidders)
    assert (record.wins.won, record.wins.refused) == (90, 90)
    assert record.hides_caller
    assert record.why == "it refused or did not answer 90 of the 90 calls it won, more than 60 %"
    beside = await counted(two_bidders, 2)
    assert (beside.wins.won, beside.wins.refused, beside.rested_until) == (90, 0, None)


async def test_who_is_slower_than_the_one_beside_it_is_not_to_blame(two_bidders: AsyncEngine) -> None:
    """It takes one in four of the calls that ring at both, and three in ten of them pay."""
    for minutes in range(1, 91):
        at = NOW - timedelta(minutes=minutes)
        quicker, slower = (2, 1) if minutes % 4 else (1, 2)
        paid = 45 if minutes % 10 < 3 else None
        call = await a_win(two_bidders, quicker, seconds=90 if paid else 20, paid=paid, worth=14, at=at)
        await a_win(two_bidders, slower, call=call, at=at, worth=14, rang=6)
    for target, took in ((1, 22), (2, 68)):
        record = await counted(two_bidders, target)
        assert (record.wins.won, record.wins.refused) == (took, 0)
        assert not record.hides_caller and record.rested_until is None


async def test_who_takes_the_post_and_not_the_call_gains_nothing(two_bidders: AsyncEngine) -> None:
    """Of each three it pays one, and rejects two on the telephone: also when nobody is rung after it."""
    for minutes in range(1, 91):
        at = NOW - timedelta(minutes=minutes)
        if minutes % 3:
            await a_win(two_bidders, 1, worth=45, at=at, rang=1, sold_to=2 if minutes % 2 else None)
        else:
            await a_win(two_bidders, 1, seconds=90, paid=45, worth=45, at=at)
    record = await counted(two_bidders)
    assert (record.wins.won, record.wins.refused, record.wins.unpaid) == (90, 60, 0)
    assert record.hides_caller and record.rested_until is not None
    assert record.lasted[:2] == (90, 30)
    assert worth_of(45 * DOLLAR, 0, record.lasted).micros < 21 * DOLLAR


async def test_who_gives_a_call_back_did_not_take_it(two_bidders: AsyncEngine) -> None:
    """It hangs up so soon that the call goes on to another."""
    call = await a_win(two_bidders, 1, sold_to=2)
    await execute(
        two_bidders,
        "INSERT INTO legs (call_id, attempt, target_id, answered_ms, ended_ms, connected_ms)"
        " VALUES (:call, 1, 1, 1, 2001, 2000)",
        call=call,
    )
    record = await counted(two_bidders)
    assert (record.wins.won, record.wins.refused) == (1, 1)
    assert record.lasted[:3] == (1, 1, 0)


@pytest.mark.parametrize(("rang", "refused"), [(None, 0), (9, 0), (10, 1), (40, 1)])
async def test_a_caller_who_soon_hangs_up_is_no_fault_of_the_bidders(
    two_bidders: AsyncEngine, rang: int | None, refused: int
) -> None:
    await a_win(two_bidders, 1, rang=rang, abandoned=True)
    record = await counted(two_bidders)
    assert (record.wins.won, record.wins.refused, record.lasted[0]) == (refused, refused, refused)


async def test_who_refuses_as_a_habit_is_not_told_who_calls(two_bidders: AsyncEngine) -> None:
    for number in range(10):
        await a_win(
            two_bidders, 1, **({"outcome": "post_refused"} if number < 4 else {"seconds": 90, "paid": 45})
        )
    assert (await counted(two_bidders)).hides_caller
    async with bidders() as there:
        endpoints = [an_endpoint(target, there.url("/bid"), expose_caller=True) for target in (1, 2)]
        async with auction_between(endpoints, engine=two_bidders) as house:
            await house.records.refresh()
            result = await house.auction.run(wanted_from([1, 2]), a_request())
            for target in (1, 2):
                await house.auction.post(bid_of(result, target), a_request())
    *pings, post, honest_post = (question for _, question in there.asked)
    told = sorted(sorted({"caller", "caller_hash"} & ping.keys()) for ping in pings)
    assert told == [[], ["caller", "caller_hash"]]
    assert (post["caller"], honest_post["caller"]) == (None, "+16145550123")


async def test_a_bid_of_the_ceiling_that_is_never_paid_loses_once_that_is_seen(
    two_bidders: AsyncEngine,
) -> None:
    """Its people hang up a second early. Its next bid counts for what its calls have come to."""
    for _ in range(19):
        await a_win(two_bidders, 1, seconds=299)
    await counted(two_bidders)
    async with bidders() as there:
        urls = [there.url("/bid?amount=400&seconds=300"), there.url("/bid?amount=45&seconds=60")]
        async with auction_between(endpoints_at(urls), engine=two_bidders) as house:
            before = await house.auction.run(wanted_from([1, 2]), a_request())
            await house.records.refresh()
            after = await house.auction.run(wanted_from([1, 2]), a_request())
    assert ranked(before.bids, CALL)[0].target_id == 1
    assert ranked(after.bids, CALL)[0].target_id == 2
    assert bid_of(after, 1).ranked_micros == 400 * DOLLAR * 2 // 39
    assert bid_of(after, 1).words == "worth $20.51: 0 of its last 19 calls lasted 300 s"


async def test_a_win_without_a_post_is_counted_too() -> None:
    won = Bid(
        target_id=1,
        outcome=BidOutcome.ACCEPTED,
        bid_micros=45 * DOLLAR,
        minimum_connected_ms=60_000,
        arrived_us=7,
    )
    ringba = an_endpoint(1, "http://127.0.0.1:1/bid", dialect="ringba", secret="")
    async with auction_between([ringba]) as house:
        assert (await house.auction.post(won, a_request(), stage_id=7)).accepted
        stored = house.rows[-1]
    assert (stored["kind"], stored["outcome"], stored["worth_micros"]) == ("post", "accepted", 22_500_000)
    assert stored["detail"].endswith("; winning is enough: its dialect has no post")
