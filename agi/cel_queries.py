"""What the reader of Asterisk's CEL file writes to PostgreSQL, and reads back to settle by.

Whole batches of lines are a few statements with arrays, compiled once: line by line they cost the worker half its time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from agi.cel import CelRow
from agi.stored_cel import extra_as_told, extra_to_store
from billing.call_record import LegRecord
from store.call_id import call_id_of
from store.sealed_columns import CALLER, BlindIndex, SealedText, area_of

CHANNEL = "tollbridge_calls"
"""NOTIFY channel: the payload is the id of a call that appeared or changed."""


_TELL = text(
    f"SELECT pg_notify('{CHANNEL}', id::text) FROM unnest(:ids) AS s(id)"  # noqa: S608 (a constant)
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def tell(connection: AsyncConnection, ids: Collection[UUID]) -> None:
    """Tell who watches that these calls have moved; they hear of it when the transaction is committed."""
    if ids:
        await connection.execute(_TELL, {"ids": list(ids)})


# Arrays, so that five hundred lines are one statement that was compiled once.
_INSERT_CEL_ROWS = text(
    """
    INSERT INTO cel_rows (node, file, position, event, event_us, uniqueid, linkedid, channel, extra, clock)
    SELECT :node, :file, *
    FROM unnest(:positions, :events, :moments, :uniqueids, :linkedids, :channels, :extras, :clocks)
    ON CONFLICT DO NOTHING
    """
).bindparams(
    *(bindparam(name, type_=Text) for name in ("node", "file")),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("positions", "moments")),
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("events", "uniqueids", "linkedids", "channels", "extras", "clocks")
    ),
)


async def insert_cel_rows(
    connection: AsyncConnection, node: str, file: str, rows: Sequence[tuple[int, CelRow]]
) -> None:
    values = {
        "node": node,
        "file": file,
        "positions": [position for position, _ in rows],
        "events": [row.event for _, row in rows],
        "moments": [row.event_us for _, row in rows],
        "uniqueids": [row.uniqueid for _, row in rows],
        "linkedids": [row.linkedid for _, row in rows],
        "channels": [row.channel for _, row in rows],
        "extras": [extra_to_store(row) for _, row in rows],
        "clocks": [row.clock for _, row in rows],
    }
    await connection.execute(_INSERT_CEL_ROWS, values)


# The call is looked up for the one row that names its caller.
_ROWS_OF_ALL = text(
    """
    SELECT r.event, r.event_us, r.uniqueid, r.linkedid, r.channel, r.extra, r.clock,
        CASE WHEN r.event = 'CALL' THEN (SELECT c.caller_sealed FROM calls c WHERE c.linkedid = r.linkedid) END
    FROM cel_rows r WHERE r.linkedid = ANY (:linkedids) ORDER BY r.id
    """
).bindparams(bindparam("linkedids", type_=ARRAY(Text)))


async def rows_of_all(connection: AsyncConnection, linkedids: Sequence[str]) -> dict[str, list[CelRow]]:
    """Return the rows of several linkedids as Asterisk wrote them, each in their order."""
    found: dict[str, list[CelRow]] = {}
    rows = await connection.execute(_ROWS_OF_ALL, {"linkedids": list(linkedids)})
    for event, event_us, uniqueid, linkedid, channel, extra, clock, sealed in rows:
        row = CelRow(
            event=event,
            event_us=event_us,
            uniqueid=uniqueid,
            linkedid=linkedid,
            channel=channel,
            extra=extra_as_told(extra, sealed),
            clock=clock,
        )
        found.setdefault(linkedid, []).append(row)
    return found


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What a CALL event says of a call."""

    linkedid: str
    at_ms: int
    dialled: str
    caller: str | None
    trunk: str | None


