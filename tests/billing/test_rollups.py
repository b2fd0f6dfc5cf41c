"""Figures for reports on a real PostgreSQL: never behind, never twice, equal to the ledger made anew."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import Counter
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.dispute_calls import DisputeDecided, DisputeOpened, decide_dispute, open_dispute
from billing.disputes import Reason
from billing.report_query import OTHERS, ReportError, ReportQuery
from billing.reports import report
from billing.rollup import DAY, FIELDS, HOUR, QUARTER, Dimension, Grain, Measures, pieces_of
from billing.rollups_queries import (
    DIMENSIONS,
    MEASURES,
    all_sets,
    compare,
    fold_pending,
    insert_set,
    rebuild,
)
from store.call_id import call_id_of
from store.tables import calls
from tests.billing.test_settle_call import START_MS, a_call, arrived, settle
from tests.market import COST_PER_MINUTE, PAYOUT, PRICE, Market, make_market

UTC = ZoneInfo("UTC")
START = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def fold(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return await fold_pending(connection)


async def drifts(engine: AsyncEngine) -> list[str]:
    async with engine.begin() as connection:
        return [one.where for one in await compare(connection)]


async def totals(
    engine: AsyncEngine, *by: Dimension, zone: ZoneInfo = UTC
) -> dict[tuple[str, ...], Measures]:
    query = ReportQuery(start=START - DAY, end=START + 40 * DAY, by=by, zone=zone)
    async with engine.connect() as connection:
        found = await report(connection, query)
    assert sum(row.measures.calls for row in found.rows) == found.total.calls
    return {row.keys: row.measures for row in found.rows}


async def test_a_call_is_in_the_report_at_once_and_the_same_when_it_is_folded(
    engine: AsyncEngine, market: Market
) -> None:
    await settle(engine, await arrived(engine, a_call(market)))
    before = await totals(engine, Dimension.CAMPAIGN, Dimension.BUYER)
    assert await fold(engine) == 1
    after = await totals(engine, Dimension.CAMPAIGN, Dimension.BUYER)
    assert before == after
    figures = after[(str(market.campaign), str(market.buyers[0]))]
    assert (figures.calls, figures.connected, figures.converted) == (1, 1, 1)
    assert (figures.revenue_micros, figures.payout_micros) == (PRICE, PAYOUT)
    # 108 s of a carrier that counts 6 s at a time
    assert figures.carrier_cost_micros == COST_PER_MINUTE * 108 // 60
    assert figures.profit_micros == PRICE - PAYOUT - figures.carrier_cost_micros
    assert figures.average_seconds == 100.0


async def test_every_pair_of_dimensions_has_the_same_total(engine: AsyncEngine, market: Market) -> None:
    for serial in range(6):
        start_ms = START_MS + serial * 7 * 3_600_000
        connected = None if serial == 3 else 80_000 + serial * 10_000
        record = a_call(market, serial=serial, start_ms=start_ms, connected_ms=connected)
        await settle(engine, await arrived(engine, replace(record, caller=f"+1614555012{serial}")))
        if serial == 4:
            await fold(engine)
    for one in Dimension:
        for other in Dimension:
            if one != other:
                rows = await totals(engine, one, other, zone=ZoneInfo("Asia/Kathmandu"))
                assert sum(figures.revenue_micros for figures in rows.values()) == 4 * PRICE, (one, other)
    assert await drifts(engine) == []


async def test_what_a_report_has_no_room_for_is_summed(engine: AsyncEngine, market: Market) -> None:
    for serial in range(5):
        record = a_call(market, serial=serial, start_ms=START_MS + serial * 86_400_000)
        await settle(engine, await arrived(engine, replace(record, caller=f"+1614555012{serial}")))
    by = (Dimension.BUYER, Dimension.DAY)
    query = ReportQuery(start=START - DAY, end=START + 40 * DAY, by=by, zone=UTC, rows=2)
    async with engine.connect() as connection:
        found = await report(connection, query)
    assert [row.measures.calls for row in found.rows] == [1, 1, 3]
    assert found.rows[-1].keys == (OTHERS, "") and (found.groups, found.total.calls) == (5, 5)


async def test_a_credit_counts_where_its_call_counts(engine: AsyncEngine, market: Market) -> None:
    record = await arrived(engine, a_call(market))
    await settle(engine, record)
    await fold(engine)
    call_id, later = call_id_of(record.linkedid), START + DAY
    async with engine.begin() as connection:
        opened = await open_dispute(connection, call_id, reason=Reason.SPAM, note="", now=later)
        assert isinstance(opened, DisputeOpened)
        decided = await decide_dispute(
            connection, opened.dispute_id, credit_micros=None, answer="", now=later
        )
        assert isinstance(decided, DisputeDecided)
    for _ in range(2):
        day = (START.strftime("%Y-%m-%d"),)
        figures = (await totals(engine, Dimension.DAY))[day]
        assert (figures.calls, figures.revenue_micros, figures.payout_micros) == (1, 0, 0)
        await fold(engine)
    assert await drifts(engine) == []


async def test_a_late_tag_moves_the_call_to_its_state(engine: AsyncEngine, market: Market) -> None:
    record = await arrived(engine, a_call(market))
    await settle(engine, record)
    await fold(engine)
    assert set(await totals(engine, Dimension.STATE)) == {("",)}
    async with engine.begin() as connection:
        said = update(calls).values(tags={"state": "OH"})
        await connection.execute(said.where(calls.c.id == call_id_of(record.linkedid)))
    for _ in range(2):
        rows = await totals(engine, Dimension.STATE)
        assert rows[("OH",)].revenue_micros == PRICE
        assert ("",) not in rows or not rows[("",)].calls
        await fold(engine)
    assert await drifts(engine) == []


async def test_folders_at_once_count_each_call_once(engine: AsyncEngine, market: Market) -> None:
    for serial in range(5):
        await settle(engine, await arrived(engine, a_call(market, serial=serial)))
    assert sum(await asyncio.gather(*(fold(engine) for _ in range(4)))) == 5
    assert (await totals(engine))[()].calls == 5
    assert await drifts(engine) == []


async def test_a_changed_sum_is_found_and_made_right(engine: AsyncEngine, market: Market) -> None:
    await settle(engine, await arrived(engine, a_call(market)))
    await fold(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE rollups SET calls = calls + 1 WHERE grain = 3 AND pair = 2"))
        await connection.execute(text("UPDATE report_facts SET payout_micros = 7"))
    found = await drifts(engine)
    assert any("by day, campaign" in where for where in found) and any("transaction" in one for one in found)
    async with engine.begin() as connection:
        assert await rebuild(connection) == 1
    assert await drifts(engine) == []
    assert (await totals(engine))[()].payout_micros == PAYOUT


@settings(deadline=None)
@given(
    start=st.integers(0, 900 * 24 * 60),
    minutes=st.integers(1, 500 * 24 * 60),
    zone=st.sampled_from(
        ["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"]
    ),
    by=st.sampled_from(
        [
            (),
            (Dimension.STATE,),
            (Dimension.STATE, Dimension.BUYER),
            (Dimension.DAY,),
            (Dimension.BUYER, Dimension.HOUR),
            (Dimension.HOUR, Dimension.DAY),
        ]
    ),
)
def test_the_pieces_of_a_period_are_the_period(
    start: int, minutes: int, zone: str, by: tuple[Dimension, ...]
) -> None:
    first = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=start)
    last = first + dt.timedelta(minutes=minutes)
    pieces = pieces_of(first, last, by, ZoneInfo(zone))
    steps = {Grain.QUARTER: QUARTER, Grain.HOUR: HOUR, None: dt.timedelta(minutes=1)}
    steps |= dict.fromkeys((Grain.HOURS_OF_WEEK, Grain.QUARTERS_OF_WEEK), 7 * DAY)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    for piece in pieces:
        assert piece.start < piece.end and bool(piece.day) is (by == (Dimension.DAY,))
        step = steps.get(piece.grain, DAY)
        assert not (piece.start - epoch) % step and not (piece.end - epoch) % step
        if piece.grain in (Grain.MONTH, Grain.HOURS_OF_MONTH, Grain.QUARTERS_OF_MONTH):
            assert piece.start.day == piece.end.day == 1
        if piece.grain is not None and piece.grain.of_clock:
            days = (piece.end - piece.start) // DAY
            offsets = {
                (piece.start + day * DAY).astimezone(ZoneInfo(zone)).utcoffset() for day in range(days)
            }
            assert len(offsets) == 1, "an hour of its days is not one hour on the zone's clock"
    # How often each moment is counted: once from the first to the last, never before, between or after.
    bounds = sorted({first, last, *(one.start for one in pieces), *(one.end for one in pieces)})
    for moment in (first - DAY, *bounds[:: 1 + len(bounds) // 50], bounds[-1]):
        holding = [one for one in pieces if one.start <= moment < one.end]
        counted: Counter[str] = Counter()
        for one in holding:
            counted[one.day] += -1 if one.too_much else 1
        day = moment.astimezone(ZoneInfo(zone)).date().isoformat() if by == (Dimension.DAY,) else ""
        assert +counted == Counter({day: 1} if first <= moment < last else {}) and not -counted


def test_a_period_is_read_from_few_sums() -> None:
    """Thirty days on New York's calendar: a month less what begins it, not thirty days and a day of single calls."""
    first = dt.datetime(2026, 1, 5, 5, tzinfo=dt.UTC)
    pieces = pieces_of(first, first + 30 * DAY, (Dimension.STATE, Dimension.TARGET), UTC)
    told = [(one.grain, (one.end - one.start) / HOUR, one.too_much) for one in pieces]
    assert told == [
        (Grain.DAY, 4 * 24, True),
        (None, 5, True),
        (Grain.MONTH, 31 * 24, False),
        (Grain.DAY, 3 * 24, False),
        (None, 5, False),
    ]


