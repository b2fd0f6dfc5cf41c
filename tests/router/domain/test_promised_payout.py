"""A call whose publisher was promised a payout: nobody gets it for less, unless its campaign says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.domain.auction import AuctionResult, AuctionWanted, Bid, BidOutcome
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import Decision, RejectionCode, Reserved, RouteRequest
from router.domain.market import Snapshot
from router.replay import replay
from tests.router.markets import a_request, a_small_market, snapshot_of

DOLLAR = 1_000_000
PROMISED = Reserved(target_id=1, bid_micros=50 * DOLLAR, minimum_connected_ms=0)


def market(*prices: int, margin: int = 0, **campaign: Any) -> Snapshot:
    """Targets from 1 on, in one stage, that pay so many dollars by their terms."""
    document = a_small_market(len(prices))
    document["campaigns"][0] |= campaign
    document["campaigns"][0]["stages"][0]["margin_micros"] = margin * DOLLAR
    document["terms"] = [
        {
            "buyer_id": buyer,
            "campaign_id": 1,
            "goes_live_at": "2020-01-01T00:00:00+00:00",
            "price_micros": price,
        }
        for buyer, price in enumerate((price * DOLLAR for price in prices), 1)
    ]
    return snapshot_of(document)


def promised(dollars: int = 45, **changes: Any) -> RouteRequest:
    return a_request(promised_payout_micros=dollars * DOLLAR, **{"reserved": PROMISED, **changes})


def decided(snapshot: Snapshot, request: RouteRequest) -> Decision:
    answer = decide(snapshot, request, Counts())
    assert isinstance(answer, Decision)
    return answer


def chosen(decision: Decision) -> int | None:
    return None if decision.chosen is None else decision.chosen.target_id


def why_not(decision: Decision, target_id: int) -> tuple[RejectionCode, str]:
    found = next(one for one in decision.rejections if one.target_id == target_id)
    return found.code, found.detail


def test_the_promised_buyer_goes_first_whatever_its_terms_say() -> None:
    assert chosen(decided(market(40, 60), promised())) == 1


def test_who_pays_less_than_was_promised_is_passed_over_with_both_amounts() -> None:
    decision = decided(market(60, 40, 45), promised(tried=(1,)))
    assert chosen(decision) == 3
    assert why_not(decision, 2) == (
        RejectionCode.BELOW_PAYOUT,
        "pays $40.00, promised $45.00 to the publisher",
    )


def test_the_margin_of_the_stage_is_ours_on_top_of_the_promise() -> None:
    decision = decided(market(60, 49, 50, margin=5), promised(tried=(1,)))
    assert chosen(decision) == 3
    assert why_not(decision, 2)[1] == "pays $49.00, promised $45.00 to the publisher, and $5.00 are ours"


def test_a_caller_whom_only_losses_would_take_reaches_nobody_by_default() -> None:
    decision = decided(market(60, 40), promised(tried=(1,)))
    assert chosen(decision) is None
    assert why_not(decision, 2)[0] is RejectionCode.BELOW_PAYOUT
    assert not decision.hangs_on_counters


def test_a_campaign_may_sell_at_a_loss_and_the_decision_says_so() -> None:
    decision = decided(market(60, 40, 35, sells_at_loss=True), promised(tried=(1,)))
    assert chosen(decision) == 2
    assert decision.why.endswith("at a loss: pays $40.00, promised $45.00 to the publisher")
    assert why_not(decision, 3)[0] is RejectionCode.LOWER_RANK


def test_a_campaign_that_may_sell_at_a_loss_does_so_only_when_nobody_pays_enough() -> None:
    decision = decided(market(60, 40, 45, sells_at_loss=True), promised(tried=(1,)))
    assert chosen(decision) == 3
    assert "loss" not in decision.why


def test_a_call_without_a_promise_goes_by_price_no_more_than_before() -> None:
    assert chosen(decided(market(60, 1), a_request(tried=(1,)))) == 2


def test_bidders_have_to_bid_the_promise_and_a_bid_below_it_is_refused() -> None:
    snapshot = market(
        60, 40, stages=[{"id": 7, "position": 1, "method": "ping_post", "entries": [[1, 0], [2, 0]]}]
    )
    wanted = decide(snapshot, promised(tried=(1,)), Counts())
    assert isinstance(wanted, AuctionWanted)
    assert wanted.least_bid_micros == 45 * DOLLAR
    bid = Bid(target_id=2, outcome=BidOutcome.ACCEPTED, bid_micros=44 * DOLLAR)
    decision = decide(snapshot, promised(tried=(1,)), Counts(), {7: AuctionResult(stage_id=7, bids=(bid,))})
    assert isinstance(decision, Decision)
    assert chosen(decision) is None
    assert why_not(decision, 2) == (
        RejectionCode.BELOW_PAYOUT,
        "pays $44.00, promised $45.00 to the publisher",
    )


@pytest.mark.parametrize("sells_at_loss", [False, True])
def test_a_replay_gives_the_same_again(sells_at_loss: bool) -> None:
    snapshot = market(60, 40, sells_at_loss=sells_at_loss)
    decision = decided(snapshot, promised(tried=(1,)))
    assert replay(json.loads(decision.to_bytes()), snapshot).to_bytes() == decision.to_bytes()


def test_a_decision_without_a_promise_is_spelled_as_it_always_was() -> None:
    assert b"promised_payout" not in decided(market(60), a_request()).to_bytes()


def test_a_target_that_was_promised_without_an_auction_is_offered_no_bid() -> None:
    request = promised(reserved=Reserved(target_id=2))
    snapshot = market(60, 40)
    decision = decided(snapshot, request)
    assert decision.chosen is not None and decision.chosen.target_id == 2
    assert (decision.chosen.bid_micros, decision.chosen.minimum_connected_ms) == (None, None)
    assert replay(json.loads(decision.to_bytes()), snapshot).to_bytes() == decision.to_bytes()
