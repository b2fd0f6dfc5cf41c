"""A call is ranked, held for and promised by the terms that were live when it began: those on its bill."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from router.domain.auction import AuctionWanted
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import Decision, RouteRequest
from router.domain.last_known import price_of
from router.domain.market import Snapshot
from router.replay import replay, stored_bytes
from tests.router.markets import TUESDAY_NOON, a_request, a_small_market, snapshot_of

DOLLAR = 1_000_000
BEGAN = TUESDAY_NOON - timedelta(seconds=40)
LONG_AGO = TUESDAY_NOON - timedelta(days=400)


def terms(buyer_id: int, dollars: int, since: datetime, minimum_ms: int = 30_000) -> dict[str, Any]:
    return {
        "buyer_id": buyer_id,
        "campaign_id": 1,
        "goes_live_at": since.isoformat(),
        "price_micros": dollars * DOLLAR,
        "minimum_connected_ms": minimum_ms,
    }


def a_price_changed_while_the_caller_listened(method: str = "best_value") -> Snapshot:
    """Buyer 1 pays $73. Buyer 2 paid $61 when the call began, and asks $99 since."""
    document = a_small_market(2)
    document["campaigns"][0]["stages"][0]["method"] = method
    changed = terms(2, 99, BEGAN + timedelta(seconds=1), minimum_ms=90_000)
    document["terms"] = [terms(1, 73, LONG_AGO), terms(2, 61, LONG_AGO), changed]
    document["payouts"] = [
        {"publisher_id": 1, "campaign_id": 1, "goes_live_at": at.isoformat(), "price_micros": price * DOLLAR}
        for at, price in ((LONG_AGO, 40), (BEGAN + timedelta(seconds=1), 70))
    ]
    return snapshot_of(document)


def decided(snapshot: Snapshot, request: RouteRequest) -> Decision:
    answer = decide(snapshot, request, Counts())
    assert isinstance(answer, Decision)
    return answer


@pytest.mark.parametrize(
    ("started_at", "first"), [(BEGAN, 1), (BEGAN + timedelta(seconds=1), 2), (None, 2), (TUESDAY_NOON, 2)]
)
def test_who_pays_most_is_who_paid_most_when_the_call_began(started_at: datetime | None, first: int) -> None:
    decision = decided(a_price_changed_while_the_caller_listened(), a_request(started_at=started_at))
    assert decision.chosen is not None and decision.chosen.target_id == first


def test_what_is_held_without_the_database_is_the_price_of_the_start() -> None:
    snapshot, request = a_price_changed_while_the_caller_listened(), a_request(tried=(1,), started_at=BEGAN)
    chosen = decided(snapshot, request).chosen
    assert chosen is not None and chosen.target_id == 2
    assert price_of(snapshot, request, chosen) == 61 * DOLLAR


def test_bidders_are_measured_by_the_minimum_and_payout_of_the_start() -> None:
    snapshot = a_price_changed_while_the_caller_listened("ping_post")
    wanted = decide(snapshot, a_request(publisher_id=1, started_at=BEGAN), Counts())
    assert isinstance(wanted, AuctionWanted)
    assert wanted.standing_minimums_ms == {1: 30_000, 2: 30_000} and wanted.payout_micros == 40 * DOLLAR
    ping = decide(snapshot, a_request(publisher_id=1), Counts())
    assert isinstance(ping, AuctionWanted)
    assert ping.standing_minimums_ms[2] == 90_000 and ping.payout_micros == 70 * DOLLAR


@pytest.mark.parametrize("started_at", [BEGAN, None])
def test_the_start_is_stored_and_replayed_byte_for_byte(started_at: datetime | None) -> None:
    """Decisions stored before there was a start have none, and are replayed by their own moment."""
    snapshot = a_price_changed_while_the_caller_listened()
    stored = decided(snapshot, a_request(started_at=started_at)).to_json()
    assert ("started_at" in stored["inputs"]) is (started_at is not None)
    assert replay(stored, snapshot).to_bytes() == stored_bytes(stored)


def test_a_start_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="started_at needs a time zone"):
        a_request(started_at=datetime(2026, 3, 3, 12, 0))
