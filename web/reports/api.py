"""Profit and loss for machines: the same question and answer as the page's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from billing.export_report import rows_to_json
from billing.report_calls import calls_behind
from billing.report_query import MAXIMUM_ROWS, ReportError
from billing.rollup import KEPT, Dimension
from web.api.operation import Answered, Asked, FieldProblem, Operation, Page, Problem, Query, refused
from web.keys import HOUSE
from web.portal.api import FIRST_DAY, LAST_DAY, NO_ZONE
from web.reports.answer import answer
from web.reports.asked import LAST_DAYS, ReportAsked, read_asked, read_place
from web.visibility import viewer_of
from web.zones import zone_named

TAG = "reports"
Id = Field(None, ge=1, le=2**63 - 1)
Text = Field(None, min_length=1, max_length=100, description="a dash stands for calls that have none")


class FilterQuery(Query):
    """Calls of a period on the calendar of `zone`, of these values alone; without days the last thirty."""

    first: date | None = Field(None, alias="from", ge=FIRST_DAY, le=LAST_DAY)
    last: date | None = Field(None, alias="to", ge=FIRST_DAY, le=LAST_DAY)
    zone: str = Field("UTC", max_length=60)
    publisher: int | None = Id
    campaign: int | None = Id
    buyer: int | None = Id
    target: int | None = Id
    number: int | None = Id
    state: str | None = Text
    loan_type: str | None = Text
    source: str | None = Text

    def asked(self, now: datetime, **more: str) -> ReportAsked | Problem:
        zone = zone_named(self.zone)
        if zone is None:
            return refused(NO_ZONE)
        said = {"from": self.first, "to": self.last} | {f"only_{one}": getattr(self, one) for one in KEPT}
        given = {name: str(value) for name, value in said.items() if value is not None}
        try:
            return read_asked(given | more, now.astimezone(zone).date())
        except ReportError as error:
            return refused(FieldProblem(field="from", problem=str(error)))


class ReportAskedQuery(FilterQuery):
    by: Dimension | None = None
    then: Dimension | None = None
    compare: bool = False
    rows: int = Field(50, ge=1, le=MAXIMUM_ROWS)


class ReportShown(BaseModel):
    """Rows with keys, names and figures, the largest first; `others` sums what there was no room for."""

    rows: list[dict[str, Any]]
    total: dict[str, Any]
    total_before: dict[str, Any] | None
    groups: int


class BehindQuery(FilterQuery):
    cursor: str = Field("", max_length=80)


class BehindShown(BaseModel):
    """One call behind a figure, as it was settled."""

    call_id: UUID
    started_at: datetime
    caller: str | None
    outcome: str | None
    connected_ms: int
    revenue_micros: int
    payout_micros: int


async def _report(asked: Asked) -> Answered | Problem:
    query = asked.query
    names = {"by": query.by or "", "then": query.then or "", "compare": "yes" if query.compare else ""}
    wanted = query.asked(asked.now, **{name: str(value) for name, value in names.items()})
    zone = zone_named(query.zone)
    if isinstance(wanted, Problem) or zone is None:
        return wanted if isinstance(wanted, Problem) else refused(NO_ZONE)
    try:
        async with asked.engine.connect() as connection:
            found = await answer(connection, wanted, zone, rows=query.rows)
    except ReportError as error:
        return refused(FieldProblem(field="from", problem=str(error)))
    return Answered(
        content=ReportShown(
            rows=rows_to_json(found.report, found.names, found.before),
            total=found.report.total.to_json(),
            total_before=found.before.total.to_json() if found.before else None,
            groups=found.report.groups,
        )
    )


async def _calls(asked: Asked) -> Answered | Problem:
    wanted, zone = asked.query.asked(asked.now), zone_named(asked.query.zone)
    if isinstance(wanted, Problem) or zone is None:
        return wanted if isinstance(wanted, Problem) else refused(NO_ZONE)
    try:
        question = wanted.question(zone)
        async with asked.engine.connect() as connection:
            found, following = await calls_behind(
                connection,
                start=question.start,
                end=question.end,
                where=wanted.where,
                after=read_place(asked.query.cursor),
            )
    except ReportError as error:
        return refused(FieldProblem(field="from", problem=str(error)))
    viewer = viewer_of(asked.user)
    items = [
        BehindShown(
            **{name: getattr(call, name) for name in BehindShown.model_fields if name != "caller"},
            caller=viewer.caller(call.caller),
        )
        for call in found
    ]
    cursor = following and f"{following.at.isoformat()},{following.transaction_id}"
    return Answered(content=Page[BehindShown](items=items, next=cursor))


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="GET",
        path="/reports",
        name="read_report",
        summary="Profit and loss by one dimension or any two",
        description=f"Without days it is of the last {LAST_DAYS}.",
        tag=TAG,
        handler=_report,
        roles=HOUSE,
        query=ReportAskedQuery,
        answer=ReportShown,
        problems=frozenset({422}),
    ),
    Operation(
        method="GET",
        path="/reports/calls",
        name="list_calls_behind",
        summary="The calls behind a figure, newest first",
        tag=TAG,
        handler=_calls,
        roles=HOUSE,
        query=BehindQuery,
        answer=Page[BehindShown],
        problems=frozenset({422}),
    ),
)
