"""Who gets the call, told as stories of one caller."""

from __future__ import annotations

import gc
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from router.domain.auction import AuctionWanted
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import Decision, RejectionCode
from router.domain.market import LOAN_TYPES
from rules.places import STATE_CODES
from tests.router.markets import (
    OFFICE_HOURS,
    a_campaign,
    a_licence,
    a_market,
    a_request,
    a_small_market,
    a_target,
    snapshot_of,
)


def decided(document: dict[str, Any], counts: Counts | None = None, **asked: Any) -> Decision:
    decision = decide(snapshot_of(document), a_request(**asked), counts or Counts())
    assert not isinstance(decision, AuctionWanted)
    return decision


def chosen(decision: Decision) -> int | None:
    return decision.chosen.target_id if decision.chosen else None


def why(decision: Decision, target_id: int) -> tuple[str, str]:
    found = next(rejection for rejection in decision.rejections if rejection.target_id == target_id)
    return found.code.value, found.detail


def one_target(licences: list[dict[str, Any]] | None = None, **target: Any) -> dict[str, Any]:
    return a_market(
        [a_target(1, **target)], [a_licence(1)] if licences is None else licences, a_campaign([[(1, 1)]])
    )


def test_the_first_in_priority_gets_the_call_and_the_others_are_told_their_rank() -> None:
    decision = decided(a_small_market(3))
    assert chosen(decision) == 1
    assert decision.chosen is not None
    assert decision.chosen.licence == "NMLS 10001 OH refinance"
    assert decision.order == (1, 2, 3)
    assert why(decision, 2) == ("lower_rank", "rank 2 of 3")
    assert why(decision, 3) == ("lower_rank", "rank 3 of 3")


def test_who_was_tried_is_not_rung_again() -> None:
    decision = decided(a_small_market(3), tried=(1,))
    assert chosen(decision) == 2
    assert why(decision, 1) == ("already_tried", "attempt 1 of this call")


def test_a_call_is_offered_no_more_often_than_the_campaign_says() -> None:
    decision = decided(a_small_market(3, maximum_attempts=2), tried=(1, 2))
    assert chosen(decision) is None
    assert why(decision, 3) == ("attempts_used", "2 of 2 attempts used")


def test_a_full_target_is_passed_over() -> None:
    decision = decided(a_small_market(2), Counts(concurrency={1: 1}))
    assert chosen(decision) == 2
    assert why(decision, 1) == ("at_cap", "1 of 1 calls in progress")


def test_a_target_that_takes_no_calls_at_all_is_full() -> None:
    assert why(decided(one_target(concurrency_cap=0)), 1)[0] == "at_cap"


@pytest.mark.parametrize("whose", ["campaigns", "buyers", "targets"])
def test_what_is_switched_off_sells_nothing(whose: str) -> None:
    document = a_small_market(1)
    document[whose][0]["enabled"] = False
    decision = decided(document)
    assert chosen(decision) is None
    assert why(decision, 1) == ("disabled", f"the {whose.removesuffix('s')} is switched off")


def test_a_buyer_who_does_not_want_the_loan_is_passed_over() -> None:
    decision = decided(one_target(loan_types=["purchase"]))
    assert why(decision, 1) == ("loan_type", "does not take refinance")


def test_a_buyer_without_a_licence_in_the_state_is_passed_over() -> None:
    decision = decided(one_target([a_licence(1, "CA")]))
    assert why(decision, 1) == ("unlicensed", "no licence for refinance in OH")


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ({"status": "surrendered"}, "licence 10001 for refinance in OH is surrendered"),
        ({"valid_from": "2026-03-04"}, "licence 10001 for refinance in OH begins on 2026-03-04"),
        ({"valid_to": "2026-03-02"}, "licence 10001 for refinance in OH ended on 2026-03-02"),
    ],
)
def test_a_licence_that_is_not_in_force_does_not_count(licence: dict[str, Any], said: str) -> None:
    assert why(decided(one_target([a_licence(1, **licence)])), 1) == ("unlicensed", said)


@pytest.mark.parametrize("bounds", [{"valid_from": "2026-03-03"}, {"valid_to": "2026-03-03"}])
def test_the_first_and_the_last_day_of_a_licence_count(bounds: dict[str, Any]) -> None:
    assert chosen(decided(one_target([a_licence(1, **bounds)]))) == 1


