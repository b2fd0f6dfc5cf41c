"""Returned calls and sales reported late: textbook stories, balances written by hand after each step."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.dispute_calls import DisputeDecided, DisputeOpened, DisputeRefused, decide_dispute, open_dispute
from billing.disputes import Disputed, DisputeState, Reason, Ruling, ruling_of, ruling_postings, why_not_open
from billing.sales import SaleRefused, SaleReported, report_sale
from store.call_id import call_id_of
from tests.billing.contracts import contract, payout
from tests.billing.test_settle_call import START_MS, a_call, settled
from tests.billing.test_settle_contracts import agree, balances
from tests.market import Market, make_market

CALLED = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)
NEXT_DAY = CALLED + dt.timedelta(days=1)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def sold(engine: AsyncEngine, market: Market) -> Any:
    record = replace(a_call(market), trunk_name=None)
    await settled(engine, record)
    return call_id_of(record.linkedid)


async def opened(engine: AsyncEngine, call_id: Any, now: dt.datetime = NEXT_DAY) -> Any:
    async with engine.begin() as connection:
        return await open_dispute(connection, call_id, reason=Reason.SPAM, note="noise", now=now)


async def decided(engine: AsyncEngine, dispute_id: int, credit_micros: int | None) -> Any:
    async with engine.begin() as connection:
        return await decide_dispute(
            connection, dispute_id, credit_micros=credit_micros, answer="heard it", now=NEXT_DAY
        )


@pytest.mark.parametrize(
    ("credit", "state", "owed", "revenue", "earned"),
    [
        (None, DisputeState.ACCEPTED, 0, 0, 0),
        (0, DisputeState.REFUSED, 4_500, 4_500, 3_000),
        # 20 of 45 dollars: the publisher gives back 13.33 of its 30.
        (18_000_000, DisputeState.PARTLY, 2_700, 2_700, 1_800),
    ],
)
async def test_a_dispute_and_its_ruling(
    engine: AsyncEngine,
    market: Market,
    credit: int | None,
    state: DisputeState,
    owed: int,
    revenue: int,
    earned: int,
) -> None:
    call_id = await sold(engine, market)
    buyer, publisher = f"buyer:{market.buyers[0]}:receivable", f"publisher:{market.publisher}:payable"
    dispute = await opened(engine, call_id)
    assert isinstance(dispute, DisputeOpened)
    assert isinstance(await opened(engine, call_id), DisputeRefused)
    assert (await balances(engine)).get("disputed") == 4_500
    assert buyer not in await balances(engine)
    ruling = await decided(engine, dispute.dispute_id, credit)
    assert isinstance(ruling, DisputeDecided) and ruling.state is state
    assert isinstance(await decided(engine, dispute.dispute_id, credit), DisputeRefused)
    books = {"revenue": -revenue, buyer: owed, "payout": earned, publisher: -earned}
    assert await balances(engine) == {account: cents for account, cents in books.items() if cents}
    # A return that was refused may be asked for again; one that was granted may not.
    assert isinstance(await opened(engine, call_id), DisputeOpened) is (state is DisputeState.REFUSED)


async def test_eight_rulings_at_once_are_one(engine: AsyncEngine, market: Market) -> None:
    dispute = await opened(engine, await sold(engine, market))
    rulings = await asyncio.gather(*(decided(engine, dispute.dispute_id, None) for _ in range(8)))
    assert sum(isinstance(one, DisputeDecided) for one in rulings) == 1
    assert await balances(engine) == {}


@pytest.mark.parametrize(("step_ms", "refused"), [(-1, False), (0, False), (1, True)])
def test_the_window_ends_to_the_millisecond(step_ms: int, refused: bool) -> None:
    week = dt.timedelta(days=7)
    now = CALLED + week + dt.timedelta(milliseconds=step_ms)
    why = why_not_open(price_micros=1, ended_at=CALLED, window=week, now=now)
    assert (why is not None) is refused
    assert why_not_open(price_micros=0, ended_at=CALLED, window=week, now=CALLED)


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_ruling_balances_and_leaves_nothing_disputed(price: int, payout_micros: int, credit: int) -> None:
    call = Disputed(
        buyer_id=1, publisher_id=2, prepaid=False, price_micros=price, payout_micros=payout_micros
    )
    ruling = ruling_of(call, credit)
    if credit > price or (credit != price and credit % 10_000):
        assert isinstance(ruling, str)
        return
    assert isinstance(ruling, Ruling) and ruling.claw_back_micros <= payout_micros
    postings = ruling_postings(call, ruling)
    assert sum(one.amount_micros for one in postings) == 0
    assert [one.amount_micros for one in postings if one.account == "disputed"] == [-price]


async def sale(engine: AsyncEngine, call_id: Any, *, days: int = 1, **said: Any) -> Any:
    async with engine.begin() as connection:
        return await report_sale(
            connection, call_id, key="loan-9", now=CALLED + dt.timedelta(days=days), **said
        )


async def test_a_sale_is_reported_corrected_and_withdrawn(engine: AsyncEngine, market: Market) -> None:
    await agree(engine, market, contract(sale={"within_days": 30, "price": "200.00"}))
    share = {"within_days": 30, "price": {"percent_of_revenue": "50"}}
    await agree(engine, market, payout("30.00", sale=share), publisher=True)
    call_id = await sold(engine, market)
    buyer, publisher = f"buyer:{market.buyers[0]}:receivable", f"publisher:{market.publisher}:payable"

    async def books(cents_owed: int, cents_earned: int) -> None:
        assert await balances(engine) == {
            buyer: cents_owed,
            "revenue": -cents_owed,
            "payout": cents_earned,
            publisher: -cents_earned,
        }

    first = await sale(engine, call_id)
    assert isinstance(first, SaleReported) and (first.version, first.new) == (1, True)
    await books(24_500, 13_000)
    again = await sale(engine, call_id)
    assert isinstance(again, SaleReported) and not again.new
    await sale(engine, call_id, price_micros=150_000_000)
    await books(19_500, 10_500)
    await sale(engine, call_id, days=30, price_micros=0)
    await books(4_500, 3_000)
    assert isinstance(await sale(engine, call_id, days=31), SaleRefused)
    assert isinstance(await sale(engine, call_id, price_micros=-1), SaleRefused)


async def test_terms_that_say_nothing_of_sales_pay_nothing_for_one(
    engine: AsyncEngine, market: Market
) -> None:
    assert isinstance(await sale(engine, await sold(engine, market)), SaleRefused)
