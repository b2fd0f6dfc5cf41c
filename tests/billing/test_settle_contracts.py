"""Calls settled by contracts on a real PostgreSQL: worked examples, balances written by hand after each step."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.call_record import CallRecord
from billing.number_costs import post_number_costs
from billing.save_terms import TermsRefused, TermsSaved, save_terms
from billing.terms import Verdict
from billing.terms_document import Party
from store import tables
from store.call_id import call_id_of
from tests.billing.contracts import contract, payout
from tests.billing.test_settle_call import START_MS, a_call, arrived, settle, settled
from tests.market import CALLER, NUMBER, Market, charge_fee, make_market

NOW = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC) - dt.timedelta(days=2)
LATER = NOW + dt.timedelta(days=1)
TIERS = {"period": "month", "tiers": [{"from_call": 1, "price": "45.00"}, {"from_call": 3, "price": "40.00"}]}


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def agree(
    engine: AsyncEngine,
    market: Market,
    document: dict[str, Any],
    *,
    publisher: bool = False,
    at_a_loss: bool = False,
) -> None:
    """Save terms that went live before the calls of these tests."""
    async with engine.begin() as connection:
        if at_a_loss:
            await connection.execute(update(tables.campaigns).values(sells_at_loss=True))
        saved = await save_terms(
            connection,
            party=Party.PUBLISHER if publisher else Party.BUYER,
            party_id=market.publisher if publisher else market.buyers[0],
            campaign_id=market.campaign,
            document=document,
            goes_live_at=LATER,
            now=NOW,
        )
    assert isinstance(saved, TermsSaved), saved


async def balances(engine: AsyncEngine) -> dict[str, int]:
    """Every account's balance in cents; the books of these tests have no finer amounts."""
    query = text(
        "SELECT account, sum(amount_micros)::bigint / 10000 AS cents FROM ledger_postings GROUP BY 1"
    )
    async with engine.connect() as connection:
        return {row.account: row.cents for row in await connection.execute(query) if row.cents}


def another(market: Market, serial: int, **said: Any) -> CallRecord:
    """A call of somebody who did not call before."""
    record = a_call(market, serial=serial, start_ms=START_MS + serial * 1000)
    return replace(record, caller=f"+1614555{1000 + serial}", trunk_name=None, **said)


async def test_a_bonus_a_share_and_the_numbers_of_both(engine: AsyncEngine, market: Market) -> None:
    bonus = {"name": "veteran", "price": "5.00", "when": {"fact": "veteran", "=": True}}
    await agree(engine, market, contract(bonuses=[bonus]))
    await agree(engine, market, payout({"percent_of_revenue": "70"}, minimum_margin="20.00"), publisher=True)
    record = await arrived(engine, another(market, 1))
    async with engine.begin() as connection:
        row = {
            "call_id": call_id_of(record.linkedid),
            "sequence": 1,
            "node": "v",
            "tag": "veteran",
            "value": "yes",
        }
        await connection.execute(insert(tables.answers).values(**row, source="keys", answered_at=NOW))
    settlement = await settle(engine, record)
    told = settlement.conversion.to_json()  # type: ignore[union-attr]
    assert (told["buyer"]["rule"], told["buyer"]["bonuses"]) == ("base", ["veteran"])
    assert told["buyer"]["inputs"]["facts"] == {"veteran": "yes"}
    # 70 % of 50 dollars are 35; the margin of 20 leaves 30.
    assert told["publisher"]["margin_kept_micros"] == 5_000_000
    assert await balances(engine) == {
        f"buyer:{market.buyers[0]}:receivable": 5_000,
        "revenue": -5_000,
        "payout": 3_000,
        f"publisher:{market.publisher}:payable": -3_000,
    }


async def test_calls_that_settle_at_once_climb_the_tiers_one_by_one(
    engine: AsyncEngine, market: Market
) -> None:
    await agree(engine, market, contract(rules=[{"name": "tiered", "price": TIERS}]))
    records = [await arrived(engine, another(market, serial)) for serial in range(1, 6)]
    settled_calls = await asyncio.gather(*(settle(engine, record) for record in records))
    prices = sorted(one.conversion.price_micros for one in settled_calls)  # type: ignore[union-attr]
    assert prices == [40_000_000] * 3 + [45_000_000] * 2
    next_month = await settled(engine, replace(another(market, 9), started_ms=START_MS + 35 * 86_400_000))
    assert next_month.conversion.price_micros == 45_000_000


async def test_terms_may_say_what_a_duplicate_is_worth(engine: AsyncEngine, market: Market) -> None:
    rules = [
        {"name": "again", "price": "10.00", "when": {"fact": "duplicate", "=": True}},
        {"name": "first", "price": "45.00", "when": {"fact": "first_time", "=": True}},
    ]
    await agree(engine, market, contract(rules=rules), at_a_loss=True)
    first = await settled(engine, a_call(market))
    again = await settled(engine, a_call(market, serial=2, start_ms=START_MS + 60_000))
    assert (first.conversion.price_micros, again.conversion.price_micros) == (45_000_000, 10_000_000)
    hidden = await settled(engine, replace(a_call(market, serial=3, start_ms=START_MS + 90_000), caller=None))
    assert hidden.conversion.verdict is Verdict.TERM_NOT_MET
    assert hidden.conversion.detail == (
        "again: duplicate is not known, wanted = yes; first: first_time is not known, wanted = yes"
    )


