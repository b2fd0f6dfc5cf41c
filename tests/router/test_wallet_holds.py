"""A wallet in the router's own transaction: caps and hold together or neither; an empty one is passed over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data
from router.domain.decision import RejectionCode, canonical_bytes
from router.reservations import Attempt
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from router.snapshot_file import write_snapshot
from router.wallet_holds import Hold, take_leases_with_hold, wallet_key
from store import tables
from store.session import connect_plainly, open_engine
from tests.market import Market, make_market
from tests.router.markets import PATIENT_SECONDS, a_request, a_small_market
from tests.router.stored import store_market

NOW = datetime.now(UTC)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    """The first buyer has paid 100 dollars in advance, and its terms ask for 45 or, with all bonuses, for 60."""
    market = await make_market(engine)
    async with engine.begin() as connection:
        buyer = market.buyers[0]
        await connection.execute(
            update(tables.buyers).where(tables.buyers.c.id == buyer).values(credit_limit_micros=0)
        )
        await connection.execute(update(tables.buyer_terms).values(highest_micros=60_000_000))
        transaction = await connection.scalar(
            text("INSERT INTO ledger_transactions (kind) VALUES ('t') RETURNING id")
        )
        for account, amount in ((f"buyer:{buyer}:wallet", -100_000_000), ("cash", 100_000_000)):
            row = {"t": transaction, "account": account, "amount": amount}
            await connection.execute(text("INSERT INTO ledger_postings VALUES (:t, :account, :amount)"), row)
    return market


async def take(engine: AsyncEngine, market: Market, call_id: UUID, amount: int = 45_000_000) -> str:
    attempt = Attempt(
        call_id=call_id,
        attempt=1,
        target_id=market.targets[0],
        claims=(),
        now_ms=0,
        expires_at=NOW + timedelta(minutes=1),
    )
    hold = Hold(buyer_id=market.buyers[0], campaign_id=market.campaign, amount_micros=amount)
    connection = await connect_plainly(engine)
    try:
        return await take_leases_with_hold(connection, attempt, hold)
    finally:
        await connection.close()


async def test_what_the_terms_can_ask_at_most_is_held_and_the_loser_holds_nothing(
    engine: AsyncEngine, market: Market
) -> None:
    calls = [uuid4() for _ in range(8)]
    answers = await asyncio.gather(*(take(engine, market, one) for one in calls))
    assert sorted(answers) == ["", *[wallet_key(market.buyers[0])] * 7]
    assert await take(engine, market, calls[answers.index("")]) == ""
    async with engine.connect() as connection:
        held = await connection.scalar(text("SELECT held_micros FROM wallets"))
        history = await connection.scalar(text("SELECT count(*) FROM wallet_holds WHERE released_at IS NULL"))
    assert (held, history) == (60_000_000, 1)


@pytest.mark.parametrize(("listened_minutes", "held"), [(6, 45_000_000), (4, 1_000_000), (None, 1_000_000)])
async def test_a_price_that_was_lowered_while_callers_listened_is_held_as_they_will_be_billed(
    engine: AsyncEngine, market: Market, listened_minutes: int | None, held: int
) -> None:
    """A call is billed by the terms of its start. The price was lowered five minutes ago; a ping has no call yet."""
    calls = [uuid4() for _ in range(3)]
    async with engine.begin() as connection:
        await connection.execute(update(tables.buyer_terms).values(highest_micros=None))
        await connection.execute(
            text(
                "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, price_micros)"
                " SELECT buyer_id, campaign_id, now() - interval '5 minutes', 1000000 FROM buyer_terms"
            )
        )
        for call in calls if listened_minutes else ():
            await connection.execute(
                text(
                    "INSERT INTO calls (id, node, linkedid, started_at, state)"
                    " VALUES (:id, 'a', :linkedid, now() - :minutes * interval '1 minute', 'in_progress')"
                ),
                {"id": call, "linkedid": str(call), "minutes": listened_minutes},
            )
    answers = [await take(engine, market, call, amount=1_000_000) for call in calls]
    async with engine.connect() as connection:
        all_held = await connection.scalar(text("SELECT held_micros FROM wallets"))
    assert all_held == held * answers.count("")
    assert answers.count("") == min(3, 100_000_000 // held)


async def limited_router(engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Router:
    """Return a router of two buyers: the first has a credit limit of 50 dollars, and its calls cost 45."""
    monkeypatch.setattr(kept_data, "read_area_codes", dict)
    monkeypatch.setattr(kept_data, "read_zip_codes", dict)
    document = a_small_market(2)
    for buyer, limit in zip(document["buyers"], (50_000_000, None), strict=True):
        buyer["credit_limit_micros"] = limit
    document["targets"][0]["concurrency_cap"] = 5
    document["terms"] = [
        {
            "buyer_id": 1,
            "campaign_id": 1,
            "goes_live_at": "2020-01-01T00:00:00+00:00",
            "price_micros": 45_000_000,
        }
    ]
    await store_market(engine, document)
    file = tmp_path / "snapshot.json"
    write_snapshot(file, version=1, market=canonical_bytes(document))
    current = CurrentSnapshot(
        open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test"), file
    )
    await current.load()
    return Router(engine, current, database_seconds=PATIENT_SECONDS)


async def test_what_a_buyer_disputes_is_off_its_credit_when_a_call_is_decided(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = await limited_router(engine, tmp_path, monkeypatch)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO wallets (buyer_id, disputed_micros) VALUES (1, 5000001)"))
    decision = (await router.route_call(a_request(call_id=str(uuid4())), 1)).decision
    assert decision.chosen is not None and decision.chosen.target_id == 2
    assert [found.code for found in decision.rejections] == [RejectionCode.WALLET]
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE wallets SET disputed_micros = 5000000 WHERE buyer_id = 1"))
    decision = (await router.route_call(a_request(call_id=str(uuid4())), 1)).decision
    assert decision.chosen is not None and decision.chosen.target_id == 1


async def test_the_call_whose_wallet_was_emptied_meanwhile_goes_to_the_next_buyer(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls decide on one reading of the wallet; the second finds it held, and says so."""
    router = await limited_router(engine, tmp_path, monkeypatch)
    routed = [await router.route_call(a_request(call_id=str(uuid4())), 1) for _ in range(2)]
    together = await asyncio.gather(
        *(router.route_call(a_request(call_id=str(uuid4())), 1) for _ in range(2))
    )
    chosen = [one.decision.chosen.target_id if one.decision.chosen else None for one in (*routed, *together)]
    assert chosen.count(1) == 1 and chosen.count(2) == 1
    assert {found.code for found in routed[1].decision.rejections} == {RejectionCode.WALLET}
    assert "$5.00 left of wallet and credit" in routed[1].decision.rejections[0].detail
