"""Several targets ring at once: each holds room under an attempt of its own, and none rings without."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data
from router.domain.decision import canonical_bytes
from router.replay import replay
from router.reservations import release_leases
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from router.snapshot_file import write_snapshot
from store.session import open_engine
from tests.router.markets import CALL, PATIENT_SECONDS, a_request, a_small_market
from tests.router.stored import scalar
from tests.router.test_route_call import CLOSED_PORT, used


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
    routed = await Router(nowhere, await market_of(tmp_path)).route_call(a_request(), 1)
    await nowhere.dispose()
    assert rung(routed) == [1, 2, 3] and not routed.leased
