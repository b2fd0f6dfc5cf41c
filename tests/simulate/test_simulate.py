"""Calls x faults in small: `make simulate CALLS=1000000` is the same, longer, and with a server that restarts."""

from __future__ import annotations

import random
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.simulate.check import differences
from tests.simulate.oracle import HOUR_MS, Happened, Sums, Terms, settle_cluster
from tests.simulate.run import simulate
from tests.simulate.shard import Faulty, Shard
from tests.simulate.world import make_world, shared_market

SEED, CALLS = 20, 160


async def test_whatever_dies_no_call_is_lost_or_doubled(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        await shared_market(connection)
        world = await make_world(connection, 0, random.Random(SEED))
    shard = Shard(database_url, world, SEED, tmp_path, Faulty(death_rate=0.6))
    await shard.play(CALLS, lambda _: None)
    assert await differences(engine, shard.sums) == [], f"seed {SEED}"
    assert shard.deaths > 0 and shard.sums.converted > 0


def test_a_server_that_crashes_in_the_middle_loses_nothing() -> None:
    """Restarts stand at places of the seed; without other cuts, each outage that a shard met was one of them."""
    found = simulate(
        600, seed=7, processes=1, restarts=2, luck=Faulty(death_rate=0.1, cuts=False, chunk_clusters=60)
    )
    assert found.wrong == [], "seed 7"
    assert found.restarts == 2 and found.outages > 0 and found.sums.calls == 600


def test_the_oracle_knows_a_textbook_story() -> None:
    """90 s at 45 $, 30 $ of them the publisher's; of one caller's two calls one pays, and 108 s cost 0.0108 $."""
    terms = [Terms(live_ms=0, minimum_ms=90_000, price=45_000_000, payout=30_000_000)]
    sums = Sums()
    short = Happened(start_ms=0, connected_ms=89_999, state="OH")
    long = Happened(start_ms=0, connected_ms=100_000, state="OH")
    settle_cluster(sums, [short, long, long], terms, "buyer", "publisher")
    assert (sums.calls, sums.converted) == (3, 1)
    assert sums.accounts["revenue"] == -45_000_000 and sums.accounts["payout"] == 30_000_000
    assert sums.accounts["carrier_cost"] == 10_800 + 10_800 + 10_200
    back = Happened(start_ms=0, connected_ms=100_000, state="OH", clock_step_ms=-HOUR_MS)
    assert back.told_ms == 0
