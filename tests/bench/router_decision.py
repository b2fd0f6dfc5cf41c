"""The decision by itself: how long, how much memory, and what an edit of the market costs those who are deciding."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.auction import AuctionWanted
from router.domain.decide import decide
from router.domain.market import Snapshot
from router.domain.plan import plan_of
from router.domain.read_market import read_market
from router.snapshot import CurrentSnapshot
from router.snapshot_file import read_snapshot_for
from tests.bench.big_market import counts_of, some_requests
from tests.bench.report import Bar, at_most, percentile, progress, told
from tests.router.stored import execute, store_market

DECISIONS = 4_000
RUNS = 3


def decision_bars(document: dict[str, Any]) -> list[Bar]:
    """Measure `decide` on the big market, and spelling its reasons out beside it.

    The bars are on the clock on the wall, in a process that does nothing else and whose market is frozen as in the
    service. Beside them stands the processor time: where the two differ much, the machine was busy. No reading is
    shared: every decision goes through all counters of its plan itself.
    """
    snapshot = read_market(document, version=1, digest="0" * 64)
    counts = {number: counts_of(document, number) for number in range(1, 201)}
    requests = some_requests(DECISIONS)
    for campaign in snapshot.campaigns.values():
        plan_of(snapshot, campaign)
    gc.collect()
    gc.freeze()
    wall_ms: list[list[float]] = []
    runs_ms: list[list[float]] = []
    written: list[float] = []
    rejected = 0
    for run in range(RUNS):
        progress(f"decisions, run {run + 1} of {RUNS}")
        spent, wall = [], []
        for request in requests:
            began, began_wall = time.thread_time_ns(), time.perf_counter_ns()
            decision = decide(snapshot, request, counts[request.campaign_id])
            spent.append((time.thread_time_ns() - began) / 1e6)
            wall.append((time.perf_counter_ns() - began_wall) / 1e6)
            assert not isinstance(decision, AuctionWanted)
            rejected += len(decision.rejections)
            if run == 0:
                began = time.perf_counter_ns()
                assert len(tuple(decision.rejections)) == len(decision.rejections)
                written.append((time.perf_counter_ns() - began) / 1e6)
        runs_ms.append(spent)
        wall_ms.append(wall)
    progress(f"{rejected // (DECISIONS * RUNS)} rejections a decision")
    bars = []
    for percent, limit in ((50, 0.5), (99, 1.0)):
        wall_runs = [percentile(run, percent) for run in wall_ms]
        runs = [percentile(run, percent) for run in runs_ms]
        of_processor = f"{statistics.median(runs):.3f} ms of processor time"
        bars += [
            at_most(
                f"decision p{percent}",
                statistics.median(wall_runs),
                "ms",
                limit,
                yardstick=of_processor,
                runs=wall_runs,
            ),
            told(f"decision p{percent}, processor time", statistics.median(runs), "ms", runs=runs),
        ]
    return [
        *bars,
        told("spelling all reasons out, p50", percentile(written, 50), "ms"),
    ]


def memory_bar(file: Path) -> Bar:
    """Measure what the snapshot and two hundred plans made ready take, in a process that does nothing else."""
    program = (
        "import gc, sys, tracemalloc; from router.snapshot_file import read_snapshot; import router.domain.decide;"
        "import router.domain.filter_index; from router.domain.plan import plan_of; tracemalloc.start();"
        "market = read_snapshot(sys.argv[1]); [plan_of(market, one) for one in market.campaigns.values()];"
        "gc.collect(); print(tracemalloc.get_traced_memory()[0] / 1e6)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, os.fspath(file)], capture_output=True, text=True, check=True
    )
    return at_most("memory of the snapshot", float(done.stdout), "MB", 150)


async def reload_bars(engine: AsyncEngine, folder: Path, document: dict[str, Any]) -> list[Bar]:
    """Measure an edit, from its commit to decisions made on it, and the longest wait of a decision meanwhile."""
    progress("storing the market")
    await store_market(engine, document, quickly=True)
    current = CurrentSnapshot(engine, folder / "snapshot")
    began = time.perf_counter()
    await current.load()
    whole_ms = (time.perf_counter() - began) * 1e3
    progress(f"the whole market was read in {whole_ms:.0f} ms")
    gc.collect()
    gc.freeze()
    taken, filed, waited = [], [], []
    for number in range(1, 8):
        edit = "UPDATE targets SET concurrency_cap = concurrency_cap + 1 WHERE id = :id"
        await execute(engine, edit, id=number * 37)
        watch = _Watch(current.current, document)
        with watch:
            used_ms, filed_ms = await _refreshed_ms(current)
        taken.append(used_ms)
        filed.append(filed_ms)
        waited.append(watch.longest_ms)
    began = time.perf_counter()
    read_snapshot_for(folder / "snapshot", "+18005550001", lambda *_: ["OH"])
    survival_ms = (time.perf_counter() - began) * 1e3
    return [
        at_most("reload after an edit", statistics.median(taken), "ms", 300, runs=taken),
        at_most("longest decision while reloading", statistics.median(waited), "ms", 50, runs=waited),
        told(
            "reload after an edit, until it is filed and archived too",
            statistics.median(filed),
            "ms",
            runs=filed,
        ),
        told("first load of the whole market", whole_ms, "ms"),
        told("survival reads its own campaign", survival_ms, "ms"),
        await asyncio.to_thread(memory_bar, folder / "snapshot"),
    ]


async def _refreshed_ms(current: CurrentSnapshot) -> tuple[float, float]:
    """Load an edit. Returns how long it took until decisions are made on it, and until all that follows is done."""
    older, began = current.current, time.perf_counter()
    loading = asyncio.create_task(current.refresh())
    while current.current is older and not loading.done():  # noqa: ASYNC110 (the market tells nobody)
        await asyncio.sleep(0.0005)
    used_ms = (time.perf_counter() - began) * 1e3
    assert await loading
    return used_ms, (time.perf_counter() - began) * 1e3


class _Watch:
    """Decides without pause in another thread, and remembers the longest time a decision took."""

    def __init__(self, snapshot: Snapshot, document: dict[str, Any]) -> None:
        self._snapshot, self._counts = snapshot, counts_of(document, 1)
        self._requests = [request for request in some_requests(2_000) if request.campaign_id == 1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._decide)
        self.longest_ms = 0.0

    def __enter__(self) -> None:
        for request in self._requests:
            decide(self._snapshot, request, self._counts)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _decide(self) -> None:
        while not self._stop.is_set():
            for request in self._requests:
                began = time.perf_counter_ns()
                decide(self._snapshot, request, self._counts)
                self.longest_ms = max(self.longest_ms, (time.perf_counter_ns() - began) / 1e6)
            time.sleep(0.001)
