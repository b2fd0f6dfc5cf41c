"""Terms that can pay out more than a call brings are refused, whichever side is saved second."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.check_loss import loss_of
from billing.save_terms import TermsRefused, TermsSaved, save_terms
from billing.terms_document import Party
from store import tables
from tests.billing.contracts import buyer, contract, payout, publisher
from tests.billing.test_settle_contracts import LATER, NOW
from tests.market import Market, make_market

VETERAN = {"fact": "veteran", "=": True}


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def save(engine: AsyncEngine, market: Market, document: dict[str, Any], party: Party) -> Any:
    async with engine.begin() as connection:
        return await save_terms(
            connection,
            party=party,
            party_id=market.publisher if party is Party.PUBLISHER else market.buyers[0],
            campaign_id=market.campaign,
            document=document,
            goes_live_at=LATER,
            now=NOW,
        )


async def test_a_payout_of_500_on_a_price_of_45_is_refused(engine: AsyncEngine, market: Market) -> None:
    refused = await save(engine, market, payout("500.00"), Party.PUBLISHER)
    assert isinstance(refused, TermsRefused) and len(refused.problems) == 2
    assert refused.problems[0].startswith(
        "rules: with first: a call that pays $45.00 by 'base' would pay out $500.00 by 'base'; raise the price"
    )
    assert isinstance(await save(engine, market, payout("45.00"), Party.PUBLISHER), TermsSaved)


async def test_a_price_below_the_payout_is_refused_too(engine: AsyncEngine, market: Market) -> None:
    rules = [{"name": "base", "minimum_connected_seconds": 90, "price": "29.99"}]
    refused = await save(engine, market, contract(rules=rules), Party.BUYER)
    assert isinstance(refused, TermsRefused) and "with ads: a call that pays $29.99" in refused.problems[0]
    async with engine.begin() as connection:
        await connection.execute(update(tables.campaigns).values(sells_at_loss=True))
    assert isinstance(await save(engine, market, contract(rules=rules), Party.BUYER), TermsSaved)


async def test_only_who_is_there_counts(engine: AsyncEngine, market: Market) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(tables.buyer_terms))
    assert isinstance(await save(engine, market, payout("500.00"), Party.PUBLISHER), TermsSaved)


_TWO = [
    {"name": "veteran", "price": "80.00", "when": VETERAN},
    {"name": "base", "minimum_connected_seconds": 90, "price": "45.00"},
]


@pytest.mark.parametrize(
    ("sold", "paid", "loss"),
    [
        ({}, publisher("45.00"), ""),
        ({}, publisher("45.01"), "pays $45.00 by 'base' would pay out $45.01 by 'base'"),
        ({}, publisher({"percent_of_revenue": "100"}), ""),
        (
            {},
            publisher(
                {"percent_of_revenue": "90"}, bonuses=[{"name": "b", "price": "5.00", "when": VETERAN}]
            ),
            "would pay out $45.50",
        ),
        # What is kept at least cannot be lost.
        ({}, publisher("500.00", minimum_margin="1.00"), ""),
        # Each rule is met with its own kind of call.
        ({"rules": _TWO}, publisher("0", rules=[{**_TWO[0], "price": "60.00"}, {**_TWO[1], "price": "30.00"}]), ""),
        ({"rules": _TWO}, publisher("0", rules=[{**_TWO[1], "price": "60.00"}]), "by 'base'"),
        # A bonus that comes with one of the buyer's.
        (
            {"bonuses": [{"name": "v", "price": "10.00", "when": VETERAN}]},
            publisher("45.00", bonuses=[{"name": "v", "price": "5.00", "when": VETERAN}]),
            "",
        ),
        (
            {"rules": [{"name": "t", "price": {"period": "month", "tiers": [
                {"from_call": 1, "price": "45.00"}, {"from_call": 9, "price": "20.00"}]}}]},
            publisher("30.00"),
            "pays $20.00 by 't'",
        ),
        # A bid is for the plan's floor.
        ({"rules": [{"name": "bid", "price": "bid"}]}, publisher("30.00"), ""),
        (
            {"overrides": [{"publisher": 7, "rules": [{"name": "cheap", "price": "10.00"}]}]},
            publisher("30.00"),
            "by 'cheap'",
        ),
    ],
)  # fmt: skip
def test_what_can_be_lost(sold: dict[str, Any], paid: Any, loss: str) -> None:
    found = loss_of(buyer(**sold).for_publisher(7), paid)
    assert (loss in (found or "")) if loss else found is None
