"""Calls for the list, newest first, by keyset: a page a million calls down costs what the first one costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.sealed_columns import is_caller
from store.tables import (
    buyers,
    calls,
    campaigns,
    ledger_postings,
    ledger_transactions,
    publishers,
    recordings,
    targets,
    tracking_numbers,
)
from web.calls.listing import IN_PROGRESS, WHOLE_NUMBER_DIGITS, Cursor, Filter, Span

INDEXED_CHARACTERS = 20
"""Of the number dialled, in ix_calls_dialled."""
CHUNK = 500
"""Calls of an export that are brought from the database at once."""


@dataclass(frozen=True, kw_only=True)
class CallLine:
    """One line of the list."""

    id: UUID
    started_at: datetime
    state: str
    outcome: str | None
    caller: str | None
    dialled: str
    campaign: str | None
    publisher: str | None
    buyer: str | None
    target: str | None
    connected_ms: int | None
    converted: bool | None
    tags: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Money:
    """What one call's postings say, in micros: what the buyer owes us and what we owe the publisher."""

    revenue_micros: int
    payout_micros: int


NO_MONEY = Money(revenue_micros=0, payout_micros=0)


async def read_calls(
    connection: AsyncConnection, wanted: Filter, span: Span, below: Cursor | None, *, maximum: int
) -> list[CallLine]:
    rows = await connection.execute(_statement(wanted, span, below, maximum))
    return [CallLine(**row._mapping) for row in rows]


async def searched_span(
    connection: AsyncConnection, wanted: Filter, span: Span, below: Cursor | None
) -> Span:
    """Return how far a page looks: no further than LOOKED_AT calls of the one condition that an index leads by."""
    if not wanted.is_search:
        return span
    conditions = [*_conditions(wanted.indexed), *_times(span), *_below(below)]
    last = select(calls.c.started_at).where(*conditions).order_by(calls.c.started_at.desc())
    found = (await connection.execute(last.offset(wanted.looked_at).limit(1))).scalar_one_or_none()
    return span if found is None else replace(span, start=found, is_ours=True)


async def stream_calls(
    connection: AsyncConnection, wanted: Filter, span: Span, *, maximum: int
) -> AsyncIterator[list[CallLine]]:
    """Yield the calls of a filter in chunks, newest first, never all of them in memory."""
    result = await connection.stream(
        _statement(wanted, span, None, maximum).execution_options(yield_per=CHUNK)
    )
    async for rows in result.partitions(CHUNK):
        yield [CallLine(**row._mapping) for row in rows]


def _statement(wanted: Filter, span: Span, below: Cursor | None, maximum: int) -> Select[Any]:
    """First the calls by what stands in them, then the names: what is joined before a limit is joined too often."""
    conditions = [*_conditions(wanted), *_times(span), *_below(below)]
    newest = (calls.c.started_at.desc(), calls.c.id.desc())
    page = select(calls).where(*conditions).order_by(*newest).limit(maximum).subquery("page")
    own = ("id", "started_at", "state", "outcome", "dialled", "connected_ms", "converted", "tags")
    return (
        select(
            *(page.c[name] for name in own),
            page.c.caller_sealed.label("caller"),
            campaigns.c.name.label("campaign"),
            publishers.c.name.label("publisher"),
            buyers.c.name.label("buyer"),
            targets.c.name.label("target"),
        )
        .select_from(
            page.outerjoin(campaigns, campaigns.c.id == page.c.campaign_id)
            .outerjoin(publishers, publishers.c.id == page.c.publisher_id)
            .outerjoin(buyers, buyers.c.id == page.c.buyer_id)
            .outerjoin(targets, targets.c.id == page.c.target_id)
        )
        .order_by(page.c.started_at.desc(), page.c.id.desc())
    )


def _below(below: Cursor | None) -> list[ColumnElement[bool]]:
    if below is None:
        return []
    # The moment alone leads by every index; the id tells apart what came at the same one.
    place = tuple_(calls.c.started_at, calls.c.id)
    return [calls.c.started_at <= below.started_at, place < (below.started_at, below.call_id)]


def _times(span: Span) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if span.start is not None:
        conditions.append(calls.c.started_at >= span.start)
    if span.end is not None:
        conditions.append(calls.c.started_at < span.end)
    return conditions


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.caller:
        conditions.append(is_caller(calls.c, wanted.caller))
    if wanted.dialled:
        # As the index has it: a whole number is shorter than that.
        whole = len(wanted.dialled) >= WHOLE_NUMBER_DIGITS
        column = func.left(calls.c.dialled, INDEXED_CHARACTERS) if whole else calls.c.dialled
        conditions.append(_is_number(column, wanted.dialled))
    for column, value in (
        (calls.c.campaign_id, wanted.campaign_id),
        (calls.c.publisher_id, wanted.publisher_id),
        (calls.c.buyer_id, wanted.buyer_id),
        (calls.c.target_id, wanted.target_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.outcome == IN_PROGRESS:
        conditions.append(calls.c.state != "settled")
    elif wanted.outcome:
        conditions.append(calls.c.outcome == wanted.outcome)
    return conditions + _rarer_conditions(wanted)


def _rarer_conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    pairs = [("state", wanted.state), ("loan_type", wanted.loan_type), wanted.tag_pair or ("", "")]
    conditions += [calls.c.tags[name].astext == value for name, value in pairs if value]
    if wanted.minimum_seconds:
        conditions.append(calls.c.connected_ms >= wanted.minimum_seconds * 1000)
    if wanted.converted:
        conditions.append(calls.c.converted.is_(wanted.converted == "yes"))
    if wanted.recorded:
        there = select(recordings.c.id).where(
            recordings.c.call_id == calls.c.id, recordings.c.state == "stored"
        )
        conditions.append(there.exists())
    return conditions


def _is_number(column: ColumnElement[Any], digits: str) -> ColumnElement[bool]:
    """A whole number by the index, with or without its country; a part of one wherever it stands."""
    if len(digits) < WHOLE_NUMBER_DIGITS:
        return column.contains(digits)
    return or_(column == f"+{digits}", column == f"+1{digits}", column == digits)


async def read_money(connection: AsyncConnection, call_ids: Sequence[UUID]) -> dict[UUID, Money]:
    """Return the money of those calls that have postings; corrections are summed in."""

    def total(account: str) -> ColumnElement[int]:
        amount = func.sum(ledger_postings.c.amount_micros).filter(ledger_postings.c.account == account)
        return func.coalesce(amount, 0)

    statement = (
        # Revenue is a credit, so it stands in the ledger below zero.
        select(ledger_transactions.c.call_id, -total("revenue"), total("payout"))
        .join(ledger_postings, ledger_postings.c.transaction_id == ledger_transactions.c.id)
        .where(ledger_transactions.c.call_id.in_(call_ids))
        .group_by(ledger_transactions.c.call_id)
    )
    return {
        call_id: Money(revenue_micros=int(revenue), payout_micros=int(payout))
        for call_id, revenue, payout in await connection.execute(statement)
    }


async def read_recorded(connection: AsyncConnection, call_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return those of the calls that have a recording to play."""
    statement = select(recordings.c.call_id).where(
        recordings.c.call_id.in_(call_ids), recordings.c.state == "stored"
    )
    return frozenset(await connection.scalars(statement))


async def read_numbers(connection: AsyncConnection, *, maximum: int) -> list[str]:
    """Return some of the tracking numbers one could call."""
    statement = select(tracking_numbers.c.e164).where(tracking_numbers.c.enabled)
    rows = await connection.execute(statement.order_by(tracking_numbers.c.id).limit(maximum))
    return list(rows.scalars())