def test_one_licence_in_force_is_enough_whatever_became_of_the_others() -> None:
    licences = [
        a_licence(1, licence_id=1, status="expired"),
        a_licence(1, licence_id=2, nmls_id="77"),
        a_licence(1, licence_id=3, status="revoked"),
    ]
    decision = decided(one_target(licences))
    assert decision.chosen is not None
    assert decision.chosen.licence == "NMLS 77 OH refinance"


def test_a_licence_is_judged_by_the_day_where_the_target_is() -> None:
    # 20:30 on the 3rd in Los Angeles is already the 4th in New York.
    now = datetime(2026, 3, 4, 4, 30, tzinfo=UTC)
    ends_on_the_3rd = [a_licence(1, valid_to="2026-03-03")]
    for time_zone, expected in (("America/Los_Angeles", 1), ("UTC", None)):
        schedule = {
            "time_zone": time_zone,
            "ranges": [{"days": list(range(7)), "from": "00:00", "to": "24:00"}],
        }
        assert chosen(decided(one_target(ends_on_the_3rd, schedule=schedule), now=now)) == expected


def test_a_closed_office_says_when_it_opens() -> None:
    night = datetime(2026, 3, 4, 2, 4, tzinfo=UTC)
    decision = decided(one_target(schedule=OFFICE_HOURS), now=night)
    assert why(decision, 1) == ("closed", "Tue 21:04 in America/New_York, opens Wed 08:00")


def test_a_caller_who_does_not_say_which_loan_goes_to_who_takes_and_may_make_all_four() -> None:
    all_four = [a_licence(1, product=product, licence_id=n) for n, product in enumerate(LOAN_TYPES, 1)]
    tags = {"state": "OH"}
    assert chosen(decided(one_target(all_four), tags=tags)) == 1
    assert why(decided(one_target(all_four[:3]), tags=tags), 1) == (
        "unlicensed",
        "no licence for reverse in OH",
    )
    picky = one_target(all_four, loan_types=["refinance", "purchase", "home_equity"])
    assert why(decided(picky, tags=tags), 1) == (
        "loan_type",
        "does not take reverse, and the caller did not say which",
    )


def test_a_caller_of_unknown_state_goes_to_who_is_licensed_in_every_candidate() -> None:
    tags = {"loan_type": "refinance", "state_candidates": "MO-KS"}
    both = [a_licence(1, "KS", licence_id=1), a_licence(1, "MO", licence_id=2)]
    decision = decided(one_target(both), tags=tags)
    assert decision.chosen is not None
    assert [licence.state for licence in decision.chosen.licences] == ["KS", "MO"]
    assert why(decided(one_target(both[:1]), tags=tags), 1) == (
        "unlicensed",
        "no licence for refinance in MO",
    )


@pytest.mark.parametrize("said", [{}, {"state": ""}, {"state_candidates": ""}, {"state_candidates": "-"}])
def test_a_caller_nobody_can_place_goes_only_to_who_is_licensed_everywhere(said: dict[str, str]) -> None:
    tags = {"loan_type": "refinance", **said}
    everywhere = [a_licence(1, state, licence_id=n) for n, state in enumerate(STATE_CODES, 1)]
    assert chosen(decided(one_target(everywhere), tags=tags)) == 1
    assert chosen(decided(one_target(everywhere[:-1]), tags=tags)) is None


def test_a_state_we_do_not_know_is_nobodys() -> None:
    everywhere = [a_licence(1, state, licence_id=n) for n, state in enumerate(STATE_CODES, 1)]
    decision = decided(one_target(everywhere), tags={"loan_type": "refinance", "state": "PR"})
    assert why(decision, 1) == ("unlicensed", "no licence for refinance in PR")


def test_equals_take_turns_from_call_to_call_but_never_within_one() -> None:
    document = a_small_market(4)
    document["campaigns"][0]["stages"][0]["entries"] = [[target_id, 1] for target_id in (1, 2, 3, 4)]
    firsts = [chosen(decided(document, call_id=f"call-{number}")) for number in range(200)]
    again = [chosen(decided(document, call_id=f"call-{number}")) for number in range(200)]
    assert firsts == again
    assert all(firsts.count(target_id) > 25 for target_id in (1, 2, 3, 4))


def test_an_earlier_stage_goes_first_and_a_target_counts_where_it_stands_first() -> None:
    document = a_small_market(3)
    document["campaigns"][0] = a_campaign([[(2, 9)], [(1, 1), (2, 0), (3, 2)]])
    decision = decided(document)
    assert decision.order == (2, 1, 3)
    assert sorted(rejection.target_id for rejection in decision.rejections) == [1, 3]


