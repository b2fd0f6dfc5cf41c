"""A small market and some calls in it, as the worker would have stored them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store import tables
from store.call_id import call_id_of

STARTED_AT = datetime(2026, 11, 24, 14, 3, 27, 418000, tzinfo=UTC)
NUMBER = "+18005550100"
CALLER = "+16145550123"


@dataclass(frozen=True, kw_only=True)
class Market:
    """Ids of what the calls refer to."""

    campaign_id: int
    publisher_id: int
    number_id: int
    buyer_id: int
    chosen_id: int
    closed_id: int
    unlicensed_id: int


async def add(connection: AsyncConnection, table: Table, **values: Any) -> int:
    """Insert a row and return its id."""
    row = await connection.execute(insert(table).values(**values).returning(table.c.id))
    return int(row.scalar_one())


async def add_market(engine: AsyncEngine) -> Market:
    async with engine.begin() as connection:
        publisher = await add(connection, tables.publishers, name="Clickworks")
        buyer = await add(connection, tables.buyers, name="Buckeye Lending")
        other = await add(connection, tables.buyers, name="Lakeside Home Loans")
        campaign = await add(connection, tables.campaigns, name="Mortgage, national", flow_name="mortgage")
        number = await add(
            connection, tables.tracking_numbers, e164=NUMBER, campaign_id=campaign, publisher_id=publisher
        )
        await add(
            connection, tables.trunks, name="demo", carrier_name="Example Carrier", addresses=["127.0.0.1"]
        )
        chosen = await _add_target(connection, buyer, "Columbus desk")
        closed = await _add_target(connection, other, "Day desk")
        unlicensed = await _add_target(connection, other, "Night desk")
    return Market(
        campaign_id=campaign,
        publisher_id=publisher,
        number_id=number,
        buyer_id=buyer,
        chosen_id=chosen,
        closed_id=closed,
        unlicensed_id=unlicensed,
    )


async def _add_target(connection: AsyncConnection, buyer_id: int, name: str) -> int:
    return await add(
        connection,
        tables.targets,
        buyer_id=buyer_id,
        name=name,
        sip_uri="sip:buyer@127.0.0.1:5080",
        loan_types=["refinance"],
        schedule={"time_zone": "America/New_York", "ranges": []},
    )


async def add_call(engine: AsyncEngine, linkedid: str = "a-1.1", **values: Any) -> UUID:
    """Store a bare call; `values` are its columns, `caller` the number that is sealed."""
    call_id = call_id_of(linkedid)
    if "caller" in values:
        values["caller_sealed"] = values.pop("caller")
    row = {
        "started_at": STARTED_AT,
        "dialled": NUMBER,
        "caller_sealed": CALLER,
        "node": "a",
        "trunk_name": "demo",
    }
    async with engine.begin() as connection:
        await connection.execute(insert(tables.calls).values(id=call_id, linkedid=linkedid, **(row | values)))
    return call_id


async def add_sold_call(engine: AsyncEngine, market: Market, linkedid: str = "a-1764000207.4") -> UUID:
    """Store a call that was sold at the second attempt, settled and posted."""
    call_id = await add_call(
        engine,
        linkedid,
        tracking_number_id=market.number_id,
        campaign_id=market.campaign_id,
        publisher_id=market.publisher_id,
        flow_name="mortgage",
        flow_version=1,
        tags={"loan_type": "refinance", "state": "OH"},
        ended_at=STARTED_AT + timedelta(seconds=121, milliseconds=240),
        state="settled",
        outcome="sold",
        buyer_id=market.buyer_id,
        target_id=market.chosen_id,
        connected_ms=92_418,
        converted=True,
        conversion={
            "verdict": "converted",
            "detail": "connected 92.418 s of 90.000 s needed",
            "connected_ms": 92_418,
            "minimum_connected_ms": 90_000,
            "duplicate_check": "done",
            "duplicate_of": None,
            "price_micros": 45_000_000,
        },
        evidence={
            "complete": True,
            "witness": "leg",
            "alarm": False,
            "attempt": 2,
            "answered_ms": _ms(28.8),
            "channel_connected_ms": 92_417,
            "disagreement_ms": 1,
        },
        settled_at=STARTED_AT + timedelta(seconds=122),
    )
    async with engine.begin() as connection:
        await _add_answers(connection, call_id)
        await _add_decisions(connection, call_id, market)
        await _add_legs(connection, call_id, market)
        await _add_postings(connection, call_id, market)
    return call_id


async def _add_answers(connection: AsyncConnection, call_id: UUID) -> None:
    rows = [
        ("loan_type", "loan_type", "refinance", "speech", "i want to refinance", 0.93, "moonshine", 7.2),
        ("state", "state", "OH", "keys", "", None, None, 12.9),
        ("zip", "zip_code", None, "none", "", None, None, 20.1),
    ]
    for sequence, (node, tag, value, source, heard, confidence, engine, seconds) in enumerate(rows, 1):
        await connection.execute(
            insert(tables.answers).values(
                call_id=call_id,
                sequence=sequence,
                node=node,
                tag=tag,
                value=value,
                source=source,
                heard=heard,
                confidence=confidence,
                engine=engine,
                answered_at=STARTED_AT + timedelta(seconds=seconds),
            )
        )


async def _add_decisions(connection: AsyncConnection, call_id: UUID, market: Market) -> None:
    licence = {
        "nmls_id": "123456",
        "state": "OH",
        "product": "refinance",
        "valid_from": str(date(2026, 1, 1)),
    }
    chosen = {
        "target_id": market.chosen_id,
        "buyer_id": market.buyer_id,
        "ring_timeout_seconds": 20,
        "licences": [licence],
    }
    inputs = {"snapshot_version": 7, "snapshot_digest": "a1b2", "tags": {"state": "OH"}, "tried": []}
    refused = [
        (market.closed_id, "closed", "opens Wednesday 08:00 in America/New_York"),
        (market.unlicensed_id, "unlicensed", "no active licence for refinance in OH"),
    ]
    for sequence, seconds in ((1, 20.4), (2, 24.0)):
        await connection.execute(
            insert(tables.decisions).values(
                call_id=call_id,
                sequence=sequence,
                decided_by="router" if sequence == 1 else "survival",
                decided_at=STARTED_AT + timedelta(seconds=seconds),
                target_id=market.chosen_id,
                duration_us=1_284,
                decision={"format": 1, "chosen": chosen, "problem": "", "inputs": inputs},
            )
        )
        for target_id, code, detail in refused:
            await connection.execute(
                insert(tables.rejections).values(
                    call_id=call_id, sequence=sequence, target_id=target_id, code=code, detail=detail
                )
            )


async def _add_legs(connection: AsyncConnection, call_id: UUID, market: Market) -> None:
    for attempt, answered_ms, ended_ms, connected_ms, cause in (
        (1, None, _ms(23.9), 0, 17),
        (2, _ms(28.8), _ms(28.8) + 92_418, 92_418, 16),
    ):
        await connection.execute(
            insert(tables.legs).values(
                call_id=call_id,
                attempt=attempt,
                target_id=market.chosen_id,
                answered_ms=answered_ms,
                ended_ms=ended_ms,
                connected_ms=connected_ms,
                cause=cause,
            )
        )


async def _add_postings(connection: AsyncConnection, call_id: UUID, market: Market) -> None:
    transaction = await add(
        connection,
        tables.ledger_transactions,
        call_id=call_id,
        kind="settlement",
        posted_at=STARTED_AT + timedelta(seconds=122),
    )
    for account, amount_micros in (
        (f"buyer:{market.buyer_id}:receivable", 45_000_000),
        ("revenue", -45_000_000),
        ("payout", 30_000_000),
        (f"publisher:{market.publisher_id}:payable", -30_000_000),
        ("carrier_cost", 8_400),
        ("carrier:Example Carrier:payable", -8_400),
    ):
        await connection.execute(
            insert(tables.ledger_postings).values(
                transaction_id=transaction, account=account, amount_micros=amount_micros
            )
        )


def _ms(seconds: float) -> int:
    return int(STARTED_AT.timestamp() * 1000) + round(seconds * 1000)
