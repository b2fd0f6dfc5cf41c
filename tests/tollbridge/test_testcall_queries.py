"""Test calls wait in a queue of the house: one runs at a time, and none is kept for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.web_tables import test_calls
from tollbridge.testcall_queries import LINES_MAXIMUM, Order, add_line, end_order, take_order

WANTED = {"dialled": "+18005550100", "caller_sealed": "", "says": ["refinance"]}


async def take(engine: AsyncEngine, node: str = "a") -> Order | None:
    async with engine.begin() as connection:
        return await take_order(connection, node)


async def states(engine: AsyncEngine) -> list[tuple[str, str]]:
    async with engine.connect() as connection:
        query = select(test_calls.c.state, test_calls.c.problem).order_by(test_calls.c.id)
        return [tuple(row) for row in await connection.execute(query)]


async def test_one_runs_at_a_time_whatever_the_node(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(test_calls), [WANTED, WANTED])
    first = await take(engine)
    assert first is not None and list(first.says) == ["refinance"]
    assert await take(engine, "b") is None
    async with engine.begin() as connection:
        await end_order(connection, first.id, problem="", call_id=None)
    second = await take(engine, "b")
    assert second is not None and second.id > first.id
    assert [state for state, _ in await states(engine)] == ["done", "running"]


async def test_what_nobody_waits_for_any_more_is_given_up(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(test_calls), [WANTED, WANTED])
    assert await take(engine) is not None
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await connection.execute(update(test_calls).values(asked_at=now - timedelta(minutes=2)))
        lost = update(test_calls).where(test_calls.c.state == "running")
        await connection.execute(lost.values(started_at=now - timedelta(minutes=4)))
    assert await take(engine) is None
    gone = "no worker was there to place it to its end"
    assert await states(engine) == [("failed", gone), ("failed", gone)]


async def test_a_story_does_not_grow_without_end(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(test_calls).values(WANTED))
        for _ in range(LINES_MAXIMUM + 5):
            await add_line(connection, 1, "x" * 1000)
        lines = await connection.scalar(select(test_calls.c.lines))
    assert len(lines) == LINES_MAXIMUM and len(lines[0]) == 300
