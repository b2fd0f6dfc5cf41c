"""Secrets that an older version kept as they are: after the upgrade they are sealed, in rows and in files."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from alembic import command
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from store import tables
from store.migrate import alembic_config, upgrade
from store.session import async_url
from tests.postgres import database_of, execute

OLD = "0034_lists_of_the_owner"
_MARKET = """
INSERT INTO trunks (name, carrier_name, addresses, registrar_uri, username, password)
    VALUES ('with', 'c', '{}', 'sip:sip.example.com', 'me', 'canary-of-a-trunk'),
        ('without', 'c', '{}', NULL, NULL, NULL);
INSERT INTO buyers (name) VALUES ('b');
INSERT INTO targets (buyer_id, name, sip_uri, loan_types, schedule)
    SELECT 1, n::text, 'sip:x@b.example', '{}', '[]' FROM generate_series(1, 2500) n;
INSERT INTO ping_endpoints (target_id, dialect, url, secret, settings)
    SELECT id, 'template', 'https://bids.example', 'canary-of-bidder-' || id,
        json_build_object('campaign_key', 'canary-of-settings')::jsonb FROM targets WHERE id > 1;
INSERT INTO ping_endpoints (target_id, dialect, url) VALUES (1, 'ringba', 'https://bids.example');
INSERT INTO users (email, password_hash, role, totp_secret) VALUES ('a@b.example', '', 'admin', 'v1:sealed before');
"""


@pytest_asyncio.fixture
async def older(postgres_url: str) -> AsyncIterator[str]:
    """URL (owner's) of a database as the version before left it."""
    execute(postgres_url, "CREATE DATABASE older_secrets")
    url = database_of(postgres_url, "older_secrets")
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(lambda bound: command.upgrade(alembic_config(bound), OLD))
        await connection.commit()
    await engine.dispose()
    execute(url, _MARKET)
    yield url
    execute(postgres_url, "DROP DATABASE older_secrets WITH (FORCE)")


async def test_what_was_bare_reads_as_before_and_is_nowhere_in_rows_or_files(older: str) -> None:
    upgrade(older)
    engine = create_async_engine(async_url(older), poolclass=NullPool)
    async with engine.connect() as connection:
        endpoints = (await connection.execute(select(tables.ping_endpoints))).mappings().all()
        passwords = (
            await connection.execute(select(tables.trunks.c.password).order_by(tables.trunks.c.id))
        ).scalars()
        assert list(passwords) == ["canary-of-a-trunk", ""]
        factor = (await connection.execute(select(tables.users.c.totp_secret))).scalar_one()
        files = await connection.execute(
            text(
                "SELECT current_setting('data_directory') || '/' || pg_relation_filepath(c.oid) FROM pg_class c"
                " WHERE relname IN ('trunks', 'ping_endpoints') OR relname LIKE 'pg_toast%'"
            )
        )
        on_disk = [file for name in files.scalars() if (file := Path(name)).exists()]
        await connection.execute(text("CHECKPOINT"))
        assert len(on_disk) > 2 and not [file for file in on_disk if b"canary" in file.read_bytes()]
    await engine.dispose()
    assert factor == b"v1:sealed before"
    by_target = {row["target_id"]: row for row in endpoints}
    assert (by_target[1]["secret"], by_target[1]["settings"]) == ("", {})
    assert len(by_target) == 2500
    for target_id in (2, 2500):
        row = by_target[target_id]
        assert (row["secret"], row["settings"]) == (
            f"canary-of-bidder-{target_id}",
            {"campaign_key": "canary-of-settings"},
        )


async def test_markets_kept_for_replays_lose_the_bidders_and_nothing_else(older: str) -> None:
    kept = {"buyer": {"id": 1}, "targets": [], "caps": []}
    parts = {b"with": {**kept, "ping_endpoints": [{"secret": "canary"}]}, b"without": kept}
    engine = create_async_engine(async_url(older), poolclass=NullPool)
    async with engine.begin() as connection:
        for digest, part in parts.items():
            document = zlib.compress(json.dumps(part).encode())
            await connection.execute(insert(tables.market_parts).values(digest=digest, document=document))
    upgrade(older)
    async with engine.connect() as connection:
        for row in await connection.execute(select(tables.market_parts)):
            assert json.loads(zlib.decompress(row.document)) == kept
    await engine.dispose()
