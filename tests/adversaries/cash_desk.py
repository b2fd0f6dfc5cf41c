"""Where money comes in and goes out. What really changed hands is noted for the accountant, once for each reference."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.invoice import Invoice
from billing.pay_invoice import pay_invoice
from billing.payments import Direction, Payment
from billing.post_once import Posted
from billing.record_payment import record_payment
from tests.adversaries.events import Cash, Happened
from tests.adversaries.market import Ids

_CASH = "SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_postings WHERE account = 'cash'"


class CashDesk:
    """One play's. Invoices and disputes that wait for somebody wait here."""

    def __init__(self, engine: AsyncEngine, ids: Ids, happened: Happened) -> None:
        self._engine, self._ids, self._happened = engine, ids, happened
        self.invoices: list[tuple[int, str]] = []
        """Issued invoices that nobody paid, and whose they are."""
        self.statements: list[tuple[int, str]] = []
        """The same of statements for publishers."""
        self.disputes: dict[int, UUID] = {}
        """Open disputes, and their calls."""

    async def top_up(self, buyer: str, amount_micros: int, reference: str) -> bool:
        """A buyer's payment arrives and is recorded as a top-up; say whether the house took it."""
        payment = Payment(
            direction=Direction.TOP_UP,
            party_id=self._ids.buyers[buyer],
            amount_micros=amount_micros,
            key=reference,
        )
        return await self.records(payment, buyer)

    async def records(self, payment: Payment, party: str) -> bool:
        """Record money that comes in or goes out. It changes hands once for each reference."""
        async with self._engine.begin() as connection:
            done = isinstance(await record_payment(connection, payment), Posted)
        sign = 1 if payment.direction is Direction.TOP_UP else -1
        if done:
            cash = Cash(party=party, amount_micros=sign * payment.amount_micros, reference=payment.key)
            self._happened.cash.setdefault(payment.key, cash)
        return done

    def note_credit(self, call_id: UUID, credit_micros: int, claw_back_micros: int) -> None:
        """The house gave something back."""
        credits, claw_backs = self._happened.credits, self._happened.claw_backs
        credits[call_id] = credits.get(call_id, 0) + credit_micros
        self._happened.credited_before[call_id] = len(self._happened.calls)
        claw_backs[call_id] = claw_backs.get(call_id, 0) + claw_back_micros

    async def pays_invoice(self, invoice_id: int, buyer: str, reference: str) -> None:
        """The wire of an invoice arrives: so much changes hands as its lines left due, once."""
        async with self._engine.begin() as connection:
            before = await connection.scalar(text(_CASH))
            paid = await pay_invoice(connection, invoice_id, datetime.now(UTC), key=reference)
            amount = await connection.scalar(text(_CASH)) - before
        if isinstance(paid, Invoice) and amount:
            cash = Cash(party=buyer, amount_micros=amount, reference=reference)
            self._happened.cash.setdefault(reference, cash)
