"""Told apart: what would fail again, and what passes when PostgreSQL is back."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from store.faults import is_fault_of_data
from store.session import open_engine


@pytest.mark.parametrize(
    ("statement", "of_data"),
    [
        ("INSERT INTO publishers (name) VALUES (NULL)", True),
        ("SELECT 1 / 0", True),
        ("SELECT CAST('x' AS integer)", True),
        ("SELECT nothing", True),
        ("SELECT pg_terminate_backend(pg_backend_pid())", False),
        ("SET LOCAL statement_timeout = 10; SELECT pg_sleep(1)", False),
        ("SET LOCAL transaction_read_only = on; DELETE FROM flows", False),
    ],
)
async def test_what_the_server_says(engine: AsyncEngine, statement: str, of_data: bool) -> None:
    error = await _error(engine, *statement.split("; "))
    assert is_fault_of_data(error) is of_data


async def test_a_server_that_is_not_there_is_no_fault_of_data() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    assert not is_fault_of_data(await _error(engine, "SELECT 1"))
    await engine.dispose()


async def test_a_value_that_cannot_be_sent_is_a_fault_of_data(engine: AsyncEngine) -> None:
    with pytest.raises(Exception, match="invalid input for query argument") as caught:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT CAST(:n AS integer)"), {"n": 2**40})
    assert is_fault_of_data(caught.value)
    assert is_fault_of_data(KeyError("a mistake of ours"))


async def _error(engine: AsyncEngine, *statements: str) -> Exception:
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")
