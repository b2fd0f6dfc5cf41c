"""Questions to bidders reach PostgreSQL once each, whatever is interrupted: each may cost money."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router import ping_log, ping_queries
from router.ping_log import PingLog


def a_ping() -> dict[str, Any]:
    return {
        "call_id": uuid4(),
        "stage_id": 1,
        "target_id": 1,
        "outcome": "accepted",
        "sent_at": datetime.now(UTC),
        "cost_micros": 2_000,
    }


async def test_a_row_whose_commit_was_not_heard_of_stands_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def commits_and_fails(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
        await ping_queries.write_pings(connection, rows)
        await connection.commit()
        raise ConnectionError("the server's answer was lost")

    pings = PingLog(engine)
    row = a_ping()
    pings.add(lambda: row)
    monkeypatch.setattr(ping_log, "write_pings", commits_and_fails)
    with pytest.raises(ConnectionError):
        await pings.flush()
    monkeypatch.undo()
    await pings.flush()
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM pings"))).scalar_one() == 1
