"""Calls settled in one transaction: each exactly as if it had been settled by itself, in the order of their start."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.call_facts import instant
from billing.call_record import CallRecord
from billing.check_terms import checked_terms
from billing.settle_call import NotSettled, Settlement, settle_calls
from billing.terms import Verdict
from billing.terms_document import Party
from store.call_id import call_id_of
from store.session import open_engine
from store.tables import (
    answers,
    buyer_terms,
    calls,
    cap_counters,
    decisions,
    leases,
    publisher_terms,
    tracking_numbers,
)
from tests.billing.contracts import contract, payout
from tests.billing.test_settle_call import START_MS, a_call, arrived, settle
from tests.market import LONG_AGO, NUMBER, Market, make_market
from tests.postgres import cloned_database

COMPARED = """
    SELECT c.linkedid, c.state, c.outcome, c.buyer_id, c.target_id, c.connected_ms, c.converted, c.conversion,
        c.evidence, c.caller_index, c.started_at, c.ended_at, t.kind, t.detail,
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
    connection: AsyncConnection,
    call_id: UUID,
    target_id: int,
    counter_key: str,
    bid_micros: int | None,
    *,
    billed: bool = True,
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
    chosen = {"target_id": target_id, "bid_micros": bid_micros, "billed": billed}
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
        return await rows_on(connection)


async def rows_on(connection: AsyncConnection) -> list[dict[str, Any]]:
    settled = [dict(row._mapping) for row in await connection.execute(text(COMPARED))]
    for query in ("cap_counters", "target_history", "wallets", "tier_counts WHERE used > 0"):
        settled += [
            dict(one._mapping)
            for one in await connection.execute(text(f"SELECT * FROM {query} ORDER BY 1, 2"))
        ]
    return settled


async def together(engine: AsyncEngine, records: Sequence[CallRecord]) -> tuple[Settlement | NotSettled, ...]:
    async with engine.begin() as connection:
        return await settle_calls(connection, records)


async def test_calls_together_come_to_what_each_comes_to_alone(
    engine: AsyncEngine, postgres_url: str
) -> None:
    market = await make_market(engine)
    records = some_calls(market)
    await prepared(engine, records, market)
    done = await together(engine, records)
    assert len(done) == len(records) and all(isinstance(one, Settlement) for one in done)
    with cloned_database(postgres_url) as url:
        alone = open_engine(url, application_name="test")
        try:
            await prepared(alone, records, await make_market(alone))
            for record in records:
                await settle(alone, record)
            assert await rows(engine) == await rows(alone)
        finally:
            await alone.dispose()


async def test_of_two_calls_of_one_caller_in_a_batch_the_earlier_converts(engine: AsyncEngine) -> None:
    market = await make_market(engine)
    later = await arrived(engine, a_call(market, serial=2, start_ms=START_MS + 1))
    earlier = await arrived(engine, a_call(market, serial=1))
    first, second = await together(engine, [later, earlier])
    assert isinstance(first, Settlement) and isinstance(second, Settlement)
    assert (first.call_id, first.conversion.verdict) == (call_id_of(earlier.linkedid), Verdict.CONVERTED)
    assert (second.conversion.verdict, second.conversion.duplicate_of) == (Verdict.DUPLICATE, first.call_id)
    async with engine.connect() as connection:
        history = text("SELECT target_id, connected, converted FROM target_history")
        assert (await connection.execute(history)).all() == [(market.targets[0], 2, 1)]


async def test_batches_that_share_calls_settle_each_once(engine: AsyncEngine) -> None:
    market = await make_market(engine)
    records = some_calls(market)
    await prepared(engine, records, market)
    done = await asyncio.gather(*(together(engine, records[place:] + records[:place]) for place in range(4)))
    settled = [one.call_id for batch in done for one in batch if isinstance(one, Settlement)]
    assert sorted(settled) == sorted(call_id_of(record.linkedid) for record in records)


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
            assert len(await settle_calls(connection, records)) == len(records)
            # What the commit would do, so that it is counted in this transaction.
            await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            read_whole = await connection.scalars(
                text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0")
            )
            assert read_whole.all() == []
    finally:
        await worker.dispose()


# --- a batch is one by one -----------------------------------------------------------------------------------

FIRST, AGAIN = "+16145550301", "+16145550302"
HOUR_MS = 3_600_000
TIERS = {"period": "month", "tiers": [{"from_call": 1, "price": "45.00"}, {"from_call": 3, "price": "40.00"}]}
BUYERS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "tiers": contract(rules=[{"name": "base", "minimum_connected_seconds": 60, "price": TIERS}]),
    "first": contract(
        rules=[
            {"name": "new", "price": "80.00", "when": {"fact": "first_time", "=": True}},
            {"name": "base", "minimum_connected_seconds": 60, "price": TIERS},
        ]
    ),
    "again": contract(
        rules=[
            {"name": "again", "price": "10.00", "when": {"fact": "duplicate", "=": True}},
            {"name": "base", "price": "bid"},
        ]
    ),
}
PUBLISHERS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "tiers": payout(TIERS),
    "connected": payout("1.00", pays_for="connected"),
    "share": payout({"percent_of_revenue": "70"}),
}


Terms = tuple[str, str, str]
"""Of both buyers and the publisher."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call of a drawn batch; `legs` are (target, connected ms or None, dropped)."""

    start_ms: int
    caller: str | None
    dialled: str
    matched: bool
    legs: tuple[tuple[int, int | None, bool], ...]
    bid_micros: int | None
    billed: bool


