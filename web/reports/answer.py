"""Answers what is asked of the reports: pages, files and the API by the same question."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.export_report import Names
from billing.reports import DEFAULT_ROWS, Report, ReportRow, earlier, names_of, report
from billing.rollup import Dimension, Measures
from web.reports.asked import ReportAsked


@dataclass(frozen=True, kw_only=True)
class ReportAnswer:
    """A report, the one before it if that was asked for, and the names of its values and filters."""

    report: Report
    before: Report | None
    names: Names
    filters: Names


async def answer(
    connection: AsyncConnection, asked: ReportAsked, zone: ZoneInfo, *, rows: int = DEFAULT_ROWS
) -> ReportAnswer:
    """Raises ReportError when no report answers it."""
    question = asked.question(zone, rows=rows)
    found = await report(connection, question)
    before = await report(connection, earlier(question)) if asked.compare else None
    names = await names_of(connection, asked.by, found.rows)
    return ReportAnswer(
        report=found, before=before, names=names, filters=await filter_names(connection, asked)
    )


async def filter_names(connection: AsyncConnection, asked: ReportAsked) -> Names:
    """Return what people call the values that a report is filtered by."""
    found: dict[tuple[Dimension, str], str] = {}
    for one, value in asked.where.items():
        rows = [ReportRow(keys=(value,), measures=Measures())]
        found |= await names_of(connection, (one,), rows)
    return found
