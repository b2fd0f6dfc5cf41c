"""Calls settled together come to what each comes to by itself, and a bad one holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.call_record import CallRecord, LegRecord, Witness
from billing.check_terms import checked_terms
from billing.settle_batch import BatchSettled, settle_batch
from billing.settle_call import Settlement
from billing.terms_document import Party
from store.call_id import call_id_of
from store.session import open_engine
from store.tables import answers, buyer_terms, calls, cap_counters, decisions, leases
from tests.billing.contracts import contract
from tests.billing.test_settle_call import START_MS, a_call, arrived, settle
from tests.market import Market, make_market
from tests.postgres import cloned_database

COMPARED = """
    SELECT c.linkedid, c.state, c.outcome, c.buyer_id, c.target_id, c.connected_ms, c.converted, c.conversion,
        c.evidence, c.caller, c.started_at, c.ended_at, t.kind, t.detail,
        (SELECT jsonb_object_agg(p.account, p.amount_micros) FROM ledger_postings p WHERE p.transaction_id = t.id) AS p,
        (SELECT jsonb_agg(l ORDER BY attempt) FROM legs l WHERE l.call_id = c.id) AS legs
    FROM calls c JOIN ledger_transactions t ON t.call_id = c.id ORDER BY c.linkedid
"""


def some_calls(market: Market) -> list[CallRecord]:
    """Calls of every ordinary kind: paid for, too short, busy, withheld, dropped by their caller, at length."""
    records = []
    for serial, connected_ms in enumerate((100_000, 89_999, 90_000, None, 0, 400_000)):
        record = a_call(market, serial=serial, connected_ms=connected_ms)
        records.append(replace(record, caller=f"+1614555020{serial}"))
    records.append(replace(records[0], linkedid="a-1.50", caller=None))
    records.append(replace(records[0], linkedid="a-1.51", caller="+16145550299", legs=(), dial_statuses={}))
    second = replace(records[0].legs[0], attempt=2, target_id=market.targets[1])
    busy = replace(records[3].legs[0], attempt=1)
    records.append(replace(records[0], linkedid="a-1.52", caller="+16145550298", legs=(busy, second)))
    return records


async def prepared(engine: AsyncEngine, records: Sequence[CallRecord], market: Market) -> None:
    """The calls as the readers leave them: matched, tagged, decided, with leases."""
    for record in records:
        await arrived(engine, record)
    document = contract(
        rules=[
            {
                "name": "base",
                "minimum_connected_seconds": 90,
                "when": {"fact": "state", "in": ["OH"]},
                "price": "45.00",
            }
        ]
    )
    assert checked_terms(document, Party.BUYER)
    async with engine.begin() as connection:
        await connection.execute(
            update(calls).values(
                tracking_number_id=market.number,
                campaign_id=market.campaign,
                publisher_id=market.publisher,
                tags={"state": "OH"},
            )
        )
        await connection.execute(
            update(buyer_terms).where(buyer_terms.c.buyer_id == market.buyers[1]).values(document=document)
        )
        key = f"target:{market.targets[0]}:connections"
        await connection.execute(insert(cap_counters).values(key=key, used=len(records), period_start=0))
        for serial, record in enumerate(records):
            bid_micros = 50_000_000 if serial == 5 else None
            await decided(connection, call_id_of(record.linkedid), market.targets[0], key, bid_micros)


async def decided(
    connection: AsyncConnection, call_id: UUID, target_id: int, counter_key: str, bid_micros: int | None
) -> None:
    """A call's answer, its decision for a target, and its lease."""
    await connection.execute(
        insert(answers).values(
            call_id=call_id,
            sequence=1,
            node="s",
            tag="state",
            value="OH",
            source="keys",
            answered_at=text("now()"),
        )
    )
    chosen = {"target_id": target_id, "bid_micros": bid_micros}
    await connection.execute(
        insert(decisions).values(
            call_id=call_id,
            sequence=1,
            decided_by="router",
            decided_at=text("now()"),
            duration_us=1,
            target_id=target_id,
            decision={"chosen": chosen},
        )
    )
    await connection.execute(
        insert(leases).values(
            call_id=call_id,
            attempt=1,
            target_id=target_id,
            counter_key=counter_key,
            kind="connections",
            amount=1,
            period_start=0,
            taken_at=text("now()"),
            expires_at=text("now()"),
        )
    )


