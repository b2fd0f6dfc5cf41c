"""How a process reaches the database: what it says of a fault."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables


async def test_no_fault_tells_what_the_statement_was_about(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = {"name": "t", "carrier_name": "c", "addresses": [], "password": "canary-of-a-trunk"}

    async def store() -> str:
        with pytest.raises(SQLAlchemyError) as fault:
            async with engine.begin() as connection:
                await connection.execute(insert(tables.trunks), trunk)
        return f"{fault.value} {fault.value!r} {fault.value.__cause__}"

    def no_keys() -> None:
        raise OSError("the keys cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr("store.sealed_columns.key_ring", no_keys)
        assert "canary" not in await store(), "sealing failed"
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO trunks (name, carrier_name, addresses) VALUES ('t', 'c', '{}')")
        )
    assert "canary" not in await store(), "the database refused it"
