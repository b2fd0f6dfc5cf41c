"""Cash is counted once: what an invoice does was fixed when its calls were settled, and a payment has one identity."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.invoice import Invoice, InvoiceState
from billing.make_invoice import InvoiceRefused, issue_invoice
from billing.pay_invoice import pay_invoice
from billing.payments import Direction, Payment
from billing.post_once import Posted
from billing.record_payment import PaymentRefused, record_payment
from billing.terms_document import Party
from billing.verify import Finding, Problem, verify_ledger
from store import tables
from tests.billing.test_invoices import NOW, make, step, three_calls
from tests.billing.test_settle_contracts import balances
from tests.market import Market, make_market
from tests.sealing import seal_all, sealer_at

OF_CASH = (
    Problem.INVOICE_NOT_AS_POSTED,
    Problem.INVOICE_NOT_AS_PAID,
    Problem.STRAY_CASH,
    Problem.PAYMENT_RECORDED_TWICE,
    Problem.PAID_TOO_MUCH,
)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def switch(engine: AsyncEngine, *, prepaid: bool) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(tables.buyers).values(prepaid=prepaid, credit_limit_micros=0))


async def issued(engine: AsyncEngine, market: Market, party: Party = Party.BUYER) -> Invoice:
    return await step(engine, issue_invoice, await make(engine, market, party))  # type: ignore[no-any-return]


async def pay(engine: AsyncEngine, invoice: Invoice, key: str = "", *, from_wallet: bool = False) -> Any:
    async with engine.begin() as connection:
        return await pay_invoice(connection, invoice.id, NOW, key=key, from_wallet=from_wallet)


async def record(engine: AsyncEngine, way: Direction, party_id: int, dollars: int, key: str) -> Any:
    payment = Payment(direction=way, party_id=party_id, amount_micros=dollars * 1_000_000, key=key)
    async with engine.begin() as connection:
        return await record_payment(connection, payment)


async def findings(engine: AsyncEngine) -> list[Finding]:
    return [one for one in (await verify_ledger(engine)).findings if one.problem in OF_CASH]


async def test_calls_that_were_invoiced_are_paid_in_cash_though_the_buyer_is_prepaid_since(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    invoice = await issued(engine, market)
    await switch(engine, prepaid=True)
    assert "$135.00 is due" in (await pay(engine, invoice)).reason
    assert (await pay(engine, invoice, "wire-1")).state is InvoiceState.PAID
    books = await balances(engine)
    assert books["cash"] == 13_500 and f"buyer:{market.buyers[0]}:receivable" not in books
    assert await findings(engine) == []


async def test_calls_that_the_wallet_paid_are_not_paid_again_though_the_buyer_is_invoiced_since(
    engine: AsyncEngine, market: Market
) -> None:
    await record(engine, Direction.TOP_UP, market.buyers[0], 200, "wire-1")
    await switch(engine, prepaid=True)
    await three_calls(engine, market)
    invoice = await issued(engine, market)
    assert (invoice.total_micros, invoice.due_micros) == (135_000_000, 0)
    await switch(engine, prepaid=False)
    assert (await pay(engine, invoice, "wire-2")).state is InvoiceState.PAID
    books = await balances(engine)
    assert books["cash"] == 20_000 and books[f"buyer:{market.buyers[0]}:wallet"] == -6_500
    assert await findings(engine) == []


async def test_a_wire_that_was_a_top_up_pays_no_invoice_but_its_money_does(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    invoice = await issued(engine, market)
    await record(engine, Direction.TOP_UP, market.buyers[0], 135, "wire-1")
    refused = await pay(engine, invoice, " wire-1 ")
    assert isinstance(refused, InvoiceRefused)
    assert "as a top-up of $135.00, buyer first" in refused.reason and "from the wallet" in refused.reason
    assert (await pay(engine, invoice, from_wallet=True)).state is InvoiceState.PAID
    books = await balances(engine)
    assert books["cash"] == 13_500 and not [one for one in books if one.startswith("buyer:")]
    assert await findings(engine) == []


async def test_the_wallet_pays_only_what_is_in_it(engine: AsyncEngine, market: Market) -> None:
    await three_calls(engine, market)
    invoice = await issued(engine, market)
    await record(engine, Direction.TOP_UP, market.buyers[0], 134, "wire-1")
    assert "$134.00 is free" in (await pay(engine, invoice, from_wallet=True)).reason


@pytest.mark.parametrize("way", list(Direction))
async def test_a_reference_is_of_one_payment_whatever_it_was_for(
    engine: AsyncEngine, market: Market, way: Direction
) -> None:
    await three_calls(engine, market)
    await pay(engine, await issued(engine, market), "wire-1")
    party_id = market.publisher if way is Direction.PAY_OUT else market.buyers[0]
    refused = await record(engine, way, party_id, 1, "wire-1")
    assert isinstance(refused, PaymentRefused)
    assert "as the payment of INV-2026-000001 ($135.00), buyer first" in refused.reason


async def test_what_stripe_took_is_the_same_payment_when_somebody_types_it(
    engine: AsyncEngine, market: Market
) -> None:
    buyer = market.buyers[0]
    assert (await record(engine, Direction.TOP_UP, buyer, 10, "stripe:pi_7")).new
    assert not (await record(engine, Direction.TOP_UP, buyer, 10, "pi_7")).new


async def test_one_wire_is_recorded_once_by_eight_who_race(engine: AsyncEngine, market: Market) -> None:
    await three_calls(engine, market)
    invoice, buyer = await issued(engine, market), market.buyers[0]
    done = await asyncio.gather(
        *(record(engine, Direction.TOP_UP, buyer, 135, "wire-1") for _ in range(4)),
        *(pay(engine, invoice, "wire-1") for _ in range(4)),
    )
    posted = [one for one in done if isinstance(one, Invoice) or (isinstance(one, Posted) and one.new)]
    assert len(posted) == 1 and (await balances(engine))["cash"] == 13_500
    assert await findings(engine) == []


async def test_a_statement_that_is_paid_is_the_payout(engine: AsyncEngine, market: Market) -> None:
    await three_calls(engine, market)
    statement = await issued(engine, market, Party.PUBLISHER)
    assert isinstance(await pay(engine, statement), InvoiceRefused)
    assert (await record(engine, Direction.PAY_OUT, market.publisher, 90, "ach-1")).new
    assert "ads is owed $0.00, not $90.00" in (await pay(engine, statement, "ach-2")).reason
    assert (await pay(engine, statement, "ach-1")).state is InvoiceState.PAID
    assert (await balances(engine))["cash"] == -9_000
    # The same payout pays no other statement.
    await three_calls(engine, market, first=4)
    other = await issued(engine, market, Party.PUBLISHER)
    assert "as a payout of $90.00, publisher ads" in (await pay(engine, other, "ach-1")).reason
    assert (await pay(engine, other, "ach-2")).state is InvoiceState.PAID
    assert not (await record(engine, Direction.PAY_OUT, market.publisher, 90, "ach-2")).new
    assert await findings(engine) == []


@pytest.mark.parametrize("way", [Direction.REFUND, Direction.PAY_OUT])
async def test_nothing_goes_out_that_is_not_there(
    engine: AsyncEngine, market: Market, way: Direction
) -> None:
    await three_calls(engine, market)
    party_id = market.publisher if way is Direction.PAY_OUT else market.buyers[0]
    await record(engine, Direction.TOP_UP, market.buyers[0], 225, "wire-1")  # 135 of it are owed
    assert isinstance(await record(engine, way, party_id, 1_000_000_000, "out"), PaymentRefused)
    assert isinstance(await record(engine, way, party_id, 91, "out"), PaymentRefused)
    raced = await asyncio.gather(*(record(engine, way, party_id, 30, f"out-{n}") for n in range(8)))
    assert sum(isinstance(one, Posted) for one in raced) == 3
    assert isinstance(await record(engine, way, party_id, 1, "out"), PaymentRefused)
    assert await findings(engine) == []


async def test_a_refund_leaves_what_calls_under_way_hold(engine: AsyncEngine, market: Market) -> None:
    buyer = market.buyers[0]
    await record(engine, Direction.TOP_UP, buyer, 100, "wire-1")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE wallets SET held_micros = 45000000"))
    refused = await record(engine, Direction.REFUND, buyer, 56, "back")
    assert "first can get back $55.00, not $56.00" in refused.reason
    assert (await record(engine, Direction.REFUND, buyer, 55, "back")).new


async def test_payments_are_whole_cents(engine: AsyncEngine, market: Market) -> None:
    payment = Payment(direction=Direction.TOP_UP, party_id=market.buyers[0], amount_micros=1, key="k")
    async with engine.begin() as connection:
        refused = await record_payment(connection, payment)
    assert isinstance(refused, PaymentRefused) and "whole cents" in refused.reason


_POST = (
    "WITH t AS (INSERT INTO ledger_transactions (kind, detail) VALUES ('{kind}', '{detail}') RETURNING id)"
    " INSERT INTO ledger_postings SELECT id, account, amount FROM t, (VALUES {postings}) AS p(account, amount)"
)


async def by_hand(engine: AsyncEngine, kind: str, postings: dict[str, int], detail: str = "{}") -> None:
    """Post as the code of old did, in dollars."""
    said = ", ".join(f"('{account}', {dollars * 1_000_000})" for account, dollars in postings.items())
    async with engine.begin() as connection:
        await connection.exec_driver_sql(_POST.format(kind=kind, detail=detail, postings=said))


async def mark_paid(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE invoices SET state = 'paid', closed_at = now()"))


async def test_verify_finds_an_invoice_that_was_paid_by_nobody(engine: AsyncEngine, market: Market) -> None:
    """Its calls were invoiced; it was marked as paid when the buyer had become prepaid."""
    await three_calls(engine, market)
    await issued(engine, market)
    await mark_paid(engine)
    (finding,) = await findings(engine)
    assert finding.problem is Problem.INVOICE_NOT_AS_PAID
    assert "$135.00 of it is due" in finding.detail and "$0.00 was paid" in finding.detail


async def test_verify_finds_an_invoice_that_the_wallet_paid_and_cash_again(
    engine: AsyncEngine, market: Market
) -> None:
    await switch(engine, prepaid=True)
    await three_calls(engine, market)
    await issued(engine, market)
    await by_hand(
        engine,
        "invoice_paid:INV-2026-000001",
        {"cash": 135, f"buyer:{market.buyers[0]}:receivable": -135},
        '{"invoice": "INV-2026-000001"}',
    )
    await mark_paid(engine)
    (finding,) = await findings(engine)
    assert finding.problem is Problem.INVOICE_NOT_AS_PAID
    assert "$0.00 of it is due" in finding.detail and "$135.00 was paid" in finding.detail


async def test_verify_finds_a_wire_that_was_recorded_twice(engine: AsyncEngine, market: Market) -> None:
    await three_calls(engine, market)
    await pay(engine, await issued(engine, market), "wire-1")
    buyer = market.buyers[0]
    await by_hand(engine, "topup:wire-1", {"cash": 135, f"buyer:{buyer}:wallet": -135})
    (finding,) = await findings(engine)
    assert finding.problem is Problem.PAYMENT_RECORDED_TWICE and "'wire-1'" in finding.detail


async def test_verify_finds_a_statement_that_was_paid_and_paid_out(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    await pay(engine, await issued(engine, market, Party.PUBLISHER), "ach-1")
    await by_hand(engine, "payout:ach-2", {"cash": -90, f"publisher:{market.publisher}:payable": 90})
    (finding,) = await findings(engine)
    assert finding.problem is Problem.PAID_TOO_MUCH
    assert f"paid publisher:{market.publisher} $90.00 more than it had" in finding.detail


_TAKE_AWAY = """
WITH made AS (INSERT INTO ledger_transactions (kind, posted_at) VALUES ('adjustment', now() + interval '{began}')
    RETURNING id)
