"""What carriers and the platform take goes by when a call started: a change reaches no call before it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.call_record import CallRecord
from billing.dispute_calls import decide_dispute, open_dispute
from billing.disputes import Reason
from store import money_tables, tables
from tests.billing.test_settle_call import a_call, settled
from tests.billing.test_settle_contracts import balances
from tests.market import Market, make_market

DOLLAR = 1_000_000


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


def call_of(market: Market, at: dt.datetime, serial: int) -> CallRecord:
    record = a_call(market, serial=serial, start_ms=round(at.timestamp() * 1000))
    return replace(record, caller=f"+1614555{1000 + serial}")


async def change(engine: AsyncEngine, table: Any, **said: Any) -> dt.datetime:
    """Change figures as the page, the API and the command do; return when."""
    async with engine.begin() as connection:
        await connection.execute(update(table).values(**said))
        now = await connection.scalar(text("SELECT now()"))
    assert isinstance(now, dt.datetime)
    return now


async def test_a_call_is_costed_by_the_rates_of_its_start(engine: AsyncEngine, market: Market) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(tables.targets).values(outbound_trunk_id=1))
    minute = {"cost_increment_seconds": 60, "cost_minimum_seconds": 60}
    dialled = {"outbound_cost_per_minute_micros": 12_000_000}
    dearer = await change(engine, tables.trunks, cost_per_minute_micros=60 * DOLLAR, **minute, **dialled)
    before = await settled(engine, call_of(market, dearer - dt.timedelta(milliseconds=1), 1))
    after = await settled(engine, call_of(market, dearer + dt.timedelta(milliseconds=1), 2))
    assert before.carrier_cost_micros == 10_800
    # Two minutes begun at 60 dollars, and 102 seconds in steps of six at twelve.
    assert after.carrier_cost_micros == 120 * DOLLAR + 20_400_000


async def test_a_fee_goes_by_the_start_of_the_call_also_when_it_is_taken_back(
    engine: AsyncEngine, market: Market
) -> None:
    first = await change(engine, tables.campaigns, platform_fee_ppm=100_000)
    record = call_of(market, first + dt.timedelta(milliseconds=1), 1)
    second = await change(engine, tables.campaigns, platform_fee_ppm=500_000)
    assert second > first
    call_id = (await settled(engine, record)).call_id
    assert (await balances(engine))["platform_fee"] == 450
    async with engine.begin() as connection:
        made = await open_dispute(connection, call_id, reason=Reason.SPAM, note="", now=second)
        await decide_dispute(
            connection,
            made.dispute_id,  # type: ignore[union-attr]
            credit_micros=25 * DOLLAR,
            answer="",
            now=second,
        )
    assert (await balances(engine))["platform_fee"] == 200


async def test_versions_are_kept_and_stay_as_they_were(engine: AsyncEngine, market: Market) -> None:
    assert market
    await change(engine, tables.trunks, name="other")
    await change(engine, tables.trunks, cost_per_minute_micros=7_000)
    async with engine.connect() as connection:
        query = text("SELECT cost_per_minute_micros FROM trunk_rates ORDER BY goes_live_at")
        assert (await connection.execute(query)).scalars().all() == [6_000, 7_000]
    with pytest.raises(IntegrityError, match="was refused"):
        await change(engine, money_tables.trunk_rates, cost_per_minute_micros=1)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM trunks"))
