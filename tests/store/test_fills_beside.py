"""A database of thousands of calls is brought up beside whoever sells and settles: nobody waits long, all is filled."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from store import migrate
from store.migrate import alembic_config, upgrade
from store.session import async_url
from tests.postgres import database_of, execute

LONGEST_WAIT_SECONDS = 2.0
OLD = "0017_take_together_at_once"
# Each reservation that a migration changes takes it two milliseconds, as on a disk that is busy.
_SLOWLY = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('application_name') = 'tollbridge-migrate' THEN
        PERFORM pg_sleep(0.002);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slowly BEFORE UPDATE ON rtb_reservations FOR EACH ROW EXECUTE FUNCTION slowly();
"""
# 3000 calls: of 1100 a dispute was accepted, of 300 one is open ($5 each), of 300 one was refused and opened again.
_HISTORY = """
INSERT INTO publishers (name) VALUES ('p');
INSERT INTO buyers (name) VALUES ('b');
INSERT INTO calls (id, linkedid, node, started_at, state, converted)
    SELECT md5(n::text)::uuid, n::text, 'n', now(), 'settled', true FROM generate_series(1, 3000) n;
INSERT INTO ledger_transactions (call_id, kind) SELECT id, 'settlement' FROM calls ORDER BY linkedid::int;
INSERT INTO ledger_postings SELECT t.id, v.* FROM ledger_transactions t,
    (VALUES ('buyer:1:receivable', 5), ('revenue', -5)) v;
INSERT INTO ledger_transactions (call_id, kind) SELECT md5(n::text)::uuid, 'dispute_opened'
    FROM generate_series(1601, 1900) n;
INSERT INTO ledger_postings SELECT t.id, v.* FROM ledger_transactions t,
    (VALUES ('buyer:1:receivable', -5), ('disputed', 5)) v WHERE t.kind = 'dispute_opened';
INSERT INTO disputes (call_id, buyer_id, reason, price_micros, opened_at, state, opening_id)
    SELECT md5(n::text)::uuid, 1, 'r', 5, now(), CASE WHEN n <= 1600 THEN 'accepted' WHEN n <= 1900 THEN 'open'
        ELSE 'refused' END,
        (SELECT id FROM ledger_transactions WHERE kind = 'dispute_opened' AND call_id = md5(n::text)::uuid)
    FROM generate_series(501, 2200) n;
INSERT INTO disputes (call_id, buyer_id, reason, price_micros, opened_at, state)
    SELECT call_id, 1, 'again', 5, now(), 'refused' FROM disputes WHERE state = 'refused';
INSERT INTO ledger_transactions (kind) VALUES ('invoice_paid:I-1');
INSERT INTO invoices (kind, party, party_id, period_start, period_end, time_zone, total_micros, state, number)
    VALUES ('invoice', 'buyer', 1, now() - interval '1 day', now(), 'UTC', 5, 'paid', 'I-1');
INSERT INTO ledger_seals (batch, previous_root, root, transaction_count) VALUES (1, '', '', 2000);
INSERT INTO ledger_sealed_transactions SELECT id, 1, id FROM ledger_transactions WHERE id <= 2000;
INSERT INTO audit_log (actor, via, action, kind, ref) SELECT 'a', 'v', 'x', 'k', n::text
    FROM generate_series(1, 2000) n;
INSERT INTO rtb_reservations (id, rtb_key_id, campaign_id, publisher_id, expires_at, caller, state, bid_micros,
        minimum_connected_ms, detail)
    SELECT md5(n::text)::uuid, 1, 1, 1, now(), n::text, CASE WHEN n % 2 = 0 THEN 'used' ELSE 'expired' END, 7, 90000,
        CASE WHEN n % 4 < 2 THEN '{"auction": {"x": 1}}' ELSE '{"auction": null}' END::jsonb
    FROM generate_series(1, 1600) n;
"""
_KEY = """
INSERT INTO campaigns (name, flow_name) VALUES ('c', 'f');
INSERT INTO rtb_keys (key_digest, publisher_id, campaign_id) VALUES ('k', 1, 1);
"""


@pytest_asyncio.fixture
async def old_url(postgres_url: str) -> AsyncIterator[str]:
    name = f"old_{uuid.uuid4().hex[:12]}"
    execute(postgres_url, f"CREATE DATABASE {name}")
    url = database_of(postgres_url, name)
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(lambda bound: command.upgrade(alembic_config(bound), OLD))
        await connection.commit()
    await engine.dispose()
    before, reservations = _HISTORY.split("INSERT INTO rtb_reservations")
    for statements in (before, _KEY, f"INSERT INTO rtb_reservations{reservations}", _SLOWLY):
        execute(url, statements)
    yield url
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _sell(connection: asyncpg.Connection, turn: int) -> None:
    await connection.execute(
        "INSERT INTO rtb_reservations (id, rtb_key_id, campaign_id, publisher_id, expires_at, state)"
        " VALUES (gen_random_uuid(), 1, 1, 1, now(), 'expired')"
    )


