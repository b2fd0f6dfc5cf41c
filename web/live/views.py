"""The live board, its stream of events, and what may be done to a call from it and from the call's own page."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web

from web.addresses import call_id_in
from web.audit import Actor
from web.keys import ENGINE, USER
from web.live import acts
from web.live.act_queries import CallToActOn, call_to_act_on
from web.live.acts import NO_CALL, OVER, NotDone
from web.live.board import audience_of
from web.live.drawing import board_context, page_kind
from web.live.queries import CALLS_MAXIMUM, read_live_calls, read_these
from web.live.stream import stream
from web.pages import render
from web.softphone.codes import MadeCode, Purpose
from web.softphone.line import allow_microphone
from web.visitors import actor_of

TITLES = {Purpose.LISTEN: "Listen to", Purpose.WHISPER: "Whisper to the buyer of", Purpose.BARGE: "Join"}
TOLD = {
    Purpose.LISTEN: "Nobody hears you.",
    Purpose.WHISPER: "The buyer’s person hears you, the caller does not.",
    Purpose.BARGE: "Both hear you.",
}


async def show(request: web.Request) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        calls = await read_live_calls(connection)
    context = board_context(audience_of(request[USER].role))
    return render(request, "live/live.html", calls=calls, maximum=CALLS_MAXIMUM, **context)


async def events(request: web.Request) -> web.StreamResponse:
    return await stream(request, page_kind(audience_of(request[USER].role)))


async def ask_listen(request: web.Request) -> web.Response:
    """Which way to hear it."""
    call_id, call = await _call(request)
    async with request.app[ENGINE].connect() as connection:
        live = await read_these(connection, [call_id])
    talks = bool(live) and live[0].may_be_whispered_to
    return _listen_page(request, call_id, call, talks=talks, problem="" if live else OVER.problem)


async def listen(request: web.Request) -> web.Response:
    """Make the number to dial."""
    call_id, call = await _call(request)
    form = await request.post()
    wanted = str(form.get("purpose", ""))
    if wanted not in TITLES:
        return _listen_page(request, call_id, call, problem="choose one of the three", status=422)
    allow_microphone(request)
    made = await acts.listening_code(
        request.app[ENGINE], _actor(request), call_id, Purpose(wanted), datetime.now(UTC)
    )
    if isinstance(made, NotDone):
        return _listen_page(request, call_id, call, problem=made.problem, status=409)
    return _listen_page(request, call_id, call, code=made, purpose=Purpose(wanted))


def _listen_page(
    request: web.Request,
    call_id: UUID,
    call: CallToActOn,
    *,
    code: MadeCode | None = None,
    purpose: Purpose = Purpose.LISTEN,
    talks: bool = False,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    return render(
        request,
        "live/listen.html",
        status=status,
        call_id=call_id,
        caller=call.caller,
        code=code,
        purpose=purpose,
        talks=talks,
        titles=TITLES,
        told=TOLD,
        problem=problem,
    )


async def ask_hang_up(request: web.Request) -> web.Response:
    call_id, call = await _call(request)
    problem = "" if call.in_progress else OVER.problem
    return render(request, "live/hang_up.html", call_id=call_id, caller=call.caller, problem=problem)


async def hang_up(request: web.Request) -> web.StreamResponse:
    call_id, call = await _call(request)
    done = await acts.hang_up(request.app[ENGINE], _actor(request), call_id)
    if isinstance(done, NotDone):
        return render(
            request,
            "live/hang_up.html",
            status=409,
            call_id=call_id,
            caller=call.caller,
            problem=done.problem,
        )
    raise web.HTTPSeeOther(f"/calls/{call_id}")


async def ask_block(request: web.Request) -> web.Response:
    call_id, call = await _call(request)
    problem = "" if call.caller else "the caller withheld the number: there is nothing to block"
    return render(request, "live/block.html", call_id=call_id, caller=call.caller, problem=problem, done=None)


async def block(request: web.Request) -> web.Response:
    call_id, call = await _call(request)
    form = await request.post()
    done = await acts.block_caller(request.app[ENGINE], _actor(request), call_id, str(form.get("reason", "")))
    refused = isinstance(done, NotDone)
    return render(
        request,
        "live/block.html",
        status=409 if refused else 200,
        call_id=call_id,
        caller=call.caller,
        problem=done.problem if isinstance(done, NotDone) else "",
        done=None if refused else done,
    )


async def _call(request: web.Request) -> tuple[UUID, CallToActOn]:
    call_id = call_id_in(request.match_info["call_id"])
    if call_id is not None:
        async with request.app[ENGINE].connect() as connection:
            call = await call_to_act_on(connection, call_id)
        if call is not None:
            return call_id, call
    raise web.HTTPNotFound(text=NO_CALL.problem)


def _actor(request: web.Request) -> Actor:
    return actor_of(request)
