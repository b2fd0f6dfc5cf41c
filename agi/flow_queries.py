"""What the readers and the worker write of flows: events, requests, recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from agi.queries import instant
from store.tables import calls, no_buyer_requests, recordings, sound_keys

ENDED = ("ended", "settled")


@dataclass(frozen=True, kw_only=True)
class Happened:
    """Something a flow did in a call."""

    call_id: UUID
    at_ms: int
    kind: str
    node: str
    detail: Mapping[str, Any]


_INSERT_EVENTS = text(
    """
    INSERT INTO call_events (call_id, at, kind, node, detail)
    SELECT call_id, at, kind, node, detail
    FROM unnest(:ids, :moments, :kinds, :nodes, :details) WITH ORDINALITY
        AS s(call_id, at, kind, node, detail, place) ORDER BY place
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "nodes")),
    bindparam("details", type_=ARRAY(JSONB)),
)


async def insert_events(connection: AsyncConnection, happened: Sequence[Happened]) -> None:
    """Write what flows did, in this order, in one statement."""
    if happened:
        values = {
            "ids": [one.call_id for one in happened],
            "moments": [instant(one.at_ms) for one in happened],
            "kinds": [one.kind for one in happened],
            "nodes": [one.node for one in happened],
            "details": [dict(one.detail) for one in happened],
        }
        await connection.execute(_INSERT_EVENTS, values)


async def insert_event(
    connection: AsyncConnection, call_id: UUID, at_ms: int, kind: str, node: str, detail: Mapping[str, Any]
) -> None:
    one = Happened(call_id=call_id, at_ms=at_ms, kind=kind, node=node, detail=detail)
    await insert_events(connection, [one])


async def insert_request(
    connection: AsyncConnection,
    call_id: UUID,
    node: str,
    at_ms: int,
    kind: str,
    number: str | None,
    detail: Mapping[str, Any],
) -> None:
    """Write what a caller wants of us. The first of a kind counts: it is the evidence."""
    query = insert(no_buyer_requests).values(
        call_id=call_id,
        campaign_id=select(calls.c.campaign_id).where(calls.c.id == call_id).scalar_subquery(),
        caller_sealed=number,
        kind=kind,
        node=node,
        detail=dict(detail),
        created_at=instant(at_ms),
    )
    await connection.execute(query.on_conflict_do_nothing())


# --- recordings ----------------------------------------------------------------------------------------------


async def recording_began(
    connection: AsyncConnection, call_id: UUID, part: int, node: str, consent_node: str, at_ms: int
) -> None:
    query = insert(recordings).values(
        call_id=call_id,
        part=part,
        node=node,
        file=f"{call_id}-{part}.wav",
        consent_node=consent_node,
        started_at=instant(at_ms),
    )
    await connection.execute(query.on_conflict_do_nothing())


async def recording_refused(connection: AsyncConnection, call_id: UUID) -> None:
    """The caller does not want it: whatever there is of this call goes."""
    await connection.execute(
        update(recordings)
        .where(recordings.c.call_id == call_id)
        .values(state="refused", length_ms=None, file_bytes=None, sha256=None)
    )


@dataclass(frozen=True, kw_only=True)
class KnownRecording:
    """What the database says of a file. `state` is None when no recording was announced."""

    call_id: UUID
    ended: bool
    state: str | None
    sha256: str | None


