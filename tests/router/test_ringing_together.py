"""Several targets ring at once: each holds room under an attempt of its own, and none rings without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data
from router.domain.decision import canonical_bytes
from router.replay import replay
from router.reservations import expire_leases, release_leases
from router.ring_queries import close_ranks
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from router.snapshot_file import write_snapshot
from router.wallet_holds import expire_holds
from store.session import open_engine
from tests.router.markets import CALL, PATIENT_SECONDS, a_request, a_small_market
from tests.router.stored import execute, nobody_is_suppressed, scalar, store_market
from tests.router.test_route_call import CLOSED_PORT, used

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _without_kept_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_data, "read_area_codes", dict)
    monkeypatch.setattr(kept_data, "read_zip_codes", dict)


async def market_of(folder: Path, **more: Any) -> CurrentSnapshot:
    document = {**a_small_market(3), **more}
    document["campaigns"][0]["stages"][0]["simultaneous"] = 3
    file = folder / "snapshot.json"
    write_snapshot(file, version=1, market=canonical_bytes(document))
    nowhere = open_engine(CLOSED_PORT, application_name="test")
    current = CurrentSnapshot(nowhere, file)
    await current.load()
    await nowhere.dispose()
    return current


def rung(routed: Routed) -> list[int]:
    return [offer.target_id for offer in routed.ringing]


async def test_each_holds_its_room_by_itself(engine: AsyncEngine, tmp_path: Path) -> None:
    routed = await Router(engine, await market_of(tmp_path), database_seconds=PATIENT_SECONDS).route_call(
        a_request(), 1
    )
    assert rung(routed) == [1, 2, 3]
    assert await used(engine) == {1: 1, 2: 1, 3: 1}
    async with engine.begin() as connection:
        await release_leases(connection, UUID(CALL), 2)
    assert await used(engine) == {1: 1, 2: 0, 3: 1}


async def test_the_next_attempt_gives_back_what_all_of_them_held(engine: AsyncEngine, tmp_path: Path) -> None:
    router = Router(engine, await market_of(tmp_path), database_seconds=PATIENT_SECONDS)
    await router.route_call(a_request(), 1)
    again = await router.route_call(a_request(tried=(1, 2, 3)), 4)
    assert rung(again) == []
    assert await used(engine) == {1: 0, 2: 0, 3: 0}


async def test_where_the_campaign_has_room_for_two_only_two_ring(engine: AsyncEngine, tmp_path: Path) -> None:
    cap = {
        "owner": "campaign",
        "owner_id": 1,
        "kind": "concurrency",
        "period": None,
        "at_most": 2,
        "range_name": None,
        "time_zone": "America/New_York",
    }
    market = await market_of(tmp_path, caps=[cap])
    routed = await Router(engine, market, database_seconds=PATIENT_SECONDS).route_call(a_request(), 1)
    assert rung(routed) == [1, 2]
    assert await used(engine) == {1: 1, 2: 1, 3: 0}
    assert await scalar(engine, "SELECT max(attempt) FROM leases WHERE released_at IS NULL") == 2
    # What the decision says is what was known when it was made: it can be made again.
    assert replay(routed.decision.to_json(), market.current).to_bytes() == routed.decision.to_bytes()


async def test_without_the_database_all_ring(tmp_path: Path) -> None:
    nowhere = open_engine(CLOSED_PORT, application_name="test")
    router = Router(nowhere, await market_of(tmp_path))
    nobody_is_suppressed(tmp_path / "snapshot.json")
    await router.keep_last_known(tmp_path / "snapshot.json", tmp_path, maximum_age_hours=24)
    routed = await router.route_call(a_request(), 1)
    await nowhere.dispose()
    assert rung(routed) == [1, 2, 3] and not routed.leased


async def sweep(engine: AsyncEngine, later: timedelta) -> None:
    now = NOW + later
    async with engine.begin() as connection:
        await expire_leases(connection, now)
        await expire_holds(connection, now)


async def a_market_with_a_wallet(engine: AsyncEngine, folder: Path) -> CurrentSnapshot:
    """Three targets for one call each; two buyers have prepaid $45, which is what one call costs them."""
    document = a_small_market(3)
    for buyer in document["buyers"]:
        buyer["credit_limit_micros"] = 45_000_000 if buyer["id"] < 3 else None
    terms = {"campaign_id": 1, "goes_live_at": "2020-01-01T00:00:00+00:00", "price_micros": 45_000_000}
    document["terms"] = [{"buyer_id": buyer, **terms} for buyer in (1, 2)]
    await store_market(engine, document)
    return await market_of(folder, buyers=document["buyers"], terms=document["terms"])


async def ring_two_of_which_the_first_answers(engine: AsyncEngine, market: CurrentSnapshot) -> Router:
    """Its news as the worker writes it: the decision, and the legs of those who were let go."""
    router = Router(engine, market, database_seconds=PATIENT_SECONDS)
    routed = await router.route_call(a_request(now=NOW), 1)
    assert rung(routed) == [1, 2, 3]
    await execute(
        engine,
        "INSERT INTO calls (id, linkedid, node, started_at) VALUES (:id, 'ringing', 'a', :now)",
        id=UUID(CALL),
        now=NOW,
    )
    await write_decision(engine, 1)
    for loser in (2, 3):
        await end_leg(engine, loser)
    return router


async def write_decision(engine: AsyncEngine, sequence: int) -> None:
    await execute(
        engine,
        "INSERT INTO decisions (call_id, sequence, decided_by, decided_at, duration_us, decision) "
        "VALUES (:id, :sequence, 'router', now(), 1, '{}')",
        id=UUID(CALL),
        sequence=sequence,
    )


async def end_leg(engine: AsyncEngine, attempt: int, answered_ms: int | None = None) -> None:
    await execute(
        engine,
        "INSERT INTO legs (call_id, attempt, ended_ms, answered_ms) VALUES (:id, :attempt, 2, :answered)",
        id=UUID(CALL),
        attempt=attempt,
        answered=answered_ms,
    )


async def held(engine: AsyncEngine) -> tuple[int, int]:
    """Dollars held of the first buyer's wallet, and calls its target has."""
    micros = await scalar(engine, "SELECT held_micros FROM wallets WHERE buyer_id = 1")
    return int(micros) // 1_000_000, (await used(engine))[1]


