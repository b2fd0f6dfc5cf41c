"""What a call is worth: the numbers are written by hand."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.judge_terms import seconds_text
from billing.terms import (
    BuyerTerms,
    Conversion,
    DuplicateCheck,
    PublisherTerms,
    Verdict,
    in_force,
    judge,
)

LIVE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OTHER = UUID(int=7)
BUYER = BuyerTerms(id=1, goes_live_at=LIVE, minimum_connected_ms=90_000, price_micros=45_000_000)
PUBLISHER = PublisherTerms(id=2, goes_live_at=LIVE, payout_micros=30_000_000)


def verdict_on(
    connected_ms: int | None,
    *,
    buyer: BuyerTerms | None = BUYER,
    publisher: PublisherTerms | None = PUBLISHER,
    check: DuplicateCheck = DuplicateCheck.CLEAR,
    of: UUID | None = None,
) -> Conversion:
    return judge(
        connected_ms=connected_ms,
        buyer_terms=buyer,
        publisher_terms=publisher,
        duplicate_check=check,
        duplicate_of=of,
    )


@pytest.mark.parametrize(
    ("connected_ms", "verdict", "detail"),
    [
        (89_999, Verdict.TOO_SHORT, "connected 89.999 s of 90 s"),
        (90_000, Verdict.CONVERTED, "connected 90 s of 90 s"),
        (90_001, Verdict.CONVERTED, "connected 90.001 s of 90 s"),
        (74_200, Verdict.TOO_SHORT, "connected 74.2 s of 90 s"),
        (0, Verdict.TOO_SHORT, "connected 0 s of 90 s"),
        (None, Verdict.NOT_CONNECTED, "no buyer answered"),
    ],
)
def test_the_minimum_is_judged_to_the_millisecond(
    connected_ms: int | None, verdict: Verdict, detail: str
) -> None:
    conversion = verdict_on(connected_ms)
    assert (conversion.verdict, conversion.detail) == (verdict, detail)


@given(st.integers(0, 10_000_000), st.sampled_from([-1, 0, 1]))
def test_one_millisecond_decides_at_any_minimum(minimum_ms: int, step_ms: int) -> None:
    buyer = BuyerTerms(id=1, goes_live_at=LIVE, minimum_connected_ms=minimum_ms, price_micros=1)
    if minimum_ms + step_ms >= 0:
        assert verdict_on(minimum_ms + step_ms, buyer=buyer).converted is (step_ms >= 0)


def test_a_converted_call_names_price_payout_and_terms() -> None:
    conversion = verdict_on(100_000)
    assert (conversion.price_micros, conversion.payout_micros) == (45_000_000, 30_000_000)
    assert (conversion.buyer_terms_id, conversion.publisher_terms_id) == (1, 2)
    assert conversion.to_json()["verdict"] == "converted"


def test_a_duplicate_bills_nothing_and_names_the_call_before() -> None:
    conversion = verdict_on(100_000, check=DuplicateCheck.DUPLICATE, of=OTHER)
    assert (conversion.verdict, conversion.price_micros, conversion.payout_micros) == (
        Verdict.DUPLICATE,
        0,
        0,
    )
    assert str(OTHER) in conversion.detail


def test_a_withheld_number_is_no_duplicate_and_says_so() -> None:
    conversion = verdict_on(100_000, check=DuplicateCheck.NO_CALLER)
    assert conversion.converted
    assert "no caller number" in conversion.detail


def test_without_buyer_terms_nothing_is_billed() -> None:
    conversion = verdict_on(100_000, buyer=None)
    assert (conversion.verdict, conversion.price_micros, conversion.payout_micros) == (Verdict.NO_TERMS, 0, 0)


def test_without_publisher_terms_the_buyer_is_billed_and_the_missing_payout_is_told() -> None:
    conversion = verdict_on(100_000, publisher=None)
    assert (conversion.price_micros, conversion.payout_micros) == (45_000_000, 0)
    assert "no payout" in conversion.detail


def test_terms_are_never_retroactive() -> None:
    newer = BuyerTerms(id=3, goes_live_at=LIVE + dt.timedelta(days=1), minimum_connected_ms=1, price_micros=1)
    instant = dt.timedelta(microseconds=1)
    assert in_force([newer, BUYER], newer.goes_live_at - instant) is BUYER
    assert in_force([newer, BUYER], newer.goes_live_at) is newer
    assert in_force([newer, BUYER], LIVE - instant) is None


@pytest.mark.parametrize(("ms", "text"), [(0, "0 s"), (74_200, "74.2 s"), (90_000, "90 s"), (10, "0.01 s")])
def test_seconds_as_people_read_them(ms: int, text: str) -> None:
    assert seconds_text(ms) == text
