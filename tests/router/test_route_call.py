"""A live call through the router: PostgreSQL well, busy, slow and gone."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data
from router.domain.counts import Counts
from router.domain.decision import canonical_bytes
from router.replay import replay
from router.route_call import NOTHING_IN_USE, Routed, Router
from router.snapshot import CurrentSnapshot
from router.snapshot_file import write_snapshot
from store.session import open_engine
from tests.postgres import as_owner
from tests.router.markets import PATIENT_SECONDS, a_request, a_small_market
from tests.router.stored import execute, scalar

CLOSED_PORT = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
async def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CurrentSnapshot:
    """Three targets for one call each, read from the file: the router needs no market in the database."""
    monkeypatch.setattr(kept_data, "read_area_codes", dict)
    monkeypatch.setattr(kept_data, "read_zip_codes", dict)
    file = tmp_path / "snapshot.json"
    write_snapshot(file, version=1, market=canonical_bytes(a_small_market(3)))
    nowhere = open_engine(CLOSED_PORT, application_name="test")
    current = CurrentSnapshot(nowhere, file)
    await current.load()
    await nowhere.dispose()
    return current


async def quickest_of_three(router: Router, counts: Counts = NOTHING_IN_USE) -> Routed:
    """What is too slow three times over is slow by itself, not for want of a processor."""
    return min(
        [await router.route_call(a_request(), 1, counts) for _ in range(3)], key=lambda one: one.duration_us
    )


def target_of(routed: Routed) -> int | None:
    return routed.decision.chosen.target_id if routed.decision.chosen else None


async def used(engine: AsyncEngine) -> dict[int, int]:
    keys = {number: f"target:{number}:concurrency" for number in (1, 2, 3)}
    return {
        number: await scalar(
            engine, "SELECT coalesce(max(used), 0) FROM cap_counters WHERE key = :key", key=key
        )
        for number, key in keys.items()
    }


async def test_each_call_gets_a_target_with_room_until_none_is_left(
    engine: AsyncEngine, market: CurrentSnapshot
) -> None:
    router = Router(engine, market, database_seconds=PATIENT_SECONDS)
    routed = [await router.route_call(a_request(call_id=str(uuid4())), 1) for _ in range(4)]
    assert [target_of(one) for one in routed] == [1, 2, 3, None]
    assert [one.leased for one in routed] == [True, True, True, False]
    assert not any(one.problem for one in routed)
    assert {found.code for found in routed[3].decision.rejections} == {"at_cap"}
    assert routed[3].decision.counts.concurrency == {1: 1, 2: 1, 3: 1}
    for one in routed:
        assert replay(one.decision.to_json(), market.current).to_bytes() == one.decision.to_bytes()


async def test_the_next_attempt_gives_the_earlier_room_back(
    engine: AsyncEngine, market: CurrentSnapshot
) -> None:
    router = Router(engine, market, database_seconds=PATIENT_SECONDS)
    await router.route_call(a_request(), 1)
    second = await router.route_call(a_request(tried=(1,)), 2)
    assert target_of(second) == 2
    assert await used(engine) == {1: 0, 2: 1, 3: 0}


async def test_race_many_callers_at_once_never_exceed_a_cap(
    database_url: str, market: CurrentSnapshot
) -> None:
    wide = open_engine(database_url, application_name="race", pool_size=16)
    router = Router(wide, market)
    # Connected beforehand, so that 12 at once are decided within the budget on a busy machine.
    await asyncio.gather(*(scalar(wide, "SELECT pg_sleep(0.05)") for _ in range(16)))
    try:
        routed = await asyncio.gather(
            *(router.route_call(a_request(call_id=str(uuid4())), 1) for _ in range(12))
        )
        leased = [target_of(one) for one in routed if one.leased]
        assert len(leased) == len(set(leased)) <= 3
        in_time = [one for one in routed if not one.problem]
        assert len(in_time) < 12 or sorted(filter(None, leased)) == [1, 2, 3]
        assert max((await used(wide)).values()) <= 1
    finally:
        await wide.dispose()


async def test_a_lost_race_is_seen_as_a_full_cap(
    engine: AsyncEngine, market: CurrentSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Router(engine, market, database_seconds=PATIENT_SECONDS).route_call(
        a_request(call_id=str(uuid4())), 1
    )

    async def as_if_nothing_were_in_use(*_: object) -> Counts:
        return Counts()

    monkeypatch.setattr("router.routing.read_counts", as_if_nothing_were_in_use)
    routed = await Router(engine, market, database_seconds=PATIENT_SECONDS).route_call(a_request(), 1)
    assert target_of(routed) == 2
    assert routed.leased
    assert routed.decision.counts == Counts(concurrency={1: 1})


async def test_without_a_database_the_call_is_decided_at_once_on_what_is_known(
    market: CurrentSnapshot,
) -> None:
    engine = open_engine(CLOSED_PORT, application_name="test")
    routed = await quickest_of_three(Router(engine, market), Counts(concurrency={1: 1}))
    assert routed.duration_us < 400_000
    assert target_of(routed) == 2
    assert not routed.leased
    assert "refused" in routed.problem.lower() or "Connect" in routed.problem
    await engine.dispose()


async def test_a_database_that_takes_connections_and_says_nothing_costs_300_ms(
    market: CurrentSnapshot,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = open_engine(f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x", application_name="test")
        routed = await quickest_of_three(Router(engine, market))
        assert routed.duration_us < 400_000
        assert target_of(routed) == 1
        assert not routed.leased
        assert routed.problem == "no answer within 300 ms"
        await engine.dispose()


async def test_a_locked_counter_costs_300_ms_and_the_next_call_is_leased_again(
    engine: AsyncEngine, market: CurrentSnapshot
) -> None:
    router = Router(engine, market)
    await execute(engine, "INSERT INTO cap_counters (key, used) VALUES ('target:1:concurrency', 0)")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("LOCK TABLE cap_counters IN ACCESS EXCLUSIVE MODE")
        routed = await quickest_of_three(router)
    assert (target_of(routed), routed.leased) == (1, False)
    assert routed.duration_us < 400_000
    unhurried = Router(engine, market, database_seconds=PATIENT_SECONDS)
    again = await unhurried.route_call(a_request(call_id=str(uuid4())), 1)
    assert (target_of(again), again.leased) == (1, True)


async def test_a_frozen_server_costs_300_ms_a_call_and_nothing_once_it_thaws(
    engine: AsyncEngine, market: CurrentSnapshot
) -> None:
    router = Router(engine, market)
    await router.route_call(a_request(call_id=str(uuid4())), 1)
    backend = psutil.Process(await scalar(engine, "SELECT pg_backend_pid()"))
    postmaster = backend.parent()
    assert postmaster is not None
    server = [postmaster, *postmaster.children(recursive=True)]
    try:
        for process in server:
            process.suspend()
        routed = await asyncio.gather(*(router.route_call(a_request(), 1) for _ in range(20)))
        assert {(target_of(one), one.leased) for one in routed} == {(1, False)}
        assert max(one.duration_us for one in routed) < 1_000_000
    finally:
        for process in server:
            process.resume()
    for _ in range(50):
        again = await router.route_call(a_request(call_id=str(uuid4())), 1)
        if again.leased:
            break
        await asyncio.sleep(0.1)
    assert (again.leased, again.problem) == (True, "")


async def test_a_broken_schema_is_a_fault_of_the_database_not_of_the_call(
    engine: AsyncEngine, market: CurrentSnapshot
) -> None:
    async with as_owner(engine) as connection:
        await connection.execute(text("DROP TABLE leases"))
    routed = await Router(engine, market, database_seconds=PATIENT_SECONDS).route_call(a_request(), 1)
    assert (target_of(routed), routed.leased) == (1, False)
    assert "leases" in routed.problem
    assert await used(engine) == {1: 0, 2: 0, 3: 0}
