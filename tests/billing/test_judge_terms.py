"""What a call is worth by a contract: textbook stories in a table, numbers written by hand."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.judge_terms import Judgement, Situation, judge_terms
from billing.terms_document import Fixed, Party, Period, Rounding, RoundingMode, Rule, TermsDocument
from billing.terms_facts import call_facts, decimal_seconds
from billing.tiers import period_start
from tests.billing.contracts import buyer, publisher

VETERAN = {"name": "veteran", "price": "5.00", "when": {"fact": "veteran", "=": True}}
OHIO = {"name": "ohio", "price": "2.50", "when": {"fact": "state", "in": ["OH", "MI"]}}
LADDER = [
    {"name": "long", "minimum_connected_seconds": 90, "price": "45.00"},
    {"name": "short", "minimum_connected_seconds": 30, "price": "10.00"},
]
TIERS = {
    "period": "month",
    "tiers": [{"from_call": 1, "price": "45.00"}, {"from_call": 101, "price": "40.00"}],
}


def judged(terms: TermsDocument, connected_ms: int, **said: Any) -> Judgement:
    facts = {"connected_seconds": decimal_seconds(connected_ms), **said.pop("facts", {})}
    return judge_terms(terms, Situation(connected_ms=connected_ms, facts=facts, **said))


@pytest.mark.parametrize(
    ("terms", "connected_ms", "said", "dollars", "rule"),
    [
        (buyer(), 90_000, {}, "45.00", "base"),
        (buyer(), 89_999, {}, None, None),
        (buyer(rules=LADDER), 90_000, {}, "45.00", "long"),
        (buyer(rules=LADDER), 89_999, {}, "10.00", "short"),
        (buyer(rules=LADDER), 29_999, {}, None, None),
        (
            buyer(bonuses=[VETERAN, OHIO]),
            90_000,
            {"facts": {"veteran": "yes", "state": "OH"}},
            "52.50",
            "base",
        ),
        (
            buyer(bonuses=[VETERAN, OHIO]),
            90_000,
            {"facts": {"veteran": "no", "state": "MI"}},
            "47.50",
            "base",
        ),
        (buyer(bonuses=[VETERAN, OHIO]), 90_000, {}, "45.00", "base"),
        (buyer(rules=[{"name": "b", "price": "bid"}]), 1, {"bid_micros": 61_000_000}, "61.00", "b"),
        (buyer(rules=[{"name": "b", "price": "bid"}]), 1, {}, None, None),
        (buyer(), 90_000, {"bid_micros": 61_000_000}, "61.00", "base"),
        (buyer(), 60_000, {"bid_micros": 61_000_000, "bid_minimum_connected_ms": 60_000}, "61.00", "base"),
        (
            buyer(rules=[{"name": "b", "price": {"percent_of_bid": "90"}}]),
            1,
            {"bid_micros": 10_050_000},
            "9.05",  # 9.045
            "b",
        ),
        (buyer(rules=[{"name": "t", "price": TIERS}]), 1, {"calls_before": {"month": 99}}, "45.00", "t"),
        (buyer(rules=[{"name": "t", "price": TIERS}]), 1, {"calls_before": {"month": 100}}, "40.00", "t"),
        (publisher({"percent_of_revenue": "70"}), 1, {"revenue_micros": 45_000_000}, "31.50", "base"),
        (publisher({"percent_of_revenue": "33.3333"}), 1, {"revenue_micros": 45_000_000}, "15.00", "base"),
        (publisher("30.00", minimum_margin="20.00"), 1, {"revenue_micros": 45_000_000}, "25.00", "base"),
        (publisher("30.00", minimum_margin="20.00"), 1, {"revenue_micros": 15_000_000}, "0.00", "base"),
        (
            publisher("30.00", minimum_margin={"percent_of_revenue": "40"}),
            1,
            {"revenue_micros": 45_000_000},
            "27.00",
            "base",
        ),
    ],
)
def test_textbook_stories(
    terms: TermsDocument, connected_ms: int, said: dict[str, Any], dollars: str | None, rule: str | None
) -> None:
    judgement = judged(terms, connected_ms, **said)
    assert (judgement.paid, judgement.rule) == (dollars is not None, rule)
    assert judgement.amount_micros == int(Fraction(dollars or "0") * 1_000_000)


def test_the_failing_term_is_told_with_its_numbers() -> None:
    assert judged(buyer(), 74_200).detail == "connected 74.2 s of 90 s"
    asked = {"name": "long", "price": "45.00", "when": {"fact": "connected_seconds", ">": 90}}
    assert judged(buyer(rules=[asked]), 90_000).detail == "long: connected 90 s of more than 90 s"
    assert judged(buyer(rules=[{**OHIO, "name": "base"}]), 1, facts={"state": "TX"}).detail == (
        "state is tx, wanted in OH, MI"
    )
    bonus = judged(buyer(bonuses=[VETERAN]), 90_000, facts={"veteran": "no"}).failed[0]
    assert (bonus.rule, bonus.reason) == ("veteran", "veteran is no, wanted = yes")


def test_one_publisher_has_rules_of_its_own() -> None:
    terms = buyer(overrides=[{"publisher": 7, "rules": [{"name": "theirs", "price": "20.00"}]}])
    assert judged(terms.for_publisher(7), 1).amount_micros == 20_000_000
    assert judged(terms.for_publisher(8), 90_000).amount_micros == 45_000_000


@given(st.integers(0, 86_400_000), st.sampled_from([-1, 0, 1]), st.booleans())
def test_one_millisecond_decides_at_any_threshold(minimum_ms: int, step_ms: int, by_condition: bool) -> None:
    """As a minimum and as a condition, however the seconds are written."""
    connected_ms = minimum_ms + step_ms
    if connected_ms < 0:
        return
    if by_condition:
        rule = {"name": "r", "price": "1.00", "when": {"fact": "connected_seconds", ">=": minimum_ms / 1000}}
    else:
        rule = {"name": "r", "price": "1.00", "minimum_connected_seconds": minimum_ms / 1000}
    assert judged(buyer(rules=[rule]), connected_ms).paid is (step_ms >= 0)


@given(
    st.fractions(min_value=0, max_value=10**9),
    st.sampled_from([1, 100, 1_000, 10_000, 1_000_000]),
    st.sampled_from(RoundingMode),
)
def test_an_amount_is_rounded_once_to_the_nearest_step(
    amount: Fraction, to_micros: int, mode: RoundingMode
) -> None:
    rounded = Rounding(to_micros=to_micros, mode=mode).apply(amount)
    assert rounded % to_micros == 0
    off = rounded - amount
    assert {
        RoundingMode.UP: 0 <= off < to_micros,
        RoundingMode.DOWN: -to_micros < off <= 0,
        RoundingMode.HALF_UP: -Fraction(to_micros, 2) < off <= Fraction(to_micros, 2),
    }[mode]


@pytest.mark.parametrize(
    ("ppm", "mode", "micros"),
    [(333_333, "half_up", 33_330_000), (333_350, "half_up", 33_340_000), (333_301, "up", 33_340_000),
     (333_399, "down", 33_330_000)],
)  # fmt: skip
def test_parts_are_summed_before_the_one_rounding(ppm: int, mode: str, micros: int) -> None:
    terms = publisher({"percent_of_revenue": str(ppm / 10_000)}, rounding={"to": "0.01", "mode": mode})
    assert judged(terms, 1, revenue_micros=100_000_000).amount_micros == micros


@given(st.integers(0, 10**10), st.integers(0, 1_000_000), st.integers(0, 10**9))
def test_the_margin_is_always_left(revenue: int, share_ppm: int, margin: int) -> None:
    terms = TermsDocument(
        party=Party.PUBLISHER,
        time_zone="UTC",
        rounding=Rounding(to_micros=10_000),
        rules=(Rule(name="r", price=Fixed(amount_micros=revenue * share_ppm // 1_000_000)),),
        margin=Fixed(amount_micros=margin),
    )
    payout = judged(terms, 1, revenue_micros=revenue).amount_micros
    assert payout == 0 or revenue - payout >= margin


@pytest.mark.parametrize(
    ("at", "period", "first"),
    [
        # Month ends, in the terms' zone: New York is 4 or 5 hours behind.
        ("2026-11-01T03:59:59.999Z", Period.MONTH, "2026-10-01"),
        ("2026-11-01T04:00:00Z", Period.MONTH, "2026-11-01"),
        ("2027-01-01T04:59:59.999Z", Period.MONTH, "2026-12-01"),
        ("2027-01-01T05:00:00Z", Period.MONTH, "2027-01-01"),
        # The night that has 25 hours, and the one that has 23.
        ("2026-11-02T04:59:59.999Z", Period.DAY, "2026-11-01"),
        ("2026-11-02T05:00:00Z", Period.DAY, "2026-11-02"),
        ("2026-03-08T04:59:59.999Z", Period.DAY, "2026-03-07"),
        ("2026-03-09T03:59:59.999Z", Period.DAY, "2026-03-08"),
        ("2026-03-09T04:00:00Z", Period.WEEK, "2026-03-09"),
        ("2026-03-09T03:59:59Z", Period.WEEK, "2026-03-02"),
    ],
)
def test_periods_end_on_the_wall_clock(at: str, period: Period, first: str) -> None:
    moment = dt.datetime.fromisoformat(at)
    assert period_start(period, moment, "America/New_York") == dt.date.fromisoformat(first)


@pytest.mark.parametrize(
    ("at", "time"),
    [("2026-11-01T05:30:00Z", "01:30"), ("2026-11-01T06:30:00Z", "01:30"), ("2026-03-08T07:00:00Z", "03:00")],
)
def test_hours_are_those_of_the_terms_zone_on_nights_that_change(at: str, time: str) -> None:
    facts = call_facts(
        tags={"time": "12:00", "source": "x"},
        answers={"state": "OH"},
        started_at=dt.datetime.fromisoformat(at),
        time_zone="America/New_York",
        connected_ms=1,
        total_ms=2,
        own={"first_time": True, "caller": None},
    )
    assert (facts["time"], facts["state"], facts["first_time"]) == (time, "OH", "yes")
    assert "caller" not in facts
