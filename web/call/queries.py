"""One call's whole way, read in one snapshot of the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router.stored_caller import with_caller
from store.tables import (
    answers,
    buyers,
    call_commands,
    call_events,
    calls,
    campaigns,
    decisions,
    ledger_postings,
    ledger_transactions,
    legs,
    pings,
    publishers,
    recordings,
    rejections,
    rtb_reservations,
    targets,
    trunks,
)
from web.call.facts import (
    Answer,
    Bid,
    Call,
    CallFacts,
    Command,
    Decision,
    Happened,
    Leg,
    Posting,
    RecordingPart,
    Rejection,
    Transaction,
)

# A call has a handful of each; a page stays a page whatever is in the tables.
ROWS_MAXIMUM = 500
REJECTIONS_MAXIMUM = 5000


async def read_call_facts(engine: AsyncEngine, call_id: UUID) -> CallFacts | None:
    """Return everything known of a call, or None when there is no such call."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ")
        call = await _read_call(connection, call_id)
        if call is None:
            return None
        return CallFacts(
            call=call,
            answers=await _read_answers(connection, call_id),
            decisions=await _read_decisions(connection, call),
            legs=await _read_legs(connection, call_id),
            transactions=await _read_transactions(connection, call_id),
            happened=await _read_happened(connection, call_id),
            bids=await _read_bids(connection, call_id),
            recordings=await read_recordings(connection, call_id),
            commands=await _read_commands(connection, call_id),
        )


