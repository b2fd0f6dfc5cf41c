"""Today's figures beside those of yesterday and of the same day last week, each up to this time of day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.report_query import ReportQuery
from billing.reports import report
from billing.rollup import Measures


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a day has brought so far, and what two others had brought by then."""

    today: Measures
    yesterday: Measures
    last_week: Measures


async def read_figures(connection: AsyncConnection, now: dt.datetime, zone: ZoneInfo) -> Figures:
    return Figures(
        today=await _until(connection, now, 0, zone),
        yesterday=await _until(connection, now, 1, zone),
        last_week=await _until(connection, now, 7, zone),
    )


async def _until(connection: AsyncConnection, now: dt.datetime, days_ago: int, zone: ZoneInfo) -> Measures:
    start, end = span_of_day(now, days_ago, zone)
    return (await report(connection, ReportQuery(start=start, end=end, zone=zone))).total


def span_of_day(now: dt.datetime, days_ago: int, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """Return the day of `zone` so many days ago from its midnight to this time of day, in UTC; never empty.

    On a day whose clock skips this time it goes on to the moment after the gap.
    """
    local = now.astimezone(zone)
    day = local.date() - dt.timedelta(days=days_ago)
    start = dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
    end = dt.datetime.combine(day, local.time(), zone).astimezone(dt.UTC)
    return start, max(end, start + dt.timedelta(seconds=1))
