"""`ledger verify` over a million transactions: how long it reads, and how much memory it holds on to."""

from __future__ import annotations

import asyncio
import resource
import time

from billing.ledger import FIRST_ROOT, leaf_of, seal_root
from billing.ledger_queries import entries, insert_seal
from billing.seal import BATCH_TRANSACTIONS
from billing.verify import verify_ledger
from store.session import open_engine
from tests.bench.report import Bar, at_most, progress, told
from tests.market import make_market
from tests.postgres import execute

# What a settled call leaves, by the million: the triggers would ask each row by itself what is plain here.
_FILL = (
    "INSERT INTO calls (id, linkedid, node, dialled, started_at, ended_at, state, outcome, buyer_id, target_id,"
    " converted, connected_ms, conversion) SELECT gen_random_uuid(), 'v-' || n, 'v', '', now() - interval '1 hour',"
    " now() - interval '30 minutes', 'settled', 'sold', 1, 1, true, 100000,"
    """ '{{"verdict": "converted", "price_micros": 45000000, "payout_micros": 30000000}}'"""
    " FROM generate_series(1, {count}) n",
    "INSERT INTO legs (call_id, attempt, target_id, answered_ms, ended_ms, connected_ms, cause)"
    " SELECT id, 1, 1, 1, 100001, 100000, 16 FROM calls",
    "INSERT INTO ledger_transactions (call_id, kind, detail, posted_at)"
    """ SELECT id, 'settlement', '{{"verdict": "converted"}}', now() - interval '30 minutes' FROM calls""",
    "INSERT INTO ledger_postings SELECT id, account, amount FROM ledger_transactions, (VALUES"
    " ('buyer:1:receivable', 45000000), ('revenue', -45000000), ('payout', 30000000),"
    " ('publisher:1:payable', -30000000)) AS p(account, amount)",
    "INSERT INTO wallets (buyer_id, owed_micros) SELECT 1, sum(amount_micros) FROM ledger_postings"
    " WHERE account = 'buyer:1:receivable'",
    "ANALYZE",
)


async def _fill(database_url: str, count: int) -> None:
    engine = open_engine(database_url, application_name="bench")
    await make_market(engine)
    for statement in _FILL:
        quick = "SET session_replication_role = replica; SET statement_timeout = 0; "
        execute(database_url, quick + statement.format(count=count))
    previous, batch = FIRST_ROOT, 0
    for first in range(1, count + 1, BATCH_TRANSACTIONS):
        async with engine.begin() as connection:
            ids = list(range(first, min(first + BATCH_TRANSACTIONS, count + 1)))
            leaves = [leaf_of(entry) for entry in await entries(connection, ids)]
            batch += 1
            root = seal_root(batch, previous, leaves)
            await insert_seal(connection, batch=batch, previous_root=previous, root=root, ids=ids)
            previous = root
    await engine.dispose()


async def _verify_seconds(database_url: str) -> float:
    engine = open_engine(database_url, application_name="bench")
    began = time.perf_counter()
    found = await verify_ledger(engine)
    spent = time.perf_counter() - began
    await engine.dispose()
    assert found.holds, found.findings[:3]
    return spent


def verify_bars(small_url: str, large_url: str, count: int) -> list[Bar]:
    """Measure a tenth, then all: time goes by the number, memory must not."""
    asyncio.run(_fill(small_url, count // 10))
    asyncio.run(_fill(large_url, count))
    progress(f"verifying {count // 10} and {count} transactions")
    small = asyncio.run(_verify_seconds(small_url))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large = asyncio.run(_verify_seconds(large_url))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    name = "ledger verify, for a million transactions"
    return [
        at_most(
            name,
            large * 1_000_000 / count,
            "s",
            60,
            yardstick=f"{count} took {large:.1f} s",
            runs=[small, large],
        ),
        at_most("ledger verify, memory for ten times as many", grown, "MiB more", 30),
        told("transactions verified", count, "transactions"),
    ]
