"""What the top floor itself asks the database: everything else is asked by the rooms."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.no_buyer import NoBuyerError, parse_no_buyer
from store.hourly_counters import HOUR_MARK
from store.tables import buyers, calls, campaigns, counters, flows, targets, tracking_numbers, trunks


async def published_flows(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Return the definition of the newest published version of every flow."""
    rows = await connection.execute(
        select(flows.c.definition)
        .where(flows.c.published_at.is_not(None))
        .ext(distinct_on(flows.c.name))
        .order_by(flows.c.name, flows.c.version.desc())
    )
    return [row.definition for row in rows]


async def spoken_texts(connection: AsyncConnection) -> list[str]:
    """Return every text the market itself has spoken: whispers to buyers, and what callers hear whom nobody takes."""
    whispers = await connection.execute(
        select(targets.c.whisper_text).where(targets.c.whisper_text.is_not(None)).distinct()
    )
    texts = [row.whisper_text for row in whispers]
    for row in await connection.execute(select(campaigns.c.no_buyer).where(campaigns.c.no_buyer != {})):
        with suppress(NoBuyerError):
            treatment = parse_no_buyer(row.no_buyer)
            texts += [] if treatment is None else treatment.texts()
    return texts


async def market_counts(connection: AsyncConnection) -> dict[str, int]:
    """Return how many enabled trunks, targets and tracking numbers there are."""
    found = {}
    for name, table in (("trunks", trunks), ("targets", targets), ("tracking numbers", tracking_numbers)):
        count = await connection.execute(select(func.count()).select_from(table).where(table.c.enabled))
        found[name] = int(count.scalar_one())
    return found


async def node_counters(connection: AsyncConnection, node: str) -> dict[str, int]:
    """Return the node's counters of things that left no call row."""
    of_ever = ~counters.c.name.contains(HOUR_MARK)
    rows = await connection.execute(
        select(counters.c.name, counters.c.value).where(counters.c.node == node, of_ever)
    )
    return {row.name: int(row.value) for row in rows}


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """What doctor wants to know of a database. `revision` is None before the first migration."""

    version: str
    revision: str | None
    now_ms: int


async def database_facts(connection: AsyncConnection) -> DatabaseFacts:
    """Look at the server and its schema."""
    version = (await connection.execute(text("show server_version"))).scalar_one()
    now_ms = (
        await connection.execute(text("select extract(epoch from clock_timestamp()) * 1000"))
    ).scalar_one()
    there = (await connection.execute(text("select to_regclass('alembic_version')"))).scalar()
    revision = (
        (await connection.execute(text("select version_num from alembic_version"))).scalar()
        if there
        else None
    )
    return DatabaseFacts(version=str(version), revision=revision, now_ms=int(now_ms))


@dataclass(frozen=True, kw_only=True)
class CallLine:
    """One call in a list. Times are UTC."""

    call_id: UUID
    started_at: datetime
    dialled: str
    caller: str | None
    state: str
    outcome: str | None
    buyer: str | None
    connected_ms: int | None
    converted: bool | None


async def may_rewrite_ledger(connection: AsyncConnection) -> bool:
    """Return whether this user could change what is posted: its tables are its own, or it may do everything."""
    found = await connection.execute(
        text(
            "SELECT has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')"
            " OR pg_has_role(relowner, 'MEMBER') AS may FROM pg_class WHERE oid = 'ledger_postings'::regclass"
        )
    )
    return bool(found.scalar_one())


async def latest_calls(connection: AsyncConnection, limit: int) -> list[CallLine]:
    """Return the newest calls first."""
    rows = await connection.execute(
        select(
            calls.c.id.label("call_id"),
            calls.c.started_at,
            calls.c.dialled,
            calls.c.caller_sealed.label("caller"),
            calls.c.state,
            calls.c.outcome,
            buyers.c.name.label("buyer"),
            calls.c.connected_ms,
            calls.c.converted,
        )
        .select_from(calls.outerjoin(buyers, calls.c.buyer_id == buyers.c.id))
        .order_by(calls.c.started_at.desc())
        .limit(limit)
    )
    return [CallLine(**row) for row in rows.mappings()]


async def find_call_ids(connection: AsyncConnection, beginning: str) -> list[UUID]:
    """Return up to two calls whose id begins so, or whose linkedid it is."""
    rows = await connection.execute(
        select(calls.c.id)
        .where(
            cast(calls.c.id, Text).startswith(beginning, autoescape=True) | (calls.c.linkedid == beginning)
        )
        .limit(2)
    )
    return list(rows.scalars())
