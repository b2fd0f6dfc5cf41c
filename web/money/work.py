"""What the house does with money by its pages and API: each step one transaction with its note in the audit log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.adjustments import Adjustment
from billing.dispute_calls import (
    DisputeDecided,
    DisputeOpened,
    DisputeRefused,
    decide_dispute,
    reopen_dispute,
)
from billing.invoice import Invoice
from billing.make_invoice import InvoiceRefused, issue_invoice, make_invoice, void_invoice
from billing.money_import import (
    FileKind,
    Imported,
    ImportRefused,
    import_money,
)
from billing.money_queries import is_prepaid
from billing.pay_invoice import pay_invoice
from billing.payments import Payment, party_of
from billing.post_adjustment import AdjustmentRefused, post_adjustment
from billing.post_once import KeyTaken, Posted
from billing.record_payment import PaymentRefused, record_payment
from billing.terms_document import Party
from web.audit import Actor, write_audit
from web.money.queries import party_exists
from web.upload_limits import count_file

AMOUNT_MAXIMUM_MICROS = 10**15
KEY_CHARACTERS_MAXIMUM = 100

Step = Callable[..., Awaitable[Invoice | InvoiceRefused]]
STEPS: dict[str, Step] = {"issue": issue_invoice, "pay": pay_invoice, "void": void_invoice}


async def pay(connection: AsyncConnection, actor: Actor, payment: Payment) -> Posted | PaymentRefused | str:
    """Record money that came in or went out; a text says why not. The caller commits."""
    if not 0 < payment.amount_micros <= AMOUNT_MAXIMUM_MICROS:
        return "An amount is above zero."
    if not _is_key(payment.key):
        return f"A reference has 1 to {KEY_CHARACTERS_MAXIMUM} printable characters."
    party = party_of(payment.direction)
    if not await party_exists(connection, party, payment.party_id):
        return f"There is no such {party.value}."
    posted = await record_payment(connection, payment)
    if isinstance(posted, Posted) and posted.new:
        said = {"amount_micros": payment.amount_micros, "key": payment.key, "note": payment.note}
        await write_audit(
            connection,
            actor,
            action=payment.direction.value,
            kind=f"{party.value}s",
            ref=payment.party_id,
            after=said,
        )
    return posted


def _is_key(key: str) -> bool:
    return 0 < len(key) <= KEY_CHARACTERS_MAXIMUM and key.isprintable()


async def adjust(
    connection: AsyncConnection,
    actor: Actor,
    *,
    party: Party,
    party_id: int,
    amount_micros: int,
    key: str,
    reason: str,
    call_id: UUID | None = None,
) -> Posted | KeyTaken | AdjustmentRefused | str:
    """Post a correction by hand; a text says why not. The caller commits."""
    if amount_micros == 0 or abs(amount_micros) > AMOUNT_MAXIMUM_MICROS:
        return "An adjustment is an amount other than nothing."
    if not _is_key(key) or not reason.strip():
        return f"Give a reference of 1 to {KEY_CHARACTERS_MAXIMUM} characters, and a reason."
    if not await party_exists(connection, party, party_id):
        return f"There is no such {party.value}."
    adjustment = Adjustment(
        party=party,
        party_id=party_id,
        amount_micros=amount_micros,
        key=key,
        reason=reason.strip(),
        call_id=call_id,
        prepaid=party is Party.BUYER and await is_prepaid(connection, party_id),
    )
    posted = await post_adjustment(connection, adjustment)
    if isinstance(posted, Posted) and posted.new:
        said = {"amount_micros": amount_micros, "key": key, "reason": reason.strip()}
        await write_audit(
            connection, actor, action="adjust", kind=f"{party.value}s", ref=party_id, after=said
        )
    return posted


async def import_file(
    engine: AsyncEngine, actor: Actor, data: bytes, kind: FileKind, *, write: bool
) -> Imported | ImportRefused:
    """Post every row of a CSV file, or nothing when one is wrong; without `write`, only say what would be done.

    Raises TooManyFiles.
    """
    if actor.user is not None:
        await count_file(engine, actor.user.user_id, len(data))
    done = await import_money(engine, data, kind, write=write)
    if isinstance(done, Imported) and done.written and done.new:
        said = {
            "new": done.new,
            "to_buyers_micros": done.to_buyers_micros,
            "to_publishers_micros": done.to_publishers_micros,
        }
        async with engine.begin() as connection:
            await write_audit(connection, actor, action="import", kind=kind.value, ref="file", after=said)
    return done


async def rule(
    connection: AsyncConnection,
    actor: Actor,
    dispute_id: int,
    *,
    credit_micros: int | None,
    claw_back_micros: int | None,
    answer: str,
    now: dt.datetime,
) -> DisputeDecided | DisputeRefused:
    """Decide a dispute: None credits the whole price, 0 refuses. The caller commits."""
    done = await decide_dispute(
        connection,
        dispute_id,
        credit_micros=credit_micros,
        claw_back_micros=claw_back_micros,
        answer=answer,
        now=now,
    )
    if isinstance(done, DisputeDecided):
        said = {
            "state": done.state.value,
            "credit_micros": done.credit_micros,
            "claw_back_micros": done.claw_back_micros,
            "answer": answer,
        }
        await write_audit(connection, actor, action="rule", kind="disputes", ref=dispute_id, after=said)
    return done


async def reopen(
    connection: AsyncConnection, actor: Actor, dispute_id: int, *, note: str, now: dt.datetime
) -> DisputeOpened | DisputeRefused:
    """Open a refused dispute again. The caller commits."""
    done = await reopen_dispute(connection, dispute_id, note=note, now=now)
    if isinstance(done, DisputeOpened):
        said = {"reopened_as": done.dispute_id, "note": note}
        await write_audit(connection, actor, action="reopen", kind="disputes", ref=dispute_id, after=said)
    return done


async def draft(
    connection: AsyncConnection, actor: Actor, party: Party, party_id: int, first: dt.date, last: dt.date
) -> Invoice | InvoiceRefused:
    """Draft an invoice or statement of the days. The caller commits."""
    made = await make_invoice(connection, party, party_id, first, last)
    if isinstance(made, Invoice):
        await _note(connection, actor, "draft", made)
    return made


async def step(
    connection: AsyncConnection,
    actor: Actor,
    invoice_id: int,
    action: str,
    now: dt.datetime,
    *,
    key: str = "",
    from_wallet: bool = False,
) -> Invoice | InvoiceRefused:
    """Issue, pay or void an invoice; voiding an issued one returns its credit note. The caller commits.

    `key` and `from_wallet` say by which payment one is paid.
    """
    if key and not _is_key(key):
        return InvoiceRefused(reason=f"a reference has 1 to {KEY_CHARACTERS_MAXIMUM} printable characters")
    paying = {"key": key, "from_wallet": from_wallet} if action == "pay" else {}
    done = await STEPS[action](connection, invoice_id, now, **paying)
    if isinstance(done, Invoice):
        await _note(connection, actor, action, done, invoice_id, **{k: v for k, v in paying.items() if v})
    return done


async def _note(
    connection: AsyncConnection,
    actor: Actor,
    action: str,
    invoice: Invoice,
    invoice_id: int | None = None,
    **more: Any,
) -> None:
    said: dict[str, Any] = {
        "number": invoice.number,
        "state": invoice.state.value,
        "total_micros": invoice.total_micros,
        **more,
    }
    await write_audit(
        connection, actor, action=action, kind="invoices", ref=invoice_id or invoice.id, after=said
    )
