"""Settlement beside pgbench: calls settled a second by the worker's own steps, and transactions a second that pgbench
reaches with the same rows and indexes on the same server; and what roll-ups take of it."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import statistics
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.rollups_queries import fold_pending
from store.call_id import call_id_of
from store.session import open_engine
from tests.bench.report import Bar, at_least, at_most, progress
from tests.bench.router_leases import _pgbench as pgbench_program
from tests.market import Market, make_market
from tests.postgres import execute, owner_of
from tests.sealed import hex_of
from tollbridge.worker import SETTLE_TOGETHER, Worker, WorkerConfig, open_worker_engine

PROCESSES = 2
CLIENTS = (8, 32)

# What one settlement of a sold call leaves: the call's row, a leg, a transaction, six postings, the note for reports,
# a lease and its counter, the target's history. The yardstick's tables are copies without triggers and foreign keys.
_COPIES = (
    "calls",
    "legs",
    "ledger_transactions",
    "ledger_postings",
    "report_pending",
    "leases",
    "cap_counters",
    "target_history",
    "wallets",
)
_SCRIPT = """
\\set n random(1, {calls})
\\set target random(1, 40)
\\set t random(1, 2000000000)
BEGIN;
SELECT id, state, campaign_id FROM y_calls WHERE linkedid = 'b-' || :n FOR UPDATE;
INSERT INTO y_ledger_transactions (id, call_id, kind, detail) VALUES (:t::bigint * 4 + :client_id, gen_random_uuid(),
    'settlement', '{{"verdict": "converted"}}') ON CONFLICT DO NOTHING;
INSERT INTO y_ledger_postings (transaction_id, account, amount_micros) SELECT :t::bigint * 4 + :client_id, a, 7
    FROM unnest(ARRAY['buyer.' || :target || '.receivable', 'revenue', 'payout', 'publisher.1.payable', 'carrier_cost',
    'carrier.Carrier.payable']) AS a ON CONFLICT DO NOTHING;
INSERT INTO y_report_pending VALUES (:t::bigint * 4 + :client_id) ON CONFLICT DO NOTHING;
INSERT INTO y_legs (call_id, attempt, target_id, answered_ms, ended_ms, connected_ms, cause)
    VALUES (gen_random_uuid(), 1, :target, 1, 2, 3, 16) ON CONFLICT DO NOTHING;
UPDATE y_leases SET released_at = now() WHERE id = :n;
UPDATE y_cap_counters SET used = used + 1 WHERE key = 'target.' || :target || '.concurrency';
UPDATE y_target_history SET connected = connected + 1 WHERE target_id = :target;
UPDATE y_calls SET state = 'settled', settled_at = now(), outcome = 'sold', connected_ms = 100000, converted = true,
    conversion = '{conversion}', evidence = '{evidence}' WHERE linkedid = 'b-' || :n;
