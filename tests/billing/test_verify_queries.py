"""Two transactions that look at one ledger see the same of it, whatever is posted meanwhile."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.ledger import Posting
from billing.ledger_queries import post
from billing.verify_queries import export_snapshot, take_snapshot


async def test_what_is_posted_after_the_first_began_the_second_does_not_see(engine: AsyncEngine) -> None:
    postings = (Posting(account="a", amount_micros=1), Posting(account="b", amount_micros=-1))
    level = {"isolation_level": "REPEATABLE READ"}
    count = text("SELECT count(*) FROM ledger_transactions")
    async with engine.connect() as one, engine.connect() as another:
        first, second = await one.execution_options(**level), await another.execution_options(**level)
        name = await export_snapshot(first)
        async with engine.begin() as late:
            await post(late, call_id=None, kind="test", postings=postings, detail={})
            assert await late.scalar(count) == 1
        await take_snapshot(second, name)
        assert [await connection.scalar(count) for connection in (first, second)] == [0, 0]


async def test_what_is_no_name_of_a_snapshot_is_refused(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(ValueError, match="no name"):
            await take_snapshot(connection, "x'; DROP TABLE calls; --")
