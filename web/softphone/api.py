"""Calls to drafts, for machines and for the pages' own scripts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import Field

from ivr_flows.publishing import FLOW_NAME
from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Page,
    Problem,
    Query,
    not_found,
    refused,
)
from web.flows.shapes import BODY_BYTES_MAXIMUM
from web.keys import EDITORS
from web.softphone import queries
from web.softphone.codes import MadeCode, NoCode, make_draft_code
from web.softphone.line import DOMAIN, LINE, SOCKET, USERNAME

NO_LINE = Problem(
    status=409,
    title="Conflict",
    detail="this web process knows no Asterisk to call by: start it with `tollbridge up` or `tollbridge run web`",
)


class DraftCallBody(Body):
    """A draft to be called. Without `definition` it is what is stored of the flow."""

    flow: str = Field(pattern=f"^{FLOW_NAME.pattern}$", examples=["mortgage"])
    definition: dict[str, Any] | None = None
    campaign_id: int | None = Field(None, ge=1, le=2**63 - 1)
    caller: str = Field(
        "", max_length=40, description="the number the call seems to come from; empty: withheld"
    )


class DraftCallMade(Body):
    """A code to dial once, within two minutes; `events` tells what the call comes through."""

    id: UUID
    code: str
    expires_at: datetime
    events: str


class LineShown(Body):
    """How a softphone reaches the switch: SIP over the WebSocket, which wants the session's cookie as well."""

    socket: str
    domain: str
    username: str
    password: str


class EventShown(Body):
    sequence: int
    at: datetime
    kind: str
    node: str
    detail: dict[str, Any]


class EventsQuery(Query):
    after: int = Field(0, ge=0, le=2**31 - 1, description="the last event that is known")


async def call_draft(asked: Asked) -> Answered | Problem:
    body: DraftCallBody = asked.body
    made = await make_draft_code(
        asked.engine,
        asked.actor,
        flow_name=body.flow,
        definition=body.definition,
        campaign_id=body.campaign_id,
        caller=body.caller,
        now=asked.now,
    )
    if made is None:
        return not_found("flow")
    if isinstance(made, NoCode):
        return refused(FieldProblem(field=made.field, problem=made.problem))
    return Answered(content=_made_shown(made))


def _made_shown(made: MadeCode) -> DraftCallMade:
    events = f"/flows/draft-call/{made.id}/events"
    return DraftCallMade(id=made.id, code=made.code, expires_at=made.expires_at, events=events)


async def list_events(asked: Asked) -> Answered | Problem:
    query: EventsQuery = asked.query
    async with asked.engine.connect() as connection:
        if not await queries.owns_code(connection, asked.path["id"], asked.user.user_id):
            return not_found("call")
        found = await queries.events_after(connection, asked.path["id"], query.after)
    items = [
        EventShown(sequence=one.sequence, at=one.at, kind=one.kind, node=one.node, detail=dict(one.detail))
        for one in found
    ]
    return Answered(content=Page[EventShown](items=items))


async def show_line(asked: Asked) -> Answered | Problem | web.StreamResponse:
    line = asked.request.app.get(LINE)
    if line is None:
        return NO_LINE
    return Answered(
        content=LineShown(socket=SOCKET, domain=DOMAIN, username=USERNAME, password=line.password)
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/draft-calls",
        name="callDraft",
        summary="Make a code by which the softphone calls a draft",
        tag="flows",
        handler=call_draft,
        roles=EDITORS,
        body=DraftCallBody,
        answer=DraftCallMade,
        shown_once="a code lasts two minutes: ask again with a new key",
        status=201,
        problems=frozenset({404}),
        body_bytes_maximum=BODY_BYTES_MAXIMUM,
        description="The call is a test: not billed, not counted, nobody is rung. Web hooks of the flow are asked.",
    ),
    Operation(
        method="GET",
        path="/draft-calls/{id}/events",
        name="listDraftCallEvents",
        summary="What a call to a draft came through",
        tag="flows",
        handler=list_events,
        roles=EDITORS,
        query=EventsQuery,
        answer=Page[EventShown],
        path_types={"id": UUID},
    ),
    Operation(
        method="GET",
        path="/softphone",
        name="showSoftphoneLine",
        summary="How a softphone reaches the switch",
        tag="softphone",
        handler=show_line,
        roles=EDITORS,
        answer=LineShown,
        problems=frozenset({409}),
    ),
)
