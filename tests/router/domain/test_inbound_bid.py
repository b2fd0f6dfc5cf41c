"""What a publisher is bid, and what it is told when it is bid nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.counts import Counts
from router.domain.decide import decide_unasked
from router.domain.decision import RejectionCode
from router.domain.inbound_bid import PPM, BidRefusal, payout_of, refusal_of
from router.domain.own_room import Held, without_own_room
from tests.router.markets import a_request, a_small_market, snapshot_of

MICROS = st.integers(min_value=0, max_value=10**10)


def test_a_share_goes_before_the_terms_and_the_margin_before_both() -> None:
    assert payout_of(85_000_000, share_ppm=None, terms_micros=60_000_000) == 60_000_000
    assert payout_of(85_000_000, share_ppm=800_000, terms_micros=60_000_000) == 68_000_000
    assert payout_of(85_000_000, share_ppm=PPM, terms_micros=None, margin_micros=20_000_000) == 65_000_000
    assert payout_of(50_000_000, share_ppm=None, terms_micros=60_000_000) == 50_000_000
    assert payout_of(85_000_000, share_ppm=None, terms_micros=None) == 0
    # Two thirds of 45 dollars less a tenth of a cent: rounded down, as is everything that is promised.
    assert payout_of(44_999_000, share_ppm=666_667, terms_micros=None) == 29_990_000
    assert payout_of(44_999_000, share_ppm=None, terms_micros=60_000_000) == 44_990_000


@given(MICROS, st.none() | st.integers(1, PPM), st.none() | MICROS, MICROS)
def test_never_more_than_is_left_above_the_margin(
    revenue: int, share: int | None, terms: int | None, margin: int
) -> None:
    payout = payout_of(revenue, share_ppm=share, terms_micros=terms, margin_micros=margin)
    assert 0 <= payout <= max(0, revenue - margin)


def test_every_refusal_has_a_code_and_words_and_every_rejection_a_refusal() -> None:
    assert all(1001 <= refusal.market_code <= 1100 and refusal.sentence for refusal in BidRefusal)
    decision = decide_unasked(
        snapshot_of(a_small_market(1)), a_request(tags={"loan_type": "refinance", "state": "CA"}), Counts()
    )
    (rejection,) = decision.rejections
    for code in RejectionCode:
        told = refusal_of(replace(decision, rejections=(replace(rejection, code=code, detail=""),)))
        assert told.market_code


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (("unlicensed", "at_cap"), BidRefusal.NO_CAPACITY),
        (("unlicensed", "loan_type"), BidRefusal.FILTERED),
        (("disabled", "unlicensed"), BidRefusal.FILTERED),
        (("duplicate", "unlicensed"), BidRefusal.CALLER),
        (("below_floor", "at_cap"), BidRefusal.NO_BID),
        ((), BidRefusal.DISABLED),
    ],
)
def test_the_reason_nearest_to_a_bid_is_told(codes: tuple[str, ...], told: BidRefusal) -> None:
    decision = decide_unasked(snapshot_of(a_small_market(1)), a_request(tags={"state": "CA"}), Counts())
    (rejection,) = decision.rejections
    rejections = tuple(replace(rejection, code=RejectionCode(code), detail="") for code in codes)
    assert refusal_of(replace(decision, rejections=rejections)) is told


def test_a_publisher_at_its_own_cap_is_told_so() -> None:
    decision = decide_unasked(snapshot_of(a_small_market(1)), a_request(tags={"state": "CA"}), Counts())
    (rejection,) = decision.rejections
    full = replace(rejection, code=RejectionCode.AT_CAP, detail="5 of 5 attempts this day of the publisher")
    assert refusal_of(replace(decision, rejections=(full,))) is BidRefusal.PUBLISHER_CAPPED


def test_a_call_does_not_stand_in_its_own_way() -> None:
    counts = Counts(
        concurrency={1: 1, 2: 3}, used={"buyer:1:attempts:day": 7, "target:1:spacing": 1_764_000_000_000}
    )
    held = [
        Held(key="target:1:concurrency", kind="concurrency", amount=1),
        Held(key="buyer:1:attempts:day", kind="attempts", amount=1),
        Held(key="target:1:spacing", kind="spacing", amount=1_764_000_000_000),
    ]
    seen = without_own_room(counts, held)
    assert seen.concurrency == {2: 3}
    assert seen.used == {"buyer:1:attempts:day": 6}
