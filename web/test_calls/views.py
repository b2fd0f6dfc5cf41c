"""A test call from a number's or a trunk's page: what to say is written, and what happens is read as it does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from web.api.operation import FieldProblem
from web.audit import Actor
from web.keys import EDITORS, ENGINE, USER
from web.middleware import only
from web.pages import render
from web.test_calls import queries
from web.test_calls.order import Ordered, TooMany, Wanted, order

TEXT_CHARACTERS_MAXIMUM = 4_000
TOO_MANY = FieldProblem(field="", problem="several test calls wait already: try again when they are over")


def routes() -> list[web.RouteDef]:
    edits, path = only(*EDITORS), "/test-calls/{id:[0-9]{1,18}}"
    return [
        web.get("/test-calls/new", edits(ask)),
        web.post("/test-calls/new", edits(send)),
        web.get(path, edits(show)),
        web.get(f"{path}/progress", edits(progress)),
    ]


async def ask(request: web.Request) -> web.StreamResponse:
    return _form(request, Wanted(dialled=request.query.get("number", "")[:20]))


async def send(request: web.Request) -> web.StreamResponse:
    form = await request.post()

    def text(name: str) -> str:
        return str(form.get(name) or "").replace("\x00", "")[:TEXT_CHARACTERS_MAXIMUM].strip()

    wanted = Wanted(
        dialled=text("dialled"),
        caller=text("caller"),
        says=_turns(text("says")),
        presses=_turns(text("presses")),
    )
    done = await order(request.app[ENGINE], Actor(user=request[USER]), wanted)
    if isinstance(done, Ordered):
        raise web.HTTPSeeOther(f"/test-calls/{done.test_call_id}")
    return _form(request, wanted, (TOO_MANY,) if isinstance(done, TooMany) else done)


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request, "test_calls/test_call.html")


async def progress(request: web.Request) -> web.StreamResponse:
    """The part of the page that is fetched again and again."""
    return await _page(request, "test_calls/progress.html")


def _turns(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _form(request: web.Request, wanted: Wanted, problems: Sequence[FieldProblem] = ()) -> web.StreamResponse:
    return render(
        request,
        "test_calls/ask.html",
        status=422 if problems else 200,
        wanted=wanted,
        problems={one.field: one.problem for one in problems},
    )


async def _page(request: web.Request, template: str) -> web.StreamResponse:
    async with request.app[ENGINE].connect() as connection:
        found = await queries.test_call_of(connection, int(request.match_info["id"]))
    if found is None:
        raise web.HTTPNotFound
    forgotten = found.is_forgotten(datetime.now(UTC))
    return render(request, template, test_call=found, forgotten=forgotten, over=found.is_over or forgotten)
