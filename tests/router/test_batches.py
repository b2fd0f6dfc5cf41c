"""Questions that come together go to PostgreSQL together, and each is answered or fails by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from router.batches import LARGEST_BATCH, Batches
from router.domain.caps import Claim
from router.plain_connections import PlainConnections
from router.reservations import Attempt, take_leases, take_leases_together
from tests.router.stored import execute

PATIENCE_SECONDS = 20.0


def claim(key: str, at_most: int, *, kind: str = "attempts", amount: int = 1, period_start: int = 0) -> Claim:
    return Claim(key=key, kind=kind, amount=amount, at_most=at_most, period_start=period_start)


def attempt(target_id: int, *claims: Claim, call_id: UUID | None = None, now_ms: int = 5_000) -> Attempt:
    return Attempt(
        call_id=call_id or uuid4(),
        attempt=1,
        target_id=target_id,
        claims=tuple(sorted(claims, key=lambda one: one.key)),
        now_ms=now_ms,
        expires_at=datetime.now(UTC) + timedelta(minutes=5),
    )


async def used(connection: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    rows = await connection.fetch("SELECT key, used, period_start FROM cap_counters WHERE used > 0")
    return {key: (amount, began) for key, amount, began in rows}


async def leases(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await connection.fetch(
        "SELECT call_id, attempt, counter_key, kind, amount, period_start, target_id FROM leases"
        " WHERE released_at IS NULL ORDER BY call_id, counter_key"
    )
    return [tuple(row) for row in rows]


async def test_the_first_goes_at_once_and_those_who_come_meanwhile_go_together(engine: AsyncEngine) -> None:
    sizes: list[int] = []
    first_is_there, go_on = asyncio.Event(), asyncio.Event()

    async def ask(_: asyncpg.Connection, questions: Sequence[int]) -> Sequence[int]:
        sizes.append(len(questions))
        first_is_there.set()
        await go_on.wait()
        return [2 * one for one in questions]

    batches = Batches(PlainConnections(engine), ask, PATIENCE_SECONDS)
    waiting = [asyncio.create_task(batches.answer(0))]
    await first_is_there.wait()
    waiting += [asyncio.create_task(batches.answer(number)) for number in range(1, LARGEST_BATCH + 11)]
    await asyncio.sleep(0.05)
    go_on.set()
    assert await asyncio.gather(*waiting) == [2 * number for number in range(LARGEST_BATCH + 11)]
    assert sizes[0] == 1
    assert max(sizes) <= LARGEST_BATCH
    assert len(sizes) <= 4


async def test_what_is_wrong_with_one_is_not_the_others_fault(engine: AsyncEngine) -> None:
    async def ask(_: asyncpg.Connection, questions: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        if 13 in questions:
            raise asyncpg.DataError("thirteen")
        return questions

    batches = Batches(PlainConnections(engine), ask, PATIENCE_SECONDS)
    found = await asyncio.gather(*map(batches.answer, range(20)), return_exceptions=True)
    assert [one for one in found if isinstance(one, Exception)] == [found[13]]
    assert found[:13] == list(range(13))
    assert str(found[13]) == "thirteen"


async def test_a_batch_whose_connection_has_died_is_asked_again_one_by_one(engine: AsyncEngine) -> None:
    connections = PlainConnections(engine)
    async with connections.one() as connection:
        dead = connection.get_server_pid()
    await execute(engine, "SELECT pg_terminate_backend(:pid)", pid=dead)
    await asyncio.sleep(0.05)
    batches = Batches(connections, take_leases_together, PATIENCE_SECONDS)
    attempts = [attempt(number, claim("campaign:1", 3)) for number in range(4)]
    answers = await asyncio.gather(*map(batches.answer, attempts))
    assert sorted(answers) == ["", "", "", "campaign:1"]


async def test_who_gives_up_waiting_does_not_take_the_others_along(engine: AsyncEngine) -> None:
    asked: list[int] = []
    go_on = asyncio.Event()

    async def ask(_: asyncpg.Connection, questions: Sequence[int]) -> Sequence[int]:
        asked.extend(questions)
        await go_on.wait()
        return questions

    batches = Batches(PlainConnections(engine), ask, 0.4)
    tasks = [asyncio.create_task(batches.answer(number)) for number in range(3)]
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    go_on.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert (found[0], found[2]) == (0, 2)
    assert isinstance(found[1], asyncio.CancelledError)


async def test_a_server_that_does_not_answer_is_given_up_and_asked_anew_later(engine: AsyncEngine) -> None:
    frozen = True

    async def ask(_: asyncpg.Connection, questions: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(60 if frozen else 0)
        return questions

    batches = Batches(PlainConnections(engine), ask, 0.1)
    found = await asyncio.gather(*map(batches.answer, range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [TimeoutError] * 3
    frozen = False
    assert await batches.answer(4) == 4


async def test_taken_together_twice_is_taken_once(engine: AsyncEngine) -> None:
    async with PlainConnections(engine).one() as connection:
        attempts = [attempt(number, claim("campaign:1", 10), claim(f"t:{number}", 1)) for number in range(4)]
        assert await take_leases_together(connection, attempts) == [""] * 4
        assert await take_leases_together(connection, [*attempts, attempt(9, claim("t:3", 1))]) == [
            *[""] * 4,
            "t:3",
        ]
        assert await take_leases_together(connection, [attempts[0], attempts[0]]) == ["", ""]
        assert (await used(connection))["campaign:1"] == (4, 0)


async def test_the_same_attempts_together_and_alone_at_the_same_moment_take_room_once(
    engine: AsyncEngine,
) -> None:
    pools = [PlainConnections(engine) for _ in range(3)]
    for _ in range(10):
        attempts = [attempt(number, claim("c:1", 99), claim(f"u:{number}", 9)) for number in range(6)]

        async def together(pool: PlainConnections, some: Sequence[Attempt]) -> None:
            async with pool.one() as connection:
                assert await take_leases_together(connection, some) == [""] * len(some)

        async def alone(pool: PlainConnections, some: Sequence[Attempt]) -> None:
            async with pool.one() as connection:
                assert [await take_leases(connection, one) for one in some] == [""] * len(some)

        await asyncio.gather(
            together(pools[0], attempts[:4]), together(pools[1], attempts[2:]), alone(pools[2], attempts)
        )
        async with pools[0].one() as connection:
            assert (await used(connection))["c:1"] == (len(attempts), 0)
            await connection.execute("DELETE FROM cap_counters; DELETE FROM leases")


async def test_who_does_not_fit_leaves_the_others_what_they_took(engine: AsyncEngine) -> None:
    async with PlainConnections(engine).one() as connection:
        await take_leases_together(connection, [attempt(1, claim("t:1", 2)), attempt(2, claim("t:2", 9))])
        three = [attempt(number, claim("t:1", 2), claim("t:2", 9)) for number in (1, 2, 3)]
        assert await take_leases_together(connection, three) == ["", "t:1", "t:1"]
        assert await used(connection) == {"t:1": (2, 0), "t:2": (2, 0)}
        assert len(await leases(connection)) == 4


KEYS = ("a:1", "b:2", "c:3", "d:4")
CLAIMS = st.one_of(
    st.builds(
        claim,
        st.sampled_from(KEYS[:2]),
        st.integers(0, 4),
        kind=st.just("attempts"),
        period_start=st.sampled_from((0, 100)),
    ),
    st.builds(
        claim, st.just(KEYS[2]), st.integers(0, 50), kind=st.just("revenue"), amount=st.integers(0, 20)
    ),
    st.builds(
        claim, st.just(KEYS[3]), st.integers(0, 60), kind=st.just("spacing"), amount=st.integers(0, 60)
    ),
)
WANTED = st.lists(
    st.tuples(st.integers(1, 3), st.lists(CLAIMS, max_size=4, unique_by=lambda one: one.key)),
    min_size=2,
    max_size=6,
)
HELD = st.dictionaries(
    st.sampled_from(KEYS), st.tuples(st.integers(0, 40), st.sampled_from((0, 100))), max_size=4
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=WANTED, held=HELD)
async def test_together_gives_what_one_after_the_other_would(
    engine: AsyncEngine, wanted: list[tuple[int, list[Claim]]], held: dict[str, tuple[int, int]]
) -> None:
    attempts = [
        attempt(target_id, *claims, now_ms=number) for number, (target_id, claims) in enumerate(wanted)
    ]
    connection = await _connection(engine)
    try:
        found = []
        for together in (True, False):
            await connection.execute(
                "DELETE FROM cap_counters; DELETE FROM leases; DELETE FROM target_history"
            )
            await connection.executemany(
                "INSERT INTO cap_counters (key, used, period_start) VALUES ($1, $2, $3)",
                [(key, amount, began) for key, (amount, began) in held.items()],
            )
            if together:
                answers = list(await take_leases_together(connection, attempts))
            else:
                answers = [await take_leases(connection, one) for one in attempts]
            history = await connection.fetch(
                "SELECT target_id, last_offered_ms FROM target_history ORDER BY 1"
            )
            counters = {key: one for key, one in (await used(connection)).items() if one[0]}
            found.append((answers, counters, await leases(connection), [tuple(row) for row in history]))
        assert found[0] == found[1]
    finally:
        await connection.close()


async def _connection(engine: AsyncEngine) -> asyncpg.Connection:
    from store.session import connect_plainly

    return await connect_plainly(engine)


@pytest.mark.parametrize("processes", [2])
async def test_batches_of_several_processes_meet_in_other_orders_without_a_deadlock(
    engine: AsyncEngine, processes: int
) -> None:
    pools = [PlainConnections(engine) for _ in range(processes)]
    batches = [Batches(pool, take_leases_together, PATIENCE_SECONDS) for pool in pools]
    keys = [f"t:{number}" for number in range(12)]
    attempts = [
        attempt(turn % 5, *(claim(keys[(turn * step) % 12], 1000) for step in (1, 5)))
        for turn in range(240)
        if turn * 5 % 12 != turn % 12
    ]
    answers = await asyncio.gather(
        *(batches[number % processes].answer(one) for number, one in enumerate(attempts))
    )
    assert set(answers) == {""}
    again = [replace(one, call_id=uuid4()) for one in reversed(attempts)]
    assert set(await asyncio.gather(*map(batches[0].answer, again))) == {""}


async def test_who_asks_at_the_moment_the_last_is_answered_is_answered_too(engine: AsyncEngine) -> None:
    """A worker that is done but not yet forgotten answers nobody."""

    async def ask(_: asyncpg.Connection, questions: Sequence[int]) -> Sequence[int]:
        return questions

    batches = Batches(PlainConnections(engine), ask, PATIENCE_SECONDS)

    async def one_after_the_other(first: int) -> list[int]:
        return [await batches.answer(number) for number in range(first, first + 50)]

    async with asyncio.timeout(PATIENCE_SECONDS):
        found = await asyncio.gather(*map(one_after_the_other, range(0, 500, 50)))
    assert [number for some in found for number in some] == list(range(500))
