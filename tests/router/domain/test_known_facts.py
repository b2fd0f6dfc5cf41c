"""What filters may ask about a call."""

from __future__ import annotations

from datetime import datetime

from router.domain.known_facts import (
    CLOCK_FACTS,
    KNOWN_FACTS,
    FactsThere,
    facts_anywhere,
    facts_of_call,
    facts_of_clock,
    with_equity,
)
from tests.router.markets import a_request


def test_the_router_knows_its_own_facts_and_believes_no_tag_that_bears_their_names() -> None:
    request = a_request(
        publisher_id=7,
        dialled="+18005550100",
        tried=(3,),
        tags={"loan_type": "reverse", "day": "2020-01-01", "publisher": "1"},
    )
    assert facts_of_call(request) == {
        "loan_type": "reverse",
        "publisher": "7",
        "campaign": "1",
        "number": "+18005550100",
        "caller": "+16145550123",
        "area_code": "614",
        "attempt": "2",
    }


def test_a_hidden_number_is_not_known() -> None:
    facts = facts_of_call(a_request(caller=None))
    assert not {"caller", "area_code", "number", "publisher"} & set(facts)


def test_the_score_is_what_a_flow_added_up() -> None:
    assert facts_of_call(a_request(tags={"score": "42"}))["score"] == "42"


def test_the_clock_is_that_of_the_target() -> None:
    assert facts_of_clock(datetime(2026, 3, 3, 8, 5)) == {
        "day": "2026-03-03", "time": "08:05", "weekday": "tue",
    }  # fmt: skip
    assert set(facts_of_clock(datetime(2026, 3, 3))) == set(CLOCK_FACTS) <= set(KNOWN_FACTS)


def test_equity_follows_from_what_the_home_is_worth_and_what_is_owed() -> None:
    assert with_equity({"home_value": "$400,000", "loan_balance": "150000"})["equity"] == "250000.00"
    assert with_equity({"home_value": "1", "loan_balance": "1", "equity": "9"})["equity"] == "9"
    assert "equity" not in with_equity({"home_value": "a lot", "loan_balance": "1"})
    assert "equity" not in with_equity({"home_value": "1"})


def test_only_the_clock_is_another_one_in_another_zone() -> None:
    anywhere = facts_anywhere(
        a_request(tags={"home_value": "400000", "loan_balance": "150000", "time": "03:00"})
    )
    here = FactsThere(anywhere, lambda: datetime(2026, 3, 3, 12, 5))
    there = FactsThere(anywhere, lambda: datetime(2026, 3, 3, 9, 5))
    assert (here["time:time"], there["time:time"]) == (725, 545), "no tag is taken for the clock"
    assert here["text:weekday"] == there["text:weekday"] == "tue"
    assert here["money:equity"] == there["money:equity"] == 250_000_000_000
    assert here["text:nobody_said_so"] is None
