"""Which bid wins."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.domain.auction import (
    MAXIMUM_BID_MICROS,
    AuctionResult,
    Bid,
    BidOutcome,
    deadline_problem,
    judged,
    ranked,
)
from router.domain.worth import Ceilings, worth_of
from tests.router.auctions import wanted_from
from tests.router.markets import CALL, TUESDAY_NOON

ACCEPTED = BidOutcome.ACCEPTED

BIDS = st.lists(
    st.builds(
        Bid,
        target_id=st.integers(1, 50),
        outcome=st.sampled_from(BidOutcome),
        bid_micros=st.integers(1, 5),
    ),
    max_size=30,
    unique_by=lambda bid: bid.target_id,
)


def a_bid(target_id: int, micros: int | None = 20_000_000) -> Bid:
    return Bid(target_id=target_id, outcome=ACCEPTED, bid_micros=micros)


@given(bids=BIDS, offered=st.dictionaries(st.integers(1, 50), st.integers(0, 3)), order=st.randoms())
def test_only_accepted_bids_stand_the_highest_first_whatever_order_they_came_in(
    bids: list[Bid], offered: dict[int, int], order: object
) -> None:
    found = ranked(bids, CALL, offered)
    assert {bid.target_id for bid in found} == {bid.target_id for bid in bids if bid.outcome is ACCEPTED}
    keys = [(-(bid.bid_micros or 0), offered.get(bid.target_id, 0)) for bid in found]
    assert keys == sorted(keys)
    shuffled = list(bids)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ranked(shuffled, CALL, offered) == found


def test_ties_go_to_who_waited_longest_then_to_a_hash_of_the_call() -> None:
    bids = [a_bid(number) for number in range(1, 9)]
    assert ranked(bids, CALL, dict.fromkeys(range(1, 9), 5) | {6: 1})[0].target_id == 6
    winners = {ranked(bids, f"{number}", {})[0].target_id for number in range(60)}
    assert len(winners) > 4


@given(amount=st.none() | st.integers(-5, 30) | st.just(MAXIMUM_BID_MICROS + 1), floor=st.integers(0, 20))
def test_a_bid_stands_from_the_floor_on(amount: int | None, floor: int) -> None:
    outcome = judged(a_bid(1, amount), wanted_from([1], floor_micros=floor), TUESDAY_NOON).outcome
    if amount is None or amount <= 0 or amount > MAXIMUM_BID_MICROS:
        assert outcome is BidOutcome.INVALID
    else:
        assert outcome is (ACCEPTED if amount >= floor else BidOutcome.BELOW_FLOOR)


@given(bids=BIDS, minimums=st.dictionaries(st.integers(1, 50), st.integers(0, 3_600_000)))
def test_what_was_ranked_is_ranked_the_same_when_it_is_read_again(
    bids: list[Bid], minimums: dict[int, int]
) -> None:
    counted = [
        replace(bid, worth=worth_of(bid.bid_micros or 0, minimums[bid.target_id]))
        if bid.target_id in minimums
        else bid
        for bid in bids
    ]
    read = AuctionResult.from_json(
        json.loads(json.dumps(AuctionResult(stage_id=1, bids=tuple(counted)).to_json()))
    )
    assert read.bids == tuple(counted)
    assert ranked(read.bids, CALL) == ranked(counted, CALL)


def test_the_floor_judges_what_a_bid_is_worth_and_the_payout_what_it_is() -> None:
    """The publisher is paid only when the buyer pays."""
    bid = replace(a_bid(1), worth=worth_of(20_000_000, 60_000))  # worth $10.00
    floor = wanted_from([1], floor_micros=10_000_001)
    assert judged(bid, floor, TUESDAY_NOON).outcome is BidOutcome.BELOW_FLOOR
    better = replace(bid, worth=worth_of(20_000_000, 60_000, (9, *[9] * 16)))
    assert judged(better, floor, TUESDAY_NOON).outcome is ACCEPTED
    payout = wanted_from([1], payout_micros=15_000_000, margin_micros=5_000_000)
    assert judged(bid, payout, TUESDAY_NOON).outcome is ACCEPTED


def test_the_lower_ceiling_holds_whether_stage_or_endpoint_sets_it() -> None:
    low, high = Ceilings(highest_bid_micros=19_000_000), Ceilings(highest_bid_micros=21_000_000)
    for stage, endpoint, outcome in (
        (low, high, BidOutcome.INVALID),
        (high, low, BidOutcome.INVALID),
        (high, high, ACCEPTED),
    ):
        found = judged(a_bid(1), wanted_from([1], ceilings=stage), TUESDAY_NOON, endpoint)
        assert found.outcome is outcome


def test_the_margin_is_what_is_left_after_the_payout() -> None:
    wanted = wanted_from([1], floor_micros=10, payout_micros=15, margin_micros=5)
    assert wanted.least_bid_micros == 20


def test_an_expired_bid_does_not_stand() -> None:
    over = replace(a_bid(1), expires_at=TUESDAY_NOON)
    assert judged(over, wanted_from([1]), TUESDAY_NOON).outcome is BidOutcome.EXPIRED
    assert judged(over, wanted_from([1]), TUESDAY_NOON - timedelta(seconds=1)).outcome is ACCEPTED


@given(bids=BIDS)
def test_a_result_is_read_as_it_was_written(bids: list[Bid]) -> None:
    result = AuctionResult(
        stage_id=1, bids=tuple(replace(bid, expires_at=TUESDAY_NOON, arrived_us=7) for bid in bids)
    )
    assert AuctionResult.from_json(result.to_json()) == result


def test_deadlines_are_from_50_to_2000_ms() -> None:
    assert [deadline_problem(ms) is None for ms in (49, 50, 500, 2000, 2001)] == [
        False,
        True,
        True,
        True,
        False,
    ]