_ARRIVED = text(
    f"""
    WITH said AS (
        SELECT * FROM unnest(:ids, :linkedids, :dialled, :callers, :indexes, :areas, :trunks, :moments)
            AS s(id, linkedid, dialled, caller_sealed, caller_index, caller_area, trunk_name, started_at)
    ), written AS (
        INSERT INTO calls
            (id, linkedid, node, dialled, caller_sealed, caller_index, caller_area, trunk_name, started_at)
        SELECT id, linkedid, :node, dialled, caller_sealed, caller_index, caller_area, trunk_name, started_at
        FROM said ORDER BY id
        ON CONFLICT (id) DO UPDATE SET dialled = excluded.dialled, caller_sealed = excluded.caller_sealed,
            caller_index = excluded.caller_index, caller_area = excluded.caller_area,
            trunk_name = excluded.trunk_name, started_at = excluded.started_at WHERE calls.state <> 'settled'
    )
    SELECT pg_notify('{CHANNEL}', id::text) FROM said
    """  # noqa: S608 (a constant)
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("node", type_=Text),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
    bindparam("callers", type_=ARRAY(SealedText(CALLER))),
    bindparam("indexes", type_=ARRAY(BlindIndex(CALLER))),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("linkedids", "dialled", "areas", "trunks")),
)


async def calls_arrived(connection: AsyncConnection, node: str, arrived: Sequence[Arrived]) -> None:
    """Write what CALL events say, one a call; a journal line may have made the call's row before."""
    values = {
        "ids": [call_id_of(one.linkedid) for one in arrived],
        "linkedids": [one.linkedid for one in arrived],
        "node": node,
        "dialled": [one.dialled for one in arrived],
        "callers": [one.caller for one in arrived],
        "indexes": [one.caller for one in arrived],
        "areas": [area_of(one.caller) for one in arrived],
        "trunks": [one.trunk for one in arrived],
        "moments": [_instant(one.at_ms) for one in arrived],
    }
    await connection.execute(_ARRIVED, values)


_ENSURE = text(
    f"""
    WITH made AS (
        INSERT INTO calls (id, linkedid, node, started_at)
        SELECT id, linkedid, :node, started_at
        FROM unnest(:ids, :linkedids, :moments) AS s(id, linkedid, started_at) ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT pg_notify('{CHANNEL}', id::text) FROM made
    """  # noqa: S608 (a constant)
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("node", type_=Text),
    bindparam("linkedids", type_=ARRAY(Text)),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
)


async def ensure_calls(
    connection: AsyncConnection, node: str, first_seen_ms: Mapping[str, int]
) -> dict[str, UUID]:
    """Make the rows of calls that are not there, by linkedid and the moment it was first seen; return their ids."""
    ids = {linkedid: call_id_of(linkedid) for linkedid in first_seen_ms}
    if ids:
        values = {
            "ids": list(ids.values()),
            "linkedids": list(ids),
            "node": node,
            "moments": [_instant(at_ms) for at_ms in first_seen_ms.values()],
        }
        await connection.execute(_ENSURE, values)
    return ids


async def ensure_call(connection: AsyncConnection, node: str, linkedid: str, at_ms: int) -> UUID:
    """Make the call's row when it is not there; return its id."""
    return (await ensure_calls(connection, node, {linkedid: at_ms}))[linkedid]


_INSERT_LEGS = text(
    """
    INSERT INTO legs (call_id, attempt, target_id, answered_ms, ended_ms, connected_ms, cause)
    SELECT s.call_id, s.attempt, t.id, s.answered_ms, s.ended_ms, s.connected_ms, s.cause
    FROM unnest(:ids, :attempts, :target_ids, :answered, :ended, :connected, :causes)
        AS s(call_id, attempt, target_id, answered_ms, ended_ms, connected_ms, cause)
    LEFT JOIN targets t ON t.id = s.target_id
    ON CONFLICT DO NOTHING
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    *(bindparam(name, type_=ARRAY(Integer)) for name in ("attempts", "causes")),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("target_ids", "answered", "ended", "connected")),
)


async def insert_legs(connection: AsyncConnection, told: Sequence[tuple[UUID, LegRecord]]) -> None:
    """Write legs of calls; the first that tells of an attempt stands, and a target that has gone is left out."""
    values = {
        "ids": [call_id for call_id, _ in told],
        "attempts": [leg.attempt for _, leg in told],
        "target_ids": [leg.target_id for _, leg in told],
        "answered": [leg.answered_ms for _, leg in told],
        "ended": [leg.ended_ms for _, leg in told],
        "connected": [leg.connected_ms for _, leg in told],
        "causes": [leg.cause for _, leg in told],
    }
    await connection.execute(_INSERT_LEGS, values)


def _instant(epoch_ms: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=epoch_ms)
