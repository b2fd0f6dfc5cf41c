"""The SQL of invoices and statements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import DateTime, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger
from billing.invoice import CALLER_OF_CALL, ERASED_CALLER, Invoice, InvoiceKind, InvoiceLine, InvoiceState
from billing.terms_document import Party
from store.sealed_columns import CALLER, SealedText
from store.tables import buyers, calls, invoice_lines, invoices, publishers

_OWNERS = {Party.BUYER: buyers, Party.PUBLISHER: publishers}

# What touched the party's accounts before the end of the period and stands on no invoice yet; payments do not. What
# came too late for the invoice of its own period is on the next. A line's moment is its call's, else the posting's.
_TO_INVOICE = text(
    """
    WITH moved AS (
        SELECT p.transaction_id, sum(p.amount_micros)::bigint AS amount
        FROM ledger_postings p WHERE p.account = ANY (:accounts)
        GROUP BY p.transaction_id HAVING sum(p.amount_micros) <> 0
    )
    SELECT t.id AS transaction_id, t.kind, t.detail, t.corrects_id, c.id AS call_id, c.connected_ms,
        c.caller_sealed AS caller,
        coalesce(CASE WHEN t.kind = 'settlement' THEN c.started_at END, t.posted_at) AS happened_at,
        c.started_at, c.conversion, c.evidence, m.amount
    FROM moved m JOIN ledger_transactions t ON t.id = m.transaction_id
    LEFT JOIN calls c ON c.id = t.call_id
    WHERE coalesce(CASE WHEN t.kind = 'settlement' THEN c.started_at END, t.posted_at) < :until
        AND NOT EXISTS (SELECT FROM ledger_postings x WHERE x.transaction_id = t.id AND x.account = 'cash')
        AND NOT EXISTS (SELECT FROM invoice_lines l WHERE l.live AND l.party = :party
            AND l.party_id = :party_id AND l.transaction_id = t.id)
    ORDER BY happened_at, t.id LIMIT :limit
    """
).bindparams(bindparam("until", type_=DateTime(timezone=True)))
_TO_INVOICE_OPENED = _TO_INVOICE.columns(caller=SealedText(CALLER))


async def to_invoice(
    connection: AsyncConnection,
    party: Party,
    party_id: int,
    accounts: Sequence[str],
    *,
    until: dt.datetime,
    limit: int,
) -> Sequence[Any]:
    """Return the transactions of the party's accounts that stand on no invoice yet, oldest first."""
    key = f"invoice:{party.value}:{party_id}"
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 8))"), {"key": key})
    values = {
        "accounts": list(accounts),
        "until": until,
        "party": party.value,
        "party_id": party_id,
        "limit": limit,
    }
    return (await connection.execute(_TO_INVOICE_OPENED, values)).all()


async def owner_of(connection: AsyncConnection, party: Party, party_id: int) -> Any:
    """Return name and time_zone of a buyer or publisher; None when there is none."""
    owner = _OWNERS[party]
    query = select(owner.c.name, owner.c.time_zone).where(owner.c.id == party_id)
    return (await connection.execute(query)).one_or_none()


async def insert_invoice(connection: AsyncConnection, said: dict[str, Any]) -> int:
    return int(
        (await connection.execute(insert(invoices).values(**said).returning(invoices.c.id))).scalar_one()
    )


async def insert_lines(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(invoice_lines), rows)


_NEXT_NUMBER = text(
    """
    INSERT INTO invoice_numbers AS n (series, last) VALUES (:series, 1)
    ON CONFLICT (series) DO UPDATE SET last = n.last + 1 RETURNING last
    """
)


async def next_number(connection: AsyncConnection, series: str) -> int:
    """Return the next number of a series. It is given out when the transaction commits, and to nobody else before."""
    return int((await connection.execute(_NEXT_NUMBER, {"series": series})).scalar_one())


async def lock_invoice(connection: AsyncConnection, invoice_id: int) -> Any:
    """Return the invoice's own row, locked; None when there is none."""
    query = select(invoices).where(invoices.c.id == invoice_id).with_for_update()
    return (await connection.execute(query)).one_or_none()


async def update_invoice(connection: AsyncConnection, invoice_id: int, said: dict[str, Any]) -> None:
    await connection.execute(update(invoices).where(invoices.c.id == invoice_id).values(**said))


async def let_lines_go(connection: AsyncConnection, invoice_id: int) -> None:
    """The transactions of a voided invoice may be invoiced again."""
    await connection.execute(
        update(invoice_lines).where(invoice_lines.c.invoice_id == invoice_id).values(live=False)
    )


