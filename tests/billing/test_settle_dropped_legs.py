"""A call that one buyer dropped and another kept is billed once: by whose terms, and for whose time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.call_record import CallRecord, LegRecord
from billing.terms import Verdict
from store.call_id import call_id_of
from store.tables import calls
from tests.billing.test_settle_call import START_MS, a_call, scalar, settled
from tests.market import PRICE, Market, make_market

MINIMUM_MS = 5_000


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine, minimum_connected_ms=MINIMUM_MS)


def dropped_and_kept(market: Market, dropped_ms: int, kept_ms: int | None) -> CallRecord:
    """The first buyer talked for `dropped_ms`; the second for `kept_ms`, None when nobody else took it."""
    record = a_call(market, connected_ms=dropped_ms)
    first = replace(record.legs[0], dropped=True)
    second = LegRecord(
        attempt=2,
        target_id=market.targets[1],
        answered_ms=None if kept_ms is None else START_MS + 60_000,
        ended_ms=START_MS + 60_000 + (kept_ms or 0),
        cause=16,
        witness=first.witness,
    )
    return replace(record, legs=(first, second), ended_ms=second.ended_ms)


@pytest.mark.parametrize(
    ("dropped_ms", "kept_ms", "billed", "connected_ms"),
    [
        (1_000, 8_000, 1, 8_000),
        (9_000, 8_000, 1, 8_000),
        (9_000, 4_999, 0, 9_000),
        (9_000, None, 0, 9_000),
        (4_999, 4_999, None, 4_999),
        (4_999, 100, None, 100),
        (4_999, None, None, 4_999),
    ],
)
async def test_who_pays(
    engine: AsyncEngine,
    market: Market,
    dropped_ms: int,
    kept_ms: int | None,
    billed: int | None,
    connected_ms: int,
) -> None:
    record = dropped_and_kept(market, dropped_ms, kept_ms)
    settlement = await settled(engine, record)
    converted = billed is not None
    assert (settlement.conversion.verdict is Verdict.CONVERTED) is converted
    assert settlement.conversion.price_micros == (PRICE if converted else 0)
    assert settlement.conversion.connected_ms == connected_ms
    if billed is not None:
        query = select(calls.c.target_id).where(calls.c.id == call_id_of(record.linkedid))
        assert await scalar(engine, query) == market.targets[billed]