UPDATE y_wallets SET owed_micros = owed_micros + 7 WHERE buyer_id = :target;
COMMIT;
"""
_CONVERSION = (
    '{"verdict": "converted", "detail": "connected 100 s of 90 s", "price_micros": 45000000, "buyer": null}'
)
_EVIDENCE = (
    '{"witness" : "leg", "alarm" : false, "attempt" : 1, "answered_ms" : 1770000008000, "ended_ms" : 9}'
)


def _fill(market: Market, calls: int) -> str:
    """Calls that have ended, with the rows Asterisk wrote of them and the lease each holds."""
    rows = """('CHAN_START', 0, 'b-' || n, 'PJSIP/trunk-demo-1', ''),
        ('CALL', 1, 'b-' || n, 'PJSIP/trunk-demo-1',
            'dialled=+18005550100 caller=+1' || (2000000000 + n) || ' trunk=demo'),
        ('ANSWER', 10, 'b-' || n, 'PJSIP/trunk-demo-1', ''),
        ('CHAN_START', 5001, 'c-' || n, 'PJSIP/target-' || t || '-1', ''),
        ('ANSWER', 8000, 'c-' || n, 'PJSIP/target-' || t || '-1', ''),
        ('LEG', 108000, 'c-' || n, 'PJSIP/target-' || t || '-1', 'attempt=1 target=' || t
            || ' answered=1770000008000 ended=1770000108000 cause=16'),
        ('HANGUP', 108002, 'c-' || n, 'PJSIP/target-' || t || '-1', '{"hangupcause":16}'),
        ('DIALEND', 108003, 'b-' || n, 'PJSIP/trunk-demo-1', 'attempt=1 status=ANSWER'),
        ('LINKEDID_END', 108005, 'b-' || n, 'PJSIP/trunk-demo-1', '')"""
    return f"""
        INSERT INTO targets (buyer_id, name, sip_uri, loan_types, schedule)
            SELECT {market.buyers[0]}, 'desk ' || n, 'sip:a@127.0.0.1', ARRAY['refinance'], '{{}}'
            FROM generate_series(3, 40) n;
        INSERT INTO calls (id, linkedid, node, dialled, caller_sealed, caller_index, caller_area,
            started_at, ended_at, state, tracking_number_id,
            campaign_id, publisher_id, tags, trunk_name)
        SELECT id, 'b-' || n, 'bench' || n % {PROCESSES}, '+18005550100', caller_sealed, caller_index, '200',
            to_timestamp(1770000000), to_timestamp(1770000108), 'ended', {market.number}, {market.campaign},
            {market.publisher}, '{{"state": "OH"}}', 'demo' FROM bench_calls;
        INSERT INTO cel_rows (node, file, position, event, event_us, uniqueid, linkedid, channel, extra)
        SELECT 'bench', 'f' || n, place, event, 1770000000000000 + at * 1000, uid, 'b-' || n, channel, extra
        FROM bench_calls, LATERAL (SELECT row_number() OVER () AS place, v.* FROM (VALUES {rows})
            AS v(event, at, uid, channel, extra)) w;
        INSERT INTO cap_counters (key, used, period_start) SELECT 'target:' || t || ':concurrency', {calls}, 0
            FROM generate_series(1, 40) t ON CONFLICT DO NOTHING;
        INSERT INTO leases (call_id, attempt, target_id, counter_key, kind, amount, period_start, taken_at, expires_at)
            SELECT id, 1, t, 'target:' || t || ':concurrency', 'concurrency', 1, 0, now(), now() FROM bench_calls;
        INSERT INTO target_history (target_id) SELECT generate_series(1, 40) ON CONFLICT DO NOTHING;
        ANALYZE
    """


async def prepare(database_url: str, calls: int) -> None:
    """Fill a migrated, empty database with calls that wait to be settled."""
    engine = open_engine(database_url, application_name="bench")
    market = await make_market(engine)
    await engine.dispose()
    ids = ", ".join(
        f"({n}, '{call_id_of(f'b-{n}')}'::uuid, {hex_of(f'+1{2_000_000_000 + n}')})"
        for n in range(1, calls + 1)
    )
    execute(
        database_url,
        "CREATE TABLE bench_calls AS SELECT n, id, 1 + n % 40 AS t, caller_sealed, caller_index"
        f" FROM (VALUES {ids}) AS v(n, id, caller_sealed, caller_index)",
    )
    for statement in _fill(market, calls).split(";\n"):
        execute(database_url, statement)


def settle_flat_out(database_url: str, node: str, clients: int, calls: int) -> tuple[int, float]:
    """Settle a node's waiting calls on so many connections as the worker does; return how many, in how long."""
    import uvloop

    return uvloop.run(_settle_flat_out(database_url, node, clients, calls))


async def _settle_flat_out(database_url: str, node: str, clients: int, calls: int) -> tuple[int, float]:
    from billing.queries import calls_to_settle
    from tollbridge.worker import UNMATCHED_WAIT

    engine = open_worker_engine(database_url, node=node, pool_size=clients)
    config = WorkerConfig(
        node=node,
        database_url="",
        cel_file=Path("/none"),
        journal_dir=Path("/none"),
        recordings_dir=Path("/none"),
        snapshot_file=Path("/none"),
        alive_file=Path("/none"),
    )
    worker = Worker(engine, config)
    async with engine.connect() as connection:
        ready = await calls_to_settle(connection, node=node, limit=calls, unmatched_after=UNMATCHED_WAIT)
    waiting = iter([SimpleNamespace(**row._mapping) for row in ready])
    warm = iter(list(islice(waiting, clients * SETTLE_TOGETHER if len(ready) > clients * 80 else clients)))
    await asyncio.gather(*(worker._settle_lane(warm) for _ in range(clients)))
    left = len(ready) - clients * (SETTLE_TOGETHER if len(ready) > clients * 80 else 1)
    began = time.perf_counter()
    await asyncio.gather(*(worker._settle_lane(waiting) for _ in range(clients)))
    spent = time.perf_counter() - began
    await engine.dispose()
    return left, spent