async def invoice_id_of(connection: AsyncConnection, named: str) -> int | None:
    """Return the invoice with this number, or this id."""
    found = await connection.scalar(select(invoices.c.id).where(invoices.c.number == named))
    if found is None and named.isascii() and named.isdigit() and len(named) < 19:
        found = await connection.scalar(select(invoices.c.id).where(invoices.c.id == int(named)))
    return found


_DUE = text(
    """
    SELECT coalesce(sum(p.amount_micros), 0)::bigint
    FROM invoice_lines l JOIN ledger_postings p ON p.transaction_id = l.transaction_id AND p.account = :account
    WHERE l.invoice_id = :invoice_id
    """
)


async def due_of(connection: AsyncConnection, party: Party, party_id: int, invoice_id: int) -> int:
    """Return what its lines charged to the buyer's receivable, or owe the publisher: due in cash, in micros."""
    sells = party is Party.PUBLISHER
    account = ledger.publisher_payable(party_id) if sells else ledger.buyer_receivable(party_id)
    posted = int(await connection.scalar(_DUE, {"account": account, "invoice_id": invoice_id}) or 0)
    return -posted if sells else posted


async def read_invoice(connection: AsyncConnection, invoice_id: int) -> Invoice | None:
    """Return an invoice with its lines; None when there is none."""
    corrected = invoices.alias("corrected")
    query = (
        select(invoices, corrected.c.number.label("corrects_number"))
        .outerjoin(corrected, corrected.c.id == invoices.c.corrects_id)
        .where(invoices.c.id == invoice_id)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    party = Party(row.party)
    owner = await owner_of(connection, party, row.party_id)
    return Invoice(
        id=row.id,
        kind=InvoiceKind(row.kind),
        party=party,
        party_id=row.party_id,
        party_name=owner.name if owner else f"{row.party} {row.party_id}",
        number=row.number,
        state=InvoiceState(row.state),
        period_start=row.period_start,
        period_end=row.period_end,
        time_zone=row.time_zone,
        total_micros=row.total_micros,
        due_micros=(-1 if row.corrects_id else 1)
        * await due_of(connection, party, row.party_id, row.corrects_id or row.id),
        lines=await _lines(connection, row.corrects_id or row.id, credit=row.corrects_id is not None),
        issued_at=row.issued_at,
        corrects_number=row.corrects_number,
    )


async def _lines(connection: AsyncConnection, invoice_id: int, *, credit: bool) -> tuple[InvoiceLine, ...]:
    """A credit note has the lines of what it takes back, turned round."""
    query = (
        select(invoice_lines, calls.c.caller_sealed)
        .outerjoin(calls, calls.c.id == invoice_lines.c.call_id)
        .where(invoice_lines.c.invoice_id == invoice_id)
        .order_by(invoice_lines.c.position)
    )
    return tuple(
        InvoiceLine(
            position=row.position,
            transaction_id=row.transaction_id,
            call_id=row.call_id,
            happened_at=row.happened_at,
            description=_description(row),
            connected_ms=row.connected_ms,
            amount_micros=-row.amount_micros if credit else row.amount_micros,
            evidence=row.evidence,
        )
        for row in await connection.execute(query)
    )


def _description(row: Any) -> str:
    """Return a line's words, with the number of its caller where it is a buyer's line of a call."""
    if row.party != Party.BUYER.value or row.connected_ms is None:
        return str(row.description)
    return str(row.description).replace(CALLER_OF_CALL, row.caller_sealed or ERASED_CALLER)


async def terms_used(connection: AsyncConnection, party: Party, ids: Sequence[int]) -> Sequence[Any]:
    """Return the rows of the terms with these ids."""
    table = "buyer_terms" if party is Party.BUYER else "publisher_terms"
    query = text(f"SELECT * FROM {table} WHERE id = ANY (:ids) ORDER BY id")  # noqa: S608 (one of two constants)
    return (await connection.execute(query, {"ids": list(ids)})).all()


async def list_invoices(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return the newest invoices, without their lines."""
    name = text("coalesce(b.name, p.name) AS party_name")
    query = (
        select(invoices, name)
        .select_from(
            invoices.outerjoin(
                buyers.alias("b"), text("b.id = invoices.party_id AND invoices.party = 'buyer'")
            ).outerjoin(
                publishers.alias("p"), text("p.id = invoices.party_id AND invoices.party = 'publisher'")
            )
        )
        .order_by(invoices.c.id.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).all()
