"""A market that is followed edit by edit is the market that is read whole."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from router.market_archive import archive_market, archived_snapshot
from router.market_reader import MarketReader
from router.snapshot_file import write_parts
from store import tables
from tests.router.markets import a_campaign, a_small_market
from tests.router.stored import execute, store_market

EDITS = (
    "UPDATE targets SET concurrency_cap = 7 WHERE id = 2",
    "UPDATE buyers SET enabled = false WHERE id = 1",
    "DELETE FROM licences WHERE buyer_id = 3",
    "INSERT INTO caps (owner, owner_id, kind, period, at_most) VALUES ('target', 2, 'attempts', 'day', 5)",
    "INSERT INTO caps (owner, owner_id, kind, period, at_most) VALUES ('buyer', 1, 'revenue', 'month', 5)",
    "INSERT INTO caps (owner, owner_id, kind, at_most) VALUES ('campaign', 1, 'concurrency', 5)",
    "UPDATE plan_entries SET priority = 9 WHERE target_id = 1",
    "DELETE FROM plan_entries WHERE target_id = 3",
    "UPDATE plan_stages SET method = 'weighted', attempts = 2",
    "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, price_micros) VALUES (2, 1, now(), 5)",
    "INSERT INTO cap_groups (id, name) VALUES (4, 'g')",
    "INSERT INTO cap_group_members (group_id, target_id) VALUES (4, 1)",
    "INSERT INTO caps (owner, owner_id, kind, at_most) VALUES ('group', 4, 'concurrency', 2)",
    "INSERT INTO ping_endpoints (target_id, dialect, url) VALUES (1, 'tollbridge', 'https://bids.example/')",
    "UPDATE targets SET schedule = '[]' WHERE id = 1",
    'UPDATE targets SET filters = \'{"fact": "age", ">=": 62}\' WHERE id = 2',
    "INSERT INTO blocked_callers (kind, value) VALUES ('prefix', '+1900')",
    "UPDATE campaigns SET maximum_attempts = 2",
    "UPDATE flows SET version = 3",
)


async def test_each_edit_is_followed(engine: AsyncEngine, tmp_path: Path) -> None:
    document = a_small_market(3)
    document["campaigns"][0] = a_campaign([[(1, 1), (2, 2)], [(3, 1)]])
    await store_market(engine, document)
    following = MarketReader(engine, tmp_path / "snapshot")
    await following.read()
    for edit in EDITS:
        await execute(engine, edit)
        followed = (await following.read()).snapshot
        whole = (await MarketReader(engine, tmp_path / "snapshot").read()).snapshot
        assert replace(followed, problems=()) == replace(whole, problems=()), edit
        assert sorted(followed.problems) == sorted(whole.problems), edit


async def test_an_archived_market_is_read_again(engine: AsyncEngine, tmp_path: Path) -> None:
    await store_market(engine, a_small_market(3))
    read = await MarketReader(engine, tmp_path / "snapshot").read()
    await archive_market(engine, read.snapshot, read.parts)
    await archive_market(engine, read.snapshot, read.parts)
    assert await archived_snapshot(engine, read.snapshot.digest) == read.snapshot
    assert await archived_snapshot(engine, "0" * 64) is None


async def test_no_secret_of_a_bidder_is_in_a_market_file_or_in_the_archive(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await store_market(engine, a_small_market(3))
    async with engine.begin() as connection:
        bidder = {"target_id": 1, "dialect": "template", "url": "https://bids.example/"}
        settings = {"ping": {"headers": {"X-Key": "canary-of-a-header"}}}
        await connection.execute(
            insert(tables.ping_endpoints).values(**bidder, secret="canary-of-a-secret", settings=settings)
        )
    file = tmp_path / "snapshot"
    read = await MarketReader(engine, file).read()
    await archive_market(engine, read.snapshot, read.parts)
    write_parts(file, version=1, digest=read.snapshot.digest, parts=read.parts)
    async with engine.connect() as connection:
        kept = [
            zlib.decompress(part) for part in await connection.scalars(select(tables.market_parts.c.document))
        ]
    assert b"bids.example" not in file.read_bytes() and kept
    assert not [place for place in (file.read_bytes(), *kept) if b"canary" in place]


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.kept_data.read_area_codes", lambda: {"614": ["OH"]})
    monkeypatch.setattr("router.kept_data.read_zip_codes", dict)