async def test_a_publisher_paid_for_calls_that_did_not_convert(engine: AsyncEngine, market: Market) -> None:
    terms = payout("1.00", pays_for="connected")
    terms["rules"][0]["minimum_connected_seconds"] = 30
    await agree(engine, market, terms, publisher=True)
    short = replace(a_call(market, connected_ms=30_000), trunk_name=None)
    settlement = await settled(engine, short)
    assert settlement.conversion.verdict is Verdict.TOO_SHORT
    assert await balances(engine) == {"payout": 100, f"publisher:{market.publisher}:payable": -100}


async def test_carriers_by_direction_the_platforms_fee_and_a_wallet(
    engine: AsyncEngine, market: Market
) -> None:
    async with engine.begin() as connection:
        out = {
            "name": "out",
            "carrier_name": "Out",
            "addresses": ["127.0.0.2"],
            "outbound_cost_per_minute_micros": 30_000,
            "outbound_increment_seconds": 60,
            "outbound_minimum_seconds": 60,
        }
        trunk = await connection.scalar(insert(tables.trunks).values(**out).returning(tables.trunks.c.id))
        await connection.execute(update(tables.targets).values(outbound_trunk_id=trunk))
        await charge_fee(connection, market, fixed=500_000)
        await connection.execute(update(tables.buyers).values(prepaid=True, credit_limit_micros=0))
    await settled(engine, another(market, 1))  # 100 s: two minutes at three cents
    assert await balances(engine) == {
        f"buyer:{market.buyers[0]}:wallet": 4_500,
        "revenue": -4_500,
        "payout": 3_000,
        f"publisher:{market.publisher}:payable": -3_000,
        "carrier_cost": 6,
        "carrier:Out:payable": -6,
        "platform_fee": 50,
        "platform:payable": -50,
    }


async def test_a_number_is_paid_for_once_a_month(engine: AsyncEngine, market: Market) -> None:
    assert market
    async with engine.begin() as connection:
        said = {
            "carrier_name": "Carrier",
            "monthly_cost_micros": 1_000_000,
            "rented_from": dt.date(2026, 1, 31),
        }
        await connection.execute(update(tables.tracking_numbers).values(**said))
    for day, posted in (("2026-02-28", 2), ("2026-02-28", 0), ("2026-03-01", 1), ("2026-03-31", 0)):
        async with engine.begin() as connection:
            now = dt.datetime.fromisoformat(f"{day}T12:00:00+00:00")
            assert await post_number_costs(connection, now) == posted
    assert await balances(engine) == {"carrier_cost": 300, "carrier:Carrier:payable": -300}


@pytest.mark.parametrize(
    ("said", "goes_live_at", "problem"),
    [
        ({}, NOW - dt.timedelta(milliseconds=1), "is over: calls since then"),
        ({}, LATER.replace(tzinfo=None), "without its zone"),
        ({"currency": "EUR"}, LATER, "currency: 'EUR'"),
        (
            {"overrides": [{"publisher": 999, "rules": [{"name": "a", "price": "1"}]}]},
            LATER,
            "no publisher 999",
        ),
    ],
)
async def test_terms_that_are_not_saved(
    engine: AsyncEngine, market: Market, said: dict[str, Any], goes_live_at: dt.datetime, problem: str
) -> None:
    async with engine.begin() as connection:
        refused = await save_terms(
            connection,
            party=Party.BUYER,
            party_id=market.buyers[0],
            campaign_id=market.campaign,
            document=contract(**said),
            goes_live_at=goes_live_at,
            now=NOW,
        )
    assert isinstance(refused, TermsRefused) and problem in refused.problems[0]


async def test_live_terms_cannot_be_changed_and_a_call_is_judged_by_those_of_its_time(
    engine: AsyncEngine, market: Market
) -> None:
    await agree(engine, market, contract(rules=[{"name": "new", "price": "99.00"}]))
    before = replace(another(market, 1), started_ms=round(LATER.timestamp() * 1000) - 1)
    at = replace(another(market, 2), started_ms=round(LATER.timestamp() * 1000))
    assert (await settled(engine, before)).conversion.price_micros == 45_000_000
    assert (await settled(engine, at)).conversion.price_micros == 99_000_000
    async with engine.connect() as connection:
        with pytest.raises(Exception, match="refused: calls were judged by them"):
            await connection.execute(update(tables.buyer_terms).values(price_micros=1))


async def test_the_call_story_has_the_caller_and_number(engine: AsyncEngine, market: Market) -> None:
    asked = {"name": "n", "price": "7.00", "when": {"all": [
        {"fact": "number", "=": NUMBER}, {"fact": "caller", "=": CALLER}, {"fact": "area_code", "=": "614"},
        {"fact": "total_seconds", ">=": 108}]}}  # fmt: skip
    await agree(engine, market, contract(rules=[asked]), at_a_loss=True)
    assert (await settled(engine, a_call(market))).conversion.price_micros == 7_000_000
    query = select(tables.calls.c.conversion["buyer"]["inputs"]["facts"]["total_seconds"].astext)
    async with engine.connect() as connection:
        assert await connection.scalar(query) == "108"
