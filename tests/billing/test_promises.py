"""What is paid of a promise: never more than was promised, than the price bears, or than may be lost in a day."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from billing.promises import Promise, loss_counter, promised_payout
from tests.billing.contracts import publisher

MICROS = st.integers(0, 10**9)


@given(MICROS, MICROS, st.none() | st.integers(0, 1_000_000), MICROS, MICROS, MICROS)
def test_a_promise_never_costs_more_than_it_may(
    promised: int, price: int, share_ppm: int | None, margin: int, daily_loss: int, lost_before: int
) -> None:
    promise = Promise(
        payout_micros=promised,
        minimum_connected_ms=0,
        share_ppm=share_ppm,
        margin_micros=margin,
        daily_loss_micros=daily_loss,
    )
    paid = promised_payout(promise, price_micros=price, terms=None, lost_before_micros=lost_before)
    assert 0 <= paid.borne_micros <= max(0, price - margin)
    assert paid.payout_micros <= promised
    assert 0 <= paid.loss_micros <= max(0, daily_loss - lost_before)
    if share_ppm is not None:
        assert paid.borne_micros <= price * share_ppm // 1_000_000


def test_the_margin_of_the_publishers_own_terms_is_kept_too() -> None:
    terms = publisher("30.00", minimum_margin="20.00")
    promise = Promise(payout_micros=40_000_000, minimum_connected_ms=0)
    paid = promised_payout(promise, price_micros=45_000_000, terms=terms, lost_before_micros=0)
    assert paid.payout_micros == 25_000_000
    assert paid.detail == "promised $40.00 to the publisher's ping, lowered to $25.00: the buyer pays $45.00"


def test_losses_are_added_up_by_publisher_campaign_and_day() -> None:
    at = dt.datetime(2026, 3, 1, 23, 59, tzinfo=dt.UTC)
    one, next_day = loss_counter(1, 2, at), loss_counter(1, 2, at + dt.timedelta(minutes=1))
    assert one.key == next_day.key != loss_counter(2, 2, at).key
    assert (one.period_start, next_day.period_start) == (dt.date(2026, 3, 1), dt.date(2026, 3, 2))