def ours_per_second(database_url: str, clients: int, calls: int) -> float:
    """Settle all in two processes that share the clients."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(settle_flat_out, database_url, f"bench{place}", clients // PROCESSES, calls)
            for place in range(PROCESSES)
        ]
        done = [job.result() for job in jobs]
    return sum(count / spent for count, spent in done)


def make_yardstick(database_url: str) -> None:
    """Copy the tables, with their rows and indexes."""
    for table in _COPIES:
        execute(
            database_url,
            f"CREATE TABLE y_{table} (LIKE {table} INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING IDENTITY)",
        )
    for table in ("calls", "leases", "cap_counters", "target_history"):
        execute(database_url, f"INSERT INTO y_{table} SELECT * FROM {table}")
    # pgbench takes every colon for a variable of its own.
    execute(database_url, "UPDATE y_cap_counters SET key = replace(key, ':', '.')")
    execute(database_url, "INSERT INTO y_wallets (buyer_id) SELECT generate_series(1, 40)")
    execute(database_url, "ANALYZE")


def theirs_per_second(database_url: str, folder: Path, clients: int, calls: int, seconds: int) -> float:
    """What pgbench reaches with the same rows."""
    script = folder / "ledger.sql"
    script.write_text(_SCRIPT.format(calls=calls, conversion=_CONVERSION, evidence=_EVIDENCE))
    words = ("-n", "-c", str(clients), "-j", str(PROCESSES), "-T", str(seconds), "-M", "prepared")
    done = subprocess.run(
        [str(pgbench_program()), *words, "-f", str(script), owner_of(database_url)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found[1])


async def fold_all(engine: AsyncEngine) -> float:
    """Fold what is pending; return the seconds it took."""
    began = time.perf_counter()
    folded = 1
    while folded:
        async with engine.begin() as connection:
            folded = await fold_pending(connection)
    return time.perf_counter() - began


def rollup_seconds(database_url: str) -> float:
    async def run() -> float:
        engine = open_worker_engine(database_url, node="bench", pool_size=1)
        try:
            return await fold_all(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def settlement_bars(
    database_url_of_run: list[str], folder: Path, calls: int, pgbench_seconds: int
) -> list[Bar]:
    """Measure each number of clients on databases of its own; each is migrated and empty."""
    bars = []
    urls = iter(database_url_of_run)
    folds: list[float] = []
    for clients in CLIENTS:
        ours, theirs = [], []
        for url in islice(urls, len(database_url_of_run) // len(CLIENTS)):
            asyncio.run(prepare(url, calls))
            make_yardstick(url)
            theirs.append(theirs_per_second(url, folder, clients, calls, pgbench_seconds))
            ours.append(ours_per_second(url, clients, calls))
            folds.append(rollup_seconds(url) / (calls / ours[-1]) * 100)
            progress(
                f"{clients} clients: {ours[-1]:.0f} calls/s, pgbench {theirs[-1]:.0f}/s, folding {folds[-1]:.0f} %"
            )
        share = statistics.median(one / other for one, other in zip(ours, theirs, strict=True)) * 100
        said = (
            f"{statistics.median(ours):.0f} calls/s, pgbench {statistics.median(theirs):.0f} transactions/s"
        )
        name = f"settlements/s at {clients} clients, of pgbench"
        bars.append(at_least(name, share, "%", 50, yardstick=said, runs=ours))
    bars.append(at_most("roll-ups, of the time of settlement", statistics.median(folds), "%", 25, runs=folds))
    return bars
