"""Terms that cannot be right are refused when they are saved, each with its place and reason."""

from __future__ import annotations

from typing import Any

import pytest

from billing.check_terms import checked_terms
from billing.read_terms import TermsError
from billing.terms_document import Party
from tests.billing.contracts import contract, payout


def rule(name: str = "base", price: Any = "45.00", **said: Any) -> dict[str, Any]:
    return {"name": name, "price": price, **said}


def connected(**test: Any) -> dict[str, Any]:
    return {
        "fact": "connected_seconds",
        **{{"over": ">", "under": "<", "to": "<="}[k]: v for k, v in test.items()},
    }


OHIO, NOT_OHIO = {"fact": "state", "=": "OH"}, {"not": {"fact": "state", "=": "OH"}}
VETERAN = {"fact": "veteran", "=": True}


def tiers(*firsts: int) -> dict[str, Any]:
    return {"period": "month", "tiers": [{"from_call": first, "price": "40.00"} for first in firsts]}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"currency": "EUR"}, "currency: 'EUR'"),
        ({"rules": [rule(price="45.00 EUR")]}, "rules[0].price: '45.00 EUR' is not in USD"),
        ({"rules": [rule(price="-45.00")]}, "rules[0].price: '-45.00' is negative"),
        ({"rules": [rule(price=45)]}, "rules[0].price: 45 is not an amount in quotes"),
        ({"rules": [rule(price="0.0000001")]}, "rules[0].price: '0.0000001' is finer"),
        (
            {"rules": [rule(price={"percent_of_revenue": "70"})]},
            "rules[0].price: needs an amount or exactly one of",
        ),
        ({"rules": []}, "rules: not a list of 1 to 20 rules"),
        ({"rules": [rule(), rule()]}, "rules[1].name: 'base' is the name of two rules"),
        ({"rules": [rule(minimum_connected_seconds=90.0001)]}, "finer than a millisecond"),
        ({"rounding": {"to": "0.05", "mode": "half_up"}}, "rounding.to: '0.05' is not one of"),
        ({"rounding": None}, "rounding: not like"),
        ({"rounding": {"to": "0.001", "mode": "half_up"}}, "rounding.to: '0.001' is finer than a cent"),
        ({"time_zone": "Mars/Olympus"}, "time_zone: 'Mars/Olympus' is not a time zone"),
        ({"surprise": 1}, "terms.surprise: not known"),
        (
            {"rules": [rule(when={"fact": "sttae", "=": "OH"})]},
            "rules[0].when.fact: sttae is not a known fact",
        ),
        # Contradictions.
        (
            {"rules": [rule(when={"all": [connected(over=90), connected(under=90)]})]},
            "rules[0].when: 'base' contradicts itself",
        ),
        (
            {"rules": [rule(minimum_connected_seconds=90, when=connected(under=90))]},
            "rules[0].when: 'base' contradicts itself",
        ),
        ({"rules": [rule(when={"all": [OHIO, NOT_OHIO]})]}, "rules[0].when: 'base' contradicts itself"),
        ({"rules": [rule(when={"fact": "converted", "=": True})]}, "only a publisher's may ask for it"),
        # What can never pay.
        ({"rules": [rule(), rule("second")]}, "rules[1]: 'second' can never pay, because 'base' pays first"),
        (
            {"rules": [rule(minimum_connected_seconds=30), rule("long", minimum_connected_seconds=90)]},
            "rules[1]: 'long' can never pay",
        ),
        (
            {"rules": [rule(when=OHIO)], "bonuses": [rule("outside", "5.00", when=NOT_OHIO)]},
            "bonuses[0]: 'outside' can never pay",
        ),
        (
            {"rules": [rule(price=tiers(1, 101, 101))]},
            "rules[0].price.tiers[2].from_call: the tier from call 101",
        ),
        ({"rules": [rule(price=tiers(1, 101, 50))]}, "the tier from call 50 on can never pay"),
        ({"rules": [rule(price=tiers(2))]}, "the first tier begins with call 1"),
        (
            {"overrides": [{"publisher": 3, "rules": [rule(), rule("b")]}]},
            "overrides[0].rules[1]: 'b' can never pay",
        ),
    ],
)
def test_terms_that_cannot_be_right(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(TermsError) as refused:
        checked_terms(contract(**said), Party.BUYER)
    assert problem in str(refused.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(TermsError) as refused:
        checked_terms(contract(currency="EUR", time_zone="x", rules=[rule(price="-1")]), Party.BUYER)
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize(
    "said",
    [
        {"rules": [rule("long", minimum_connected_seconds=90), rule(minimum_connected_seconds=30)]},
        # A caller whose state nobody knows meets neither the first nor its opposite.
        {"rules": [rule("ohio", when=OHIO), rule("elsewhere", when=NOT_OHIO), rule()]},
        {"rules": [rule("short", when=connected(to=90)), rule("long", when=connected(over=90))]},
        {"bonuses": [rule("veteran", "5.00", when=VETERAN)]},
        {"rules": [rule(price="bid")]},
        {"rules": [rule(price=tiers(1, 101))]},
    ],
)
def test_terms_that_are_right(said: dict[str, Any]) -> None:
    assert checked_terms(contract(**said), Party.BUYER)


def test_tiers_count_what_converted() -> None:
    with pytest.raises(TermsError, match="pays_for: tiers count calls that converted"):
        checked_terms(payout(tiers(1, 101), pays_for="connected"), Party.PUBLISHER)


def test_a_share_and_a_margin_that_cannot_both_be_kept() -> None:
    terms = payout({"percent_of_revenue": "80"}, minimum_margin={"percent_of_revenue": "30"})
    with pytest.raises(TermsError, match="110 % of the revenue"):
        checked_terms(terms, Party.PUBLISHER)
