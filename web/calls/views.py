"""The calls list. The same address answers with the page or, to htmx, with its rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.market import LOAN_TYPES
from rules.places import STATE_CODES
from web.audit import Actor
from web.calls import queries, view_queries
from web.calls.download import send_csv
from web.calls.listing import (
    OUTCOME_CHOICES,
    PAGE_LENGTH,
    YES_NO,
    Cursor,
    Filter,
    Span,
    read_cursor,
    read_filter,
    span_of,
)
from web.calls.queries import CallLine
from web.formats import words
from web.keys import ENGINE, USER, User
from web.look_ups import CALLS, note_search
from web.pages import render, wants_fragment
from web.resources.references import offer_rows, understood_query
from web.visibility import Field, viewer_of
from web.zones import zone_of

EXAMPLE_NUMBERS = 3
QUERY_MAXIMUM, FIELDS_MAXIMUM = 2_000, 40
NAMED = {"campaign": "campaigns", "publisher": "publishers", "buyer": "buyers", "target": "targets"}
"""What may be filtered by that has a name: the field, and the resource that its rows are of."""


async def show(request: web.Request) -> web.StreamResponse:
    async with request.app[ENGINE].connect() as connection:
        asked, unknown = await understood_query(connection, request.query, NAMED)
    if "before" not in request.query:
        typed = allowed_filter(asked, request[USER]).caller
        await note_search(request.app[ENGINE], Actor(user=request[USER]), CALLS, typed)
    return await _page(request, allowed_filter(asked, request[USER]), unknown=unknown)


async def export(request: web.Request) -> web.StreamResponse:
    """The calls of the filter as a file, sent as they are read."""
    wanted = allowed_filter(request.query, request[USER])
    return await send_csv(request, Actor(user=request[USER]), wanted, zone_of(request))


async def keep_view(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    wanted = allowed_filter(dict(_pairs(str(form.get("query", "")))), request[USER])
    name = str(form.get("name", ""))
    async with request.app[ENGINE].begin() as connection:
        kept = await view_queries.keep_view(connection, request[USER].user_id, name, wanted)
    if isinstance(kept, str):
        return await _page(request, wanted, view_problem=kept, view_name=name, status=422)
    raise web.HTTPSeeOther(f"/calls{wanted.query()}")


async def forget_view(request: web.Request) -> web.StreamResponse:
    text = request.match_info["view_id"]
    view_id = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    async with request.app[ENGINE].begin() as connection:
        if not await view_queries.forget_view(connection, request[USER].user_id, view_id):
            raise web.HTTPNotFound
    raise web.HTTPSeeOther("/calls")


def allowed_filter(query: Mapping[str, str], user: User) -> Filter:
    """Read a filter, without what would tell this user by its answers what they may not see."""
    wanted = read_filter(query)
    return wanted if viewer_of(user).sees(Field.WHOLE_CALLER) else replace(wanted, caller="")


async def _page(
    request: web.Request,
    wanted: Filter,
    *,
    unknown: Mapping[str, str] | None = None,
    view_problem: str = "",
    view_name: str = "",
    status: int = 200,
) -> web.Response:
    below, zone, user = read_cursor(request.query), zone_of(request), request[USER]
    fragment = wants_fragment(request)
    async with request.app[ENGINE].connect() as connection:
        span = await queries.searched_span(connection, wanted, span_of(wanted, zone), below)
        lines = await queries.read_calls(connection, wanted, span, below, maximum=PAGE_LENGTH + 1)
        page, more = lines[:PAGE_LENGTH], len(lines) > PAGE_LENGTH
        ids = [line.id for line in page]
        context = {
            "lines": page,
            "money": await queries.read_money(connection, ids),
            "recorded": await queries.read_recorded(connection, ids),
            "numbers": [] if page else await queries.read_numbers(connection, maximum=EXAMPLE_NUMBERS),
            **({} if fragment else await _for_whole_page(connection, wanted, user)),
        }
    rest = place_after(page, more=more, span=span)
    return render(
        request,
        "calls/rows.html" if fragment else "calls/calls.html",
        status=status,
        **context,
        wanted=wanted,
        unknown=unknown or {},
        viewer=viewer_of(user),
        span=span,
        stopped=span.is_ours and not more,
        looked_at=wanted.looked_at,
        at_top=below is None,
        older=rest and wanted.query(before=str(rest)),
        view_problem=view_problem,
        view_name=view_name,
    )


async def _for_whole_page(connection: AsyncConnection, wanted: Filter, user: User) -> dict[str, Any]:
    plain = replace(wanted, caller="", dialled="", outcome="", campaign_id=None, first=None, last=None)
    return {
        "offers": {
            name: await offer_rows(connection, resource, [wanted.fields().get(name, "")])
            for name, resource in NAMED.items()
        },
        "views": await view_queries.read_views(connection, user.user_id),
        "own_query": wanted.query().removeprefix("?"),
        "outcomes": OUTCOME_CHOICES,
        "states": [(code, code) for code in sorted(STATE_CODES)],
        "loan_types": [(code, words(code).capitalize()) for code in LOAN_TYPES],
        "yes_no": YES_NO,
        "more_is_set": plain.is_set,
        "may_search_callers": viewer_of(user).sees(Field.WHOLE_CALLER),
    }


def place_after(page: Sequence[CallLine], *, more: bool, span: Span) -> Cursor | None:
    """Return where the list goes on below a page; None at its end. A search that stopped goes on where it did."""
    if more and page:
        return Cursor(started_at=page[-1].started_at, call_id=page[-1].id)
    return span.rest


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query[:QUERY_MAXIMUM], max_num_fields=FIELDS_MAXIMUM)
    except ValueError:
        return []
