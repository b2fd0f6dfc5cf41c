"""Room for calls, in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.market import Target
from router.reservations import (
    confirm_lease,
    expire_leases,
    release_earlier_attempts,
    release_leases,
    take_lease,
)
from store.session import open_engine
from tests.router.markets import a_small_market, a_target, snapshot_of
from tests.router.stored import execute, scalar

NOW = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)


def a_target_for(calls_at_once: int, target_id: int = 1) -> Target:
    document = a_small_market(1)
    document["targets"] = [a_target(target_id, buyer_id=1, concurrency_cap=calls_at_once)]
    document["campaigns"][0]["stages"] = []
    return snapshot_of(document).targets[target_id]


async def take(engine: AsyncEngine, call_id: UUID, target: Target, attempt: int = 1) -> bool:
    async with engine.begin() as connection:
        return await take_lease(connection, call_id, attempt, target, LATER)


async def release(engine: AsyncEngine, call_id: UUID, attempt: int | None = None) -> int:
    async with engine.begin() as connection:
        return await release_leases(connection, call_id, attempt)


async def expire(engine: AsyncEngine, now: datetime) -> int:
    async with engine.begin() as connection:
        return await expire_leases(connection, now)


async def used(engine: AsyncEngine, target_id: int = 1) -> int:
    found = await scalar(
        engine, "SELECT used FROM cap_counters WHERE key = :key", key=f"target:{target_id}:concurrency"
    )
    return int(found or 0)


async def a_call(engine: AsyncEngine, call_id: UUID, state: str = "in_progress") -> None:
    await execute(
        engine,
        "INSERT INTO calls (id, linkedid, node, started_at, state) VALUES (:id, :linkedid, 'a', :now, :state)",
        id=call_id,
        linkedid=str(call_id),
        now=NOW,
        state=state,
    )


async def test_room_is_taken_until_it_is_full_and_given_back_once(engine: AsyncEngine) -> None:
    target, first, second, third = a_target_for(2), uuid4(), uuid4(), uuid4()
    assert [await take(engine, call, target) for call in (first, second, third)] == [True, True, False]
    assert await used(engine) == 2
    assert await release(engine, first) == 1
    assert await release(engine, first) == 0
    assert await used(engine) == 1
    assert await take(engine, third, target)


async def test_a_target_that_takes_no_calls_has_no_room(engine: AsyncEngine) -> None:
    assert not await take(engine, uuid4(), a_target_for(0))
    assert await used(engine) == 0


async def test_a_smaller_cap_holds_at_once_for_the_next_call(engine: AsyncEngine) -> None:
    for call in (uuid4(), uuid4()):
        assert await take(engine, call, a_target_for(5))
    assert not await take(engine, uuid4(), a_target_for(2))
    assert not await take(engine, uuid4(), a_target_for(1))


async def test_the_same_attempt_takes_room_once_however_often_it_is_repeated(engine: AsyncEngine) -> None:
    target, call = a_target_for(5), uuid4()
    assert [await take(engine, call, target) for _ in range(3)] == [True] * 3
    assert await used(engine) == 1


async def test_the_same_attempt_at_the_same_moment_takes_room_once(engine: AsyncEngine) -> None:
    target, call = a_target_for(9), uuid4()
    for _ in range(5):
        assert all(await asyncio.gather(*(take(engine, call, target) for _ in range(5))))
        assert await used(engine) == 1
        assert await release(engine, call) == 1


async def test_an_attempt_that_gave_back_may_take_again(engine: AsyncEngine) -> None:
    target, call = a_target_for(1), uuid4()
    for _ in range(2):
        assert await take(engine, call, target)
        assert await release(engine, call, 1) == 1
    assert await used(engine) == 0


async def test_one_attempt_gives_back_only_its_own(engine: AsyncEngine) -> None:
    call = uuid4()
    for attempt in (1, 2, 3):
        assert await take(engine, call, a_target_for(1, attempt), attempt)
    assert await release(engine, call, 2) == 1
    assert [await used(engine, target) for target in (1, 2, 3)] == [1, 0, 1]
    async with engine.begin() as connection:
        assert await release_earlier_attempts(connection, call, 3) == 1
    assert [await used(engine, target) for target in (1, 2, 3)] == [0, 0, 1]


async def test_race_64_callers_at_once_on_a_cap_of_10_are_10(database_url: str) -> None:
    wide = open_engine(database_url, application_name="race", pool_size=32)
    target = a_target_for(10)
    try:
        for _ in range(3):
            calls = [uuid4() for _ in range(64)]
            taken = await asyncio.gather(*(take(wide, call, target) for call in calls))
            assert sum(taken) == 10
            assert await used(wide) == 10
            await asyncio.gather(*(release(wide, call) for call in calls))
            assert await used(wide) == 0
    finally:
        await wide.dispose()


async def test_race_taking_and_giving_back_at_once_ends_with_nothing_held(database_url: str) -> None:
    wide = open_engine(database_url, application_name="race", pool_size=16)
    targets = [a_target_for(3, target_id) for target_id in (1, 2)]

    async def one_call(call: UUID) -> None:
        for attempt, target in enumerate(targets, 1):
            await take(wide, call, target, attempt)
        await asyncio.gather(release(wide, call), release(wide, call, 1))

    try:
        await asyncio.gather(*(one_call(uuid4()) for _ in range(40)))
        assert [await used(wide, target) for target in (1, 2)] == [0, 0]
    finally:
        await wide.dispose()


async def test_a_confirmed_lease_lasts_longer(engine: AsyncEngine) -> None:
    call = uuid4()
    await take(engine, call, a_target_for(1))
    async with engine.begin() as connection:
        assert await confirm_lease(connection, call, 1, LATER + timedelta(hours=1))
        assert not await confirm_lease(connection, uuid4(), 1, LATER)
    assert await expire(engine, LATER) == 0
    assert await expire(engine, LATER + timedelta(hours=1)) == 1


async def test_a_lease_nobody_gave_back_expires_at_its_time(engine: AsyncEngine) -> None:
    await take(engine, uuid4(), a_target_for(1))
    assert await expire(engine, LATER - timedelta(seconds=1)) == 0
    assert await expire(engine, LATER) == 1
    assert await expire(engine, LATER) == 0
    assert await used(engine) == 0


async def test_a_live_call_keeps_its_room_however_long_it_talks(engine: AsyncEngine) -> None:
    call = uuid4()
    await a_call(engine, call)
    await take(engine, call, a_target_for(1))
    assert await expire(engine, LATER + timedelta(hours=3)) == 0
    await execute(engine, "UPDATE calls SET state = 'settled' WHERE id = :id", id=call)
    assert await expire(engine, LATER + timedelta(hours=3)) == 1


async def test_an_attempt_that_is_over_loses_its_room_while_the_call_goes_on(engine: AsyncEngine) -> None:
    call = uuid4()
    await a_call(engine, call)
    for attempt in (1, 2, 3):
        await take(engine, call, a_target_for(1, attempt), attempt)
    assert await expire(engine, LATER) == 0, "they may be ringing together"
    await execute(
        engine,
        "INSERT INTO decisions (call_id, sequence, decided_by, decided_at, duration_us, decision) "
        "VALUES (:id, 3, 'router', now(), 1, '{}')",
        id=call,
    )
    assert await expire(engine, LATER) == 2, "the third attempt is being rung"
    await execute(engine, "INSERT INTO legs (call_id, attempt, ended_ms) VALUES (:id, 3, 1)", id=call)
    assert await expire(engine, LATER) == 1
    assert [await used(engine, target) for target in (1, 2, 3)] == [0, 0, 0]
