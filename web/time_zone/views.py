"""In whose time the pages speak: a choice kept in the visitor's browser."""

from __future__ import annotations

from aiohttp import web

from web import zones
from web.addresses import own_path


async def choose(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    response = web.HTTPSeeOther(own_path(str(form.get("next", ""))))
    zone = zones.zone_named(str(form.get("time_zone", "")))
    if zone is not None:
        zones.remember_zone(request, response, zone)
    raise response