async def test_who_talks_keeps_its_room_and_its_money_however_long_the_ring_is_past(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    router = await ring_two_of_which_the_first_answers(engine, await a_market_with_a_wallet(engine, tmp_path))
    for later in (timedelta(seconds=141), timedelta(minutes=5), timedelta(hours=3)):
        await sweep(engine, later)
        assert await held(engine) == (45, 1), f"{later} after the ring"
    assert await used(engine) == {1: 1, 2: 0, 3: 0}, "those who were let go are free"
    second = await router.route_call(a_request(call_id=str(uuid4()), caller="+16145550124", now=NOW), 1)
    assert rung(second) == [2, 3], "the target for one call, with money for one call, has one call"


async def test_what_is_held_of_a_wallet_stays_until_the_call_is_billed(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await ring_two_of_which_the_first_answers(engine, await a_market_with_a_wallet(engine, tmp_path))
    await end_leg(engine, 1, answered_ms=1)
    await sweep(engine, timedelta(hours=1))
    assert await held(engine) == (45, 0)
    await execute(engine, "UPDATE calls SET state = 'settled'")
    await sweep(engine, timedelta(hours=1))
    assert await held(engine) == (0, 0)


async def test_what_rang_before_the_next_were_rung_is_over(engine: AsyncEngine, tmp_path: Path) -> None:
    """Nobody told of its leg: the next decision says that it is over."""
    await ring_two_of_which_the_first_answers(engine, await a_market_with_a_wallet(engine, tmp_path))
    await sweep(engine, timedelta(seconds=141))
    assert await held(engine) == (45, 1)
    await write_decision(engine, 4)
    await sweep(engine, timedelta(seconds=100))
    assert await held(engine) == (45, 1), "its time is not over yet"
    await sweep(engine, timedelta(seconds=141))
    assert await held(engine) == (0, 0)


async def test_a_call_of_which_a_silent_node_tells_nothing_keeps_its_room(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """Another node's worker sweeps while ours is down: that no row tells of our call says nothing."""
    router = Router(engine, await a_market_with_a_wallet(engine, tmp_path), database_seconds=PATIENT_SECONDS)
    await router.route_call(a_request(now=NOW), 1)
    alive = (NOW + timedelta(seconds=100)).timestamp() * 1000
    beat = "INSERT INTO asterisk_boots (node, started_ms, last_alive_ms) VALUES ('a', 1, :alive)"
    await execute(engine, beat, alive=int(alive))
    await sweep(engine, timedelta(minutes=5))
    assert await held(engine) == (45, 1)
    await execute(engine, "UPDATE asterisk_boots SET last_alive_ms = :alive", alive=int(alive) + 200_000)
    await sweep(engine, timedelta(minutes=5))
    assert await held(engine) == (0, 0), "the node told all it knew until then, and nothing of this call"


async def test_who_would_not_have_the_call_holds_no_money_and_the_next_moves_up_with_its_own(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    router = Router(engine, await a_market_with_a_wallet(engine, tmp_path), database_seconds=PATIENT_SECONDS)
    await router.route_call(a_request(now=NOW), 1)
    await close_ranks(engine, UUID(CALL), 1, [False, True, True])
    holds = "SELECT string_agg(concat_ws(' ', attempt, buyer_id, released_at), ',') FROM wallet_holds"
    assert await scalar(engine, holds) == "1 2"
    assert await scalar(
        engine, "SELECT string_agg(held_micros::text, ' ' ORDER BY buyer_id) FROM wallets"
    ) == ("0 45000000")
