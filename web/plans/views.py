"""The plan of a campaign: its stages and targets as one form that works without a script, and who would get a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from router.domain.market import LOAN_TYPES
from rules.places import STATES
from web.api.operation import Problem
from web.api.shell import field_problems
from web.audit import Actor
from web.etags import ETAGS
from web.keys import EDITORS, ENGINE, HOUSE, ROUTER, USER
from web.middleware import only
from web.pages import render, wants_fragment
from web.plans import queries, trial_form, words
from web.plans.api import BODY_BYTES_MAXIMUM
from web.plans.current_market import newest_market
from web.plans.document import Plan
from web.plans.dry_run import DryRun, dry_run
from web.plans.form import Edited, TypedPlan, document_of, edit, small_number, typed_of, typed_of_posted
from web.plans.queries import CampaignRow, TargetRow
from web.plans.save import KIND, read_plan, save_plan, state_of, undo_plan
from web.plans.shapes import DryRunBody

HISTORY_LENGTH = 10
FIND_CHARACTERS_MAXIMUM = 100


def routes() -> Sequence[web.RouteDef]:
    reads, edits = only(*HOUSE), only(*EDITORS)
    path = "/campaigns/{id:[0-9]{1,18}}"
    return [
        web.get(f"{path}/plan", reads(show)),
        web.post(f"{path}/plan", edits(submit)),
        web.post(f"{path}/plan/undo/{{audit_id:[0-9]{{1,18}}}}", edits(put_back)),
        web.get(f"{path}/dry-run", reads(try_call)),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    read = await read_plan(request.app[ENGINE], int(request.match_info["id"]))
    if read is None:
        raise web.HTTPNotFound
    etag = request.app[ETAGS].name(KIND, read.campaign.id, state_of(read.plan))
    return await _page(request, read.campaign, Edited(plan=typed_of(read.plan)), etag=etag)


async def submit(request: web.Request) -> web.StreamResponse:
    """Save the plan, or do what another button of the form says and show it again, not saved yet."""
    campaign_id = int(request.match_info["id"])
    posted = await request.clone(client_max_size=BODY_BYTES_MAXIMUM).post()
    typed, etag = typed_of_posted(posted.items()), str(posted.get("etag") or "")
    action, _, rest = str(posted.get("do") or "").partition(":")
    if action == "save":
        return await _save(request, campaign_id, typed, etag)
    campaign = await _campaign(request, campaign_id)
    key, _, target = rest.partition(":")
    if action in ("find", "check"):
        found = await _find(request, typed, key if action == "find" else "")
        if isinstance(found, Edited):
            return await _page(request, campaign, found, etag=etag, unsaved=True)
        return await _page(request, campaign, Edited(plan=typed), etag=etag, unsaved=True, found=found)
    edited = edit(typed, action, key, small_number(target))
    return await _page(request, campaign, edited, etag=etag, unsaved=True)


async def _campaign(request: web.Request, campaign_id: int) -> CampaignRow:
    async with request.app[ENGINE].connect() as connection:
        campaign = await queries.campaign_of(connection, campaign_id)
    if campaign is None:
        raise web.HTTPNotFound
    return campaign


async def _find(
    request: web.Request, typed: TypedPlan, key: str
) -> Edited | Mapping[str, Sequence[TargetRow]]:
    """Add the target that a stage's text means; of several, return them to choose from."""
    stage = next((one for one in typed.stages if one.texts["find"] and key in ("", one.key)), None)
    if stage is None:
        return Edited(plan=typed, focus=key)
    text = stage.texts["find"].replace("\x00", "")[:FIND_CHARACTERS_MAXIMUM]
    there = TypedPlan(stages=(stage,)).target_ids
    async with request.app[ENGINE].connect() as connection:
        rows = await queries.find_targets(connection, text, without=there)
    if len(rows) == 1:
        return edit(typed, "add_target", stage.key, rows[0].id)
    return {stage.key: rows}


