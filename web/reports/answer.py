"""Answers what is asked of the reports: pages, files and the API by the same question."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.export_report import Names
from billing.pivots import Pivot, pivot
from billing.report_query import DEFAULT_ROWS, earlier
from billing.reports import Report, ReportRow, names_of, report
from billing.rollup import Dimension, Measures
from web.reports.asked import ReportAsked
from web.reports.tables import ROOM, TIMES_ROOM


@dataclass(frozen=True, kw_only=True)
class ReportAnswer:
    """A report, the one before it if that was asked for, and the names of its values and filters."""

    report: Report
    before: Report | None
    names: Names
    filters: Names


@dataclass(frozen=True, kw_only=True)
class PivotAnswer:
    """A table by two dimensions, and the names of its values and filters."""

    pivot: Pivot
    names: Names
    filters: Names


async def answer(
    connection: AsyncConnection,
    asked: ReportAsked,
    zone: ZoneInfo,
    *,
    rows: int = DEFAULT_ROWS,
    weighed: int | None = None,
) -> ReportAnswer:
    """Raises ReportError when no report answers it."""
    question = asked.question(zone, rows=rows, weighed=weighed)
    found = await report(connection, question)
    before = await report(connection, earlier(question)) if asked.compare else None
    names = await names_of(connection, asked.by, found.rows)
    return ReportAnswer(
        report=found, before=before, names=names, filters=await filter_names(connection, asked)
    )


async def pivot_answer(connection: AsyncConnection, asked: ReportAsked, zone: ZoneInfo) -> PivotAnswer:
    """Raises ReportError when no report answers it."""
    room = TIMES_ROOM if asked.by[0].of_time else ROOM
    found = await pivot(connection, asked.question(zone), room)
    names: dict[tuple[Dimension, str], str] = {}
    for one, side in zip(asked.by, (found.down, found.across), strict=True):
        rows = [ReportRow(keys=(key,), measures=Measures()) for key in side.keys]
        names |= await names_of(connection, (one,), rows)
    return PivotAnswer(pivot=found, names=names, filters=await filter_names(connection, asked))


async def filter_names(connection: AsyncConnection, asked: ReportAsked) -> Names:
    """Return what people call the values that a report is filtered by."""
    found: dict[tuple[Dimension, str], str] = {}
    for one, value in asked.where.items():
        rows = [ReportRow(keys=(value,), measures=Measures())]
        found |= await names_of(connection, (one,), rows)
    return found
