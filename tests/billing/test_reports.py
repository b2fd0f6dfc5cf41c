"""Which rows a report by two dimensions shows of many, and what the others come to."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.report_query import OTHERS, ReportError, ReportQuery
from billing.reports import report
from billing.rollup import Dimension
from tests.billing.test_pivots import ASKED, FIRST, QUERY, added, house, whole
from tests.postgres import as_owner

__all__ = ["house"]


@pytest.mark.parametrize("by", [one[0] for one in ASKED])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
async def test_few_rows_are_the_largest_of_all(
    house: AsyncEngine, by: tuple[Dimension, ...], zone: str
) -> None:
    query = replace(QUERY, by=by, zone=ZoneInfo(zone), rows=7)
    right = await whole(house, query)
    async with house.connect() as connection:
        found = await report(connection, query)
    largest = sorted(
        right.rows, key=lambda row: (-row.measures.revenue_micros, -row.measures.calls, row.keys)
    )[:7]
    assert {row.keys: row.measures for row in found.rows[:-1]} == {row.keys: row.measures for row in largest}
    assert (found.total, found.groups) == (right.total, len(right.rows))
    assert found.rows[-1].keys[0] == OTHERS and not found.left_out
    assert added([row.measures for row in found.rows]) == found.total


async def test_rows_are_looked_for_among_the_largest_buyers_when_that_is_said(house: AsyncEngine) -> None:
    buyers = [row.keys[0] for row in (await whole(house, replace(QUERY, by=(Dimension.BUYER,)))).rows]
    for by in ((Dimension.BUYER, Dimension.DAY), (Dimension.DAY, Dimension.BUYER)):
        query = replace(QUERY, by=by, rows=5, weighed=3)
        async with house.connect() as connection:
            found = await report(connection, query)
        place = by.index(Dimension.BUYER)
        right = [row for row in (await whole(house, query)).rows if row.keys[place] in buyers[:3]]
        largest = sorted(
            right, key=lambda row: (-row.measures.revenue_micros, -row.measures.calls, row.keys)
        )[:5]
        assert {row.keys: row.measures for row in found.rows[:-1]} == {
            row.keys: row.measures for row in largest
        }
        assert found.left_out == {Dimension.BUYER: len(buyers) - 3} and found.groups == len(right)
        assert added([row.measures for row in found.rows]) == found.total, "nobody is lost from the total"


async def test_where_there_are_no_more_values_none_is_left_out(house: AsyncEngine) -> None:
    query = replace(QUERY, rows=200, weighed=100)
    async with house.connect() as connection:
        found = await report(connection, query)
    assert found.rows == (await whole(house, query)).rows
    assert set(found.left_out.values()) == {0}


def test_a_senseless_number_of_values_is_refused() -> None:
    with pytest.raises(ReportError):
        ReportQuery(start=FIRST, end=QUERY.end, zone=QUERY.zone, weighed=0)


async def test_what_is_not_folded_yet_is_looked_up_and_the_ledger_is_not_read_whole(
    house: AsyncEngine,
) -> None:
    """A server that has not looked at the few pending ones takes them for thousands."""
    async with as_owner(house) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(
            text(
                "INSERT INTO ledger_transactions (kind) SELECT 'adjustment:' || n FROM generate_series(1, 20000) n"
            )
        )
        await connection.execute(text("INSERT INTO report_pending SELECT max(id) FROM ledger_transactions"))
        await connection.execute(text("ANALYZE ledger_transactions"))
    async with house.begin() as connection:
        await report(connection, QUERY)
        read = text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0")
        assert "ledger_transactions" not in {row.relname for row in await connection.execute(read)}
