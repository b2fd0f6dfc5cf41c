"""The queue of test calls as the worker takes from it and tells into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.masking import without_numbers
from store.web_tables import test_calls

WAITS_AT_MOST = timedelta(seconds=60)
RUNS_AT_MOST = timedelta(seconds=180)
"""Longer than the longest test call with its settlement: one that runs on has lost its worker."""
LINES_MAXIMUM = 100
LINE_CHARACTERS_MAXIMUM = 300
_LOCK = 0x7E57CA11
"""Workers of several nodes take one after the other."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A test call to be placed."""

    id: int
    dialled: str
    caller: str
    says: Sequence[str]
    presses: Sequence[str]


async def take_order(connection: AsyncConnection, node: str) -> Order | None:
    """Take the oldest order, while no other runs in the house."""
    if not await connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return None
    await _give_up(connection)
    table = test_calls.c
    running = test_calls.alias()
    oldest = (
        select(table.id)
        .where(table.state == "waiting", ~exists().where(running.c.state == "running"))
        .order_by(table.id)
        .limit(1)
    ).scalar_subquery()
    taken = await connection.execute(
        update(test_calls)
        .where(table.id == oldest)
        .values(state="running", node=node, started_at=func.now())
        .returning(table.id, table.dialled, table.caller_sealed.label("caller"), table.says, table.presses)
    )
    row = taken.one_or_none()
    return None if row is None else Order(**row._mapping)


async def _give_up(connection: AsyncConnection) -> None:
    """Nobody waits for these any more."""
    table = test_calls.c
    late = (table.state == "waiting") & (table.asked_at < func.now() - WAITS_AT_MOST)
    lost = (table.state == "running") & (table.started_at < func.now() - RUNS_AT_MOST)
    await connection.execute(
        update(test_calls)
        .where(or_(late, lost))
        .values(state="failed", ended_at=func.now(), problem="no worker was there to place it to its end")
    )


async def add_line(connection: AsyncConnection, order_id: int, line: str) -> None:
    """Tell what has happened."""
    table = test_calls.c
    await connection.execute(
        update(test_calls)
        .where(table.id == order_id, func.cardinality(table.lines) < LINES_MAXIMUM)
        .values(lines=func.array_append(table.lines, without_numbers(line[:LINE_CHARACTERS_MAXIMUM])))
    )


async def end_order(
    connection: AsyncConnection, order_id: int, *, problem: str, call_id: UUID | None
) -> None:
    """Close an order; `problem` says why it came to nothing, '' when it did not."""
    state = "failed" if problem else "done"
    await connection.execute(
        update(test_calls)
        .where(test_calls.c.id == order_id)
        .values(state=state, ended_at=func.now(), problem=problem, call_id=call_id)
    )
