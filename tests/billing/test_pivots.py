"""Tables by two dimensions: what they have no room for is in the others, and every line adds up to its total."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.pivots import Pivot, Room, Side, pivot, pivot_of
from billing.report_query import MAXIMUM_ROWS, OTHERS, ReportQuery
from billing.reports import Report, report
from billing.rollup import FIELDS, Dimension, Measures
from billing.rollups_queries import DIMENSIONS, MEASURES, all_sets, insert_set

FIRST = dt.datetime(2026, 1, 20, tzinfo=dt.UTC)
DAYS, FACTS = 50, 600
QUERY = ReportQuery(
    start=FIRST,
    end=FIRST + dt.timedelta(days=DAYS),
    by=(Dimension.BUYER, Dimension.STATE),
    zone=ZoneInfo("UTC"),
)


def added(parts: Sequence[Measures]) -> Measures:
    return Measures(**{name: sum(getattr(one, name) for one in parts) for name in FIELDS})


def assert_adds_up(found: Pivot) -> None:
    """Every row, every column and the whole, the others among them, are the sums of their cells."""
    rows, columns = (*found.down.keys, OTHERS), (*found.across.keys, OTHERS)
    for row in found.down.keys:
        assert added([found.cells.get((row, one), Measures()) for one in columns]) == found.down.totals[row]
    for column in found.across.keys:
        assert (
            added([found.cells.get((one, column), Measures()) for one in rows]) == found.across.totals[column]
        )
    assert (
        added([found.cells.get((row, column), Measures()) for row in rows for column in columns])
        == found.total
    )


figures = st.builds(
    Measures, calls=st.integers(0, 3), revenue_micros=st.integers(-5, 9), payout_micros=st.integers(0, 9)
)


@given(
    cells=st.dictionaries(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("vwxyz")), figures),
    down=st.sets(st.sampled_from("ABCDE")),
    across=st.sets(st.sampled_from("vwxyz")),
)
def test_whatever_is_folded_into_the_others_every_line_adds_up(
    cells: dict[tuple[str, str], Measures], down: set[str], across: set[str]
) -> None:
    def side(keys: set[str], place: int) -> Side:
        totals = {key: added([one for at, one in cells.items() if at[place] == key]) for key in sorted(keys)}
        return Side(keys=tuple(totals), totals=totals, left_out=5 - len(keys))

    found = pivot_of(QUERY, side(down, 0), side(across, 1), cells, added(list(cells.values())))
    assert_adds_up(found)
    for (row, column), figure in found.cells.items():
        if OTHERS not in (row, column):
            assert figure == cells[row, column]


def test_two_buyers_of_three_in_one_state_of_two() -> None:
    """By hand: C and TX have no room; what they earned stands with the others."""
    earned = {("A", "OH"): 50, ("A", "TX"): 5, ("B", "OH"): 30, ("C", "OH"): 7, ("C", "TX"): 8}
    cells = {key: Measures(calls=1, revenue_micros=amount) for key, amount in earned.items()}
    down = Side(
        keys=("A", "B"),
        totals={"A": Measures(calls=2, revenue_micros=55), "B": Measures(calls=1, revenue_micros=30)},
        left_out=1,
    )
    across = Side(keys=("OH",), totals={"OH": Measures(calls=3, revenue_micros=87)}, left_out=1)
    found = pivot_of(QUERY, down, across, cells, Measures(calls=5, revenue_micros=100))
    assert {key: one.revenue_micros for key, one in found.cells.items()} == {
        ("A", "OH"): 50,
        ("B", "OH"): 30,
        ("A", OTHERS): 5,
        (OTHERS, "OH"): 7,
        (OTHERS, OTHERS): 8,
    }
    assert (down.shown, across.shown) == (("A", "B", OTHERS), ("OH", OTHERS))


@pytest.fixture
async def house(engine: AsyncEngine) -> AsyncEngine:
    """Fifty days of calls of twelve buyers in six states, the first ones more often, and costs of questions alone."""
    rng = random.Random(11)
    rows = [
        {
            "id": number,
            "at": FIRST + dt.timedelta(minutes=rng.randrange(DAYS * 24 * 60), seconds=1),
            "buyer": min(rng.randrange(1, 13), rng.randrange(1, 13)),
            "state": rng.choice(["OH", "OH", "TX", "CA", "FL", "NY", ""]),
            "calls": number % 5 and 1,
            "revenue": number % 5 and rng.randrange(0, 90) * 1_000_000,
            "ping": rng.randrange(0, 3),
        }
        for number in range(FACTS)
    ]
    measured = {"calls": ":calls", "revenue_micros": ":revenue", "ping_cost_micros": ":ping"}
    cells = ", ".join(measured.get(name, "0") for name in FIELDS)
    fact = f"INSERT INTO report_facts (transaction_id, part, at, {DIMENSIONS}, {MEASURES}) VALUES"
    async with engine.begin() as connection:
        await connection.execute(
            text(f"{fact} (:id, 0, :at, 1, 1, :buyer, 1, 1, :state, '', '', {cells})"), rows
        )
        for query in all_sets():
            await connection.execute(text(insert_set(query)))
    return engine


async def whole(engine: AsyncEngine, query: ReportQuery) -> Report:
    async with engine.connect() as connection:
        return await report(connection, replace(query, rows=MAXIMUM_ROWS, weighed=None))


ASKED = [
    ((Dimension.BUYER, Dimension.STATE), "UTC", 0, DAYS * 24 * 60),
    ((Dimension.STATE, Dimension.BUYER), "America/New_York", 7, 31 * 24 * 60),
    ((Dimension.BUYER, Dimension.DAY), "America/New_York", 12 * 60, 40 * 24 * 60),
    ((Dimension.DAY, Dimension.BUYER), "UTC", 0, 12 * 24 * 60),
    ((Dimension.BUYER, Dimension.HOUR), "Asia/Kolkata", 90, 30 * 24 * 60 + 17),
    ((Dimension.DAY, Dimension.HOUR), "America/New_York", 0, 9 * 24 * 60),
]


@pytest.mark.parametrize(("by", "zone", "start", "minutes"), ASKED)
@pytest.mark.parametrize("where", [{}, {Dimension.BUYER: "2"}, {Dimension.CAMPAIGN: "1"}])
async def test_a_table_shows_what_the_whole_report_has_and_adds_up(
    house: AsyncEngine,
    by: tuple[Dimension, ...],
    zone: str,
    start: int,
    minutes: int,
    where: dict[Dimension, str],
) -> None:
    begin = FIRST + dt.timedelta(minutes=start)
    query = ReportQuery(
        start=begin, end=begin + dt.timedelta(minutes=minutes), by=by, zone=ZoneInfo(zone), where=where
    )
    right = {row.keys: row.measures for row in (await whole(house, query)).rows}
    for room in (
        Room(columns=3, rows=9, cells=12),
        Room(columns=3, rows=2, cells=99),
        Room(columns=60, rows=99, cells=5_000),
    ):
        async with house.connect() as connection:
            found = await pivot(connection, query, room)
        assert_adds_up(found)
        assert found.total == added(list(right.values()))
        shown = {key: one for key, one in found.cells.items() if OTHERS not in key}
        assert shown == {
            key: one
            for key, one in right.items()
            if key[0] in found.down.keys and key[1] in found.across.keys
        }
        sides = zip((found.down, found.across), (0, 1), strict=True)
        for side, place in sides:
            assert len(side.keys) + side.left_out == len({key[place] for key in right})
        if room.columns == 60:
            assert shown == right, "nothing is left out where there is room"


async def test_the_largest_rows_and_the_newest_days_are_shown(house: AsyncEngine) -> None:
    async with house.connect() as connection:
        found = await pivot(connection, QUERY, Room(columns=2, rows=3, cells=99))
        by_day = await pivot(
            connection, replace(QUERY, by=(Dimension.BUYER, Dimension.DAY)), Room(columns=4, rows=9, cells=8)
        )
    revenue: dict[str, int] = {}
    for row in (await whole(house, replace(QUERY, by=(Dimension.BUYER,)))).rows:
        revenue[row.keys[0]] = row.measures.revenue_micros
    assert list(found.down.keys) == sorted(revenue, key=lambda key: -revenue[key])[:3]
    assert (found.down.left_out, found.across.left_out) == (len(revenue) - 3, 4)
    last = FIRST + dt.timedelta(days=DAYS)
    assert by_day.across.keys == tuple(f"{last - dt.timedelta(days=back):%Y-%m-%d}" for back in (4, 3, 2, 1))
