"""Makes, issues and voids invoices and statements; each step is one transaction. Paying: pay_invoice.py."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import invoice_queries as queries
from billing import ledger
from billing.invoice import (
    CALLER_OF_CALL,
    KIND_OF,
    SERIES,
    Invoice,
    InvoiceKind,
    InvoiceState,
    document_number,
    may_become,
    period_of_days,
)
from billing.terms_document import Party
from rules.masking import masked_number
from rules.money import format_dollars

MAXIMUM_LINES = 200_000


@dataclass(frozen=True, kw_only=True)
class InvoiceRefused:
    """Nothing was written."""

    reason: str


async def make_invoice(
    connection: AsyncConnection, party: Party, party_id: int, first: dt.date, last: dt.date
) -> Invoice | InvoiceRefused:
    """Draft an invoice or statement of the days from `first` to `last`, in the party's own time zone.

    What came too late for the invoice of its own period is on this one. The caller commits.
    """
    owner = await queries.owner_of(connection, party, party_id)
    if owner is None:
        return InvoiceRefused(reason=f"there is no {party.value} {party_id}")
    if last < first:
        return InvoiceRefused(reason="the period ends before it begins")
    start, end = period_of_days(first, last, owner.time_zone)
    rows = await queries.to_invoice(
        connection, party, party_id, _accounts(party, party_id), until=end, limit=MAXIMUM_LINES + 1
    )
    if not rows:
        return InvoiceRefused(reason="there is nothing to invoice up to the end of that period")
    if len(rows) > MAXIMUM_LINES:
        return InvoiceRefused(reason=f"more than {MAXIMUM_LINES} lines: make invoices of shorter periods")
    sign = 1 if party is Party.BUYER else -1
    invoice_id = await queries.insert_invoice(
        connection,
        {
            "kind": KIND_OF[party].value,
            "party": party.value,
            "party_id": party_id,
            "period_start": start,
            "period_end": end,
            "time_zone": owner.time_zone,
            "total_micros": sign * sum(row.amount for row in rows),
        },
    )
    await queries.insert_lines(
        connection, [_line(invoice_id, n, row, party, party_id, sign, start) for n, row in enumerate(rows, 1)]
    )
    made = await queries.read_invoice(connection, invoice_id)
    assert made is not None
    return made


async def issue_invoice(
    connection: AsyncConnection, invoice_id: int, now: dt.datetime
) -> Invoice | InvoiceRefused:
    """Give a draft its number; from now on only a credit note takes it back. The caller commits."""
    row = await queries.lock_invoice(connection, invoice_id)
    refused = why_not(row, InvoiceState.ISSUED)
    if refused is not None:
        return refused
    number = await _number(connection, InvoiceKind(row.kind), row.time_zone, now)
    said = {"state": InvoiceState.ISSUED.value, "number": number, "issued_at": now}
    await queries.update_invoice(connection, invoice_id, said)
    return await read_made(connection, invoice_id)


async def void_invoice(
    connection: AsyncConnection, invoice_id: int, now: dt.datetime
) -> Invoice | InvoiceRefused:
    """Take an invoice back; return the credit note of an issued one, or the voided draft. The caller commits.

    Its transactions may be invoiced again. What the calls came to is not touched: that is what disputes are for.
    """
    row = await queries.lock_invoice(connection, invoice_id)
    refused = why_not(row, InvoiceState.VOID)
    if refused is not None:
        return refused
    await queries.let_lines_go(connection, invoice_id)
    await queries.update_invoice(connection, invoice_id, {"state": InvoiceState.VOID.value, "closed_at": now})
    if row.state == InvoiceState.DRAFT:
        return await read_made(connection, invoice_id)
    kept = ("party", "party_id", "period_start", "period_end", "time_zone", "currency")
    note_id = await queries.insert_invoice(
        connection,
        {
            **{name: getattr(row, name) for name in kept},
            "kind": InvoiceKind.CREDIT_NOTE.value,
            "number": await _number(connection, InvoiceKind.CREDIT_NOTE, row.time_zone, now),
            "state": InvoiceState.PAID.value,
            "total_micros": -row.total_micros,
            "issued_at": now,
            "closed_at": now,
            "corrects_id": invoice_id,
        },
    )
    return await read_made(connection, note_id)


async def _number(connection: AsyncConnection, kind: InvoiceKind, time_zone: str, now: dt.datetime) -> str:
    """Return the next number of the year on the party's calendar."""
    year = now.astimezone(ZoneInfo(time_zone)).year
    return document_number(kind, year, await queries.next_number(connection, f"{SERIES[kind]}-{year}"))


