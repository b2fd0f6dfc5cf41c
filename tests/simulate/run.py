"""`make simulate CALLS=1000000 SEED=n`: calls x faults against the real settlement and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import click

from store.session import open_engine
from tests.bench.report import progress
from tests.postgres import database_of, execute, migrated
from tests.simulate.check import differences
from tests.simulate.oracle import Sums
from tests.simulate.shard import Faulty, Played, play_shard
from tests.simulate.world import World, make_world, shared_market
from tollbridge.postgres import postgres_process, start_embedded_postgres, stop_embedded_postgres

# A killed server leaves all it wrote to the kernel, so fsync proves nothing here; a commit that was answered must have
# been written, or a crash would take it back.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}
CALLS_A_RESTART = 20_000
CALLS_A_SHARD = 25_000
"""Memory of a shard is bounded by it: a simulation of a million calls is forty of them."""
LOOK_SECONDS = 0.1
TELL_SECONDS = 10.0


@click.command()
@click.option("--calls", default=20_000, show_default=True, type=click.IntRange(1, 10_000_000))
@click.option("--seed", default=0, help="0: a new one.")
@click.option("--processes", default=lambda: os.cpu_count() or 2, type=click.IntRange(1, 64))
@click.option(
    "--restarts", default=-1, help=f"Of PostgreSQL; by default one for each {CALLS_A_RESTART} calls."
)
def main(calls: int, seed: int, processes: int, restarts: int) -> None:
    """Simulate; exit status 1 and the first differences when anything is lost, doubled or out of balance."""
    seed = seed or random.SystemRandom().randrange(1, 10**9)
    restarts = -(-calls // CALLS_A_RESTART) if restarts < 0 else restarts
    progress(f"seed {seed}, {calls} calls, {processes} processes, {restarts} restarts of PostgreSQL")
    began = time.monotonic()
    found = simulate(calls, seed=seed, processes=processes, restarts=restarts)
    progress(
        f"{found.sums.calls} calls ({calls / found.settling_seconds:.0f}/s), {found.sums.converted} paid for,"
        f" {found.deaths} deaths of a worker, {found.restarts} restarts of PostgreSQL,"
        f" {found.outages} steps met a server that was away, {time.monotonic() - began:.0f} s in all"
    )
    for one in found.wrong[:20]:
        print(one)
    verdict = f"{len(found.wrong)} differences" if found.wrong else "0 lost, 0 doubled, every balance equal"
    print(f"seed {seed}: {verdict}")
    sys.exit(1 if found.wrong else 0)


@dataclass(kw_only=True)
class Simulated:
    """What came of a simulation. `wrong` is empty when nothing is lost, doubled or out of balance."""

    sums: Sums = field(default_factory=Sums)
    deaths: int = 0
    outages: int = 0
    restarts: int = 0
    settling_seconds: float = 0.0
    wrong: Sequence[str] = ()

    def add(self, played: Played) -> None:
        self.sums.add(played.sums)
        self.deaths += played.deaths
        self.outages += played.outages


def simulate(
    calls: int, *, seed: int, processes: int, restarts: int, luck: Faulty | None = None
) -> Simulated:
    """Play so many calls on a server of its own, then compare everything with the oracle. Blocks."""
    data_dir = Path(tempfile.mkdtemp(prefix="tbsim-"))
    compared = False
    try:
        server_url = start_embedded_postgres(data_dir, SETTINGS)
        execute(server_url, "CREATE DATABASE simulation")
        url = migrated(database_of(server_url, "simulation"))
        found = _Run(url, data_dir, calls, seed, restarts).play(processes, luck or Faulty())
        progress("comparing the books with the oracle")
        found.wrong = asyncio.run(_check(url, found.sums))
        compared = True
    finally:
        stop_embedded_postgres(data_dir)
        if compared:
            shutil.rmtree(data_dir, ignore_errors=True)
        else:
            progress(f"what was simulated stays in {data_dir}")
    return found


class _Run:
    """The shards at work, and the server that restarts at places of the seed while they are."""

    def __init__(self, url: str, data_dir: Path, calls: int, seed: int, restarts: int) -> None:
        self._url, self._data_dir, self._calls, self._seed = url, data_dir, calls, seed
        # Not at the very end, where nobody would be left to notice.
        rng = random.Random(f"{seed}/restarts")
        self._restart_at = sorted(rng.randrange(calls * 7 // 10 + 1) for _ in range(restarts))
        self._began = self._told = time.monotonic()
        self._through: dict[int, int] = {}
        self._found = Simulated()

    def play(self, processes: int, luck: Faulty) -> Simulated:
        shards = max(processes, -(-self._calls // CALLS_A_SHARD))
        worlds = asyncio.run(_worlds(self._url, shards, self._seed))
        context = multiprocessing.get_context("spawn")
        told: SimpleQueue[tuple[int, int]] = context.SimpleQueue()
        self._began = time.monotonic()
        with ProcessPoolExecutor(processes, context, initializer=_hear, initargs=(told,)) as pool:
            jobs = [
                pool.submit(_play_in_process, self._url, world, self._seed, own, luck)
                for world, own in zip(worlds, _shares(self._calls, shards), strict=True)
            ]
            try:
                while not all(job.done() for job in jobs):
                    self._look(told)
                    _raise_early(jobs)
            except BaseException as problem:
                # The pool waits for what runs, which may be an hour without a word.
                progress(f"broken off: {problem!r}")
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise
        for job in jobs:
            self._found.add(job.result())
        self._found.settling_seconds = time.monotonic() - self._began
        return self._found

    def _look(self, told: SimpleQueue[tuple[int, int]]) -> None:
        time.sleep(LOOK_SECONDS)
        while not told.empty():
            shard, through = told.get()
            self._through[shard] = through
        through = sum(self._through.values())
        if through and self._restart_at and through >= self._restart_at[0]:
            self._restart_at.pop(0)
            self._restart()
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            rate = through / (self._told - self._began)
            left = f"{(self._calls - through) / rate / 60:.0f} min left" if through else "starting"
            progress(f"{through} calls, {rate:.0f}/s, {self._found.restarts} restarts, {left}")

    def _restart(self) -> None:
        """Stop the server in the middle of everything: by turns as it crashes and as it is told to."""
        server = postgres_process(self._data_dir)
        if server is not None and self._found.restarts % 2 == 0:
            server.send_signal(signal.SIGQUIT)  # no checkpoint, no goodbye: it recovers from its log
            server.wait(30)
        stop_embedded_postgres(self._data_dir)
        start_embedded_postgres(self._data_dir, SETTINGS)
        self._found.restarts += 1


def _shares(calls: int, shards: int) -> list[int]:
    return [calls // shards + (place < calls % shards) for place in range(shards)]


def _raise_early(jobs: Sequence[Future[Played]]) -> None:
    for job in jobs:
        if job.done():
            job.result()


_TOLD: list[SimpleQueue[tuple[int, int]]] = []
"""In a shard's process: where it tells how far it is."""


def _hear(told: SimpleQueue[tuple[int, int]]) -> None:
    _TOLD.append(told)


def _play_in_process(url: str, world: World, seed: int, calls: int, luck: Faulty) -> Played:
    # A connection that dies is what this is about.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)

    def tell(through: int) -> None:
        _TOLD[0].put((world.shard, through))

    return asyncio.run(play_shard(url, world, seed, calls, luck, tell))


async def _worlds(url: str, shards: int, seed: int) -> list[World]:
    engine = open_engine(url, application_name="simulation")
    async with engine.begin() as connection:
        await shared_market(connection)
        worlds = [
            await make_world(connection, shard, random.Random(f"{seed}/world/{shard}"))
            for shard in range(shards)
        ]
    await engine.dispose()
    return worlds


async def _check(url: str, right: Sums) -> list[str]:
    # A million calls take longer than a query of a page may.
    engine = open_engine(url, application_name="simulation", patient=True)
    try:
        return await differences(engine, right)
    finally:
        await engine.dispose()
