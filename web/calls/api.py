"""Calls for machines: the list, one call, its recording, the export, its decisions made again, and saved views."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import Field, field_validator

from router.domain.what_if import Rule
from router.replay_call import NotSupposed, replay_call
from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Page,
    Problem,
    Query,
    conflict,
    not_found,
    refused,
)
from web.call.facts import CallFacts
from web.call.queries import read_call_facts
from web.call.seen import seen_facts
from web.call.suppose import what_if
from web.calls import queries, view_queries
from web.calls.download import send_csv
from web.calls.listing import PAGE_LENGTH, Filter, read_cursor, span_of
from web.calls.queries import NO_MONEY, CallLine, Money
from web.calls.views import allowed_filter, place_after
from web.keys import HOUSE, User
from web.look_ups import CALLS, note_opened, note_search
from web.recordings import send_recording
from web.visibility import Field as Seen
from web.visibility import Viewer, viewer_of
from web.zones import UTC, zone_named

NUMBER = r"^[0-9 +().-]{0,30}$"


class CallsQuery(Query):
    """What calls are wanted; days are those of `zone`."""

    caller: str = Field("", pattern=NUMBER, description="a whole number, or an area code")
    number: str = Field("", pattern=NUMBER, description="what was dialled, or a part of it")
    outcome: str = Field("", max_length=40)
    campaign: int | None = Field(None, ge=1, le=2**63 - 1)
    publisher: int | None = Field(None, ge=1, le=2**63 - 1)
    buyer: int | None = Field(None, ge=1, le=2**63 - 1)
    target: int | None = Field(None, ge=1, le=2**63 - 1)
    state: str = Field("", pattern="^([A-Z]{2})?$")
    loan_type: str = Field("", pattern="^[a-z0-9_]{0,60}$")
    tag: str = Field("", max_length=170, description="name=value")
    seconds: int | None = Field(None, ge=1, le=86_400, description="connected at least so long")
    converted: str = Field("", pattern="^(yes|no)?$")
    recorded: str = Field("", pattern="^(yes)?$")
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")
    zone: str = Field("UTC", max_length=60)

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if zone_named(value) is None:
            raise ValueError("there is no such time zone")
        return value

    def filter(self, user: User) -> Filter:
        given = self.model_dump(by_alias=True, exclude={"zone", "before"})
        return allowed_filter(
            {name: str(value) for name, value in given.items() if value not in (None, "")}, user
        )


class ListedQuery(CallsQuery):
    before: str = Field("", max_length=80, description="`next` of the page before")


class CallShown(Body):
    """One call of a list. What the asker's role may not see is null."""

    id: UUID
    started_at: datetime
    state: str
    outcome: str | None
    caller: str | None
    dialled: str
    campaign: str | None
    publisher: str | None
    buyer: str | None
    target: str | None
    connected_ms: int | None
    converted: bool | None
    revenue_micros: int
    payout_micros: int
    tags: dict[str, Any]


class CallsPage(Page[CallShown]):
    """`searched_from` is set when a search stopped there before a page was full: `next` goes on from it."""

    searched_from: datetime | None = None


async def list_calls(asked: Asked) -> Answered | Problem | web.StreamResponse:
    query: ListedQuery = asked.query
    zone = zone_named(query.zone) or UTC
    wanted, below, viewer = (
        query.filter(asked.user),
        read_cursor({"before": query.before}),
        viewer_of(asked.user),
    )
    if below is None:
        await note_search(asked.engine, asked.actor, CALLS, wanted.caller)
    async with asked.engine.connect() as connection:
        span = await queries.searched_span(connection, wanted, span_of(wanted, zone), below)
        lines = await queries.read_calls(connection, wanted, span, below, maximum=PAGE_LENGTH + 1)
        page = lines[:PAGE_LENGTH]
        money = await queries.read_money(connection, [line.id for line in page])
    rest = place_after(page, more=len(lines) > PAGE_LENGTH, span=span)
    return Answered(
        content=CallsPage(
            items=[_shown(line, money.get(line.id, NO_MONEY), viewer) for line in page],
            next=None if rest is None else str(rest),
            searched_from=span.start if span.is_ours else None,
        )
    )


def _shown(line: CallLine, money: Money, viewer: Viewer) -> CallShown:
    values = {
        **asdict(line),
        **asdict(money),
        "tags": viewer.words(dict(line.tags)),
        "caller": viewer.caller(line.caller),
    }
    return CallShown(**values)


async def export_calls(asked: Asked) -> Answered | Problem | web.StreamResponse:
    query: CallsQuery = asked.query
    zone = zone_named(query.zone) or UTC
    return await send_csv(asked.request, asked.actor, query.filter(asked.user), zone)


async def show_call(asked: Asked) -> Answered | Problem | web.StreamResponse:
    facts = await read_call_facts(asked.engine, asked.path["id"])
    if facts is None:
        return not_found("call")
    viewer = viewer_of(asked.user)
    if viewer.sees(Seen.WHOLE_CALLER):
        await note_opened(asked.engine, asked.actor, facts.call.id)
    return Answered(content=_whole(facts, viewer))


def _whole(facts: CallFacts, viewer: Viewer) -> dict[str, Any]:
    whole = asdict(seen_facts(facts, viewer))
    if not viewer.sees(Seen.RECORDINGS):
        whole["recordings"] = []
    return {
        **whole,
        "revenue_micros": facts.revenue_micros,
        "payout_micros": facts.payout_micros,
        "margin_micros": facts.margin_micros,
    }


