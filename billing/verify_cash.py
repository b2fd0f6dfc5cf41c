"""Proves that cash, receivables, payables, wallets and invoices agree: what was paid was due, and was paid once."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import verify_cash_queries as queries
from billing.findings import Finding, Problem
from billing.payments import CASH_KINDS, USES
from rules.money import format_dollars


async def cash_findings(connection: AsyncConnection, limit: int) -> list[Finding]:
    """Return what does not agree, at most `limit` of each kind. Raises what the database raises."""
    return [
        *await _of_invoices(connection, limit),
        *await _of_payments(connection, limit),
    ]


async def _of_invoices(connection: AsyncConnection, limit: int) -> list[Finding]:
    findings = []
    for row in await queries.invoices_not_as_posted(connection, limit):
        detail = (
            f"{row.number or f'draft {row.id}'} says {format_dollars(row.total_micros)}: its lines sum to"
            f" {format_dollars(row.lines)}, their transactions posted {format_dollars(row.posted)}"
        )
        findings.append(Finding(problem=Problem.INVOICE_NOT_AS_POSTED, detail=detail))
    for row in await queries.invoices_not_as_paid(connection, limit):
        detail = (
            f"{row.number} is {row.state}: {format_dollars(row.due)} of it is due on {row.account},"
            f" {format_dollars(row.paid)} was paid"
        )
        findings.append(Finding(problem=Problem.INVOICE_NOT_AS_PAID, detail=detail))
    return findings


async def _of_payments(connection: AsyncConnection, limit: int) -> list[Finding]:
    findings = []
    for row in await queries.stray_cash(connection, CASH_KINDS, limit):
        detail = f"transaction {row.transaction_id} ({row.kind}) moves {format_dollars(row.cash)} of cash"
        detail += " and is no payment that anything names"
        findings.append(
            Finding(problem=Problem.STRAY_CASH, detail=detail, transaction_id=int(row.transaction_id))
        )
    for row in await queries.recorded_twice(connection, USES, limit):
        uses = ", ".join(f"{use} {id_}" for use, id_ in zip(row.uses, row.ids, strict=True))
        detail = f"payment {row.key!r} was recorded {len(row.ids)} times: transactions {uses}"
        findings.append(
            Finding(problem=Problem.PAYMENT_RECORDED_TWICE, detail=detail, transaction_id=int(row.ids[-1]))
        )
    for row in await queries.paid_too_much(connection, USES, limit):
        detail = f"{row.kind} paid {row.party} {format_dollars(row.too_much)} more than it had"
        findings.append(
            Finding(problem=Problem.PAID_TOO_MUCH, detail=detail, transaction_id=int(row.transaction_id))
        )
    return findings
