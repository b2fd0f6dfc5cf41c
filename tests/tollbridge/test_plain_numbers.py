"""A call goes all its way, and then every table is searched: no column holds its caller's number in the clear."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.journal import REQUESTED
from billing.verify import verify_ledger
from router.caller_lists import block_caller, suppress_callers
from router.decision_queries import decisions_of
from store.call_id import call_id_of
from tests.asterisk_files import CallStory, NodeFiles, cel_lines, journal_lines
from tests.market import make_market
from tests.postgres import as_owner
from tests.sealed import index_of, number_in
from tests.sealing import sealer_at, trust_in
from tollbridge.worker import Worker, WorkerConfig

CALLER = "+16145550147"
DIGITS = CALLER[2:]


async def places_of(engine: AsyncEngine, needle: str) -> set[str]:
    """Return the tables in whose rows a text is found, however it is stored: binary columns are read as text, too."""
    found = set()
    async with as_owner(engine) as connection:
        tables = await connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        )
        for table in tables.all():
            hexed = needle.encode().hex()
            query = (
                f'SELECT count(*) FROM "{table}" AS one WHERE one::text LIKE :plain OR one::text LIKE :hexed'
            )
            count = await connection.scalar(text(query), {"plain": f"%{needle}%", "hexed": f"%{hexed}%"})
            if count:
                found.add(table)
    return found


async def test_no_table_holds_a_number_in_the_clear(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    files, market = NodeFiles(tmp_path), await make_market(engine)
    config = WorkerConfig(
        node="a",
        database_url=database_url,
        cel_file=files.cel,
        journal_dir=files.journal,
        recordings_dir=tmp_path / "recordings",
        snapshot_file=tmp_path / "market.json",
        alive_file=tmp_path / "worker.alive",
        sealer=sealer_at(tmp_path / "roots"),
    )
    worker, story = (
        Worker(engine, config),
        CallStory(target_id=market.targets[0], connected_ms=100_000, caller=CALLER),
    )
    head = {"linkedid": story.linkedid, "at_ms": story.start_ms + 30}
    matched, decided = journal_lines(story, market)
    inputs = {"caller": CALLER, "call_id": str(call_id_of(story.linkedid))}
    whole = {**json.loads(decided), "decision": {"chosen": None, "inputs": inputs}}
    wish = {
        "kind": REQUESTED,
        "request": "do_not_call",
        "node": "x",
        "number": CALLER,
        "said": "stop",
        **head,
    }
    lines = cel_lines(story)
    files.write_cel(*lines[:3])
    files.write_journal(matched, json.dumps(whole) + "\n", json.dumps(wish) + "\n")
    files.write_cel(*lines[3:])
    await worker.read_and_settle()
    await suppress_callers(engine, "first", [CALLER])
    await block_caller(engine, "number", CALLER, campaign=None, reason="r")

    assert await places_of(engine, DIGITS) == set()
    async with engine.connect() as connection:
        call = (await connection.execute(text("SELECT * FROM calls"))).mappings().one()
        assert (number_in(call), call["caller_index"], call["state"]) == (CALLER, index_of(CALLER), "settled")
        (stored,) = await decisions_of(connection, call["id"])
        assert stored.decision["inputs"] == inputs, "for who has the keys it is as it was made"
    found = await verify_ledger(engine, trust_in(config.sealer))  # type: ignore[arg-type]
    assert found.findings == ()
