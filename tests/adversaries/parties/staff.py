"""Staff of the house, or who has its password, move money: refunds, payouts, adjustments, one wire recorded twice."""

from __future__ import annotations

import datetime as dt

from billing.adjustments import Adjustment
from billing.invoice import Invoice
from billing.make_invoice import issue_invoice, make_invoice
from billing.payments import Direction, Payment
from billing.post_adjustment import post_adjustment
from billing.post_once import Posted
from billing.terms_document import Party
from tests.adversaries.contracts import BUYERS, DOLLAR, PUBLISHERS
from tests.adversaries.draw import Draw
from tests.adversaries.house import House

AMOUNTS = (1 * DOLLAR, 45 * DOLLAR, 400 * DOLLAR, 1_000_000_000 * DOLLAR)
PREPAYING = tuple(one.name for one in BUYERS if one.deposit_micros is not None)
BY_INVOICE = tuple(one.name for one in BUYERS if one.deposit_micros is None)


async def takes_a_top_up(house: House, draw: Draw) -> None:
    amount = draw.pick((1, 45, 90)) * DOLLAR
    await house.takes_payment(draw.pick(PREPAYING), amount, f"wire {draw.number(1, 30)} of {amount}")


async def refunds(house: House, draw: Draw) -> None:
    buyer, amount = draw.pick(PREPAYING), draw.pick(AMOUNTS)
    payment = Payment(
        direction=Direction.REFUND,
        party_id=house.ids.buyers[buyer],
        amount_micros=amount,
        key=f"refund {len(house.happened.cash)} {amount}",
    )
    await house.records(payment, buyer)


async def pays_out(house: House, draw: Draw) -> None:
    publisher, amount = draw.pick([one.name for one in PUBLISHERS]), draw.pick(AMOUNTS)
    payment = Payment(
        direction=Direction.PAY_OUT,
        party_id=house.ids.publishers[publisher],
        amount_micros=amount,
        key=f"payout {len(house.happened.cash)} {amount}",
    )
    await house.records(payment, publisher)


async def adjusts_a_call(house: House, draw: Draw) -> None:
    """Credit a buyer by hand for a call that it may have disputed, too."""
    over = [one for one in house.happened.calls.values() if one.over and one.answered_by]
    if not over:
        return
    call = draw.pick(sorted(over, key=lambda one: one.call_id)[-6:])
    assert call.answered_by is not None
    given = Adjustment(
        party=Party.BUYER,
        party_id=house.ids.buyers[call.answered_by],
        amount_micros=draw.pick((10, 45, 80)) * DOLLAR,
        key=f"adjustment {next(house.serial)}",
        reason="kindness",
        call_id=call.call_id,
    )
    async with house.engine.begin() as connection:
        posted = await post_adjustment(connection, given)
    if isinstance(posted, Posted):
        house.note_credit(call.call_id, given.amount_micros, 0)


async def invoices(house: House, draw: Draw) -> None:
    """Make and issue an invoice, which somebody pays later."""
    buyer, today = draw.pick(BY_INVOICE), dt.datetime.now(dt.UTC).date()
    async with house.engine.begin() as connection:
        made = await make_invoice(connection, Party.BUYER, house.ids.buyers[buyer], today, today)
    if not isinstance(made, Invoice):
        return
    async with house.engine.begin() as connection:
        issued = await issue_invoice(connection, made.id, dt.datetime.now(dt.UTC))
    if isinstance(issued, Invoice):
        house.invoices.append((made.id, buyer))


async def takes_the_wire_of_an_invoice(house: House, draw: Draw) -> None:
    """One wire pays an invoice; somebody records it as a top-up as well, and switches how the buyer pays between."""
    if not house.invoices:
        return
    invoice_id, buyer = house.invoices.pop(draw.number(0, len(house.invoices) - 1))
    reference = f"wire of invoice {invoice_id}"
    steps = draw.pick(
        (("pay",), ("topup", "pay"), ("pay", "topup"), ("switch", "pay"), ("switch", "topup", "pay"))
    )
    for step in steps:
        if step == "switch":
            await house.switches_how_it_pays(buyer)
        elif step == "pay":
            await house.pays_invoice(invoice_id, buyer, reference)
        else:
            await house.takes_payment(buyer, 45 * DOLLAR, reference)


MOVES = (
    takes_a_top_up,
    refunds,
    pays_out,
    adjusts_a_call,
    adjusts_a_call,
    invoices,
    takes_the_wire_of_an_invoice,
)
