"""Reads one call with everything that hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router.explain import describe_not_known
from store import tables as t
from tollbridge.call_story.story import Answer, CallStory, Decided, Leg, Noted, Passed, Posting, Recorded


async def find_calls(engine: AsyncEngine, *, caller: str | None, since: datetime) -> tuple[UUID, ...]:
    """Return the calls of one caller number (None = withheld) that began at or after `since`, oldest first."""
    statement = (
        select(t.calls.c.id)
        .where(t.calls.c.caller_index.is_not_distinct_from(caller), t.calls.c.started_at >= since)
        .order_by(t.calls.c.started_at)
    )
    async with engine.connect() as connection:
        return tuple((await connection.execute(statement)).scalars())


async def read_call(engine: AsyncEngine, call_id: UUID) -> CallStory | None:
    """Return a call's whole story, or None when there is no such call."""
    statement = (
        select(t.calls, t.buyers.c.name.label("buyer"), t.targets.c.name.label("target"))
        .select_from(
            t.calls.outerjoin(t.buyers, t.calls.c.buyer_id == t.buyers.c.id).outerjoin(
                t.targets, t.calls.c.target_id == t.targets.c.id
            )
        )
        .where(t.calls.c.id == call_id)
    )
    async with engine.connect() as connection:
        call = (await connection.execute(statement)).first()
        if call is None:
            return None
        return CallStory(
            call_id=call.id,
            linkedid=call.linkedid,
            dialled=call.dialled,
            caller=call.caller_sealed,
            trunk=call.trunk_name,
            state=call.state,
            outcome=call.outcome,
            started_at=call.started_at,
            ended_at=call.ended_at,
            buyer=call.buyer,
            target=call.target,
            licence=await _licence(connection, call.buyer_id, call.tags, call.started_at.date()),
            connected_ms=call.connected_ms,
            converted=call.converted,
            conversion=call.conversion,
            evidence=call.evidence,
            tags=call.tags,
            answers=await _answers(connection, call_id),
            decisions=await _decisions(connection, call_id),
            legs=await _legs(connection, call_id),
            postings=await _postings(connection, call_id),
            noted=await _noted(connection, call_id),
            recordings=await _recordings(connection, call_id),
        )


async def _licence(
    connection: AsyncConnection, buyer_id: int | None, tags: Mapping[str, str], day: date
) -> str | None:
    if buyer_id is None:
        return None
    statement = (
        select(t.licences.c.state, t.licences.c.nmls_id)
        .where(
            t.licences.c.buyer_id == buyer_id,
            t.licences.c.state == tags.get("state"),
            t.licences.c.product == tags.get("loan_type"),
            t.licences.c.valid_from <= day,
        )
        .order_by(t.licences.c.valid_from.desc())
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else f"{row.state} {row.nmls_id}"


async def _answers(connection: AsyncConnection, call_id: UUID) -> tuple[Answer, ...]:
    columns = t.answers.c
    rows = await connection.execute(
        select(columns.tag, columns.value, columns.source, columns.heard, columns.confidence)
        .where(columns.call_id == call_id)
        .order_by(columns.sequence)
    )
    return tuple(Answer(**row) for row in rows.mappings())


async def _decisions(connection: AsyncConnection, call_id: UUID) -> tuple[Decided, ...]:
    columns = t.decisions.c
    rows = await connection.execute(
        select(
            columns.sequence,
            columns.decided_by,
            columns.duration_us,
            t.targets.c.name,
            columns.decision["inputs"]["counts"]["not_known"].label("not_known"),
        )
        .select_from(t.decisions.outerjoin(t.targets, columns.target_id == t.targets.c.id))
        .where(columns.call_id == call_id)
        .order_by(columns.sequence)
    )
    passed = await _passed(connection, call_id)
    return tuple(
        Decided(
            sequence=row.sequence,
            decided_by=row.decided_by,
            target=row.name,
            duration_us=row.duration_us,
            passed=tuple(each for sequence, each in passed if sequence == row.sequence),
            not_known=describe_not_known(row.not_known or ()),
        )
        for row in rows
    )


async def _passed(connection: AsyncConnection, call_id: UUID) -> list[tuple[int, Passed]]:
    columns = t.rejections.c
    rows = await connection.execute(
        select(
            columns.sequence,
            columns.code,
            columns.detail,
            t.targets.c.name.label("target"),
            t.buyers.c.name.label("buyer"),
        )
        .join(t.targets, columns.target_id == t.targets.c.id)
        .join(t.buyers, t.targets.c.buyer_id == t.buyers.c.id)
        .where(columns.call_id == call_id)
        .order_by(columns.sequence, columns.target_id)
    )
    return [
        (row.sequence, Passed(target=row.target, buyer=row.buyer, code=row.code, detail=row.detail))
        for row in rows
    ]


async def _legs(connection: AsyncConnection, call_id: UUID) -> tuple[Leg, ...]:
    columns = t.legs.c
    rows = await connection.execute(
        select(
            columns.attempt,
            columns.answered_ms,
            columns.ended_ms,
            columns.connected_ms,
            columns.cause,
            t.targets.c.name.label("target"),
            t.buyers.c.name.label("buyer"),
        )
        .select_from(
            t.legs.outerjoin(t.targets, columns.target_id == t.targets.c.id).outerjoin(
                t.buyers, t.targets.c.buyer_id == t.buyers.c.id
            )
        )
        .where(columns.call_id == call_id)
        .order_by(columns.attempt)
    )
    return tuple(Leg(**row) for row in rows.mappings())


async def _postings(connection: AsyncConnection, call_id: UUID) -> tuple[Posting, ...]:
    rows = await connection.execute(
        select(t.ledger_postings.c.account, t.ledger_postings.c.amount_micros)
        .join(t.ledger_transactions, t.ledger_postings.c.transaction_id == t.ledger_transactions.c.id)
        .where(t.ledger_transactions.c.call_id == call_id)
        .order_by(t.ledger_transactions.c.id, t.ledger_postings.c.amount_micros.desc())
    )
    return tuple(Posting(**row) for row in rows.mappings())


async def _noted(connection: AsyncConnection, call_id: UUID) -> tuple[Noted, ...]:
    """What happened, in order; which sounds were played is evidence, and where it waited is told by the answers."""
    columns = t.call_events.c
    rows = await connection.execute(
        select(columns.kind, columns.node, columns.detail)
        .where(columns.call_id == call_id, columns.kind.not_in(("prompts", "waiting")))
        .order_by(columns.id)
    )
    return tuple(Noted(**row) for row in rows.mappings())


async def _recordings(connection: AsyncConnection, call_id: UUID) -> tuple[Recorded, ...]:
    columns = t.recordings.c
    rows = await connection.execute(
        select(columns.file, columns.state, columns.start_offset_ms, columns.length_ms, columns.sha256)
        .where(columns.call_id == call_id)
        .order_by(columns.part)
    )
    return tuple(Recorded(**row) for row in rows.mappings())
