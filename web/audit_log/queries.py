"""The audit log in PostgreSQL, newest first, by the place where a page ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import audit_log
from web.audit_log.listing import Cursor, Filter
from web.sealed_notes import shown_note


@dataclass(frozen=True, kw_only=True)
class Note:
    """One change: who, by which door, what, and how it was before and is after."""

    note_id: int
    at: datetime
    actor: str
    via: str
    action: str
    kind: str
    ref: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


async def read_notes(
    connection: AsyncConnection, wanted: Filter, below: Cursor | None, *, maximum: int
) -> list[Note]:
    statement = select(audit_log).order_by(audit_log.c.at.desc(), audit_log.c.id.desc()).limit(maximum)
    if below is not None:
        statement = statement.where(tuple_(audit_log.c.at, audit_log.c.id) < (below.at, below.note_id))
    for column, value in (
        (audit_log.c.actor, wanted.actor),
        (audit_log.c.kind, wanted.kind),
        (audit_log.c.ref, wanted.ref),
        (audit_log.c.action, wanted.action),
    ):
        if value:
            statement = statement.where(column == value)
    if wanted.since is not None:
        statement = statement.where(audit_log.c.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(audit_log.c.at < wanted.until)
    return [_note(row) for row in await connection.execute(statement)]


async def history_of(connection: AsyncConnection, kind: str, ref: str, *, maximum: int) -> list[Note]:
    """Return what was done about one thing, newest first."""
    return await read_notes(connection, Filter(kind=kind, ref=ref), None, maximum=maximum)


def _note(row: Row[Any]) -> Note:
    return Note(
        note_id=row.id,
        at=row.at,
        actor=row.actor,
        via=row.via,
        action=row.action,
        kind=row.kind,
        ref=row.ref,
        before=shown_note(row.before),
        after=shown_note(row.after),
    )