CASES = st.builds(
    Case,
    start_ms=st.sampled_from([0, 1, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 40 * 24 * HOUR_MS]),
    caller=st.sampled_from([FIRST, FIRST, AGAIN, None]),
    dialled=st.sampled_from([NUMBER, NUMBER, NUMBER, "+18005559999"]),
    matched=st.sampled_from([True, True, False]),
    legs=st.lists(
        st.tuples(
            st.integers(0, 1), st.sampled_from([None, 0, 59_999, 60_000, 90_000, 100_000]), st.booleans()
        ),
        max_size=3,
    ).map(tuple),
    bid_micros=st.sampled_from([None, None, 50_000_000]),
    billed=st.sampled_from([True, True, True, False]),
)


def record_of(market: Market, place: int, case: Case) -> CallRecord:
    start = START_MS + case.start_ms
    legs = tuple(
        replace(
            a_call(market, start_ms=start, connected_ms=connected).legs[0],
            attempt=attempt,
            target_id=market.targets[target],
            dropped=dropped and connected is not None,
        )
        for attempt, (target, connected, dropped) in enumerate(case.legs, 1)
    )
    record = a_call(market, start_ms=start)
    return replace(record, linkedid=f"p-{place}", caller=case.caller, dialled=case.dialled, legs=legs)


async def waiting(
    connection: AsyncConnection, market: Market, records: Sequence[CallRecord], cases: Sequence[Case]
) -> None:
    """The calls as the readers leave them, and the decisions they were routed by."""
    for record, case in zip(records, cases, strict=True):
        call_id = call_id_of(record.linkedid)
        matched = case.matched and case.dialled == NUMBER
        row = {"id": call_id, "linkedid": record.linkedid, "node": "a", "state": "ended"}
        row |= {"dialled": record.dialled, "caller_sealed": record.caller}
        row |= {"started_at": instant(record.started_ms), "campaign_id": market.campaign if matched else None}
        row |= {
            "tracking_number_id": market.number if matched else None,
            "publisher_id": market.publisher if matched else None,
        }
        await connection.execute(insert(calls).values(**row))
        target_id = record.legs[0].target_id if record.legs else None
        if target_id is not None:
            await decided(connection, call_id, target_id, "k", case.bid_micros, billed=case.billed)


async def written(
    engine: AsyncEngine, market: Market, terms: Terms, cases: Sequence[Case], sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Settle the calls in batches of these sizes; return what was written. Nothing of it stays."""
    drawn = [record_of(market, place, case) for place, case in enumerate(cases)]
    records = sorted(drawn, key=lambda record: (record.started_ms, record.linkedid))
    async with engine.connect() as connection:
        await agreed(connection, market, terms)
        await waiting(connection, market, drawn, cases)
        for size in sizes:
            batch, records = records[:size], records[size:]
            if batch:
                # The order in which they are given does not matter.
                assert len(await settle_calls(connection, batch[::-1])) == len(batch)
        assert not records
        await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        found = await rows_on(connection)
        await connection.rollback()
    return found


async def the_market(engine: AsyncEngine) -> Market:
    """The market of the database, made once for all examples."""
    async with engine.connect() as connection:
        number = (await connection.execute(select(tracking_numbers))).one_or_none()
        if number is None:
            return await make_market(engine)
        found = (await connection.execute(text("SELECT id, buyer_id FROM targets ORDER BY id"))).all()
    return Market(
        publisher=number.publisher_id,
        campaign=number.campaign_id,
        number=number.id,
        buyers=(found[0].buyer_id, found[1].buyer_id),
        targets=(found[0].id, found[1].id),
    )


async def agreed(connection: AsyncConnection, market: Market, terms: Terms) -> None:
    """Write the contracts, newer than the market's plain prices, and under the same ids each time."""
    later = {"campaign_id": market.campaign, "goes_live_at": LONG_AGO + dt.timedelta(days=1)}
    for buyer, name in zip(market.buyers, terms[:2], strict=True):
        if document := BUYERS[name]:
            said = {"price_micros": 0, "minimum_connected_ms": 0, "document": document}
            values = {"id": 1_000 + buyer, "buyer_id": buyer, **said, **later}
            await connection.execute(insert(buyer_terms).values(**values))
    if document := PUBLISHERS[terms[2]]:
        said = {"id": 1_000, "publisher_id": market.publisher, "payout_micros": 0, "document": document}
        await connection.execute(insert(publisher_terms).values(**said, **later))


@given(
    cases=st.lists(CASES, min_size=1, max_size=7),
    terms=st.tuples(*(st.sampled_from(sorted(one)) for one in (BUYERS, BUYERS, PUBLISHERS))),
    cut=st.integers(0, 7),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_batch_settles_to_exactly_what_one_by_one_settling_gives(
    database_url: str, cases: list[Case], terms: Terms, cut: int
) -> None:
    async def compare() -> None:
        engine = open_engine(database_url, application_name="test")
        try:
            market = await the_market(engine)
            one_by_one = await written(engine, market, terms, cases, [1] * len(cases))
            together = await written(engine, market, terms, cases, [min(cut, len(cases)), len(cases)])
            assert together == one_by_one
        finally:
            await engine.dispose()

    asyncio.run(compare())
