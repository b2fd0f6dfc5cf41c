"""Numbers are sealed in columns: found by their index, opened by the node's keys; a migration seals what was."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from store.key_ring import key_ring
from store.migrate import alembic_config, upgrade
from store.sealed_columns import CALLER, area_of, is_caller
from store.session import async_url
from store.tables import calls
from tests.postgres import database_of, execute
from tests.web.market import add_call

OLD = "0034_lists_of_the_owner"
NUMBER = "+16145550123"
_PLAIN = """
INSERT INTO publishers (name) VALUES ('p');
INSERT INTO buyers (name) VALUES ('b');
INSERT INTO users (email, role, password_hash) VALUES ('a@b.c', 'admin', '');
INSERT INTO campaigns (name, flow_name) VALUES ('c', 'f');
INSERT INTO rtb_keys (key_digest, publisher_id, campaign_id) VALUES ('k', 1, 1);
INSERT INTO calls (id, linkedid, node, started_at, caller)
    SELECT md5(n::text)::uuid, n::text, 'n', now(), CASE WHEN n % 4 > 0 THEN '+1614555' || lpad(n::text, 4, '0') END
    FROM generate_series(1, 700) n;
INSERT INTO buyer_suppressions (buyer_id, caller)
    SELECT 1, '+1614555' || lpad(n::text, 4, '0') FROM generate_series(1, 450) n;
INSERT INTO blocked_callers (kind, value, reason) VALUES
    ('number', '+16145550123', 'r'), ('prefix', '+1900', ''), ('anonymous', '', '');
INSERT INTO no_buyer_requests (call_id, kind, caller) VALUES (md5('1')::uuid, 'voicemail', '+16145550123');
INSERT INTO rtb_reservations (id, rtb_key_id, campaign_id, publisher_id, expires_at, caller, state) VALUES
    (md5('1')::uuid, 1, 1, 1, now(), '+16145550123', 'open'), (md5('2')::uuid, 1, 1, 1, now(), NULL, 'expired');
INSERT INTO test_calls (dialled, caller) VALUES ('+18005550100', '+16145550123'), ('+18005550100', '');
INSERT INTO dial_codes (code_digest, purpose, user_id, caller, expires_at, definition)
    VALUES ('d', 'draft', 1, '+16145550123', now(), '{}');
INSERT INTO ledger_transactions (call_id, kind) VALUES (md5('123')::uuid, 'settlement');
INSERT INTO invoices (kind, party, party_id, period_start, period_end, time_zone, total_micros, state)
    VALUES ('invoice', 'buyer', 1, now() - interval '1 day', now(), 'UTC', 5, 'draft');
INSERT INTO invoice_lines (invoice_id, position, party, party_id, transaction_id, call_id, happened_at, description,
        connected_ms, amount_micros, evidence)
    VALUES (1, 1, 'buyer', 1, 1, md5('123')::uuid, now(), 'Call from +16145550123 (of an earlier period)', 5, 5, '{}');
"""
_COUNT_OF_NUMBER = {
    "calls": 1,
    "buyer_suppressions": 1,
    "blocked_callers": 1,
    "no_buyer_requests": 1,
    "rtb_reservations": 1,
}


@pytest_asyncio.fixture
async def old_url(postgres_url: str) -> AsyncIterator[str]:
    name = f"old_{uuid.uuid4().hex[:12]}"
    execute(postgres_url, f"CREATE DATABASE {name}")
    url = database_of(postgres_url, name)
    await _alembic(url, command.upgrade, OLD)
    for statement in _PLAIN.split(";\n"):
        if statement.strip():
            execute(url, statement)
    yield url
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _alembic(url: str, what: Any, revision: str) -> None:
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(lambda bound: what(alembic_config(bound), revision))
        await connection.commit()
    await engine.dispose()


async def _rows(url: str, query: str, *values: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query, *values))
    finally:
        await connection.close()


async def test_what_was_plain_is_sealed_found_by_its_index_and_comes_back(old_url: str) -> None:
    before = await _rows(old_url, "SELECT id, caller FROM calls ORDER BY id")
    upgrade(old_url)
    index = key_ring().blind(CALLER, NUMBER)
    for table, count in _COUNT_OF_NUMBER.items():
        found = await _rows(old_url, f"SELECT caller_sealed FROM {table} WHERE caller_index = $1", index)
        assert [key_ring().unseal_text(CALLER, row[0]) for row in found] == [NUMBER] * count, table
    after = await _rows(old_url, "SELECT id, caller_sealed, caller_area FROM calls ORDER BY id")
    opened = [(row[0], row[1] and key_ring().unseal_text(CALLER, row[1])) for row in after]
    assert opened == [tuple(row) for row in before]
    assert {row["caller_area"] for row in after} == {"614", None}
    texts = "SELECT count(*) FROM {} AS one WHERE one::text LIKE '%614555%'"
    for table in (*_COUNT_OF_NUMBER, "dial_codes"):
        assert (await _rows(old_url, texts.format(table)))[0][0] == 0, table
    with pytest.raises(asyncpg.UniqueViolationError):
        await _rows(
            old_url,
            "INSERT INTO rtb_reservations (id, rtb_key_id, campaign_id, publisher_id, expires_at, caller_index, state)"
            " VALUES (gen_random_uuid(), 1, 1, 1, now(), $1, 'open')",
            index,
        )
    (line,) = await _rows(old_url, "SELECT description FROM invoice_lines")
    assert line[0] == "Call from {caller} (of an earlier period)"
    await _alembic(old_url, command.downgrade, OLD)
    (line,) = await _rows(old_url, "SELECT description FROM invoice_lines")
    assert line[0] == f"Call from {NUMBER} (of an earlier period)"
    assert await _rows(old_url, "SELECT id, caller FROM calls ORDER BY id") == before
    assert len(await _rows(old_url, "SELECT 1 FROM buyer_suppressions WHERE caller = $1", NUMBER)) == 1
    assert len(await _rows(old_url, "SELECT 1 FROM blocked_callers WHERE value = $1", NUMBER)) == 1
    upgrade(old_url)


async def test_an_insert_of_a_number_fills_what_it_is_found_by(engine: AsyncEngine) -> None:
    call_id = await add_call(engine)
    async with engine.connect() as connection:
        stored = (
            await connection.execute(text("SELECT caller_sealed, caller_index, caller_area FROM calls"))
        ).one()
        by_number = select(calls.c.id).where(calls.c.caller_index == NUMBER)
        assert (await connection.execute(by_number)).scalar_one() == call_id
        for digits in ("6145550123", "16145550123", "614", "1614", "615", "614555"):
            found = await connection.scalar(select(calls.c.id).where(is_caller(calls.c, digits)))
            assert (found == call_id) is (digits not in ("615", "614555")), digits
    assert NUMBER.encode() not in stored[0] and stored[1] == key_ring().blind(CALLER, NUMBER)
    assert stored[2] == "614" and area_of("+442079460958") is None


async def test_what_is_sealed_is_never_compared_by_mistake(engine: AsyncEngine) -> None:
    for ask in (
        lambda: calls.c.caller_sealed == NUMBER,
        lambda: calls.c.caller_sealed.in_([NUMBER]),
        lambda: calls.c.caller_sealed.like("%614%"),
        calls.c.caller_sealed.desc,
    ):
        with pytest.raises(TypeError, match="blind index"):
            ask()
    await add_call(engine)
    async with engine.begin() as connection:
        erased = (
            update(calls)
            .where(calls.c.caller_sealed.is_not(None))
            .values(caller_sealed=None, caller_index=None)
        )
        assert (await connection.execute(erased)).rowcount == 1
