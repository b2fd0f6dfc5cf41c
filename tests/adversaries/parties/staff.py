"""Staff of the house, or who has its password, move money: refunds, payouts, adjustments, one wire recorded twice."""

from __future__ import annotations

import datetime as dt

from billing.adjustments import Adjustment
from billing.invoice import Invoice
from billing.make_invoice import issue_invoice, make_invoice
from billing.money_import import FileKind, Imported, import_money
from billing.payments import Direction, Payment
from billing.post_adjustment import post_adjustment
from billing.post_once import Posted
from billing.record_payment import record_payment
from billing.save_terms import TermsSaved, save_terms
from billing.terms_document import Party
from tests.adversaries.contracts import BUYERS, DOLLAR, NORTH, PUBLISHERS
from tests.adversaries.draw import Draw
from tests.adversaries.events import Cash
from tests.adversaries.house import House
from tests.adversaries.market import terms

AMOUNTS = (1 * DOLLAR, 45 * DOLLAR, 400 * DOLLAR, 1_000_000_000 * DOLLAR)
PREPAYING = tuple(one.name for one in BUYERS if one.deposit_micros is not None)
BY_INVOICE = tuple(one.name for one in BUYERS if one.deposit_micros is None)


async def takes_a_top_up(house: House, draw: Draw) -> None:
    amount = draw.pick((1, 45, 90)) * DOLLAR
    await house.cash.top_up(draw.pick(PREPAYING), amount, f"wire {draw.number(1, 30)} of {amount}")


async def refunds(house: House, draw: Draw) -> None:
    buyer, amount = draw.pick(PREPAYING), draw.pick(AMOUNTS)
    payment = Payment(
        direction=Direction.REFUND,
        party_id=house.ids.buyers[buyer],
        amount_micros=amount,
        key=f"refund {len(house.happened.cash)} {amount}",
    )
    await house.cash.records(payment, buyer)


async def pays_out(house: House, draw: Draw) -> None:
    publisher, amount = draw.pick([one.name for one in PUBLISHERS]), draw.pick(AMOUNTS)
    payment = Payment(
        direction=Direction.PAY_OUT,
        party_id=house.ids.publishers[publisher],
        amount_micros=amount,
        key=f"payout {len(house.happened.cash)} {amount}",
    )
    await house.cash.records(payment, publisher)


async def uses_one_reference_twice(house: House, draw: Draw) -> None:
    """One wire, recorded as what it was and as something else."""
    buyer, reference = draw.pick(PREPAYING), f"transfer {next(house.serial)}"
    publisher = draw.pick([one.name for one in PUBLISHERS])
    uses = {
        buyer: (Direction.TOP_UP, house.ids.buyers[buyer]),
        f"{buyer} back": (Direction.REFUND, house.ids.buyers[buyer]),
        publisher: (Direction.PAY_OUT, house.ids.publishers[publisher]),
    }
    for name in draw.pick(((buyer, f"{buyer} back"), (buyer, publisher), (publisher, buyer), (buyer, buyer))):
        direction, party_id = uses[name]
        payment = Payment(direction=direction, party_id=party_id, amount_micros=DOLLAR, key=reference)
        await house.cash.records(payment, name.removesuffix(" back"))


async def adjusts_a_call(house: House, draw: Draw) -> None:
    """Credit a buyer by hand for a call that it may have disputed, too."""
    over = [one for one in house.happened.calls.values() if one.over and one.answered_by]
    if not over:
        return
    call = draw.pick(over[-6:])
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
        house.cash.note_credit(call.call_id, given.amount_micros, 0)


async def invoices(house: House, draw: Draw) -> None:
    """Make and issue an invoice, which somebody pays later."""
    buyer = draw.pick(BY_INVOICE)
    issued = await _issued(house, Party.BUYER, house.ids.buyers[buyer])
    if issued is not None:
        house.cash.invoices.append((issued, buyer))


async def states_what_a_publisher_earned(house: House, draw: Draw) -> None:
    publisher = draw.pick([one.name for one in PUBLISHERS])
    issued = await _issued(house, Party.PUBLISHER, house.ids.publishers[publisher])
    if issued is not None:
        house.cash.statements.append((issued, publisher))


async def _issued(house: House, party: Party, party_id: int) -> int | None:
    today = dt.datetime.now(dt.UTC).date()
    async with house.engine.begin() as connection:
        made = await make_invoice(connection, party, party_id, today, today)
    if not isinstance(made, Invoice):
        return None
    async with house.engine.begin() as connection:
        issued = await issue_invoice(connection, made.id, dt.datetime.now(dt.UTC))
    return made.id if isinstance(issued, Invoice) else None


