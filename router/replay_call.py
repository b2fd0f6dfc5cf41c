"""The decisions of one call, told and made again: `tollbridge explain CALL` and `tollbridge replay CALL`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from router.decision_queries import StoredDecision, decisions_of, target_names
from router.domain.what_if import Rule
from router.errors import DecisionUnreadable, SnapshotDiffers
from router.explain import explain
from router.market_archive import archived_snapshot
from router.replay import Supposed, replay, stored_bytes, suppose


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One decision made again."""

    sequence: int
    equal: bool
    detail: str
    """For people: what is different, or why it could not be made again; empty when it is equal."""


async def explain_call(engine: AsyncEngine, call_id: UUID) -> Sequence[str]:
    """Return the lines that tell every decision of a call; none when there is none. Raises what the driver raises."""
    lines: list[str] = []
    async with engine.connect() as connection:
        for stored in await decisions_of(connection, call_id):
            mentioned = [one["target_id"] for one in stored.decision.get("rejections", ())]
            chosen = stored.decision.get("chosen")
            names = await target_names(connection, mentioned + ([chosen["target_id"]] if chosen else []))
            lines.append(f"attempt {stored.sequence}, by {stored.decided_by}:")
            lines += [f"  {line}" for line in explain(stored.decision, names)]
    return lines


async def replay_call(engine: AsyncEngine, call_id: UUID) -> Sequence[Replayed]:
    """Make every decision of a call again, on the market it was made on. Raises what the driver raises."""
    async with engine.connect() as connection:
        stored = await decisions_of(connection, call_id)
    return [await _replay(engine, one) for one in stored]


async def _replay(engine: AsyncEngine, stored: StoredDecision) -> Replayed:
    digest = stored.decision.get("inputs", {}).get("snapshot_digest", "")
    snapshot = await archived_snapshot(engine, digest)
    if snapshot is None:
        return Replayed(
            sequence=stored.sequence, equal=False, detail=f"the market {digest[:12]} is not archived"
        )
    try:
        again = replay(stored.decision, snapshot)
    except DecisionUnreadable as error:
        return Replayed(sequence=stored.sequence, equal=False, detail=str(error))
    equal = again.to_bytes() == stored_bytes(stored.decision)
    return Replayed(sequence=stored.sequence, equal=equal, detail="" if equal else "decided otherwise")


@dataclass(frozen=True, kw_only=True)
class NotSupposed:
    """Why a decision cannot be made again, for people. `missing`: there is no such decision, or no such target."""

    problem: str
    missing: bool = False


async def suppose_for_call(
    engine: AsyncEngine, call_id: UUID, sequence: int, target_id: int, rules: Collection[Rule]
) -> Supposed | NotSupposed:
    """Make one decision of a call again as if `rules` had not held for a target. Raises what the driver raises."""
    async with engine.connect() as connection:
        stored = {one.sequence: one.decision for one in await decisions_of(connection, call_id)}
    if sequence not in stored:
        return NotSupposed(problem="there is no such decision", missing=True)
    digest = stored[sequence].get("inputs", {}).get("snapshot_digest", "")
    snapshot = await archived_snapshot(engine, digest)
    if snapshot is None:
        return NotSupposed(problem=f"the market {digest[:12]} is not archived")
    if target_id not in snapshot.targets:
        return NotSupposed(problem="the market had no such target then", missing=True)
    try:
        return suppose(stored[sequence], snapshot, target_id, rules)
    except (DecisionUnreadable, SnapshotDiffers) as error:
        return NotSupposed(problem=str(error))
