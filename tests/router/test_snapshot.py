"""The market in memory follows the one in PostgreSQL, and outlives it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data
from router import snapshot as snapshot_module
from router.domain.decision import canonical_bytes
from router.errors import NoSnapshot
from router.market_reader import MarketReader
from router.snapshot import CurrentSnapshot
from router.snapshot_file import read_snapshot, write_snapshot
from store.session import open_engine
from tests.router.markets import a_campaign, a_small_market, snapshot_of
from tests.router.stored import execute, store_market

CLOSED_PORT = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "snapshot.json"


@pytest.fixture(autouse=True)
def few_area_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real table is read in one test below: it takes half a second."""
    monkeypatch.setattr(kept_data, "read_area_codes", lambda: {"614": ["OH"]})
    monkeypatch.setattr(kept_data, "read_zip_codes", lambda: {"432": "OH"})
    monkeypatch.setattr(kept_data, "area_codes_source", lambda: "test")
    monkeypatch.setattr(kept_data, "zip_codes_source", lambda: "test")


async def test_the_whole_market_is_read_and_filed(engine: AsyncEngine, file: Path) -> None:
    document = a_small_market(3)
    document["campaigns"][0] = a_campaign([[(2, 9), (3, 1)], [(1, 1)]])
    document["campaigns"][0]["stages"][0]["entries"] = [[3, 1], [2, 9]]
    await store_market(engine, document)
    current = CurrentSnapshot(engine, file)
    loaded = await current.load()
    expected = snapshot_of(document, version=loaded.version)
    assert [
        (stage.method, [(entry.target_id, entry.priority) for entry in stage.entries])
        for stage in loaded.campaigns[1].stages
    ] == [("priority", [(3, 1), (2, 9)]), ("priority", [(1, 1)])]
    assert (loaded.targets, loaded.licences, loaded.numbers) == (
        expected.targets,
        expected.licences,
        expected.numbers,
    )
    assert loaded.digest == (await CurrentSnapshot(engine, file).load()).digest, (
        "the same market has one name"
    )
    assert current.current is loaded
    assert current.source == "database"
    assert not current.problem
    assert read_snapshot(file) == loaded


async def test_only_the_newest_published_flow_is_taken(engine: AsyncEngine, file: Path) -> None:
    await store_market(engine, a_small_market(1))
    await execute(
        engine,
        "INSERT INTO flows (name, version, definition, published_at) VALUES"
        " ('mortgage', 2, '{}', now()), ('mortgage', 3, '{}', NULL)",
    )
    loaded = await CurrentSnapshot(engine, file).load()
    assert loaded.flows["mortgage"].version == 2


async def test_numbers_of_a_switched_off_publisher_are_not_sold(engine: AsyncEngine, file: Path) -> None:
    await store_market(engine, a_small_market(1))
    await execute(engine, "UPDATE publishers SET enabled = false")
    loaded = await CurrentSnapshot(engine, file).load()
    assert loaded.number("+18005550100") is None


async def test_an_edit_is_noticed_and_no_edit_is_not(engine: AsyncEngine, file: Path) -> None:
    await store_market(engine, a_small_market(2))
    current = CurrentSnapshot(engine, file)
    before = await current.load()
    assert not await current.refresh()
    await execute(engine, "UPDATE targets SET concurrency_cap = 7 WHERE id = 2")
    assert await current.refresh()
    assert current.current.targets[2].concurrency_cap == 7
    assert before.targets[2].concurrency_cap == 1, "a decision under way keeps its market"
    assert read_snapshot(file).digest == current.current.digest != before.digest


async def test_keep_fresh_follows_edits_until_it_is_stopped(
    engine: AsyncEngine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "POLL_SECONDS", 0.02)
    await store_market(engine, a_small_market(1))
    current, stop = CurrentSnapshot(engine, file), asyncio.Event()
    await current.load()
    keeping = asyncio.create_task(current.keep_fresh(stop))
    await execute(engine, "UPDATE targets SET concurrency_cap = 7")
    for _ in range(500):
        if current.current.targets[1].concurrency_cap == 7:
            break
        await asyncio.sleep(0.01)
    assert current.current.targets[1].concurrency_cap == 7
    stop.set()
    await asyncio.wait_for(keeping, 1)


async def test_race_of_refreshes_writes_one_file_at_a_time(engine: AsyncEngine, file: Path) -> None:
    await store_market(engine, a_small_market(3))
    current = CurrentSnapshot(engine, file)
    for name in ("a", "b", "c"):
        await execute(engine, f"UPDATE buyers SET name = '{name}' || id")
        loaded = await asyncio.gather(*(current.refresh() for _ in range(8)))
        assert sum(loaded) == 1, "the others waited, and found it fresh"
        assert current.problem == ""
        assert read_snapshot(file).digest == current.current.digest


async def test_a_market_that_is_refused_leaves_the_older_one_in_use(engine: AsyncEngine, file: Path) -> None:
    await store_market(engine, a_small_market(1))
    current = CurrentSnapshot(engine, file)
    before = await current.load()
    await execute(engine, "UPDATE plan_stages SET method = 'lottery'")
    assert not await current.refresh()
    assert not await current.refresh()
    assert current.current is before
    assert "method 'lottery' is not one of best_value" in current.problem
    await execute(engine, "UPDATE plan_stages SET method = 'priority'")
    assert await current.refresh()
    assert not current.problem


async def test_a_broken_row_is_a_problem_of_its_own(engine: AsyncEngine, file: Path) -> None:
    await store_market(engine, a_small_market(2))
    await execute(engine, "UPDATE targets SET schedule = '[]' WHERE id = 1")
    loaded = await CurrentSnapshot(engine, file).load()
    assert loaded.problems == (
        "target 1 'desk 1': schedule: a schedule is an object with time_zone and ranges",
    )


async def test_without_a_database_the_file_is_used(file: Path) -> None:
    document = a_small_market(2)
    write_snapshot(file, version=4, market=canonical_bytes(document))
    engine = open_engine(CLOSED_PORT, application_name="test")
    current = CurrentSnapshot(engine, file)
    assert await current.load() == snapshot_of(document, version=4)
    assert current.source == "file"
    assert current.problem
    assert not await current.refresh()
    await engine.dispose()


async def test_the_database_is_believed_over_a_file_of_the_same_version(
    engine: AsyncEngine, file: Path
) -> None:
    await store_market(engine, a_small_market(2))
    down = open_engine(CLOSED_PORT, application_name="test")
    truth = await CurrentSnapshot(engine, file).load()
    write_snapshot(file, version=truth.version, market=canonical_bytes(a_small_market(1)))
    current = CurrentSnapshot(down, file)
    await current.load()
    current._engine, current._reader = engine, MarketReader(engine, file)  # the database comes back
    assert await current.refresh()
    assert current.current == truth
    await down.dispose()


async def test_with_neither_there_is_no_market(file: Path) -> None:
    engine = open_engine(CLOSED_PORT, application_name="test")
    current = CurrentSnapshot(engine, file)
    with pytest.raises(NoSnapshot, match=r"database: .*; file: .*No such file"):
        await current.load()
    with pytest.raises(NoSnapshot):
        _ = current.current
    await engine.dispose()


async def test_a_file_that_cannot_be_written_is_a_problem_but_no_hindrance(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await store_market(engine, a_small_market(1))
    current = CurrentSnapshot(engine, tmp_path / "missing" / "snapshot.json")
    await current.load()
    assert current.source == "database"
    assert "the snapshot file is not written" in current.problem
