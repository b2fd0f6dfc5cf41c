"""Test calls in PostgreSQL, as the pages order and show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import calls, tracking_numbers
from store.web_tables import test_calls

if TYPE_CHECKING:
    from web.test_calls.order import Wanted

KEPT = timedelta(days=30)
TAKEN_WITHIN = timedelta(seconds=60)
"""The worker gives up what waits longer (tollbridge.testcall_queries); without one nobody does."""


@dataclass(frozen=True, kw_only=True)
class TestCall:
    """A test call as it is now. `lines` is what happened so far."""

    __test__ = False

    id: int
    dialled: str
    caller: str
    says: Sequence[str]
    presses: Sequence[str]
    state: str
    node: str
    lines: Sequence[str]
    problem: str
    call_id: UUID | None
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed")

    def is_forgotten(self, now: datetime) -> bool:
        """Whether no worker has taken it in time."""
        return self.state == "waiting" and now - self.asked_at > TAKEN_WITHIN


async def number_in_use(connection: AsyncConnection, e164: str) -> int | None:
    """Return the id of a tracking number that takes calls."""
    query = select(tracking_numbers.c.id).where(tracking_numbers.c.e164 == e164, tracking_numbers.c.enabled)
    found = await connection.scalar(query)
    return None if found is None else int(found)


async def waiting(connection: AsyncConnection) -> int:
    """Return how many test calls wait and are not given up."""
    query = select(func.count()).where(
        test_calls.c.state == "waiting", test_calls.c.asked_at > func.now() - TAKEN_WITHIN
    )
    return int(await connection.scalar(query) or 0)


async def insert_order(
    connection: AsyncConnection, wanted: Wanted, *, user_id: int | None, asked_by: str
) -> int:
    """Store an order and forget old ones; return its id."""
    await connection.execute(delete(test_calls).where(test_calls.c.asked_at < func.now() - KEPT))
    values = {
        "dialled": wanted.dialled,
        "caller_sealed": wanted.caller,
        "says": list(wanted.says),
        "presses": list(wanted.presses),
        "user_id": user_id,
        "asked_by": asked_by,
    }
    made = await connection.execute(insert(test_calls).values(values).returning(test_calls.c.id))
    return int(made.scalar_one())


async def test_call_of(connection: AsyncConnection, test_call_id: int) -> TestCall | None:
    """Return a test call; its call only once that is stored."""
    left = ("call_id", "caller")
    shown = [test_calls.c[name] for name in TestCall.__dataclass_fields__ if name not in left]
    query = (
        select(*shown, test_calls.c.caller_sealed.label("caller"), calls.c.id.label("call_id"))
        .outerjoin(calls, calls.c.id == test_calls.c.call_id)
        .where(test_calls.c.id == test_call_id)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else TestCall(**row._mapping)


test_call_of.__test__ = False  # type: ignore[attr-defined]
