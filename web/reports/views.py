"""Profit and loss as pages: rows or a pivot, plots, a heat map, a funnel, files, and the calls behind a figure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.export_report import to_csv, to_xlsx
from billing.report_calls import CALLS_AT_ONCE, Place, calls_behind
from billing.report_query import MAXIMUM_ROWS, ReportError
from billing.rollup import Dimension
from web.audit import Actor
from web.keys import ENGINE, USER
from web.look_ups import note_export
from web.pages import render
from web.portal.invoices import download
from web.reports import queries
from web.reports.answer import answer, filter_names, pivot_answer
from web.reports.asked import DIMENSIONS, FIGURES, ReportAsked, read_asked, read_place
from web.reports.tables import HEADS, WEIGHED, funnel_of, name_of, pivot_table, rows_table
from web.resources.references import Offer, offer_rows, understood_query
from web.visibility import viewer_of
from web.zones import zone_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES = ("csv", "xlsx")
CHOSEN_BY_NAME = (Dimension.PUBLISHER, Dimension.CAMPAIGN, Dimension.BUYER)
NAMED = {f"only_{one.value}": f"{one.value}s" for one in CHOSEN_BY_NAME}


async def show(request: web.Request) -> web.Response:
    shown: dict[str, Any] = {"table": None, "funnel": [], "filters": []}
    async with request.app[ENGINE].connect() as connection:
        query, unknown = await understood_query(connection, request.query, NAMED)
        asked, problem = _asked(request, query)
        if not problem:
            try:
                shown |= await _table(connection, asked, zone_of(request))
            except ReportError as error:
                problem = _sentence(error)
        offers = {name: await _offer(connection, asked, name) for name in CHOSEN_BY_NAME}
        views = await queries.read_views(connection, request[USER])
    response = render(
        request,
        "reports/report.html",
        status=422 if problem else 200,
        asked=asked,
        problem=problem,
        dimensions=DIMENSIONS,
        figures={name: HEADS[name] for name in FIGURES},
        offers=offers,
        unknown=unknown,
        views=views,
        file_rows=MAXIMUM_ROWS,
        plotted=asked.by[:1] in ((Dimension.DAY,), (Dimension.HOUR,)) and len(asked.by) == 1,
        **shown,
    )
    # A pivot may have thousands of cells, all alike.
    response.enable_compression()
    return response


async def _table(connection: AsyncConnection, asked: ReportAsked, zone: ZoneInfo) -> dict[str, Any]:
    if asked.is_pivot:
        whole = await pivot_answer(connection, asked, zone)
        return {
            "table": pivot_table(whole.pivot, asked, whole.names),
            "filters": _filters(asked, whole.filters),
        }
    found = await answer(connection, asked, zone, weighed=WEIGHED)
    return {
        "table": rows_table(found.report, asked, found.names, found.before),
        "filters": _filters(asked, found.filters),
    }


async def funnel(request: web.Request) -> web.Response:
    """Gross, connected and converted calls by publisher."""
    asked, problem = _asked(request)
    asked = replace(asked, by=(Dimension.PUBLISHER,), compare=False, table="rows")
    steps: list[Any] = []
    async with request.app[ENGINE].connect() as connection:
        if not problem:
            try:
                found = await answer(connection, asked, zone_of(request), rows=200)
                steps = funnel_of(found.report, asked, found.names)
            except ReportError as error:
                problem = _sentence(error)
    return render(
        request,
        "reports/funnel.html",
        status=422 if problem else 200,
        asked=asked,
        steps=steps,
        problem=problem,
    )


async def file(request: web.Request) -> web.Response:
    """The report as a file for spreadsheets."""
    kind = request.match_info["format"]
    asked, problem = _asked(request)
    if kind not in FILES:
        raise web.HTTPNotFound
    try:
        if problem:
            raise web.HTTPSeeOther("/reports" + asked.query())
        async with request.app[ENGINE].connect() as connection:
            found = await answer(connection, asked, zone_of(request), rows=MAXIMUM_ROWS)
        async with request.app[ENGINE].begin() as connection:
            what = {"report": asked.query().removeprefix("?")}
            await note_export(connection, Actor(user=request[USER]), "reports", kind, what)
    except ReportError:
        # The page says what is wrong with it.
        raise web.HTTPSeeOther("/reports" + asked.query()) from None
    name = f"report-{asked.first}-{asked.last}.{kind}"
    if kind == "csv":
        return download(to_csv(found.report, found.names, found.before).encode(), "text/csv", name)
    body = await asyncio.to_thread(to_xlsx, found.report, found.names, found.before)
    return download(body, XLSX, name)


async def calls(request: web.Request) -> web.Response:
    """The calls behind a figure, newest first."""
    asked, problem = _asked(request)
    question = None
    found: tuple[Any, ...] = ()
    following: Place | None = None
    names: Any = {}
    async with request.app[ENGINE].connect() as connection:
        try:
            if not problem:
                question = asked.question(zone_of(request))
                found, following = await calls_behind(
                    connection,
                    start=question.start,
                    end=question.end,
                    where=asked.where,
                    after=read_place(request.query.get("after", "")),
                    limit=CALLS_AT_ONCE,
                )
                names = await filter_names(connection, asked)
        except ReportError as error:
            problem = _sentence(error)
    after = following and f"{following.at.isoformat()},{following.transaction_id}"
    return render(
        request,
        "reports/calls.html",
        status=422 if problem else 200,
        asked=asked,
        calls=found,
        viewer=viewer_of(request[USER]),
        filters=_filters(asked, names),
        older=after and asked.query(after=after),
        problem=problem,
    )


async def save_view(request: web.Request) -> web.Response:
    """Keep the report's address under a name of one's own."""
    form = await request.post()
    query, name = str(form.get("query", ""))[:2000], str(form.get("name", "")).strip()[:80]
    if not query.startswith("?") or not name or not name.isprintable():
        raise web.HTTPSeeOther("/reports")
    async with request.app[ENGINE].begin() as connection:
        await queries.write_view(connection, request[USER], name, query)
    raise web.HTTPSeeOther("/reports" + query)


async def delete_view(request: web.Request) -> web.Response:
    form = await request.post()
    number = str(form.get("id", ""))
    if number.isascii() and number.isdigit() and len(number) < 19:
        async with request.app[ENGINE].begin() as connection:
            await queries.delete_view(connection, request[USER], int(number))
    raise web.HTTPSeeOther("/reports")


async def _offer(connection: AsyncConnection, asked: ReportAsked, name: Dimension) -> Offer:
    return await offer_rows(connection, f"{name.value}s", [asked.where.get(name, "")])


def _asked(request: web.Request, query: Mapping[str, str] | None = None) -> tuple[ReportAsked, str]:
    today = datetime.now(UTC).astimezone(zone_of(request)).date()
    try:
        return read_asked(request.query if query is None else query, today), ""
    except ReportError as error:
        return read_asked({}, today), _sentence(error)


def _sentence(error: ReportError) -> str:
    return f"{str(error)[:1].upper()}{str(error)[1:]}."


def _filters(asked: ReportAsked, names: Any) -> list[tuple[str, str, str]]:
    """Return each filter as its dimension, its value, and the address of the report without it."""
    return [
        (DIMENSIONS[one], name_of(names, one, value) or "(none)", "/reports" + asked.without(one).query())
        for one, value in asked.where.items()
    ]