async def _read_call(connection: AsyncConnection, call_id: UUID) -> Call | None:
    statement = (
        select(
            calls.c.id,
            calls.c.linkedid,
            calls.c.node,
            calls.c.trunk_name.label("trunk"),
            trunks.c.carrier_name.label("carrier"),
            calls.c.dialled,
            calls.c.caller_sealed.label("caller"),
            campaigns.c.name.label("campaign"),
            publishers.c.name.label("publisher"),
            calls.c.flow_name,
            calls.c.flow_version,
            calls.c.tags,
            calls.c.started_at,
            calls.c.ended_at,
            calls.c.state,
            calls.c.outcome,
            buyers.c.name.label("buyer"),
            targets.c.name.label("target"),
            calls.c.connected_ms,
            calls.c.converted,
            calls.c.conversion,
            calls.c.evidence,
            calls.c.settled_at,
        )
        .select_from(
            calls.outerjoin(campaigns, campaigns.c.id == calls.c.campaign_id)
            .outerjoin(publishers, publishers.c.id == calls.c.publisher_id)
            .outerjoin(buyers, buyers.c.id == calls.c.buyer_id)
            .outerjoin(targets, targets.c.id == calls.c.target_id)
            .outerjoin(trunks, trunks.c.name == calls.c.trunk_name)
        )
        .where(calls.c.id == call_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Call(**row._mapping)


async def _read_answers(connection: AsyncConnection, call_id: UUID) -> tuple[Answer, ...]:
    columns = [column for column in answers.c if column.name != "call_id"]
    statement = select(*columns).where(answers.c.call_id == call_id)
    rows = await connection.execute(statement.order_by(answers.c.sequence).limit(ROWS_MAXIMUM))
    return tuple(Answer(**row._mapping) for row in rows)


async def _read_decisions(connection: AsyncConnection, call: Call) -> tuple[Decision, ...]:
    refused = await _read_rejections(connection, call.id)
    statement = (
        select(
            decisions.c.sequence,
            decisions.c.decided_by,
            decisions.c.decided_at,
            targets.c.name.label("target"),
            buyers.c.name.label("buyer"),
            decisions.c.duration_us,
            decisions.c.decision,
        )
        .select_from(
            decisions.outerjoin(targets, targets.c.id == decisions.c.target_id).outerjoin(
                buyers, buyers.c.id == targets.c.buyer_id
            )
        )
        .where(decisions.c.call_id == call.id)
    )
    rows = await connection.execute(statement.order_by(decisions.c.sequence).limit(ROWS_MAXIMUM))
    return tuple(_decision(row, call, refused[row.sequence]) for row in rows)


def _decision(row: Any, call: Call, refused: Sequence[Rejection]) -> Decision:
    told = {**row._mapping, "decision": with_caller(row.decision, call.caller)}
    return Decision(**told, rejections=tuple(refused))


async def _read_rejections(connection: AsyncConnection, call_id: UUID) -> dict[int, list[Rejection]]:
    statement = (
        select(
            rejections.c.sequence,
            rejections.c.target_id,
            targets.c.name.label("target"),
            buyers.c.name.label("buyer"),
            rejections.c.code,
            rejections.c.detail,
        )
        .join(targets, targets.c.id == rejections.c.target_id)
        .join(buyers, buyers.c.id == targets.c.buyer_id)
        .where(rejections.c.call_id == call_id)
        .order_by(rejections.c.sequence, buyers.c.name, targets.c.name)
        .limit(REJECTIONS_MAXIMUM)
    )
    refused: dict[int, list[Rejection]] = defaultdict(list)
    for row in await connection.execute(statement):
        refused[row.sequence].append(Rejection(**row._mapping))
    return refused


async def _read_legs(connection: AsyncConnection, call_id: UUID) -> tuple[Leg, ...]:
    statement = (
        select(
            legs.c.attempt,
            targets.c.name.label("target"),
            buyers.c.name.label("buyer"),
            legs.c.answered_ms,
            legs.c.ended_ms,
            legs.c.connected_ms,
            legs.c.cause,
        )
        .select_from(
            legs.outerjoin(targets, targets.c.id == legs.c.target_id).outerjoin(
                buyers, buyers.c.id == targets.c.buyer_id
            )
        )
        .where(legs.c.call_id == call_id)
    )
    rows = await connection.execute(statement.order_by(legs.c.attempt).limit(ROWS_MAXIMUM))
    return tuple(Leg(**row._mapping) for row in rows)


async def _read_happened(connection: AsyncConnection, call_id: UUID) -> tuple[Happened, ...]:
    columns = (call_events.c[name] for name in ("at", "kind", "node", "detail"))
    statement = select(*columns).where(call_events.c.call_id == call_id)
    rows = await connection.execute(statement.order_by(call_events.c.id).limit(ROWS_MAXIMUM))
    return tuple(Happened(**row._mapping) for row in rows)


async def _read_bids(connection: AsyncConnection, call_id: UUID) -> tuple[Bid, ...]:
    """Return the questions asked for the call, and those that its publisher asked before it came."""
    asked = select(rtb_reservations.c.id).where(rtb_reservations.c.call_id == call_id)
    own = (
        "attempt",
        "kind",
        "target_id",
        "outcome",
        "bid_micros",
        "worth_micros",
        "sent_at",
        "arrived_us",
        "detail",
        "cost_micros",
    )
    statement = (
        select(
            *(pings.c[name] for name in own),
            targets.c.name.label("target"),
            buyers.c.name.label("buyer"),
        )
        .select_from(
            pings.outerjoin(targets, targets.c.id == pings.c.target_id).outerjoin(
                buyers, buyers.c.id == targets.c.buyer_id
            )
        )
        .where(pings.c.call_id.in_(asked.union_all(select(literal(call_id, Uuid)))))
    )
    rows = await connection.execute(statement.order_by(pings.c.sent_at, pings.c.id).limit(ROWS_MAXIMUM))
    return tuple(Bid(**row._mapping) for row in rows)


async def read_recordings(connection: AsyncConnection, call_id: UUID) -> tuple[RecordingPart, ...]:
    own = ("part", "node", "file", "state", "consent_node", "started_at", "length_ms")
    statement = select(*(recordings.c[name] for name in own)).where(recordings.c.call_id == call_id)
    rows = await connection.execute(statement.order_by(recordings.c.part).limit(ROWS_MAXIMUM))
    return tuple(RecordingPart(**row._mapping) for row in rows)


async def _read_commands(connection: AsyncConnection, call_id: UUID) -> tuple[Command, ...]:
    own = ("kind", "asked_by", "asked_at", "done_at", "problem")
    statement = select(*(call_commands.c[name] for name in own)).where(call_commands.c.call_id == call_id)
    rows = await connection.execute(statement.order_by(call_commands.c.id).limit(ROWS_MAXIMUM))
    return tuple(Command(**row._mapping) for row in rows)


async def _read_transactions(connection: AsyncConnection, call_id: UUID) -> tuple[Transaction, ...]:
    header = ledger_transactions
    statement = (
        select(
            header.c.id,
            header.c.kind,
            header.c.posted_at,
            header.c.corrects_id,
            ledger_postings.c.account,
            ledger_postings.c.amount_micros,
        )
        .join(ledger_postings, ledger_postings.c.transaction_id == header.c.id)
        .where(header.c.call_id == call_id)
        .order_by(header.c.id, ledger_postings.c.account)
        .limit(ROWS_MAXIMUM)
    )
    rows = (await connection.execute(statement)).all()
    postings: dict[int, list[Posting]] = defaultdict(list)
    for row in rows:
        postings[row.id].append(Posting(account=row.account, amount_micros=row.amount_micros))
    headers = {row.id: row for row in rows}
    return tuple(
        Transaction(
            id=row.id,
            kind=row.kind,
            posted_at=row.posted_at,
            corrects_id=row.corrects_id,
            postings=tuple(postings[row.id]),
        )
        for row in headers.values()
    )


async def read_target_names(connection: AsyncConnection, ids: Collection[int]) -> dict[int, str]:
    """Return targets as people call them, buyer first."""
    statement = (
        select(targets.c.id, buyers.c.name.label("buyer"), targets.c.name)
        .join(buyers, buyers.c.id == targets.c.buyer_id)
        .where(targets.c.id.in_(ids))
    )
    return {row.id: f"{row.buyer}, {row.name}" for row in await connection.execute(statement)}