async def rows(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        settled = [dict(row._mapping) for row in await connection.execute(text(COMPARED))]
        for query in ("cap_counters", "target_history", "wallets"):
            settled += [
                dict(one._mapping)
                for one in await connection.execute(text(f"SELECT * FROM {query} ORDER BY 1"))
            ]
        return settled


async def together(engine: AsyncEngine, records: Sequence[CallRecord]) -> BatchSettled:
    async with engine.begin() as connection:
        return await settle_batch(connection, records)


async def test_calls_together_come_to_what_each_comes_to_alone(
    engine: AsyncEngine, postgres_url: str
) -> None:
    market = await make_market(engine)
    records = some_calls(market)
    await prepared(engine, records, market)
    done = await together(engine, records)
    assert done.left == () and all(isinstance(one, Settlement) for one in done.settled)
    with cloned_database(postgres_url) as url:
        alone = open_engine(url, application_name="test")
        try:
            await prepared(alone, records, await make_market(alone))
            for record in records:
                await settle(alone, record)
            assert await rows(engine) == await rows(alone)
        finally:
            await alone.dispose()


async def test_batches_that_share_calls_settle_each_once(engine: AsyncEngine) -> None:
    market = await make_market(engine)
    records = some_calls(market)
    await prepared(engine, records, market)
    done = await asyncio.gather(*(together(engine, records[place:] + records[:place]) for place in range(4)))
    settled = [one.call_id for batch in done for one in batch.settled if isinstance(one, Settlement)]
    assert sorted(settled) == sorted(call_id_of(record.linkedid) for record in records)


async def test_what_is_out_of_the_ordinary_is_left(engine: AsyncEngine) -> None:
    market = await make_market(engine)
    first, *others = some_calls(market)
    again = replace(first, linkedid="a-1.60")
    twice = replace(
        first,
        linkedid="a-1.61",
        caller="+16145550250",
        legs=(
            first.legs[0],
            LegRecord(
                attempt=2,
                target_id=market.targets[1],
                answered_ms=START_MS,
                ended_ms=START_MS + 5,
                cause=16,
                witness=Witness.LEG,
            ),
        ),
    )
    await prepared(engine, [first, again, twice], market)
    unknown = await arrived(
        engine, replace(first, linkedid="a-1.62", caller="+16145550251", dialled="+19995550000")
    )
    done = await together(engine, [first, again, twice, unknown])
    assert len(done.settled) == 1
    assert {record.linkedid for record in done.left} == {
        again.linkedid,
        twice.linkedid,
        unknown.linkedid,
    } or {record.linkedid for record in done.left} == {first.linkedid, twice.linkedid, unknown.linkedid}
    assert others


@pytest.mark.parametrize("terms", ["tiers", "first_time"])
async def test_terms_that_count_are_left(engine: AsyncEngine, terms: str) -> None:
    market = await make_market(engine)
    record = a_call(market)
    await prepared(engine, [record], market)
    rule: dict[str, Any] = {"name": "base", "minimum_connected_seconds": 90, "price": "45.00"}
    if terms == "first_time":
        rule["when"] = {"fact": "first_time", "=": True}
    else:
        rule["price"] = {
            "tiers": [{"from_call": 1, "price": "45.00"}, {"from_call": 3, "price": "40.00"}],
            "period": "month",
        }
    document = contract(rules=[rule])
    async with engine.begin() as connection:
        await connection.execute(
            update(buyer_terms).where(buyer_terms.c.buyer_id == market.buyers[0]).values(document=document)
        )
    done = await together(engine, [record])
    assert done.left == (record,) and done.settled == ()


async def test_settling_on_a_ledger_that_was_empty_reads_no_table_whole(
    engine: AsyncEngine, database_url: str
) -> None:
    """Look-ups planned while the ledger had no rows: each posting would read the whole of it, for months."""
    market = await make_market(engine)
    records = some_calls(market)
    await prepared(engine, records, market)
    worker = open_engine(database_url, application_name="worker", pool_size=1, by_key=True)
    try:
        async with worker.begin() as connection:
            assert len((await settle_batch(connection, records)).settled) > 1
            # What the commit would do, so that it is counted in this transaction.
            await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            read_whole = await connection.scalars(
                text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0")
            )
            assert read_whole.all() == []
    finally:
        await worker.dispose()