def test_bidders_are_asked_when_the_stage_before_them_turns_out_to_have_no_room_for_the_price() -> None:
    document = a_small_market(2)
    document["campaigns"][0]["stages"] = [
        {"id": 1, "position": 1, "method": "priority", "entries": [[1, 1]]},
        {"id": 2, "position": 2, "method": "ping_post", "entries": [[2, 1]]},
    ]
    dear = {"buyer_id": 1, "campaign_id": 1, "price_micros": 45_000_000}
    document["terms"] = [{**dear, "goes_live_at": "2020-01-01T00:00:00+00:00"}]
    cap = {"id": 1, "owner": "target", "owner_id": 1, "kind": "revenue", "period": "day", "range_name": None}
    document["caps"] = [{**cap, "at_most": 60_000_000}]
    twenty_left = Counts(used={"target:1:revenue:day": 40_000_000})
    wanted = decide(snapshot_of(document), a_request(), twenty_left)
    assert isinstance(wanted, AuctionWanted)
    assert [offer.target_id for offer in wanted.offers] == [2]


def test_who_comes_after_the_chosen_is_the_same_whenever_it_is_looked_at() -> None:
    document = a_small_market(4)
    document["campaigns"][0] = a_campaign([[(3, 1)], [(1, 2), (4, 1)], [(2, 1)]])
    order_first, reasons_first = decided(document), decided(document)
    assert order_first.order == (3, 4, 1, 2)
    ranks = [(one.target_id, one.detail) for one in reasons_first.rejections]
    assert ranks == [(1, "rank 3 of 4"), (4, "rank 2 of 4"), (2, "rank 4 of 4")]
    assert order_first.to_bytes() == reasons_first.to_bytes()


def test_an_unknown_campaign_and_an_empty_plan_are_said_so() -> None:
    assert decided(a_small_market(1), campaign_id=9).problem == "campaign 9 is not in the snapshot"
    document = a_small_market(1)
    document["campaigns"][0]["stages"] = []
    assert decided(document).problem == "the plan of campaign 'mortgage' has no targets"


def test_a_target_that_cannot_be_read_takes_only_itself_out_of_play() -> None:
    document = a_small_market(3)
    document["targets"][0]["schedule"] = {"time_zone": "Ohio", "ranges": []}
    document["targets"][1]["sip_uri"] = "sip:x@y\nevil"
    decision = decided(document)
    assert chosen(decision) == 3
    code, detail = why(decision, 1)
    assert code == RejectionCode.DISABLED
    assert "the target cannot be used: schedule: time_zone: 'Ohio'" in detail
    assert "sip_uri" in why(decision, 2)[1]


def test_a_moment_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="time zone"):
        a_request(now=datetime(2026, 1, 1))


def test_the_day_of_a_licence_ends_at_the_targets_midnight() -> None:
    midnight = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
    document = one_target([a_licence(1, valid_to=str(date(2026, 6, 30)))])
    assert chosen(decided(document, now=midnight - timedelta(microseconds=1))) == 1
    assert chosen(decided(document, now=midnight)) is None


def test_a_decision_leaves_nothing_to_the_garbage_collector() -> None:
    """What goes round in a circle is found by a full look-through, while some other caller waits."""
    late_and_rich = {"all": [{"fact": "time", ">=": "09:00"}, {"fact": "equity", ">=": "50000"}]}
    asked = {"loan_type": "refinance", "state": "OH", "home_value": "400000", "loan_balance": "100000"}
    several = snapshot_of(a_small_market(3))
    decide(several, a_request(), Counts())
    for filters in (None, {"fact": "credit_score", ">=": 620}, late_and_rich):
        snapshot = snapshot_of(one_target(filters=filters))
        request = a_request(tags={**asked, "credit_score": "700"})
        decide(snapshot, request, Counts())  # the plan is made and kept
        gc.collect()
        gc.disable()
        try:
            decision = decide(snapshot, request, Counts())
            assert not isinstance(decision, AuctionWanted) and decision.chosen is not None
            assert decision.to_bytes()
            del decision
            assert gc.collect() == 0
            assert decide(several, request, Counts())  # and nobody looks who came after the first
            assert gc.collect() == 0
        finally:
            gc.enable()
