"""Double entry by textbook."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import Posting, Unbalanced, balanced, settlement_postings

MICROS = st.integers(0, 10**12)


def test_a_sold_call() -> None:
    postings = settlement_postings(
        buyer_id=3,
        publisher_id=4,
        carrier_name="Carrier",
        price_micros=45_000_000,
        payout_micros=30_000_000,
        carrier_cost_micros=11_400,
    )
    assert {posting.account: posting.amount_micros for posting in postings} == {
        "buyer:3:receivable": 45_000_000,
        "revenue": -45_000_000,
        "payout": 30_000_000,
        "publisher:4:payable": -30_000_000,
        "carrier_cost": 11_400,
        "carrier:Carrier:payable": -11_400,
    }


@given(MICROS, MICROS, MICROS)
def test_every_settlement_balances_and_has_no_zero(price: int, payout: int, cost: int) -> None:
    postings = settlement_postings(
        buyer_id=1,
        publisher_id=1,
        carrier_name="c",
        price_micros=price,
        payout_micros=payout,
        carrier_cost_micros=cost,
    )
    assert sum(posting.amount_micros for posting in postings) == 0
    assert all(posting.amount_micros for posting in postings)


def test_an_unsold_call_of_a_free_trunk_posts_nothing() -> None:
    assert _settlement(price=0, payout=0) == ()


@pytest.mark.parametrize(("price", "payout"), [(-1, 0), (0, -1), (1, 0)])
def test_negative_amounts_and_amounts_nobody_owes_are_refused(price: int, payout: int) -> None:
    with pytest.raises(ValueError, match=r"negative|nobody owes"):
        _settlement(price=price, payout=payout)


def test_unbalanced_postings_are_refused() -> None:
    with pytest.raises(Unbalanced, match="by 1 micros"):
        balanced((Posting(account="a", amount_micros=2), Posting(account="b", amount_micros=-1)))


def _settlement(*, price: int, payout: int) -> tuple[Posting, ...]:
    return settlement_postings(
        buyer_id=None,
        publisher_id=1,
        carrier_name=None,
        price_micros=price,
        payout_micros=payout,
        carrier_cost_micros=0,
    )