INSERT INTO ledger_postings SELECT made.id, v.account, v.amount FROM made,
    (VALUES ('publisher:{publisher}:payable', 50000000), ('payout', -50000000)) v (account, amount)
"""


@pytest.mark.parametrize("sealed", [False, True])
async def test_what_takes_away_and_is_open_for_an_hour_puts_no_payout_in_the_wrong(
    engine: AsyncEngine, market: Market, tmp_path: Path, sealed: bool
) -> None:
    await three_calls(engine, market)
    sealer = sealer_at(tmp_path / "roots")
    async with engine.begin() as slow:
        await slow.exec_driver_sql(_TAKE_AWAY.format(began="-1 hour", publisher=market.publisher))
        assert (await record(engine, Direction.PAY_OUT, market.publisher, 90, "ach-1")).new
        if sealed:
            await seal_all(engine, sealer)
    if sealed:
        await seal_all(engine, sealer)
    assert await findings(engine) == []


async def test_verify_finds_a_payout_of_what_was_taken_away_before(
    engine: AsyncEngine, market: Market, tmp_path: Path
) -> None:
    await three_calls(engine, market)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(_TAKE_AWAY.format(began="-1 hour", publisher=market.publisher))
    await seal_all(engine, sealer_at(tmp_path / "roots"))
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "WITH made AS (INSERT INTO ledger_transactions (kind, posted_at)"
                " VALUES ('payout\\:ach-1', now() + interval '11 minutes') RETURNING id)"
                " INSERT INTO ledger_postings SELECT made.id, v.account, v.amount FROM made,"
                " (VALUES (CAST(:payable AS text), 90000000), ('cash', -90000000)) v (account, amount)"
            ),
            {"payable": f"publisher:{market.publisher}:payable"},
        )
    (finding,) = await findings(engine)
    assert finding.problem is Problem.PAID_TOO_MUCH and "$50.00 more than it had" in finding.detail


async def test_verify_finds_lines_that_are_not_what_was_posted_and_cash_of_nothing(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    await issued(engine, market)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE invoice_lines SET amount_micros = 1 WHERE position = 1"))
    await by_hand(engine, "gift", {"cash": -5, "payout": 5})
    found = {one.problem: one.detail for one in await findings(engine)}
    assert set(found) == {Problem.INVOICE_NOT_AS_POSTED, Problem.STRAY_CASH}
    assert "says $135.00: its lines sum to $90.000001" in found[Problem.INVOICE_NOT_AS_POSTED]
    assert "-$5.00" in found[Problem.STRAY_CASH]
