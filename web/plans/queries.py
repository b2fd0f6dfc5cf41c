"""Plans in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import (
    audit_log,
    buyers,
    campaigns,
    ping_endpoints,
    plan_entries,
    plan_stages,
    targets,
)
from web.plans.document import Plan, PlanEntry, PlanStage

FOUND_MAXIMUM = 12
_OF_STAGE = (
    "method",
    "ring_timeout_seconds",
    "attempts",
    "simultaneous",
    "deadline_ms",
    "floor_micros",
    "margin_micros",
    "highest_bid_micros",
    "longest_minimum_seconds",
)


@dataclass(frozen=True, kw_only=True)
class CampaignRow:
    """The campaign whose plan it is."""

    id: int
    name: str
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class TargetRow:
    """A target as a plan names it. `enabled` is false as well when its buyer is off or has paused it."""

    id: int
    name: str
    buyer: str
    enabled: bool
    bids: bool


async def campaign_of(
    connection: AsyncConnection, campaign_id: int, *, lock: bool = False
) -> CampaignRow | None:
    """Return a campaign; with `lock`, nobody else saves its plan until the transaction ends."""
    statement = select(campaigns.c.id, campaigns.c.name, campaigns.c.time_zone).where(
        campaigns.c.id == campaign_id
    )
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else CampaignRow(**row._mapping)


async def plan_of(connection: AsyncConnection, campaign_id: int) -> Plan:
    """Return the plan of a campaign, entries by priority and id."""
    stages = (
        await connection.execute(
            select(plan_stages.c.id, *(plan_stages.c[name] for name in _OF_STAGE))
            .where(plan_stages.c.campaign_id == campaign_id)
            .order_by(plan_stages.c.position)
        )
    ).mappings()
    entries: dict[int, list[PlanEntry]] = {}
    found = await connection.execute(
        select(plan_entries)
        .join(plan_stages, plan_stages.c.id == plan_entries.c.stage_id)
        .where(plan_stages.c.campaign_id == campaign_id)
        .order_by(plan_entries.c.priority, plan_entries.c.target_id)
    )
    for row in found:
        entries.setdefault(row.stage_id, []).append(
            PlanEntry(target_id=row.target_id, priority=row.priority, weight=row.weight)
        )
    return Plan(stages=[PlanStage(**row, entries=entries.get(row["id"], [])) for row in stages])


async def write_plan(connection: AsyncConnection, campaign_id: int, before: Plan, after: Plan) -> None:
    """Make the stored plan `before` into `after`. The campaign must be locked."""
    kept = {stage.id for stage in after.stages if stage.id is not None}
    gone = [stage.id for stage in before.stages if stage.id not in kept]
    await connection.execute(delete(plan_entries).where(plan_entries.c.stage_id.in_(gone)))
    await connection.execute(delete(plan_stages).where(plan_stages.c.id.in_(gone)))
    # Positions are unique at every moment: they move out of the way first.
    await connection.execute(
        update(plan_stages)
        .where(plan_stages.c.campaign_id == campaign_id)
        .values(position=-1 - plan_stages.c.position)
    )
    was = {stage.id: stage for stage in before.stages}
    for position, stage in enumerate(after.stages, 1):
        values = {**stage.model_dump(include=set(_OF_STAGE)), "position": position}
        stage_id = stage.id
        if stage_id is None:
            statement = insert(plan_stages).values(campaign_id=campaign_id, **values)
            stage_id = int((await connection.execute(statement.returning(plan_stages.c.id))).scalar_one())
        else:
            await connection.execute(update(plan_stages).where(plan_stages.c.id == stage_id).values(**values))
        await _write_entries(connection, stage_id, was.get(stage.id) if stage.id else None, stage)


async def _write_entries(
    connection: AsyncConnection, stage_id: int, before: PlanStage | None, after: PlanStage
) -> None:
    if before is not None and before.entries == after.entries:
        return
    await connection.execute(delete(plan_entries).where(plan_entries.c.stage_id == stage_id))
    if after.entries:
        rows = [{"stage_id": stage_id, **entry.model_dump()} for entry in after.entries]
        await connection.execute(insert(plan_entries), rows)


async def known_targets(connection: AsyncConnection, ids: Iterable[int]) -> set[int]:
    """Return those of the ids that are targets."""
    statement = select(targets.c.id).where(targets.c.id.in_(sorted(set(ids))))
    return set((await connection.execute(statement)).scalars())


def _targets() -> Select[Any]:
    return (
        select(
            targets.c.id,
            targets.c.name,
            buyers.c.name.label("buyer"),
            and_(targets.c.enabled, targets.c.paused_at.is_(None), buyers.c.enabled).label("enabled"),
            case((ping_endpoints.c.enabled, True), else_=False).label("bids"),
        )
        .join(buyers, buyers.c.id == targets.c.buyer_id)
        .outerjoin(ping_endpoints, ping_endpoints.c.target_id == targets.c.id)
    )


async def targets_of(connection: AsyncConnection, ids: Collection[int]) -> Mapping[int, TargetRow]:
    """Return targets by id."""
    rows = (await connection.execute(_targets().where(targets.c.id.in_(sorted(set(ids)))))).mappings()
    return {row["id"]: TargetRow(**row) for row in rows}


async def find_targets(
    connection: AsyncConnection, text: str, *, without: Collection[int] = (), limit: int = FOUND_MAXIMUM
) -> Sequence[TargetRow]:
    """Return targets whose name or buyer holds `text`, or whose id it is, by buyer and name."""
    pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    named = or_(
        (buyers.c.name + ": " + targets.c.name).ilike(f"%{pattern}%"),
        targets.c.name.ilike(f"%{pattern}%"),
    )
    bare = text.removeprefix("#")
    if bare.isascii() and bare.isdigit() and len(bare) <= 18:
        named = or_(named, targets.c.id == int(bare))
    statement = _targets().where(named, targets.c.id.not_in(sorted(set(without))))
    statement = statement.order_by(func.lower(buyers.c.name), func.lower(targets.c.name), targets.c.id)
    return [TargetRow(**row) for row in (await connection.execute(statement.limit(limit))).mappings()]


async def audit_of(
    connection: AsyncConnection, audit_id: int, kind: str, ref: int | str
) -> Mapping[str, Any] | None:
    """Return a note of the audit log about this very thing."""
    statement = select(audit_log.c.before, audit_log.c.after).where(
        audit_log.c.id == audit_id, audit_log.c.kind == kind, audit_log.c.ref == str(ref)
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else dict(row)


async def history_of(
    connection: AsyncConnection, kind: str, ref: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return who changed it when, newest first."""
    statement = (
        select(audit_log.c.id, audit_log.c.at, audit_log.c.actor, audit_log.c.action)
        .where(audit_log.c.kind == kind, audit_log.c.ref == str(ref))
        .order_by(audit_log.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
