"""Returned calls and sales reported late: textbook stories, balances written by hand after each step."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.dispute_calls import (
    DisputeDecided,
    DisputeOpened,
    DisputeRefused,
    decide_dispute,
    open_dispute,
    reopen_dispute,
)
from billing.disputes import (
    Allowance,
    Disputed,
    DisputeState,
    Reason,
    Ruling,
    ruling_of,
    ruling_postings,
    why_not_open,
)
from billing.money_import import record_payment
from billing.payments import Direction, Payment
from billing.sales import SaleRefused, SaleReported, report_sale
from billing.verify import Problem, verify_ledger
from billing.wallet_queries import wallet_of
from router.wallet_holds import Hold, release_holds, take_hold
from store import tables
from store.call_id import call_id_of
from store.session import connect_plainly
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
    # Nothing is given before it is ruled: the call is owed, and stands on the buyer's account of exposure.
    opened_books = await balances(engine)
    assert opened_books[buyer] == 4_500 and opened_books[f"buyer:{market.buyers[0]}:disputed"] == 4_500
    assert opened_books["disputed"] == -4_500
    assert not await of_wallets(engine)
    ruling = await decided(engine, dispute.dispute_id, credit)
    assert isinstance(ruling, DisputeDecided) and ruling.state is state
    assert isinstance(await decided(engine, dispute.dispute_id, credit), DisputeRefused)
    books = {"revenue": -revenue, buyer: owed, "payout": earned, publisher: -earned}
    assert await balances(engine) == {account: cents for account, cents in books.items() if cents}
    assert not await of_wallets(engine)
    # Once is enough, whatever was ruled.
    assert isinstance(await opened(engine, call_id), DisputeRefused)


async def of_wallets(engine: AsyncEngine) -> list[str]:
    """What `ledger verify` finds about wallets and exposures."""
    found = (await verify_ledger(engine)).findings
    return [one.detail for one in found if one.problem is Problem.WALLET_OUT_OF_STEP]


async def limit(engine: AsyncEngine, market: Market, **said: Any) -> None:
    async with engine.begin() as connection:
        whose = update(tables.buyers).where(tables.buyers.c.id == market.buyers[0])
        await connection.execute(whose.values(**said))


async def sold_to_others(engine: AsyncEngine, market: Market, serial: int) -> Any:
    """Sell one more call, of another caller."""
    record = a_call(market, serial=serial, start_ms=START_MS + serial * 1_000)
    record = replace(record, trunk_name=None, caller=f"+16145550{serial:03d}")
    await settled(engine, record)
    return call_id_of(record.linkedid)


async def held(engine: AsyncEngine, market: Market) -> bool:
    """Tell whether the first buyer may have one more call of 45 dollars; its room is given back."""
    wanted = Hold(buyer_id=market.buyers[0], campaign_id=market.campaign, amount_micros=45_000_000)
    call_id = uuid.uuid4()
    connection = await connect_plainly(engine)
    try:
        taken = await take_hold(connection, call_id, 1, wanted, NEXT_DAY)
    finally:
        await connection.close()
    async with engine.begin() as ended:
        await release_holds(ended, call_id, 1)
    return taken


async def test_forty_five_dollars_buy_one_call_whatever_is_disputed(
    engine: AsyncEngine, market: Market
) -> None:
    """Each call was sent back at once, and its price bought the next: twelve calls for the money of one."""
    await limit(engine, market, prepaid=True, credit_limit_micros=0)
    paid = Payment(
        direction=Direction.TOP_UP, party_id=market.buyers[0], amount_micros=45_000_000, key="wire"
    )
    async with engine.begin() as connection:
        await record_payment(connection, paid)
    had = 0
    for serial in range(1, 13):
        if not await held(engine, market):
            break
        had += 1
        assert isinstance(await opened(engine, await sold_to_others(engine, market, serial)), DisputeOpened)
    assert had == 1


@pytest.mark.parametrize(
    ("percent", "may_have_more"), [(100, (False, False)), (50, (True, False)), (0, (True, True))]
)
async def test_what_is_disputed_lowers_the_credit_line_until_it_is_ruled(
    engine: AsyncEngine, market: Market, percent: int, may_have_more: tuple[bool, bool]
) -> None:
    """Credit of 157.51 $ and two calls of 45 $ owed: one call more may be had, unless too much is disputed."""
    await limit(
        engine, market, credit_limit_micros=157_500_000 + 10_000, disputes_lower_credit_percent=percent
    )
    calls = [await sold_to_others(engine, market, serial) for serial in (1, 2)]
    assert await held(engine, market)
    first = await opened(engine, calls[0])
    # 67.51 $ were left. 45 disputed dollars leave 22.51, half of them 45.01.
    assert await held(engine, market) is may_have_more[0]
    async with engine.connect() as connection:
        wallet = await wallet_of(connection, market.buyers[0])
    assert wallet is not None
    assert wallet.state.available_micros == 67_510_000 - 450_000 * percent
    await opened(engine, calls[1])
    assert await held(engine, market) is may_have_more[1]
    await decided(engine, first.dispute_id, 0)
    assert await held(engine, market) is may_have_more[0]


async def test_what_was_paid_in_advance_stays_the_buyers_while_it_disputes(
    engine: AsyncEngine, market: Market
) -> None:
    await limit(engine, market, prepaid=True, credit_limit_micros=0)
    paid = Payment(
        direction=Direction.TOP_UP, party_id=market.buyers[0], amount_micros=90_000_000, key="wire"
    )
    async with engine.begin() as connection:
        await record_payment(connection, paid)
    await opened(engine, await sold(engine, market))
    assert await held(engine, market)


async def test_a_refused_call_is_looked_at_again_when_the_house_wants_to(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    first = await opened(engine, call_id)
    await decided(engine, first.dispute_id, 0)
    for _ in range(4):
        again = await opened(engine, call_id)
        assert isinstance(again, DisputeRefused) and "was refused" in again.reason
    done = await asyncio.gather(*(reopened(engine, first.dispute_id) for _ in range(4)))
    (second,) = (one for one in done if isinstance(one, DisputeOpened))
    assert not await of_wallets(engine)
    assert isinstance(await decided(engine, second.dispute_id, None), DisputeDecided)
    assert await balances(engine) == {}
    late = await reopened(engine, second.dispute_id)
    assert isinstance(late, DisputeRefused) and "only a refused one" in late.reason


async def reopened(engine: AsyncEngine, dispute_id: int) -> Any:
    async with engine.begin() as connection:
        return await reopen_dispute(connection, dispute_id, note="a better recording", now=NEXT_DAY)


async def test_eight_disputes_at_once_of_eight_calls_keep_to_the_number_of_open_ones(
    engine: AsyncEngine, market: Market
) -> None:
    await limit(engine, market, open_disputes_maximum=2)
    calls = [await sold_to_others(engine, market, serial) for serial in range(8)]
    done = await asyncio.gather(*(opened(engine, one) for one in calls))
    assert sum(isinstance(one, DisputeOpened) for one in done) == 2
    refused = next(one for one in done if isinstance(one, DisputeRefused))
    assert "2 disputes are open and at most 2" in refused.reason


async def test_eight_disputes_at_once_of_one_call_are_one(engine: AsyncEngine, market: Market) -> None:
    call_id = await sold(engine, market)
    done = await asyncio.gather(*(opened(engine, call_id) for _ in range(8)))
    assert sum(isinstance(one, DisputeOpened) for one in done) == 1


async def test_a_buyer_disputes_a_share_of_its_calls_and_what_was_granted_is_not_counted(
    engine: AsyncEngine, market: Market
) -> None:
    """Of sixteen paid calls a fifth is three; after one is granted there is room for one more."""
    calls = [await sold_to_others(engine, market, serial) for serial in range(16)]
    found = [await opened(engine, one) for one in calls[:4]]
    assert [isinstance(one, DisputeOpened) for one in found] == [True, True, True, False]
    assert "at most 3 may be: 20 % of 16 paid calls" in found[3].reason
    await decided(engine, found[0].dispute_id, 0)
    assert isinstance(await opened(engine, calls[4]), DisputeRefused)
    await decided(engine, found[1].dispute_id, None)
    assert isinstance(await opened(engine, calls[5]), DisputeOpened)
    await limit(engine, market, disputes_percent=40)
    assert isinstance(await opened(engine, calls[6]), DisputeOpened)


@given(
    st.integers(0, 10**4),
    st.integers(0, 100),
    st.integers(0, 10**4),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_an_allowance_says_why_not_exactly_when_nothing_is_left(
    paid: int, percent: int, counted: int, is_open: int, maximum: int
) -> None:
    allowance = Allowance(
        open_count=is_open, open_maximum=maximum, paid_calls=paid, counted=counted, share_percent=percent
    )
    assert (allowance.why_not is None) is (allowance.left > 0)


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
    assert [one.amount_micros for one in postings if one.account == "buyer:1:disputed"] == [-price]
    assert sum(one.amount_micros for one in postings if one.account == "buyer:1:receivable") == -credit


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
