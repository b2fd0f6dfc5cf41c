"""What the reader of the journal writes of calls.

Whole batches of lines are a few statements with arrays: line by line a backlog took the worker longer to read than to
settle. Of what can be told again of a call, the last line stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Float, Integer, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from agi.queries import instant
from router.stored_caller import without_caller

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_MOMENTS = bindparam("moments", type_=ARRAY(DateTime(timezone=True)))


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one line says of a call."""

    call_id: UUID
    at_ms: int
    said: Mapping[str, Any]


# In the order of their ids, as everybody who locks several calls does.
_LOCK = text("SELECT id FROM calls WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE").bindparams(_IDS)


async def lock_calls(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Lock the rows that are about to be written, so that no two writers wait for each other."""
    if ids:
        await connection.execute(_LOCK, {"ids": list(ids)})


# A row that has gone from the market since is left out.
_MATCHED = text(
    """
    UPDATE calls c SET tracking_number_id = n.id, campaign_id = p.id, publisher_id = u.id,
        flow_name = s.flow_name, flow_version = s.flow_version
    FROM unnest(:ids, :numbers, :campaigns, :publishers, :flows, :versions)
        AS s(id, number_id, campaign_id, publisher_id, flow_name, flow_version)
    LEFT JOIN tracking_numbers n ON n.id = s.number_id
    LEFT JOIN campaigns p ON p.id = s.campaign_id
    LEFT JOIN publishers u ON u.id = s.publisher_id
    WHERE c.id = s.id AND c.state <> 'settled'
    """
).bindparams(
    _IDS,
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("numbers", "campaigns", "publishers")),
    bindparam("flows", type_=ARRAY(Text)),
    bindparam("versions", type_=ARRAY(Integer)),
)
_REQUESTS_MATCHED = text(
    """
    UPDATE no_buyer_requests r SET campaign_id = c.campaign_id FROM calls c
    WHERE r.call_id = ANY (:ids) AND r.campaign_id IS NULL AND c.id = r.call_id
    """
).bindparams(_IDS)


async def calls_matched(connection: AsyncConnection, told: Sequence[Told]) -> None:
    """Write which number was called, also to what the caller asked for before the line came."""
    last = list({one.call_id: one for one in told}.values())
    if not last:
        return
    values = {
        "ids": [one.call_id for one in last],
        "numbers": [one.said["tracking_number_id"] for one in last],
        "campaigns": [one.said["campaign_id"] for one in last],
        "publishers": [one.said["publisher_id"] for one in last],
        "flows": [one.said["flow_name"] for one in last],
        "versions": [one.said["flow_version"] for one in last],
    }
    await connection.execute(_MATCHED, values)
    await connection.execute(_REQUESTS_MATCHED, {"ids": values["ids"]})


# What a call was settled with stands, and may be sealed: a line that comes later adds tags and changes none.
_TAGS = text(
    "UPDATE calls c SET tags = CASE c.state WHEN 'settled' THEN s.tags || c.tags ELSE s.tags END"
    " FROM unnest(:ids, :tags) AS s(id, tags) WHERE c.id = s.id"
).bindparams(_IDS, bindparam("tags", type_=ARRAY(JSONB)))


async def set_tags(connection: AsyncConnection, told: Sequence[Told]) -> None:
    last = {one.call_id: one.said["tags"] for one in told}
    if last:
        await connection.execute(_TAGS, {"ids": list(last), "tags": list(last.values())})


_ANSWERS = text(
    """
    INSERT INTO answers (call_id, answered_at, sequence, node, tag, value, source, heard, confidence, engine)
    SELECT * FROM unnest(:ids, :moments, :sequences, :nodes, :tags, :values, :sources, :heard, :confidences, :engines)
    ON CONFLICT DO NOTHING
    """
).bindparams(
    _IDS,
    _MOMENTS,
    bindparam("sequences", type_=ARRAY(Integer)),
    bindparam("confidences", type_=ARRAY(Float)),
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("nodes", "tags", "values", "sources", "heard", "engines")
    ),
)


async def insert_answers(connection: AsyncConnection, told: Sequence[Told]) -> None:
    """Write answers; the first that is told under its number stands."""
    if told:
        values = {
            "ids": [one.call_id for one in told],
            "moments": [instant(one.at_ms) for one in told],
            "sequences": [one.said["sequence"] for one in told],
            "nodes": [one.said["node"] for one in told],
            "tags": [one.said["tag"] for one in told],
            "values": [one.said["value"] for one in told],
            "sources": [one.said["source"] for one in told],
            "heard": [one.said["heard"] for one in told],
            "confidences": [one.said["confidence"] for one in told],
            "engines": [one.said["engine"] for one in told],
        }
        await connection.execute(_ANSWERS, values)


_MADE_BEFORE = text(
    "SELECT call_id, sequence, decided_by, decided_at FROM decisions WHERE call_id = ANY (:ids)"
).bindparams(_IDS)
_DECISIONS = text(
    """
    INSERT INTO decisions (call_id, decided_at, sequence, decided_by, target_id, duration_us, decision)
    SELECT s.call_id, s.decided_at, s.sequence, s.decided_by, t.id, s.duration_us, s.decision
    FROM unnest(:ids, :moments, :sequences, :deciders, :target_ids, :durations, :decisions)
        AS s(call_id, decided_at, sequence, decided_by, target_id, duration_us, decision)
    LEFT JOIN targets t ON t.id = s.target_id
    """
).bindparams(
    _IDS,
    _MOMENTS,
    bindparam("sequences", type_=ARRAY(Integer)),
    bindparam("deciders", type_=ARRAY(Text)),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("target_ids", "durations")),
    bindparam("decisions", type_=ARRAY(JSONB)),
)
_REJECTIONS = text(
    """
    INSERT INTO rejections (call_id, sequence, target_id, code, detail)
    SELECT s.call_id, s.sequence, t.id, s.code, s.detail
    FROM unnest(:ids, :sequences, :target_ids, :codes, :details) AS s(call_id, sequence, target_id, code, detail)
    JOIN targets t ON t.id = s.target_id
    ON CONFLICT DO NOTHING
    """
).bindparams(
    _IDS,
    bindparam("sequences", type_=ARRAY(Integer)),
    bindparam("target_ids", type_=ARRAY(BigInteger)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("codes", "details")),
)


async def insert_decisions(connection: AsyncConnection, told: Sequence[Told]) -> None:
    """Write decisions and their rejections; targets that have gone since are left out."""
    if not told:
        return
    made = await connection.execute(_MADE_BEFORE, {"ids": list({one.call_id for one in told})})
    new = _numbered(told, [tuple(row) for row in made])
    if not new:
        return
    values = {
        "ids": [one.call_id for _, one in new],
        "moments": [instant(one.at_ms) for _, one in new],
        "sequences": [sequence for sequence, _ in new],
        "deciders": [one.said["decided_by"] for _, one in new],
        "target_ids": [one.said["target_id"] for _, one in new],
        "durations": [one.said["duration_us"] for _, one in new],
        "decisions": [without_caller(one.said["decision"]) for _, one in new],
    }
    await connection.execute(_DECISIONS, values)
    await _insert_rejections(connection, new)


async def _insert_rejections(connection: AsyncConnection, new: Sequence[tuple[int, Told]]) -> None:
    rejected = [(one.call_id, sequence, each) for sequence, one in new for each in one.said["rejections"]]
    if rejected:
        values = {
            "ids": [call_id for call_id, _, _ in rejected],
            "sequences": [sequence for _, sequence, _ in rejected],
            "target_ids": [each["target_id"] for _, _, each in rejected],
            "codes": [each["code"] for _, _, each in rejected],
            "details": [each["detail"] for _, _, each in rejected],
        }
        await connection.execute(_REJECTIONS, values)


def _numbered(told: Sequence[Told], made: Sequence[tuple[Any, ...]]) -> list[tuple[int, Told]]:
    """Return what is new, with its place among its call's decisions.

    Survival may decide again about an attempt the router had decided when it was killed: both are kept, in their
    order.
    """
    taken: dict[UUID, dict[int, tuple[str, Any]]] = {}
    for call_id, sequence, decided_by, decided_at in made:
        taken.setdefault(call_id, {})[sequence] = (decided_by, decided_at)
    new = []
    for one in told:
        of_call = taken.setdefault(one.call_id, {})
        decision = (one.said["decided_by"], instant(one.at_ms))
        if decision in of_call.values():
            continue
        sequence = one.said["sequence"] if one.said["sequence"] not in of_call else max(of_call) + 1
        of_call[sequence] = decision
        new.append((sequence, one))
    return new
