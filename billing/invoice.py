"""Invoices to buyers and statements to publishers, as values; and the periods they are of. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.terms_document import CURRENCY, Party


class InvoiceKind(StrEnum):
    INVOICE = "invoice"
    STATEMENT = "statement"
    CREDIT_NOTE = "credit_note"


class InvoiceState(StrEnum):
    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"


SERIES = {InvoiceKind.INVOICE: "INV", InvoiceKind.STATEMENT: "ST", InvoiceKind.CREDIT_NOTE: "CN"}
KIND_OF = {Party.BUYER: InvoiceKind.INVOICE, Party.PUBLISHER: InvoiceKind.STATEMENT}


CALLER_OF_CALL = "{caller}"
"""Stands for the caller's number in a line that is stored: the number itself is sealed, with the call."""
ERASED_CALLER = "a number that was erased"


@dataclass(frozen=True, kw_only=True)
class InvoiceLine:
    """One transaction. Above zero the party owes it (a buyer), or is owed it (a publisher). Millionths of a dollar."""

    position: int
    transaction_id: int
    call_id: UUID | None
    happened_at: dt.datetime
    description: str
    connected_ms: int | None
    amount_micros: int
    evidence: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """A document of one party and period; its lines sum to its total. The end of the period is not in it."""

    id: int
    kind: InvoiceKind
    party: Party
    party_id: int
    party_name: str
    number: str | None
    state: InvoiceState
    period_start: dt.datetime
    period_end: dt.datetime
    time_zone: str
    total_micros: int
    due_micros: int
    """What of the total is paid in cash; the rest the calls took from the buyer's wallet when they were settled."""
    lines: tuple[InvoiceLine, ...]
    issued_at: dt.datetime | None = None
    corrects_number: str | None = None
    currency: str = CURRENCY

    @property
    def title(self) -> str:
        return f"{self.kind.value.replace('_', ' ').capitalize()} {self.number or '(draft)'}"

    @property
    def first_day(self) -> dt.date:
        return self.period_start.astimezone(ZoneInfo(self.time_zone)).date()

    @property
    def last_day(self) -> dt.date:
        last = self.period_end.astimezone(ZoneInfo(self.time_zone)) - dt.timedelta(microseconds=1)
        return last.date()


def period_of_month(month: dt.date, time_zone: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the instants at which a month begins and ends on a wall clock, in UTC."""
    first = month.replace(day=1)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    return period_of_days(first, following - dt.timedelta(days=1), time_zone)


def period_of_days(first: dt.date, last: dt.date, time_zone: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the instants at which the first day begins and the last one ends on a wall clock, in UTC."""
    return _midnight(first, time_zone), _midnight(last + dt.timedelta(days=1), time_zone)


def _midnight(day: dt.date, time_zone: str) -> dt.datetime:
    # A midnight that a clock change skips or repeats: the first instant of the day (fold 0).
    local = dt.datetime.combine(day, dt.time(), ZoneInfo(time_zone))
    return local.astimezone(dt.UTC)


def document_number(kind: InvoiceKind, year: int, number: int) -> str:
    """Return a number as it is printed: INV-2026-000042."""
    return f"{SERIES[kind]}-{year}-{number:06d}"


def may_become(state: InvoiceState, wanted: InvoiceState) -> bool:
    """Return whether an invoice of `state` may be brought to `wanted`."""
    return wanted in _NEXT[state]


_NEXT: Mapping[InvoiceState, frozenset[InvoiceState]] = {
    InvoiceState.DRAFT: frozenset({InvoiceState.ISSUED, InvoiceState.VOID}),
    InvoiceState.ISSUED: frozenset({InvoiceState.PAID, InvoiceState.VOID}),
    InvoiceState.PAID: frozenset(),
    InvoiceState.VOID: frozenset(),
}
