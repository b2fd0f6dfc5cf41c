"""The live board and what may be done to a call, for machines."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from aiohttp import web
from pydantic import Field

from web.api.operation import Answered, Asked, Body, Operation, Problem, conflict, not_found
from web.keys import EDITORS, HOUSE
from web.live import acts
from web.live.acts import NotDone
from web.live.board import audience_of
from web.live.drawing import api_kind
from web.live.stream import stream
from web.softphone.codes import Purpose

EVENT_STREAM = "text/event-stream"


class ListeningWanted(Body):
    purpose: str = Field("listen", pattern="^(listen|whisper|barge)$")


class ListeningCode(Body):
    """A number to dial once, from the softphone, before `expires_at`."""

    code: str
    expires_at: datetime


class BlockWanted(Body):
    reason: str = Field("", max_length=acts.REASON_CHARACTERS_MAXIMUM)


class BlockDone(Body):
    number: str
    anew: bool


class OrderMade(Body):
    """The call's node ends it within a second or so."""

    order: int


async def calls_events(asked: Asked) -> web.StreamResponse:
    return await stream(asked.request, api_kind(audience_of(asked.user.role)))


async def hang_up(asked: Asked) -> Answered | Problem | web.StreamResponse:
    done = await acts.hang_up(asked.engine, asked.actor, asked.path["id"])
    return _refusal(done) if isinstance(done, NotDone) else Answered(content=OrderMade(order=done.command_id))


async def listen(asked: Asked) -> Answered | Problem | web.StreamResponse:
    wanted: ListeningWanted = asked.body
    purpose = Purpose(wanted.purpose)
    made = await acts.listening_code(asked.engine, asked.actor, asked.path["id"], purpose, asked.now)
    if isinstance(made, NotDone):
        return _refusal(made)
    return Answered(content=ListeningCode(code=made.code, expires_at=made.expires_at))


async def block(asked: Asked) -> Answered | Problem | web.StreamResponse:
    wanted: BlockWanted = asked.body
    done = await acts.block_caller(asked.engine, asked.actor, asked.path["id"], wanted.reason)
    if isinstance(done, NotDone):
        return _refusal(done)
    return Answered(content=BlockDone(number=done.number, anew=done.anew))


def _refusal(refused: NotDone) -> Problem:
    return not_found("call") if refused.missing else conflict(refused.problem)


OPERATIONS = (
    Operation(
        method="GET",
        path="/calls/events",
        name="watchCalls",
        summary="Calls that go on, as they move",
        tag="calls",
        handler=calls_events,
        roles=HOUSE,
        media=EVENT_STREAM,
        problems=frozenset({503}),
        description=(
            "Server-sent events: `board` with all calls that go on, then `moved` with those that changed and the ids of"
            " those that are `gone`. The stream ends every ten minutes or so, and for a reader that is too slow:"
            " connect again."
        ),
    ),
    Operation(
        method="POST",
        path="/calls/{id}/hang-up",
        name="hangUpCall",
        summary="End a call",
        tag="calls",
        handler=hang_up,
        roles=EDITORS,
        answer=OrderMade,
        status=202,
        path_types={"id": UUID},
        problems=frozenset({404, 409}),
    ),
    Operation(
        method="POST",
        path="/calls/{id}/listen",
        name="listenToCall",
        summary="Get a number to dial that opens a call to hear, to whisper into, or to join",
        tag="calls",
        handler=listen,
        roles=EDITORS,
        body=ListeningWanted,
        answer=ListeningCode,
        shown_once="a code lasts a minute: ask again with a new key",
        status=201,
        path_types={"id": UUID},
        problems=frozenset({404, 409}),
    ),
    Operation(
        method="POST",
        path="/calls/{id}/block-caller",
        name="blockCaller",
        summary="Sell a call's caller to nobody any more",
        tag="calls",
        handler=block,
        roles=EDITORS,
        body=BlockWanted,
        answer=BlockDone,
        path_types={"id": UUID},
        problems=frozenset({404, 409}),
    ),
)
