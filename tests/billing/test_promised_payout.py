"""A publisher that asked for a bid earns what it was promised for the call that came on it, and for no other."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.settle_call import Settlement
from store.call_id import call_id_of
from store.tables import decisions, rtb_keys, rtb_reservations, tracking_numbers
from tests.billing.test_settle_call import START_MS, a_call, arrived, settle
from tests.market import CALLER, PAYOUT, Market, make_market

PROMISED = 33_000_000
STARTED = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def reserve(engine: AsyncEngine, **changes: Any) -> None:
    """A reservation made ten seconds before the call, for a minute."""
    async with engine.begin() as connection:
        number = (await connection.execute(select(tracking_numbers).limit(1))).one()
        owners = {"publisher_id": number.publisher_id, "campaign_id": number.campaign_id}
        key = await connection.scalar(
            insert(rtb_keys).values(key_digest=uuid4().bytes, **owners).returning(rtb_keys.c.id)
        )
        values = {
            "id": uuid4(),
            "rtb_key_id": key,
            "tracking_number_id": number.id,
            "caller_sealed": CALLER,
            "state": "confirmed",
            "payout_micros": PROMISED,
            "minimum_connected_ms": 0,
            "created_at": STARTED - dt.timedelta(seconds=10),
            "expires_at": STARTED + dt.timedelta(seconds=50),
            **owners,
        }
        await connection.execute(insert(rtb_reservations).values(**{**values, **changes}))


async def payout(engine: AsyncEngine, market: Market, serial: int = 1) -> int:
    settled = await settle(engine, await arrived(engine, a_call(market, serial=serial)))
    assert isinstance(settled, Settlement) and settled.conversion.converted, settled
    return settled.conversion.payout_micros


async def used_by(engine: AsyncEngine) -> UUID | None:
    async with engine.connect() as connection:
        found: UUID | None = await connection.scalar(select(rtb_reservations.c.call_id))
        return found


async def routed(engine: AsyncEngine, market: Market, call_id: UUID, **inputs: Any) -> None:
    """The decision that let the buyer ring."""
    decision = {"chosen": {"target_id": market.targets[0], "bid_micros": None}, "inputs": inputs}
    async with engine.begin() as connection:
        await connection.execute(
            insert(decisions).values(
                call_id=call_id,
                sequence=1,
                decided_by="router",
                decided_at=STARTED,
                duration_us=1,
                decision=decision,
            )
        )


@pytest.mark.parametrize("known", [True, False])
async def test_the_promise_goes_before_the_terms_when_the_call_was_routed_on_it(
    engine: AsyncEngine, market: Market, known: bool
) -> None:
    call_id = call_id_of(a_call(market).linkedid)
    await reserve(engine, state="used", call_id=call_id)
    settled = await settle_after(engine, market, call_id, known)
    assert settled.conversion.payout_micros == (PROMISED if known else PAYOUT)
    told = settled.conversion.to_json()
    assert (told["publisher"]["rule"], told["publisher_terms_id"] is None) == (
        ("promise", True) if known else ("base", False)
    )


async def settle_after(engine: AsyncEngine, market: Market, call_id: UUID, known: bool) -> Settlement:
    record = await arrived(engine, a_call(market))
    await routed(engine, market, call_id, **({"promised_payout_micros": PROMISED} if known else {}))
    settled = await settle(engine, record)
    assert isinstance(settled, Settlement)
    return settled


@pytest.mark.parametrize(
    ("promise", "payout_micros"),
    [
        ({"minimum_connected_ms": 100_001}, PAYOUT),
        ({"minimum_connected_ms": 100_000}, PROMISED),
        ({"payout_micros": 64_000_000}, 45_000_000),
        ({"payout_micros": 64_000_000, "margin_micros": 5_000_000}, 40_000_000),
        ({"payout_micros": 64_000_000, "share_ppm": 800_000}, 36_000_000),
        ({"payout_micros": 64_000_000, "share_ppm": 800_000, "margin_micros": 15_000_000}, 30_000_000),
    ],
)
async def test_a_promise_is_paid_out_of_the_price(
    engine: AsyncEngine, market: Market, promise: dict[str, int], payout_micros: int
) -> None:
    """The call lasted 100 s, and the buyer pays $45."""
    call_id = call_id_of(a_call(market).linkedid)
    await reserve(engine, state="used", call_id=call_id, **promise)
    settled = await settle_after(engine, market, call_id, known=True)
    assert settled.conversion.payout_micros == payout_micros


@pytest.mark.parametrize("state", ["open", "confirmed", "expired"])
async def test_a_call_whose_claim_was_missed_earns_by_the_terms(
    engine: AsyncEngine, market: Market, state: str
) -> None:
    """Nobody knew of the promise when the call was routed: the buyer that took it never agreed to its price."""
    await reserve(engine, state=state)
    assert await payout(engine, market) == PAYOUT
    assert await used_by(engine) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"caller_sealed": "+16145559999"},
        {"expires_at": STARTED - dt.timedelta(seconds=1)},
        {"created_at": STARTED + dt.timedelta(seconds=1)},
        {"state": "refused"},
        {"state": "used", "call_id": uuid4()},
    ],
)
async def test_no_other_reservation_pays_for_it(
    engine: AsyncEngine, market: Market, changes: dict[str, Any]
) -> None:
    await reserve(engine, **changes)
    assert await payout(engine, market) != PROMISED
