"""Reports and drill-down over ten million calls: how long a person waits."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import time
from itertools import combinations
from zoneinfo import ZoneInfo

from billing.report_calls import calls_behind
from billing.report_query import ReportQuery
from billing.reports import report
from billing.rollup import KEPT, Dimension
from billing.rollups_queries import DIMENSIONS, MEASURES, all_sets, insert_set
from store.session import open_engine
from tests.bench.report import Bar, at_most, percentile, progress, told
from tests.postgres import execute

DAYS = 9 if os.environ.get("QUICK") else 90
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ZONES = ("America/New_York", "UTC", "Asia/Kolkata")
SHAPE = (
    "20 publishers, 10 campaigns, 40 buyers, 120 targets, 200 numbers, 51 states, 5 loan types, 12 sources"
)

# Facts of one call each; a target belongs to a buyer, a number to a campaign and a publisher.
_FACTS = f"""
    INSERT INTO report_facts (transaction_id, part, at, call_id, {DIMENSIONS}, {MEASURES})
    SELECT n, 0, timestamptz '2026-01-01Z' + (n * {DAYS} * 86400.0 / {{count}}) * interval '1 second', {{call}},
        1 + (r % 200) / 10, 1 + (r % 200) / 20, 1 + (r / 200 % 120) / 3, 1 + r / 200 % 120, 1 + r % 200,
        's' || r / 24000 % 51, 'l' || r / 7 % 5, 'u' || r / 11 % 12,
        1, 1, (r % 3 > 0)::int, (r % 50 = 0)::int, (r % 9 = 0)::int, 60000 + r % 200000,
        45000000, 30000000, 6000, 0, 0
    FROM (SELECT n, (hashint8(n)::bigint + 2147483648) AS r FROM generate_series(1, {{count}}) n) g
"""


def _fill(database_url: str, count: int) -> None:
    """Facts and sums as folding would leave them; calls are there for the newest hundred thousand."""
    quick = "SET statement_timeout = 0; SET work_mem = '512MB'; SET session_replication_role = replica; "
    calls = min(count, 100_000)
    execute(
        database_url,
        quick + "INSERT INTO calls (id, linkedid, node, dialled, started_at, state) SELECT"
        " md5('c' || n)::uuid, 'c-' || n, 'c', '', timestamptz '2026-01-01Z' +"
        f" (n * {DAYS} * 86400.0 / {count}) * interval '1 second', 'settled'"
        f" FROM generate_series({count - calls + 1}, {count}) n",
    )
    execute(database_url, quick + _FACTS.format(count=count, call="md5('c' || n)::uuid"))
    progress("adding the sums up")
    for query in all_sets():
        execute(database_url, quick + insert_set(query))
    execute(database_url, "VACUUM ANALYZE report_facts")
    execute(database_url, "VACUUM ANALYZE rollups")


def _questions(rng: random.Random) -> list[ReportQuery]:
    """Every choice of one or two dimensions, each for a period that begins and ends at some odd minute."""
    chosen = [one for size in (0, 1, 2) for one in combinations(Dimension, size)]
    questions = []
    for by in chosen:
        length = rng.choice([days for days in (1, 7, 30, DAYS) if days <= DAYS])
        first = START + dt.timedelta(days=rng.randrange(DAYS - length + 1), minutes=rng.choice((0, 300, 330)))
        end = min(first + dt.timedelta(days=length), START + dt.timedelta(days=DAYS))
        questions.append(ReportQuery(start=first, end=end, by=by, zone=ZoneInfo(rng.choice(ZONES))))
    return questions


async def _measure(database_url: str, count: int) -> list[Bar]:
    engine = open_engine(database_url, application_name="bench", pool_size=1)
    rng, spent, drilled = random.Random(5), [], []
    slowest = (0.0, "")
    async with engine.connect() as connection:
        for again in range(3):
            for query in _questions(rng):
                began = time.perf_counter()
                await report(connection, query)
                took = (time.perf_counter() - began) * 1e3
                if again:
                    spent.append(took)
                    slowest = max(
                        slowest, (took, f"{'/'.join(query.by)} {(query.end - query.start).days} days")
                    )
        for _ in range(40):
            where = {one: _value(one, rng) for one in rng.sample(KEPT, rng.choice((1, 2)))}
            began = time.perf_counter()
            end = START + dt.timedelta(days=DAYS + 1)
            await calls_behind(connection, start=START, end=end, where=where)
            drilled.append((time.perf_counter() - began) * 1e3)
    await engine.dispose()
    said = f"{count} calls in {DAYS} days, {SHAPE}"
    return [
        at_most(
            "a report, p95", percentile(spent, 95), "ms", 100, yardstick=said, runs=[percentile(spent, 50)]
        ),
        told("the slowest report", slowest[0], "ms", yardstick=slowest[1]),
        at_most(
            "50 calls behind a figure, p95",
            percentile(drilled, 95),
            "ms",
            150,
            runs=[percentile(drilled, 50)],
        ),
    ]


def _value(dimension: Dimension, rng: random.Random) -> str:
    prefix = {Dimension.STATE: "s", Dimension.LOAN_TYPE: "l", Dimension.SOURCE: "u"}.get(dimension, "")
    return f"{prefix}{rng.randrange(1, 5)}"


def report_bars(database_url: str, count: int) -> list[Bar]:
    """Fill a migrated, empty database and ask it."""
    progress(f"making {count} calls")
    _fill(database_url, count)
    return asyncio.run(_measure(database_url, count))
