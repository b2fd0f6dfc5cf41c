"""A publisher at home: its numbers, its calls, what they earned, why one did not, and what works best."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from aiohttp import web

from billing.account_queries import balance_of, entries_of
from billing.reports import Report, names_of
from billing.rollup import Dimension
from billing.terms_document import Party
from router.domain.ping_limits import PingLimits, PingRecord, notice_of
from web.audit import Actor
from web.keys import ENGINE, USER
from web.look_ups import note_opened
from web.pages import render
from web.portal import call_queries, words
from web.portal.figures import LAST_DAYS, own_report, read_figures
from web.portal.keyset import read_below
from web.portal.listing import read_day
from web.portal.views import PUBLISHER, call_id_of, show_calls
from web.publisher import queries
from web.visitors import origin_of
from web.zones import zone_of

PAGE_LENGTH = 50
ROWS = 200
DAYS_MAXIMUM = 366
BACK_DAYS = timedelta(days=LAST_DAYS - 1)


async def home(request: web.Request) -> web.Response:
    user, zone, now = request[USER], zone_of(request), datetime.now(UTC)
    if user.publisher_id is None:
        return render(request, "portal/nobody.html")
    async with request.app[ENGINE].connect() as connection:
        return render(
            request,
            "publisher/home.html",
            publisher=await queries.read_publisher(connection, user.publisher_id),
            figures=await read_figures(connection, user, now, zone),
            balance_micros=await balance_of(connection, Party.PUBLISHER, user.publisher_id),
        )


async def calls(request: web.Request) -> web.Response:
    return await show_calls(request, PUBLISHER)


async def call(request: web.Request) -> web.Response:
    user, call_id = request[USER], call_id_of(request)
    async with request.app[ENGINE].connect() as connection:
        found = await call_queries.read_own_call(connection, user, call_id)
        if found is None:
            raise web.HTTPNotFound
        tags = await call_queries.read_own_tags(connection, user, call_id)
    await note_opened(request.app[ENGINE], Actor(user=user), call_id)
    return render(request, "publisher/call.html", call=found, words=words, tags=tags)


async def numbers(request: web.Request) -> web.Response:
    """The own numbers with what each brought in the last thirty days."""
    user, zone = request[USER], zone_of(request)
    today = datetime.now(UTC).astimezone(zone).date()
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_numbers(connection, user)
        report = await own_report(connection, user, today - BACK_DAYS, today, zone, (Dimension.NUMBER,))
    measures = {row.keys[0]: row.measures for row in report.rows} if report else {}
    return render(request, "publisher/numbers.html", numbers=found, measures=measures, days=LAST_DAYS)


async def sources(request: web.Request) -> web.Response:
    """How many of the calls of each source or number count, and what a call of it earns."""
    user, zone = request[USER], zone_of(request)
    first, last, problem = period_of(request, datetime.now(UTC).astimezone(zone).date())
    by = Dimension.NUMBER if request.query.get("by") == "number" else Dimension.SOURCE
    report: Report | None = None
    async with request.app[ENGINE].connect() as connection:
        if not problem:
            report = await own_report(connection, user, first, last, zone, (by,), ROWS)
        names = await names_of(connection, (by,), report.rows) if report else {}
    return render(
        request,
        "publisher/sources.html",
        status=422 if problem else 200,
        report=report,
        names={key: name for (_, key), name in names.items()},
        by=by.value,
        first=first,
        last=last,
        problem=problem,
    )


def period_of(request: web.Request, today: date) -> tuple[date, date, str]:
    """Return the first and last day an address asks for, and what is wrong with them."""
    last = read_day(request.query.get("to", "")) or today
    first = read_day(request.query.get("from", "")) or last - BACK_DAYS
    if first > last:
        return first, last, "The first day is after the last one."
    if (last - first).days >= DAYS_MAXIMUM:
        return first, last, f"At most {DAYS_MAXIMUM} days are shown at once: choose a shorter period."
    return first, last, ""


async def payouts(request: web.Request) -> web.Response:
    """What was earned and paid out, line by line."""
    user, below = request[USER], read_below(request.query)
    if user.publisher_id is None:
        return render(request, "portal/nobody.html")
    async with request.app[ENGINE].connect() as connection:
        found = await entries_of(
            connection, Party.PUBLISHER, user.publisher_id, below_id=below, limit=PAGE_LENGTH + 1
        )
        balance_micros = await balance_of(connection, Party.PUBLISHER, user.publisher_id)
    page = found[:PAGE_LENGTH]
    return render(
        request,
        "publisher/payouts.html",
        entries=page,
        balance_micros=balance_micros,
        at_top=below is None,
        older=page[-1].transaction_id if len(found) > PAGE_LENGTH else None,
    )


async def pings(request: web.Request) -> web.Response:
    """How the publisher's machines ask us before they send a call."""
    async with request.app[ENGINE].connect() as connection:
        rows = await queries.read_keys(connection, request[USER])
    now = datetime.now(UTC)
    keys = []
    for row in rows:
        limits = PingLimits.of_settings(row.settings)
        record = PingRecord(won=row.pings_won, called=row.pings_called, warned_at=row.warned_at)
        keys.append((row, limits, notice_of(limits, record, now)))
    return render(request, "publisher/pings.html", keys=keys, origin=origin_of(request))
