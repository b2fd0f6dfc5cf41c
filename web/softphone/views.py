"""The softphone by itself: a draft is called and its way is told. The flow editor and the live page carry it too."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from ivr_flows import queries as flow_queries
from web.keys import ENGINE, USER
from web.pages import render
from web.softphone import queries, story
from web.softphone.line import LINE, allow_microphone

SEQUENCE_MAXIMUM = 2**31 - 1


async def show(request: web.Request) -> web.Response:
    """The page: which flow, as whom, and the telephone."""
    allow_microphone(request)
    async with request.app[ENGINE].connect() as connection:
        flows = await flow_queries.summaries(connection)
    wanted = request.query.get("flow", "")
    return render(
        request,
        "softphone/softphone.html",
        flows=[flow.name for flow in flows],
        wanted=wanted if any(flow.name == wanted for flow in flows) else "",
        has_line=LINE in request.app,
    )


async def events(request: web.Request) -> web.StreamResponse:
    """What a call to a draft comes through, as it does: to whoever made its code."""
    try:
        code_id = UUID(request.match_info["id"])
    except ValueError:
        raise web.HTTPNotFound from None
    async with request.app[ENGINE].connect() as connection:
        if not await queries.owns_code(connection, code_id, request[USER].user_id):
            raise web.HTTPNotFound
    seen = request.headers.get("Last-Event-ID", "0")
    after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    return await story.stream(request, code_id, min(after, SEQUENCE_MAXIMUM))
