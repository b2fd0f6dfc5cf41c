"""The counters in memory and those in PostgreSQL: what others change is seen, and nobody pays for what is old."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router import shared_counts
from router.domain.counts import Counts, Facts
from router.domain.market import Snapshot
from router.plain_connections import PlainConnections
from router.route_call import Router
from router.shared_counts import SharedCounts
from router.snapshot import CurrentSnapshot
from tests.bench.router_races import Fixed
from tests.router.markets import PATIENT_SECONDS, a_request, a_small_market, snapshot_of
from tests.router.stored import execute

NOW = datetime(2026, 3, 3, 17, tzinfo=UTC)
SET = "INSERT INTO cap_counters (key, used) VALUES (:key, :used) ON CONFLICT (key) DO UPDATE SET used = :used"


@pytest.fixture
def snapshot() -> Snapshot:
    return snapshot_of(a_small_market(3))


@pytest.fixture
def shared(engine: AsyncEngine) -> SharedCounts:
    return SharedCounts(PlainConnections(engine))


async def read_now(shared: SharedCounts, snapshot: Snapshot) -> Counts:
    await shared.read_since(time.monotonic())
    return shared.live.counts(snapshot, snapshot.campaigns[1], None, NOW, {}, Facts())


async def in_use(engine: AsyncEngine, target: int, used: int) -> None:
    await execute(engine, SET, key=f"target:{target}:concurrency", used=used)


async def test_what_others_change_is_seen_at_the_next_reading(
    engine: AsyncEngine, shared: SharedCounts, snapshot: Snapshot
) -> None:
    assert (await read_now(shared, snapshot)).concurrency == {}
    await in_use(engine, 1, 1)
    assert (await read_now(shared, snapshot)).concurrency == {1: 1}
    await in_use(engine, 2, 3)
    await in_use(engine, 1, 0)
    await execute(engine, "INSERT INTO target_history (target_id, connected) VALUES (3, 4)")
    found = await read_now(shared, snapshot)
    assert (found.concurrency, found.history[3].connected) == ({2: 3}, 4)


async def test_what_is_committed_late_is_not_missed(
    engine: AsyncEngine, shared: SharedCounts, snapshot: Snapshot
) -> None:
    """A transaction that began before a reading and ends after it, and others in between."""
    await read_now(shared, snapshot)
    async with engine.begin() as slow:
        await slow.exec_driver_sql("INSERT INTO cap_counters (key, used) VALUES ('target:1:concurrency', 5)")
        for number in range(3):
            await in_use(engine, 2, number + 1)
            assert (await read_now(shared, snapshot)).concurrency == {2: number + 1}
    assert (await read_now(shared, snapshot)).concurrency == {1: 5, 2: 3}


async def test_what_was_deleted_is_gone_when_everything_is_read_again(
    engine: AsyncEngine, shared: SharedCounts, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_use(engine, 1, 1)
    await read_now(shared, snapshot)
    await execute(engine, "DELETE FROM cap_counters")
    monkeypatch.setattr(shared_counts, "WHOLE_AGAIN_SECONDS", 0.0)
    assert (await read_now(shared, snapshot)).concurrency == {}


async def test_nobody_is_turned_away_on_counters_that_are_old(
    engine: AsyncEngine, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SOONEST_SECONDS", "LATEST_SECONDS"):
        monkeypatch.setattr(shared_counts, name, 3600.0)
    router = Router(engine, cast("CurrentSnapshot", Fixed(snapshot)), database_seconds=PATIENT_SECONDS)
    for _ in range(3):
        assert (await router.route_call(a_request(call_id=str(uuid4())), 1)).leased
    await execute(engine, "UPDATE cap_counters SET used = 0 WHERE key = 'target:2:concurrency'")
    routed = await router.route_call(a_request(call_id=str(uuid4())), 1)
    assert routed.leased
    assert routed.ringing[0].target_id == 2


async def test_a_connection_that_died_meanwhile_costs_nothing(
    engine: AsyncEngine, snapshot: Snapshot
) -> None:
    router = Router(engine, cast("CurrentSnapshot", Fixed(snapshot)), database_seconds=PATIENT_SECONDS)
    assert (await router.route_call(a_request(call_id=str(uuid4())), 1)).leased
    ours = "pid <> pg_backend_pid() AND datname = current_database()"
    await execute(engine, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    routed = await router.route_call(a_request(call_id=str(uuid4())), 1)
    assert (routed.leased, routed.problem) == (True, "")
