"""A party's own calls, figures, money and documents for machines: what its pages show, and no more."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from billing.account_queries import balance_of, entries_of
from billing.invoice import Invoice
from billing.terms_document import Party
from web.api.operation import (
    Answered,
    Asked,
    FieldProblem,
    Operation,
    Page,
    Problem,
    Query,
    not_found,
    refused,
)
from web.keys import Role
from web.look_ups import CALLS, note_export, note_opened, note_search
from web.portal import call_queries
from web.portal.figures import LAST_DAYS, read_days
from web.portal.invoice_queries import read_own_invoices
from web.portal.invoices import own_invoice
from web.portal.keyset import id_of
from web.portal.listing import PAGE_LENGTH, Cursor, OwnFilter, read_cursor
from web.tenancy import party_id_of
from web.zones import zone_named

PARTIES = frozenset({Role.BUYER, Role.PUBLISHER})
TAG = "own"
DAYS_MAXIMUM = 366
NO_ZONE = FieldProblem(field="zone", problem="there is no such time zone")
CALL = {"id": UUID}
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


class PeriodQuery(Query):
    """Days from the first to the last, on the calendar of `zone`; without them the last thirty."""

    first: date | None = Field(None, alias="from", ge=FIRST_DAY, le=LAST_DAY)
    last: date | None = Field(None, alias="to", ge=FIRST_DAY, le=LAST_DAY)
    zone: str = Field("UTC", max_length=60)

    def days(self, now: datetime) -> tuple[date, date, ZoneInfo] | Problem:
        zone = zone_named(self.zone)
        if zone is None:
            return refused(NO_ZONE)
        last = self.last or now.astimezone(zone).date()
        first = self.first or last - timedelta(days=LAST_DAYS - 1)
        if first > last or (last - first).days >= DAYS_MAXIMUM:
            problem = f"the period is 1 to {DAYS_MAXIMUM} days"
            return refused(FieldProblem(field="from", problem=problem))
        return first, last, zone


class DayShown(BaseModel):
    """A day's figures. `amount_micros` is what a buyer spent or a publisher earned, millionths of a dollar."""

    day: date
    calls: int
    connected: int
    converted: int
    connected_ms: int
    amount_micros: int


class OwnCallShown(BaseModel):
    """A call. `caller` is masked for publishers; `why` says why nothing is paid, where the own terms say so."""

    id: UUID
    started_at: datetime
    ended_at: datetime | None
    state: str
    caller: str | None
    campaign: str | None
    place: str | None
    connected_ms: int | None
    converted: bool | None
    verdict: str | None
    why: str
    amount_micros: int


class OwnCallsQuery(PeriodQuery):
    caller: str = Field(
        "", pattern="^[0-9]{0,15}$", description="a whole number, or an area code; buyers only"
    )
    place: int | None = Field(None, ge=1, le=2**63 - 1, description="a target, or a number, by its id")
    paid: Literal["", "yes", "no"] = ""
    cursor: str = Field("", max_length=80)


class EntryShown(BaseModel):
    """What moved money on the own account; above zero the party is better off."""

    transaction_id: int
    kind: str
    words: str
    posted_at: datetime
    call_id: UUID | None
    note: str
    amount_micros: int


class AccountShown(Page[EntryShown]):
    """What is to the party's good (below zero: what it owes), and what moved, newest first."""

    balance_micros: int


class CursorQuery(Query):
    cursor: str = Field("", pattern="^[0-9]{0,18}$")


class DocumentShown(BaseModel):
    """An invoice or statement without its lines."""

    id: int
    number: str | None
    kind: str
    state: str
    period_start: datetime
    period_end: datetime
    time_zone: str
    total_micros: int


class LineShown(BaseModel):
    position: int
    transaction_id: int
    call_id: UUID | None
    happened_at: datetime
    description: str
    connected_ms: int | None
    amount_micros: int


class DocumentWithLines(DocumentShown):
    lines: list[LineShown]


def call_shown(call: call_queries.OwnCall) -> OwnCallShown:
    told = {name: getattr(call, name) for name in OwnCallShown.model_fields if name not in ("verdict", "why")}
    verdict = (call.verdict or {}).get("verdict")
    return OwnCallShown(**told, verdict=verdict, why=call.why)


def document_shown(document: Any) -> DocumentShown:
    """Return a row of invoices, or an invoice, without its lines."""
    return DocumentShown(**{name: getattr(document, name) for name in DocumentShown.model_fields})


def with_lines(invoice: Invoice) -> DocumentWithLines:
    lines = [
        LineShown(**{name: getattr(line, name) for name in LineShown.model_fields}) for line in invoice.lines
    ]
    return DocumentWithLines(**document_shown(invoice).model_dump(), lines=lines)


