"""Reading, saving and putting back a plan: one document, one transaction, one note in the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web.api.operation import Problem, changed_meanwhile, conflict, not_found, refused
from web.audit import Actor, write_audit
from web.etags import Unchanged
from web.plans import queries
from web.plans.document import Plan, plan_problems
from web.plans.queries import CampaignRow

KIND = "plans"
"""What the audit log calls it; its ref is the campaign's id."""


@dataclass(frozen=True, kw_only=True)
class PlanRead:
    """A plan as it is stored."""

    campaign: CampaignRow
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class PlanSaved:
    """The plan as it is now. `audit_id` is None when nothing was to be changed."""

    plan: Plan
    audit_id: int | None


def state_of(plan: Plan) -> object:
    """Return what names a plan's state (web.etags)."""
    return plan.in_order().model_dump()


async def read_plan(engine: AsyncEngine, campaign_id: int) -> PlanRead | None:
    """Return a campaign's plan; None when there is no such campaign."""
    async with engine.connect() as connection:
        return await _read(connection, campaign_id)


async def _read(connection: AsyncConnection, campaign_id: int, *, lock: bool = False) -> PlanRead | None:
    campaign = await queries.campaign_of(connection, campaign_id, lock=lock)
    if campaign is None:
        return None
    plan = await queries.plan_of(connection, campaign_id)
    return PlanRead(campaign=campaign, plan=plan)


async def save_plan(
    engine: AsyncEngine, actor: Actor, campaign_id: int, plan: Plan, *, seen: Unchanged | None
) -> PlanSaved | Problem:
    """Save a plan over the one that was read; `seen` knows that one. It holds from the next call on."""
    try:
        async with engine.begin() as connection:
            return await _save(connection, actor, campaign_id, plan, seen=seen, action="change")
    except IntegrityError:
        return conflict("a target of the plan has just been deleted: read the plan again")


async def undo_plan(
    engine: AsyncEngine, actor: Actor, campaign_id: int, audit_id: int
) -> PlanSaved | Problem:
    """Put back the plan from before a change, when nobody has changed it since. Stages that went come back as new."""
    async with engine.begin() as connection:
        note = await queries.audit_of(connection, audit_id, KIND, campaign_id)
        read = await _read(connection, campaign_id, lock=True)
        if note is None or read is None or note["before"] is None:
            return not_found("change")
        try:
            after = Plan.model_validate(note["after"])
            before = Plan.model_validate(note["before"])
        except ValidationError:
            return conflict("what was there before would be refused today")
        if state_of(after) != state_of(read.plan):
            return changed_meanwhile("plan")
        there = {stage.id for stage in read.plan.stages}
        plan = Plan(
            stages=[
                stage if stage.id in there else stage.model_copy(update={"id": None})
                for stage in before.stages
            ]
        )
        return await _save(connection, actor, campaign_id, plan, seen=None, action="restore")


async def _save(
    connection: AsyncConnection,
    actor: Actor,
    campaign_id: int,
    plan: Plan,
    *,
    seen: Unchanged | None,
    action: str,
) -> PlanSaved | Problem:
    read = await _read(connection, campaign_id, lock=True)
    if read is None:
        return not_found("campaign")
    if seen is not None and not seen(state_of(read.plan)):
        return changed_meanwhile("plan")
    targets = {entry.target_id for stage in plan.stages for entry in stage.entries}
    problems = plan_problems(
        plan,
        campaign=read.campaign.name,
        targets=await queries.known_targets(connection, targets),
        stages={stage.id for stage in read.plan.stages if stage.id is not None},
    )
    if problems:
        return refused(*problems)
    wanted = plan.in_order()
    if wanted == read.plan:
        return PlanSaved(plan=read.plan, audit_id=None)
    await queries.write_plan(connection, campaign_id, read.plan, wanted)
    now = await queries.plan_of(connection, campaign_id)
    audit_id = await write_audit(
        connection,
        actor,
        action=action,
        kind=KIND,
        ref=campaign_id,
        before=read.plan.model_dump(),
        after=now.model_dump(),
    )
    return PlanSaved(plan=now, audit_id=audit_id)
