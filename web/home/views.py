"""Where somebody of the house begins: what today brings, who is on the line, and what asks for attention."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from web.home import queries
from web.home.attention import items_of
from web.home.figures import read_figures
from web.keys import ENGINE, USER, Role
from web.live.board import audience_of
from web.live.drawing import board_context
from web.live.queries import CALLS_MAXIMUM, read_live_calls
from web.pages import render
from web.zones import zone_of

PORTALS = {Role.BUYER: "/buyer", Role.PUBLISHER: "/publisher"}


async def show(request: web.Request) -> web.StreamResponse:
    """The house's home; buyers and publishers are led to their own."""
    role = request[USER].role
    if role in PORTALS:
        raise web.HTTPSeeOther(PORTALS[role])
    now, zone = datetime.now(UTC), zone_of(request)
    async with request.app[ENGINE].connect() as connection:
        context: dict[str, Any] = {
            "figures": await read_figures(connection, now, zone),
            "calls": await read_live_calls(connection),
            "items": items_of(await queries.read_trouble(connection, now)),
            "steps": await queries.read_first_steps(connection),
            "has_calls": await queries.has_calls(connection),
        }
    return render(
        request,
        "home/home.html",
        **context,
        **board_context(audience_of(role)),
        now=now,
        maximum=CALLS_MAXIMUM,
    )
