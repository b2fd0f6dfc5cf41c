"""Sales by whoever gains from them: no sequence of reports pays a publisher more than the sales bring."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.check_terms import checked_terms
from billing.judge_terms import most_payable
from billing.payment_queries import owed_to
from billing.payments import Direction
from billing.post_once import Posted
from billing.read_terms import TermsError
from billing.sales import SaleRefused, SaleReported, report_sale
from billing.terms_document import Party
from billing.verify import verify_ledger
from billing.wallet_queries import wallet_of
from store import tables
from store.call_id import call_id_of
from store.session import open_engine
from tests.billing.contracts import contract, payout, publisher
from tests.billing.test_pay_invoice import record
from tests.billing.test_settle_call import START_MS, a_call, settled
from tests.billing.test_settle_contracts import agree, balances
from tests.market import Market, make_market
from tests.postgres import as_owner

NEXT_DAY = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC) + dt.timedelta(days=1)
CENT = 10_000
DOLLAR = 1_000_000


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    """A sale costs the buyer 200 dollars; the publisher is to get 100 of them."""
    market = await make_market(engine)
    await agree(engine, market, contract(sale={"within_days": 30, "price": "200.00"}))
    await agree(engine, market, payout("30.00", sale={"within_days": 30, "price": "100.00"}), publisher=True)
    return market


async def sold(engine: AsyncEngine, market: Market, serial: int = 1) -> UUID:
    record = a_call(market, serial=serial, start_ms=START_MS + serial * 1_000)
    caller = f"+1614{5_550_000 + serial:07d}"
    await settled(engine, replace(record, trunk_name=None, caller=caller))
    return call_id_of(f"a-{START_MS // 1000 + serial}.{serial}")


async def told(engine: AsyncEngine, call_id: UUID, key: str, price: int | None = None, **said: Any) -> Any:
    async with engine.begin() as connection:
        return await report_sale(connection, call_id, key=key, now=NEXT_DAY, price_micros=price, **said)


async def of_sales(engine: AsyncEngine, call_id: UUID) -> tuple[int, int]:
    """What the sales of a call brought, and what is owed to its publisher for them, in micros."""
    query = text(
        """
        SELECT -coalesce(sum(amount_micros) FILTER (WHERE account = 'revenue'), 0)::bigint AS revenue,
            -coalesce(sum(amount_micros) FILTER (WHERE account LIKE 'publisher:%'), 0)::bigint AS payable
        FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
        WHERE t.call_id = :call_id AND t.kind LIKE 'sale%'
        """
    )
    async with engine.connect() as connection:
        row = (await connection.execute(query, {"call_id": call_id})).one()
    return row.revenue, row.payable


async def test_twenty_ids_of_a_millionth_of_a_dollar_pay_nobody(engine: AsyncEngine, market: Market) -> None:
    """They once paid the publisher 2,000 dollars for 0.00002."""
    call_id = await sold(engine, market)
    done = await asyncio.gather(*(told(engine, call_id, f"id-{number}", 1) for number in range(20)))
    assert all(isinstance(one, SaleRefused) and "at least $0.01" in one.reason for one in done)
    done = await asyncio.gather(*(told(engine, call_id, f"id-{number}", CENT) for number in range(20)))
    assert sum(isinstance(one, SaleReported) for one in done) == 1
    refused = next(one for one in done if isinstance(one, SaleRefused))
    assert "one sale of a call" in refused.reason
    assert await of_sales(engine, call_id) == (CENT, CENT)


async def test_a_sale_corrected_to_a_cent_takes_the_payout_back_too(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    await told(engine, call_id, "loan-1")
    assert await of_sales(engine, call_id) == (200 * DOLLAR, 100 * DOLLAR)
    await told(engine, call_id, "loan-1", CENT)
    assert await of_sales(engine, call_id) == (CENT, CENT)
    await told(engine, call_id, "loan-1", 0)
    assert await of_sales(engine, call_id) == (0, 0)


async def test_a_withdrawn_sale_makes_room_for_another(engine: AsyncEngine, market: Market) -> None:
    call_id = await sold(engine, market)
    await told(engine, call_id, "loan-1")
    assert isinstance(await told(engine, call_id, "loan-2"), SaleRefused)
    assert isinstance(await told(engine, call_id, "loan-2", 0), SaleRefused)
    await told(engine, call_id, "loan-1", 0)
    assert isinstance(await told(engine, call_id, "loan-2"), SaleReported)
    assert isinstance(await told(engine, call_id, "loan-1"), SaleRefused)
    assert await of_sales(engine, call_id) == (200 * DOLLAR, 100 * DOLLAR)


async def test_what_a_person_gives_away_is_no_more_than_the_sale_brings(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    wrong = await told(engine, call_id, "loan-1", payout_micros=200 * DOLLAR + 1)
    assert isinstance(wrong, SaleRefused) and "at most $200.00" in wrong.reason
    wrong = await told(engine, call_id, "loan-1", 10_000 * DOLLAR + CENT)
    assert isinstance(wrong, SaleRefused) and "at most $10,000.00" in wrong.reason
    assert isinstance(await told(engine, call_id, "loan-1", 10_000 * DOLLAR), SaleReported)


async def test_a_correction_goes_where_the_sale_was_charged(engine: AsyncEngine, market: Market) -> None:
    """The buyer begins to pay in advance between the report and its withdrawal."""
    call_id = await sold(engine, market)
    before = await balances(engine)
    await told(engine, call_id, "loan-1")
    async with engine.begin() as connection:
        await connection.execute(update(tables.buyers).values(prepaid=True, credit_limit_micros=0))
    await told(engine, call_id, "loan-1", 0)
    assert await balances(engine) == before


async def limit(engine: AsyncEngine, market: Market, *, dollars: int, prepaid: bool = True) -> None:
    """Let the buyer owe so much; it starts with nothing in its wallet."""
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.buyers)
            .where(tables.buyers.c.id == market.buyers[0])
            .values(prepaid=prepaid, credit_limit_micros=dollars * DOLLAR)
        )


async def share_70_percent(engine: AsyncEngine, market: Market) -> None:
    share = {"within_days": 30, "price": {"percent_of_revenue": "70"}}
    await agree(engine, market, contract(sale={"within_days": 30, "price": "200.00"}))
    await agree(engine, market, payout("30.00", sale=share), publisher=True)


async def left(engine: AsyncEngine, market: Market) -> int:
    """What the buyer may still spend, in micros."""
    async with engine.connect() as connection:
        wallet = await wallet_of(connection, market.buyers[0])
    assert wallet is not None and wallet.state.available_micros is not None
    return wallet.state.available_micros


async def test_an_empty_wallet_reports_no_sale_and_no_cash_is_printed(
    engine: AsyncEngine, market: Market
) -> None:
    """A buyer of nothing once reported $10,000, its publisher was paid $7,000, and the sale was withdrawn."""
    market = await fresh_market(engine)
    await share_70_percent(engine, market)
    await limit(engine, market, dollars=0)
    assert isinstance(await record(engine, Direction.TOP_UP, market.buyers[0], 45, "wire-1"), Posted)
    call_id = await sold(engine, market)
    refused = await told(engine, call_id, "s1", 10_000 * DOLLAR)
    assert isinstance(refused, SaleRefused)
    assert "$10,000.00 more is missing" in refused.reason and "top up" in refused.reason
    assert await of_sales(engine, call_id) == (0, 0) and await left(engine, market) == 0
    refused = await record(engine, Direction.PAY_OUT, market.publisher, 7_000, "wire-2")
    assert not isinstance(refused, Posted)
    # The way out that the sentence names.
    await record(engine, Direction.TOP_UP, market.buyers[0], 10_000, "wire-3")
    assert isinstance(await told(engine, call_id, "s1", 10_000 * DOLLAR), SaleReported)
    assert await left(engine, market) == 0 and (await verify_ledger(engine)).holds


async def test_a_sale_that_was_paid_out_is_taken_back_by_the_house_alone(
    engine: AsyncEngine, market: Market
) -> None:
    """Of $7,030 due to the publisher $7,000 are paid: a buyer takes back $30 of it and no more."""
    market = await fresh_market(engine)
    await share_70_percent(engine, market)
    call_id = await sold(engine, market)
    assert isinstance(await told(engine, call_id, "s1", 10_000 * DOLLAR), SaleReported)
    assert isinstance(await record(engine, Direction.PAY_OUT, market.publisher, 7_000, "wire-1"), Posted)
    for price in (0, CENT, 9_957 * DOLLAR):
        refused = await told(engine, call_id, "s1", price)
        assert isinstance(refused, SaleRefused) and "paid out" in refused.reason and "house" in refused.reason
    assert await of_sales(engine, call_id) == (10_000 * DOLLAR, 7_000 * DOLLAR)
    corrected = await told(engine, call_id, "s1", 9_958 * DOLLAR)
    assert isinstance(corrected, SaleReported) and corrected.publisher_owes_micros == 0
    done = await told(engine, call_id, "s1", 0, by_house=True)
    assert isinstance(done, SaleReported) and done.publisher_owes_micros == 6_970 * DOLLAR
    again = await told(engine, call_id, "s1", 0)
    assert isinstance(again, SaleReported) and not again.new


async def test_a_payout_and_a_withdrawal_at_once_leave_nobody_owing(
    engine: AsyncEngine, market: Market
) -> None:
    market = await fresh_market(engine)
    await share_70_percent(engine, market)
    call_id = await sold(engine, market)
    await told(engine, call_id, "s1", 1_000 * DOLLAR)
    paid, withdrawn = await asyncio.gather(
        record(engine, Direction.PAY_OUT, market.publisher, 700, "wire-1"), told(engine, call_id, "s1", 0)
    )
    assert isinstance(paid, Posted) is not isinstance(withdrawn, SaleReported)
    async with engine.connect() as connection:
        assert await owed_to(connection, market.publisher) == 30 * DOLLAR


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    credit=st.integers(0, 500),
    prices=st.lists(st.integers(CENT, 300 * DOLLAR), min_size=2, max_size=5),
    prepaid=st.booleans(),
)
def test_sales_at_once_never_cost_more_than_is_left(
    database_url: str, credit: int, prices: list[int], prepaid: bool
) -> None:
    """Each of a call of its own, all against one wallet: what is refused did not fit, and nothing is overdrawn."""

    async def play() -> None:
        engine = open_engine(database_url, application_name="test", pool_size=5)
        try:
            market = await fresh_market(engine)
            await share_70_percent(engine, market)
            sold_calls = [await sold(engine, market, serial) for serial in range(1, len(prices) + 1)]
            await limit(engine, market, dollars=credit + 45 * len(prices), prepaid=prepaid)
            done = await asyncio.gather(
                *(
                    told(engine, call_id, "s", price)
                    for call_id, price in zip(sold_calls, prices, strict=True)
                )
            )
            now_left = await left(engine, market)
            stands = sum(one.price_micros for one in done if isinstance(one, SaleReported))
            assert now_left == credit * DOLLAR - stands >= 0
            for one, price in zip(done, prices, strict=True):
                # Rounded to the cent, as the terms say.
                assert isinstance(one, SaleReported) or price + CENT > now_left
        finally:
            await engine.dispose()

    asyncio.run(play())


async def test_a_dearer_correction_must_be_covered_by_what_it_adds(
    engine: AsyncEngine, market: Market
) -> None:
    call_id = await sold(engine, market)
    await limit(engine, market, dollars=45 + 250, prepaid=False)
    assert isinstance(await told(engine, call_id, "loan-1"), SaleReported)
    refused = await told(engine, call_id, "loan-1", 251 * DOLLAR)
    assert isinstance(refused, SaleRefused) and "$1.00 more is missing" in refused.reason
    assert isinstance(await told(engine, call_id, "loan-1", 250 * DOLLAR), SaleReported)
    assert await left(engine, market) == 0
    again = await told(engine, call_id, "loan-1", 250 * DOLLAR)
    assert isinstance(again, SaleReported) and not again.new
    assert isinstance(await told(engine, call_id, "loan-1", CENT), SaleReported)


async def test_what_calls_under_way_hold_is_not_there_for_a_sale(engine: AsyncEngine, market: Market) -> None:
    call_id = await sold(engine, market)
    await limit(engine, market, dollars=45 + 200)
    async with engine.begin() as connection:
        await connection.execute(update(tables.wallets).values(held_micros=45 * DOLLAR))
    refused = await told(engine, call_id, "loan-1")
    assert isinstance(refused, SaleRefused) and "$45.00 more is missing" in refused.reason


MARGINS: tuple[dict[str, Any], ...] = (
    {},
    {"minimum_margin": "15.00"},
    {"minimum_margin": {"percent_of_revenue": "30"}},
)
SHARES = st.one_of(
    st.integers(0, 400).map(lambda dollars: f"{dollars}.00"),
    st.integers(0, 100).map(lambda percent: {"percent_of_revenue": str(percent)}),
)
REPORTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(
            st.none(),
            st.sampled_from((0, 1, CENT - 1, CENT, 10_000 * DOLLAR, 10_000 * DOLLAR + 1)),
            st.integers(0, 300 * DOLLAR),
        ),
    ),
    min_size=1,
    max_size=10,
)
_serials = itertools.count(100)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    reports=REPORTS,
    per_call=st.integers(1, 3),
    share=SHARES,
    margin=st.sampled_from(MARGINS),
    at_once=st.booleans(),
)
def test_no_sequence_of_reports_pays_more_than_it_brings(
    database_url: str,
    reports: list[tuple[str, int | None]],
    per_call: int,
    share: Any,
    margin: dict[str, Any],
    at_once: bool,
) -> None:
    """Corrected, withdrawn, repeated and raced: what stands is what the last amounts alone would have made."""

    async def play() -> None:
        engine = open_engine(database_url, application_name="test", pool_size=4)
        try:
            await reported(engine, reports, per_call, share, margin, at_once)
        finally:
            await engine.dispose()

    asyncio.run(play())


async def reported(
    engine: AsyncEngine,
    reports: list[tuple[str, int | None]],
    per_call: int,
    share: Any,
    margin: dict[str, Any],
    at_once: bool,
) -> None:
    market = await fresh_market(engine)
    sale = {"within_days": 30, "price": "200.00"}
    await agree(engine, market, contract(sale={**sale, "per_call": per_call}))
    paid = payout("30.00", sale={**sale, "price": share}, **margin)
    await agree(engine, market, paid, publisher=True)
    call_id = await sold(engine, market, next(_serials))
    if at_once:
        await asyncio.gather(*(told(engine, call_id, key, price) for key, price in reports))
    else:
        for key, price in reports:
            await told(engine, call_id, key, price)
    query = text(
        "SELECT DISTINCT ON (key) price_micros, payout_micros FROM sales WHERE call_id = :id ORDER BY key, version DESC"
    )
    async with engine.connect() as connection:
        standing = [
            one for one in (await connection.execute(query, {"id": call_id})).all() if one.price_micros
        ]
    revenue, payable = await of_sales(engine, call_id)
    assert (revenue, payable) == (
        sum(one.price_micros for one in standing),
        sum(one.payout_micros for one in standing),
    )
    assert len(standing) <= per_call
    terms = checked_terms(paid, Party.PUBLISHER)
    for one in standing:
        assert CENT <= one.price_micros <= 10_000 * DOLLAR
        assert one.payout_micros <= most_payable(terms, one.price_micros) <= one.price_micros


async def fresh_market(engine: AsyncEngine) -> Market:
    """A market in an empty database: the examples of a property share one."""
    async with as_owner(engine) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        names = ", ".join(
            table.name for table in tables.metadata.sorted_tables if table.name != "market_version"
        )
        await connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    return await make_market(engine)


@pytest.mark.parametrize(
    ("sale", "problem"),
    [
        ({"per_call": 0}, "not a number of sales from 1 to 5"),
        ({"per_call": 6}, "not a number of sales from 1 to 5"),
        ({"per_call": True}, "not a number of sales"),
        ({"maximum": "199.99"}, "is below the price"),
        ({"maximum": 300}, "not an amount in quotes"),
        ({"at_most": 1}, "known are within_days, price, per_call, maximum"),
    ],
)
def test_what_terms_cannot_say_of_sales_is_named(sale: dict[str, Any], problem: str) -> None:
    with pytest.raises(TermsError, match=problem):
        checked_terms(contract(sale={"within_days": 30, "price": "200.00", **sale}), Party.BUYER)


def test_a_publishers_terms_do_not_say_how_many_sales_a_call_has() -> None:
    with pytest.raises(TermsError, match="known are within_days, price"):
        publisher("30.00", sale={"within_days": 30, "price": "100.00", "per_call": 5})


async def test_a_sale_is_what_its_transaction_says(engine: AsyncEngine, market: Market) -> None:
    """With the application's own rights."""
    call_id = await sold(engine, market)
    for price in (200 * DOLLAR, 150 * DOLLAR):
        assert isinstance(await told(engine, call_id, "one", price), SaleReported)
    assert (await verify_ledger(engine)).findings == ()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE sales SET price_micros = 1 WHERE version = 1"))
        await connection.execute(text("DELETE FROM sales WHERE version = 2"))
    first, second = sorted(finding.detail for finding in (await verify_ledger(engine)).findings)
    assert first.startswith(f"sale 'one', version 1, of call {call_id} says price 1 and payout ")
    assert second.startswith(f"the sale of call {call_id} is not there: transaction ")
