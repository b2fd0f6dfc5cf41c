"""A call is credited at most once over, whichever ways; what was credited whole counts no more."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.adjustments import Adjustment
from billing.carrier_cost import PlatformFee
from billing.credit_call import Standing
from billing.dispute_calls import DisputeDecided, DisputeRefused, decide_dispute, open_dispute
from billing.disputes import Reason
from billing.post_adjustment import AdjustmentRefused, post_adjustment
from billing.post_once import KeyTaken, Posted
from billing.rollups_queries import compare, fold_pending
from billing.terms_document import Party
from billing.verify import verify_ledger
from store import tables
from store.call_id import call_id_of
from tests.billing.contracts import contract
from tests.billing.test_settle_call import START_MS, a_call, settled
from tests.billing.test_settle_contracts import TIERS, agree, another, balances
from tests.market import Market, charge_fee, make_market

CALLED = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)
NEXT_DAY = CALLED + dt.timedelta(days=1)
DOLLAR = 1_000_000


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def sold(engine: AsyncEngine, market: Market) -> UUID:
    record = replace(a_call(market), trunk_name=None)
    await settled(engine, record)
    return call_id_of(record.linkedid)


async def adjust(
    engine: AsyncEngine,
    market: Market,
    call_id: UUID,
    dollars: int,
    key: str = "t-1",
    *,
    publisher: bool = False,
    party_id: int | None = None,
) -> Any:
    adjustment = Adjustment(
        party=Party.PUBLISHER if publisher else Party.BUYER,
        party_id=party_id or (market.publisher if publisher else market.buyers[0]),
        amount_micros=dollars * DOLLAR,
        key=key,
        reason="echo",
        call_id=call_id,
    )
    async with engine.begin() as connection:
        return await post_adjustment(connection, adjustment)


async def dispute(engine: AsyncEngine, call_id: UUID, credit: int | None = None) -> Any:
    async with engine.begin() as connection:
        made = await open_dispute(connection, call_id, reason=Reason.SPAM, note="", now=NEXT_DAY)
    if isinstance(made, DisputeRefused):
        return made
    async with engine.begin() as connection:
        return await decide_dispute(
            connection, made.dispute_id, credit_micros=credit, answer="", now=NEXT_DAY
        )


async def test_a_call_that_was_adjusted_whole_is_not_credited_by_a_dispute(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    assert (await adjust(engine, market, call_id, 45)).new
    assert not (await adjust(engine, market, call_id, 45)).new
    assert isinstance(await adjust(engine, market, call_id, 44), KeyTaken)
    ruled = await dispute(engine, call_id)
    assert isinstance(ruled, DisputeRefused) and "credited before" in ruled.reason
    assert (await balances(engine)).get("revenue") is None


async def test_a_call_that_was_ruled_on_is_not_credited_by_an_adjustment(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    assert isinstance(await dispute(engine, call_id), DisputeDecided)
    refused = await adjust(engine, market, call_id, 1)
    assert isinstance(refused, AdjustmentRefused)
    assert "it cost $45.00, and $45.00 was credited before" in refused.reason
    clawed = await adjust(engine, market, call_id, -1, "t-2", publisher=True)
    assert "it was $30.00, and $30.00 was taken back" in clawed.reason


async def test_both_together_give_back_the_price_and_no_more(engine: AsyncEngine, market: Market) -> None:
    call_id = await sold(engine, market)
    await adjust(engine, market, call_id, 20)
    ruled = await dispute(engine, call_id)
    assert isinstance(ruled, DisputeDecided)
    assert (ruled.credit_micros, ruled.claw_back_micros) == (25 * DOLLAR, 16_670_000)
    books = await balances(engine)
    assert "revenue" not in books and f"buyer:{market.buyers[0]}:receivable" not in books
    assert books["payout"] == 1_333


async def test_an_adjustment_is_of_a_party_of_the_call_and_goes_where_the_call_went(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    async with engine.begin() as connection:
        await connection.execute(update(tables.buyers).values(prepaid=True, credit_limit_micros=0))
    other = await adjust(engine, market, call_id, 45, party_id=market.buyers[1])
    assert isinstance(other, AdjustmentRefused) and "not that buyer's" in other.reason
    await adjust(engine, market, call_id, 45)
    assert not [one for one in await balances(engine) if one.startswith("buyer:")]


async def test_eight_adjustments_that_race_credit_the_price_once(engine: AsyncEngine, market: Market) -> None:
    call_id = await sold(engine, market)
    done = await asyncio.gather(*(adjust(engine, market, call_id, 10, f"t-{n}") for n in range(8)))
    assert sum(isinstance(one, Posted) for one in done) == 4
    assert (await balances(engine))["revenue"] == -500


@pytest.mark.parametrize(("credit", "kept"), [(None, 0), (18 * DOLLAR, 370)])
@pytest.mark.parametrize("by_hand", [False, True])
async def test_the_platforms_fee_goes_with_the_credit(
    engine: AsyncEngine, market: Market, credit: int | None, kept: int, by_hand: bool
) -> None:
    """A dollar a call and a tenth: 5.50 of 45 dollars, 3.70 of the 27 that are left of it."""
    async with engine.begin() as connection:
        await charge_fee(connection, market, fixed=DOLLAR, ppm=100_000)
    call_id = await sold(engine, market)
    assert (await balances(engine))["platform_fee"] == 550
    if by_hand:
        await adjust(engine, market, call_id, (credit or 45 * DOLLAR) // DOLLAR)
    else:
        await dispute(engine, call_id, credit)
    books = await balances(engine)
    assert (books.get("platform_fee", 0), books.get("platform:payable", 0)) == (kept, -kept)


async def test_a_credited_call_makes_no_later_call_a_duplicate(engine: AsyncEngine, market: Market) -> None:
    call_id = await sold(engine, market)
    again = a_call(market, serial=2, start_ms=START_MS + 60_000)
    assert not (await settled(engine, replace(again, trunk_name=None))).conversion.converted
    await dispute(engine, call_id)
    third = a_call(market, serial=3, start_ms=START_MS + 120_000)
    assert (await settled(engine, replace(third, trunk_name=None))).conversion.converted
    async with engine.connect() as connection:
        query = text("SELECT converted, conversion ->> 'verdict' FROM calls WHERE id = :id")
        assert tuple((await connection.execute(query, {"id": call_id})).one()) == (False, "converted")
    assert not [one for one in (await verify_ledger(engine)).findings if one.problem != "not_sealed"]


@pytest.mark.parametrize(("days", "used"), [(1, 2), (60, 3)])
async def test_a_credited_call_leaves_the_tiers_of_a_period_that_runs(
    engine: AsyncEngine, market: Market, days: int, used: int
) -> None:
    await agree(engine, market, contract(rules=[{"name": "tiered", "price": TIERS}]))
    ids = [(await settled(engine, another(market, serial))).call_id for serial in range(1, 4)]
    now = CALLED + dt.timedelta(days=days)
    async with engine.begin() as connection:
        made = await open_dispute(connection, ids[0], reason=Reason.SPAM, note="", now=NEXT_DAY)
        assert not isinstance(made, DisputeRefused)
        await decide_dispute(connection, made.dispute_id, credit_micros=None, answer="", now=now)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT used FROM tier_counts")) == used


@pytest.mark.parametrize(
    ("credit", "calls", "revenue"), [(None, 2, 55 * DOLLAR), (18 * DOLLAR, 3, 82 * DOLLAR)]
)
async def test_a_credit_leaves_the_caps_of_a_period_that_runs(
    engine: AsyncEngine, market: Market, credit: int | None, calls: int, revenue: int
) -> None:
    call_id = await sold(engine, market)
    async with engine.begin() as connection:
        for kind, key_used, amount in (("conversions", 3, 1), ("revenue", 100 * DOLLAR, 45 * DOLLAR)):
            for key, period in ((f"buyer:1:{kind}:day", 7), (f"buyer:1:{kind}:month", 6)):
                counter = {"key": key, "used": key_used, "period_start": 7}
                await connection.execute(insert(tables.cap_counters).values(**counter))
                lease = {"counter_key": key, "kind": kind, "amount": amount, "period_start": period}
                times = {"taken_at": CALLED, "expires_at": CALLED, "released_at": CALLED}
                await connection.execute(
                    insert(tables.leases).values(call_id=call_id, attempt=1, **lease, **times)
                )
    await dispute(engine, call_id, credit)
    async with engine.connect() as connection:
        used = {
            row.key: row.used for row in await connection.execute(text("SELECT key, used FROM cap_counters"))
        }
    # The month's counter is of another month by now.
    assert used == {
        "buyer:1:conversions:day": calls,
        "buyer:1:conversions:month": 3,
        "buyer:1:revenue:day": revenue,
        "buyer:1:revenue:month": 100 * DOLLAR,
    }


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**9), max_size=6), st.integers(0, 10**6), st.data())
def test_fees_that_go_back_leave_what_the_terms_say(
    price: int, credits: list[int], fixed: int, data: st.DataObject
) -> None:
    fee = PlatformFee(fixed_micros=fixed, share_ppm=data.draw(st.integers(0, 1_000_000)))
    standing = Standing(
        price_micros=price, credited_micros=0, payout_micros=0, clawed_back_micros=0, fee_micros=0
    )
    standing = replace(standing, fee_micros=standing_fee(fee, price))
    for credit in credits:
        if standing.why_not_credit(credit):
            assert credit > standing.left_micros
            continue
        back = standing.fee_back_micros(fee, credit)
        assert 0 <= back <= standing.fee_micros
        standing = replace(
            standing,
            credited_micros=standing.credited_micros + credit,
            fee_micros=standing.fee_micros - back,
        )
    assert standing.credited_micros <= price
    assert standing.fee_micros == standing_fee(fee, standing.left_micros)


def standing_fee(fee: PlatformFee, revenue: int) -> int:
    exact = fee.fixed_micros * 1_000_000 + revenue * fee.share_ppm
    return (2 * exact + 1_000_000) // 2_000_000 if revenue else 0


async def test_reports_say_what_counts_and_what_was_credited(engine: AsyncEngine, market: Market) -> None:
    ids = [(await settled(engine, another(market, serial))).call_id for serial in range(1, 4)]
    assert await figures(engine) == (3, 3, 0, 135 * DOLLAR)
    await dispute(engine, ids[0])
    await dispute(engine, ids[1], 18 * DOLLAR)
    assert await figures(engine) == (3, 2, 1, 72 * DOLLAR)
    async with engine.begin() as connection:
        assert await compare(connection) == []


async def figures(engine: AsyncEngine) -> tuple[Any, ...]:
    async with engine.begin() as connection:
        await fold_pending(connection)
        query = text(
            "SELECT sum(calls)::bigint, sum(converted)::bigint, sum(credited)::bigint, sum(revenue_micros)::bigint"
            " FROM report_facts"
        )
        return tuple((await connection.execute(query)).one())


async def test_a_key_belongs_to_its_call(engine: AsyncEngine, market: Market) -> None:
    first = await sold(engine, market)
    other = replace(
        a_call(market, serial=2, start_ms=START_MS + 5_000), trunk_name=None, caller="+16145550177"
    )
    await settled(engine, other)
    posted = await adjust(engine, market, first, 5)
    assert (await adjust(engine, market, first, 5)) == replace(posted, new=False)
    refused = await adjust(engine, market, call_id_of(other.linkedid), 5)
    assert isinstance(refused, AdjustmentRefused) and "'t-1' was used for another call" in refused.reason
    of_none = Adjustment(
        party=Party.BUYER, party_id=market.buyers[0], amount_micros=5 * DOLLAR, key="t-1", reason="echo"
    )
    async with engine.begin() as connection:
        assert isinstance(await post_adjustment(connection, of_none), KeyTaken)