async def takes_the_wire_of_an_invoice(house: House, draw: Draw) -> None:
    """One wire pays an invoice; somebody records it as a top-up as well, and switches how the buyer pays between."""
    if not house.cash.invoices:
        return
    invoice_id, buyer = house.cash.invoices.pop(draw.number(0, len(house.cash.invoices) - 1))
    reference = f"wire of invoice {invoice_id}"
    steps = draw.pick(
        (("pay",), ("topup", "pay"), ("pay", "topup"), ("switch", "pay"), ("switch", "topup", "pay"))
    )
    for step in steps:
        if step == "switch":
            await switches_how_it_pays(house, buyer)
        elif step == "pay":
            await house.cash.pays_invoice(invoice_id, buyer, reference)
        else:
            await house.cash.top_up(buyer, 45 * DOLLAR, reference)


async def pays_a_statement(house: House, draw: Draw) -> None:
    """One transfer pays a statement; somebody records it as a payout as well, before or after."""
    if not house.cash.statements:
        return
    statement_id, publisher = house.cash.statements.pop(draw.number(0, len(house.cash.statements) - 1))
    reference = f"transfer of statement {statement_id}"
    transfer = Payment(
        direction=Direction.PAY_OUT,
        party_id=house.ids.publishers[publisher],
        amount_micros=30 * DOLLAR,
        key=reference,
    )
    for step in draw.pick((("pay",), ("pay out", "pay"), ("pay", "pay out"))):
        if step == "pay":
            await house.cash.pays_invoice(statement_id, publisher, reference)
        else:
            await house.cash.records(transfer, publisher)


async def switches_how_it_pays(house: House, buyer: str) -> None:
    """An admin lets a buyer pay in advance, or by invoice again."""
    await house.change(
        "UPDATE buyers SET prepaid = NOT prepaid, credit_limit_micros = CASE WHEN prepaid THEN NULL"
        " ELSE 1000000000 END WHERE id = :id",
        id=house.ids.buyers[buyer],
    )
    house.happened.paying_in_advance ^= {buyer}


async def promises_more_than_is_paid(house: House, draw: Draw) -> None:
    """Terms of a publisher by which a call of $30 or $45 pays out more than it brings."""
    now = dt.datetime.now(dt.UTC)
    async with house.engine.begin() as connection:
        saved = await save_terms(
            connection,
            party=Party.PUBLISHER,
            party_id=house.ids.publishers[NORTH.name],
            campaign_id=house.ids.campaign,
            document=terms(rules=[{"name": "call", "price": draw.pick(("45.01", "500.00"))}]),
            goes_live_at=now + dt.timedelta(days=1),
            now=now,
        )
    if isinstance(saved, TermsSaved):
        house.problems.append("terms were saved by which a call pays out more than it brings")


async def pays_the_carrier_more(house: House, draw: Draw) -> None:
    """A new rate is for calls from now on; those under way came by the old one."""
    rate = draw.pick((6_000, 9_000, 120_000))
    await house.change("UPDATE trunks SET cost_per_minute_micros = :rate", rate=rate)
    house.carrier_rate_micros = rate


async def imports_wires(house: House, draw: Draw) -> None:
    """One file twice, the first time broken off in the middle."""
    buyer, serial = draw.pick(PREPAYING), next(house.serial)
    keys = [f"file {serial} line {line}" for line in range(draw.number(2, 8))]
    rows = [f"buyer,{buyer},1.00,{key},".encode() for key in keys]
    file = b"\n".join((b"party,name,amount,key,note", *rows)) + b"\n"
    await import_money(
        house.engine,
        b"\n".join(file.splitlines()[: 1 + len(keys) // 2]) + b"\n",
        FileKind.PAYMENTS,
        write=True,
    )
    for _ in range(2):
        done = await import_money(house.engine, file, FileKind.PAYMENTS, write=True)
        if not isinstance(done, Imported):
            house.problems.append(f"{done} of a file that is right")
    for key in keys:
        house.happened.cash[key] = Cash(party=buyer, amount_micros=DOLLAR, reference=key)


async def holds_a_transaction_open(house: House, draw: Draw) -> None:
    """A wire is recorded and its commit waits; others go on and are sealed meanwhile."""
    buyer, key = draw.pick(PREPAYING), f"slow wire {next(house.serial)}"
    slow = Payment(
        direction=Direction.TOP_UP, party_id=house.ids.buyers[buyer], amount_micros=DOLLAR, key=key
    )
    others = [one for one in PREPAYING if one != buyer]
    async with house.engine.begin() as connection:
        await record_payment(connection, slow)
        await house.cash.top_up(draw.pick(others), DOLLAR, f"quick wire {next(house.serial)}")
        await house.seals()
    house.happened.cash[key] = Cash(party=buyer, amount_micros=DOLLAR, reference=key)


MOVES = (
    takes_a_top_up,
    refunds,
    pays_out,
    uses_one_reference_twice,
    adjusts_a_call,
    adjusts_a_call,
    invoices,
    invoices,
    states_what_a_publisher_earned,
    takes_the_wire_of_an_invoice,
    pays_a_statement,
    promises_more_than_is_paid,
    pays_the_carrier_more,
    imports_wires,
    holds_a_transaction_open,
)
