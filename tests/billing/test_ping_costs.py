"""What pings cost stands in the ledger, each once."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.ping_costs import post_ping_costs
from billing.verify import verify_ledger
from tests.router.stored import execute, scalar

NOW = dt.datetime(2026, 3, 3, 17, 0, tzinfo=dt.UTC)


async def store_ping(
    engine: AsyncEngine, call_id: UUID, target_id: int, cost_micros: int, age_seconds: int = 90
) -> None:
    await execute(
        engine,
        "INSERT INTO pings (call_id, stage_id, target_id, outcome, sent_at, cost_micros)"
        " VALUES (:call, 1, :target, 'refused', :sent, :cost)",
        call=call_id,
        target=target_id,
        sent=NOW - dt.timedelta(seconds=age_seconds),
        cost=cost_micros,
    )


async def post(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return await post_ping_costs(connection, NOW)


async def total(engine: AsyncEngine, account: str) -> int:
    query = "SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_postings WHERE account = :account"
    return int(await scalar(engine, query, account=account))


async def test_each_ping_is_posted_once_and_the_ledger_stays_sound(engine: AsyncEngine) -> None:
    call, question = uuid4(), uuid4()
    await execute(
        engine,
        "INSERT INTO calls (id, linkedid, node, dialled, started_at) VALUES (:id, 'a-1', 'a', '+18005550100', now())",
        id=call,
    )
    for target, cost in ((1, 2000), (2, 500), (1, 0)):
        await store_ping(engine, call, target, cost)
    await store_ping(engine, question, 1, 700)
    await store_ping(engine, call, 2, 300, age_seconds=5)
    assert await post(engine) == 3
    assert await post(engine) == 0
    assert (await total(engine, "ping_cost"), await total(engine, "bidder:1:payable")) == (3200, -2700)
    of_call = "SELECT sum(p.amount_micros)::bigint FROM ledger_postings p JOIN ledger_transactions t"
    of_call += " ON t.id = p.transaction_id WHERE t.call_id = :call AND p.account = 'ping_cost'"
    assert await scalar(engine, of_call, call=call) == 2500
    await execute(engine, "UPDATE pings SET sent_at = sent_at - interval '1 hour'")
    assert await post(engine) == 1
    assert await scalar(engine, of_call, call=call) == 2800
    found = (await verify_ledger(engine)).findings
    assert {finding.problem for finding in found} <= {"not_sealed"}
