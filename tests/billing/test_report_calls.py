"""The calls behind a figure: page after page exactly those, however few there are among how many."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.report_calls import Place, calls_behind
from billing.report_query import ReportError
from billing.rollup import FIELDS, Dimension
from billing.rollups_queries import DIMENSIONS, MEASURES, all_sets, insert_set

FIRST = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAYS, CALLS = 40, 500
Calls = list[dict[str, Any]]


@pytest.fixture
async def calls(engine: AsyncEngine) -> Calls:
    """Forty days of calls, some at one moment or at midnight, few from Alaska; what questions cost is no call."""
    rng = random.Random(3)
    rows: Calls = [
        {
            "id": number,
            "call": UUID(int=number),
            "linkedid": str(number),
            "at": FIRST + rng.choice((1, 60, 24 * 60)) * dt.timedelta(minutes=rng.randrange(DAYS)),
            "buyer": rng.randrange(0, 4),
            "state": rng.choice(["OH"] * 40 + ["TX"] * 20 + ["AK", ""]),
            "source": rng.choice(["web", ""]),
            "calls": int(number % 7 > 0),
        }
        for number in range(1, CALLS + 1)
    ]
    zeros = ", ".join("0" for _ in FIELDS[1:])
    fact = f"INSERT INTO report_facts (transaction_id, part, at, call_id, {DIMENSIONS}, {MEASURES}) VALUES"
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO calls (id, linkedid, node, dialled, started_at, state)"
                " VALUES (:call, :linkedid, 'c', '', :at, 'settled')"
            ),
            rows,
        )
        await connection.execute(
            text(f"{fact} (:id, 0, :at, :call, 1, 1, :buyer, 1, 1, :state, '', :source, :calls, {zeros})"),
            rows,
        )
        for query in all_sets():
            await connection.execute(text(insert_set(query)))
    return rows


async def every_page(
    engine: AsyncEngine, start: dt.datetime, end: dt.datetime, where: Mapping[Dimension, str], limit: int
) -> list[UUID]:
    found: list[UUID] = []
    place: Place | None = None
    async with engine.connect() as connection:
        for _ in range(CALLS):
            page, place = await calls_behind(
                connection, start=start, end=end, where=where, after=place, limit=limit
            )
            found += [call.call_id for call in page]
            if place is None:
                return found
    raise AssertionError("the pages have no end")


async def test_the_pages_are_exactly_the_calls_of_a_figure(engine: AsyncEngine, calls: Calls) -> None:
    rng = random.Random(5)
    values = {
        Dimension.BUYER: ["1", "3", ""],
        Dimension.STATE: ["OH", "AK", "", "WY"],
        Dimension.SOURCE: ["web", ""],
    }
    for _ in range(60):
        start, end = sorted(
            FIRST + dt.timedelta(minutes=rng.randrange(-60, DAYS * 24 * 60)) for _ in range(2)
        )
        if rng.random() < 0.3:
            start, end = (
                FIRST + rng.randrange(9) * dt.timedelta(days=1),
                FIRST + dt.timedelta(days=rng.randrange(9, DAYS)),
            )
        where = {one: rng.choice(values[one]) for one in rng.sample(list(values), rng.randrange(4))}
        right = [
            one
            for one in sorted(calls, key=lambda one: (one["at"], one["id"]), reverse=True)
            if one["calls"]
            and start <= one["at"] < end
            and all(str(one[each] or "") == value for each, value in where.items())
        ]
        limit = rng.choice([1, 7, 50]) if len(right) < 60 else 50
        found = await every_page(engine, start, end, where, limit)
        assert found == [one["call"] for one in right], (start, end, where, limit)


async def test_only_days_that_have_some_are_looked_at(engine: AsyncEngine, calls: Calls) -> None:
    """Among ten million calls it took seconds to find that a number had none from a state."""
    where = {Dimension.STATE: "AK", Dimension.SOURCE: "web"}
    days = {
        one["at"].date() for one in calls if one["state"] == "AK" and one["source"] == "web" and one["calls"]
    }
    assert 0 < len(days) < 10
    async with engine.begin() as connection:
        # Facts of other days that sums know nothing of would be found by who looks everywhere.
        await connection.execute(text("UPDATE report_facts SET state = 'AK', source = 'web' WHERE calls = 1"))
        page, _ = await calls_behind(
            connection, start=FIRST, end=FIRST + dt.timedelta(days=DAYS), where=where, limit=1_000
        )
        await connection.rollback()
    assert {call.started_at.date() for call in page} == days


async def test_a_question_for_a_time_or_for_too_many_is_refused(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for where, limit in (({Dimension.DAY: "2026-03-01"}, 50), ({}, 0), ({}, 1_001)):
            with pytest.raises(ReportError):
                await calls_behind(connection, start=FIRST, end=FIRST, where=where, limit=limit)