async def _save(request: web.Request, campaign_id: int, typed: TypedPlan, etag: str) -> web.StreamResponse:
    document, problems = document_of(typed)
    try:
        plan = None if problems else Plan.model_validate(document)
    except ValidationError as error:
        problems = {one.field: one.problem for one in field_problems(error)}
        plan = None
    campaign = await _campaign(request, campaign_id)
    if plan is None:
        return await _page(request, campaign, Edited(plan=typed), etag=etag, unsaved=True, problems=problems)
    actor = Actor(user=request[USER])
    seen = request.app[ETAGS].read(etag, KIND, campaign_id)
    done = await save_plan(request.app[ENGINE], actor, campaign_id, plan, seen=seen)
    if not isinstance(done, Problem):
        raise web.HTTPSeeOther(f"/campaigns/{campaign_id}/plan?saved={done.audit_id or 0}")
    return await _page(
        request,
        campaign,
        Edited(plan=typed),
        etag=etag,
        unsaved=True,
        problems={one.field: one.problem for one in done.fields},
        general=done.detail,
        status=done.status,
    )


async def put_back(request: web.Request) -> web.StreamResponse:
    campaign_id, audit_id = int(request.match_info["id"]), int(request.match_info["audit_id"])
    done = await undo_plan(request.app[ENGINE], Actor(user=request[USER]), campaign_id, audit_id)
    if isinstance(done, Problem):
        return render(
            request,
            "web/error.html",
            status=done.status,
            title="It cannot be put back",
            explanation=done.detail or "A target or a stage of it is gone since.",
        )
    raise web.HTTPSeeOther(f"/campaigns/{campaign_id}/plan?back=1")


async def _page(
    request: web.Request,
    campaign: CampaignRow,
    edited: Edited,
    *,
    etag: str,
    unsaved: bool = False,
    problems: Mapping[str, str] | None = None,
    general: str = "",
    found: Mapping[str, Sequence[TargetRow]] | None = None,
    status: int | None = None,
) -> web.Response:
    problems = problems or {}
    async with request.app[ENGINE].connect() as connection:
        targets = await queries.targets_of(connection, edited.plan.target_ids)
        history = await queries.history_of(connection, KIND, campaign.id, HISTORY_LENGTH)
    saved = request.query.get("saved", "")
    response = render(
        request,
        "plans/plan.html",
        status=status or (422 if problems else 200),
        campaign=campaign,
        plan=edited.plan,
        said=edited.said,
        focus=edited.focus,
        etag=etag,
        unsaved=unsaved,
        problems=problems,
        general=general,
        found=found or {},
        targets=targets,
        history=history,
        methods=words.METHODS,
        may_edit=request[USER].role in EDITORS,
        saved=saved if saved.isascii() and saved.isdigit() else "",
        back=request.query.get("back", ""),
        **_trial_context(trial_form.texts_of({}, campaign.time_zone)),
    )
    # A plan may hold hundreds of targets, each a line that looks much like the one before.
    response.enable_compression()
    return response


async def try_call(request: web.Request) -> web.StreamResponse:
    """Say who would get an imagined call: a page of its own, or to htmx the answer alone."""
    campaign = await _campaign(request, int(request.match_info["id"]))
    texts = trial_form.texts_of(request.query, campaign.time_zone)
    found, problems, general = None, {}, ""
    if request.query:
        body = trial_form.body_of({name: text.replace("\x00", "") for name, text in texts.items()})
        if isinstance(body, dict):
            problems = body
        else:
            found, general = await _try(request, campaign, body)
    return render(
        request,
        "plans/answer.html" if wants_fragment(request) else "plans/dry_run.html",
        campaign=campaign,
        found=found,
        general=general,
        **_trial_context(texts, problems),
    )


async def _try(request: web.Request, campaign: CampaignRow, body: DryRunBody) -> tuple[DryRun | None, str]:
    snapshot = await newest_market(request.app)
    if snapshot is None or campaign.id not in snapshot.campaigns:
        return None, "The market cannot be read at the moment. Try again in a second."
    found = await dry_run(request.app[ROUTER], snapshot, body.facts(datetime.now(UTC)), campaign.id)
    return found, ""


def _trial_context(texts: Mapping[str, str], problems: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "trial": texts,
        "trial_problems": problems or {},
        "loan_types": {name: name.replace("_", " ") for name in LOAN_TYPES},
        "states": STATES,
    }
