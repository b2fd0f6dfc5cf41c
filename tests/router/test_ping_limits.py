"""A publisher with made-up callers beside one with real calls: what its pings may hold, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.expected_yield import expected_yield
from router.domain.decision import RouteRequest
from router.domain.inbound_bid import BidRefusal, InboundBid, InboundPing, NoBid, PublisherKey
from router.domain.ping_limits import PingLimits, PingRecord, is_too_many
from router.inbound_arrival import Claim, claim_reservation
from router.inbound_bids import InboundBids
from router.ping_judgement import judge_pings
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from tests.router.markets import PATIENT_SECONDS
from tests.web.rtb.conftest import CAMPAIGN, OHIO, PUBLISHER, a_caller, a_market
from tollbridge.sample_market.market import SeededMarket
from tollbridge.sample_market.queries import seed_market
from web.rtb.publisher_keys import KeyWanted, add_key

PLENTY = PingLimits(open_most=1_000, room_share_percent=100)
LATER = timedelta(seconds=11)
"""When a ping's room may go to another call."""


@dataclass(kw_only=True)
class Market:
    """One buyer with room for a hundred calls, at $45, and $400; two publishers."""

    engine: AsyncEngine
    snapshot: CurrentSnapshot
    seeded: SeededMarket
    key: PublisherKey

    async def ping(self, key: PublisherKey | None = None, caller: str | None = None) -> InboundBid | NoBid:
        router = Router(self.engine, self.snapshot, hands_over=False, database_seconds=PATIENT_SECONDS)
        bids = InboundBids(self.engine, self.snapshot, router, network_name="here", yields=expected_yield)
        ping = InboundPing(caller=caller or a_caller(), tags=OHIO)
        return await bids.ping(key or self.key, ping, holds_room=True, now=datetime.now(UTC))

    async def pings(self, number: int, key: PublisherKey | None = None) -> Sequence[InboundBid | NoBid]:
        return await asyncio.gather(*(self.ping(key) for _ in range(number)))

    async def call(
        self, *, publisher_id: int, later: timedelta = timedelta(), claim: Claim | None = None
    ) -> Routed:
        router = Router(self.engine, self.snapshot, database_seconds=PATIENT_SECONDS)
        request = RouteRequest(
            call_id=str(uuid4()),
            campaign_id=self.seeded.campaign_id,
            publisher_id=publisher_id,
            caller=a_caller(),
            tags=OHIO,
            reserved=None if claim is None else claim.reserved,
            now=datetime.now(UTC) + later,
        )
        return await router.route_call(request, attempt=1)

    async def claim(self, caller: str) -> Claim | None:
        return await claim_reservation(
            self.engine,
            uuid4(),
            number_id=self.seeded.tracking_number_id,
            caller=caller,
            now=datetime.now(UTC),
        )

    async def change(self, sql: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), values)
        await self.snapshot.refresh()
        assert not self.snapshot.problem

    async def one(self, sql: str) -> Any:
        async with self.engine.connect() as connection:
            return await connection.scalar(text(sql))

    async def held_dollars(self) -> int:
        return int(await self.one("SELECT coalesce(sum(held_micros), 0) FROM wallets") or 0) // 1_000_000

    async def state_of(self, bid: InboundBid | NoBid) -> str:
        assert isinstance(bid, InboundBid), bid
        return str(await self.one(f"SELECT state FROM rtb_reservations WHERE id = '{bid.reservation_id}'"))


@pytest_asyncio.fixture
async def market(database_url: str, tmp_path: Path) -> AsyncIterator[Market]:
    engine = open_engine(database_url, application_name="test", pool_size=20)
    seeded = await seed_market(engine, a_market(cap=100))
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
        reservation_seconds=75,
    )
    found = Market(engine=engine, snapshot=snapshot, seeded=seeded, key=key)
    await found.change("UPDATE buyers SET credit_limit_micros = 400000000")
    await found.change(
        "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, minimum_connected_ms, price_micros)"
        " SELECT id, :campaign, now(), 60000, 45000000 FROM buyers",
        campaign=seeded.campaign_id,
    )
    yield found
    await engine.dispose()


async def test_eight_made_up_callers_at_45_dollars_leave_most_of_a_400_dollar_wallet_to_others(
    market: Market,
) -> None:
    bids = await market.pings(8)
    refused = [one for one in bids if isinstance(one, NoBid)]
    assert len(bids) - len(refused) == 2 and await market.held_dollars() == 90
    assert {one.reason for one in refused} == {BidRefusal.PUBLISHER_CAPPED}
    assert "25 %" in refused[0].sentence
    calls = [await market.call(publisher_id=_other(market)) for _ in range(6)]
    assert all(call.leased for call in calls)


async def test_a_share_is_of_what_open_disputes_leave_of_the_credit(market: Market) -> None:
    await market.change("INSERT INTO wallets (buyer_id, disputed_micros) SELECT id, 250000000 FROM buyers")
    bids = await market.pings(4)
    assert sum(not isinstance(one, NoBid) for one in bids) == 1 and await market.held_dollars() == 45


