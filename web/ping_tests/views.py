"""A ping to try an endpoint out: what was asked, what came back, and what was read of it. Secrets stay hidden."""

from __future__ import annotations

from aiohttp import web

from router.domain.market import LOAN_TYPES
from router.endpoint_admin import MADE_UP_CALLER, Refused, Tried
from rules.places import STATES
from web.keys import EDITORS, ENGINE
from web.middleware import only
from web.pages import render
from web.ping_tests.trying import DEADLINES_MS, Attempt, try_ping
from web.resources.ping_endpoints import PING_ENDPOINTS
from web.resources.queries import row_of


def routes() -> list[web.RouteDef]:
    edits, path = only(*EDITORS), "/ping-endpoints/{id:[0-9]{1,18}}/test"
    return [web.get(path, edits(show)), web.post(path, edits(send))]


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request, Attempt())


async def send(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    state, loan_type = str(form.get("state") or ""), str(form.get("loan_type") or "")
    text = str(form.get("deadline_ms") or "")
    attempt = Attempt(
        state=state if state in STATES else None,
        loan_type=loan_type if loan_type in LOAN_TYPES else LOAN_TYPES[0],
        deadline_ms=next((one for one in DEADLINES_MS if str(one) == text), DEADLINES_MS[0]),
    )
    tried = await try_ping(request.app, int(request.match_info["id"]), attempt)
    return await _page(request, attempt, tried)


async def _page(
    request: web.Request, attempt: Attempt, tried: Tried | Refused | None = None
) -> web.StreamResponse:
    target_id = int(request.match_info["id"])
    async with request.app[ENGINE].connect() as connection:
        row = await row_of(connection, PING_ENDPOINTS, target_id)
    if row is None:
        raise web.HTTPNotFound
    return render(
        request,
        "ping_tests/test.html",
        status=422 if isinstance(tried, Refused) else 200,
        target_id=target_id,
        url=row["url"],
        dialect=row["dialect"],
        attempt=attempt,
        tried=tried if isinstance(tried, Tried) else None,
        problems=tried.problems if isinstance(tried, Refused) else (),
        states=STATES,
        products=LOAN_TYPES,
        deadlines=DEADLINES_MS,
        caller=MADE_UP_CALLER,
    )
