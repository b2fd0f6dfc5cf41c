"""What callers want of us, and what flows did, comes from the journal into the tables once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.journal import NOTED, REQUESTED, Journal
from agi.journal_reader import JournalReader
from store.call_id import call_id_of
from tests.sealed import hex_of, number_in

LINKEDID, CALLER = "a-1764000000.7", "+16145550123"
STOP = {"request": "do_not_call", "node": "ready", "number": CALLER, "said": "stop calling me"}


async def rows(engine: AsyncEngine, table: str) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        found = await connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))
        return [dict(row) for row in found.mappings()]


async def read(engine: AsyncEngine, folder: Path) -> None:
    assert await JournalReader(engine, node="a", directory=folder).read()


async def test_who_wants_no_calls_is_blocked_with_the_evidence(engine: AsyncEngine, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(REQUESTED, LINKEDID, STOP)
    journal.write(REQUESTED, LINKEDID, {**STOP, "said": "again"})
    await read(engine, tmp_path)
    await read(engine, tmp_path)
    (request,) = await rows(engine, "no_buyer_requests")
    assert (request["kind"], number_in(request)) == ("do_not_call", CALLER)
    assert request["call_id"] == call_id_of(LINKEDID)
    assert request["detail"] == {"node": "ready", "said": "stop calling me"}
    (rule,) = await rows(engine, "blocked_callers")
    assert (rule["kind"], number_in(rule), rule["campaign_id"]) == ("number", CALLER, None)
    assert str(call_id_of(LINKEDID)) in rule["reason"]


async def test_a_rule_that_a_person_made_keeps_its_reason(engine: AsyncEngine, tmp_path: Path) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO blocked_callers (kind, reason, caller_sealed, caller_index)"
                f" VALUES ('number', 'a prankster', {hex_of(CALLER)})"
            )
        )
    Journal(tmp_path).write(REQUESTED, LINKEDID, STOP)
    await read(engine, tmp_path)
    (rule,) = await rows(engine, "blocked_callers")
    assert rule["reason"] == "a prankster"


async def test_one_who_hides_the_number_is_noted_only(engine: AsyncEngine, tmp_path: Path) -> None:
    Journal(tmp_path).write(REQUESTED, LINKEDID, {**STOP, "number": None})
    await read(engine, tmp_path)
    assert [row["kind"] for row in await rows(engine, "no_buyer_requests")] == ["do_not_call"]
    assert await rows(engine, "blocked_callers") == []


async def test_a_call_back_goes_to_the_number_that_was_told(engine: AsyncEngine, tmp_path: Path) -> None:
    body = {"request": "call_back", "node": "back", "number": "+12125550100", "said": "We call you once."}
    Journal(tmp_path).write(REQUESTED, LINKEDID, body)
    await read(engine, tmp_path)
    (request,) = await rows(engine, "no_buyer_requests")
    assert (request["kind"], number_in(request)) == ("call_back", "+12125550100")
    assert request["detail"]["said"] == "We call you once."
    assert await rows(engine, "blocked_callers") == []


async def test_what_a_flow_did_is_kept_in_order(engine: AsyncEngine, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(3):
        journal.write(NOTED, LINKEDID, {"event": "web_hook", "node": "hook", "detail": {"number": number}})
    await read(engine, tmp_path)
    await read(engine, tmp_path)
    events = await rows(engine, "call_events")
    assert [(row["kind"], row["node"], row["detail"]["number"]) for row in events] == [
        ("web_hook", "hook", number) for number in range(3)
    ]


@pytest.mark.parametrize("change", [{"number": "1; DROP"}, {"request": "other"}, {"number": "6145550123"}])
async def test_a_request_that_cannot_be_is_refused_and_kept(
    engine: AsyncEngine, tmp_path: Path, change: dict[str, str]
) -> None:
    Journal(tmp_path).write(REQUESTED, LINKEDID, {**STOP, **change})
    await read(engine, tmp_path)
    assert await rows(engine, "no_buyer_requests") == []
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM refused_lines"))).scalar_one() == 1
