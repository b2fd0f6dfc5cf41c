"""`make simulate CALLS=1000000 SEED=n`: calls x faults against the real settlement and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import click

from store.migrate import upgrade
from store.session import open_engine
from tests.bench.report import progress
from tests.postgres import database_of, execute
from tests.simulate.check import differences
from tests.simulate.oracle import Sums
from tests.simulate.shard import Faulty, play_shard
from tests.simulate.world import World, make_world, shared_market
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres

# What is proved is what settlement does, not what a power cut leaves.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "256MB"}
RESTART_SECONDS = 45.0
CALLS_A_SHARD = 25_000
"""Memory of a shard is bounded by it: a simulation of a million calls is forty of them."""


@click.command()
@click.option("--calls", default=20_000, show_default=True, type=click.IntRange(1, 10_000_000))
@click.option("--seed", default=0, help="0: a new one.")
@click.option("--processes", default=lambda: os.cpu_count() or 2, type=click.IntRange(1, 64))
@click.option("--restarts/--no-restarts", default=True, help="Restart PostgreSQL now and then.")
def main(calls: int, seed: int, processes: int, restarts: bool) -> None:
    """Simulate; exit status 1 and the first differences when anything is lost, doubled or out of balance."""
    seed = seed or random.SystemRandom().randrange(1, 10**9)
    progress(f"seed {seed}, {calls} calls, {processes} processes")
    data_dir = Path(tempfile.mkdtemp(prefix="tbsim-"))
    began = time.monotonic()
    try:
        server_url = start_embedded_postgres(data_dir, SETTINGS)
        execute(server_url, "CREATE DATABASE simulation")
        url = database_of(server_url, "simulation")
        upgrade(url)
        right, deaths, settled_seconds = _play(url, data_dir, calls, seed, processes, restarts=restarts)
        wrong = asyncio.run(_check(url, right))
    finally:
        stop_embedded_postgres(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)
    rate = calls / settled_seconds
    progress(
        f"{right.calls} calls ({rate:.0f}/s), {right.converted} paid for, {deaths} deaths of a worker,"
        f" {time.monotonic() - began:.0f} s in all"
    )
    for one in wrong[:20]:
        print(one)
    print(
        f"seed {seed}: {'0 lost, 0 doubled, every balance equal' if not wrong else f'{len(wrong)} differences'}"
    )
    sys.exit(1 if wrong else 0)


def _play(
    url: str, data_dir: Path, calls: int, seed: int, processes: int, *, restarts: bool
) -> tuple[Sums, int, float]:
    shards = max(processes, -(-calls // CALLS_A_SHARD))
    worlds = asyncio.run(_worlds(url, shards, seed))
    share = [calls // shards + (place < calls % shards) for place in range(shards)]
    began, right, deaths = time.monotonic(), Sums(), 0
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs: set[Future[Any]] = {
            pool.submit(_play_in_process, url, world, seed, own)
            for world, own in zip(worlds, share, strict=True)
        }
        while jobs:
            done, jobs = wait(jobs, timeout=RESTART_SECONDS, return_when=FIRST_COMPLETED)
            for job in done:
                sums, died = job.result()
                right.add(sums)
                deaths += died
            if done:
                progress(f"{right.calls} calls, {right.calls / (time.monotonic() - began):.0f}/s")
            elif restarts:
                progress("restarting PostgreSQL")
                stop_embedded_postgres(data_dir)
                start_embedded_postgres(data_dir, SETTINGS)
    return right, deaths, time.monotonic() - began


def _play_in_process(url: str, world: World, seed: int, calls: int) -> tuple[Sums, int]:
    # A connection that dies is what this is about.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    return asyncio.run(play_shard(url, world, seed, calls, Faulty(), lambda _: None))


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
    engine = open_engine(url, application_name="simulation")
    try:
        return await differences(engine, right)
    finally:
        await engine.dispose()