async def known_recordings(
    connection: AsyncConnection, parts: Sequence[tuple[UUID, int]]
) -> dict[tuple[UUID, int], KnownRecording]:
    """Return what is known of these parts of calls; calls without a row are left out."""
    joined = calls.outerjoin(recordings, recordings.c.call_id == calls.c.id)
    query = (
        select(
            calls.c.id,
            calls.c.state.in_(ENDED).label("ended"),
            recordings.c.part,
            recordings.c.state,
            recordings.c.sha256,
        )
        .select_from(joined)
        .where(calls.c.id.in_({call_id for call_id, _ in parts}))
    )
    known: dict[tuple[UUID, int], KnownRecording] = {}
    for row in await connection.execute(query):
        for part in (part for call_id, part in parts if call_id == row.id):
            same = row.part == part
            said = KnownRecording(
                call_id=row.id,
                ended=row.ended,
                state=row.state if same else None,
                sha256=row.sha256 if same else None,
            )
            if row.part == part or (row.id, part) not in known:
                known[row.id, part] = said
    return known


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A recording that was sealed. Length, size and `sha256` are of the plain WAV file."""

    length_ms: int
    file_bytes: int
    sha256: str


async def recording_stored(connection: AsyncConnection, call_id: UUID, part: int, finished: Finished) -> bool:
    """Register a finished file; False when it was refused meanwhile, or registered before."""
    offset = func.greatest(0, func.extract("epoch", recordings.c.started_at - calls.c.started_at) * 1000)
    done = await connection.execute(
        update(recordings)
        .where(recordings.c.call_id == call_id, recordings.c.part == part)
        .where(recordings.c.state.in_(("recording", "missing")), calls.c.id == recordings.c.call_id)
        .values(
            state="stored",
            length_ms=finished.length_ms,
            file_bytes=finished.file_bytes,
            sha256=finished.sha256,
            stored_at=func.now(),
            start_offset_ms=offset,
        )
    )
    return done.rowcount > 0


async def open_recordings(connection: AsyncConnection, node: str) -> list[tuple[UUID, int]]:
    """Return the parts of ended calls of the node whose file is still looked for."""
    query = (
        select(recordings.c.call_id, recordings.c.part)
        .join(calls, calls.c.id == recordings.c.call_id)
        .where(recordings.c.node == node, recordings.c.state == "recording", calls.c.state.in_(ENDED))
        .limit(1_000)
    )
    return [(row.call_id, row.part) for row in await connection.execute(query)]


async def recording_missing(connection: AsyncConnection, call_id: UUID, part: int) -> None:
    await connection.execute(
        update(recordings)
        .where(recordings.c.call_id == call_id, recordings.c.part == part, recordings.c.state == "recording")
        .values(state="missing")
    )


# --- sounds on the disk ----------------------------------------------------------------------------------------


async def ended_calls_of_channels(
    connection: AsyncConnection, node: str, channels: Sequence[str]
) -> dict[str, UUID]:
    """Return the ended calls in which these channels left a message: by the call's channel, else by message."""
    ended = calls.c.state.in_(ENDED)
    by_call = select(calls.c.linkedid, calls.c.id).where(
        calls.c.node == node, calls.c.linkedid.in_(channels), ended
    )
    found = {row.linkedid: row.id for row in await connection.execute(by_call)}
    others = [f"{channel}.wav" for channel in channels if channel not in found]
    requests = no_buyer_requests.c
    by_message = (
        select(requests.recording, calls.c.id)
        .join(calls, calls.c.id == requests.call_id)
        .where(requests.node == node, requests.recording.in_(others), ended)
    )
    if others:
        rows = await connection.execute(by_message)
        found |= {row.recording.removesuffix(".wav"): row.id for row in rows}
    return found


async def erased_sounds(connection: AsyncConnection, node: str) -> dict[UUID, list[str]]:
    """Return up to 100 calls of the node whose sounds' key is gone, files perhaps not, with their messages' names."""
    keys, requests = sound_keys.c, no_buyer_requests.c
    query = (
        select(keys.call_id, requests.recording)
        .select_from(sound_keys)
        .join(calls, calls.c.id == keys.call_id)
        .outerjoin(no_buyer_requests, requests.call_id == keys.call_id)
        .where(keys.destroyed_at.is_not(None), keys.files_gone_at.is_(None), calls.c.node == node)
        .limit(100)
    )
    erased: dict[UUID, list[str]] = {}
    for row in await connection.execute(query):
        erased.setdefault(row.call_id, []).extend([row.recording] if row.recording else [])
    return erased


async def files_gone(connection: AsyncConnection, call_id: UUID) -> None:
    await connection.execute(
        update(sound_keys).where(sound_keys.c.call_id == call_id).values(files_gone_at=func.now())
    )
