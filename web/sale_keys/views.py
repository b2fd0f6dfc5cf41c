"""The page of keys by which sales are reported: made (shown once), listed, revoked, and how to report with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from web.api.operation import Problem
from web.api.shell import field_problems
from web.audit import Actor
from web.keys import EDITORS, ENGINE, HOUSE, USER
from web.middleware import only
from web.pages import render
from web.resources.fields import CHOOSE
from web.resources.references import offer_rows, understood_query
from web.sale_keys import postback, queries
from web.sale_keys.api import RATE, NewSaleKey, SaleKeyShown
from web.sale_keys.work import KeyMade, make_key, revoke_key
from web.visitors import origin_of

_FIELDS = ("buyer_id", "campaign_id", "rate_per_minute", "name")
_NAMED = {"buyer_id": "buyers", "campaign_id": "campaigns"}
_PAGE = "/money/sale-keys"


def routes() -> Sequence[web.RouteDef]:
    reads, edits = only(*HOUSE), only(*EDITORS)
    return [
        web.get(_PAGE, reads(show)),
        web.post(_PAGE, edits(make)),
        web.post(f"{_PAGE}/{{id:[0-9]{{1,18}}}}/revoke", edits(revoke)),
        # Machines of buyers: outside sign-in and the CSRF check, behind the keys made here.
        web.get(postback.ADDRESS, postback.take, allow_head=False),
        web.post(postback.ADDRESS, postback.take),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request)


async def make(request: web.Request) -> web.StreamResponse:
    """Make a key and show it on this very page: no address may lead to it again."""
    posted = await request.post()
    texts = {name: str(posted.get(name) or "").strip()[:200] for name in _FIELDS}
    async with request.app[ENGINE].connect() as connection:
        asked, unknown = await understood_query(connection, texts, _NAMED)
    if unknown:
        return await _page(request, texts=texts, problems=dict.fromkeys(unknown, CHOOSE))
    form = _read(asked)
    if not isinstance(form, NewSaleKey):
        return await _page(request, texts=texts, problems=form)
    done = await make_key(request.app[ENGINE], Actor(user=request[USER]), **form.model_dump())
    if isinstance(done, KeyMade):
        return await _page(request, made=done)
    return await _page(request, texts=texts, problems={one.field: one.problem for one in done.fields})


def _read(texts: Mapping[str, str]) -> NewSaleKey | dict[str, str]:
    values = {name: text for name, text in texts.items() if text}
    try:
        return NewSaleKey.model_validate(values, strict=False)
    except ValidationError as error:
        return {one.field: one.problem for one in field_problems(error)}


async def revoke(request: web.Request) -> web.StreamResponse:
    problem: Problem | None = await revoke_key(
        request.app[ENGINE], Actor(user=request[USER]), int(request.match_info["id"])
    )
    if problem is not None:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"{_PAGE}?revoked=1")


async def _page(
    request: web.Request,
    *,
    texts: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    made: KeyMade | None = None,
) -> web.Response:
    blank: dict[str, Any] = {**dict.fromkeys(_FIELDS, ""), "rate_per_minute": str(RATE)}
    texts = texts or blank
    async with request.app[ENGINE].connect() as connection:
        found = await queries.all_keys(connection)
        offers = {name: await offer_rows(connection, of, [texts[name]]) for name, of in _NAMED.items()}
    return render(
        request,
        "sale_keys/keys.html",
        status=422 if problems else 200,
        keys=[SaleKeyShown(**key) for key in found],
        offers=offers,
        texts=texts,
        problems=problems or {},
        made=made,
        address=f"{origin_of(request)}/postback/sale/{made.key if made else 'KEY'}",
        may_edit=request[USER].role in EDITORS,
        revoked=request.query.get("revoked", ""),
    )
