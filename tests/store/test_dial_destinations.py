"""Migration 0020b keeps what people have set: filters over ZIP codes, and who is blocked for hiding the number."""

from __future__ import annotations

import importlib
import json

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.market import make_market
from tests.postgres import as_owner

# Numbers were stored plain then.
_AS_IT_WAS = (
    "ALTER TABLE blocked_callers"
    " DROP CONSTRAINT ck_blocked_callers_number, DROP CONSTRAINT ck_blocked_callers_value"
)


async def test_what_was_set_before_means_the_same(engine: AsyncEngine) -> None:
    await make_market(engine)
    filters = {"all": [{"fact": "zip_code", "kind": "text", "in": ["94105"]}, {"fact": "state", "=": "CA"}]}
    async with as_owner(engine) as connection:
        await connection.execute(
            text("UPDATE targets SET filters = :filters"), {"filters": json.dumps(filters)}
        )
        await connection.execute(text(_AS_IT_WAS))
        await connection.execute(
            text(
                "INSERT INTO blocked_callers (kind, value) VALUES ('number', '+266696687'), ('number', '+16145550123')"
            )
        )
        await connection.run_sync(_upgrade)
        kept = (await connection.execute(text("SELECT filters FROM targets LIMIT 1"))).scalar_one()
        blocked = (
            await connection.execute(text("SELECT kind, value FROM blocked_callers ORDER BY kind"))
        ).all()
    assert kept["all"][0] == {"fact": "zip", "kind": "text", "in": ["94105"]}
    assert [tuple(row) for row in blocked] == [("anonymous", ""), ("number", "+16145550123")]


def _upgrade(connection: Connection) -> None:
    migration = importlib.import_module("store.migrations.versions.0020b_one_spelling")
    with Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()
