"""Settlement on a real PostgreSQL: once, balanced, race-free."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.call_record import CallRecord, LegRecord, Outcome, Witness
from billing.settle_call import NotSettled, Settlement, settle_call
from billing.terms import Verdict
from store.call_id import call_id_of
from store.tables import buyer_terms, calls, campaigns, cap_counters, decisions, leases
from tests.market import CALLER, NUMBER, PRICE, TRUNK, Market, make_market

START_MS = 1_770_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


def a_call(
    market: Market, *, serial: int = 1, start_ms: int = START_MS, connected_ms: int | None = 100_000
) -> CallRecord:
    leg = LegRecord(
        attempt=1,
        target_id=market.targets[0],
        answered_ms=None if connected_ms is None else start_ms + 8_000,
        ended_ms=start_ms + 8_000 + (connected_ms or 0),
        cause=16,
        witness=Witness.LEG,
    )
    return CallRecord(
        linkedid=f"a-{start_ms // 1000}.{serial}",
        started_ms=start_ms,
        ended_ms=leg.ended_ms,
        answered_ms=start_ms,
        dialled=NUMBER,
        caller=CALLER,
        trunk_name=TRUNK,
        legs=(leg,),
        dial_statuses={1: "ANSWER"},
    )


async def arrived(engine: AsyncEngine, record: CallRecord) -> CallRecord:
    """The call's row as the readers leave it when its last CEL row is in."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(calls).values(
                id=call_id_of(record.linkedid),
                linkedid=record.linkedid,
                node="a",
                dialled=record.dialled,
                caller_sealed=record.caller,
                started_at=dt.datetime.fromtimestamp(record.started_ms / 1000, dt.UTC),
                state="ended",
            )
        )
    return record


async def settle(engine: AsyncEngine, record: CallRecord) -> Settlement | NotSettled:
    async with engine.begin() as connection:
        return await settle_call(connection, record)


async def settled(engine: AsyncEngine, record: CallRecord) -> Settlement:
    settlement = await settle(engine, await arrived(engine, record))
    assert isinstance(settlement, Settlement)
    return settlement


async def scalar(engine: AsyncEngine, query: Any) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(query)).scalar_one()


async def test_settling_twice_posts_once(engine: AsyncEngine, market: Market) -> None:
    record = a_call(market)
    first = await settled(engine, record)
    assert first.conversion.verdict is Verdict.CONVERTED
    second = await settle(engine, record)
    assert second == NotSettled(call_id=first.call_id, reason="settled before")
    assert await scalar(engine, text("SELECT count(*) FROM ledger_transactions")) == 1


async def test_eight_settlements_of_one_call_at_once_post_once(engine: AsyncEngine, market: Market) -> None:
    record = await arrived(engine, a_call(market))
    results = await asyncio.gather(*(settle(engine, record) for _ in range(8)))
    assert sum(isinstance(result, Settlement) for result in results) == 1
    revenue = text("SELECT sum(amount_micros) FROM ledger_postings WHERE account = 'revenue'")
    assert await scalar(engine, revenue) == -PRICE


async def test_calls_of_one_caller_that_settle_at_once_convert_once(
    engine: AsyncEngine, market: Market
) -> None:
    records = [await arrived(engine, a_call(market, serial=serial)) for serial in range(8)]
    results = await asyncio.gather(*(settle(engine, record) for record in records))
    verdicts = sorted(result.conversion.verdict for result in results if isinstance(result, Settlement))
    assert verdicts == [Verdict.CONVERTED] + [Verdict.DUPLICATE] * 7


@pytest.mark.parametrize(
    ("apart_ms", "verdict"),
    [
        (HOUR_MS - 1, Verdict.DUPLICATE),
        (HOUR_MS, Verdict.CONVERTED),
        (HOUR_MS + 1, Verdict.CONVERTED),
        (1 - HOUR_MS, Verdict.DUPLICATE),
        (-HOUR_MS, Verdict.CONVERTED),
    ],
)
async def test_the_duplicate_window_is_judged_to_the_millisecond(
    engine: AsyncEngine, market: Market, apart_ms: int, verdict: Verdict
) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(campaigns).values(duplicate_window_seconds=3600))
    await settled(engine, a_call(market))
    again = await settled(engine, a_call(market, serial=2, start_ms=START_MS + apart_ms))
    assert again.conversion.verdict is verdict


