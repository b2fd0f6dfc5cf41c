"""Why did I get fewer calls? One day's calls that passed a buyer by, by reason, in words and with what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from web.buyer.fewer_calls_queries import Passed, read_passed
from web.buyer.reasons import counted
from web.keys import ENGINE, USER, User
from web.pages import render
from web.portal.figures import midnight, read_days
from web.portal.listing import read_day
from web.zones import zone_of

CALLS_LOOKED_AT = 2_000
DAYS_OFFERED = 7


async def passed_by(connection: AsyncConnection, user: User, start: datetime, end: datetime) -> Passed:
    """Return what passed a buyer by in a period: of its newest calls, for a busy day has more than one waits for."""
    return await read_passed(connection, user, start, end, maximum=CALLS_LOOKED_AT)


async def show(request: web.Request) -> web.Response:
    user, zone = request[USER], zone_of(request)
    today = datetime.now(UTC).astimezone(zone).date()
    day = read_day(request.query.get("day", "")) or today
    async with request.app[ENGINE].connect() as connection:
        found = await passed_by(
            connection, user, midnight(day, zone), midnight(day + timedelta(days=1), zone)
        )
        days = await read_days(connection, user, day, day, zone) or []
    return render(
        request,
        "buyer/fewer_calls.html",
        day=day,
        days=[today - timedelta(days=back) for back in range(DAYS_OFFERED)],
        had=days[0].measures.calls if days else 0,
        passed=found,
        reasons=counted(found.codes),
        day_name=_day_name,
        today=today,
    )


def _day_name(day: date, today: date) -> str:
    names = {today: "Today", today - timedelta(days=1): "Yesterday"}
    return names.get(day, f"{day:%a %-d %b}")
