"""Puts a market document into the tables, with the ids it names."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.last_known import SUPPRESSED_RECORD, DigestTable, LastKnown
from router.last_known_file import write_callers
from store.key_ring import key_ring
from store.sealed_columns import CALLER
from store.tables import (
    buyer_terms,
    buyers,
    campaigns,
    caps,
    flows,
    licences,
    plan_entries,
    plan_stages,
    publishers,
    targets,
    tracking_numbers,
)
from tests.postgres import as_owner

Document = dict[str, Any]

ROWS_AT_ONCE = 2_000


async def store_market(engine: AsyncEngine, document: Document, *, quickly: bool = False) -> None:
    """Write the market; `quickly` without triggers, as if it had been there since the beginning."""
    async with as_owner(engine) if quickly else engine.begin() as connection:
        if quickly:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(insert(publishers), [{"id": 1, "name": "publisher"}])
        for table, rows in _rows_of(document):
            for start in range(0, len(rows), ROWS_AT_ONCE):
                await connection.execute(insert(table), rows[start : start + ROWS_AT_ONCE])


def _rows_of(document: Document) -> list[tuple[Any, list[Document]]]:
    stages = [
        {"campaign_id": campaign["id"], **stage}
        for campaign in document["campaigns"]
        for stage in campaign["stages"]
    ]
    for number, stage in enumerate(stages, 1):
        stage["id"] = number
    entries = [
        {"stage_id": stage["id"], "target_id": target_id, "priority": priority, "weight": (*rest, 1)[0]}
        for stage in stages
        for target_id, priority, *rest in stage["entries"]
    ]
    published = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        (buyers, document["buyers"]),
        (campaigns, [_without(row, "stages") for row in document["campaigns"]]),
        (tracking_numbers, document["numbers"]),
        (targets, document["targets"]),
        (licences, [_with_dates(row) for row in document["licences"]]),
        (plan_stages, [_without(stage, "entries") for stage in stages]),
        (plan_entries, entries),
        (caps, document.get("caps", [])),
        (buyer_terms, [_with_instant(row) for row in document.get("terms", [])]),
        (
            flows,
            [{"name": name, "published_at": published, **flow} for name, flow in document["flows"].items()],
        ),
    ]


def _without(row: Document, key: str) -> Document:
    return {name: value for name, value in row.items() if name != key}


def _with_instant(row: Document) -> Document:
    return {**row, "goes_live_at": datetime.fromisoformat(row["goes_live_at"])}


def _with_dates(row: Document) -> Document:
    valid_to = row["valid_to"]
    return {
        **row,
        "valid_from": date.fromisoformat(row["valid_from"]),
        "valid_to": None if valid_to is None else date.fromisoformat(valid_to),
    }


def nobody_is_suppressed(snapshot_file: Path) -> None:
    """Leave behind what a process that read empty lists a moment ago leaves behind."""
    nobody = DigestTable(b"", SUPPRESSED_RECORD)
    key, now_ms = key_ring().index_key(CALLER), time.time_ns() // 1_000_000
    write_callers(snapshot_file, LastKnown(caller_key=key, suppressed=nobody, suppressed_ms=now_ms))


async def scalar(engine: AsyncEngine, query: str, **values: Any) -> Any:
    async with engine.connect() as connection:
        return await connection.scalar(text(query), values)


async def execute(engine: AsyncEngine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)
