"""Compares the books after a simulation with what the oracle says: the first difference is named."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.report_query import ReportQuery
from billing.reports import report
from billing.rollup import Dimension
from billing.rollups_queries import compare
from billing.verify import verify_ledger
from tests.simulate.oracle import Sums


async def differences(engine: AsyncEngine, right: Sums) -> list[str]:
    """Return what is wrong; nothing when no call was lost or doubled and every balance and sum is right."""
    return [one async for one in _differences(engine, right)]


async def _differences(engine: AsyncEngine, right: Sums) -> AsyncIterator[str]:
    async with engine.connect() as connection:
        for what, query, wanted in (
            ("calls", "SELECT count(*) FROM calls", right.calls),
            ("settled calls", "SELECT count(*) FROM calls WHERE state = 'settled'", right.calls),
            (
                "settlements",
                "SELECT count(*) FROM ledger_transactions WHERE kind = 'settlement'",
                right.calls,
            ),
            ("conversions", "SELECT count(*) FROM calls WHERE converted", right.converted),
            ("lines refused", "SELECT count(*) FROM refused_lines", 0),
        ):
            found = await connection.scalar(text(query))
            if found != wanted:
                yield f"{what}: {found}, must be {wanted}"
        books = await _books(connection)
        wanted_books = Counter({name: amount for name, amount in right.accounts.items() if amount})
        for account in sorted({*books, *wanted_books}):
            if books[account] != wanted_books[account]:
                yield f"{account}: {books[account]} micros, must be {wanted_books[account]}"
        kept = await _revenue_by_state(connection)
        for state in sorted({*kept, *right.revenue_by_state}):
            # What no call is behind (a refund) has no state.
            if state and kept[state] != right.revenue_by_state[state]:
                yield f"revenue of {state}: {kept[state]} micros, must be {right.revenue_by_state[state]}"
    async with engine.begin() as connection:
        for drift in await compare(connection):
            yield f"{drift.where}: kept {drift.kept}, right is {drift.right}"
    for finding in (await verify_ledger(engine)).findings:
        yield f"ledger verify: {finding.problem.value}: {finding.detail}"


async def _books(connection: AsyncConnection) -> Counter[str]:
    """Balances by account. What is disputed is counted against `disputed` until it is decided, and ends at nothing."""
    query = text("SELECT account, sum(amount_micros)::bigint AS amount FROM ledger_postings GROUP BY account")
    return Counter({row.account: row.amount for row in await connection.execute(query) if row.amount})


async def _revenue_by_state(connection: AsyncConnection) -> Counter[str]:
    now = dt.datetime.now(dt.UTC)
    query = ReportQuery(
        start=now - dt.timedelta(days=3),
        end=now + dt.timedelta(days=3),
        by=(Dimension.STATE,),
        zone=ZoneInfo("UTC"),
        rows=1000,
    )
    found = await report(connection, query)
    return Counter({row.keys[0]: row.measures.revenue_micros for row in found.rows})
