"""Reports kept under a name, for machines: each person their own, the same as the page keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Page,
    Problem,
    not_found,
    refused,
)
from web.keys import HOUSE
from web.reports import queries
from web.reports.api import TAG, ReportAskedQuery
from web.reports.asked import FIGURES

NAME_CHARACTERS_MAXIMUM = 80


class ReportViewShown(BaseModel):
    """A kept report. `query` is the address of its page below /reports."""

    id: int
    name: str
    query: str


class ReportViewWanted(Body):
    """A report to keep under a name, in place of the one that has it; `figure` and `table` are of the page."""

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAXIMUM)
    report: ReportAskedQuery
    figure: str | None = Field(None, max_length=40, description=f"one of {', '.join(FIGURES)}")
    table: Literal["rows", "pivot"] = "rows"


def _address_of(wanted: ReportViewWanted, asked: Asked) -> str | Problem:
    report = wanted.report
    said = {"by": report.by or "", "then": report.then or "", "compare": "yes" if report.compare else ""}
    more = {"figure": wanted.figure or "", "table": wanted.table}
    found = report.asked(asked.now, **{name: str(value) for name, value in (said | more).items()})
    return found if isinstance(found, Problem) else found.query()


async def _list(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await queries.read_views(connection, asked.user)
    items = [ReportViewShown(id=one.id, name=one.name, query=one.query) for one in found]
    return Answered(content=Page[ReportViewShown](items=items))


async def _keep(asked: Asked) -> Answered | Problem:
    wanted: ReportViewWanted = asked.body
    name = wanted.name.strip()
    if not name or not name.isprintable():
        return refused(FieldProblem(field="name", problem="write a name that can be read"))
    if wanted.figure is not None and wanted.figure not in FIGURES:
        return refused(FieldProblem(field="figure", problem=f"one of {', '.join(FIGURES)}"))
    query = _address_of(wanted, asked)
    if isinstance(query, Problem):
        return query
    async with asked.engine.begin() as connection:
        view_id = await queries.write_view(connection, asked.user, name, query)
    if view_id is None:
        problem = f"you keep {queries.VIEWS_MAXIMUM} reports already: forget one first"
        return refused(FieldProblem(field="name", problem=problem))
    return Answered(content=ReportViewShown(id=view_id, name=name, query=query))


async def _forget(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        gone = await queries.delete_view(connection, asked.user, asked.path["id"])
    return Answered() if gone else not_found("view")


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="GET",
        path="/reports/views",
        name="list_report_views",
        summary="Reports kept under a name",
        tag=TAG,
        handler=_list,
        roles=HOUSE,
        answer=Page[ReportViewShown],
    ),
    Operation(
        method="POST",
        path="/reports/views",
        name="keep_report_view",
        summary="Keep a report under a name",
        tag=TAG,
        handler=_keep,
        roles=HOUSE,
        body=ReportViewWanted,
        answer=ReportViewShown,
        status=201,
    ),
    Operation(
        method="DELETE",
        path="/reports/views/{id}",
        name="forget_report_view",
        summary="Forget a report that was kept",
        tag=TAG,
        handler=_forget,
        roles=HOUSE,
        status=204,
        problems=frozenset({404}),
    ),
)
