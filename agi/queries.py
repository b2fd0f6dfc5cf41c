"""What the readers of CEL and journal write to PostgreSQL, and what settlement needs back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from agi.cel import LeftBehind
from agi.tail import Line
from store.call_id import call_id_of
from store.hourly_counters import HOUR_MARK, HOURS_KEPT, name_of_hour
from store.tables import (
    asterisk_boots,
    calls,
    cel_rows,
    counters,
    file_positions,
    no_buyer_requests,
    refused_lines,
)

_REFUSED_LINES_KEPT = 10_000
_REFUSED_LINE_BYTES = 2048

# --- positions -----------------------------------------------------------------------------------------------


async def lock_position(connection: AsyncConnection, node: str, kind: str, file: str) -> int:
    """Return how far the file has been read; no other process reads it until this transaction ends."""
    key = {"node": node, "kind": kind, "file": file}
    await connection.execute(insert(file_positions).values(**key, position=0).on_conflict_do_nothing())
    query = select(file_positions.c.position).filter_by(**key).with_for_update()
    return int((await connection.execute(query)).scalar_one())


async def move_position(connection: AsyncConnection, node: str, kind: str, file: str, position: int) -> None:
    key = {"node": node, "kind": kind, "file": file}
    await connection.execute(update(file_positions).filter_by(**key).values(position=position))


async def drop_position(connection: AsyncConnection, node: str, kind: str, file: str) -> None:
    await connection.execute(delete(file_positions).filter_by(node=node, kind=kind, file=file))


async def refuse_lines(
    connection: AsyncConnection, node: str, kind: str, file: str, refused: Sequence[tuple[Line, str]]
) -> None:
    """Count lines that could not be understood, and keep the first ten thousand of a node to be looked at."""
    total = await count(connection, node, f"{kind}_lines_refused", len(refused))
    rows = [
        {
            "node": node,
            "kind": kind,
            "file": file,
            "position": line.position,
            "problem": problem,
            "line": line.data[:_REFUSED_LINE_BYTES],
        }
        for line, problem in refused
    ]
    if total <= _REFUSED_LINES_KEPT:
        await connection.execute(insert(refused_lines).on_conflict_do_nothing(), rows)


async def count(connection: AsyncConnection, node: str, name: str, by: int = 1) -> int:
    """Raise a counter of the node; return its value."""
    query = insert(counters).values(node=node, name=name, value=by)
    query = query.on_conflict_do_update(
        index_elements=["node", "name"], set_={"value": counters.c.value + by, "last_at": func.now()}
    )
    return int((await connection.execute(query.returning(counters.c.value))).scalar_one())


async def count_of_hour(connection: AsyncConnection, node: str, name: str, by: int, at_ms: int) -> None:
    """Raise what the node counted in the hour (UTC) of `at_ms`, and forget hours that nobody asks for any more."""
    now = dt.datetime.now(dt.UTC)
    if instant(at_ms) > now - HOURS_KEPT:
        await count(connection, node, name_of_hour(name, instant(at_ms)), by)
    of_hours = counters.c.name.startswith(name + HOUR_MARK, autoescape=True)
    old = counters.c.name < name_of_hour(name, now - HOURS_KEPT)
    await connection.execute(delete(counters).where(counters.c.node == node, of_hours, old))


# --- CEL -----------------------------------------------------------------------------------------------------


async def insert_request(
    connection: AsyncConnection, call_id: UUID, node: str, at_ms: int, left: LeftBehind
) -> None:
    """Write a voice message or a wish to be called back. The journal's lines may bring the campaign later."""
    own = (calls.c.campaign_id, calls.c.caller_sealed, calls.c.caller_index)
    call = select(*own).where(calls.c.id == call_id).subquery()
    query = insert(no_buyer_requests).values(
        call_id=call_id,
        campaign_id=select(call.c.campaign_id).scalar_subquery(),
        caller_sealed=select(call.c.caller_sealed).scalar_subquery(),
        caller_index=select(call.c.caller_index).scalar_subquery(),
        kind=left.kind,
        recording=left.recording,
        node=node,
        detail=dict(left.detail),
        created_at=instant(at_ms),
    )
    await connection.execute(query.on_conflict_do_nothing())


async def end_calls(connection: AsyncConnection, node: str, linkedids: Sequence[str] | None = None) -> None:
    """Mark the node's calls ended whose LINKEDID_END is in: of these linkedids, or of all in progress."""
    query = (
        update(calls)
        .where(calls.c.node == node, calls.c.state == "in_progress")
        .where(cel_rows.c.linkedid == calls.c.linkedid, cel_rows.c.event == "LINKEDID_END")
        .values(state="ended", ended_at=func.to_timestamp(cel_rows.c.event_us / 1_000_000.0))
    )
    if linkedids is not None:
        query = query.where(calls.c.id.in_([call_id_of(linkedid) for linkedid in linkedids]))
    await connection.execute(query)


# --- Asterisks that died -------------------------------------------------------------------------------------


async def newest_boot_ms(connection: AsyncConnection, node: str) -> int | None:
    """Return when the newest known Asterisk of the node started, epoch milliseconds."""
    query = select(func.max(asterisk_boots.c.started_ms)).filter_by(node=node)
    value = (await connection.execute(query)).scalar_one()
    return None if value is None else int(value)


async def close_dead_calls(connection: AsyncConnection, node: str, boot_ms: int, stale_before_ms: int) -> int:
    """End the calls of Asterisks that are no more, each at its last witness; return how many.

    The witness is the later of the call's last CEL row and its Asterisk's last heartbeat. Calls older than
    `stale_before_ms` whose end was never told are closed by their last row alone.
    """
    found = await connection.execute(
        text(
            """
            WITH dead AS (
                SELECT c.id, c.linkedid, c.started_at,
                    CASE WHEN c.started_at < to_timestamp(:boot_ms / 1000.0) THEN (
                        SELECT b.last_alive_ms FROM asterisk_boots b
                        WHERE b.node = c.node AND b.started_ms < :boot_ms
                            AND to_timestamp(b.started_ms / 1000.0) <= c.started_at + interval '1 second'
                        ORDER BY b.started_ms DESC LIMIT 1
                    ) END AS alive_ms
                FROM calls c
                WHERE c.node = :node AND c.state = 'in_progress'
                    AND (c.started_at < to_timestamp(:boot_ms / 1000.0)
                        OR c.started_at < to_timestamp(:stale_ms / 1000.0))
            )
            UPDATE calls SET state = 'ended', ended_at = greatest(
                dead.started_at,
                to_timestamp(dead.alive_ms / 1000.0),
                (SELECT to_timestamp(max(r.event_us) / 1000000.0) FROM cel_rows r WHERE r.linkedid = dead.linkedid)
            )
            FROM dead WHERE calls.id = dead.id AND calls.state = 'in_progress'
            RETURNING calls.id
            """
        ),
        {"node": node, "boot_ms": boot_ms, "stale_ms": stale_before_ms},
    )
    return len(found.all())


async def boot_seen(connection: AsyncConnection, node: str, started_ms: int, alive_ms: int) -> None:
    query = insert(asterisk_boots).values(node=node, started_ms=started_ms, last_alive_ms=alive_ms)
    latest = func.greatest(asterisk_boots.c.last_alive_ms, query.excluded.last_alive_ms)
    await connection.execute(
        query.on_conflict_do_update(index_elements=["node", "started_ms"], set_={"last_alive_ms": latest})
    )


def instant(epoch_ms: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=epoch_ms)
