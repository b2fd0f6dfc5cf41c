"""The migrated schema is the one store/tables.py describes, and the database keeps its own rules."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.migrate import upgrade
from store.tables import ledger_postings, ledger_transactions, metadata, publishers
from tests.postgres import as_owner


async def test_metadata_and_migrated_schema_agree(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    assert [change for change in found if "alembic_version" not in str(change)] == []


async def test_upgrading_twice_changes_nothing(engine: AsyncEngine, database_url: str) -> None:
    upgrade(database_url)
    upgrade(database_url)
    assert await _market_version(engine) == 1


async def test_any_change_of_the_market_raises_its_version(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(publishers).values(name="p"))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE publishers SET enabled = false"))
        await connection.execute(text("DELETE FROM publishers"))
    assert await _market_version(engine) == 4


async def test_an_unbalanced_transaction_is_refused_at_commit(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await _post(connection, {"a": 5, "b": -4})
        with pytest.raises(DBAPIError, match="out of balance by 1 micros"):
            await connection.commit()
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM ledger_transactions"))).scalar_one() == 0


async def test_a_table_of_the_same_name_balances_nothing(engine: AsyncEngine) -> None:
    """Any user of a database may make temporary tables, and they are found before those of the schema."""
    async with engine.connect() as connection:
        await connection.execute(
            text("CREATE TEMP TABLE ledger_postings (transaction_id bigint, amount_micros bigint)")
        )
        query = insert(ledger_transactions).values(kind="test").returning(ledger_transactions.c.id)
        values = {"id": (await connection.execute(query)).scalar_one()}
        await connection.execute(
            text("INSERT INTO public.ledger_postings VALUES (:id, 'publisher:1:payable', -5)"), values
        )
        with pytest.raises(DBAPIError, match="out of balance"):
            await connection.commit()


async def test_a_posting_added_later_cannot_unbalance_a_transaction(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        transaction_id = await _post(connection, {"a": 5, "b": -5})
    async with engine.connect() as connection:
        row = {"transaction_id": transaction_id, "account": "c", "amount_micros": 1}
        await connection.execute(insert(ledger_postings).values(row))
        with pytest.raises(DBAPIError, match="out of balance"):
            await connection.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_postings SET amount_micros = amount_micros * 2",
        "DELETE FROM ledger_postings",
        "TRUNCATE ledger_postings",
        "UPDATE ledger_transactions SET kind = 'other'",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_transactions CASCADE",
        "UPDATE ledger_seals SET root = 'x'",
        "TRUNCATE ledger_seals CASCADE",
        "DELETE FROM ledger_sealed_transactions",
    ],
)
async def test_the_ledger_cannot_be_changed(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await _post(connection, {"a": 5, "b": -5})
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text(statement))
    with pytest.raises(DBAPIError, match="the ledger is never changed"):
        async with as_owner(engine) as connection:
            await connection.execute(text(statement))


async def _post(connection: AsyncConnection, amounts: dict[str, int]) -> int:
    query = insert(ledger_transactions).values(kind="test").returning(ledger_transactions.c.id)
    transaction_id: int = (await connection.execute(query)).scalar_one()
    rows = [
        {"transaction_id": transaction_id, "account": name, "amount_micros": n} for name, n in amounts.items()
    ]
    await connection.execute(insert(ledger_postings), rows)
    return transaction_id


async def _market_version(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT version FROM market_version"))).scalar_one())
