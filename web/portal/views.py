"""A party's own calls as pages: the list, and the way to one. Buyers and publishers share them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from web.audit import Actor
from web.keys import ENGINE, USER
from web.look_ups import CALLS, note_search
from web.pages import render, wants_fragment
from web.portal import call_queries as queries
from web.portal import words
from web.portal.listing import PAGE_LENGTH, PAID_CHOICES, Cursor, read_cursor, read_own_filter
from web.zones import zone_of


@dataclass(frozen=True, kw_only=True)
class Portal:
    """Where a kind of party is at home, and what its calls are told apart by."""

    home: str
    place: str
    amount: str


BUYER = Portal(home="/buyer", place="Target", amount="Price")
PUBLISHER = Portal(home="/publisher", place="Number", amount="Payout")


async def show_calls(request: web.Request, portal: Portal) -> web.Response:
    """The party's own calls; to htmx, their rows alone."""
    user, zone = request[USER], zone_of(request)
    wanted, below = read_own_filter(request.query), read_cursor(request.query)
    fragment = wants_fragment(request)
    if below is None and queries.searches_callers(user):
        await note_search(request.app[ENGINE], Actor(user=user), CALLS, wanted.caller)
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_own_calls(connection, user, wanted, below, zone, maximum=PAGE_LENGTH + 1)
        places = [] if fragment else await queries.read_places(connection, user)
    page, more = found[:PAGE_LENGTH], len(found) > PAGE_LENGTH
    last = page[-1] if page and more else None
    return render(
        request,
        "portal/call_rows.html" if fragment else "portal/calls.html",
        portal=portal,
        role=user.role,
        calls=page,
        words=words,
        wanted=wanted,
        at_top=below is None,
        older=last and wanted.query(before=str(Cursor(started_at=last.started_at, call_id=last.id))),
        places=places,
        paid_choices=PAID_CHOICES,
    )


def call_id_of(request: web.Request) -> UUID:
    """Return the call of an address. Raises HTTPNotFound when it names none."""
    text = request.match_info["call_id"]
    try:
        call_id = UUID(text)
    except ValueError:
        raise web.HTTPNotFound from None
    # One call, one address: UUID() also reads braces and other spellings.
    if str(call_id) != text:
        raise web.HTTPNotFound
    return call_id
