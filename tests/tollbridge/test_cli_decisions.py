"""A decision made on a real market in PostgreSQL, explained and made again as an admin asks for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from store.tables import calls, decisions
from tests.postgres import execute
from tests.router.markets import CALL, PATIENT_SECONDS, a_request, a_small_market
from tests.router.stored import store_market
from tollbridge.cli import cli


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(cli, words)


async def two_attempts(database_url: str, snapshot_file: Path) -> None:
    """Route a call twice while others are on the line, and store both decisions as the worker does."""
    engine = open_engine(database_url, application_name="test")
    await store_market(engine, a_small_market(3))
    market = CurrentSnapshot(engine, snapshot_file)
    await market.load()
    router, other = (
        Router(engine, market, database_seconds=PATIENT_SECONDS),
        "6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a12",
    )
    await router.route_call(a_request(call_id=other), 1)
    routed = [await router.route_call(a_request(), 1)]
    tried = tuple(offer.target_id for offer in routed[0].ringing)
    routed.append(await router.route_call(a_request(tried=tried), 2))
    assert [one.leased for one in routed] == [True, True]
    async with engine.begin() as connection:
        call = {"id": UUID(CALL), "linkedid": "1", "node": "t", "started_at": routed[0].decision.request.now}
        await connection.execute(insert(calls), [call])
        await connection.execute(
            insert(decisions), [_row(one, sequence) for sequence, one in enumerate(routed, 1)]
        )
    await engine.dispose()


def _row(routed: Routed, sequence: int) -> dict[str, Any]:
    assert routed.decision.chosen is not None
    return {
        "call_id": UUID(CALL),
        "sequence": sequence,
        "decided_by": "router",
        "decided_at": routed.decision.request.now,
        "target_id": routed.decision.chosen.target_id,
        "duration_us": routed.duration_us,
        "decision": json.loads(json.dumps(routed.to_json())),
    }


def test_a_stored_decision_comes_out_again_byte_for_byte_and_a_changed_one_does_not(
    run: Any, database_url: str, tmp_path: Path
) -> None:
    asyncio.run(two_attempts(database_url, tmp_path / "snapshot"))
    again: Result = run("replay", CALL)
    assert again.output == "attempt 1: the same, byte for byte\nattempt 2: the same, byte for byte\n"
    assert "at_cap" in run("explain", CALL).output
    execute(
        database_url,
        "UPDATE decisions SET decision = jsonb_set(decision, '{inputs,counts,concurrency}', '{}') WHERE sequence = 1",
    )
    changed: Result = run("replay", CALL)
    assert changed.exit_code == 1
    assert "attempt 1: decided otherwise" in changed.output
    assert "attempt 2: the same" in changed.output


def test_a_call_without_decisions_is_said_to_have_none(run: Any) -> None:
    refused = run("replay", CALL)
    assert refused.exit_code == 1
    assert f"no decision is stored for call {CALL}" in refused.output
