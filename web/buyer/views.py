"""A buyer at home: what today cost and brought, its calls, and one of them with what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from billing.dispute_calls import allowance_of
from billing.disputes import Allowance, Reason
from billing.report_query import ReportError
from billing.wallet_queries import wallet_of
from web.audit import Actor
from web.buyer import queries
from web.keys import ENGINE, USER
from web.look_ups import note_opened
from web.pages import render
from web.portal import call_queries, words
from web.portal.figures import LAST_DAYS, read_days, read_figures, total
from web.portal.listing import read_day
from web.portal.party_call import party_timeline
from web.portal.views import BUYER, call_id_of, show_calls
from web.recordings import open_link
from web.zones import zone_of

DAYS_MAXIMUM = 366
BACK_DAYS = timedelta(days=LAST_DAYS - 1)


async def home(request: web.Request) -> web.Response:
    user, zone, now = request[USER], zone_of(request), datetime.now(UTC)
    if user.buyer_id is None:
        return belongs_to_nobody(request)
    async with request.app[ENGINE].connect() as connection:
        return render(
            request,
            "buyer/home.html",
            buyer=await queries.read_buyer(connection, user.buyer_id),
            figures=await read_figures(connection, user, now, zone),
            live=await queries.count_live(connection, user, now),
            wallet=await wallet_of(connection, user.buyer_id),
            disputes=await queries.count_open_disputes(connection, user),
            ending=await queries.read_ending_licences(connection, user, now.date()),
            stopped=await queries.read_stopped_targets(connection, user),
        )


def belongs_to_nobody(request: web.Request) -> web.Response:
    """An account of the role whose buyer or publisher nobody has named yet."""
    return render(request, "portal/nobody.html")


async def calls(request: web.Request) -> web.Response:
    return await show_calls(request, BUYER)


async def call(request: web.Request) -> web.Response:
    answer = await show_call(request)
    await note_opened(request.app[ENGINE], Actor(user=request[USER]), call_id_of(request))
    return answer


async def show_call(request: web.Request, *, status: int = 200, **more: Any) -> web.Response:
    """One call; `more` is what was typed into its dispute and is wrong with it."""
    user, call_id = request[USER], call_id_of(request)
    async with request.app[ENGINE].connect() as connection:
        found = await call_queries.read_own_call(connection, user, call_id)
        if found is None:
            raise web.HTTPNotFound
        answers = await call_queries.read_answers(connection, user, call_id)
        legs = await call_queries.read_own_legs(connection, user, call_id)
        recordings = await call_queries.read_own_recordings(connection, user, call_id)
        disputes = await call_queries.read_call_disputes(connection, user, call_id)
        buyer = await queries.read_buyer(connection, user.buyer_id or 0)
        allowance = await allowance_of(connection, user.buyer_id or 0, now=datetime.now(UTC))
    until = (found.ended_at or found.started_at) + timedelta(hours=buyer.return_window_hours)
    typed = {"typed_reason": "", "typed_note": "", "problem": ""} | more
    return render(
        request,
        "buyer/call.html",
        status=status,
        call=found,
        words=words,
        answers=answers,
        legs=legs,
        moments=party_timeline(found, answers, legs),
        recordings=recordings,
        disputes=disputes,
        reasons=tuple(Reason),
        until=until,
        may_dispute=_may_dispute(found, disputes, until, allowance),
        allowance=allowance,
        is_late=datetime.now(UTC) > until,
        **typed,
    )


def _may_dispute(call: call_queries.OwnCall, disputes: Any, until: datetime, allowance: Allowance) -> bool:
    return call.amount_micros > 0 and not disputes and datetime.now(UTC) <= until and allowance.left > 0


async def recording(request: web.Request) -> web.StreamResponse:
    """A part of a call's recording, if it is the buyer's to hear."""
    part = request.match_info["part"]
    return await open_link(
        request, call_id_of(request), int(part) if part.isdecimal() and len(part) < 5 else 0
    )


async def spend(request: web.Request) -> web.Response:
    """What each day cost, and the whole period."""
    user, zone = request[USER], zone_of(request)
    today = datetime.now(UTC).astimezone(zone).date()
    last = read_day(request.query.get("to", "")) or today
    first = read_day(request.query.get("from", "")) or last - BACK_DAYS
    problem = ""
    if first > last or (last - first).days >= DAYS_MAXIMUM:
        problem = (
            "The first day is after the last one."
            if first > last
            else f"At most {DAYS_MAXIMUM} days are shown at once: choose a shorter period."
        )
        first = last - BACK_DAYS
    try:
        async with request.app[ENGINE].connect() as connection:
            days = await read_days(connection, user, first, last, zone) or []
    except ReportError as error:
        problem, days = f"{str(error).capitalize()}.", []
    return render(
        request,
        "buyer/spend.html",
        status=422 if problem else 200,
        days=days,
        total=total(day.measures for day in days),
        first=first,
        last=last,
        problem=problem,
    )


async def licences(request: web.Request) -> web.Response:
    today = datetime.now(UTC).astimezone(zone_of(request)).date()
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_own_licences(connection, request[USER])
    return render(
        request, "buyer/licences.html", licences=found, today=today, soon=today + queries.SOON, age=_age
    )


async def settings(request: web.Request) -> web.Response:
    """What is agreed with the buyer, and where its own account is changed."""
    user = request[USER]
    if user.buyer_id is None:
        return belongs_to_nobody(request)
    async with request.app[ENGINE].connect() as connection:
        buyer = await queries.read_buyer(connection, user.buyer_id)
    return render(request, "buyer/settings.html", buyer=buyer)


def _age(licence: Any, today: Any) -> str:
    """Return how a licence stands: active, ending, ended, not_yet, or its status."""
    if licence.status != "active":
        return str(licence.status)
    if licence.valid_from > today:
        return "not_yet"
    if licence.valid_to is None or licence.valid_to > today + queries.SOON:
        return "active"
    return "ending" if licence.valid_to >= today else "ended"
