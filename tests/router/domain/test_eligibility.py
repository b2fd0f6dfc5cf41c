"""Who may get a call at all: each rule of eligibility as the story of one caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from router.domain.caller_facts import with_caller_state
from router.domain.counts import Counts, EarlierCall, Facts
from router.domain.decide import decide_unasked
from router.domain.decision import Decision
from tests.router.markets import (
    TUESDAY_NOON,
    a_campaign,
    a_licence,
    a_market,
    a_request,
    a_small_market,
    a_target,
    snapshot_of,
)

OHIO = "+16145550123"
REVERSE = {"loan_type": "reverse", "state": "OH"}
REFINANCE = {"loan_type": "refinance", "state": "OH"}


def decided(document: dict[str, Any], facts: Facts | None = None, **asked: Any) -> Decision:
    return decide_unasked(snapshot_of(document), a_request(**asked), Counts(facts=facts or Facts()))


def chosen(decision: Decision) -> int | None:
    return decision.chosen.target_id if decision.chosen else None


def why(decision: Decision, target_id: int) -> tuple[str, str]:
    found = next(rejection for rejection in decision.rejections if rejection.target_id == target_id)
    return found.code.value, found.detail


def one_target(licences: list[dict[str, Any]] | None = None, **target: Any) -> dict[str, Any]:
    return a_market(
        [a_target(1, **target)], [a_licence(1)] if licences is None else licences, a_campaign([[(1, 1)]])
    )


# --- filters -----------------------------------------------------------------------------------------------------


def test_a_filter_that_is_not_met_says_what_is_missing() -> None:
    document = a_small_market(2)
    document["targets"][0]["filters"] = {
        "all": [{"fact": "credit_score", ">=": 620}, {"fact": "home_value", ">=": "200000"}]
    }
    poor = decided(document, tags={"loan_type": "refinance", "state": "OH", "credit_score": "600"})
    assert chosen(poor) == 2
    assert why(poor, 1) == ("filters", "credit_score is 600, wanted >= 620")
    unsaid = decided(document)
    assert why(unsaid, 1) == ("filters", "credit_score is not known, wanted >= 620")
    rich = {"loan_type": "refinance", "state": "OH", "credit_score": "700", "home_value": "$250,000"}
    assert chosen(decided(document, tags=rich)) == 1


def test_a_reverse_mortgage_desk_takes_borrowers_of_62_and_more() -> None:
    document = one_target([a_licence(1, product="reverse")], filters={"fact": "age", ">=": 62})
    assert chosen(decided(document, tags={**REVERSE, "age": "62"})) == 1
    assert why(decided(document, tags={**REVERSE, "age": "61"}), 1) == ("filters", "age is 61, wanted >= 62")


def test_a_filter_may_ask_for_publisher_number_day_and_score() -> None:
    document = one_target(
        filters={
            "all": [
                {"fact": "publisher", "in": [7, 8]},
                {"fact": "number", "=": "+18005550100"},
                {"fact": "weekday", "in": ["tue", "wed"]},
                {"fact": "time", "between": ["09:00", "17:00"]},
                {"fact": "score", ">": 0.5},
            ]
        }
    )
    asked = {"publisher_id": 7, "dialled": "+18005550100", "tags": {**REFINANCE, "score": "0.7"}}
    assert chosen(decided(document, **asked)) == 1
    assert why(decided(document, **{**asked, "publisher_id": 9}), 1)[0] == "filters"
    assert why(decided(document, **{**asked, "tags": REFINANCE}), 1)[1] == "score is not known, wanted > 0.5"
    monday = TUESDAY_NOON - timedelta(days=1)
    assert why(decided(document, **asked, now=monday), 1)[1] == "weekday is mon, wanted in tue, wed"


def test_a_filter_reads_the_clock_where_the_target_works() -> None:
    morning = {"fact": "time", "<": "10:00"}
    zones = ["America/New_York", "America/Los_Angeles"]
    always = [{"days": list(range(7)), "from": "00:00", "to": "24:00"}]
    document = a_small_market(2)
    for target, zone in zip(document["targets"], zones, strict=True):
        target |= {"filters": morning, "schedule": {"time_zone": zone, "ranges": always}}
    decision = decided(document)
    assert chosen(decision) == 2, "noon in New York, nine in Los Angeles"
    assert why(decision, 1) == ("filters", "time is 12:00, wanted < 10:00")


def test_a_filter_that_cannot_be_right_takes_its_target_out_and_says_so() -> None:
    document = a_small_market(2)
    document["targets"][0]["filters"] = {"fact": "shoe_size", "=": 9}
    decision = decided(document)
    assert chosen(decision) == 2
    code, detail = why(decision, 1)
    assert code == "disabled" and "filters: fact: shoe_size is not a known fact" in detail


# --- licences ----------------------------------------------------------------------------------------------------


def test_where_a_buyer_lists_its_officers_one_of_them_has_to_be_licensed_too() -> None:
    officer = {"officer_name": "Ann Lee", "officer_nmls_id": "1187265"}
    company = a_licence(1)
    in_michigan = a_licence(1, "MI", licence_id=2, **officer)
    assert why(decided(one_target([company, in_michigan])), 1) == (
        "officer_unlicensed", "no loan officer has a licence for refinance in OH",
    )  # fmt: skip
    in_ohio = a_licence(1, licence_id=3, **officer)
    sold = decided(one_target([company, in_michigan, in_ohio]))
    assert sold.chosen is not None
    assert [one.id for one in sold.chosen.licences] == [1, 3]


def test_a_licence_ends_at_midnight_where_the_target_works() -> None:
    document = one_target([a_licence(1, valid_to="2026-03-03")])
    last_minute = datetime(2026, 3, 4, 4, 59, tzinfo=UTC)
    assert chosen(decided(document, now=last_minute)) == 1
    assert why(decided(document, now=last_minute + timedelta(minutes=1)), 1)[0] == "unlicensed"


def test_a_state_by_area_code_over_two_states_goes_only_to_who_is_licensed_in_both() -> None:
    licences = [a_licence(1, "KS"), a_licence(2, "KS"), a_licence(2, "MO", licence_id=3)]
    document = a_market([a_target(1), a_target(2)], licences, a_campaign([[(1, 1), (2, 2)]]))
    tags = with_caller_state({"loan_type": "refinance"}, "+18165550123", {"816": ("KS", "MO")}, {})
    decision = decided(document, tags=tags)
    assert chosen(decision) == 2
    assert why(decision, 1) == ("unlicensed", "no licence for refinance in MO")


# --- callers -----------------------------------------------------------------------------------------------------


def blocking(**rule: Any) -> dict[str, Any]:
    document = a_small_market(2)
    document["blocked_callers"] = [{"id": 1, "value": "", "campaign_id": None, "reason": "", **rule}]
    return document


@pytest.mark.parametrize(
    ("rule", "caller"),
    [
        ({"kind": "number", "value": OHIO}, OHIO),
        ({"kind": "prefix", "value": "+1614"}, OHIO),
        ({"kind": "anonymous"}, None),
    ],
)
def test_a_blocked_caller_is_sold_to_nobody(rule: dict[str, Any], caller: str | None) -> None:
    decision = decided(blocking(**rule), caller=caller)
    assert chosen(decision) is None
    assert {rejection.code.value for rejection in decision.rejections} == {"blocked_caller"}
    assert chosen(decided(blocking(**rule), caller="+13135550123")) == 1


def test_a_caller_in_a_buyers_book_of_business_goes_to_the_next() -> None:
    decision = decided(a_small_market(2), Facts(suppressed_buyers=frozenset({1})))
    assert chosen(decision) == 2
    assert why(decision, 1) == ("suppressed", "the caller is in the buyer's book of business")


# --- duplicates --------------------------------------------------------------------------------------------------


def before(target_id: int, hours: float = 1, **changes: Any) -> EarlierCall:
    said: dict[str, Any] = {
        "call_id": "first",
        "campaign_id": 1,
        "buyer_id": target_id,
        "target_id": target_id,
        "started_at": TUESDAY_NOON - timedelta(hours=hours),
        "connected": True,
        "converted": False,
    }
    return EarlierCall(**{**said, **changes})


def again(
    document: dict[str, Any], *earlier: EarlierCall, exclusive: bool = False, **policy: Any
) -> Decision:
    said = {"window_seconds": 86_400, "scope": "target", "after": "connect", "action": "refuse"}
    document["campaigns"][0] |= {"duplicate_policy": {**said, **policy}, "exclusive": exclusive}
    return decided(document, Facts(earlier_calls=earlier))


def test_a_target_that_had_the_caller_is_passed_over_and_told_which_call_it_was() -> None:
    decision = again(a_small_market(2), before(1))
    assert chosen(decision) == 2
    assert why(decision, 1) == (
        "duplicate", "target 1 connected this caller at 2026-03-03 16:00 UTC, within 1 day",
    )  # fmt: skip


def test_a_campaign_that_refuses_duplicates_refuses_them_everywhere() -> None:
    decision = again(a_small_market(2), before(1), scope="campaign")
    assert chosen(decision) is None
    assert {rejection.code.value for rejection in decision.rejections} == {"duplicate"}
    assert chosen(again(a_small_market(2), before(1, hours=24), scope="campaign")) == 1


def test_a_group_shares_its_duplicates() -> None:
    document = a_small_market(3)
    document["groups"] = [{"id": 5, "name": "Keystone family", "targets": [1, 2]}]
    decision = again(document, before(1), scope="group")
    assert chosen(decision) == 3
    assert why(decision, 2)[0] == "duplicate"


def test_the_same_target_gets_the_caller_again_before_those_of_higher_priority() -> None:
    decision = again(a_small_market(3), before(3), scope="campaign", action="same_target")
    assert chosen(decision) == 3
    assert why(decision, 1)[0] == "lower_rank"
    closed = a_small_market(3)
    closed["targets"][2]["enabled"] = False
    assert chosen(again(closed, before(3), scope="campaign", action="same_target")) == 1


def test_a_duplicate_may_be_routed_and_not_billed() -> None:
    decision = again(a_small_market(2), before(1), action="route_unbilled")
    assert decision.chosen is not None
    assert (decision.chosen.target_id, decision.chosen.billed) == (1, False)
    assert again(a_small_market(2), action="route_unbilled").chosen is not None
    fresh = again(a_small_market(2), action="route_unbilled").chosen
    assert fresh is not None and fresh.billed


def test_an_exclusive_campaign_sells_a_caller_to_one_buyer_only() -> None:
    sold = before(2, hours=30, converted=True)
    decision = again(a_small_market(2), sold, exclusive=True)
    assert chosen(decision) == 2
    assert why(decision, 1) == ("sold_elsewhere", "sold to buyer 2 on 2026-03-02, exclusively")
    assert chosen(again(a_small_market(2), sold, exclusive=False)) == 1


def test_a_policy_that_cannot_be_right_is_a_problem_of_the_market_and_holds_up_no_call() -> None:
    document = a_small_market(1)
    document["campaigns"][0]["duplicate_policy"] = {"scope": "planet"}
    snapshot = snapshot_of(document)
    assert any("duplicate_policy" in problem and "planet" in problem for problem in snapshot.problems)
    assert chosen(decided(document)) == 1


# --- wallets -----------------------------------------------------------------------------------------------------


def priced(dollars: int) -> dict[str, Any]:
    document = a_small_market(2)
    document["terms"] = [
        {
            "buyer_id": buyer_id,
            "campaign_id": 1,
            "goes_live_at": "2026-01-01T00:00:00+00:00",
            "minimum_connected_ms": 90_000,
            "price_micros": dollars * 1_000_000,
        }
        for buyer_id in (1, 2)
    ]
    return document


def test_a_buyer_whose_wallet_and_credit_are_below_the_price_is_not_offered_the_call() -> None:
    decision = decided(priced(45), Facts(wallet_micros={1: 44_999_999}))
    assert chosen(decision) == 2
    assert why(decision, 1) == (
        "wallet", "$44.999999 left of wallet and credit, the call costs $45.00",
    )  # fmt: skip
    assert chosen(decided(priced(45), Facts(wallet_micros={1: 45_000_000}))) == 1
    assert chosen(decided(priced(45))) == 1, "a buyer that pays by invoice has no limit"


def test_an_empty_wallet_buys_nothing_whatever_the_price() -> None:
    assert why(decided(priced(0), Facts(wallet_micros={1: 0})), 1)[0] == "wallet"


# --- holidays ----------------------------------------------------------------------------------------------------


def test_a_desk_that_keeps_holidays_is_closed_on_them() -> None:
    document = one_target()
    document["holidays"] = {"US": {"2026-03-03": "Town Meeting Day"}}
    document["targets"][0]["schedule"]["holidays"] = {"calendar": "US"}
    assert why(decided(document), 1) == (
        "closed", "Tue 12:00 in America/New_York (Town Meeting Day), opens Wed 00:00",
    )  # fmt: skip
