"""`ledger verify` over a million transactions: how long it reads, and how much memory it holds on to."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path

from billing.seal import Sealer
from billing.verify import verify_ledger
from store.session import open_engine
from tests.bench.report import Bar, at_most, progress, told
from tests.market import make_market
from tests.postgres import execute
from tests.sealing import seal_all, sealer_at, trust_in

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
    "INSERT INTO unsealed_transactions SELECT id FROM ledger_transactions",
    "ANALYZE",
)


async def _fill(database_url: str, sealer: Sealer, count: int) -> None:
    engine = open_engine(database_url, application_name="bench")
    await make_market(engine)
    for statement in _FILL:
        quick = "SET session_replication_role = replica; SET statement_timeout = 0; "
        execute(database_url, quick + statement.format(count=count))
    await seal_all(engine, sealer)
    await engine.dispose()


async def _verify_seconds(database_url: str, sealer: Sealer) -> float:
    engine = open_engine(database_url, application_name="bench")
    began = time.perf_counter()
    found = await verify_ledger(engine, trust_in(sealer))
    spent = time.perf_counter() - began
    await engine.dispose()
    assert found.holds, found.findings[:3]
    return spent


def verify_bars(small_url: str, large_url: str, folder: Path, count: int) -> list[Bar]:
    """Measure a tenth, then all: time goes by the number, memory must not."""
    few, many = sealer_at(folder / "few"), sealer_at(folder / "many")
    asyncio.run(_fill(small_url, few, count // 10))
    asyncio.run(_fill(large_url, many, count))
    progress(f"verifying {count // 10} and {count} transactions")
    small = asyncio.run(_verify_seconds(small_url, few))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large = asyncio.run(_verify_seconds(large_url, many))
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