async def hear_recording(asked: Asked) -> Answered | Problem | web.StreamResponse:
    sent = await send_recording(asked.request, asked.actor, asked.path["id"], asked.path["part"])
    return not_found("recording") if sent is None else sent


class ReplayedShown(Body):
    sequence: int
    equal: bool
    detail: str


async def replay(asked: Asked) -> Answered | Problem | web.StreamResponse:
    again = await replay_call(asked.engine, asked.path["id"])
    items = [ReplayedShown(sequence=one.sequence, equal=one.equal, detail=one.detail) for one in again]
    return Answered(content=Page[ReplayedShown](items=items))


class SupposeWanted(Body):
    """Which decision is made again, and what should not have held one target."""

    sequence: int = Field(ge=1, le=2**31 - 1)
    target_id: int = Field(ge=1, le=2**63 - 1)
    without: list[str] = Field(min_length=1, max_length=len(Rule), description=", ".join(Rule))


class SupposedShown(Body):
    gets_it: bool
    chosen_target_id: int | None
    chosen: str | None
    reason: str
    unasked_stages: int


async def suppose(asked: Asked) -> Answered | Problem | web.StreamResponse:
    wanted: SupposeWanted = asked.body
    if unknown := set(wanted.without) - {rule.value for rule in Rule}:
        return refused(FieldProblem(field="without", problem=f"there is no rule {sorted(unknown)[0]!r:.60}"))
    rules = [rule for rule in Rule if rule.value in wanted.without]
    outcome = await what_if(asked.engine, asked.path["id"], wanted.sequence, wanted.target_id, rules)
    if isinstance(outcome, NotSupposed):
        return not_found("decision or target") if outcome.missing else conflict(outcome.problem)
    return Answered(
        content=SupposedShown(
            gets_it=outcome.gets_it,
            chosen_target_id=outcome.chosen_id,
            chosen=outcome.chosen,
            reason=outcome.reason,
            unasked_stages=outcome.unasked_stages,
        )
    )


class ViewShown(Body):
    id: int
    name: str
    query: str


class ViewWanted(Body):
    name: str = Field(min_length=1, max_length=view_queries.NAME_MAXIMUM)
    query: CallsQuery


async def list_views(asked: Asked) -> Answered | Problem | web.StreamResponse:
    async with asked.engine.connect() as connection:
        found = await view_queries.read_views(connection, asked.user.user_id)
    return Answered(content=Page[ViewShown](items=[ViewShown(**asdict(one)) for one in found]))


async def keep_view(asked: Asked) -> Answered | Problem | web.StreamResponse:
    wanted: ViewWanted = asked.body
    kept_filter = wanted.query.filter(asked.user)
    async with asked.engine.begin() as connection:
        kept = await view_queries.keep_view(connection, asked.user.user_id, wanted.name, kept_filter)
    if isinstance(kept, str):
        return refused(FieldProblem(field="name", problem=kept))
    return Answered(content=ViewShown(**asdict(kept)))


async def forget_view(asked: Asked) -> Answered | Problem | web.StreamResponse:
    async with asked.engine.begin() as connection:
        gone = await view_queries.forget_view(connection, asked.user.user_id, asked.path["id"])
    return Answered(status=204) if gone else not_found("view")


_CALL = {"id": UUID}


def _operation(method: str, path: str, name: str, summary: str, handler: Any, **more: Any) -> Operation:
    return Operation(
        method=method,
        path=path,
        name=name,
        summary=summary,
        tag="calls",
        handler=handler,
        roles=HOUSE,
        **more,
    )


OPERATIONS = (
    _operation(
        "GET", "/calls", "listCalls", "Calls, newest first", list_calls, query=ListedQuery, answer=CallsPage
    ),
    _operation(
        "GET",
        "/calls/export.csv",
        "exportCalls",
        "Calls as CSV",
        export_calls,
        query=CallsQuery,
        media="text/csv",
        problems=frozenset({503}),
    ),
    _operation(
        "GET",
        "/calls/views",
        "listCallViews",
        "Filters kept under a name",
        list_views,
        answer=Page[ViewShown],
    ),
    _operation(
        "POST",
        "/calls/views",
        "keepCallView",
        "Keep a filter under a name",
        keep_view,
        body=ViewWanted,
        answer=ViewShown,
        status=201,
    ),
    _operation(
        "DELETE",
        "/calls/views/{id}",
        "forgetCallView",
        "Forget a filter",
        forget_view,
        status=204,
        problems=frozenset({404}),
    ),
    _operation(
        "GET",
        "/calls/{id}",
        "showCall",
        "Everything that is known of a call",
        show_call,
        answer=dict[str, Any],
        path_types=_CALL,
        problems=frozenset({404}),
    ),
    _operation(
        "GET",
        "/calls/{id}/recordings/{part}",
        "hearRecording",
        "A part of a call's recording",
        hear_recording,
        media="audio/wav",
        path_types=_CALL,
        problems=frozenset({404}),
    ),
    _operation(
        "POST",
        "/calls/{id}/replay",
        "replayCall",
        "Make a call's decisions again",
        replay,
        answer=Page[ReplayedShown],
        path_types=_CALL,
    ),
    _operation(
        "POST",
        "/calls/{id}/what-if",
        "supposeForCall",
        "Decide again as if a target had not been held by its hours, caps, licences …",
        suppose,
        body=SupposeWanted,
        answer=SupposedShown,
        path_types=_CALL,
        problems=frozenset({404, 409}),
    ),
)
