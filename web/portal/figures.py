"""A party's own figures: the house's reports, filtered to it. The numbers are those of `tollbridge reports`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.report_query import MAXIMUM_ROWS, ReportQuery
from billing.reports import Report, report
from billing.rollup import Dimension, Measures
from web.keys import Role, User
from web.tenancy import party_id_of

LAST_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of a party's figures, on the visitor's calendar."""

    day: dt.date
    measures: Measures


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a home page says first."""

    today: Measures
    yesterday: Measures
    this_week: Measures
    """Since Monday."""
    last_week: Measures
    days: Sequence[Day]
    """Every day of the last two weeks and today, the newest first."""


def midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the first instant of a day on a zone's calendar, in UTC."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


async def read_figures(
    connection: AsyncConnection, user: User, now: dt.datetime, zone: ZoneInfo
) -> Figures | None:
    """Return the figures of the user's party; None when they belong to none."""
    today = now.astimezone(zone).date()
    monday = today - dt.timedelta(days=today.weekday())
    first = monday - dt.timedelta(days=7)
    days = await read_days(connection, user, first, today, zone)
    if days is None:
        return None
    by_day = {day.day: day.measures for day in days}
    return Figures(
        today=by_day.get(today, Measures()),
        yesterday=by_day.get(today - dt.timedelta(days=1), Measures()),
        this_week=total(day.measures for day in days if day.day >= monday),
        last_week=total(day.measures for day in days if day.day < monday),
        days=days,
    )


async def read_days(
    connection: AsyncConnection, user: User, first: dt.date, last: dt.date, zone: ZoneInfo
) -> Sequence[Day] | None:
    """Return every day from the first to the last, the newest first, also those on which nothing happened."""
    found = await own_report(connection, user, first, last, zone, (Dimension.DAY,))
    if found is None:
        return None
    measures = {row.keys[0]: row.measures for row in found.rows}
    count = (last - first).days + 1
    days = [last - dt.timedelta(days=back) for back in range(count)]
    return [Day(day=day, measures=measures.get(day.isoformat(), Measures())) for day in days]


async def own_report(
    connection: AsyncConnection,
    user: User,
    first: dt.date,
    last: dt.date,
    zone: ZoneInfo,
    by: tuple[Dimension, ...],
    rows: int = MAXIMUM_ROWS,
) -> Report | None:
    """Return a report of the user's party alone, from the first to the last day; None when they belong to none.

    Raises ReportError when no report answers it.
    """
    party_id = party_id_of(user)
    if party_id is None:
        return None
    dimension = Dimension.BUYER if user.role is Role.BUYER else Dimension.PUBLISHER
    query = ReportQuery(
        start=midnight(first, zone),
        end=midnight(last + dt.timedelta(days=1), zone),
        by=by,
        zone=zone,
        rows=rows,
        where={dimension: str(party_id)},
    )
    return await report(connection, query)


def total(parts: Iterable[Measures]) -> Measures:
    """Return the sum of several rows of figures."""
    found = list(parts)
    return Measures(**{one.name: sum(getattr(part, one.name) for part in found) for one in fields(Measures)})
