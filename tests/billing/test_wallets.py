"""A prepaid buyer's money: held at the offer, spent at hang-up, never more than there is; payments and corrections."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.money_file import MoneyFileError, read_money_file
from billing.money_import import FileKind, Imported, ImportRefused, import_money
from billing.payments import Direction, Payment
from billing.post_once import Posted
from billing.record_payment import PaymentRefused, record_payment
from billing.verify import verify_ledger
from billing.wallet_queries import all_wallets, open_notices
from billing.wallet_watch import watch_wallets
from billing.wallets import Notice, WalletState, notices_of
from router.wallet_holds import Hold, expire_holds, release_holds, take_hold
from store import tables
from store.call_id import call_id_of
from store.session import connect_plainly
from tests.billing.test_settle_call import START_MS, a_call, arrived, settle
from tests.billing.test_settle_contracts import balances
from tests.market import Market, make_market

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=2)
CENT = 10_000


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    """Both buyers are prepaid and have no credit."""
    market = await make_market(engine)
    async with engine.begin() as connection:
        said = {"prepaid": True, "credit_limit_micros": 0, "low_balance_micros": 50_000_000}
        await connection.execute(update(tables.buyers).values(**said))
    return market


async def pay(engine: AsyncEngine, buyer: int, dollars: int, key: str) -> Posted | PaymentRefused:
    payment = Payment(direction=Direction.TOP_UP, party_id=buyer, amount_micros=dollars * 1_000_000, key=key)
    async with engine.begin() as connection:
        return await record_payment(connection, payment)


async def hold(engine: AsyncEngine, market: Market, call_id: uuid.UUID, attempt: int = 1) -> bool:
    wanted = Hold(buyer_id=market.buyers[0], campaign_id=market.campaign, amount_micros=45_000_000)
    connection = await connect_plainly(engine)
    try:
        return await take_hold(connection, call_id, attempt, wanted, LATER)
    finally:
        await connection.close()


async def money(engine: AsyncEngine) -> tuple[int, int]:
    """Balance and what is held, of the first buyer, in dollars."""
    async with engine.connect() as connection:
        first = (await all_wallets(connection))[0].state
    return first.balance_micros // 1_000_000, first.held_micros // 1_000_000


async def test_a_wallet_from_the_first_payment_to_the_last_call(engine: AsyncEngine, market: Market) -> None:
    buyer, record = market.buyers[0], a_call(market)
    assert not await hold(engine, market, uuid.uuid4())
    await pay(engine, buyer, 100, "wire-1")
    call_id = call_id_of(record.linkedid)
    assert await hold(engine, market, call_id) and await hold(engine, market, call_id)
    assert await money(engine) == (100, 45)
    await settle(engine, await arrived(engine, record))
    assert await money(engine) == (55, 0)
    await told(engine, [])
    # Nobody answered: what was held is given back whole.
    assert await hold(engine, market, uuid.UUID(int=1))
    assert not await hold(engine, market, uuid.UUID(int=2))
    async with engine.begin() as connection:
        assert await release_holds(connection, uuid.UUID(int=1), 1) == 1
    again = replace(a_call(market, serial=2, start_ms=START_MS + 1000), caller="+16145550999")
    await settle(engine, await arrived(engine, again))
    assert await money(engine) == (10, 0)
    await told(engine, [("low", 10)])
    last = replace(a_call(market, serial=3, start_ms=START_MS + 2000), caller="+16145550998")
    await settle(engine, await arrived(engine, last))
    assert await money(engine) == (-35, 0)
    await told(engine, [("low", 10), ("paused", -35)])
    await pay(engine, buyer, 500, "wire-2")
    await told(engine, [("low", 10), ("paused", -35), ("resumed", 465)])
    assert not [one for one in (await verify_ledger(engine)).findings if "wallet" in one.problem]


async def told(engine: AsyncEngine, expected: list[tuple[str, int]]) -> None:
    for _ in range(2):  # looking twice says nothing twice
        async with engine.begin() as connection:
            await watch_wallets(connection, NOW)
    async with engine.connect() as connection:
        found = await open_notices(connection, 10)
    assert [(row.kind, row.available_micros // 1_000_000) for row in found] == expected


async def test_forty_calls_at_once_hold_what_there_is_and_no_more(
    engine: AsyncEngine, market: Market
) -> None:
    await pay(engine, market.buyers[0], 200, "wire")  # four calls and twenty dollars
    taken = await asyncio.gather(*(hold(engine, market, uuid.uuid4()) for _ in range(40)))
    assert sum(taken) == 4
    async with engine.begin() as connection:
        # Of calls that never came: given back when their time is over, not before.
        assert await expire_holds(connection, LATER - dt.timedelta(milliseconds=1)) == 0
        assert await expire_holds(connection, LATER) == 4
    assert await money(engine) == (200, 0)


async def test_the_same_key_is_posted_once_and_another_amount_is_refused(
    engine: AsyncEngine, market: Market
) -> None:
    buyer = market.buyers[0]
    posted = await asyncio.gather(*(pay(engine, buyer, 10, "k") for _ in range(8)))
    assert sorted(one.new for one in posted if isinstance(one, Posted)) == [False] * 7 + [True]
    assert isinstance(await pay(engine, buyer, 11, "k"), PaymentRefused)
    assert await money(engine) == (10, 0)


HEAD = "party,name,amount,key,note,call\n"


async def test_a_file_is_taken_whole_and_its_preview_is_the_same(engine: AsyncEngine, market: Market) -> None:
    assert market
    data = (HEAD + "buyer,first,45.00,t-1,echo on the line,\npublisher,ads,-30.00,t-2,fraud,\n").encode()
    for write, new in ((False, 2), (True, 2), (True, 0)):
        done = await import_money(engine, data, FileKind.ADJUSTMENTS, write=write)
        assert isinstance(done, Imported) and (done.new, done.known) == (new, 2 - new)
    assert await balances(engine) == {
        "revenue": 4_500,
        f"buyer:{market.buyers[0]}:wallet": -4_500,
        "payout": -3_000,
        f"publisher:{market.publisher}:payable": 3_000,
    }


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            "buyer,first,45.00,t-1,ok,\nbuyer,nobody,1.00,t-2,,\n",
            "line 3, name: there is no buyer called 'nobody'",
        ),
        ("buyer,first,45.00,t-1,ok,\nbuyer,first,1.0", "line 3, columns: 3 where the header has 6"),
        ("buyer,first,45.00,t-1,,\nbuyer,first,46.00,t-1,,\n", "line 3, key: 't-1' stands in line 2 already"),
        ("buyer,first,45.00,t-1,,\nbuyer,first,2.00,t-2,,no-such-call\n", "line 3, call: there is no call"),
        ("customer,first,45.00,t-1,,\n", "line 2, party: 'customer' is neither buyer nor publisher"),
        ("buyer,first,0,t-1,,\n", "line 2, amount: is nothing"),
        ("buyer,first,1e3,t-1,,\n", "line 2, amount: '1e3' is not an amount"),
        ('buyer,"first,45.00,t-1,,\n', "line"),
    ],
)
async def test_half_a_row_and_nothing_is_applied(
    engine: AsyncEngine, market: Market, rows: str, problem: str
) -> None:
    assert market
    done = await import_money(engine, (HEAD + rows).encode(), FileKind.ADJUSTMENTS, write=True)
    assert isinstance(done, ImportRefused) and problem in " / ".join(done.problems)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM ledger_transactions")) == 0


def test_payments_are_above_nothing() -> None:
    with pytest.raises(MoneyFileError, match="is not above zero"):
        list(read_money_file(io.BytesIO(b"party,name,amount,key\nbuyer,first,-5,k\n"), negative=False))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for head in (b"", HEAD.encode()):
        try:
            rows = list(read_money_file(io.BytesIO(head + data), negative=True))
        except MoneyFileError:
            continue
        assert rows


@pytest.mark.parametrize(
    ("owed", "low", "paused", "notices"),
    [
        (-51_000_000, False, False, ()),
        (-50_000_000, False, False, ()),
        (-49_999_999, False, False, (Notice.LOW,)),
        (-1, True, False, ()),
        (0, True, False, (Notice.PAUSED,)),
        (0, True, True, ()),
        (-1, True, True, (Notice.RESUMED,)),
    ],
)
def test_notices_at_every_threshold(owed: int, low: bool, paused: bool, notices: tuple[Any, ...]) -> None:
    wallet = WalletState(
        owed_micros=owed,
        held_micros=0,
        credit_limit_micros=0,
        low_balance_micros=50_000_000,
        is_low=low,
        is_paused=paused,
    )
    assert notices_of(wallet) == notices
