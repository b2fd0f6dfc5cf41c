"""What many lines of one batch say of the same calls comes to what they say one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.journal_reader import JournalReader
from tests.asterisk_files import START_MS, NodeFiles
from tests.market import Market, make_market

FIRST, SECOND = "a-1.1", "a-1.2"


def line(linkedid: str, kind: str, *, at_ms: int = START_MS, **said: Any) -> str:
    return json.dumps({"kind": kind, "linkedid": linkedid, "at_ms": at_ms, **said}) + "\n"


def decided(linkedid: str, sequence: int, by: str, target_id: int, *, at_ms: int = START_MS) -> str:
    rejections = [{"target_id": 2, "code": "closed"}, {"target_id": 999, "code": "gone"}]
    said = {"sequence": sequence, "decided_by": by, "target_id": target_id, "rejections": rejections}
    return line(linkedid, "decided", at_ms=at_ms, decision={"by": by}, **said)


def lines(market: Market) -> list[str]:
    """Two calls mixed: doubled lines, second thoughts, a decision made again, a campaign and a target that are gone."""
    number = {"tracking_number_id": market.number, "publisher_id": market.publisher, "flow_name": "mortgage"}
    said = {"node": "ask", "tag": "state", "source": "speech"}
    return [
        line(FIRST, "tagged", tags={"state": "OH"}),
        line(SECOND, "call_matched", campaign_id=999, **number),
        line(FIRST, "call_matched", campaign_id=999, **number),
        line(FIRST, "answered", sequence=1, value="OH", **said),
        decided(FIRST, 1, "router", market.targets[0]),
        decided(FIRST, 1, "router", market.targets[0]),  # the same line again
        decided(
            FIRST, 1, "survival", market.targets[1], at_ms=START_MS + 5
        ),  # the router was killed meanwhile
        line(FIRST, "answered", sequence=1, value="NY", **said),  # the first stands
        line(FIRST, "call_matched", campaign_id=market.campaign, **number),
        line(SECOND, "tagged", tags={"state": "TX"}),
        line(FIRST, "tagged", tags={"state": "OH", "loan_type": "heloc"}),
        decided(SECOND, 3, "router", 999),
    ]


@pytest.mark.parametrize("together", [True, False])
async def test_a_batch_says_what_its_lines_say(
    engine: AsyncEngine, tmp_path: Path, *, together: bool
) -> None:
    market, files = await make_market(engine), NodeFiles(tmp_path)
    reader = JournalReader(engine, node="a", directory=files.journal)
    batches = [lines(market)] if together else [[one] for one in lines(market)]
    for batch in batches:
        files.write_journal(*batch)
        await reader.read()
    assert await rows(engine, "linkedid, campaign_id, publisher_id, tags", "calls") == [
        (FIRST, market.campaign, market.publisher, {"state": "OH", "loan_type": "heloc"}),
        (SECOND, None, market.publisher, {"state": "TX"}),
    ]
    of_call = "JOIN calls ON calls.id = call_id"
    assert await rows(engine, "linkedid, sequence, value", f"answers {of_call}") == [(FIRST, 1, "OH")]
    told = f"decisions d {of_call}"
    assert await rows(engine, "linkedid, d.sequence, d.decided_by, d.target_id, d.decision", told) == [
        (FIRST, 1, "router", market.targets[0], {"by": "router"}),
        (FIRST, 2, "survival", market.targets[1], {"by": "survival"}),
        (SECOND, 3, "router", None, {"by": "router"}),
    ]
    assert await rows(engine, "linkedid, sequence, r.target_id, code", f"rejections r {of_call}") == [
        (FIRST, 1, 2, "closed"),
        (FIRST, 2, 2, "closed"),
        (SECOND, 3, 2, "closed"),
    ]


async def rows(engine: AsyncEngine, what: str, where: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        found = await connection.execute(text(f"SELECT {what} FROM {where} ORDER BY 1, 2"))
        return [tuple(row) for row in found]