async def _days(asked: Asked) -> Answered | Problem:
    period = asked.query.days(asked.now)
    if isinstance(period, Problem):
        return period
    async with asked.engine.connect() as connection:
        found = await read_days(connection, asked.user, *period) or []
    of_buyer = asked.user.role is Role.BUYER
    return Answered(
        content=[
            DayShown(
                day=day.day,
                calls=day.measures.calls,
                connected=day.measures.connected,
                converted=day.measures.converted,
                connected_ms=day.measures.connected_ms,
                amount_micros=day.measures.revenue_micros if of_buyer else day.measures.payout_micros,
            )
            for day in found
        ]
    )


async def _calls(asked: Asked) -> Answered | Problem:
    query = asked.query
    zone = zone_named(query.zone)
    if zone is None:
        return refused(NO_ZONE)
    wanted = OwnFilter(
        caller=query.caller, place_id=query.place, paid=query.paid, first=query.first, last=query.last
    )
    below = read_cursor({"before": query.cursor})
    if query.cursor and below is None:
        return refused(FieldProblem(field="cursor", problem="not one of ours"))
    if below is None and call_queries.searches_callers(asked.user):
        await note_search(asked.engine, asked.actor, CALLS, wanted.caller)
    async with asked.engine.connect() as connection:
        found = await call_queries.read_own_calls(
            connection, asked.user, wanted, below, zone, maximum=PAGE_LENGTH + 1
        )
    page = found[:PAGE_LENGTH]
    last = page[-1] if len(found) > PAGE_LENGTH else None
    following = last and str(Cursor(started_at=last.started_at, call_id=last.id))
    return Answered(content=Page[OwnCallShown](items=[call_shown(call) for call in page], next=following))


async def _call(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await call_queries.read_own_call(connection, asked.user, asked.path["id"])
    if found is None:
        return not_found("call")
    await note_opened(asked.engine, asked.actor, found.id)
    return Answered(content=call_shown(found))


async def _account(asked: Asked) -> Answered | Problem:
    party_id = party_id_of(asked.user)
    if party_id is None:
        return not_found("account")
    party = Party(asked.user.role.value)
    async with asked.engine.connect() as connection:
        balance = await balance_of(connection, party, party_id)
        found = await entries_of(
            connection, party, party_id, below_id=id_of(asked.query.cursor), limit=PAGE_LENGTH + 1
        )
    page = found[:PAGE_LENGTH]
    items = [EntryShown(**{name: getattr(entry, name) for name in EntryShown.model_fields}) for entry in page]
    following = str(page[-1].transaction_id) if len(found) > PAGE_LENGTH else None
    return Answered(content=AccountShown(balance_micros=balance, items=items, next=following))


async def _documents(asked: Asked) -> Answered | Problem:
    below = id_of(asked.query.cursor)
    async with asked.engine.connect() as connection:
        found = await read_own_invoices(connection, asked.user, below_id=below, limit=PAGE_LENGTH + 1)
    page = found[:PAGE_LENGTH]
    following = str(page[-1].id) if len(found) > PAGE_LENGTH else None
    return Answered(content=Page[DocumentShown](items=[document_shown(row) for row in page], next=following))


async def _document(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        found = await own_invoice(connection, asked.user, asked.path["id"])
        if found is not None:
            await note_export(connection, asked.actor, "invoices", found.id, {"format": "json"})
    return not_found("document") if found is None else Answered(content=with_lines(found))


def _read(path: str, name: str, summary: str, **more: Any) -> Operation:
    return Operation(method="GET", path=path, name=name, summary=summary, tag=TAG, roles=PARTIES, **more)


OPERATIONS = (
    _read(
        "/own/days",
        "list_own_days",
        "Your figures day by day, the newest first",
        handler=_days,
        query=PeriodQuery,
        answer=list[DayShown],
        problems=frozenset({422}),
    ),
    _read(
        "/own/calls",
        "list_own_calls",
        "Your calls, newest first",
        handler=_calls,
        query=OwnCallsQuery,
        answer=Page[OwnCallShown],
        problems=frozenset({422}),
    ),
    _read(
        "/own/calls/{id}",
        "read_own_call",
        "One of your calls",
        handler=_call,
        path_types=CALL,
        answer=OwnCallShown,
    ),
    _read(
        "/own/account",
        "read_own_account",
        "What you have or owe, and what moved",
        handler=_account,
        query=CursorQuery,
        answer=AccountShown,
        problems=frozenset({404}),
    ),
    _read(
        "/own/documents",
        "list_own_documents",
        "Your invoices, or statements",
        handler=_documents,
        query=CursorQuery,
        answer=Page[DocumentShown],
    ),
    _read(
        "/own/documents/{id}",
        "read_own_document",
        "One of them with its lines",
        handler=_document,
        answer=DocumentWithLines,
    ),
)