async def test_what_is_held_all_the_same_goes_to_a_real_call_of_another_publisher(market: Market) -> None:
    """As it was: the publisher may hold everything."""
    greedy = replace(market.key, limits=PLENTY)
    bids = [await market.ping(greedy) for _ in range(8)]
    assert await market.held_dollars() == 360
    assert not (await market.call(publisher_id=_other(market))).leased, "its callers may still be transferred"
    calls = [await market.call(publisher_id=_other(market), later=LATER) for _ in range(8)]
    assert all(call.leased for call in calls)
    assert not (await market.call(publisher_id=_other(market), later=LATER)).leased, "now it is full of calls"
    assert [await market.state_of(one) for one in bids] == ["refused"] * 8
    assert await market.one("SELECT count(*) FROM rtb_reservations WHERE detail->>'reason' = 'capacity_lost'")


async def test_the_oldest_goes_first_and_only_as_much_as_is_needed(market: Market) -> None:
    await market.change("UPDATE targets SET concurrency_cap = 2")
    greedy = replace(market.key, limits=PLENTY)
    first, second = await market.ping(greedy), await market.ping(greedy)
    assert (await market.call(publisher_id=_other(market), later=LATER)).leased
    assert [await market.state_of(one) for one in (first, second)] == ["refused", "confirmed"]
    assert await market.one("SELECT used FROM cap_counters WHERE key LIKE '%concurrency'") == 2


@pytest.mark.parametrize("after", [None, 60])
async def test_a_campaign_says_after_how_long_or_never(market: Market, after: int | None) -> None:
    await market.change(
        "UPDATE campaigns SET pings_yield_after_seconds = CAST(:after AS integer)", after=after
    )
    await market.change("UPDATE targets SET concurrency_cap = 1")
    bid = await market.ping()
    assert not (await market.call(publisher_id=_other(market), later=LATER)).leased
    assert await market.state_of(bid) == "confirmed"
    late = await market.call(publisher_id=_other(market), later=timedelta(seconds=61))
    assert late.leased is (after is not None)


async def test_a_publishers_own_other_calls_do_not_end_its_reservations(market: Market) -> None:
    await market.change("UPDATE targets SET concurrency_cap = 1")
    bid = await market.ping()
    assert not (await market.call(publisher_id=market.key.publisher_id, later=LATER)).leased
    assert await market.state_of(bid) == "confirmed"


async def test_nothing_is_ended_for_a_call_that_nobody_takes_anyway(market: Market) -> None:
    await market.change("UPDATE targets SET concurrency_cap = 1")
    bid = await market.ping()
    await market.change(
        "INSERT INTO caps (owner, owner_id, kind, period, at_most) VALUES ('publisher', :id, 'attempts', 'day', 0)",
        id=_other(market),
    )
    assert not (await market.call(publisher_id=_other(market), later=LATER)).leased
    assert await market.state_of(bid) == "confirmed"


async def test_race_of_a_late_caller_with_a_call_that_needs_the_room_has_one_winner(market: Market) -> None:
    await market.change("UPDATE targets SET concurrency_cap = 1")
    for _ in range(6):
        caller = a_caller()
        bid = await market.ping(caller=caller)
        claim, call = await asyncio.gather(
            market.claim(caller), market.call(publisher_id=_other(market), later=LATER)
        )
        assert (claim is not None) is not call.leased
        assert await market.state_of(bid) == ("used" if claim else "refused")
        assert await market.one("SELECT used FROM cap_counters WHERE key LIKE '%concurrency'") == 1
        await market.change(
            "WITH gone AS (UPDATE leases SET released_at = now() WHERE released_at IS NULL)"
            " UPDATE cap_counters SET used = 0"
        )
        await market.change(
            "WITH gone AS (UPDATE wallet_holds SET released_at = now()) UPDATE wallets SET held_micros = 0"
        )


async def test_race_of_32_pings_at_once_with_ten_open_at_most_is_ten(market: Market) -> None:
    bids = await market.pings(32, replace(market.key, limits=replace(PLENTY, open_most=10)))
    refused = [one for one in bids if isinstance(one, NoBid)]
    assert len(bids) - len(refused) == 8, "as many as the wallet holds"
    await market.change("UPDATE buyers SET credit_limit_micros = NULL")
    bids = await market.pings(32, replace(market.key, limits=replace(PLENTY, open_most=10)))
    assert sum(isinstance(one, InboundBid) for one in bids) == 2, "ten with those before"
    refused = [one for one in bids if isinstance(one, NoBid)]
    assert {one.reason for one in refused} == {BidRefusal.PUBLISHER_CAPPED}
    assert "10 of your reservations" in refused[0].sentence