def test_hours_of_many_days_are_read_by_weeks_but_for_that_in_which_the_clock_changes() -> None:
    first, zone = dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC), ZoneInfo("America/New_York")
    pieces = pieces_of(first, first + 90 * DAY, (Dimension.NUMBER, Dimension.HOUR), zone)
    assert [(one.grain, (one.end - one.start) / HOUR, one.too_much) for one in pieces] == [
        (Grain.HOUR, 5, True),
        (Grain.HOURS_OF_MONTH, (31 + 28) * 24, False),
        # A week from Thursday, 26 February on; on 8 March, at seven of UTC, the clock changes.
        (Grain.HOUR, 3 * 24, True),
        (Grain.HOURS_OF_WEEK, 7 * 24, False),
        (Grain.HOUR, 3 * 24 + 7, False),
        (Grain.HOUR, 3 * 24 + 17, False),
        (Grain.HOURS_OF_WEEK, 3 * 7 * 24, False),
        (Grain.HOUR, 19, True),
    ]


async def test_any_period_in_any_zone_comes_to_what_its_calls_come_to(engine: AsyncEngine) -> None:
    """Twelve weeks around New York's change of clocks, in periods that begin and end at any minute."""
    rng = random.Random(7)
    first, minutes = dt.datetime(2026, 2, 1, tzinfo=dt.UTC), 84 * 24 * 60
    moments = [first + dt.timedelta(minutes=rng.randrange(minutes), seconds=1) for _ in range(400)]
    facts = [{"id": number, "at": at, "state": rng.choice("ab")} for number, at in enumerate(moments)]
    zeros = ", ".join("0" for _ in FIELDS[1:])
    async with engine.begin() as connection:
        fact = f"INSERT INTO report_facts (transaction_id, part, at, {DIMENSIONS}, {MEASURES}) VALUES"
        await connection.execute(
            text(f"{fact} (:id, 0, :at, 1, 1, 1, 1, 1, :state, '', '', 1, {zeros})"), facts
        )
        for query in all_sets():
            await connection.execute(text(insert_set(query)))
        for _ in range(12):
            begin, end = sorted(first + dt.timedelta(minutes=rng.randrange(minutes)) for _ in range(2))
            zone = ZoneInfo(rng.choice(["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]))
            for by in (("state",), ("state", "buyer"), ("state", "day"), ("state", "hour"), ("hour", "day")):
                dimensions = tuple(Dimension(one) for one in by)
                asked = ReportQuery(start=begin, end=end, by=dimensions, zone=zone, rows=5_000)
                found = await report(connection, asked)
                right: Counter[tuple[str, ...]] = Counter()
                for one in facts:
                    clock = one["at"].astimezone(zone)
                    told = {
                        "state": one["state"],
                        "buyer": "1",
                        "day": f"{clock:%Y-%m-%d}",
                        "hour": f"{clock:%H}",
                    }
                    right[tuple(told[each] for each in by)] += begin <= one["at"] < end
                assert {row.keys: row.measures.calls for row in found.rows} == dict(+right), (asked, by)


def test_the_measures_are_the_columns() -> None:
    from store.report_tables import COUNTS, MONEY

    assert (*COUNTS, *MONEY) == FIELDS


@pytest.mark.parametrize("folded", [False, True])
async def test_a_filter_shows_the_rows_of_its_value_by_any_two_dimensions(
    engine: AsyncEngine, market: Market, *, folded: bool
) -> None:
    for serial in range(4):
        start_ms = START_MS + serial * 11 * 3_600_000
        record = a_call(market, serial=serial, start_ms=start_ms)
        await settle(engine, await arrived(engine, replace(record, caller=f"+1614555012{serial}")))
    if folded:
        await fold(engine)
    zone, own = ZoneInfo("America/New_York"), {Dimension.BUYER: str(market.buyers[0])}
    async with engine.connect() as connection:
        for by in [(), *((one,) for one in Dimension), (Dimension.STATE, Dimension.DAY)]:
            asked = ReportQuery(start=START - DAY, end=START + 40 * DAY, by=by, zone=zone, where=own)
            nobody = {Dimension.BUYER: str(market.buyers[0] + 99)}
            found = await report(connection, asked)
            other = await report(connection, replace(asked, where=nobody))
            assert (found.total.calls, found.total.revenue_micros) == (4, 4 * PRICE), by
            assert (other.rows, other.total) == ((), Measures()), by
        both = replace(asked, by=(Dimension.TARGET,), where={**own, Dimension.STATE: ""})
        assert (await report(connection, both)).total.calls == 4


def test_a_filter_by_time_or_by_a_name_is_refused() -> None:
    for where in ({Dimension.DAY: "2026-11-24"}, {Dimension.BUYER: "Acme"}, {Dimension.NUMBER: "9" * 30}):
        with pytest.raises(ReportError):
            ReportQuery(start=START, end=START + DAY, zone=UTC, where=where)
