"""Plans for machines."""

from __future__ import annotations

from web.api.operation import Answered, Asked, Operation, Problem, not_found
from web.keys import EDITORS, HOUSE, ROUTER
from web.plans.current_market import newest_market
from web.plans.document import Plan
from web.plans.dry_run import dry_run
from web.plans.save import KIND, PlanSaved, read_plan, save_plan, state_of, undo_plan
from web.plans.shapes import DryRunBody, DryRunShown, PlanShown, dry_run_shown

BODY_BYTES_MAXIMUM = 1024 * 1024
NO_MARKET = Problem(
    status=503,
    title="No market yet",
    detail="this process has not read the market yet: ask again in a second",
)


async def _get(asked: Asked) -> Answered | Problem:
    read = await read_plan(asked.engine, asked.path["id"])
    return not_found("campaign") if read is None else _shown(asked, read.plan)


async def _put(asked: Asked) -> Answered | Problem:
    campaign_id, seen = asked.path["id"], asked.unchanged(KIND, asked.path["id"])
    return _saved(asked, await save_plan(asked.engine, asked.actor, campaign_id, asked.body, seen=seen))


async def _undo(asked: Asked) -> Answered | Problem:
    campaign_id, change_id = asked.path["id"], asked.path["change_id"]
    return _saved(asked, await undo_plan(asked.engine, asked.actor, campaign_id, change_id))


def _saved(asked: Asked, saved: PlanSaved | Problem) -> Answered | Problem:
    return saved if isinstance(saved, Problem) else _shown(asked, saved.plan)


def _shown(asked: Asked, plan: Plan) -> Answered:
    return Answered(content=plan, etag=asked.etags.name(KIND, asked.path["id"], state_of(plan)))


async def _dry_run(asked: Asked) -> Answered | Problem:
    body: DryRunBody = asked.body
    snapshot = await newest_market(asked.request.app)
    if snapshot is None:
        return NO_MARKET
    if asked.path["id"] not in snapshot.campaigns:
        return not_found("campaign")
    found = await dry_run(asked.request.app[ROUTER], snapshot, body.facts(asked.now), asked.path["id"])
    return Answered(content=dry_run_shown(found))


OPERATIONS = (
    Operation(
        method="GET",
        path="/campaigns/{id}/plan",
        name="get_plan",
        summary="Read a campaign's plan; its ETag is for changes",
        tag="plans",
        handler=_get,
        roles=HOUSE,
        answer=PlanShown,
    ),
    Operation(
        method="PUT",
        path="/campaigns/{id}/plan",
        name="save_plan",
        summary="Save a campaign's plan as a whole: it holds from the next call on",
        tag="plans",
        handler=_put,
        roles=EDITORS,
        body=Plan,
        answer=PlanShown,
        takes_etag=True,
        problems=frozenset({409}),
        body_bytes_maximum=BODY_BYTES_MAXIMUM,
    ),
    Operation(
        method="POST",
        path="/campaigns/{id}/plan/undo/{change_id}",
        name="undo_plan",
        summary="Put back the plan from before a change, if nobody has changed it since",
        tag="plans",
        handler=_undo,
        roles=EDITORS,
        answer=PlanShown,
        problems=frozenset({409, 412, 422}),
    ),
    Operation(
        method="POST",
        path="/campaigns/{id}/dry-run",
        name="dry_run_plan",
        summary="Say who would get a call, and why everybody else would not",
        description="Decided by the router on the market and counters as they are; nothing is taken, nobody asked.",
        tag="plans",
        handler=_dry_run,
        roles=HOUSE,
        body=DryRunBody,
        answer=DryRunShown,
        problems=frozenset({503}),
    ),
)