async def _take(connection: asyncpg.Connection, turn: int) -> None:
    await connection.execute(
        "UPDATE rtb_reservations SET dial = 'x' WHERE id = md5($1)::uuid", str(turn % 1600 + 1)
    )


async def _settle(connection: asyncpg.Connection, turn: int) -> None:
    async with connection.transaction():
        query = "UPDATE calls SET node = 'm' WHERE id = md5($1)::uuid RETURNING id"
        call_id = await connection.fetchval(query, str(turn % 3000 + 1))
        posted = "INSERT INTO ledger_transactions (call_id, kind) VALUES ($1, $2) RETURNING id"
        transaction_id = await connection.fetchval(posted, call_id, f"turn{turn}")
        postings = "INSERT INTO ledger_postings VALUES ($1, 'buyer:1:receivable', 1), ($1, 'revenue', -1)"
        await connection.execute(postings, transaction_id)


async def _note(connection: asyncpg.Connection, turn: int) -> None:
    await connection.execute(
        "INSERT INTO audit_log (actor, via, action, kind, ref) VALUES ('a', 'v', 'x', 'k', 'r')"
    )


async def _waits(
    url: str, ended: asyncio.Event, write: Callable[[asyncpg.Connection, int], Awaitable[None]]
) -> float:
    """Write again and again until `ended`; return how long the slowest took, in seconds."""
    connection = await asyncpg.connect(make_url(url).render_as_string(hide_password=False))
    longest, turn = 0.0, 0
    try:
        while not ended.is_set():
            turn, began = turn + 1, time.monotonic()
            await write(connection, turn)
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.005)
    finally:
        await connection.close()
    return longest


_FILLED = {
    "SELECT count(*) FROM rtb_reservations WHERE caller_index IS NOT NULL AND bid_micros IS NULL": 800,
    "SELECT count(*) FROM rtb_reservations WHERE bid_micros = 7 AND bid_minimum_connected_ms = 90000": 800,
    "SELECT count(*) FROM rtb_reservations WHERE bid_minimum_connected_ms IS NOT NULL": 800,
    "SELECT count(*) FROM rtb_reservations WHERE held_room": 800,
    "SELECT count(*) FROM rtb_reservations WHERE held_room AND state <> 'used'": 0,
    "SELECT count(*) FROM calls WHERE NOT converted": 1100,
    "SELECT count(*) FROM disputes WHERE reopens_id IS NOT NULL": 300,
    "SELECT sum(amount_micros)::bigint FROM ledger_postings WHERE account = 'buyer:1:disputed'": 1500,
    "SELECT sum(amount_micros)::bigint FROM ledger_postings WHERE account = 'disputed'": -1500,
    "SELECT disputed_micros FROM wallets WHERE buyer_id = 1": 1500,
    "SELECT count(*) FROM invoices i JOIN ledger_transactions t ON t.id = paid_by_id"
    " AND t.kind = 'invoice_paid:I-1'": 1,
    "SELECT count(*) FROM pg_constraint WHERE NOT convalidated": 0,
    "SELECT count(*) FROM ledger_transactions t FULL JOIN unsealed_transactions u ON u.transaction_id = t.id"
    " WHERE t.id IS NULL OR u.transaction_id IS NULL": 0,
    "SELECT count(*) FROM audit_log a FULL JOIN unsealed_notes u ON u.note_id = a.id"
    " WHERE a.id IS NULL OR u.note_id IS NULL": 0,
}


async def test_nobody_waits_long_while_everything_is_filled(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LONGEST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 30.0)
    ended = asyncio.Event()
    writers = [asyncio.create_task(_waits(old_url, ended, one)) for one in (_sell, _take, _settle, _note)]
    told: list[str] = []
    try:
        await asyncio.to_thread(upgrade, old_url, None, told.append)
    finally:
        ended.set()
        waits = await asyncio.gather(*writers)
    assert max(waits) < LONGEST_WAIT_SECONDS, (waits, told)
    connection = await asyncpg.connect(old_url)
    try:
        assert {query: await connection.fetchval(query) for query in _FILLED} == _FILLED
    finally:
        await connection.close()