async def read_made(connection: AsyncConnection, invoice_id: int) -> Invoice:
    """Return an invoice that is there."""
    found = await queries.read_invoice(connection, invoice_id)
    assert found is not None
    return found


def why_not(row: Any, wanted: InvoiceState) -> InvoiceRefused | None:
    """Return why an invoice cannot be brought to a state; None when it can."""
    if row is None:
        return InvoiceRefused(reason="there is no such invoice")
    if row.kind == InvoiceKind.CREDIT_NOTE:
        return InvoiceRefused(reason=f"{row.number} is a credit note: it stays as it is")
    state = InvoiceState(row.state)
    if may_become(state, wanted):
        return None
    advice = "; what was paid is given back as an adjustment" if state is InvoiceState.PAID else ""
    return InvoiceRefused(
        reason=f"{row.number or 'the draft'} is {state.value} and cannot become {wanted}{advice}"
    )


def _accounts(party: Party, party_id: int) -> tuple[str, ...]:
    if party is Party.PUBLISHER:
        return (ledger.publisher_payable(party_id),)
    return ledger.buyer_receivable(party_id), ledger.buyer_wallet(party_id)


def _line(
    invoice_id: int, position: int, row: Any, party: Party, party_id: int, sign: int, start: dt.datetime
) -> dict[str, Any]:
    amount = sign * row.amount
    return {
        "invoice_id": invoice_id,
        "position": position,
        "party": party.value,
        "party_id": party_id,
        "transaction_id": row.transaction_id,
        "call_id": row.call_id,
        "happened_at": row.happened_at,
        "description": _description(row, party, early=row.happened_at < start),
        "connected_ms": row.connected_ms if row.kind == ledger.SETTLEMENT else None,
        "amount_micros": amount,
        "evidence": _evidence(row, party),
    }


_WORDS: Sequence[tuple[str, str]] = (
    ("settlement", "Call"),
    ("dispute_opened", "Call under dispute, not owed until it is decided"),
    ("dispute_moved", "Call under dispute, owed until it is decided"),
    ("dispute_decided", "Dispute decided"),
    ("adjustment", "Adjustment"),
    ("sale", "Sale reported"),
)


def _description(row: Any, party: Party, *, early: bool) -> str:
    words = next(
        (words for kind, words in _WORDS if row.kind.split(":")[0] == kind), row.kind.replace("_", " ")
    )
    if row.kind == ledger.SETTLEMENT:
        words = f"Call from {_caller(row.caller, party) or 'a withheld number'}"
    elif isinstance(row.detail, Mapping) and row.detail.get("reason"):
        words += f": {str(row.detail['reason'])[:200]}"
    return f"{words} (of an earlier period)" if early else words


def _caller(number: str | None, party: Party) -> str | None:
    """A publisher is not told its callers' whole numbers; a buyer's line says them as long as the call does."""
    if number is None or party is Party.PUBLISHER:
        return masked_number(number)
    return CALLER_OF_CALL


def _evidence(row: Any, party: Party) -> dict[str, Any]:
    """Return what a call's line is computed from, so that the party can do it again."""
    evidence: dict[str, Any] = {"kind": row.kind, "corrects": row.corrects_id}
    if row.kind != ledger.SETTLEMENT or not row.conversion:
        return evidence
    conversion = row.conversion
    judged = conversion.get(party.value)
    witnesses = row.evidence or {}
    return evidence | {
        "terms_id": conversion.get(f"{party.value}_terms_id"),
        "judged": judged,
        # The verdict's own words tell of both parties.
        "detail": judged.get("detail") if judged else None,
        "witness": witnesses.get("witness"),
        "answered_ms": witnesses.get("answered_ms"),
        "ended_ms": witnesses.get("ended_ms"),
        # Where the wall clock was set while they talked.
        **({"clock_stepped_ms": stepped} if (stepped := witnesses.get("leg_clock_stepped_ms")) else {}),
    }


def total_text(invoice: Invoice) -> str:
    """Return the total for people."""
    return f"{format_dollars(invoice.total_micros)} {invoice.currency}"
