"""What an older version kept in the clear of callers beside their calls: after the upgrade it is not there any more."""

from __future__ import annotations

import hashlib

from alembic import command
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from store import tables
from store.key_ring import key_ring
from store.migrate import alembic_config, upgrade
from store.session import async_url
from tests.postgres import database_of, execute

OLD = "0042_directory"
_ROWS = """
INSERT INTO users (email, password_hash, role) VALUES ('a@b.example', '', 'admin');
INSERT INTO api_answers (user_id, key, request_digest, status, headers, body)
    VALUES (1, 'k', sha256('+16145550123'), 201, '{}', '{"value": "+16145550123"}'),
        (1, 'l', sha256('x'), NULL, NULL, NULL);
INSERT INTO saved_views (user_id, page, name, query) VALUES
    (1, 'calls', '1', 'caller=6145550123'), (1, 'calls', '2', 'caller=%2B1614&outcome=sold'),
    (1, 'calls', '3', 'state=OH&caller=614&outcome=sold'), (1, 'calls', '4', 'state=OH&caller=614'),
    (1, 'calls', '5', 'state=OH'), (1, 'reports', '6', 'by=buyer');
"""


async def test_answers_and_views_lose_it_and_keys_stay_used(postgres_url: str) -> None:
    execute(postgres_url, "CREATE DATABASE older_answers")
    url = database_of(postgres_url, "older_answers")
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(lambda bound: command.upgrade(alembic_config(bound), OLD))
        await connection.commit()
    execute(url, _ROWS)
    upgrade(url)
    views, answers = tables.saved_views.c, tables.api_answers.c
    async with engine.connect() as connection:
        queries = (await connection.execute(select(views.query).order_by(views.name))).scalars().all()
        rows = (await connection.execute(select(tables.api_answers).order_by(answers.key))).all()
        keys = await connection.execute(text("SELECT 1 FROM pg_constraint WHERE conname = 'pk_api_answers'"))
        assert len(keys.all()) == 1
    await engine.dispose()
    execute(postgres_url, "DROP DATABASE older_answers WITH (FORCE)")
    assert queries == ["", "outcome=sold", "state=OH&outcome=sold", "state=OH", "state=OH", "by=buyer"]
    assert [(row.key, row.status, row.body) for row in rows] == [("k", 201, None), ("l", None, None)]
    digest = hashlib.sha256(b"+16145550123").hexdigest()
    assert rows[0].request_digest == key_ring().blind("api request", digest)