async def test_a_short_call_before_is_no_reason_not_to_bill(engine: AsyncEngine, market: Market) -> None:
    short = await settled(engine, a_call(market, connected_ms=89_999))
    assert (short.conversion.verdict, short.outcome) == (Verdict.TOO_SHORT, Outcome.SOLD)
    assert (await settled(engine, a_call(market, serial=2))).conversion.verdict is Verdict.CONVERTED


async def test_callers_without_number_are_never_duplicates(engine: AsyncEngine, market: Market) -> None:
    for serial in (1, 2):
        settlement = await settled(engine, replace(a_call(market, serial=serial), caller=None))
        assert settlement.conversion.verdict is Verdict.CONVERTED


async def test_a_call_is_judged_by_the_terms_of_its_start(engine: AsyncEngine, market: Market) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            insert(buyer_terms).values(
                buyer_id=market.buyers[0],
                campaign_id=market.campaign,
                goes_live_at=dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC),
                minimum_connected_ms=1_000,
                price_micros=70_000,
            )
        )
    before = await settled(engine, a_call(market, start_ms=START_MS - 1))
    at = await settled(engine, replace(a_call(market), caller="+16145550999"))
    assert (before.conversion.price_micros, at.conversion.price_micros) == (PRICE, 70_000)


async def test_a_caller_who_gave_up_before_any_answer_costs_nothing(
    engine: AsyncEngine, market: Market
) -> None:
    settlement = await settled(engine, replace(a_call(market), legs=(), answered_ms=None))
    assert settlement.carrier_cost_micros == 0
    assert await scalar(engine, text("SELECT count(*) FROM ledger_postings")) == 0


async def test_a_buyer_without_terms_is_not_billed_and_the_carrier_is_paid(
    engine: AsyncEngine, market: Market
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM buyer_terms"))
    settlement = await settled(engine, a_call(market))
    assert settlement.conversion.verdict is Verdict.NO_TERMS
    total = text("SELECT sum(amount_micros) FROM ledger_postings WHERE account = 'carrier:Carrier:payable'")
    assert await scalar(engine, total) == -settlement.carrier_cost_micros == -10_800


async def test_nobody_to_ring(engine: AsyncEngine, market: Market) -> None:
    record = await arrived(engine, replace(a_call(market), legs=(), dial_statuses={}))
    async with engine.begin() as connection:
        await connection.execute(
            insert(decisions).values(
                call_id=call_id_of(record.linkedid),
                sequence=1,
                decided_by="router",
                decided_at=dt.datetime.now(dt.UTC),
                duration_us=1,
                decision={},
            )
        )
    settlement = await settle(engine, record)
    assert isinstance(settlement, Settlement)
    assert settlement.outcome is Outcome.NO_BUYER


async def test_a_call_to_no_number_of_ours_has_a_settlement_too(engine: AsyncEngine, market: Market) -> None:
    record = replace(a_call(market), dialled="+18005559999", legs=(), dial_statuses={}, trunk_name=None)
    settlement = await settled(engine, record)
    assert settlement.outcome is Outcome.UNKNOWN_NUMBER
    assert await scalar(engine, text("SELECT count(*) FROM ledger_postings")) == 0


async def test_settlement_gives_the_caps_back(engine: AsyncEngine, market: Market) -> None:
    record = await arrived(engine, a_call(market))
    async with engine.begin() as connection:
        now = dt.datetime.now(dt.UTC)
        key = f"target:{market.targets[0]}:concurrency"
        await connection.execute(insert(cap_counters).values(key=key, used=1))
        await connection.execute(
            insert(leases).values(
                call_id=call_id_of(record.linkedid), attempt=1, counter_key=key, taken_at=now, expires_at=now
            )
        )
    await settle(engine, record)
    assert await scalar(engine, select(cap_counters.c.used)) == 0


async def test_a_settlement_that_fails_leaves_nothing(engine: AsyncEngine, market: Market) -> None:
    record = await arrived(engine, a_call(market))
    async with engine.connect() as connection:
        await settle_call(connection, record)
        await connection.rollback()
    assert await scalar(engine, text("SELECT count(*) FROM ledger_transactions")) == 0
    assert isinstance(await settle(engine, record), Settlement)


async def test_a_call_that_is_not_there_is_not_settled(engine: AsyncEngine, market: Market) -> None:
    assert isinstance(await settle(engine, a_call(market)), NotSettled)
