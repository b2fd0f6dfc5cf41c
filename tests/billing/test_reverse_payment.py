"""What Stripe gives back or loses is taken off the wallet: once, in whatever order its events come."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.payments import Payment, ReversedPayment
from billing.record_payment import PaymentRefused, record_payment
from billing.reverse_payment import reverse_payment
from billing.stripe_provider import BUYER_KEY
from billing.wallet_queries import all_wallets
from tests.billing.test_pay_invoice import findings
from tests.billing.test_stripe_provider import event, provider, signed
from tests.market import Market, make_market

OURS = {"metadata": {BUYER_KEY: "1"}}
PAID = event(**OURS)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    market = await make_market(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE buyers SET prepaid = true, credit_limit_micros = 0"))
    return market


def refunded(cents: int, **said: Any) -> bytes:
    charge = {"id": "ch_7", "object": "charge", "payment_intent": "pi_7", "amount_refunded": cents}
    return event("charge.refunded", **charge, **({"metadata": {BUYER_KEY: "1"}} | said))


def dispute(kind: str, status: str, **said: Any) -> bytes:
    made = {"id": "dp_7", "object": "dispute", "payment_intent": "pi_7", "amount": 50_000, "status": status}
    return event(f"charge.dispute.{kind}", **(made | said))


OPENED, WON, LOST = (
    dispute("created", "needs_response"),
    dispute("closed", "won"),
    dispute("closed", "lost"),
)


async def take(engine: AsyncEngine, body: bytes) -> Any:
    said = provider().read_event(body, signed(body))
    async with engine.begin() as connection:
        if isinstance(said, Payment):
            return await record_payment(connection, said)
        assert isinstance(said, ReversedPayment), said
        return await reverse_payment(connection, said)


async def balance(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await all_wallets(connection))[0].state.balance_micros // 1_000_000


async def test_a_refund_takes_its_top_up_back(engine: AsyncEngine, market: Market) -> None:
    assert market
    await take(engine, PAID)
    for cents, left in ((20_000, 300), (20_000, 300), (50_000, 0), (20_000, 0)):
        await take(engine, refunded(cents))
        assert await balance(engine) == left
    assert await findings(engine) == []


@pytest.mark.parametrize("opened_first", [True, False])
@pytest.mark.parametrize(("closing", "left"), [(WON, 500), (LOST, 0)])
async def test_the_events_of_a_chargeback_come_in_any_order_and_again(
    engine: AsyncEngine, market: Market, closing: bytes, left: int, opened_first: bool
) -> None:
    assert market
    await take(engine, PAID)
    events = (OPENED, closing) if opened_first else (closing, OPENED)
    for body in (*events, *events, *reversed(events)):
        await take(engine, body)
    assert await balance(engine) == left
    assert await findings(engine) == []


async def test_a_chargeback_of_money_that_was_spent_leaves_the_wallet_below_zero(
    engine: AsyncEngine, market: Market
) -> None:
    assert market
    await take(engine, PAID)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(
            "WITH t AS (INSERT INTO ledger_transactions (kind) VALUES ('adjustment:x') RETURNING id)"
            " INSERT INTO ledger_postings SELECT id, a, m FROM t,"
            " (VALUES ('buyer:1:wallet', 400000000), ('revenue', -400000000)) AS p(a, m)"
        )
    await take(engine, OPENED)
    async with engine.connect() as connection:
        state = (await all_wallets(connection))[0].state
    assert state.balance_micros == -400_000_000 and state.should_pause
    assert await findings(engine) == []


async def test_what_comes_before_its_payment_is_to_be_sent_again(engine: AsyncEngine, market: Market) -> None:
    assert market
    for body in (OPENED, refunded(50_000)):
        refused = await take(engine, body)
        assert isinstance(refused, PaymentRefused) and "send this again" in refused.reason
    await take(engine, PAID)
    await take(engine, refunded(50_000))
    assert await balance(engine) == 0


@pytest.mark.parametrize(
    "body",
    [
        refunded(50_000, metadata={}),
        dispute("created", "warning_needs_response"),
        dispute("closed", "warning_closed"),
        dispute("created", "needs_response", payment_intent=None),
        dispute("created", "needs_response", currency="eur"),
    ],
)
def test_what_moves_no_money_of_ours(body: bytes) -> None:
    assert not isinstance(provider().read_event(body, signed(body)), ReversedPayment)


def test_a_forged_reversal_is_not_believed() -> None:
    assert not isinstance(provider().read_event(OPENED, signed(OPENED, secret="whsec_x")), ReversedPayment)