@pytest.mark.parametrize(("cap", "percent", "admitted"), [(10, 25, 2), (3, 25, 1), (8, 50, 4), (1, 1, 1)])
async def test_race_for_a_share_of_a_targets_room_admits_exactly_the_share(
    market: Market, cap: int, percent: int, admitted: int
) -> None:
    await market.change("UPDATE targets SET concurrency_cap = :cap", cap=cap)
    await market.change("UPDATE buyers SET credit_limit_micros = NULL")
    bids = await market.pings(24, replace(market.key, limits=replace(PLENTY, room_share_percent=percent)))
    assert sum(isinstance(one, InboundBid) for one in bids) == admitted
    assert await market.one("SELECT used FROM cap_counters WHERE key LIKE '%concurrency'") == admitted


async def test_another_key_of_the_same_publisher_holds_no_more(market: Market) -> None:
    await add_key(
        market.engine,
        KeyWanted(publisher=PUBLISHER, campaign=CAMPAIGN, dialect="ringba", rate_per_minute=600),
    )
    few = replace(PLENTY, open_most=3)
    first, second = replace(market.key, limits=few), replace(market.key, id=2, limits=few)
    bids = [*await market.pings(4, first), *await market.pings(4, second)]
    assert sum(isinstance(one, InboundBid) for one in bids) == 3


async def test_a_call_that_came_is_no_open_reservation_any_more(market: Market) -> None:
    key, caller = replace(market.key, limits=PingLimits(open_most=1)), a_caller()
    assert isinstance(await market.ping(key, caller), InboundBid)
    assert isinstance(await market.ping(key), NoBid)
    assert await market.claim(caller) is not None
    assert isinstance(await market.ping(key), InboundBid)


async def test_a_publisher_is_told_a_day_before_too_few_calls_bind_it(market: Market) -> None:
    now = datetime.now(UTC)
    warned = replace(market.key, record=PingRecord(won=160, called=3, warned_at=now - timedelta(hours=23)))
    first = await market.ping(warned)
    assert isinstance(first, InboundBid) and isinstance(await market.ping(warned), InboundBid)
    assert "160 pings and 3 calls in 7 days; at most 50 pings for each call. From" in first.notice
    bound = replace(warned, record=replace(warned.record, warned_at=now - timedelta(hours=25)))
    refused = await market.ping(bound)
    assert isinstance(refused, NoBid) and refused.reason is BidRefusal.PUBLISHER_CAPPED
    assert "160 pings and 3 calls" in refused.sentence and "1 open reservation at a time" in refused.sentence
    assert UUID(str(refused.ping_id))


async def test_pings_without_calls_are_counted_over_seven_days_and_warned_of_once(market: Market) -> None:
    await _had(market, expired=101, used=0)
    await _had(market, expired=400, used=0, days_ago=8)
    await _had(market, expired=50, used=0, held_room=False)
    now = datetime.now(UTC)
    assert await _judged(market, now) == PingRecord(won=101, called=0, warned_at=now)
    assert await _judged(market, now + timedelta(hours=25)) == PingRecord(won=101, called=0, warned_at=now)
    await _had(market, expired=0, used=3)
    assert await _judged(market, now) == PingRecord(won=104, called=3), "enough calls: the warning ends"


async def test_a_ping_whose_room_went_to_a_real_call_is_nobodys_blame(market: Market) -> None:
    await market.change("UPDATE targets SET concurrency_cap = 1")
    await market.ping()
    assert (await market.call(publisher_id=_other(market), later=LATER)).leased
    assert await _judged(market, datetime.now(UTC)) == PingRecord()


@pytest.mark.parametrize(
    ("won", "called", "too_many"),
    [(100, 0, False), (101, 0, True), (150, 3, False), (151, 3, True), (50, 0, False)],
)
def test_nobody_is_judged_by_a_hundred_pings(won: int, called: int, too_many: bool) -> None:
    assert is_too_many(50, won, called) is too_many


async def _had(market: Market, *, expired: int, used: int, days_ago: int = 1, held_room: bool = True) -> None:
    for state, number in (("expired", expired), ("used", used)):
        await market.change(
            "INSERT INTO rtb_reservations (id, rtb_key_id, campaign_id, publisher_id, caller_index, state, held_room,"
            " created_at, expires_at) SELECT gen_random_uuid(), 1, :campaign, :publisher, sha256(int4send(n)), :state,"
            " :held, now() - make_interval(days => :days), now() FROM generate_series(1, :number) AS n",
            campaign=market.seeded.campaign_id,
            publisher=market.seeded.publisher_id,
            state=state,
            held=held_room,
            days=days_ago,
            number=number,
        )


async def _judged(market: Market, now: datetime) -> PingRecord:
    async with market.engine.begin() as connection:
        await judge_pings(connection, now)
        row = (
            await connection.execute(text("SELECT pings_won, pings_called, warned_at FROM rtb_keys"))
        ).one()
    return PingRecord(won=row.pings_won, called=row.pings_called, warned_at=row.warned_at)


def _other(market: Market) -> int:
    """A publisher that only sends calls."""
    return market.key.publisher_id + 1
