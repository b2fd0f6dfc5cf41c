"""The keys of a publisher: made (shown once), listed, revoked, and how to ping with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from router.domain.inbound_bid import RESERVATION_SECONDS
from router.domain.ping_limits import LIMIT_NAMES, USUAL_LIMITS
from web import formats
from web.api.operation import Problem
from web.api.shell import field_problems
from web.audit import Actor
from web.keys import EDITORS, ENGINE, HOUSE, USER
from web.middleware import only
from web.pages import render
from web.publisher_keys import queries
from web.publisher_keys.api import RATE, KeyLimits, NewKey, shown
from web.publisher_keys.work import change_limits, end_key, make_key
from web.rtb.dialects import DIALECTS
from web.rtb.publisher_keys import KeyMade
from web.visitors import origin_of

_FIELDS = (
    "campaign_id",
    "dialect",
    "rate_per_minute",
    "name",
    "share_percent",
    "reservation_seconds",
    *LIMIT_NAMES,
)


LIMITS_SHOWN = {
    "open_most": (
        "Open reservations at most",
        "Pings whose call has not come, with all keys of the publisher.",
    ),
    "room_share_percent": (
        "Share of room, per cent",
        "Of one target's concurrency and of one buyer's money; one ping always.",
    ),
    "pings_per_call": (
        "Pings for each call at most",
        "Over 7 days, of pings that held room. A warning comes a day before it binds.",
    ),
}


def routes() -> Sequence[web.RouteDef]:
    reads, edits = only(*HOUSE), only(*EDITORS)
    path = "/publishers/{id:[0-9]{1,18}}/keys"
    return [
        web.get(path, reads(show)),
        web.post(path, edits(make)),
        web.post(f"{path}/{{key_id:[0-9]{{1,18}}}}/limits", edits(limit)),
        web.post(f"{path}/{{key_id:[0-9]{{1,18}}}}/revoke", edits(revoke)),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request)


async def make(request: web.Request) -> web.StreamResponse:
    """Make a key and show it on this very page: no address may lead to it again."""
    posted = await request.post()
    texts = {name: str(posted.get(name) or "").strip() for name in _FIELDS}
    form = _read(texts)
    if not isinstance(form, NewKey):
        return await _page(request, texts=texts, problems=form)
    publisher_id = int(request.match_info["id"])
    done = await make_key(request.app[ENGINE], Actor(user=request[USER]), publisher_id, form.wanted)
    if not isinstance(done, Problem):
        return await _page(request, made=done, dialect=form.dialect)
    if done.status == 404:
        raise web.HTTPNotFound
    return await _page(request, texts=texts, problems={one.field: one.problem for one in done.fields})


def _read(texts: Mapping[str, str]) -> NewKey | dict[str, str]:
    values: dict[str, Any] = {name: text for name, text in texts.items() if text}
    values["share_percent"] = texts["share_percent"].removesuffix("%").strip() or None
    try:
        return NewKey.model_validate(values, strict=False)
    except ValidationError as error:
        return {one.field: one.problem for one in field_problems(error)}


async def limit(request: web.Request) -> web.StreamResponse:
    """Change what a key's pings may hold."""
    publisher_id, key_id = int(request.match_info["id"]), int(request.match_info["key_id"])
    posted = await request.post()
    texts = {name: str(posted.get(name) or "").strip() for name in LIMIT_NAMES}
    try:
        limits = KeyLimits.model_validate({name: text for name, text in texts.items() if text}, strict=False)
    except ValidationError as error:
        problems = "; ".join(f"{formats.words(one.field)}: {one.problem}" for one in field_problems(error))
        return await _page(request, limits_problem=f"Nothing was changed. {problems}")
    changes = limits.model_dump(exclude_none=True)
    done = await change_limits(request.app[ENGINE], Actor(user=request[USER]), publisher_id, key_id, changes)
    if isinstance(done, Problem):
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"/publishers/{publisher_id}/keys?limited=1")


async def revoke(request: web.Request) -> web.StreamResponse:
    publisher_id, key_id = int(request.match_info["id"]), int(request.match_info["key_id"])
    problem = await end_key(request.app[ENGINE], Actor(user=request[USER]), publisher_id, key_id)
    if problem is not None:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"/publishers/{publisher_id}/keys?revoked=1")


async def _page(
    request: web.Request,
    *,
    texts: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    made: KeyMade | None = None,
    dialect: str = "tollbridge",
    limits_problem: str = "",
) -> web.Response:
    publisher_id = int(request.match_info["id"])
    async with request.app[ENGINE].connect() as connection:
        name = await queries.publisher_name(connection, publisher_id)
        if name is None:
            raise web.HTTPNotFound
        found = await queries.keys_of(connection, publisher_id)
        campaigns = await queries.campaign_choices(connection)
    usual = {name: str(value) for name, value in asdict(USUAL_LIMITS).items()}
    blank = {**dict.fromkeys(_FIELDS, ""), "dialect": "tollbridge", "rate_per_minute": str(RATE), **usual}
    return render(
        request,
        "publisher_keys/keys.html",
        status=422 if problems or limits_problem else 200,
        publisher_id=publisher_id,
        name=name,
        keys=[shown(key) for key in found],
        campaigns=campaigns,
        dialects=list(DIALECTS),
        texts=texts or blank,
        problems=problems or {},
        made=made,
        dialect=dialect,
        address=f"{origin_of(request)}/rtb/{made.key if made else 'KEY'}",
        reservation_seconds=RESERVATION_SECONDS,
        may_edit=request[USER].role in EDITORS,
        revoked=request.query.get("revoked", ""),
        limited=request.query.get("limited", ""),
        limits_problem=limits_problem,
        limits_shown=LIMITS_SHOWN,
    )
